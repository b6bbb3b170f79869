"""What a code stream says of itself, read before any decoder sees it: JPEG, JPEG-LS, JPEG 2000, HTJ2K, JPEG XL.

Written from ISO/IEC 10918-1 annex B, 14495-1 annex C, 15444-1 annex A, 15444-15 annex A and 18181-1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import error as StructError
from struct import unpack_from
from typing import Any, Literal

from pacskit.core.errors import CodecError, CodecTruncatedError

__all__ = ["CodeStreamHeader", "parse_header"]

Kind = Literal["jpeg", "jpeg-ls", "jpeg2000", "jpegxl"]

_UID = "1.2.840.10008.1.2.4."
_FAMILIES = {
    **dict.fromkeys((_UID + n for n in ("50", "51", "57", "70")), "jpeg"),
    **dict.fromkeys((_UID + n for n in ("80", "81")), "jpeg-ls"),
    **dict.fromkeys((_UID + n for n in ("90", "91", "92", "93", "201", "202", "203")), "jpeg2000"),
    **dict.fromkeys((_UID + n for n in ("110", "111", "112")), "jpegxl"),
}

_SOI, _EOI, _SOS, _DRI, _APP0, _APP14, _SOF_LS = 0xD8, 0xD9, 0xDA, 0xDD, 0xE0, 0xEE, 0xF7
_NO_FRAME = {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, _SOI, *range(0xD0, 0xD8)}
_SOC, _SIZ, _COD, _COC, _SOT = 0xFF4F, 0xFF51, 0xFF52, 0xFF53, 0xFF90
_MAX_TILES = 65535  # Isot has 16 bits
_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"
_JXL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n"
_END = b"\xff\xd9"
_TAIL = 64


@dataclass(frozen=True, slots=True)
class CodeStreamHeader:
    """What a code stream says of its image.

    Parameters
    ----------
    kind
        The family.
    rows, columns, samples
        The size; ``samples`` is 0 where the header does not say.
    bits
        The precision of a sample, 0 where the header does not say.
    signed
        Whether JPEG 2000 samples are signed.
    process
        JPEG: the number of the SOF marker (0 baseline, 1 extended, 2 progressive, 3 lossless; 55 JPEG-LS).
    start, data, end
        Where the code stream begins in the frame, where its first coded data are, and one past its end marker
        (EOI, EOC); ``end`` is None where there is none.
    subsampled
        Whether some component has fewer samples than another.
    components
        JPEG: the component identifiers.
    adobe, jfif
        JPEG: the colour transform of an APP14 marker (None without one), whether there is an APP0 marker of JFIF.
    predictor, point_transform, near, interleave
        JPEG Lossless and JPEG-LS: selection value, dropped bits, largest error, interleave mode.
    restart_interval
        JPEG: MCUs between restart markers, 0 for none.
    reversible, high_throughput, transform, own_styles
        JPEG 2000: whether the wavelet is the 5/3, whether blocks are HT ones, whether there is a multiple component
        transform, whether a component has a coding style of its own.
    """

    kind: Kind
    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool = False
    process: int | None = None
    start: int = 0
    data: int = 0
    end: int | None = None
    subsampled: bool = False
    components: tuple[int, ...] = ()
    adobe: int | None = None
    jfif: bool = False
    predictor: int = 0
    point_transform: int = 0
    near: int = 0
    interleave: int = 0
    restart_interval: int = 0
    reversible: bool = False
    high_throughput: bool = False
    transform: bool = False
    own_styles: bool = False


def parse_header(frame: memoryview | bytes, syntax: str) -> CodeStreamHeader | None:
    """Read the header of a frame in ``syntax``; None where frames of that syntax have none that this module reads.

    Raises CodecError, CodecTruncatedError where the header itself is cut.
    """
    family = _FAMILIES.get(syntax)
    if family is None:
        return None
    view = memoryview(frame)
    try:
        if family == "jpegxl":
            return _jpeg_xl(view)
        if family == "jpeg2000":
            return _jpeg_2000(view)
        return _jpeg(view)
    except (StructError, IndexError) as error:
        raise CodecTruncatedError("the code stream ends in its header", offset=len(view), syntax=syntax) from error


def _end_of(view: memoryview, data: int) -> int | None:
    """One past the last end marker after ``data``; it cannot occur in coded data, where FF is followed by less."""
    tail = max(data, len(view) - _TAIL)
    at = bytes(view[tail:]).rfind(_END)
    if at >= 0:
        return tail + at + 2
    at = bytes(view[data:]).rfind(_END)
    return data + at + 2 if at >= 0 else None


# -- JPEG and JPEG-LS --------------------------------------------------------------------------------------------------


def _segments(view: memoryview) -> Iterator[tuple[int, int, int]]:
    """Marker, offset of the length field and length of each marker segment up to the first scan header."""
    at = 2
    marker = _SOI
    while marker != _SOS:
        if view[at] != 0xFF:
            raise CodecError("a JPEG marker was expected here", offset=at)
        while view[at] == 0xFF:  # any number of fill bytes (B.1.1.2)
            at += 1
        marker = view[at]
        at += 1
        if marker in _ALONE:
            continue
        if marker == _EOI:
            raise CodecError("the JPEG code stream has no scan", offset=at - 2)
        (length,) = unpack_from(">H", view, at)
        if length < 2:
            raise CodecError("a JPEG segment shorter than its length field", offset=at)
        if at + length > len(view):
            raise CodecTruncatedError("the code stream ends in its header", offset=at)
        yield marker, at, length
        at += length


def _jpeg(view: memoryview) -> CodeStreamHeader:
    if bytes(view[:2]) != b"\xff\xd8":
        raise CodecError("no JPEG code stream: it does not begin with SOI", offset=0)
    found: dict[str, Any] = {}
    adobe, jfif, interval, scan = None, False, 0, 0
    for marker, at, length in _segments(view):
        if marker == _SOF_LS or (0xC0 <= marker <= 0xCF and marker not in _NO_FRAME):
            if found:
                raise CodecError("a second JPEG frame header", offset=at - 2)
            found = _sof(view, at, length, marker)
        elif marker == _DRI:
            interval = int.from_bytes(view[at + 2 : at + length], "big")
        elif marker == _APP0:
            jfif = jfif or bytes(view[at + 2 : at + 7]) == b"JFIF\0"
        elif marker == _APP14 and length >= 14 and bytes(view[at + 2 : at + 7]) == b"Adobe":
            adobe = view[at + 13]
        scan = at
    if not found:
        raise CodecError("a JPEG scan before its frame header", offset=scan - 2)
    found |= _scan(found, view, scan)
    end = _end_of(view, found["data"])
    return CodeStreamHeader(**found, adobe=adobe, jfif=jfif, restart_interval=interval, end=end)


def _sof(view: memoryview, at: int, length: int, marker: int) -> dict[str, Any]:
    bits, rows, columns, count = unpack_from(">BHHB", view, at + 2)
    if length != 8 + 3 * count or count == 0:
        raise CodecError("a JPEG frame header of a wrong length", offset=at)
    parts = [bytes(view[at + 8 + 3 * n : at + 11 + 3 * n]) for n in range(count)]
    if columns == 0:
        raise CodecError("a JPEG image without columns", offset=at + 5)
    if rows == 0:
        raise CodecError("a JPEG image whose number of lines is in a DNL segment", offset=at + 3)
    return {
        "kind": "jpeg-ls" if marker == _SOF_LS else "jpeg",
        "rows": rows,
        "columns": columns,
        "samples": count,
        "bits": bits,
        "process": 55 if marker == _SOF_LS else marker - 0xC0,
        "subsampled": len({part[1] for part in parts}) > 1,
        "components": tuple(part[0] for part in parts),
    }


def _scan(frame: dict[str, Any], view: memoryview, at: int) -> dict[str, Any]:
    (length,) = unpack_from(">H", view, at)
    data, count = at + length, view[at + 2]
    if data - at != 6 + 2 * count:
        raise CodecError("a JPEG scan header of a wrong length", offset=at)
    first, approximation = view[at + 3 + 2 * count], view[at + 5 + 2 * count]
    if frame["kind"] == "jpeg-ls":
        mode = view[at + 4 + 2 * count]
        return {"data": data, "near": first, "interleave": mode, "point_transform": approximation & 15}
    if frame["process"] == 3:
        return {"data": data, "predictor": first, "point_transform": approximation & 15}
    return {"data": data}


# -- JPEG 2000 and HTJ2K -----------------------------------------------------------------------------------------------


def _box(view: memoryview, signature: bytes, names: tuple[bytes, ...]) -> int:
    """Where the content of the first box of one of the names begins."""
    at = len(signature)
    while True:
        length, name = unpack_from(">I4s", view, at)
        head = 8
        if length == 1:
            (length,) = unpack_from(">Q", view, at + 8)
            head = 16
        if name in names:
            return at + head + (4 if name == b"jxlp" else 0)
        if length < head:
            raise CodecError("a file format box without a code stream", offset=at)
        at += length


def _jpeg_2000(view: memoryview) -> CodeStreamHeader:
    start = _box(view, _JP2, (b"jp2c",)) if bytes(view[:12]) == _JP2 else 0
    soc, siz, length = unpack_from(">3H", view, start)
    if (soc, siz) != (_SOC, _SIZ):
        raise CodecError("no JPEG 2000 code stream: it does not begin with SOC and SIZ", offset=start)
    right, bottom, left, top, wide, high, first, upper, count = unpack_from(">8IH", view, start + 8)
    if count == 0 or length != 38 + 3 * count:
        raise CodecError("a JPEG 2000 image size segment of a wrong length", offset=start + 4)
    if right <= left or bottom <= top:
        raise CodecError("a JPEG 2000 image without pixels", offset=start + 8)
    # 15444-1 B.3: tiles cover the image; OpenJPH divides by their size
    if not wide or not high or not first <= left < first + wide or not upper <= top < upper + high:
        raise CodecError("the tiles of a JPEG 2000 image do not cover it", offset=start + 24)
    if -(-(right - first) // wide) * -(-(bottom - upper) // high) > _MAX_TILES:
        raise CodecError(f"a JPEG 2000 image of more than {_MAX_TILES} tiles", offset=start + 24)
    data, coding = _coding(view, start + 4 + length)
    parts = bytes(view[start + 42 : start + 42 + 3 * count])
    across, down = parts[1::3], parts[2::3]
    if 0 in across or 0 in down:
        raise CodecError("a JPEG 2000 component without a sample separation", offset=start + 42)
    return CodeStreamHeader(
        kind="jpeg2000",
        rows=-(-bottom // down[0]) - -(-top // down[0]),
        columns=-(-right // across[0]) - -(-left // across[0]),
        samples=count,
        bits=max(depth & 0x7F for depth in parts[::3]) + 1,
        signed=parts[0] >= 0x80,
        start=start,
        subsampled=count > 1 and (len(set(across)) > 1 or len(set(down)) > 1),
        data=data,
        end=_end_of(view, data),
        **coding,
    )


def _coding(view: memoryview, at: int) -> tuple[int, dict[str, Any]]:
    """Where the first tile-part begins, and what COD says."""
    found: dict[str, Any] = {}
    while True:
        marker, length = unpack_from(">HH", view, at)
        if marker == _SOT:
            break
        if marker < 0xFF00 or length < 2:
            raise CodecError("a JPEG 2000 marker segment was expected here", offset=at)
        if marker == _COD:
            transform, style, wavelet = view[at + 8], view[at + 12], view[at + 13]
            found["transform"] = transform != 0
            found["high_throughput"], found["reversible"] = bool(style & 0x40), wavelet == 1
        elif marker == _COC:
            found["own_styles"] = True
        at += 2 + length
    if "transform" not in found:
        raise CodecError("a JPEG 2000 code stream without a coding style", offset=at)
    return at, found


# -- JPEG XL -----------------------------------------------------------------------------------------------------------

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


class _Bits:
    """The bits of a JPEG XL header, least significant first."""

    def __init__(self, view: memoryview, at: int) -> None:
        self._value = int.from_bytes(view[at : at + 32], "little")
        self._left = 8 * len(view[at : at + 32])

    def take(self, count: int) -> int:
        if count > self._left:
            raise IndexError
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value

    def size(self) -> int:
        return 1 + self.take((9, 13, 18, 30)[self.take(2)])


def _jpeg_xl(view: memoryview) -> CodeStreamHeader:
    start = _box(view, _JXL_BOX, (b"jxlc", b"jxlp")) if bytes(view[:12]) == _JXL_BOX else 0
    if bytes(view[start : start + 2]) != b"\xff\x0a":
        raise CodecError("no JPEG XL code stream: it does not begin with FF 0A", offset=start)
    bits = _Bits(view, start + 2)
    small = bits.take(1)
    rows = 8 * (bits.take(5) + 1) if small else bits.size()
    ratio = bits.take(3)
    if ratio:
        over, under = _RATIOS[ratio - 1]
        columns = rows * over // under
    else:
        columns = 8 * (bits.take(5) + 1) if small else bits.size()
    return CodeStreamHeader(
        kind="jpegxl", rows=rows, columns=columns, samples=0, bits=_xl_depth(bits), start=start, data=start + 2
    )


def _xl_depth(bits: _Bits) -> int:
    """Bits per sample of the image metadata; 0 where it lies behind fields that are not read here."""
    if bits.take(1):  # all default
        return 8
    if bits.take(1):  # extra fields
        bits.take(3)  # orientation
        if any(bits.take(1) for _ in range(3)):  # intrinsic size, preview or animation
            return 0
    if bits.take(1):  # floating point
        return 0
    kind = bits.take(2)
    return (8, 10, 12)[kind] if kind < 3 else 1 + bits.take(6)
