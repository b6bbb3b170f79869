"""File-sets: what they hold, how they are named, changed, verified and written; pydicom's FileSet is the oracle."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom._uid_dict import UID_dictionary
from pydicom.fileset import DIRECTORY_RECORDERS

from pacskit.core import uids
from pacskit.core.dataset import Dataset
from pacskit.encoding import FileSet, dcmread
from pacskit.encoding.dicomdir import (
    FileSetError,
    MissingKeyError,
    ProblemKind,
    UnsafePathError,
    is_valid_file_id,
    make_file_id,
    record_type_for,
)
from pacskit.encoding.dicomdir.keys import CHILDREN, KEYS
from pacskit.encoding.dicomdir.naming import FileIDs
from tests.unit.encoding.samples import (
    DIRECTORIES,
    WHEEL,
    code,
    instance,
    our_tree,
    plain,
    save,
    their_tree,
    value_for,
)

READABLE = [path for path in DIRECTORIES if path.name != "DICOMDIR-nopatient"]


@pytest.mark.parametrize("path", READABLE, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_dicomdir_gives_the_tree_that_pydicom_gives(path: Path) -> None:
    assert list(our_tree(FileSet(path))) == list(their_tree(path))


@pytest.mark.corpus
def test_every_dicomdir_of_the_corpus_gives_the_tree_that_pydicom_gives(corpus: Path) -> None:
    paths = [path for path in sorted(corpus.rglob("*")) if path.is_file() and "DICOMDIR" in path.name.upper()]
    assert len(paths) >= 8
    for path in paths:
        if path.name != "DICOMDIR-nopatient":  # pydicom refuses that one
            assert list(our_tree(FileSet(path))) == list(their_tree(path)), path


def test_a_tree_whose_first_offset_is_wrong_is_read_whole() -> None:
    fs = FileSet(WHEEL / "dicomdirtests" / "DICOMDIR-nopatient")
    right = FileSet(WHEEL / "dicomdirtests" / "DICOMDIR")
    assert [one.SOPInstanceUID for one in fs] == [one.SOPInstanceUID for one in right]
    assert [one.SeriesInstanceUID for one in fs] == [one.SeriesInstanceUID for one in right]
    assert {problem.kind for problem in fs.read_problems} == {ProblemKind.BROKEN_OFFSET, ProblemKind.ORPHAN_RECORD}


@pytest.mark.parametrize("damage", ["no offsets", "shifted", "dangling", "cycle"])
def test_bad_offsets_give_the_tree_by_nesting(tmp_path: Path, damage: str) -> None:
    ds = pydicom.dcmread(WHEEL / "dicomdirtests" / "DICOMDIR")
    first = "OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity"
    following, lower = "OffsetOfTheNextDirectoryRecord", "OffsetOfReferencedLowerLevelDirectoryEntity"
    for number, record in enumerate(ds.DirectoryRecordSequence):
        for keyword in (following, lower):
            if damage == "no offsets":
                record[keyword].value = 0
            elif damage == "shifted" and record[keyword].value:
                record[keyword].value -= 132
            elif damage == "dangling" and number % 5 == 4:
                record[keyword].value = 3
            elif damage == "cycle" and number % 5 == 4:
                record[keyword].value = record.seq_item_tell
    if damage in {"no offsets", "shifted"}:
        ds[first].value = 0 if damage == "no offsets" else ds[first].value - 132
    ds.save_as(tmp_path / "DICOMDIR")
    fs = FileSet(tmp_path)
    assert list(our_tree(fs)) == list(their_tree(WHEEL / "dicomdirtests" / "DICOMDIR"))
    assert fs.read_problems


def test_inactive_records_are_passed_over(tmp_path: Path) -> None:
    ds = pydicom.dcmread(WHEEL / "dicomdirtests" / "DICOMDIR")
    images = [record for record in ds.DirectoryRecordSequence if record.DirectoryRecordType == "IMAGE"]
    images[0].RecordInUseFlag = 0
    ds.save_as(tmp_path / "DICOMDIR")
    found = [one.SOPInstanceUID for one in FileSet(tmp_path)]
    assert found == [record.ReferencedSOPInstanceUIDInFile for record in images[1:]]


def test_a_multi_referenced_file_is_found(tmp_path: Path) -> None:
    ds = pydicom.dcmread(WHEEL / "dicomdirtests" / "DICOMDIR")
    records = ds.DirectoryRecordSequence
    places = {0: None} | {record.seq_item_tell: number for number, record in enumerate(records)}
    following, lower = "OffsetOfTheNextDirectoryRecord", "OffsetOfReferencedLowerLevelDirectoryEntity"
    links = [(places[record[following].value], places[record[lower].value]) for record in records]
    image = next(record for record in records if record.DirectoryRecordType == "IMAGE")
    shared = pydicom.Dataset()
    shared.OffsetOfTheNextDirectoryRecord = shared.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    shared.RecordInUseFlag, shared.DirectoryRecordType, shared.NumberOfReferences = 0xFFFF, "MRDR", 1
    uid, file_id = image.ReferencedSOPInstanceUIDInFile, list(image.ReferencedFileID)
    shared.ReferencedSOPInstanceUIDInFile, shared.ReferencedFileID = uid, file_id
    del image.ReferencedFileID, image.ReferencedSOPInstanceUIDInFile
    image.MRDRDirectoryRecordOffset = 0
    records.append(shared)
    ds.save_as(tmp_path / "DICOMDIR")
    moved = [record.seq_item_tell for record in pydicom.dcmread(tmp_path / "DICOMDIR").DirectoryRecordSequence]
    for record, link in zip(records, links, strict=False):
        for keyword, target in zip((following, lower), link, strict=True):
            record[keyword].value = 0 if target is None else moved[target]
    image.MRDRDirectoryRecordOffset = moved[-1]
    last = "OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity"
    ds[last].value = moved[places[ds[last].value] or 0]
    ds.save_as(tmp_path / "DICOMDIR")
    fs = FileSet(tmp_path)
    assert fs.read_problems == ()
    first = next(iter(fs))
    assert (first.SOPInstanceUID, list(first.file_id or ())) == (uid, file_id)
    fs.write()
    again = pydicom.dcmread(tmp_path / "DICOMDIR")
    assert all("MRDRDirectoryRecordOffset" not in record for record in again.DirectoryRecordSequence)
    assert len(FileSet(tmp_path)) == 31


# ---- record types and keys --------------------------------------------------------------------------


def with_keys(sop_class: str, record_type: str, number: int = 1) -> pydicom.Dataset:
    ds = instance(sop_class, number)
    for key in KEYS[record_type]:
        if key.keyword not in ds and key.keyword not in {"IconImageSequence", "PrivateRecordUID"}:
            setattr(ds, key.keyword, value_for(key.keyword))
    if record_type == "SR DOCUMENT":
        ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "VERIFIED"
        observer = pydicom.Dataset()
        observer.VerificationDateTime = ds.VerificationDateTime
        ds.VerifyingObserverSequence = [observer]
    if "ContentSequence" in ds:
        ds.ContentSequence = [code()]
        ds.ContentSequence[0].RelationshipType = "HAS CONCEPT MOD"
    return ds


def storage_classes() -> list[str]:
    """The SOP classes of objects that are kept, of pydicom's dictionary."""
    return [uid for uid, entry in UID_dictionary.items() if "SOP Class" in entry[1] and "Storage" in entry[0]]


