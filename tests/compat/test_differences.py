"""Each deliberate difference from pydicom that the page "Come from pydicom" lists; pydicom is asked for its side."""

from __future__ import annotations

import datetime
import io
import re
import threading
from pathlib import Path
from typing import Any

import pydicom as theirs
import pytest

import pacskit
import pacskit.compat.pydicom as compat
from pacskit.compat.pydicom import config as config_module
from pacskit.compat.pydicom import datadict
from pacskit.compat.pydicom.dataelem import DataElement, RawDataElement
from pacskit.encoding import IMPLEMENTATION_CLASS_UID

config: Any = config_module
CT = Path(theirs.__file__).parent / "data" / "test_files" / "CT_small.dcm"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "from-pydicom.md"


def test_the_page_names_tests_that_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    assert named
    assert named <= set(globals())


def test_a_misspelt_keyword_is_an_error() -> None:
    with pytest.warns(UserWarning, match="Camel case"):
        theirs.Dataset().PatientsName = "A"
    with pytest.raises(AttributeError, match="PatientsName"):
        pacskit.Dataset().PatientsName = "A"  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match="Camel case"):
        compat.Dataset().PatientsName = "A"


def test_pixels_are_stored_values() -> None:
    path = CT.with_name("SC_ybr_full_422_uncompressed.dcm")
    raw, rgb = pacskit.dcmread(path).pixel_array, theirs.dcmread(path).pixel_array
    assert not raw.flags.writeable
    converted = pacskit.pixels.convert_color(raw, "YBR_FULL", "RGB").astype(int)
    assert abs(converted - rgb).max() <= 1
    assert (raw != rgb).any()
    same: Any = compat.dcmread(path)
    assert (same.pixel_array == converted).all()
    same.pixel_array[0, 0] = 7
    assert same.pixel_array[0, 0].tolist() == [7, 7, 7]
    same.PixelData = bytes(same.PixelData)
    assert (same.pixel_array == converted).all()
    made = compat.Dataset()
    made.update({"Rows": 1, "Columns": 2, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2"})
    made.update({"BitsAllocated": 8, "BitsStored": 8, "PixelRepresentation": 0, "PixelData": b"\1\2"})
    assert made.pixel_array.tolist() == [[1, 2]]
    more = theirs.dcmread(CT)
    more.PixelData *= 2
    with pytest.warns(UserWarning, match="2 frames"):
        assert more.pixel_array.shape == (2, 128, 128)
    ours = pacskit.dcmread(CT)
    ours.PixelData *= 2
    assert ours.pixel_array.shape == (128, 128)


def test_file_meta_is_always_there() -> None:
    assert not hasattr(theirs.Dataset(), "file_meta")
    assert not hasattr(compat.Dataset(), "file_meta")
    assert len(pacskit.Dataset().file_meta) == 0


def test_numbers_keep_their_text() -> None:
    spacing = pacskit.dcmread(CT).PixelSpacing[0]
    assert isinstance(spacing, float)
    assert spacing.original_string == str(theirs.dcmread(CT).PixelSpacing[0])


def test_a_person_name_is_text() -> None:
    assert not isinstance(theirs.dcmread(CT).PatientName, str)
    assert isinstance(pacskit.dcmread(CT).PatientName, str)


def test_the_person_name_is_text_too() -> None:
    name: Any = compat.dcmread(CT).PatientName
    assert isinstance(name, str)
    assert name == str(theirs.dcmread(CT).PatientName)
    encoded: Any = name.encode
    assert encoded(["latin_1"]) == str(name).encode()


def test_dates_are_text_with_a_method() -> None:
    date: Any = pacskit.dcmread(CT).StudyDate
    assert date == theirs.dcmread(CT).StudyDate == "20040119"
    assert date.date().isoformat() == "2004-01-19"


def test_what_was_tolerated_is_a_diagnostic() -> None:
    data = CT.read_bytes() + bytes(8)
    assert [str(note.kind) for note in pacskit.dcmread(data).diagnostics] == ["zeros after the last element"]


def test_a_file_is_always_whole() -> None:
    dataset = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "SOPInstanceUID": "1.2.3"}
    ours, like = io.BytesIO(), io.BytesIO()
    pacskit.dcmwrite(ours, pacskit.Dataset(**dataset))
    bare = compat.Dataset(**dataset)
    bare.save_as(like, implicit_vr=False)
    assert ours.getvalue()[128:132] == b"DICM"
    assert like.getvalue()[:4] == b"\x08\x00\x16\x00"


def test_settings_count_for_one_context() -> None:
    seen: list[bool] = []
    config.use_DS_decimal = True
    try:
        thread = threading.Thread(target=lambda: seen.append(config.use_DS_decimal))
        thread.start()
        thread.join()
        assert config.use_DS_decimal
        assert seen == [False]
    finally:
        config.use_DS_decimal = False


def test_settings_that_would_do_nothing_are_refused() -> None:
    with pytest.raises(NotImplementedError):
        config.DS_numpy()
    with pytest.raises(NotImplementedError):
        config.convert_wrong_length_to_UN = True
    assert compat.dcmread(CT).array("PixelSpacing").tolist() == [float(x) for x in theirs.dcmread(CT).PixelSpacing]


def test_the_dictionary_is_not_changed() -> None:
    with pytest.raises(NotImplementedError, match="add_new"):
        datadict.add_dict_entry(0x10021001, "UL", "TestOne", "Test One")


def test_elements_are_lazy_without_being_raw() -> None:
    dataset = compat.dcmread(CT)
    raw = dataset.get_item("PatientID")
    assert isinstance(raw, RawDataElement)
    assert raw.value == theirs.dcmread(CT).get_item("PatientID").value
    assert isinstance(dataset["PatientID"], DataElement)
    assert not dataset["PatientID"].is_raw


def test_defer_size_has_nothing_to_do() -> None:
    assert compat.dcmread(CT, defer_size=1).PixelData == theirs.dcmread(CT, defer_size=1).PixelData


def test_a_buffer_is_read() -> None:
    element = DataElement("PixelData", "OW", io.BytesIO(b"\1\0"))
    assert element.value == b"\1\0"
    assert not element.is_buffered


def test_a_vr_that_does_not_exist_is_refused() -> None:
    with pytest.raises(pacskit.EncodeError):
        DataElement(0x00100010, "XX", "A")
    assert theirs.DataElement(0x00100010, "XX", "A").VR == "XX"


def test_an_invalid_file_is_a_decode_error() -> None:
    with pytest.raises(compat.errors.InvalidDicomError) as caught:
        compat.dcmread(io.BytesIO(bytes(200)))
    assert isinstance(caught.value, pacskit.DecodeError)


def test_damage_has_an_offset() -> None:
    data = CT.read_bytes()[:-1000]
    with pytest.raises(pacskit.DecodeError) as caught:
        pacskit.dcmread(data)
    assert caught.value.offset is not None
    assert caught.value.tag == 0x7FE00010


def test_files_name_pacskit() -> None:
    dataset = compat.dcmread(CT)
    del dataset.file_meta.ImplementationClassUID
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    out.seek(0)
    assert str(theirs.dcmread(out).file_meta.ImplementationClassUID) == IMPLEMENTATION_CLASS_UID


def test_dates_that_are_assigned_are_written_as_dates() -> None:
    dataset = compat.Dataset()
    dataset.StudyDate = datetime.date(2024, 2, 29)
    dataset.StudyTime = datetime.time(1, 2, 3)
    out = io.BytesIO()
    dataset.save_as(out, implicit_vr=False)
    read = theirs.dcmread(io.BytesIO(out.getvalue()), force=True)
    assert (read.StudyDate, read.StudyTime) == ("20240229", "010203")
