"""Values that do not fit their VR or multiplicity are not written, unless one insists."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from pacskit.core.dataset import Dataset
from pacskit.core.errors import EncodeError
from pacskit.encoding import dcmread, dcmwrite
from pacskit.encoding.check import allows


@pytest.mark.parametrize(
    ("vm", "good", "bad"),
    [("1", [0, 1], [2]), ("1-3", [1, 2, 3], [4]), ("2-n", [2, 3], [1]), ("3-3n", [3, 6], [4]), ("1-n", [1, 9], [])],
)
def test_multiplicities(vm: str, good: list[int], bad: list[int]) -> None:
    assert all(allows(vm, count) for count in good)
    assert not any(allows(vm, count) for count in bad)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientID", "x" * 65),
        ("PatientName", "A=" + "B" * 65),
        ("Modality", "TOO LONG FOR A CS"),
        ("StudyInstanceUID", "1." * 32 + "1"),
        ("PixelSpacing", [1, 2, 3]),
        ("Rows", [1, 2]),
        ("InstanceNumber", 10**13),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(keyword: str, value: object) -> None:
    inner = Dataset()
    setattr(inner, keyword, value)
    dataset = Dataset(SOPClassUID="1.2", SOPInstanceUID="1.3", ReferencedSeriesSequence=[Dataset(), inner])
    with pytest.raises(EncodeError) as caught:
        dcmwrite(BytesIO(), dataset)
    assert caught.value.path == f"ReferencedSeriesSequence[1].{keyword}"
    dcmwrite(BytesIO(), dataset, check=False)


def test_what_was_read_is_written_as_it_is(pydicom_files: tuple[Path, ...]) -> None:
    for path in pydicom_files:
        if path.name in ("CT_small.dcm", "rtplan.dcm", "JPEG2000.dcm", "test-SR.dcm"):
            dataset = dcmread(path)
            dataset.PatientID = "new"
            out = BytesIO()
            dcmwrite(out, dataset)
            assert dcmread(out.getvalue()).PatientID == "new"