# Types that this edition of pydicom does not know; for each of its SOP classes it writes IMAGE instead.
NEWER = {"ANNOTATION", "INVENTORY", "RADIOTHERAPY", "PLAN", "ENCAP DOC", "RT PLAN", "PRIVATE"}


def test_the_record_type_of_each_sop_class_is_pydicoms() -> None:
    from pydicom.fileset import _FOUR_LEVEL_SOP_CLASSES, _SINGLE_LEVEL_SOP_CLASSES

    table = {str(uid): kind for uid, kind in (_FOUR_LEVEL_SOP_CLASSES | _SINGLE_LEVEL_SOP_CLASSES).items()}
    assert {uid: record_type_for(uid) for uid in table} == table
    others = {uid: record_type_for(uid) for uid in storage_classes() if uid not in table}
    assert set(others.values()) <= NEWER | {"IMAGE", "PRESENTATION", "SR DOCUMENT", "WAVEFORM", "MEASUREMENT"}


def test_every_record_type_of_pydicom_is_there() -> None:
    assert set(DIRECTORY_RECORDERS) | {"PRIVATE", "ANNOTATION", "INVENTORY"} == set(KEYS)
    assert set.union(*map(set, CHILDREN.values())) == set(KEYS)


ONE_OF_EACH = {record_type_for(uid): uid for uid in reversed(storage_classes())} | {
    "IMAGE": uids.CTImageStorage, "PRIVATE": "1.2.826.0.1.3680043.9",
}  # fmt: skip
MORE_HERE = {  # keys of F.5 that pydicom's recorders leave out
    "HANGING PROTOCOL": {"HangingProtocolName", "HangingProtocolDescription", "HangingProtocolLevel"},
}


def test_the_sop_classes_call_for_all_types_but_the_upper_levels() -> None:
    assert set(ONE_OF_EACH) == set(KEYS) - {"PATIENT", "STUDY", "SERIES"}


