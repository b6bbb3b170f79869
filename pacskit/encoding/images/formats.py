"""What a file is, by its first bytes: its name is not believed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pacskit.core.errors import CodecError, LimitError
from pacskit.encoding.images.options import BuildLimits, Source

__all__ = ["DOCUMENTS", "PICTURES", "STREAMS", "VIDEOS", "format_of", "name_of", "read_source"]

PICTURES: Final = frozenset({"png", "tiff", "bmp", "webp", "gif"})
STREAMS: Final = frozenset({"jpeg", "jpeg-ls", "jpeg2000", "jpegxl"})
DOCUMENTS: Final = frozenset({"pdf", "cda", "stl", "obj", "mtl"})
VIDEOS: Final = frozenset({"video"})

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"BM", "bmp"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"\xff\x0a", "jpegxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jpegxl"),
    (b"%PDF-", "pdf"),
)
_BOXES: Final = frozenset({b"ftyp", b"styp", b"moov", b"mdat"})
_NO_VIDEO: Final = frozenset({b"heic", b"heix", b"mif1", b"avif", b"avis", b"jxl ", b"jp2 ", b"crx "})
_STL_HEAD: Final = 84
_STL_FACET: Final = 50
_JPEG_LS: Final = 0xF7


def read_source(source: Source, limits: BuildLimits) -> bytes:
    """The bytes of a path or buffer; LimitError above what may be read."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        if len(data) > limits.max_document:
            raise LimitError(f"{len(data)} bytes; the limit is {limits.max_document}")
        return data
    with Path(source).open("rb") as file:
        data = file.read(limits.max_document + 1) if _is_long(source, limits) else file.read()
    if len(data) > limits.max_document:
        raise LimitError(f"a file of more than {limits.max_document} bytes", path=os.fspath(source))
    return data


def _is_long(source: str | os.PathLike[str], limits: BuildLimits) -> bool:
    """Whether a file is longer than the limit, or, as a pipe, may be."""
    about = Path(source).stat()
    if about.st_size > limits.max_document:
        raise LimitError(f"{about.st_size} bytes; the limit is {limits.max_document}", path=os.fspath(source))
    return not Path(source).is_file()


def name_of(source: Source) -> str | None:
    """The path of a source, for errors."""
    return None if isinstance(source, (bytes, bytearray, memoryview)) else os.fspath(source)


def format_of(data: bytes) -> str:
    """Name the format of a file: one of PICTURES, STREAMS, DOCUMENTS or VIDEOS; CodecError for anything else."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg_family(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if _is_video(data):
        return "video"
    found = _text_format(data)
    if found:
        return found
    if len(data) >= _STL_HEAD and len(data) == _STL_HEAD + _STL_FACET * int.from_bytes(data[80:84], "little"):
        return "stl"
    raise CodecError("neither a picture, a document nor a video that is known here", offset=0)


def _jpeg_family(data: bytes) -> str:
    """JPEG and JPEG-LS differ in the frame header."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == _JPEG_LS:
            return "jpeg-ls"
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            break
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return "jpeg"


def _is_video(data: bytes) -> bool:
    if data[:1] == b"\x47" and data[188:189] in {b"\x47", b""} and len(data) >= 188:
        return True
    if data[4:8] in _BOXES:
        return data[8:12] not in _NO_VIDEO
    return data[:3] == b"\0\0\1" or data[:4] == b"\0\0\0\1"


def _text_format(data: bytes) -> str | None:
    """XML, OBJ, MTL, or an STL in ASCII, which its reader refuses."""
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<") or head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "cda"
    if head.startswith(b"solid") and b"facet" in data[:65536]:
        return "stl"
    if b"\0" in head:
        return None
    words = {line.split(None, 1)[0] for line in data[:65536].splitlines()[:-1] or [data] if line.strip()}
    if b"newmtl" in words:
        return "mtl"
    return "obj" if b"v" in words or b"mtllib" in words else None
