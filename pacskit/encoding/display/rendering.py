"""One call from a data set to what a screen shows."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.encoding.attributes import missing, required, text
from pacskit.encoding.display.pipeline import WindowChoice, pipeline_for
from pacskit.encoding.display.source import colors, stored_frame
from pacskit.encoding.functional_groups import number_of_frames

__all__ = ["render"]


def render(
    ds: Dataset,
    frame: int = 0,
    *,
    pixels: NDArray[Any] | None = None,
    window: WindowChoice = "auto",
    prefer_lut: bool = True,
    invert: bool = False,
    bits: Literal[8, 16] = 8,
) -> NDArray[Any]:
    """Render a frame as a screen shows it: gray as (rows, columns), colour as (rows, columns, 3), 0 black.

    Parameters
    ----------
    frame
        Which frame, from 0.
    pixels
        Its stored values where they are decoded already.
    window
        ``"auto"``: the first table or window of the data set, ``"full"`` where there is none. A number or an
        explanation: that one of the data set's. A `Window`, or a pair of center and width. ``"full"``: all values
        that Bits Stored allows. ``"minmax"``: from the least to the largest value of the frame, padding apart.
    prefer_lut
        Whether a VOI LUT goes before a window where there are both.
    invert
        Turn black and white round, after what the data set says of it.
    bits
        Depth of the output for gray images.

    Raises DecodeError, with the tag, for attributes that contradict the standard.
    """
    if not 0 <= frame < number_of_frames(ds):
        raise IndexError(f"there are {number_of_frames(ds)} frames")
    photometric = text(ds, "PhotometricInterpretation")
    if photometric is None:
        raise missing("PhotometricInterpretation")
    if pixels is None:
        pixels = stored_frame(ds, frame)
    _check_shape(ds, pixels)
    if photometric in ("MONOCHROME1", "MONOCHROME2"):
        pipeline = pipeline_for(ds, pixels, frame, window=window, prefer_lut=prefer_lut, invert=invert)
        return pipeline.render(pixels, bits=bits)
    shown = colors(ds, pixels)
    return 255 - shown if invert else shown


def _check_shape(ds: Dataset, pixels: NDArray[Any]) -> None:
    rows, columns = required(ds, "Rows"), required(ds, "Columns")
    if pixels.shape[:2] != (rows, columns) or pixels.ndim > 3:
        raise ValueError(f"an array of {pixels.shape} is no frame of {rows} rows and {columns} columns")
