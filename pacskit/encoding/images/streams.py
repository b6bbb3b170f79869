"""Code streams that are kept as they are: JPEG, JPEG-LS, JPEG 2000 and JPEG XL files (PS3.5 8.2, A.4)."""

from __future__ import annotations

import re
from typing import Final

from pacskit.core.errors import CodecError, CodecLimitError, CodecTruncatedError, EncodeError
from pacskit.encoding.codecs import CodeStreamHeader, DecodeLimits, PixelFormat, decode_frame, parse_header
from pacskit.encoding.images.formats import STREAMS
from pacskit.encoding.images.options import BuildOptions
from pacskit.encoding.images.pictures import orientation_of, rgb_profile
from pacskit.encoding.images.pixels import Lossy, PixelSource

__all__ = ["keep", "must_be_decoded"]

_UID: Final = "1.2.840.10008.1.2.4."
_FAMILY: Final = {"jpeg": "50", "jpeg-ls": "80", "jpeg2000": "90", "jpegxl": "112"}
_JPEG: Final = {0: "50", 1: "51", 3: "57"}
_METHODS: Final = {
    "jpeg": "ISO_10918_1",
    "jpeg-ls": "ISO_14495_1",
    "jpeg2000": "ISO_15444_1",
    "jpegxl": "ISO_18181_1",
}
_MARKER: Final = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_MARKER_LS: Final = re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")  # FF is followed by a 0 bit (ISO/IEC 14495-1 9.1)
_SOS, _EOI, _DNL = 0xDA, 0xD9, 0xDC
_ENUMERATED_YCC: Final = 18
_LOSSLESS: Final = frozenset({_UID + n for n in ("57", "70", "80", "90", "201", "202")})


def keep(data: bytes, name: str, options: BuildOptions) -> PixelSource:
    """Take a file's code stream as the frame, after a look at its header and a decode that proves it.

    Raises CodecError where it is damaged, EncodeError where no transfer syntax holds it.
    """
    if name not in STREAMS:
        raise EncodeError(f"a {name} file is no code stream")
    header = parse_header(data, _UID + _FAMILY[name])
    if header is None or header.rows * header.columns * max(header.samples, 1) > options.limits.max_bytes:
        raise CodecLimitError(f"pixels above the limit of {options.limits.max_bytes} bytes")
    if max(header.rows, header.columns) > 0xFFFF:
        raise EncodeError(f"a picture of {header.columns}x{header.rows} pixels has no place in an image object")
    stream = _stream(data, header)
    syntax = _syntax(data, header)
    samples, bits = header.samples or _xl_samples(data, header, options), header.bits or 8
    if samples not in {1, 3}:
        raise EncodeError(f"a {name} file of {samples} components has no place in an image object", tag=0x00280002)
    if header.kind == "jpeg2000" and header.subsampled:
        raise EncodeError("a JPEG 2000 file with components of different sizes", tag=0x00280002)
    if not 2 <= bits <= 16:
        raise EncodeError(f"a {name} file of {bits} bits has no place in an image object", tag=0x00280101)
    allocated = 8 if bits <= 8 else 16
    photometric = "MONOCHROME2" if samples == 1 else _colors(data, header)
    format = PixelFormat(header.rows, header.columns, samples, allocated, bits, header.signed, photometric)
    decode_frame(stream, syntax, format, limits=DecodeLimits(max_bytes=options.limits.max_bytes))
    lossy = None if syntax in _LOSSLESS else Lossy(format.nbytes / len(stream), _METHODS[header.kind])
    return PixelSource(
        header.rows,
        header.columns,
        samples,
        allocated,
        bits,
        photometric,
        (stream,),
        1,
        header.signed,
        syntax,
        lossy,
        _profile(data, header) if samples == 3 else None,
    )


def must_be_decoded(data: bytes, options: BuildOptions) -> bool:
    """Whether a JPEG is to be decoded: no transfer syntax has its process (PS3.5 8.2.1), or it has to be turned.

    Raises EncodeError for one that is stored turned and cannot be turned, or is not to be.
    """
    header = parse_header(data, _UID + _FAMILY["jpeg"])
    if header is None:
        raise CodecError("no JPEG code stream", offset=0)
    turn = 1 if options.orientation == "ignore" else orientation_of(data, header.data)
    plain = header.bits == 8 and header.process in {0, 1, 2}
    if turn != 1 and (options.orientation == "refuse" or not plain):
        raise EncodeError(f"the picture is stored turned (orientation {turn})")
    return plain and (turn != 1 or header.process == 2 or not options.keep_code_stream)


