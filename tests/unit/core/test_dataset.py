"""Dataset: pydicom's shape for the common verbs, and where it is stricter on purpose."""

from __future__ import annotations

import copy
import pickle
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from pacskit import encoding
from pacskit.core.dataset import Dataset
from pacskit.core.element import DataElement
from pacskit.core.errors import EncodeError
from pacskit.core.sequence import Sequence
from pacskit.core.tag import Tag
from pacskit.core.values import DA, DS, IS, MultiValue, PersonName
from pacskit.core.vr import VR

EXPLICIT = encoding.TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN


def ct(pydicom_files: list[Path]) -> Path:
    return next(path for path in pydicom_files if path.name == "CT_small.dcm")


def test_elements_are_reached_by_keyword_tag_and_pair(pydicom_files: list[Path]) -> None:
    ds = encoding.dcmread(ct(pydicom_files))
    for key in ("PatientName", 0x00100010, (0x0010, 0x0010), Tag("PatientName")):
        assert ds[key].value == "CompressedSamples^CT1"
        assert key in ds
    assert ds.PatientName.family_name == "CompressedSamples"
    assert ds.get("PatientName") == ds.PatientName
    assert isinstance(ds.get(0x00100010), DataElement)
    assert ds.get("PatientComments") is None
    assert ds.get("PatientComments", "none") == "none"
    assert "PatientComments" not in ds
    with pytest.raises(KeyError):
        ds["PatientComments"]
    with pytest.raises(AttributeError, match="PatientComments"):
        ds.PatientComments  # noqa: B018


def test_values_have_the_types_of_their_vr(pydicom_files: list[Path]) -> None:
    ds = encoding.dcmread(ct(pydicom_files))
    assert isinstance(ds.PatientName, PersonName)
    assert isinstance(ds.SliceThickness, DS)
    assert ds.SliceThickness == 5.0
    assert ds.SliceThickness.original_string == "5.000000"
    assert isinstance(ds.InstanceNumber, IS)
    assert isinstance(ds.StudyDate, DA)
    assert DA(ds.StudyDate).date() == date(2004, 1, 19)
    assert isinstance(ds.ImageType, MultiValue)
    assert ds.ImageType == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert ds.SOPClassUID.name == "CT Image Storage"
    assert ds["Rows"].VM == 1
    assert ds["Rows"].vr is VR.US
    assert ds.PixelData == bytes(ds["PixelData"].raw or b"")


def test_unknown_keywords_cannot_be_assigned() -> None:
    ds = Dataset()
    with pytest.raises(AttributeError, match="PatientNam"):
        ds.PatientNam = "typing mistake"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        ds.comment = "not an attribute"  # type: ignore[attr-defined]


def test_python_values_go_in() -> None:
    ds = Dataset()
    ds.StudyDate = date(2026, 8, 1)
    ds.StudyTime = time(13, 5, 9, 250000)
    ds.AcquisitionDateTime = datetime(2026, 8, 1, 13, 5)
    ds.SliceThickness = Decimal("1.25")
    ds.InstanceNumber = 7
    ds.ImagePositionPatient = np.array([1.5, 2.0, -3.0])
    ds.ImageType = "ORIGINAL\\PRIMARY"
    ds.ReferencedSeriesSequence = [Dataset(SeriesInstanceUID="1.2.3")]
    ds.PixelData = memoryview(b"\1\2\3\4")
    again = encoding.decode(encoding.encode(ds, EXPLICIT), EXPLICIT)
    assert again.StudyDate == "20260801"
    assert again.StudyTime == "130509.250000"
    assert again.AcquisitionDateTime == "20260801130500"
    assert again.SliceThickness.original_string == "1.25"
    assert again.InstanceNumber == 7
    assert again.ImagePositionPatient == [1.5, 2.0, -3.0]
    assert again.ImageType == ["ORIGINAL", "PRIMARY"]
    assert again.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.3"
    assert again.PixelData == b"\1\2\3\4"


@pytest.mark.parametrize(
    ("keyword", "value"), [("Rows", "many"), ("Rows", 70_000), ("InstanceNumber", 1.5), ("PixelData", "text")]
)
def test_values_that_do_not_fit_are_refused_with_their_tag(keyword: str, value: object) -> None:
    ds = Dataset()

    def assign_and_write() -> None:
        setattr(ds, keyword, value)
        encoding.encode(ds, EXPLICIT)

    with pytest.raises(EncodeError) as caught:
        assign_and_write()
    assert caught.value.tag == Tag(keyword)


