"""Documents and videos taken out of objects, as the files that were put in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pacskit.core.dataset import Dataset
from pacskit.core.errors import CodecError, DecodeError
from pacskit.encoding.codecs.video import is_video, video_container
from pacskit.encoding.images.names import fill, write_whole
from pacskit_ext._frames import fragments_of, parse_fragments

__all__ = ["Extracted", "export_payload", "extract_document", "extract_video", "payload_of"]

_DOCUMENT: Final = 0x00420011
_PIXEL_DATA: Final = 0x7FE00010
_PIXELS: Final = (_PIXEL_DATA, 0x7FE00008, 0x7FE00009)
_SUFFIXES: Final = {
    "application/pdf": ".pdf",
    "text/xml": ".xml",
    "application/xml": ".xml",
    "application/hl7-sda+xml": ".xml",
    "application/hl7-cda+xml": ".xml",
    "model/stl": ".stl",
    "application/sla": ".stl",
    "model/obj": ".obj",
    "model/mtl": ".mtl",
}
_CONTAINERS: Final = {
    "mp4": (".mp4", "video/mp4"),
    "mpegts": (".ts", "video/mp2t"),
    "mpeg": (".mpg", "video/mpeg"),
    "mpegvideo": (".m2v", "video/mpeg"),
    "h264": (".h264", "video/h264"),
    "hevc": (".hevc", "video/h265"),
}


class Extracted(NamedTuple):
    """The bytes of a file, its media type, and the ending that its name should have."""

    data: bytes
    mime: str
    suffix: str


def payload_of(ds: Dataset) -> Literal["frames", "video", "document"] | None:
    """What there is to extract."""
    if _DOCUMENT in ds:
        return "document"
    if not any(tag in ds for tag in _PIXELS):
        return None
    return "video" if is_video(str(ds.transfer_syntax or ds.file_meta.get("TransferSyntaxUID") or "")) else "frames"


def extract_document(ds: Dataset) -> Extracted:
    """Return the document of an object, without the byte that makes its length even (PS3.3 C.24.2).

    Raises DecodeError where there is none, or where it is shorter than the data set says.
    """
    element = ds.get(_DOCUMENT)
    if element is None or element.is_empty:
        raise DecodeError("the data set has no encapsulated document", tag=_DOCUMENT)
    data = bytes(element.value)
    mime = str(ds.get("MIMETypeOfEncapsulatedDocument") or "").strip()
    suffix = _SUFFIXES.get(mime.partition(";")[0].strip().lower(), ".bin")
    length = ds.get("EncapsulatedDocumentLength")
    if isinstance(length, int):
        if not len(data) - 1 <= length <= len(data):
            raise DecodeError(f"a document of {len(data)} bytes, {length} by the data set", tag=0x00420015)
        return Extracted(data[:length], mime, suffix)
    if suffix == ".stl" and len(data) >= 84:
        length = 84 + 50 * int.from_bytes(data[80:84], "little")
        return Extracted(data[:length] if length == len(data) - 1 else data, mime, suffix)
    return Extracted(data[:-1] if suffix != ".bin" and data.endswith(b"\0") else data, mime, suffix)


def extract_video(ds: Dataset) -> Extracted:
    """Return the bit stream of a video as it is stored; fragments are joined. Nothing is decoded."""
    element = ds.get(_PIXEL_DATA)
    if element is None:
        raise DecodeError("the data set has no pixel data", tag=_PIXEL_DATA)
    fragments = fragments_of(element)
    if fragments is None:
        fragments = parse_fragments(element.value)
    data = b"".join(fragments[number] for number in range(len(fragments)))
    try:
        suffix, mime = _CONTAINERS[video_container(data)]
    except CodecError:
        suffix, mime = ".bin", "application/octet-stream"
    return Extracted(data, mime, suffix)


def export_payload(
    ds: Dataset, folder: str | os.PathLike[str], *, name: str = "{SOPInstanceUID}", overwrite: bool = False
) -> Path:
    """Write the document or video of an object as a file; ``name`` is a pattern as that of ``export_frames``.

    Its ending follows from what it is, never from the data set alone. Raises DecodeError where there is neither.
    """
    found = extract_document(ds) if payload_of(ds) == "document" else extract_video(ds)
    path = Path(folder) / f"{fill(name, ds, {})}{found.suffix}"
    return write_whole(path, found.data, overwrite=overwrite)
