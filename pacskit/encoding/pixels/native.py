"""Native pixel data as arrays, without copying what need not be changed (PS3.5 8.1 and 8.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pacskit.core.errors import DecodeError
from pacskit.encoding.pixels.layout import Layout
from pacskit_ext._pixels import are_stored_values, take_values, unpack_bits, widen_422

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pacskit.encoding.frames import FrameIndex

__all__ = ["NativePixels", "values_in_place"]


class NativePixels:
    """Frames of native pixel data, one by one or many at once.

    ``cells`` gives them as they are stored, ``values`` without the bits that belong to nothing or to an overlay.
    """

    __slots__ = ("_frame_bits", "_index", "_swap", "_words", "layout")

    def __init__(self, index: FrameIndex, layout: Layout) -> None:
        if index.is_encapsulated:
            raise ValueError("the pixel data is encapsulated")
        self._index = index
        self.layout = layout
        # OW has words of two bytes also where a cell has more: its low word comes first (PS3.5 8.1.1 and 8.2)
        self._words = layout.swap and layout.format.itemsize > 2 and not layout.is_float
        self._swap = layout.swap and not self._words
        self._frame_bits = index.bit_range(0).bits
        if layout.format.photometric == "YBR_FULL_422":
            self._check_422()

    def _check_422(self) -> None:
        format = self.layout.format
        if format.bits_allocated not in {8, 16} or format.signed or format.planar:
            raise DecodeError("YBR_FULL_422 has unsigned cells of 8 or 16 bits, colour by pixel", tag=0x00280004)
        if format.rows * format.columns % 2:
            raise DecodeError("YBR_FULL_422 with an odd number of pixels: two share their chrominance", tag=0x00280011)

    def values(self, first: int, count: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Stored values of frames in a row, (count, *shape): a read-only view where nothing is to be changed.

        ``out``, C-contiguous, of that shape and the format's dtype, is filled where it is given.
        """
        layout, format = self.layout, self.layout.format
        shape = (count, *format.shape)
        if format.bits_allocated == 1:
            target = np.empty(shape, np.uint8) if out is None else out
            bit = first * self._frame_bits
            start, stop = bit // 16 * 2, -(-(bit + count * self._frame_bits) // 16) * 2
            unpack_bits(self._straight(start, stop), bit - 8 * start, target)
            return target
        source = self._cut(first, count)
        if self._fits(source):
            view = np.frombuffer(source, format.dtype).reshape(shape)
            if out is None:
                return view
            out[...] = view
            return out
        target = np.empty(shape, format.dtype) if out is None else out
        size, bits, high = format.itemsize, format.bits_stored, layout.high_bit
        if format.photometric == "YBR_FULL_422":
            widen_422(source, target, size, bits, high, swap=self._swap)
        elif format.samples > 1 and format.planar == 1:
            plane = format.rows * format.columns
            take_values(
                source, target, size, bits, high, format.signed,
                swap=self._swap, plane=plane, samples=format.samples,
            )  # fmt: skip
        else:
            take_values(source, target, size, bits, high, format.signed, swap=self._swap)
        return target

    def cells(self, frame: int) -> NDArray[Any]:
        """The cells of one frame with all their bits, as unsigned numbers in the order of the source."""
        size = self.layout.format.itemsize
        return np.frombuffer(self._cut(frame, 1), np.dtype(f"{'>' if self._swap else '<'}u{size}"))

    def _fits(self, source: memoryview) -> bool:
        """Whether the bytes of the source are the values."""
        layout, format = self.layout, self.layout.format
        if self._swap or format.photometric == "YBR_FULL_422" or (format.samples > 1 and format.planar == 1):
            return False
        if layout.is_float or not layout.has_unused_bits:
            return True
        return are_stored_values(source, format.itemsize, format.bits_stored, layout.high_bit, format.signed)

    def _straight(self, start: int, stop: int) -> memoryview:
        """Whole words of the value with swapped bytes put right; what was deferred is read by range."""
        data = self._index.native_part(start, stop)
        return _unswapped(data) if self._index.has_swapped_bytes else data

    def _cut(self, first: int, count: int) -> memoryview:
        """The bytes of frames in a row."""
        start, length = first * self._frame_bits // 8, count * self._frame_bits // 8
        if self._index.has_swapped_bytes and count == 1:
            return memoryview(self._index.frame(first))
        first_word = start // 2 * 2
        found = self._straight(first_word, (start + length + 1) // 2 * 2)[start - first_word :][:length]
        return _unswapped(found) if self._words else found


def _unswapped(data: memoryview) -> memoryview:
    """Words of two bytes in the other order."""
    return np.frombuffer(data[: len(data) // 2 * 2], "u2").byteswap().data.cast("B")


def values_in_place(array: NDArray[Any], layout: Layout) -> None:
    """Make stored values of cells that a codec gave with all their bits."""
    format = layout.format
    if format.bits_allocated == 1 or not layout.has_unused_bits:
        return
    size, bits, high = format.itemsize, format.bits_stored, layout.high_bit
    if not are_stored_values(array, size, bits, high, format.signed):
        take_values(array, array, size, bits, high, format.signed)
