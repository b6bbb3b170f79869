"""Arrays of numbers, against numpy and pydicom."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit import encoding
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
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


def test_binary_values_are_views_of_the_source() -> None:
    pixels = struct.pack(">4H", 1, 2, 3, 65535)
    data = b"\x7f\xe0\x00\x10OW\x00\x00\x00\x00\x00\x08" + pixels
    view = encoding.decode(data, encoding.TransferSyntax.EXPLICIT_VR_BIG_ENDIAN).array("PixelData")
    assert view.tolist() == [1, 2, 3, 65535]
    assert not view.flags.owndata
    assert not view.flags.writeable
    assert Dataset(PixelSpacing=[0.5, 0.25]).array("PixelSpacing").tolist() == [0.5, 0.25]
    with pytest.raises(TypeError):
        Dataset(PatientID="1").array("PatientID")
