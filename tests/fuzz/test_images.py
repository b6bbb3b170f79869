"""Pictures, documents and videos that are cut, changed or lie: an object comes out, or one of our errors."""

from __future__ import annotations

import io
import random
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from pacskit import dcmread, images
from pacskit.core.dataset import Dataset
from pacskit.core.errors import (
    CodecError,
    CodecLimitError,
    DecodeError,
    EncodeError,
    LimitError,
    PacsError,
    TruncatedError,
)
from tests.unit.encoding.picture_files import CDA, DEEP, GRAY, HEAD, MM, MTL, OBJ, PDF, RGB, STL, picture, video

FILES = {
    "png": picture(RGB, "PNG"),
    "png 16": picture(DEEP, "PNG"),
    "jpeg": picture(RGB, "JPEG"),
    "progressive": picture(RGB, "JPEG", progressive=True),
    "tiff": picture(DEEP, "TIFF", compression="tiff_lzw"),
    "bmp": picture(RGB, "BMP"),
    "webp": picture(RGB, "WEBP", lossless=True),
    "gif": picture(GRAY, "GIF"),
    "jpeg 2000": picture(RGB, "JPEG2000"),
    "pdf": PDF,
    "cda": CDA,
    "stl": STL,
    "mtl": MTL,
    "obj": OBJ.replace(b"mtllib red.mtl\n", b""),
}


def build(data: bytes) -> Dataset:
    """What the caller would: documents with their units, videos with their region."""
    try:
        return images.from_file(data, AnatomicRegionSequence=HEAD)
    except EncodeError as error:
        if "units" not in str(error):
            raise
        return images.encapsulate_document(data, document=MM)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_cut_file_is_an_error(name: str) -> None:
    data = FILES[name]
    assert build(data)
    for end in sorted({0, 1, 3, 11, 40, *(len(data) * part // 8 for part in range(1, 8))}):
        if name in {"obj", "mtl"} and end > 10:
            continue  # texts, of which a part may be whole
        with pytest.raises(PacsError):
            build(data[:end])


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on what it tolerates
@pytest.mark.parametrize("name", sorted(FILES))
def test_a_changed_file_is_an_object_or_an_error(name: str) -> None:
    chosen = random.Random(name)
    limits = images.BuildLimits(max_bytes=1 << 22)
    for _ in range(60):
        data = bytearray(FILES[name])
        for _ in range(chosen.randint(1, 4)):
            data[chosen.randrange(len(data))] = chosen.choice([0, 0xFF, 0x7F, chosen.randrange(256)])
        began = time.monotonic()
        try:
            made = images.from_file(bytes(data), images.BuildOptions(limits=limits))
        except PacsError:
            pass
        else:
            target = io.BytesIO()
            made.save_as(target)
            back = dcmread(target.getvalue())
            if images.payload_of(back) == "frames":
                assert back.pixel_array.size
        assert time.monotonic() - began < 20  # a hang, not slowness


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, color: int, data: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("depth", "color"), [(1, 0), (8, 0), (8, 2), (8, 6), (16, 0), (16, 2), (16, 6)])
def test_a_bomb_is_not_decoded(depth: int, color: int) -> None:
    with pytest.raises((CodecLimitError, EncodeError)):
        images.from_file(png(65_000, 65_000, depth, color, bytes(10_000_000)))
    with pytest.raises(EncodeError):
        images.from_file(png(70_000, 1, depth, color))
    small = images.BuildOptions(limits=images.BuildLimits(max_bytes=100))
    with pytest.raises(CodecLimitError):
        images.from_file(png(200, 200, depth, color), small)


def test_a_large_picture_within_our_budget_is_no_bomb() -> None:
    """Pillow's own limit is one of the whole process, and is not asked."""
    wide = png(30_000, 6_000, 1, 0, bytes(6_000 * (1 + 30_000 // 8)))
    made = images.from_file(wide)
    assert (made.Rows, made.Columns) == (6_000, 30_000)


def test_pages_and_files_are_counted() -> None:
    target = io.BytesIO()
    page = Image.fromarray(GRAY)
    page.save(target, "TIFF", save_all=True, append_images=[page] * 5)
    with pytest.raises(CodecLimitError, match="6 pages"):
        images.from_file(target.getvalue(), images.BuildOptions(limits=images.BuildLimits(max_frames=5)))
    with pytest.raises(CodecLimitError, match="pixels of"):
        images.from_file(target.getvalue(), images.BuildOptions(limits=images.BuildLimits(max_bytes=3 * GRAY.size)))
    limits = images.BuildLimits(max_bytes=3 * RGB.size)
    with pytest.raises(CodecLimitError):
        images.from_files([FILES["jpeg"]] * 4, images.BuildOptions(limits=limits))
    with pytest.raises(LimitError):
        images.from_file(PDF, images.BuildOptions(limits=images.BuildLimits(max_document=100)))


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"\0" * 5000, b"MZ" + bytes(1000), b"<html>", b"{}", b"\xff\xd8\xff\xd9", b"GIF89a" + bytes(9)],
    ids=range(8),
)
def test_what_is_nothing_known_is_refused(data: bytes) -> None:
    with pytest.raises((DecodeError, EncodeError)):
        images.from_file(data)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"%PDF-1.7 and nothing else", "no end"),
        (b"%PDF-x\n" + PDF[8:], "no header"),
        (PDF.replace(b"startxref\n100", b"startxref\n99999"), "behind its end"),
        (PDF[:-20], "no end"),
    ],
)
def test_a_pdf_that_is_none(data: bytes, told: str) -> None:
    with pytest.raises(DecodeError, match=told):
        images.encapsulate_document(data)


