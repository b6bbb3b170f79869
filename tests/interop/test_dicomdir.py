"""File-sets between pacskit, pydicom, DCMTK and dicom3tools: what one writes, the others read whole."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom
import pytest
from pydicom.fileset import FileSet as TheirFileSet

from pacskit.core.errors import PacsError
from pacskit.encoding import FileSet
from tests.foreign import wheel_files
from tests.unit.encoding.samples import WHEEL, instance, save

if TYPE_CHECKING:
    from tests.conftest import Dcmtk

pytestmark = pytest.mark.interop
LEVELS = ("PATIENT", "STUDY", "SERIES")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file-set of every file in pydicom's wheel that can be in one."""
    fs = FileSet()
    fs.ID = "WHEEL"
    others = sorted(path for path in (WHEEL / "dicomdirtests").rglob("*") if path.is_file())
    for path in (*wheel_files(), *others):
        try:
            fs.add(path, invent=True)
        except PacsError:
            assert path.name not in {"CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "reportsi.dcm"}
    assert len(fs) > 80
    assert {one.record_type for one in fs} >= {"IMAGE", "RT DOSE", "RT PLAN", "SR DOCUMENT", "WAVEFORM"}
    folder = tmp_path_factory.mktemp("made") / "set"
    fs.write(folder)
    assert fs.verify() == []
    return folder


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="latin-1", check=False, timeout=100
    )


def test_pydicom_finds_the_same_instances(made: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values that the files have
        theirs = TheirFileSet(pydicom.dcmread(made / "DICOMDIR"))
        found = [(str(one.SOPInstanceUID), str(one.SOPClassUID), one.TransferSyntaxUID, one.path) for one in theirs]
    ours = [
        (str(one.SOPInstanceUID), str(one.SOPClassUID), str(one.TransferSyntaxUID), str(one.path))
        for one in FileSet(made)
    ]
    assert found == ours
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [one.load().SOPInstanceUID for one in theirs] == [row[0] for row in ours]
    theirs._stage["t"].cleanup()


def test_dcmdump_reads_it_without_a_message(made: Path, dcmtk: Dcmtk) -> None:
    done = run([dcmtk.tool("dcmdump"), "+L", "DICOMDIR"], made)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.strip() for line in done.stdout.splitlines() if "OffsetOfThe" in line or "LowerLevelDir" in line]
    assert lines
    assert not [line for line in lines if "cannot be resolved" in line or "error" in line.lower()]


def test_dciodvfy_finds_no_error(made: Path) -> None:
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dicom3tools is not installed")
    done = run([tool, "DICOMDIR"], made)
    assert "BasicDirectory" in done.stderr + done.stdout
    assert [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("Error")] == []


def test_what_dcmmkdir_writes_is_read_whole(made: Path, dcmtk: Dcmtk, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    shutil.copytree(made, theirs, ignore=shutil.ignore_patterns("DICOMDIR"))
    command = [dcmtk.tool("dcmmkdir"), "+r", "+I", "+Ipi", "-Nxc", "-Nec", "-Nrc", "+Nrs", "+F", "THEIRS"]
    done = run(command, theirs)
    refused = {line.removeprefix("W:").strip() for line in done.stderr.splitlines() if line.startswith("W:   ")}
    fs = FileSet(theirs)
    assert fs.ID == "THEIRS"
    assert fs.read_problems == ()
    listed = {one.FileID for one in FileSet(made)}
    assert {one.FileID for one in fs} == listed - refused
    assert len(fs) > 60
    assert [str(problem) for problem in fs.verify() if problem.file_id not in refused] == []
    ours = {one.FileID: one for one in FileSet(made)}
    for one in fs:
        assert one.record_type == ours[one.FileID].record_type
        for keyword in ("SOPClassUID", "SOPInstanceUID", "TransferSyntaxUID", "StudyInstanceUID", "SeriesInstanceUID"):
            assert getattr(one, keyword) == getattr(ours[one.FileID], keyword)


def test_dcmmkdir_adds_to_ours_and_we_to_theirs(dcmtk: Dcmtk, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for number in (1, 2, 3):
        ds = instance(pydicom.uid.CTImageStorage, number, study=number)
        ds.Rows = ds.Columns = ds.SamplesPerPixel = 1
        ds.BitsAllocated = ds.BitsStored = 8
        ds.HighBit, ds.PixelRepresentation, ds.PhotometricInterpretation = 7, 0, "MONOCHROME2"
        ds.PixelData = b"\0\0"
        ds.ImageType = ["ORIGINAL", "PRIMARY"]
        save(ds, folder / f"IM{number}")
    fs = FileSet(root=folder)
    fs.add(folder / "IM1")
    fs.ID = "OURS"
    fs.write()
    done = run([dcmtk.tool("dcmmkdir"), "+A", "-nb", "-Nrc", "+I", "IM2"], folder)
    assert done.returncode == 0, done.stderr
    both = FileSet(folder)
    assert (both.ID, [one.FileID for one in both], both.read_problems) == ("OURS", ["IM1", "IM2"], ())
    both.add(folder / "IM3")
    both.write()
    done = run([dcmtk.tool("dcmmkdir"), "+U", "-nb", "-Nrc", "+I", "IM1"], folder)
    assert done.returncode == 0, done.stderr
    again = FileSet(folder)
    assert sorted(one.FileID for one in again) == ["IM1", "IM2", "IM3"]
    assert again.verify() == []


def test_what_pydicom_writes_is_read_whole(tmp_path: Path) -> None:
    theirs = TheirFileSet()
    for number in range(12):
        theirs.add(instance(pydicom.uid.MRImageStorage, number, study=number % 2, series=number % 3))
    theirs.write(tmp_path / "set")
    fs = FileSet(tmp_path / "set")
    assert [str(one.SOPInstanceUID) for one in fs] == [str(one.SOPInstanceUID) for one in theirs]
    theirs._stage["t"].cleanup()
    assert fs.verify() == []
    types = [record.record_type for record in fs.iter_records()]
    assert [types.count(level) for level in LEVELS] == [1, 2, 6]
