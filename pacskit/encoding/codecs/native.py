"""Frames of cells as native pixel data has them (PS3.5 8.1 and 8.2), and Encapsulated Uncompressed (PS3.5 A.4.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pacskit.core.errors import CodecError, CodecTruncatedError
from pacskit.encoding.codecs.base import EncodeOptions, PixelFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

__all__ = ["EncapsulatedUncompressedCodec", "cells_from", "cells_into", "cells_length"]

_ENCAPSULATED: Final = "1.2.840.10008.1.2.1.98"
_PAIRED: Final = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})


class EncapsulatedUncompressedCodec:
    """Nothing compressed: a frame's cells, little endian."""

    name = "pacskit.native"
    licence = "BSD-3-Clause"
    decodes = (_ENCAPSULATED,)
    encodes = (_ENCAPSULATED,)

    def version(self) -> str | None:
        """Return the version of this package."""
        from pacskit._version import __version__

        return __version__

    def can_decode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be decoded."""
        return syntax in self.decodes

    def can_encode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be encoded."""
        return syntax in self.encodes

    def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: NDArray[Any]) -> None:
        """Fill ``out``."""
        length = cells_length(format)
        if len(frame) > length + length % 2:
            raise CodecError(f"a frame of {len(frame)} bytes; its cells take {length}", offset=length)
        cells_into(frame, format, out)

    def encode(self, array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        """Return the cells."""
        return cells_from(array, format)


def cells_length(format: PixelFormat) -> int:
    """Return how many bytes the cells of a frame take: 1-bit ones eight a byte, 4:2:2 ones two for three."""
    pixels = format.rows * format.columns
    if format.bits_allocated == 1:
        return -(-pixels * format.samples // 8)
    if _is_paired(format):
        return pixels * 2 * format.itemsize
    return format.nbytes


def cells_into(frame: Buffer, format: PixelFormat, out: NDArray[Any]) -> None:
    """Fill ``out`` from cells: colour by plane becomes by pixel, bits become bytes, 4:2:2 gets its full resolution."""
    import numpy as np

    length = cells_length(format)
    view = memoryview(frame).cast("B")
    if len(view) < length:
        raise CodecTruncatedError(f"a frame of {len(view)} bytes; its cells take {length}", offset=len(view))
    if format.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(view, "u1", length), bitorder="little", count=out.size)
        _colour(bits, format, out)
        return
    cells = np.frombuffer(view, out.dtype.newbyteorder("<"), length // out.itemsize)
    if _is_paired(format):
        pairs = cells.reshape(-1, 4)  # Y Y Cb Cr (PS3.3 C.7.6.3.1.2)
        pixels = out.reshape(-1, 2, 3)
        pixels[..., 0] = pairs[:, :2]
        pixels[..., 1] = pairs[:, 2:3]
        pixels[..., 2] = pairs[:, 3:]
    else:
        _colour(cells, format, out)


def cells_from(array: NDArray[Any], format: PixelFormat) -> bytes:
    """Return a frame's cells, little endian, 4:2:2 ones with the chrominance of each pair's first pixel."""
    import numpy as np

    if _is_paired(format):
        pixels = array.reshape(-1, 2, 3)
        array = np.concatenate([pixels[..., 0], pixels[:, 0, 1:]], axis=1)
    elif format.samples > 1 and format.planar:
        array = array.transpose(2, 0, 1)
    if format.bits_allocated == 1:
        return np.packbits(array.reshape(-1) & 1, bitorder="little").tobytes()
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _is_paired(format: PixelFormat) -> bool:
    return format.photometric in _PAIRED and format.samples == 3 and format.columns % 2 == 0


def _colour(cells: NDArray[Any], format: PixelFormat, out: NDArray[Any]) -> None:
    if format.samples > 1 and format.planar:
        out[...] = cells.reshape(format.samples, format.rows, format.columns).transpose(1, 2, 0)
    else:
        out[...] = cells.reshape(out.shape)
