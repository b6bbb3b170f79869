"""Frames decoded and encoded: every codec behind one contract and one guard.

``decode_frame`` and ``encode_frame`` are what callers use; ``registry`` says which back ends there are, and
``Codec`` is what one of your own must offer.
"""

from pacskit.core.errors import CodecError, CodecLimitError, CodecTruncatedError, CodecUnavailable
from pacskit.encoding.codecs.base import (
    Codec,
    DecodeLimits,
    EncodeOptions,
    LibraryCodec,
    PartialCodec,
    PixelFormat,
    Region,
    decoded_photometric,
    encoded_photometric,
    is_lossless,
)
from pacskit.encoding.codecs.guard import decode_frame, encode_frame
from pacskit.encoding.codecs.headers import CodeStreamHeader, parse_header
from pacskit.encoding.codecs.registry import CodecRegistry, registry

__all__ = [
    "CodeStreamHeader",
    "Codec",
    "CodecError",
    "CodecLimitError",
    "CodecRegistry",
    "CodecTruncatedError",
    "CodecUnavailable",
    "DecodeLimits",
    "EncodeOptions",
    "LibraryCodec",
    "PartialCodec",
    "PixelFormat",
    "Region",
    "decode_frame",
    "decoded_photometric",
    "encode_frame",
    "encoded_photometric",
    "is_lossless",
    "parse_header",
    "registry",
]
