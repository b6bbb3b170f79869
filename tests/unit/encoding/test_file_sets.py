"""File-sets that change: added, removed, copied, written, verified; pydicom reads what comes out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from pacskit.core import uids
from pacskit.core.errors import DecodeError, LimitError
from pacskit.encoding import FileSet, dcmread
from pacskit.encoding.dicomdir import DirectoryLimits, FileSetError, ProblemKind
from tests.unit.encoding.samples import WHEEL, our_tree

ROOT = Path(__file__).resolve().parents[3]

# ---- changing ---------------------------------------------------------------------------------------


@pytest.fixture
def alpha(tmp_path: Path) -> Path:
    """A copy of a file-set that others made."""
    return Path(shutil.copytree(WHEEL / "dicomdirtests" / "TINY_ALPHA", tmp_path / "alpha"))


def test_an_update_keeps_what_others_wrote(alpha: Path) -> None:
    ds = pydicom.dcmread(alpha / "DICOMDIR")
    for record in ds.DirectoryRecordSequence:
        record.add_new(0x00091010, "LO", "ours")
        record.InstitutionName = "Hospital"
    ds.add_new(0x00091010, "LO", "of the whole")
    ds.save_as(alpha / "DICOMDIR")
    before = list(our_tree(FileSet(alpha)))
    fs = FileSet(alpha)
    fs.ID = "CHANGED"
    fs.add(WHEEL / "CT_small.dcm")
    fs.write()
    after = pydicom.dcmread(alpha / "DICOMDIR")
    assert after.FileSetID == "CHANGED"
    assert after[0x00091010].value == "of the whole"
    assert after.file_meta.MediaStorageSOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID
    assert list(our_tree(FileSet(alpha)))[: len(before)] == before
    assert len(FileSet(alpha)) == 51
    assert FileSet(alpha).verify() == []


def test_removing_deletes_files_and_empty_records(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    fs = FileSet(WHEEL / "dicomdirtests").copy(folder)
    gone, kept = fs.series[0], fs.series[1].instances[0]
    paths, kept_path = [one.path for one in gone.instances], kept.path
    fs.remove(gone)
    fs.remove(kept, keep_file=True)
    assert all(path is not None and path.is_file() for path in paths), "nothing happens before write()"
    fs.write()
    assert not any(path is not None and path.exists() for path in paths)
    assert kept_path is not None
    assert kept_path.is_file()
    again = FileSet(folder)
    assert gone.SeriesInstanceUID not in again.find_values("SeriesInstanceUID")
    assert [problem.kind for problem in again.verify()] == [ProblemKind.UNREFERENCED_FILE]
    again.clear()
    again.write()
    assert len(FileSet(folder)) == 0
    assert pydicom.dcmread(folder / "DICOMDIR").OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity == 0
    with pytest.raises(FileSetError):
        again.remove(gone)


def test_a_failed_write_leaves_everything_as_it_was(alpha: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in alpha.rglob("*") if path.is_file()}
    fs = FileSet(alpha)
    fs.remove(fs.series[0])
    fs.add(WHEEL / "CT_small.dcm")
    replace = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if Path(target).name == "DICOMDIR":
            raise OSError("no space left")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="no space left"):
        fs.write()
    assert {path: path.read_bytes() for path in alpha.rglob("*") if path.is_file()} == before
    monkeypatch.undo()
    fs.write()
    assert FileSet(alpha).verify() == []


def test_changes_of_others_are_not_overwritten(alpha: Path) -> None:
    fs, other = FileSet(alpha), FileSet(alpha)
    other.ID = "OTHER"
    other.write()
    fs.ID = "MINE"
    with pytest.raises(FileSetError, match="changed by others"):
        fs.write()
    assert FileSet(alpha).ID == "OTHER"


def test_files_are_listed_where_they_are_or_copied(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for name in ("CT/IM1", "CT/not valid.dcm"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(WHEEL / "CT_small.dcm", folder / "CT" / "IM1")
    shutil.copy(WHEEL / "MR_small.dcm", folder / "CT" / "not valid.dcm")
    fs = FileSet(root=folder)
    assert fs.add(folder / "CT" / "IM1").FileID == "CT/IM1"
    assert fs.add(folder / "CT" / "not valid.dcm").is_staged
    steps: list[tuple[int, int]] = []
    fs.write(progress=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 1)]
    assert [problem.file_id for problem in fs.verify()] == ["CT/not valid.dcm"]
    with pytest.raises(FileSetError):
        FileSet(root=folder)


def test_files_that_are_there_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "A").write_bytes(b"not ours")
    listed = FileSet(root=tmp_path)
    assert listed.add(WHEEL / "CT_small.dcm", file_id="a").FileID == "A1"
    fs = FileSet()
    fs.add(WHEEL / "CT_small.dcm", file_id="a")
    with pytest.raises(FileExistsError):
        fs.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["A"]
    fs.write(tmp_path / "elsewhere")


def test_an_instance_is_added_once() -> None:
    fs = FileSet()
    assert fs.add(WHEEL / "CT_small.dcm") is fs.add(dcmread(WHEEL / "CT_small.dcm"))
    assert len(fs) == 1
    with pytest.raises(FileSetError):
        fs.add(WHEEL / "dicomdirtests" / "DICOMDIR")
    with pytest.raises(DecodeError):
        fs.add(WHEEL / "no_meta.dcm")


def test_data_sets_become_files(tmp_path: Path) -> None:
    ds = dcmread(WHEEL / "MR_small.dcm")
    fs = FileSet()
    leaf = fs.add(ds)
    assert leaf.path is None
    assert leaf.load() is ds
    fs.write(tmp_path / "set")
    assert leaf.path is not None
    assert leaf.path.read_bytes()[132:] == (WHEEL / "MR_small.dcm").read_bytes()[132:]
    assert (leaf.SOPInstanceUID, leaf.PatientName) == (ds.SOPInstanceUID, ds.PatientName)
    assert [one.FileID for one in fs.find(Modality="MR")] == ["PT000000/ST000000/SE000000/IM000000"]
    assert fs.find(EchoTime=ds.EchoTime) == []
    assert fs.find(TransferSyntaxUID=ds.transfer_syntax, SOPInstanceUID=ds.SOPInstanceUID) == [leaf]
    assert fs.find(load=True, EchoTime=ds.EchoTime) == [leaf]


def test_a_copy_has_all_and_valid_names(alpha: Path, tmp_path: Path) -> None:
    fs = FileSet(WHEEL / "dicomdirtests")
    (tmp_path / "elsewhere").mkdir()
    twin = fs.copy(tmp_path / "elsewhere")
    assert list(our_tree(twin)) == list(our_tree(fs))
    assert twin.verify() == []
    first = next(iter(fs))
    first.dataset.ReferencedFileID = ["lower", "not-valid"]
    first.staged = WHEEL / "CT_small.dcm"
    again = fs.copy(tmp_path / "again")
    assert next(iter(again)).FileID == "LOWER/NOT_VALI"


def test_a_record_gets_the_keys_that_are_asked_for(tmp_path: Path) -> None:
    fs = FileSet()
    leaf = fs.add(WHEEL / "CT_small.dcm", keys=["ImageType", "Rows", "PatientAge", "AcquisitionContextSequence"])
    ct = pydicom.dcmread(WHEEL / "CT_small.dcm")
    assert (leaf.Rows, list(leaf.ImageType), leaf.PatientAge) == (ct.Rows, list(ct.ImageType), ct.PatientAge)
    assert "AcquisitionContextSequence" not in leaf
    fs.descriptor_file_id = "README"
    fs.descriptor_character_set = "ISO_IR 192"
    fs.write(tmp_path / "set")
    (tmp_path / "set" / "README").write_text("what this is")
    assert fs.verify() == []
    twin = fs.copy(tmp_path / "twin")
    assert (tmp_path / "twin" / "README").read_text() == "what this is"
    theirs = pydicom.dcmread(tmp_path / "twin" / "DICOMDIR")
    assert theirs.FileSetDescriptorFileID == "README"
    assert theirs.SpecificCharacterSetOfFileSetDescriptorFile == "ISO_IR 192"
    assert (twin.ID, twin.UID, twin.verify()) == (None, fs.UID, [])
    for wrong in ("too long a name here", "lower"):
        with pytest.raises(FileSetError):
            fs.ID = wrong


# ---- verifying --------------------------------------------------------------------------------------


def test_verify_names_each_kind_of_problem(alpha: Path) -> None:
    fs = FileSet(alpha)
    one = list(fs)
    paths = [instance.path for instance in one[:3]]
    assert paths[0] is not None
    paths[0].unlink()
    assert paths[1] is not None
    paths[1].write_bytes(b"no DICOM")
    assert paths[2] is not None
    shutil.copy(WHEEL / "MR_small_RLE.dcm", paths[2])
    (alpha / "EXTRA").write_bytes(b"")
    one[3].dataset.ReferencedFileID = ["lower"]
    one[5].dataset.ReferencedFileID = list(one[4].file_id or ())
    one[6].dataset.ReferencedSOPInstanceUIDInFile = one[7].SOPInstanceUID
    del one[8].dataset.InstanceNumber
    one[9].dataset.DirectoryRecordType = "PATIENT"
    one[10].dataset.DirectoryRecordType = "NONSENSE"
    assert {problem.kind for problem in fs.verify()} == {
        ProblemKind.MISSING_FILE, ProblemKind.UNREADABLE_FILE, ProblemKind.CLASS_MISMATCH, ProblemKind.UID_MISMATCH,
        ProblemKind.SYNTAX_MISMATCH, ProblemKind.WRONG_PARENT, ProblemKind.UNREFERENCED_FILE, ProblemKind.BAD_FILE_ID,
        ProblemKind.DUPLICATE_FILE_ID, ProblemKind.DUPLICATE_INSTANCE, ProblemKind.MISSING_KEY,
        ProblemKind.BAD_HIERARCHY, ProblemKind.UNKNOWN_RECORD,
    } - ({ProblemKind.CLASS_MISMATCH} if one[2].SOPClassUID == uids.MRImageStorage else set())  # fmt: skip
    missing = next(problem for problem in fs.verify() if problem.kind == ProblemKind.MISSING_FILE)
    assert missing.file_id == one[0].FileID


def test_limits_are_typed_errors() -> None:
    path = WHEEL / "dicomdirtests" / "DICOMDIR"
    for limits in (DirectoryLimits(max_records=51), DirectoryLimits(max_depth=3), DirectoryLimits(max_bytes=1000)):
        with pytest.raises(LimitError):
            FileSet(path, limits=limits)
    with pytest.raises(FileSetError):
        FileSet(WHEEL / "CT_small.dcm")


def test_a_killed_process_leaves_a_whole_file_set(tmp_path: Path) -> None:
    original = FileSet(WHEEL / "dicomdirtests").copy(tmp_path / "original")
    before = {str(one.SOPInstanceUID) for one in original}
    gone = {str(one.SOPInstanceUID) for one in original.series[0].instances}
    after = before - gone | {str(dcmread(WHEEL / "CT_small.dcm").SOPInstanceUID)}
    seen = []
    code = -1
    for step in range(30):
        folder = Path(shutil.copytree(tmp_path / "original", tmp_path / str(step)))
        command = [
            sys.executable,
            "-m",
            "tests.unit.encoding.dying",
            str(folder),
            str(WHEEL / "CT_small.dcm"),
            str(step),
        ]
        code = subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode
        fs = FileSet(folder)
        found = {str(one.SOPInstanceUID) for one in fs}
        assert found in (before, after)
        assert {problem.kind for problem in fs.verify()} <= {ProblemKind.UNREFERENCED_FILE}
        seen.append(found == after)
        if code == 0:
            break
    assert code == 0
    assert seen == sorted(seen)
    assert len(seen) > 5
    assert not seen[0]
