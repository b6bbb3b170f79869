"""One call from a data set to what a screen shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.encoding.display.icc import colors_by_profile
from pacskit.encoding.display.overlay import draw_overlays
from pacskit.encoding.display.pipeline import WindowChoice, pipeline_for
from pacskit.encoding.display.shutter import cover
from pacskit.encoding.display.source import GRAY, frame_of, to_rgb
from pacskit.encoding.functional_groups import number_of_frames

if TYPE_CHECKING:
    from pacskit.encoding.display.state import PresentationState

__all__ = ["render"]


def render(  # noqa: PLR0913 - keyword-only options
    ds: Dataset,
    frame: int = 0,
    *,
    pixels: NDArray[Any] | None = None,
    window: WindowChoice = "auto",
    invert: bool = False,
    overlays: bool | Sequence[NDArray[Any]] = True,
    bits: Literal[8, 16] = 8,
    presentation_state: PresentationState | Dataset | None = None,
    icc: bool = False,
) -> NDArray[Any]:
    """Render a frame as a screen shows it: gray as (rows, columns), colour as (rows, columns, 3), 0 black.

    Modality and VOI transformations, MONOCHROME1, shutters and overlays are applied as the data set has them.

    Parameters
    ----------
    frame
        Which frame, from 0.
    pixels
        Its stored values where they are decoded already.
    window
        ``"auto"``: the first VOI LUT of the data set, else its first window, else ``"full"``. A number: that window of
        the data set's, from 0. An explanation: the window or table that has it. A `Window`, a `LookupTable`, or a pair
        of center and width. ``"full"``: all values that Bits Stored allows. ``"minmax"``: from the least to the
        largest value of the frame, padding apart.
    invert
        Turn black and white round, after what the data set says of it.
    overlays
        Draw the graphics overlays of the data set in white, or masks of the size of the image.
    bits
        Depth of the output for gray images.
    presentation_state
        A softcopy presentation state to apply: it replaces what the image says of its display (PS3.3 A.33), and gives
        RGB where it has colours. Only ``pixels`` and ``icc`` go with it.
    icc
        Give colours as sRGB, by the ICC profile that the presentation state or the data set has (PS3.3 C.11.15);
        without one they stay what they are.

    Raises DecodeError, with the tag, for attributes that contradict the standard.
    """
    count = number_of_frames(ds)
    if not 0 <= frame < count:
        raise IndexError(f"there are {count} frames")
    if presentation_state is not None:
        from pacskit.encoding.display.state import PresentationState

        state = presentation_state
        found = state if isinstance(state, PresentationState) else PresentationState(state)
        return found.render(ds, frame, pixels=pixels, icc=icc)
    stored, photometric = frame_of(ds, frame, pixels)
    if photometric in GRAY:
        pipeline = pipeline_for(ds, stored, frame, window=window, invert=invert)
        out = pipeline.render(stored, bits=bits)
    else:
        colors = to_rgb(ds, stored, photometric)
        colors = colors_by_profile(colors, ds) if icc else colors
        out = np.subtract(255, colors) if invert else colors
    planes = [] if isinstance(overlays, bool) else list(overlays)
    if any(plane.shape != stored.shape[:2] for plane in planes):
        raise ValueError("masks have the rows and columns of the image")
    if overlays is True or planes or "ShutterShape" in ds:
        out = np.require(out, requirements=["W", "O"])
    if "ShutterShape" in ds:
        cover(out, ds)
    if overlays is True:
        draw_overlays(out, ds, frame)
    for plane in planes:
        out[plane != 0] = np.iinfo(out.dtype).max
    return out