def test_changes_in_place_are_written(pydicom_files: list[Path]) -> None:
    ds = encoding.dcmread(ct(pydicom_files))
    assert not ds.is_modified
    ds.ImageType.append("EXTRA")
    ds["PatientID"].value = "new"
    del ds.StudyDate
    assert ds.is_modified
    again = encoding.decode(encoding.encode(ds, EXPLICIT), EXPLICIT)
    assert again.ImageType == ["ORIGINAL", "PRIMARY", "AXIAL", "EXTRA"]
    assert again.PatientID == "new"
    assert "StudyDate" not in again
    assert len(again) == len(ds)


def test_changes_inside_items_are_written(pydicom_files: list[Path]) -> None:
    path = next(path for path in pydicom_files if path.name == "rtplan.dcm")
    ds = encoding.dcmread(path)
    syntax = ds.transfer_syntax
    assert syntax is not None
    ds.BeamSequence[0].ControlPointSequence[0].GantryAngle = 90
    again = encoding.decode(encoding.encode(ds, syntax), syntax)
    assert again.BeamSequence[0].ControlPointSequence[0].GantryAngle == 90.0
    assert again.BeamSequence[0].BeamName == ds.BeamSequence[0].BeamName


def test_copies_are_apart(pydicom_files: list[Path]) -> None:
    path = next(path for path in pydicom_files if path.name == "rtplan.dcm")
    ds = encoding.dcmread(path)
    twin = copy.deepcopy(ds)
    twin.BeamSequence[0].BeamName = "other"
    twin.PatientID = "other"
    assert ds.PatientID != "other"
    assert ds.BeamSequence[0].BeamName != "other"
    assert not ds.is_modified
    assert copy.deepcopy(twin) == twin


def test_pickles_whole(pydicom_files: list[Path]) -> None:
    ds = encoding.dcmread(ct(pydicom_files))
    ds.PatientID = "42"
    again = pickle.loads(pickle.dumps(ds))
    assert again == ds
    assert again.file_meta == ds.file_meta
    assert again.transfer_syntax == ds.transfer_syntax


def test_only_wanted_tags_are_kept(pydicom_files: list[Path]) -> None:
    ds = encoding.dcmread(ct(pydicom_files), specific_tags=["PatientID", "Rows"])
    assert [element.keyword for element in ds] == ["SpecificCharacterSet", "PatientID", "Rows"]
    out = encoding.decode(encoding.encode(ds, EXPLICIT), EXPLICIT)
    assert out == ds
    head = encoding.dcmread(ct(pydicom_files), stop_before_pixels=True)
    assert "PixelData" not in head
    assert "Rows" in head


def test_items_take_their_character_set_from_what_holds_them() -> None:
    ds = Dataset(SpecificCharacterSet="ISO_IR 192")
    ds.PatientName = "Müller^Ünal"
    ds.ReferencedPatientSequence = Sequence([Dataset(PatientName="Žižek")])
    again = encoding.decode(encoding.encode(ds, EXPLICIT), EXPLICIT)
    assert again.PatientName == "Müller^Ünal"
    assert again.ReferencedPatientSequence[0].PatientName == "Žižek"
    again.SpecificCharacterSet = "ISO_IR 100"
    again.ReferencedPatientSequence[0].PatientName = "Ärger"
    latin = encoding.decode(encoding.encode(again, EXPLICIT), EXPLICIT)
    assert (latin["PatientName"].raw or b"") == "Müller^Ünal ".encode("latin-1")
    assert latin.ReferencedPatientSequence[0].PatientName == "Ärger"


def test_text_outside_the_character_set_is_refused() -> None:
    ds = Dataset(PatientName="Müller")
    with pytest.raises(EncodeError) as caught:
        encoding.encode(ds, EXPLICIT)
    assert caught.value.tag == 0x00100010


def test_prints_as_pydicom_prints(pydicom_files: list[Path]) -> None:
    import pydicom

    ours = encoding.dcmread(ct(pydicom_files))
    theirs = pydicom.dcmread(ct(pydicom_files))
    for element in ours:
        if not element.tag.is_private and element.VR not in ("OB", "OW", "UI", "SQ"):
            assert str(element) == str(theirs[int(element.tag)])


def test_pixel_representation_decides_ambiguous_vrs() -> None:
    implicit = encoding.TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN
    for sign, vr, value in ((0, VR.US, 65535), (1, VR.SS, -1)):
        data = b"\x28\x00\x03\x01\x02\x00\x00\x00" + sign.to_bytes(2, "little")
        data += b"\x28\x00\x06\x01\x02\x00\x00\x00\xff\xff"
        ds = encoding.decode(data, implicit)
        assert (ds["SmallestImagePixelValue"].vr, ds.SmallestImagePixelValue) == (vr, value)
        explicit = encoding.decode(encoding.encode(ds, EXPLICIT), EXPLICIT)
        assert (explicit["SmallestImagePixelValue"].vr, explicit.SmallestImagePixelValue) == (vr, value)
