"""Deflated Image Frame Compression (PS3.5 8.2.16 and A.4.13): the cells of each frame as raw deflate (RFC 1951)."""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.errors import CodecError, CodecLimitError, CodecTruncatedError, EncodeError
from pacskit.encoding.codecs.base import EncodeOptions, PixelFormat
from pacskit.encoding.codecs.native import cells_from, cells_into, cells_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DeflatedFrameCodec"]

_DEFLATED: Final = "1.2.840.10008.1.2.8.1"
_RAW: Final = -15
_EFFORT: Final = 6
_FAST: Final = 1


class DeflatedFrameCodec:
    """zlib, or isal where it is installed: to decode, and to encode with effort 1."""

    name = "pacskit.deflate"
    licence = "BSD-3-Clause"
    decodes = (_DEFLATED,)
    encodes = (_DEFLATED,)

    @cached_property
    def _fast(self) -> Any:
        """isal's module, None where it is not installed."""
        try:
            from isal import isal_zlib
        except ImportError:
            return None
        return isal_zlib

    def version(self) -> str | None:
        """Return the version of zlib."""
        return zlib.ZLIB_RUNTIME_VERSION

    def can_decode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be decoded: deflate does not look at them."""
        return syntax in self.decodes

    def can_encode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be encoded."""
        return syntax in self.encodes

    def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: NDArray[Any]) -> None:
        """Fill ``out``."""
        cells_into(inflate(frame, cells_length(format), self._fast or zlib), format, out)

    def encode(self, array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        """Return the deflated cells."""
        effort = _EFFORT if options.effort is None else options.effort
        if not 1 <= effort <= 9:
            raise EncodeError(f"a deflate effort of {effort} is not within 1 to 9")
        cells = cells_from(array, format)
        if effort == _FAST and self._fast is not None:
            return bytes(self._fast.compress(cells, level=1, wbits=_RAW))
        return zlib.compress(cells, level=effort, wbits=_RAW)


def inflate(frame: memoryview, length: int, library: Any = zlib) -> bytes:
    """Return the ``length`` bytes that a raw deflate stream holds; never more are made, however large it claims to be.

    Raises CodecTruncatedError where there are fewer, CodecLimitError where there are more.
    """
    stream = library.decompressobj(_RAW)
    try:
        found = stream.decompress(frame, length + 1)
    except library.error as error:
        raise CodecError(f"no deflate stream: {error}") from error
    if len(found) > length:
        raise CodecLimitError(f"the deflated frame is larger than its {length} bytes of cells")
    if len(found) < length or not stream.eof:
        raise CodecTruncatedError(f"the deflated frame ends after {len(found)} of {length} bytes", offset=len(frame))
    return bytes(found)
