"""RLE Lossless, written here (PS3.5 annex G)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pacskit._version import __version__
from pacskit.encoding.codecs.base import EncodeOptions, PixelFormat
from pacskit_ext import _rle

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RleCodec"]

_RLE = "1.2.840.10008.1.2.5"
_MAX_SEGMENTS = 15


class RleCodec:
    """Whole bytes and packed single bits, in up to 15 segments; every bit of a cell is kept."""

    name = "pacskit.rle"
    licence = "BSD-3-Clause"
    decodes = (_RLE,)
    encodes = (_RLE,)

    def version(self) -> str | None:
        """Return the version of pacskit: it is always there."""
        return __version__

    def can_decode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether the pixels have few enough bytes for 15 segments; of single bits, one sample."""
        if format.bits_allocated == 1:
            return format.samples == 1
        return format.samples * format.itemsize <= _MAX_SEGMENTS

    can_encode = can_decode

    def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: NDArray[Any]) -> None:
        """Fill ``out``; DecodeError with the offset where a segment is too short or too long."""
        _rle.decode(
            frame,
            out.data,
            rows=format.rows,
            columns=format.columns,
            samples=format.samples,
            bits_allocated=format.bits_allocated,
        )

    def encode(self, array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        """Return the frame; there are no options."""
        return _rle.encode(
            array.data,
            rows=format.rows,
            columns=format.columns,
            samples=format.samples,
            bits_allocated=format.bits_allocated,
        )
