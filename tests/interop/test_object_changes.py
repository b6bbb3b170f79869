"""What other programs see of what has been rejected, deleted, merged and moved: DCMTK and pynetdicom ask."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

import pacskit
import pacskit.aio
from tests.conftest import Dcmtk
from tests.interop.conftest import LOOPBACK, run
from tests.interop.files import wheel_file

pytestmark = pytest.mark.interop

CT, MR, JPEG2000 = (pydicom.dcmread(wheel_file(one)) for one in ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm"))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[pacskit.Archive]:
    with pacskit.Archive(tmp_path / "archive", ae="PACSKIT") as made:
        for name in ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm"):
            made.store(wheel_file(name))
        made.serve(0)
        yield made


def digests(archive: pacskit.Archive) -> dict[str, str]:
    root = Path(archive._directory) / "objects"
    return {str(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in root.rglob("*.dcm")}


def found(dcmtk: Dcmtk, archive: pacskit.Archive, folder: Path, *keys: str) -> list[pydicom.Dataset]:
    """The answers of findscu at the level of studies."""
    folder.mkdir()
    asked = [part for key in ("QueryRetrieveLevel=STUDY", *keys) for part in ("-k", key)]
    done = run(dcmtk.tool("findscu"), "-S", "-X", "-od", folder, *asked, "-aec", "PACSKIT", LOOPBACK, str(archive.port))
    assert done.returncode == 0, done.stdout
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.iterdir())]


def fetched(
    dcmtk: Dcmtk, archive: pacskit.Archive, folder: Path, study: str, *options: str
) -> dict[str, pydicom.Dataset]:
    """What getscu gets of a study."""
    folder.mkdir()
    done = run(
        dcmtk.tool("getscu"), "-S", *options, "-od", folder, "-k", "QueryRetrieveLevel=STUDY",
        "-k", f"StudyInstanceUID={study}", "-aec", "PACSKIT", LOOPBACK, str(archive.port),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    read = [pydicom.dcmread(path) for path in folder.iterdir()]
    return {one.SOPInstanceUID: one for one in read}


def send(archive: pacskit.Archive, *datasets: pydicom.Dataset) -> list[int]:
    from pynetdicom import AE

    entity = AE("PYNET")
    for dataset in datasets:
        entity.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    association = entity.associate(LOOPBACK, archive.port, ae_title="PACSKIT")
    assert association.is_established
    try:
        return [association.send_c_store(dataset).Status for dataset in datasets]
    finally:
        association.release()


def a_note(code: str, meaning: str, rejected: pydicom.Dataset) -> pydicom.Dataset:
    """A rejection note as another program makes it, with pydicom alone."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    one, series, study, title, made = Dataset(), Dataset(), Dataset(), Dataset(), Dataset()
    one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = rejected.SOPClassUID, rejected.SOPInstanceUID
    series.ReferencedSOPSequence, series.SeriesInstanceUID = [one], rejected.SeriesInstanceUID
    study.ReferencedSeriesSequence, study.StudyInstanceUID = [series], rejected.StudyInstanceUID
    title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = code, "DCM", meaning
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.59", generate_uid()
    made.PatientID, made.PatientName = rejected.PatientID, rejected.PatientName
    made.StudyInstanceUID, made.SeriesInstanceUID = rejected.StudyInstanceUID, generate_uid()
    made.Modality, made.ConceptNameCodeSequence = "KO", [title]
    made.CurrentRequestedProcedureEvidenceSequence = [study]
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def test_a_rejection_note_of_another_program(
    pynetdicom: object, dcmtk: Dcmtk, archive: pacskit.Archive, tmp_path: Path
) -> None:
    kept = a_note("113037", "Rejected for Patient Safety Reasons", CT)
    assert send(archive, kept) == [0]
    (study,) = found(
        dcmtk, archive, tmp_path / "a", f"StudyInstanceUID={CT.StudyInstanceUID}", "NumberOfStudyRelatedInstances",
        "ModalitiesInStudy",
    )  # fmt: skip
    assert (study.NumberOfStudyRelatedInstances, study.ModalitiesInStudy) == (1, "KO")
    assert list(fetched(dcmtk, archive, tmp_path / "b", CT.StudyInstanceUID)) == [kept.SOPInstanceUID]
    assert send(archive, CT, MR) == [0x0124, 0]  # it does not come again; what is here already does
    assert [one.sop_instance_uid for one in archive.deleted()] == [CT.SOPInstanceUID]
    assert archive.restore("STUDY", CT.StudyInstanceUID) == 1
    assert set(fetched(dcmtk, archive, tmp_path / "c", CT.StudyInstanceUID)) == {kept.SOPInstanceUID, CT.SOPInstanceUID}


def test_what_is_deleted_is_gone_for_others(dcmtk: Dcmtk, archive: pacskit.Archive, tmp_path: Path) -> None:
    before = digests(archive)
    assert archive.delete("STUDY", CT.StudyInstanceUID, who="admin") == 1
    assert found(dcmtk, archive, tmp_path / "a", f"StudyInstanceUID={CT.StudyInstanceUID}") == []
    assert fetched(dcmtk, archive, tmp_path / "b", CT.StudyInstanceUID) == {}
    assert archive.restore("STUDY", CT.StudyInstanceUID) == 1
    assert list(fetched(dcmtk, archive, tmp_path / "c", CT.StudyInstanceUID)) == [CT.SOPInstanceUID]
    assert digests(archive) == before


