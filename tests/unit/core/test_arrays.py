"""Arrays of numbers, against numpy and pydicom."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit import encoding
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.core.values import DS
from pacskit_ext._numbers import decimals, integers


@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_decimals_are_what_float_makes(numbers: list[float]) -> None:
    text = "\\".join(f" {number!r} " for number in numbers)
    assert np.frombuffer(decimals(text.encode())).tolist() == numbers


@given(numbers=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_integers_are_what_int_makes(numbers: list[int]) -> None:
    text = "\\".join(f"{number:+d} " for number in numbers)
    assert np.frombuffer(integers(text.encode()), "i8").tolist() == numbers


def test_empty_values_and_wrong_ones() -> None:
    assert np.isnan(np.frombuffer(decimals(b"1\\\\2"))).tolist() == [False, True, False]
    assert decimals(b"") == b""
    for parse, bad in ((decimals, b"1\\x"), (integers, b"1\\1.5"), (integers, b"1\\")):
        with pytest.raises(DecodeError) as caught:
            parse(bad)
        assert caught.value.offset == 2


def test_contours_of_a_structure_set(pydicom_files: tuple[Path, ...]) -> None:
    import pydicom

    path = next(path for path in pydicom_files if path.name == "rtstruct.dcm")
    ours = encoding.dcmread(path, force=True)
    theirs = pydicom.dcmread(path, force=True)
    for roi, other in zip(ours.ROIContourSequence, theirs.ROIContourSequence, strict=True):
        for contour, their in zip(roi.ContourSequence, other.ContourSequence, strict=True):
            assert contour.array("ContourData").tolist() == [float(value) for value in their.ContourData]


NUMBERS = {"US": "u2", "SS": "i2", "UL": "u4", "SL": "i4", "UV": "u8", "SV": "i8", "FL": "f4", "FD": "f8"}
NUMBERS |= {"OB": "u1", "OW": "u2", "OL": "u4", "OF": "f4", "OD": "f8", "OV": "u8"}


@pytest.mark.parametrize("vr", NUMBERS)
def test_binary_values_are_views_of_the_source(vr: str) -> None:
    values = np.arange(8, dtype=NUMBERS[vr])
    made = Dataset()
    made.add_new(0x00091010, vr, values.tobytes() if vr[0] == "O" else values.tolist())
    for syntax in (encoding.TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN, encoding.TransferSyntax.EXPLICIT_VR_BIG_ENDIAN):
        little = encoding.encode(made, encoding.TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN)
        data = encoding.transcode(little, encoding.TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN, syntax)
        ds = encoding.decode(data, syntax)
        view = ds.array(0x00091010)
        native = ds[0x00091010].is_little_endian == (sys.byteorder == "little") or vr == "OB"
        assert np.shares_memory(view, np.frombuffer(data, "u1")) == native
        assert (view == values).all()
        assert view.dtype == values.dtype
        assert not view.flags.writeable
        if vr[0] != "O":
            assert list(ds[0x00091010].value) == values.tolist()


def test_arrays_of_what_was_set_and_of_no_numbers() -> None:
    assert Dataset(PixelSpacing=[0.5, 0.25]).array("PixelSpacing").tolist() == [0.5, 0.25]
    ds = encoding.decode(encoding.encode(Dataset(PixelSpacing=[0.5, 0.25]), "1.2.840.10008.1.2"), "1.2.840.10008.1.2")
    ds.PixelSpacing[1] = DS(4)  # changed in place
    assert ds.array("PixelSpacing").tolist() == [0.5, 4]
    with pytest.raises(TypeError):
        Dataset(PatientID="1").array("PatientID")