@pytest.mark.parametrize("record_type", sorted(ONE_OF_EACH))
def test_the_records_of_each_type_are_pydicoms(tmp_path: Path, record_type: str) -> None:
    source = save(with_keys(ONE_OF_EACH[record_type], record_type), tmp_path / "source.dcm")
    fs = FileSet()
    leaf = fs.add(source)
    assert leaf.record_type == record_type
    fs.write(tmp_path / "set")
    assert [problem for problem in fs.verify() if problem.kind != ProblemKind.UNREFERENCED_FILE] == []
    assert is_valid_file_id(leaf.file_id or ())
    if record_type in {"PRIVATE", "INVENTORY", "ANNOTATION"}:
        return  # pydicom has none
    made = DIRECTORY_RECORDERS[record_type](pydicom.dcmread(source))
    expected = {element.keyword: plain(element.value) for element in made}
    known = {key.keyword for key in KEYS[record_type]} - MORE_HERE.get(record_type, set())
    found = {element.keyword: plain(element.value) for element in leaf.dataset if element.keyword in known}
    assert found == expected
    assert MORE_HERE.get(record_type, set()) <= {element.keyword for element in leaf.dataset}


def test_an_unknown_class_without_a_series_stands_at_the_root() -> None:
    leaf = FileSet().add(Dataset(SOPClassUID="1.2.3.4", SOPInstanceUID="1.2.3.5"))
    assert leaf.record_type == "PRIVATE"
    assert leaf.dataset.PrivateRecordUID == "1.2.3.4"
    assert leaf.FileID == "PV000000"


@pytest.mark.parametrize("keyword", ["PatientID", "StudyDate", "StudyID", "Modality", "SeriesNumber", "InstanceNumber"])
def test_a_missing_key_is_an_error_or_made_up(keyword: str, tmp_path: Path) -> None:
    ds = instance(uids.CTImageStorage, 1)
    setattr(ds, keyword, "")
    source = save(ds, tmp_path / "source.dcm")
    fs = FileSet()
    with pytest.raises(MissingKeyError) as caught:
        fs.add(source)
    assert caught.value.keyword == keyword
    assert len(fs) == 0
    assert list(fs.iter_records()) == []
    leaf = fs.add(source, invent=True)
    assert leaf.get(keyword)
    fs.write(tmp_path / "set")
    assert fs.verify() == []


def test_patients_without_an_id_are_told_apart_by_name() -> None:
    fs = FileSet()
    for number, name in enumerate(("A", "B", "A")):
        meta = {"SOPClassUID": uids.CTImageStorage, "SOPInstanceUID": f"1.2.{number}", "PatientName": name}
        fs.add(Dataset(**meta, StudyInstanceUID="1.1", SeriesInstanceUID="1.1.1"), invent=True)
    assert [(p.PatientName, len(list(p.iter_instances()))) for p in fs.patients] == [("A", 2), ("B", 1)]
    assert len({patient.PatientID for patient in fs.patients}) == 2