@pytest.mark.parametrize("options", [[], ["+xi"]])
def test_a_merged_patient_is_the_other_one_for_others(
    dcmtk: Dcmtk, archive: pacskit.Archive, tmp_path: Path, options: list[str]
) -> None:
    before = digests(archive)
    made = archive.merge_patients(
        CT.PatientID, {"PatientID": "77", "PatientName": "Größer^Jürgen", "PatientSex": "M"}, who="admin"
    )
    (study,) = found(
        dcmtk,
        archive,
        tmp_path / "a",
        "SpecificCharacterSet=ISO_IR 192",
        "PatientName=Größer*",
        "PatientID",
        "StudyInstanceUID",
    )
    assert (study.PatientID, study.StudyInstanceUID) == ("77", CT.StudyInstanceUID)
    assert found(dcmtk, archive, tmp_path / "b", f"PatientID={CT.PatientID}") == []
    (one,) = fetched(dcmtk, archive, tmp_path / "c", CT.StudyInstanceUID, *options).values()
    assert (one.PatientID, str(one.PatientName)) == ("77", "Größer^Jürgen")
    old = one.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert (old.PatientID, old.PatientName) == (CT.PatientID, CT.PatientName)
    assert one.PixelData == CT.PixelData
    checked = run("dciodvfy", next((tmp_path / "c").iterdir()))
    assert "OriginalAttributesSequence" not in checked.stdout.replace("Warning", "")
    assert "Original" not in "".join(line for line in checked.stdout.splitlines() if line.startswith("Error"))
    assert digests(archive) == before
    archive.undo(made.id)
    (again,) = fetched(dcmtk, archive, tmp_path / "d", CT.StudyInstanceUID).values()
    assert again.PatientID == CT.PatientID
    assert "OriginalAttributesSequence" not in again


def test_a_moved_study_that_is_compressed(pynetdicom: Any, archive: pacskit.Archive) -> None:
    """pynetdicom takes it as it is stored, and converted: the code stream stays the same."""
    archive.move_study(JPEG2000.StudyInstanceUID, MR.PatientID, reason="wrong worklist entry")
    for syntax, same in ((JPEG2000.file_meta.TransferSyntaxUID, True), ("1.2.840.10008.1.2.1", False)):
        one = _get(archive, JPEG2000.StudyInstanceUID, JPEG2000.SOPClassUID, syntax)
        assert (one.PatientID, one.PatientName) == (MR.PatientID, MR.PatientName)
        assert (one.PixelData == JPEG2000.PixelData) is same
        assert one.OriginalAttributesSequence[0].ReasonForTheAttributeModification == "CORRECT"


def _get(archive: pacskit.Archive, study: str, sop_class: str, syntax: str) -> pydicom.Dataset:
    from pynetdicom import AE, build_role, evt
    from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as GET  # type: ignore[attr-defined]

    received: list[pydicom.Dataset] = []

    def keep(event: Any) -> int:
        received.append(event.dataset)
        return 0

    entity = AE("PYNET")
    entity.add_requested_context(GET)
    entity.add_requested_context(sop_class, syntax)
    association = entity.associate(
        LOOPBACK, archive.port, ae_title="PACSKIT", ext_neg=[build_role(sop_class, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, keep)],
    )  # fmt: skip
    assert association.is_established
    wanted = pydicom.Dataset()
    wanted.QueryRetrieveLevel, wanted.StudyInstanceUID = "STUDY", study
    try:
        statuses = [status.Status for status, _ in association.send_c_get(wanted, GET) if "Status" in status]
    finally:
        association.release()
    assert statuses[-1:] in ([0], [])
    (one,) = received
    return one


def test_our_note_is_sent_to_others_with_what_is_left(dcmtk: Dcmtk, archive: pacskit.Archive, tmp_path: Path) -> None:
    (uid,) = archive.reject("STUDY", MR.StudyInstanceUID, "quality", description="motion")
    (note,) = fetched(dcmtk, archive, tmp_path / "a", MR.StudyInstanceUID).values()
    assert (note.SOPInstanceUID, note.ConceptNameCodeSequence[0].CodeValue) == (uid, "113001")
    assert note.PatientID == MR.PatientID
    again = pacskit.Archive(tmp_path / "other", ae="OTHER")
    with again:  # an archive that gets both, the note first
        path = next((tmp_path / "a").iterdir())
        again.store(path)
        again.store(wheel_file("MR_small.dcm"))
        assert again.counts().instances == 2  # for reasons of quality it may come later; what is there goes
        again.delete("IMAGE", uid)
        again.store(path)
        assert again.counts().instances == 1


def test_in_a_loop(tmp_path: Path) -> None:
    async def work() -> None:
        async with pacskit.aio.Archive(tmp_path, ae="LOOP") as archive:
            await archive.store(wheel_file("CT_small.dcm"))
            assert await archive.delete("STUDY", CT.StudyInstanceUID, who="me") == 1
            assert [one.who for one in await archive.deleted()] == ["me"]
            assert (await archive.sweep()).instances == 0
            assert await archive.restore("STUDY", CT.StudyInstanceUID) == 1
            made = await archive.merge_patients(CT.PatientID, {"PatientID": "7"})
            assert [one.PatientID async for one in archive.find("STUDY")] == ["7"]
            assert (await archive.undo(made.id)).undone
            await archive.move_study(CT.StudyInstanceUID, {"PatientID": "8"})
            assert len((await archive.provenance(CT.SOPInstanceUID)).corrections) == 2
            (note,) = await archive.reject("STUDY", CT.StudyInstanceUID, "retention")
            assert (await archive.provenance(CT.SOPInstanceUID)).state == "rejected"
            assert (await archive.provenance(note)).state == "stored"

    asyncio.run(work())
