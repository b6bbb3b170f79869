"""Data sets to pydicom and back, over pydicom's own files."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pydicom
import pytest

import pacskit
from pacskit.core.errors import ConfigurationError, PacsError
from pacskit.integration import from_pydicom, to_pydicom

ROOT = Path(pydicom.__file__).parent / "data"
FILES = sorted(path for folder in ("test_files", "charset_files") for path in (ROOT / folder).glob("*.dcm"))


def readable() -> list[Path]:
    """The files that both read, whole and into values."""
    out = []
    for path in FILES:
        try:
            pacskit.dcmread(path).is_modified  # noqa: B018
            pydicom.dcmread(path).walk(lambda ds, element: None)
        except (PacsError, Exception):
            continue
        out.append(path)
    return out


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", readable(), ids=lambda path: path.name)
def test_to_pydicom_equals_what_pydicom_reads(path: Path) -> None:
    ours = to_pydicom(pacskit.dcmread(path))
    theirs = pydicom.dcmread(path)
    assert [element.tag for element in ours] == [element.tag for element in theirs]
    for element in theirs:
        value = ours[element.tag].value
        if ours[element.tag].is_buffered:
            value.seek(0)
            value = value.read()
        if element.VR == ours[element.tag].VR:
            assert value == element.value, element.tag
    assert ours.original_encoding == theirs.original_encoding


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", readable(), ids=lambda path: path.name)
def test_there_and_back_is_the_identity(path: Path) -> None:
    dataset = pacskit.dcmread(path)
    for tag in dataset.tags():
        if not tag & 0xFFFF:  # group lengths, which pydicom never writes
            del dataset[tag]
    back = from_pydicom(to_pydicom(dataset))
    assert back.tags() == dataset.tags()
    assert back == dataset
    assert back.preamble == dataset.preamble
    assert back.transfer_syntax == dataset.transfer_syntax


def test_big_pixel_data_is_not_copied() -> None:
    made = pacskit.Dataset(SOPClassUID="1.2.3", PatientID="A", Rows=1024, Columns=1024, BitsAllocated=16)
    made.add_new("PixelData", "OW", bytes(2 << 20))
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    file = io.BytesIO()
    pacskit.dcmwrite(file, made)
    data = file.getvalue()
    dataset = pacskit.dcmread(data)
    theirs = to_pydicom(dataset)
    element = theirs["PixelData"]
    assert element.is_buffered
    stream: Any = element.value
    assert stream.view.obj is data
    out = io.BytesIO()
    theirs.save_as(out)
    assert pydicom.dcmread(io.BytesIO(out.getvalue())).PixelData == made.PixelData


def test_what_was_assigned_arrives_in_the_character_set_of_the_data_set() -> None:
    dataset = pacskit.Dataset(SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Jörg", PatientID="1")
    theirs = to_pydicom(dataset)
    assert str(theirs.PatientName) == "Müller^Jörg"
    assert from_pydicom(theirs).PatientName == "Müller^Jörg"


def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ConfigurationError, match="pydicom is not installed"):
        to_pydicom(pacskit.Dataset())
    with pytest.raises(ConfigurationError, match="pydicom is not installed"):
        from_pydicom(object())