DOCTYPE = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (CDA.replace(b"<ClinicalDocument", DOCTYPE + b"<ClinicalDocument", 1), "document type"),
        (CDA.replace(b"Health", b"&b;"), "not well-formed"),
        (CDA.replace(b"ClinicalDocument", b"Document"), "not ClinicalDocument"),
        (CDA.replace(b"urn:hl7-org:v3", b"urn:x"), "not ClinicalDocument"),
        (CDA.replace(b'<id root="1.2.3.4" extension="9"/>', b""), "no id"),
        (CDA[:-30], "not well-formed"),
        (CDA.replace(b"UTF-8", b"UTF-99"), "XML"),
        (CDA.replace(b"<title>", b"<title>" + b"<a>" * 2000), "deep"),
    ],
)
def test_a_clinical_document_that_is_none(data: bytes, told: str) -> None:
    with pytest.raises(DecodeError, match=told) as raised:
        images.encapsulate_document(data)
    assert raised.value.offset is not None or "id" in told


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (STL[:-1], DecodeError),
        (STL[:80] + struct.pack("<I", 0xFFFFFFFF) + STL[84:], DecodeError),
        (STL[:80] + struct.pack("<I", 0), DecodeError),
        (STL[:84] + struct.pack("<f", float("nan")) + STL[88:], DecodeError),
        (b"solid x\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\n", EncodeError),
        (b"v 0 0 0\nf 1 2 3\n", DecodeError),
        (b"v 0 0 0\nf 0 1 1\n", DecodeError),
        (b"v 0 0 0\nf -2 1 1\n", DecodeError),
        (b"v 0 0 x\nf 1 1 1\n", DecodeError),
        (b"v 0 0 inf\nf 1 1 1\n", DecodeError),
        (b"v 0 0\nf 1 1 1\n", DecodeError),
        (b"v 0 0 0\nf 1 1\n", DecodeError),
        (b"v 0 0 0\nf 1/9 1 1\n", DecodeError),
        (b"v 0 0 0\n", DecodeError),
        (b"Kd 1 0 0\nnewmtl a\n", DecodeError),
        (b"newmtl a\nKd one\n", DecodeError),
    ],
)
def test_a_model_that_lies(data: bytes, kind: type[PacsError]) -> None:
    with pytest.raises(kind):
        images.encapsulate_document(data, document=MM)


@pytest.mark.parametrize("number", ["100", "102", "107"])
def test_a_video_of_noise_is_refused(number: str) -> None:
    data = video(number)
    noise = random.Random(1).randbytes(4000)
    for broken in (data[:40], data[:8] + noise, b"\0\0\1\xb3" + noise, b"\0\0\0\1\x67" + noise, b"\x47" + bytes(187)):
        with pytest.raises((CodecError, EncodeError)):
            images.from_video(broken, AnatomicRegionSequence=HEAD)
    with pytest.raises(TruncatedError):
        images.from_video(b"", AnatomicRegionSequence=HEAD)


def test_a_video_that_is_cut_says_fewer_pictures_or_is_refused() -> None:
    data = video("102", container="mpegts", frames=20)
    counts = []
    for end in range(0, len(data), max(188, len(data) // 10 // 188 * 188)):
        try:
            counts.append(images.video_facts(data[:end]).frames)
        except (CodecError, EncodeError):
            counts.append(0)
    assert counts == sorted(counts)
    assert max(counts) <= 20


# -- what comes out of hostile objects ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uid",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a/../../b",
        "..",
        ".hidden",
        "con",
        "x\0y",
        "{SOPClassUID}",
        "C:\\x",
        "é" * 500,
    ],
)
def test_a_value_cannot_lead_out_of_the_folder(uid: str, tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path)) / "into"
    ds = images.from_array(GRAY)
    ds.PatientID = uid
    (path,) = images.export_frames(ds, folder, name="{PatientID}")
    assert path.resolve().parent == folder.resolve()
    assert not path.name.startswith(".")
    assert [one.name for one in Path(str(tmp_path)).iterdir()] == ["into"]


@pytest.mark.parametrize(
    "pattern",
    ["../{frame}", "/abs", "a/../../b", "{nothing}", "{frame!r}", "{frame.real}", "a//b", "", "a\\b", "c:x", "a\0b"],
)
def test_a_pattern_cannot_lead_out_of_the_folder(pattern: str, tmp_path: object) -> None:
    with pytest.raises(PacsError):
        images.export_frames(images.from_array(GRAY), str(tmp_path), name=pattern)


def test_a_document_that_lies_about_its_length_or_type() -> None:
    ds = images.encapsulate_document(PDF)
    ds.EncapsulatedDocumentLength = len(PDF) + 10
    with pytest.raises(DecodeError):
        images.extract_document(ds)
    ds.EncapsulatedDocumentLength = len(PDF)
    ds.MIMETypeOfEncapsulatedDocument = "../../x"
    assert images.extract_document(ds).suffix == ".bin"
    with pytest.raises(DecodeError):
        images.extract_document(images.from_array(GRAY))
    with pytest.raises(DecodeError):
        images.extract_video(images.encapsulate_document(PDF))


def test_an_exported_file_is_whole_or_not_there(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    ds = images.from_array(np.stack([GRAY, GRAY]))
    images.export_frames(ds, folder, name="a-{frame}")
    with pytest.raises(FileExistsError):
        images.export_frames(ds, folder, name="a-{frame}")
    images.export_frames(ds, folder, images.ExportOptions(overwrite=True), name="a-{frame}")
    with pytest.raises(FileExistsError):
        images.export_frames(ds, folder, name="one")  # both frames under one name
    assert sorted(path.name for path in folder.iterdir()) == ["a-1.png", "a-2.png", "one.png"]