def _stream(data: bytes, header: CodeStreamHeader) -> bytes:
    """The code stream alone: nothing that a file has around it or behind it."""
    if header.kind == "jpegxl":
        return data
    if header.kind == "jpeg2000":
        if header.end is None:
            raise CodecTruncatedError("the JPEG 2000 code stream has no end", offset=len(data))
        return data[header.start : header.end]
    return data[: _jpeg_end(data, header.data, _MARKER_LS if header.kind == "jpeg-ls" else _MARKER)]


def _jpeg_end(data: bytes, at: int, markers: re.Pattern[bytes]) -> int:
    """One past the EOI of the first image: a camera's file may have others behind it."""
    while True:
        found = markers.search(data, at)
        if found is None:
            raise CodecTruncatedError("the JPEG code stream has no end", offset=len(data))
        marker, at = data[found.end() - 1], found.end()
        if marker == _EOI:
            return at
        if at + 2 > len(data):
            raise CodecTruncatedError("the JPEG code stream ends in a segment", offset=at)
        at += int.from_bytes(data[at : at + 2], "big")


def _syntax(data: bytes, header: CodeStreamHeader) -> str:
    """The transfer syntax that holds the code stream."""
    if header.kind == "jpeg":
        if header.process not in _JPEG:
            raise EncodeError("progressive, arithmetic and hierarchical JPEG have no transfer syntax")
        if header.process == 3 and header.predictor == 1 and not header.point_transform:
            return _UID + "70"
        return _UID + _JPEG[header.process]
    if header.kind == "jpeg-ls":
        return _UID + ("81" if header.near else "80")
    if header.kind == "jpegxl":
        return _UID + ("111" if b"jbrd" in data[:4096] else "112")
    if header.high_throughput:
        return _UID + ("201" if header.reversible else "203")
    return _UID + ("90" if header.reversible and not header.own_styles else "91")


def _colors(data: bytes, header: CodeStreamHeader) -> str:
    """The photometric interpretation of three components (PS3.5 8.2.1, 8.2.4)."""
    if header.kind == "jpeg":
        return _jpeg_colors(header)
    if header.kind == "jpeg2000":
        if header.transform:
            return "YBR_RCT" if header.reversible else "YBR_ICT"
        at = data.find(b"colr", 0, header.start)
        is_ycc = at > 0 and data[at + 4] == 1 and int.from_bytes(data[at + 7 : at + 11], "big") == _ENUMERATED_YCC
        return "YBR_FULL" if is_ycc else "RGB"
    return "RGB"


def _jpeg_colors(header: CodeStreamHeader) -> str:
    if header.process == 3:  # of lossless JPEG no marker is believed but Adobe's
        return "YBR_FULL" if header.adobe == 1 else "RGB"
    named_rgb = header.components in {(82, 71, 66), (114, 103, 98)}
    if header.adobe == 0 or (header.adobe is None and not header.jfif and named_rgb):
        if header.subsampled:
            raise EncodeError("an RGB JPEG with subsampled components", tag=0x00280004)
        return "RGB"
    return "YBR_FULL_422"  # whatever the sampling (PS3.3 C.8.12.1.1.1)


def _profile(data: bytes, header: CodeStreamHeader) -> bytes | None:
    """The ICC profile of a JPEG (APP2) or JP2 (colr) file."""
    if header.kind == "jpeg":
        parts = {}
        for found in re.finditer(rb"\xff\xe2(..)ICC_PROFILE\0(.)(.)", data[: header.data], re.DOTALL):
            length = int.from_bytes(found[1], "big")
            parts[found[2][0]] = data[found.end() : found.start() + 2 + length]
        return rgb_profile(b"".join(parts[number] for number in sorted(parts)))
    if header.kind == "jpeg2000":
        at = data.find(b"colr\x02", 0, header.start)
        return rgb_profile(data[at + 7 : header.start]) if at > 0 else None
    return None


def _xl_samples(data: bytes, header: CodeStreamHeader, options: BuildOptions) -> int:
    """How many components a JPEG XL file has, which its decoder says."""
    import imagecodecs

    if header.rows * header.columns * 8 > options.limits.max_bytes:
        raise CodecLimitError(f"pixels above the limit of {options.limits.max_bytes} bytes")
    try:
        shape = imagecodecs.jpegxl_decode(data).shape
    except Exception as error:  # the library has a class for its errors, and others
        raise CodecError(f"the JPEG XL file cannot be decoded: {error}", codec="imagecodecs") from error
    if shape[:2] != (header.rows, header.columns) or len(shape) > 3:
        raise EncodeError("a JPEG XL file that is turned or has several frames: decode it before")
    return shape[2] if len(shape) == 3 else 1
