"""DCMTK's tools as clients of ``pacskit serve``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from tests.conftest import Dcmtk
from tests.interop.conftest import LOOPBACK, Background, Serve, Served, free_port, pacskit, run
from tests.interop.files import examine, sha256, wheel_file

pytestmark = pytest.mark.interop

CT, MR, JPEG2000 = "CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm"


def fill(archive: Served, *names: str) -> None:
    done = pacskit("store", archive.address, *(wheel_file(name) for name in names))
    assert done.returncode == 0, done.stderr


def find(dcmtk: Dcmtk, archive: Served, tmp_path: Path, root: str, level: str, *keys: str) -> list[pydicom.Dataset]:
    """The answers of findscu, read by pydicom from the files that it extracts."""
    folder = tmp_path / f"answers-{level}-{root[1:]}-{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    asked = [part for key in keys for part in ("-k", key)]
    done = run(
        dcmtk.tool("findscu"), root, "-X", "-od", folder, "-k", f"QueryRetrieveLevel={level}", *asked, *archive.dcmtk
    )
    assert done.returncode == 0, done.stdout
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.iterdir())]


def test_echo(dcmtk: Dcmtk, archive: Served) -> None:
    done = run(dcmtk.tool("echoscu"), "-v", *archive.dcmtk)
    assert done.returncode == 0, done.stdout
    assert "Received Echo Response (Success)" in done.stdout


def test_echo_with_another_called_title_is_rejected(dcmtk: Dcmtk, archive: Served) -> None:
    done = run(dcmtk.tool("echoscu"), "-aec", "SOMEBODY", LOOPBACK, str(archive.port))
    assert done.returncode != 0
    assert "Called AE Title Not Recognized" in done.stdout


@pytest.mark.parametrize(
    ("option", "syntax"),
    [
        ([], "1.2.840.10008.1.2.1"),
        (["-xe"], "1.2.840.10008.1.2.1"),
        (["-xi"], "1.2.840.10008.1.2"),
        (["-xb"], "1.2.840.10008.1.2.1"),  # offered with the others: our preference decides
        (["-xd"], "1.2.840.10008.1.2.1.99"),
    ],
)
def test_store(dcmtk: Dcmtk, archive: Served, option: list[str], syntax: str) -> None:
    done = run(dcmtk.tool("storescu"), "-v", *option, *archive.dcmtk, wheel_file(CT))
    assert done.returncode == 0, done.stdout
    assert "Received Store Response (Success)" in done.stdout
    (stored,) = archive.directory.joinpath("objects").rglob("*.dcm")
    kept = pydicom.dcmread(stored)
    assert kept.file_meta.TransferSyntaxUID == syntax
    assert kept.file_meta.MediaStorageSOPInstanceUID == kept.SOPInstanceUID
    assert kept.PixelData == pydicom.dcmread(wheel_file(CT)).PixelData


def test_big_endian_is_kept_as_it_comes(pynetdicom: object, archive: Served) -> None:
    """storescu always offers Little Endian too; pynetdicom offers what it is told to."""
    from pynetdicom import AE

    file = wheel_file("MR_small_bigendian.dcm")
    entity = AE("PYNET")
    entity.add_requested_context(pydicom.dcmread(file).SOPClassUID, "1.2.840.10008.1.2.2")
    association = entity.associate(LOOPBACK, archive.port, ae_title=archive.ae)
    assert association.is_established
    assert association.send_c_store(file).Status == 0
    association.release()
    (stored,) = archive.directory.joinpath("objects").rglob("*.dcm")
    assert sha256(stored) == sha256(file)
    assert pydicom.dcmread(stored).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.2"


@pytest.mark.corpus
def test_store_the_corpus(dcmtk: Dcmtk, archive: Served, corpus: Path) -> None:
    """storescu offers three uncompressed syntaxes for its first classes, so it cannot send everything; what it
    sends is either stored or refused with a storage status, and each association goes on after that."""
    done = run(dcmtk.tool("storescu"), "-v", "-nh", "+sd", "+r", *archive.dcmtk, corpus, seconds=100)
    statuses = re.findall(r"Received Store Response \((.*)\)", done.stdout)
    assert statuses.count("Success") >= 200
    assert set(statuses) <= {"Success", "Error: CannotUnderstand", "Error: DataSetDoesNotMatchSOPClass"}
    assert len(statuses) - statuses.count("Success") <= 3
    assert "Association Aborted" not in done.stdout
    sent = int(pacskit_count(archive))
    assert 150 <= sent <= statuses.count("Success")  # some files have the same SOP Instance UID


def pacskit_count(archive: Served) -> int:
    done = pacskit("find", archive.address, "--level", "STUDY", "NumberOfStudyRelatedInstances=", "--json")
    assert done.returncode == 0, done.stderr
    return sum(map(int, re.findall(r'"00201208": \{"vr": "IS", "Value": \[(\d+)\]', done.stdout)))


def test_find_at_each_level(dcmtk: Dcmtk, archive: Served, tmp_path: Path) -> None:
    fill(archive, CT, MR)
    ct = pydicom.dcmread(wheel_file(CT))
    above = [f"StudyInstanceUID={ct.StudyInstanceUID}"]

    (patient,) = find(dcmtk, archive, tmp_path, "-P", "PATIENT", "PatientName=*CT1", "PatientID")
    assert (patient.PatientID, patient.QueryRetrieveLevel) == (ct.PatientID, "PATIENT")
    assert patient.RetrieveAETitle == archive.ae
    assert patient.InstanceAvailability == "ONLINE"

    for root, of_patient in (("-S", []), ("-P", [f"PatientID={ct.PatientID}"])):
        (study,) = find(
            dcmtk, archive, tmp_path, root, "STUDY", *of_patient, f"StudyDate={ct.StudyDate}-", "ModalitiesInStudy=CT",
            "StudyInstanceUID", "NumberOfStudyRelatedInstances",
        )  # fmt: skip
        assert study.StudyInstanceUID == ct.StudyInstanceUID
        assert study.NumberOfStudyRelatedInstances == 1
        (series,) = find(
            dcmtk, archive, tmp_path, root, "SERIES", *of_patient, *above, "SeriesInstanceUID", "Modality=CT"
        )
        assert series.SeriesInstanceUID == ct.SeriesInstanceUID
        of_series = [*above, f"SeriesInstanceUID={ct.SeriesInstanceUID}"]
        (image,) = find(dcmtk, archive, tmp_path, root, "IMAGE", *of_patient, *of_series, "SOPInstanceUID")
        assert image.SOPInstanceUID == ct.SOPInstanceUID
        assert not find(dcmtk, archive, tmp_path, root, "STUDY", *of_patient, "StudyInstanceUID=9.9.9")


def test_find_refuses_a_wrong_identifier(dcmtk: Dcmtk, archive: Served) -> None:
    fill(archive, CT)
    for keys in (["QueryRetrieveLevel=PATIENT"], ["QueryRetrieveLevel=SERIES"], ["PatientName=*"]):
        asked = [part for key in keys for part in ("-k", key)]
        done = run(dcmtk.tool("findscu"), "-v", "-S", *asked, *archive.dcmtk)
        assert re.search(r"0xa900|DoesNotMatchSOPClass", done.stdout, re.I), done.stdout


def test_find_is_cancelled(dcmtk: Dcmtk, archive: Served, tmp_path: Path) -> None:
    many(archive, tmp_path, 40)
    done = run(
        dcmtk.tool("findscu"), "-v", "-S", "--cancel", "2",
        "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID", *archive.dcmtk,
    )  # fmt: skip
    # The cancel may cross the last answers on the wire; what is certain is that the association ends in order.
    assert done.returncode == 0, done.stdout
    assert re.search(r"Cancel|Success", done.stdout)


def many(archive: Served, tmp_path: Path, count: int, *, studies: bool = True) -> list[pydicom.Dataset]:
    """Store copies of a file, in one study each or all in one."""
    folder = tmp_path / "many"
    folder.mkdir(exist_ok=True)
    ds = pydicom.dcmread(wheel_file(CT))
    made: list[pydicom.Dataset] = []
    for number in range(count):
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(f"1.2.3.{number}")
        if studies:
            ds.StudyInstanceUID, ds.SeriesInstanceUID = f"1.2.4.{number}", f"1.2.5.{number}"
        ds.save_as(folder / f"{number}.dcm")
        made.append(pydicom.dcmread(folder / f"{number}.dcm"))
    done = pacskit("store", archive.address, folder)
    assert done.returncode == 0, done.stderr
    return made


def test_move_to_storescp(dcmtk: Dcmtk, serve: Serve, storescp: Callable[..., Background], tmp_path: Path) -> None:
    target = storescp()
    archive = serve("--node", f"DEST@{LOOPBACK}:{target.port}")
    fill(archive, CT, MR, JPEG2000)
    for name in (CT, MR, JPEG2000):
        sent = examine(wheel_file(name))
        done = run(
            dcmtk.tool("movescu"), "-v", "-S", "-aem", "DEST", "-k", "QueryRetrieveLevel=STUDY",
            "-k", f"StudyInstanceUID={sent.study_uid}", *archive.dcmtk,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert "Received Final Move Response (Success)" in done.stdout
    hashes = {sha256(path) for path in target.directory.iterdir()}
    assert hashes == {sha256(wheel_file(name)) for name in (CT, MR, JPEG2000)}


def test_move_at_each_level(dcmtk: Dcmtk, serve: Serve, storescp: Callable[..., Background], tmp_path: Path) -> None:
    target = storescp()
    archive = serve("--node", f"DEST@{LOOPBACK}:{target.port}")
    many(archive, tmp_path, 3, studies=False)
    ct = examine(wheel_file(CT))
    patient = pydicom.dcmread(wheel_file(CT)).PatientID
    keys = [f"PatientID={patient}", f"StudyInstanceUID={ct.study_uid}", f"SeriesInstanceUID={ct.series_uid}"]
    for depth, (level, count) in enumerate([("PATIENT", 3), ("STUDY", 3), ("SERIES", 3), ("IMAGE", 2)], 1):
        asked = [*keys[:depth], *(["SOPInstanceUID=1.2.3.0\\1.2.3.2"] if level == "IMAGE" else [])]
        options = [part for key in asked for part in ("-k", key)]
        done = run(
            dcmtk.tool("movescu"), "-P", "-aem", "DEST", "-k", f"QueryRetrieveLevel={level}", *options, *archive.dcmtk
        )
        assert done.returncode == 0, done.stdout
        found = list(target.directory.iterdir())
        assert len(found) == count
        for path in found:
            path.unlink()


def test_move_to_an_unknown_title(dcmtk: Dcmtk, archive: Served) -> None:
    done = run(
        dcmtk.tool("movescu"), "-v", "-S", "-aem", "NOBODY",
        "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3", *archive.dcmtk,
    )  # fmt: skip
    assert re.search(r"0xa801|MoveDestinationUnknown", done.stdout, re.I), done.stdout


def test_move_to_nobody_fails_each_instance(dcmtk: Dcmtk, serve: Serve) -> None:
    archive = serve("--node", f"DEST@{LOOPBACK}:{free_port()}")
    fill(archive, CT)
    ct = examine(wheel_file(CT))
    done = run(
        dcmtk.tool("movescu"), "-d", "-S", "-aem", "DEST",
        "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={ct.study_uid}", *archive.dcmtk,
    )  # fmt: skip
    assert re.search(r"0xa702|UnableToPerformSubOperations", done.stdout, re.I), done.stdout
    assert re.search(r"Failed Suboperations\s+: 1", done.stdout), done.stdout
    assert ct.sop_instance_uid in done.stdout


def test_get(dcmtk: Dcmtk, archive: Served, tmp_path: Path) -> None:
    fill(archive, CT, MR)
    for name in (CT, MR):
        sent = examine(wheel_file(name))
        folder = tmp_path / f"got-{name}"
        folder.mkdir()
        done = run(
            dcmtk.tool("getscu"), "-v", "-S", "+B", "-od", folder, "-k", "QueryRetrieveLevel=STUDY",
            "-k", f"StudyInstanceUID={sent.study_uid}", *archive.dcmtk,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert re.search(r"Completed Suboperations\s+: 1", done.stdout), done.stdout
        assert [sha256(path) for path in folder.iterdir()] == [sent.sha256]


def test_what_the_receiver_does_not_take_fails_and_the_rest_goes_on(
    dcmtk: Dcmtk, serve: Serve, storescp: Callable[..., Background], tmp_path: Path
) -> None:
    """A receiver of Implicit VR alone gets the others converted, and the compressed one may not go."""
    target = storescp("+xi", bit_exact=False)
    archive = serve("--transcode", "never", "--node", f"DEST@{LOOPBACK}:{target.port}")
    names = [CT, "MR_small_bigendian.dcm", "image_dfl.dcm", JPEG2000]
    fill(archive, *names)
    uids = "\\".join(examine(wheel_file(name)).study_uid for name in names)
    done = run(
        dcmtk.tool("movescu"), "-d", "-S", "-aem", "DEST",
        "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uids}", *archive.dcmtk,
    )  # fmt: skip
    assert re.search(r"Completed Suboperations\s+: 3", done.stdout), done.stdout
    assert re.search(r"Failed Suboperations\s+: 1", done.stdout)
    assert re.search(r"0xb000", done.stdout, re.I)
    assert examine(wheel_file(JPEG2000)).sop_instance_uid in done.stdout
    received = {pydicom.dcmread(path).SOPInstanceUID: path for path in target.directory.iterdir()}
    for name in names[:3]:
        original = pydicom.dcmread(wheel_file(name))
        got = pydicom.dcmread(received[original.SOPInstanceUID])
        assert got.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
        assert (got.pixel_array == original.pixel_array).all()
        assert got.PatientName == original.PatientName


def test_names_match_literally_for_who_has_not_negotiated(dcmtk: Dcmtk, archive: Served) -> None:
    """findscu has no extended negotiation: fuzzy matching is not for it (PS3.4 C.5.1.1)."""
    assert run(dcmtk.tool("storescu"), *archive.dcmtk, wheel_file("CT_small.dcm")).returncode == 0
    for name, answers in (("compressedsamples^ct1", 1), ("ct1 compresedsampels", 0), ("compresedsamples^ct1", 0)):
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID", "-k", f"PatientName={name}")
        done = run(dcmtk.tool("findscu"), "-v", "-S", *archive.dcmtk, *keys)
        assert done.returncode == 0, done.stdout
        assert done.stdout.count("(Pending)") == answers
