"""Overlay planes, in data of their own and in unused bits of the pixels (PS3.3 C.9.2, PS3.5 8.1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, TruncatedError
from pacskit.encoding.pixels.reader import PixelReader
from pacskit_ext._pixels import unpack_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Overlay", "overlay_array", "overlay_groups", "overlay_of"]

_GROUPS: Final = range(0x6000, 0x6020, 2)
_ROWS, _COLUMNS, _FRAMES, _TYPE, _ORIGIN, _FIRST = 0x0010, 0x0011, 0x0015, 0x0040, 0x0050, 0x0051
_BITS, _POSITION, _LABEL, _DATA = 0x0100, 0x0102, 0x1500, 0x3000


@dataclass(frozen=True, slots=True)
class Overlay:
    """What a data set says of one overlay.

    Parameters
    ----------
    group
        0x6000 to 0x601E.
    rows, columns, number_of_frames
        Its size.
    origin
        The row and column of the image that its first pixel is at; (1, 1) is the image's first.
    first_frame
        The frame of the image that its first frame belongs to, from 0.
    kind
        ``G`` for graphics, ``R`` for a region of interest.
    label
        Overlay Label, empty where there is none.
    bit
        The bit of the pixel cells that it is in (retired); None where it has data of its own.
    """

    group: int
    rows: int
    columns: int
    number_of_frames: int
    origin: tuple[int, int]
    first_frame: int
    kind: str
    label: str
    bit: int | None


def overlay_groups(dataset: Dataset) -> tuple[int, ...]:
    """Return the groups that have an overlay; one whose Overlay Rows is empty has none."""
    return tuple(group for group in _GROUPS if _value(dataset, group << 16 | _ROWS) is not None)


def _value(dataset: Dataset, tag: int, default: Any = None) -> Any:
    value = dataset[tag].value if tag in dataset else None
    return default if value is None or value == "" else value


def _number(dataset: Dataset, tag: int, default: int | None, least: int, most: int) -> int:
    value = _value(dataset, tag, default)
    if not isinstance(value, int) or not least <= value <= most:
        raise DecodeError(f"an overlay needs a number from {least} to {most} here", tag=tag)
    return int(value)


def overlay_of(dataset: Dataset, group: int = 0x6000) -> Overlay:
    """Return what the data set says of an overlay; DecodeError with the tag of what is missing or wrong."""
    if group not in _GROUPS:
        raise ValueError(f"{group:04X} is no group of overlays")
    base = group << 16
    if group not in overlay_groups(dataset):
        raise DecodeError("the data set has no such overlay", tag=base | _ROWS)
    origin = _value(dataset, base | _ORIGIN, [1, 1])
    if not isinstance(origin, (list, tuple)) or len(origin) != 2 or not all(isinstance(one, int) for one in origin):
        raise DecodeError("the origin of an overlay is a row and a column", tag=base | _ORIGIN)
    bit = None
    if base | _DATA not in dataset:
        if _number(dataset, base | _BITS, 1, 1, 64) == 1:
            raise DecodeError("the overlay has no data", tag=base | _DATA)
        bit = _number(dataset, base | _POSITION, None, 0, 63)
    return Overlay(
        group,
        _number(dataset, base | _ROWS, None, 1, 0xFFFF),
        _number(dataset, base | _COLUMNS, None, 1, 0xFFFF),
        _number(dataset, base | _FRAMES, 1, 1, 1 << 31),
        (int(origin[0]), int(origin[1])),
        _number(dataset, base | _FIRST, 1, 1, 1 << 31) - 1,
        str(_value(dataset, base | _TYPE, "")),
        str(_value(dataset, base | _LABEL, "")),
        bit,
    )


def overlay_array(dataset: Dataset, group: int = 0x6000, frame: int | None = None) -> NDArray[np.uint8]:
    """Return an overlay as 0 and 1: (rows, columns) of one of its frames, from 0, or of its only one, else of all.

    Raises TruncatedError where its data, or the pixels that it is in, have fewer bits.
    """
    overlay = overlay_of(dataset, group)
    if frame is not None and not 0 <= frame < overlay.number_of_frames:
        raise IndexError(f"the overlay has {overlay.number_of_frames} frames")
    numbers = range(overlay.number_of_frames) if frame is None else range(frame, frame + 1)
    found = _own(dataset, overlay, numbers) if overlay.bit is None else _embedded(dataset, overlay, numbers)
    return found[0] if len(numbers) == 1 else found


def _own(dataset: Dataset, overlay: Overlay, numbers: range) -> NDArray[np.uint8]:
    element = dataset[overlay.group << 16 | _DATA]
    value = element.raw if element.raw is not None else element.value
    data = memoryview(value if isinstance(value, (bytes, bytearray, memoryview)) else b"").cast("B")
    if element.raw is not None and not element.is_little_endian and element.VR == "OW":
        data = np.frombuffer(data[: len(data) // 2 * 2], "u2").byteswap().data.cast("B")
    bits = overlay.rows * overlay.columns
    if len(data) * 8 < bits * overlay.number_of_frames:
        raise TruncatedError(
            f"{overlay.number_of_frames} overlay frames of {bits} bits do not fit in {len(data)} bytes",
            offset=element.offset, tag=int(element.tag),
        )  # fmt: skip
    out = np.empty((len(numbers), overlay.rows, overlay.columns), np.uint8)
    unpack_bits(data, numbers[0] * bits, out)
    return out


def _embedded(dataset: Dataset, overlay: Overlay, numbers: range) -> NDArray[np.uint8]:
    """From a bit of the pixel cells, which the retired way had (PS3.5 8.1.2)."""
    reader = PixelReader(dataset)
    format = reader.format
    where = overlay.group << 16 | _POSITION
    if (overlay.rows, overlay.columns) != (format.rows, format.columns) or format.samples != 1:
        raise DecodeError("an overlay in the pixels has their size, and they one sample", tag=where)
    if overlay.bit is None or overlay.bit >= format.bits_allocated:
        raise DecodeError(f"there is no bit {overlay.bit} in {format.bits_allocated} bits allocated", tag=where)
    if overlay.first_frame + numbers[-1] >= reader.number_of_frames:
        raise TruncatedError("the image has fewer frames than the overlay", tag=overlay.group << 16 | _FRAMES)
    out = np.empty((len(numbers), overlay.rows, overlay.columns), np.uint8)
    for place, number in enumerate(numbers):
        cells = reader.cells(overlay.first_frame + number).reshape(overlay.rows, overlay.columns)
        out[place] = (cells >> cells.dtype.type(overlay.bit)) & cells.dtype.type(1)
    return out