@pytest.mark.parametrize(
    ("charset", "name"),
    [("ISO_IR 100", "MÜLLER^JÜRGEN"), ("ISO_IR 192", "山田^太郎"), (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎")],
)
def test_names_keep_their_characters(tmp_path: Path, charset: Any, name: str) -> None:
    ds = instance(uids.CTImageStorage, 1)
    ds.SpecificCharacterSet, ds.PatientName = charset, name
    fs = FileSet()
    fs.add(save(ds, tmp_path / "source.dcm"))
    fs.write(tmp_path / "set")
    assert pydicom.dcmread(tmp_path / "set" / "DICOMDIR").DirectoryRecordSequence[0].PatientName == name
    assert FileSet(tmp_path / "set").patients[0].PatientName == name


def test_names_outside_their_character_set_keep_their_bytes(tmp_path: Path) -> None:
    source = save(instance(uids.CTImageStorage, 1), tmp_path / "source.dcm")
    source.write_bytes(source.read_bytes().replace(b"DOE^JANE", b"DO\xeb^JANE"))
    fs = FileSet()
    fs.add(source)
    fs.write(tmp_path / "set")
    assert b"DO\xeb^JANE" in (tmp_path / "set" / "DICOMDIR").read_bytes()
    assert FileSet(tmp_path / "set").patients[0].PatientName == dcmread(source).PatientName


# ---- names ------------------------------------------------------------------------------------------

names = st.one_of(st.text(max_size=40), st.text(alphabet="./\\aB1_ é", max_size=30))


@given(names)
def test_any_text_makes_a_valid_file_id(name: str) -> None:
    made = make_file_id(name)
    assert is_valid_file_id(made)
    assert make_file_id(made) == made


@given(st.lists(names, max_size=30))
def test_file_ids_are_unique_and_none_is_file_and_folder(wanted: list[str]) -> None:
    ids = FileIDs()
    made = []
    for name in wanted:
        made.append(ids.unique(make_file_id(name)))
        ids.add(made[-1])
    assert len(set(made)) == len(made)
    assert all(map(is_valid_file_id, made))
    folders = {file_id[:depth] for file_id in made for depth in range(1, len(file_id))}
    assert not folders & {*made, ("DICOMDIR",)}
    assert ("DICOMDIR",) not in made


def test_names_go_on_after_the_millionth() -> None:
    ids = FileIDs()
    ids._numbers[(), "IM"] = 999_999
    assert [ids.child((), "IM") for _ in range(2)] == [("IM999999",), ("IM00LFLS",)]


@given(st.lists(st.tuples(*[st.integers(1, 3)] * 3), max_size=12, unique=True))
def test_what_is_written_is_read_again(places: list[tuple[int, int, int]]) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        fs = FileSet()
        for number, (patient, study, series) in enumerate(places):
            uid = f"1.2.{patient}.{study}.{series}"
            fs.add(Dataset(
                SOPClassUID=uids.CTImageStorage, SOPInstanceUID=f"{uid}.{number}", PatientID=str(patient),
                StudyInstanceUID=f"1.2.{patient}.{study}", SeriesInstanceUID=uid,
            ), invent=True)  # fmt: skip
        fs.write(Path(folder) / "set")
        again = FileSet(Path(folder) / "set")
        assert list(our_tree(again)) == list(our_tree(fs)) == list(their_tree(Path(folder) / "set" / "DICOMDIR"))
        assert again.verify() == []
        assert [record.offset for record in again.iter_records()] == [record.offset for record in fs.iter_records()]


# ---- leading out of the directory -------------------------------------------------------------------


def listing(folder: Path, file_id: Any) -> Path:
    """A DICOMDIR of one image with this Referenced File ID, as pydicom writes it."""
    ds = pydicom.dcmread(WHEEL / "dicomdirtests" / "DICOMDIR")
    image = next(record for record in ds.DirectoryRecordSequence if record.DirectoryRecordType == "IMAGE")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image.ReferencedFileID = file_id
        ds.save_as(folder / "DICOMDIR")
    return folder


@pytest.mark.parametrize(
    "file_id",
    [
        ["..", "..", "ETC", "PASSWD"], "../secret", "/etc/passwd", ["", "ETC", "PASSWD"], ["A", ".", "B"], "C:",
        ["A", "B/../../C"], ["A", "", "B"], "...", [".. ", "A"], "A\x00B", "con\n", "a:stream",
    ],
    ids=repr,
)  # fmt: skip
def test_a_file_id_that_leads_out_is_refused(tmp_path: Path, file_id: Any) -> None:
    with pytest.raises(UnsafePathError):
        FileSet(listing(tmp_path, file_id))


def test_a_symbolic_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "LINK").symlink_to(tmp_path)
    fs = FileSet(listing(folder, ["LINK", "SECRET"]))
    (tmp_path / "SECRET").write_bytes(b"secret")
    leaf = next(iter(fs))
    with pytest.raises(UnsafePathError):
        leaf.load()
    with pytest.raises(UnsafePathError):
        fs.copy(tmp_path / "copy")
    assert ProblemKind.UNSAFE_PATH in {problem.kind for problem in fs.verify()}
    assert not (tmp_path / "copy").exists()


def test_nothing_is_written_through_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "set" / "A").symlink_to(tmp_path / "outside")
    fs = FileSet(root=tmp_path / "set")
    fs.add(WHEEL / "CT_small.dcm", file_id="A/B")
    with pytest.raises(UnsafePathError):
        fs.write()
    assert list((tmp_path / "outside").iterdir()) == []


def test_names_in_another_case_are_found(tmp_path: Path) -> None:
    folder = listing(tmp_path, ["DATA", "FILE1"])
    (folder / "data").mkdir()
    shutil.copy(WHEEL / "CT_small.dcm", folder / "data" / "file1.")
    (folder / "DICOMDIR").rename(folder / "dicomdir")
    fs = FileSet(folder)
    assert next(iter(fs)).load().Modality == "CT"
    with pytest.raises(FileSetError):
        FileSet(root=folder)
    fs.ID = "LOWER"
    fs.write()
    assert sorted(path.name for path in folder.iterdir()) == ["data", "dicomdir"]
    assert FileSet(folder).ID == "LOWER"
