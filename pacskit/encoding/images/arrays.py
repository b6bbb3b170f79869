"""Image objects of arrays."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import EncodeError
from pacskit.encoding.images.options import BuildOptions
from pacskit.encoding.images.pixels import Lossy, PixelSource, image_object

__all__ = ["array_source", "from_array"]

_GRAY: Final = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLORS: Final = frozenset({"RGB", "YBR_FULL"})
_DEFAULT: Final = BuildOptions()


def from_array(
    array: ArrayLike,
    options: BuildOptions = _DEFAULT,
    /,
    *,
    photometric: str | None = None,
    bits_stored: int | None = None,
    icc_profile: bytes | None = None,
    **attributes: Any,
) -> Dataset:
    """Make an image object of an array.

    Parameters
    ----------
    array
        (rows, columns), (rows, columns, 3), or one of them with an axis of frames before; bool for single bits, uint8,
        uint16, or int16 for a single-frame Secondary Capture.
    options
        Which object, whose, and from what.
    photometric
        Photometric Interpretation: MONOCHROME1, MONOCHROME2, RGB or YBR_FULL. None: MONOCHROME2, or RGB where the last
        axis has length 3; say ``MONOCHROME2`` where these are three columns of gray frames.
    bits_stored
        How many low bits of each pixel there are; None for all.
    icc_profile
        A profile for colours, kept as it is.
    attributes
        Keywords, or paths such as ``"AnatomicRegionSequence[0].CodeValue"``, and their values.

    Raises EncodeError for pixels that the class does not hold, ConfigurationError for what cannot be set.
    """
    source = array_source(np.asarray(array), photometric, bits_stored, icc_profile=icc_profile)
    return image_object(source, options, attributes)


def array_source(
    array: NDArray[Any],
    photometric: str | None = None,
    bits_stored: int | None = None,
    *,
    icc_profile: bytes | None = None,
    lossy: Lossy | None = None,
) -> PixelSource:
    """Describe an array, and lay out its bytes."""
    if array.dtype == np.bool_:
        allocated, kind = 1, np.dtype("u1")
    elif array.dtype.newbyteorder("=") in {np.dtype("u1"), np.dtype("u2"), np.dtype("i2")}:
        allocated, kind = 8 * array.itemsize, array.dtype.newbyteorder("<")
    else:
        raise EncodeError(f"pixels of {array.dtype}: bool, uint8, uint16 and int16 can be stored", tag=0x00280100)
    frames, name = _stacked(array, photometric)
    count, rows, columns = frames.shape[:3]
    if not frames.size or max(rows, columns) > 0xFFFF:
        raise EncodeError(f"an array of {array.shape} is no image of 1 to 65535 rows and columns", tag=0x00280010)
    stored = allocated if bits_stored is None else bits_stored
    signed = array.dtype.kind == "i"
    _check_range(frames, stored, allocated, signed)
    if allocated == 1:
        data: tuple[Any, ...] = (np.packbits(frames, bitorder="little").tobytes(),)
    else:
        data = (np.ascontiguousarray(frames, kind).tobytes(),)
    samples = frames.shape[3] if frames.ndim == 4 else 1
    return PixelSource(
        rows, columns, samples, allocated, stored, name, data, count, signed, lossy=lossy, icc_profile=icc_profile
    )


def _stacked(array: NDArray[Any], photometric: str | None) -> tuple[NDArray[Any], str]:
    """The frames as (count, rows, columns) or (count, rows, columns, 3), and their photometric interpretation."""
    if photometric is None:
        photometric = "RGB" if array.ndim in {3, 4} and array.shape[-1] == 3 else "MONOCHROME2"
    if photometric not in _GRAY | _COLORS:
        raise EncodeError(f"an array of {photometric} cannot be stored", tag=0x00280004)
    depth = 3 if photometric in _COLORS else 2
    if array.ndim not in {depth, depth + 1} or (depth == 3 and array.shape[-1] != 3):
        raise EncodeError(f"an array of {array.shape} holds no {photometric} frames", tag=0x00280002)
    if depth == 3 and array.dtype == np.bool_:
        raise EncodeError("single bits have no colours", tag=0x00280002)
    return (array if array.ndim == depth + 1 else array[np.newaxis]), photometric


def _check_range(frames: NDArray[Any], stored: int, allocated: int, signed: bool) -> None:
    if not 1 <= stored <= allocated:
        raise EncodeError(f"{stored} bits stored in {allocated} allocated", tag=0x00280101)
    if stored == allocated:
        return
    low, high = (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if signed else (0, (1 << stored) - 1)
    least, most = int(frames.min()), int(frames.max())
    if least < low or most > high:
        raise EncodeError(f"pixels from {least} to {most} do not fit {stored} bits", tag=0x00280101)
