"""Objects made here under dciodvfy, pydicom and DCMTK; DCMTK's own beside them, and pictures of both."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from pacskit import dcmread, images
from pacskit.core.dataset import Dataset
from tests.conftest import Dcmtk
from tests.unit.encoding.picture_files import DEEP, DOCUMENTS, GRAY, MADE, MM, RGB, SYNTAX, Array, picture

pytestmark = pytest.mark.interop


@cache
def made(name: str) -> bytes:
    target = io.BytesIO()
    MADE[name]().save_as(target)
    return target.getvalue()


def saved(tmp_path: Path, name: str) -> Path:
    path = tmp_path / "ours.dcm"
    path.write_bytes(made(name))
    return path


def verified(path: Path) -> tuple[str, list[str]]:
    """The IOD that dciodvfy sees, and the errors that it finds."""
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dicom3tools is not installed")
    done = subprocess.run([tool, "-new", path], capture_output=True, text=True, check=False, timeout=60)
    lines = (done.stdout + done.stderr).splitlines()
    told = [line for line in lines if not line.startswith("Warning")]
    return " ".join(line for line in told if not line.startswith("Error")), [one for one in told if one[:5] == "Error"]


UNKNOWN = {"obj", "mtl", "video 107", "video 108"}  # newer than the dciodvfy that distributions have


@pytest.mark.parametrize("name", sorted(set(MADE) - UNKNOWN))
def test_dciodvfy_finds_no_error(name: str, tmp_path: Path) -> None:
    iod, errors = verified(saved(tmp_path, name))
    assert iod
    assert errors == []


@cache
def table(name: str) -> dict[str, Any]:
    """One of the standard's tables as highdicom has them."""
    text = (resources.files("highdicom") / "_standard" / f"{name}.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize("name", sorted(MADE))
def test_what_modules_require_is_there(name: str) -> None:
    """By the tables of highdicom: type 1 with a value, type 2 present, in every mandatory module."""
    ds = pydicom.dcmread(io.BytesIO(made(name)))
    key = table("sop_class_iod_map")[str(ds.SOPClassUID)]
    wrong = []
    for module in table("iod_module_map")[key]:
        if module["usage"] != "M":
            continue
        for attribute in table("module_attribute_map")[module["key"]]:
            if attribute["path"] or attribute["type"] not in {"1", "2"}:
                continue
            keyword = attribute["keyword"]
            if keyword not in ds or (attribute["type"] == "1" and ds[keyword].is_empty):
                wrong.append((module["key"], keyword))
    if name in {"one bit frame", "one byte frame"}:
        wrong.remove(("multi-frame", "FrameIncrementPointer"))  # which C.8.6.3 forbids for one frame
    assert wrong == []


@pytest.mark.parametrize("name", sorted(MADE))
def test_dcmdump_reads_it_without_a_word(name: str, tmp_path: Path, dcmtk: Dcmtk) -> None:
    command: list[str | Path] = [dcmtk.tool("dcmdump"), "-q", saved(tmp_path, name)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "name", sorted(name for name in MADE if not name.startswith("video") and name not in DOCUMENTS)
)
def test_pydicom_decodes_the_same_pixels(name: str) -> None:
    from pydicom.pixels.utils import pixel_array

    theirs = pixel_array(io.BytesIO(made(name)), raw=True)
    ours = dcmread(made(name)).pixel_array
    assert theirs.shape == ours.shape
    lossy = dcmread(made(name)).get("LossyImageCompression") == "01" and name != "progressive"
    assert int(np.abs(theirs.astype(int) - ours).max()) <= (1 if lossy else 0)


# -- DCMTK makes the same --------------------------------------------------------------------------------------------

PIXEL_KEYWORDS = [
    "SOPClassUID",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "LossyImageCompression",
    "LossyImageCompressionMethod",
    "ConversionType",
]


def facts(ds: Dataset) -> dict[str, Any]:
    return {keyword: ds.get(keyword) for keyword in PIXEL_KEYWORDS}


@pytest.mark.parametrize("name", ["secondary-capture", "vl-photographic"])
@pytest.mark.parametrize(
    "data",
    [picture(RGB, "JPEG"), picture(RGB, "JPEG", subsampling=0), picture(GRAY, "JPEG")],
    ids=["420", "444", "gray"],
)
def test_img2dcm_says_the_same_of_a_jpeg(data: bytes, name: str, tmp_path: Path, dcmtk: Dcmtk) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    option = ["-vlp"] if name == "vl-photographic" else ["-sc"]
    subprocess.run([dcmtk.tool("img2dcm"), *option, tmp_path / "a.jpg", tmp_path / "a.dcm"], check=True, timeout=60)
    theirs, ours = dcmread(tmp_path / "a.dcm"), images.from_file(data, images.BuildOptions(sop_class=name))
    assert ours.file_meta.TransferSyntaxUID == theirs.file_meta.TransferSyntaxUID == SYNTAX + "50"
    expected = facts(theirs)
    if name == "vl-photographic":
        expected["ConversionType"] = None  # of Secondary Captures
    assert facts(ours) == expected
    assert np.array_equal(ours.pixel_array, theirs.pixel_array)


def test_img2dcm_says_the_same_of_a_bitmap(tmp_path: Path, dcmtk: Dcmtk) -> None:
    (tmp_path / "a.bmp").write_bytes(picture(RGB, "BMP"))
    command: list[str | Path] = [dcmtk.tool("img2dcm"), "-i", "BMP", tmp_path / "a.bmp", tmp_path / "a.dcm"]
    subprocess.run(command, check=True, timeout=60)
    theirs, ours = dcmread(tmp_path / "a.dcm"), images.from_file(tmp_path / "a.bmp")
    assert facts(ours) == facts(theirs)
    assert np.array_equal(ours.pixel_array, theirs.pixel_array)


@pytest.mark.parametrize(
    ("tool", "kind", "suffix"), [("pdf2dcm", "pdf", "pdf"), ("stl2dcm", "stl", "stl"), ("cda2dcm", "cda", "xml")]
)
def test_documents_that_dcmtk_encapsulates_come_out(
    tool: str, kind: str, suffix: str, tmp_path: Path, dcmtk: Dcmtk
) -> None:
    source = tmp_path / f"a.{suffix}"
    source.write_bytes(DOCUMENTS[kind])
    subprocess.run([dcmtk.tool(tool), "-q", source, tmp_path / "a.dcm"], check=True, timeout=60)
    theirs = dcmread(tmp_path / "a.dcm")
    assert images.extract_document(theirs).data == DOCUMENTS[kind]
    assert images.extract_document(theirs).suffix == f".{suffix}"
    ours = images.encapsulate_document(source, document=MM if kind == "stl" else images.DocumentOptions())
    for keyword in (
        "SOPClassUID",
        "Modality",
        "MIMETypeOfEncapsulatedDocument",
        "BurnedInAnnotation",
        "ConversionType",
    ):
        assert ours.get(keyword) == theirs.get(keyword), keyword
    if kind == "cda":
        for keyword in ("HL7InstanceIdentifier", "PatientID", "PatientBirthDate", "PatientSex"):
            assert ours.get(keyword) == theirs.get(keyword), keyword
        assert str(ours.PatientName) == str(theirs.PatientName).rstrip("^") == "Doe^Jane"
        assert ours.ConceptNameCodeSequence[0].CodeValue == theirs.ConceptNameCodeSequence[0].CodeValue
    missing = {element.keyword for element in theirs} - {element.keyword for element in ours}
    assert missing <= {"Laterality", "ManufacturerModelName", "StudyDescription"}, missing


def test_dcm2pdf_gets_our_document_out(tmp_path: Path, dcmtk: Dcmtk) -> None:
    command: list[str | Path] = [dcmtk.tool("dcm2pdf"), saved(tmp_path, "pdf"), tmp_path / "a.pdf"]
    subprocess.run(command, check=True, timeout=60)
    assert (tmp_path / "a.pdf").read_bytes().rstrip(b"\0") == DOCUMENTS["pdf"]


# -- pictures of both -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gray 8", "gray 12", "gray signed", "white is zero", "words", "rgb", "jpeg gray"])
@pytest.mark.parametrize("window", [None, (60, 80)], ids=["auto", "window"])
def test_dcmj2pnm_shows_the_same(name: str, window: tuple[float, float] | None, tmp_path: Path, dcmtk: Dcmtk) -> None:
    if name == "rgb" and window:
        window = None
    option = ["+Ww", *map(str, window)] if window else ["+Wm"]  # else from the least to the largest
    if window is None and name == "rgb":
        option = []
    command: list[str | Path] = [dcmtk.tool("dcmj2pnm"), *option, saved(tmp_path, name), tmp_path / "a.pnm"]
    subprocess.run(command, check=True, timeout=60)
    theirs = np.asarray(Image.open(tmp_path / "a.pnm"))
    shown = images.to_image(dcmread(made(name)), 0, images.ExportOptions(format="png", window=window or "minmax"))
    ours = np.asarray(Image.open(io.BytesIO(shown)))
    assert ours.shape == theirs.shape
    assert int(np.abs(ours.astype(int) - theirs).max()) <= 1


@pytest.mark.parametrize(
    "name",
    ["jpeg", "jpeg 444", "jpeg rgb", "jpegs", "progressive", "png", "colors", "ophthalmic 8", "vl-endoscopic jpeg"],
)
def test_dcmj2pnm_shows_the_same_colors(name: str, tmp_path: Path, dcmtk: Dcmtk) -> None:
    command: list[str | Path] = [dcmtk.tool("dcmj2pnm"), saved(tmp_path, name), tmp_path / "a.pnm"]
    subprocess.run(command, check=True, timeout=60)
    theirs = np.asarray(Image.open(tmp_path / "a.pnm"))
    ours = np.asarray(Image.open(io.BytesIO(images.to_image(dcmread(made(name))))))
    assert int(np.abs(ours.astype(int) - theirs).max()) <= 1


@pytest.mark.corpus
@pytest.mark.parametrize(
    "name",
    ["pydicom/CT_small.dcm", "pydicom/MR_small.dcm", "pydicom/SC_rgb_rle.dcm", "pydicom/examples_palette.dcm"],
)
def test_dcmj2pnm_shows_the_same_of_real_files(name: str, corpus: Path, tmp_path: Path, dcmtk: Dcmtk) -> None:
    found = sorted(corpus.rglob(Path(name).name))
    assert found, name
    native = tmp_path / "native.dcm"
    ds = dcmread(found[0])
    if str(ds.file_meta.TransferSyntaxUID) == "1.2.840.10008.1.2.5":
        subprocess.run([dcmtk.tool("dcmdrle"), found[0], native], check=True, timeout=60)
    else:
        shutil.copy(found[0], native)
    option = ["+Wm"] if ds.SamplesPerPixel == 1 and "PALETTE" not in ds.PhotometricInterpretation else []
    subprocess.run([dcmtk.tool("dcmj2pnm"), *option, native, tmp_path / "a.pnm"], check=True, timeout=60)
    theirs: Array = np.asarray(Image.open(tmp_path / "a.pnm"))
    (path,) = images.export_frames(ds, tmp_path, images.ExportOptions(window="minmax"), frames=[0])
    ours = np.asarray(Image.open(path))
    assert int(np.abs(ours.astype(int) - theirs).max()) <= 1


def test_other_readers_see_our_deep_pictures(tmp_path: Path) -> None:
    import imagecodecs

    raw = images.ExportOptions(format="png", rendered=False)
    assert np.array_equal(imagecodecs.png_decode(images.to_image(images.from_array(DEEP), 0, raw)), DEEP)
    color = RGB.astype(np.uint16) * 257 - np.uint16(3)
    assert np.array_equal(imagecodecs.png_decode(images.to_image(images.from_array(color), 0, raw)), color)
