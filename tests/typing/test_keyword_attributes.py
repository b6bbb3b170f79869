"""What keyword attributes give and take: mypy reads the claims, pytest shows that they hold.

An unused ``type: ignore`` is an error, so each one here proves that the checker objects.
"""

from __future__ import annotations

from datetime import date, time
from typing import assert_type

import pytest

from pacskit.core import uids
from pacskit.core.dataset import Dataset
from pacskit.core.sequence import Sequence
from pacskit.core.uid import UID
from pacskit.core.values import DA, DS, MultiValue, PersonName


def sample() -> Dataset:
    ds = Dataset()
    ds.PatientName = "DOE^JANE"
    ds.StudyDate = date(2026, 8, 1)
    ds.StudyTime = time(10, 30)
    ds.Rows = 512
    ds.SOPClassUID = uids.CTImageStorage
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.PixelSpacing = [0.5, 0.25]
    item = Dataset()
    item.StudyInstanceUID = "1.2.3"
    ds.RequestAttributesSequence = [item]
    return ds


def test_attributes_have_the_types_of_their_vr_and_vm() -> None:
    ds = sample()
    assert_type(ds.PatientName, PersonName)
    assert_type(ds.PatientName.family_name, str)
    assert ds.PatientName.family_name == "DOE"
    assert_type(ds.StudyDate, DA)
    assert ds.StudyDate == "20260801"
    assert_type(ds.Rows + 1, int)
    assert ds.Rows + 1 == 513
    assert_type(ds.SOPClassUID, UID)
    assert ds.SOPClassUID.name == "CT Image Storage"
    assert_type(ds.ImageType, MultiValue[str])
    assert ds.ImageType[0] == "ORIGINAL"
    assert_type(ds.PixelSpacing, MultiValue[DS])
    assert ds.PixelSpacing[1] * 2 == 0.5
    assert_type(ds.RequestAttributesSequence, Sequence[Dataset])
    assert_type(ds.RequestAttributesSequence[0].StudyInstanceUID, UID)
    assert ds.RequestAttributesSequence[0].StudyInstanceUID == "1.2.3"


def test_what_the_standard_does_not_know_is_an_error_for_checker_and_program() -> None:
    ds = sample()
    with pytest.raises(AttributeError):
        ds.PatientNme  # type: ignore[attr-defined] # noqa: B018
    with pytest.raises(AttributeError):
        ds.PatientNme = "x"  # type: ignore[attr-defined]


def claims_that_only_the_checker_refuses(ds: Dataset) -> None:
    ds.Rows = "tall"  # type: ignore[assignment]
    ds.PatientName = 12  # type: ignore[assignment]
    ds.StudyDate = time(1)  # type: ignore[assignment]
