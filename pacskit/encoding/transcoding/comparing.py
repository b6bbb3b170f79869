"""Whether two data sets have the same pixels, and how much they differ."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log10
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.encoding.codecs import DecodeLimits
from pacskit.encoding.pixels.color import convert_color
from pacskit.encoding.pixels.reader import PixelReader
from pacskit.encoding.transcoding.plan import PIXEL_DATA

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Difference", "compare_pixels"]

_LIMITS: Final = DecodeLimits()


@dataclass(frozen=True, slots=True)
class Difference:
    """How the pixels of two data sets compare.

    Parameters
    ----------
    frames
        How many were compared.
    largest
        The largest difference of a sample.
    psnr
        The peak signal to noise ratio in dB, of the range of Bits Stored; infinite where all are equal.
    """

    frames: int
    largest: float
    psnr: float

    @property
    def is_equal(self) -> bool:
        """Whether every sample is the same."""
        return self.largest == 0


def compare_pixels(first: Dataset, second: Dataset, *, limits: DecodeLimits = _LIMITS) -> Difference:
    """Compare stored values frame by frame; colours in different spaces are compared in RGB.

    Raises DecodeError where the images have another size or number of frames, or the pixels cannot be read.
    """
    ours, theirs = PixelReader(first, limits=limits), PixelReader(second, limits=limits)
    if (ours.shape, ours.format.samples) != (theirs.shape, theirs.format.samples):
        raise DecodeError(f"pixels of {ours.shape} and of {theirs.shape} are not compared", tag=PIXEL_DATA)
    largest, squares = 0.0, 0.0
    for number in range(ours.number_of_frames):
        one, other = ours.frame(number), theirs.frame(number)
        if ours.photometric != theirs.photometric and ours.format.samples == 3:
            one, other = _rgb(one, ours), _rgb(other, theirs)
        worst, total = _apart(one, other)
        largest, squares = max(largest, worst), squares + total
    samples = ours.number_of_frames * ours.format.rows * ours.format.columns * ours.format.samples
    peak = float((1 << ours.format.bits_stored) - 1)
    psnr = 10 * log10(peak * peak * samples / squares) if squares else inf
    return Difference(ours.number_of_frames, largest, psnr)


def _rgb(frame: NDArray[Any], reader: PixelReader) -> NDArray[Any]:
    if reader.photometric == "RGB":
        return frame
    return convert_color(frame, reader.photometric, "RGB", bits=reader.format.bits_stored)


def _apart(one: NDArray[Any], other: NDArray[Any]) -> tuple[float, float]:
    import numpy as np

    if np.array_equal(one, other):
        return 0.0, 0.0
    apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return float(apart.max()), float(np.square(apart).sum())
