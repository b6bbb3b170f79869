"""Paths, search, differences and merging."""

from __future__ import annotations

import pytest

from pacskit.core.compare import ChangeKind, MergeConflict
from pacskit.core.dataset import Dataset
from pacskit.core.filemeta import FileMeta


def series(uid: str, *instances: str) -> Dataset:
    ds = Dataset(SeriesInstanceUID=uid)
    ds.ReferencedInstanceSequence = [Dataset(ReferencedSOPInstanceUID=one) for one in instances]
    return ds


def study() -> Dataset:
    ds = Dataset(PatientID="42", StudyInstanceUID="1.2")
    ds.ReferencedSeriesSequence = [series("1.2.1", "1.2.1.1", "1.2.1.2"), series("1.2.2")]
    return ds


def test_paths_reach_into_items() -> None:
    ds = study()
    path = "ReferencedSeriesSequence[0].ReferencedInstanceSequence[-1].ReferencedSOPInstanceUID"
    assert ds[path].value == "1.2.1.2"
    assert ds["(0008,1115)[1].0020000E"].value == "1.2.2"
    assert path in ds
    assert ds.get(path) == "1.2.1.2"
    assert ds.get("ReferencedSeriesSequence[7].SeriesInstanceUID") is None
    assert "ReferencedSeriesSequence[7].SeriesInstanceUID" not in ds
    assert ds.item("ReferencedSeriesSequence[1]").SeriesInstanceUID == "1.2.2"
    del ds["ReferencedSeriesSequence[0].ReferencedInstanceSequence[0]"]
    assert len(ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 1
    assert ds.is_modified


@pytest.mark.parametrize(
    "path", ["PatientID[0].Rows", "ReferencedSeriesSequence[2].Rows", "ReferencedStudySequence[0].Rows"]
)
def test_a_path_to_nothing_is_a_key_error(path: str) -> None:
    with pytest.raises(KeyError):
        study()[path]


@pytest.mark.parametrize(
    "path", ["ReferencedSeriesSequence[0]", "ReferencedSeriesSequence[0]Rows", "Nonsense[0].Rows", "[0].Rows", "A[0]."]
)
def test_what_is_no_path_to_an_element_is_a_value_error(path: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message names the path
        study()[path]


def test_assigning_by_path_makes_what_is_missing() -> None:
    ds = Dataset()
    ds.assign("ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID", "1.2.3")
    ds.assign("ReferencedSeriesSequence[1].SeriesInstanceUID", "1.2.2")
    assert [len(ds.ReferencedSeriesSequence), ds.ReferencedSeriesSequence[1].SeriesInstanceUID] == [2, "1.2.2"]
    with pytest.raises(KeyError):
        ds.assign("ReferencedSeriesSequence[5].SeriesInstanceUID", "1.2.2")


def test_find_gives_paths_that_lead_back() -> None:
    ds = study()
    found = list(ds.find("ReferencedSOPInstanceUID"))
    assert [element.value for _, element in found] == ["1.2.1.1", "1.2.1.2"]
    assert all(ds[path] is element for path, element in found)
    assert [path for path, _ in ds.find(where=lambda element: element.value == "1.2.2")] == [
        "ReferencedSeriesSequence[1].SeriesInstanceUID"
    ]


def test_diff_names_every_change_where_it_is() -> None:
    before, after = study(), study()
    assert before.diff(after) == []
    after.PatientID = "43"
    after.StudyDate = "20260801"
    del after.StudyInstanceUID
    after.ReferencedSeriesSequence[0].SeriesInstanceUID = "9"
    after.ReferencedSeriesSequence.pop()
    changes = before.diff(after)
    assert [(change.kind, change.path) for change in changes] == [
        (ChangeKind.ADDED, "StudyDate"),
        (ChangeKind.CHANGED, "ReferencedSeriesSequence[0].SeriesInstanceUID"),
        (ChangeKind.REMOVED, "ReferencedSeriesSequence[1]"),
        (ChangeKind.CHANGED, "PatientID"),
        (ChangeKind.REMOVED, "StudyInstanceUID"),
    ]
    assert str(changes[3]).splitlines()[1].startswith("+ PatientID: (0010,0020)")


def test_merge_follows_its_policy() -> None:
    ours, theirs = Dataset(PatientID="1", Rows=4), Dataset(PatientID="2", Columns=5)
    with pytest.raises(MergeConflict) as caught:
        ours.merge(theirs)
    assert [change.path for change in caught.value.changes] == ["PatientID"]
    assert "Columns" not in ours
    ours.merge(theirs, conflict="ours")
    assert (ours.PatientID, ours.Columns) == ("1", 5)
    ours.merge(theirs, conflict="theirs")
    assert ours.PatientID == "2"


def test_file_meta_knows_no_paths() -> None:
    with pytest.raises(KeyError):
        FileMeta()["ReferencedSeriesSequence[0].Rows"]
