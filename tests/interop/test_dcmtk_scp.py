"""Our client, as a library and as a command, against DCMTK's servers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

import pacskit
from tests.interop.conftest import LOOPBACK, Background
from tests.interop.conftest import pacskit as command
from tests.interop.files import examine, sha256, wheel_file

pytestmark = pytest.mark.interop

NAMES = ["CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm"]
FILES = [wheel_file(name) for name in NAMES]


def pixels(path: Path) -> tuple[str, bytes]:
    """What of an instance survives dcmqrscp, which writes data sets anew."""
    ds = pydicom.dcmread(path)
    return ds.SOPInstanceUID, ds.PixelData


def test_echo(storescp: Callable[..., Background]) -> None:
    peer = storescp()
    assert pacskit.echo(f"DEST@{LOOPBACK}:{peer.port}") == pacskit.Status.SUCCESS
    done = command("echo", f"DEST@{LOOPBACK}:{peer.port}", "--repeat", "20", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == 0


def test_store_keeps_the_bytes(storescp: Callable[..., Background]) -> None:
    peer = storescp()
    with pacskit.connect(f"DEST@{LOOPBACK}:{peer.port}") as client:
        outcomes = list(client.store(FILES))
        explanation = client.explain()
    assert [sent.status.is_success for sent in outcomes] == [True] * 3
    assert explanation is not None
    assert not [one for one in explanation.accepted if one.transfer_syntax == ""]
    assert {sha256(path) for path in peer.directory.iterdir()} == {sha256(path) for path in FILES}


def test_store_converts_for_a_peer_that_knows_implicit_alone(storescp: Callable[..., Background]) -> None:
    peer = storescp("+xi", bit_exact=False)
    with pacskit.connect(f"DEST@{LOOPBACK}:{peer.port}") as client:
        outcomes = {sent.dataset_path: sent for sent in client.store(FILES, transcode="never")}
    assert outcomes[FILES[0]].status.is_success
    assert isinstance(outcomes[FILES[2]].error, pacskit.NoPresentationContext)
    kept = {pydicom.dcmread(path).SOPInstanceUID: path for path in peer.directory.iterdir()}
    assert len(kept) == 2
    ct = pydicom.dcmread(FILES[0])
    assert (pydicom.dcmread(kept[ct.SOPInstanceUID]).pixel_array == ct.pixel_array).all()


def test_store_from_the_command_line(storescp: Callable[..., Background], tmp_path: Path) -> None:
    peer = storescp()
    wrong = tmp_path / "wrong.dcm"
    wrong.write_bytes(b"no DICOM")
    address = f"DEST@{LOOPBACK}:{peer.port}"
    done = command("store", address, *FILES)
    assert (done.returncode, done.stdout) == (0, "3 of 3 stored\n")
    done = command("store", address, FILES[0], wrong, "--json")
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted("error" in line for line in lines) == [False, True]


def test_query_and_retrieve_from_dcmqrscp(
    dcmqrscp: Callable[..., Background], storescp: Callable[..., Background], tmp_path: Path
) -> None:
    target = storescp()
    server = dcmqrscp(DEST=target.port)
    address = f"QR@{LOOPBACK}:{server.port}"
    uncompressed = FILES[:2]
    with pacskit.connect(address) as peer:
        assert all(sent.status.is_success for sent in peer.store(uncompressed))
        found = {str(study.StudyInstanceUID): study for study in peer.find(pacskit.Level.STUDY, PatientName="Comp*")}
        assert set(found) == {examine(path).study_uid for path in uncompressed}
        (patient,) = peer.find(pacskit.Level.PATIENT, PatientID="1CT1")
        assert patient.PatientName == "CompressedSamples^CT1"
        ct = examine(FILES[0])
        (series,) = peer.find(pacskit.Level.SERIES, StudyInstanceUID=ct.study_uid)
        assert series.SeriesInstanceUID == ct.series_uid
        steps = list(peer.move(pacskit.Level.STUDY, ct.study_uid, to="DEST"))
        assert (steps[-1].completed, steps[-1].failed) == (1, 0)
        with pytest.raises(pacskit.DimseError) as refused:
            list(peer.move(pacskit.Level.STUDY, ct.study_uid, to="NOBODY"))
        assert refused.value.status == 0xA801
        saved = [one.save_into(tmp_path / "got") for one in peer.get(pacskit.Level.STUDY, ct.study_uid)]
        assert [pixels(path) for path in saved] == [pixels(FILES[0])]
    assert [pydicom.dcmread(path).SOPInstanceUID for path in target.directory.iterdir()] == [ct.sop_instance_uid]


def test_the_commands_against_dcmqrscp(
    dcmqrscp: Callable[..., Background], storescp: Callable[..., Background], tmp_path: Path
) -> None:
    target = storescp()
    server = dcmqrscp(DEST=target.port)
    address = f"QR@{LOOPBACK}:{server.port}"
    ct = examine(FILES[0])
    assert command("store", address, FILES[0]).returncode == 0
    done = command("find", address, "PatientID=1CT1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["0020000D"] == {"vr": "UI", "Value": [ct.study_uid]}
    done = command("find", address, "--level", "SERIES", f"StudyInstanceUID={ct.study_uid}")
    assert re.search(rf"Series Instance UID +UI: '?{ct.series_uid}", done.stdout), done.stdout
    done = command("move", address, ct.study_uid, "--to", "DEST", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["completed"] == 1
    assert len(list(target.directory.iterdir())) == 1
    done = command("get", address, ct.study_uid, "--into", tmp_path / "got", "--explain")
    assert done.returncode == 0, done.stderr
    assert "CT Image Storage: Explicit VR Little Endian" in done.stderr
    assert [pixels(path) for path in (tmp_path / "got").iterdir()] == [pixels(FILES[0])]
    assert command("move", address, ct.study_uid, "--to", "NOBODY").returncode == 1


def test_more_kinds_than_one_association_takes(storescp: Callable[..., Background], tmp_path: Path) -> None:
    """140 SOP classes need two associations; which of them storescp knows is its affair."""
    from pacskit.services.sop_classes import STORAGE

    ds = pydicom.dcmread(FILES[0])
    paths = []
    for number, uid in enumerate(STORAGE[:140]):
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = pydicom.uid.UID(uid)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(f"1.2.3.{number}")
        ds.save_as(tmp_path / f"{number}.dcm")
        paths.append(tmp_path / f"{number}.dcm")
    peer = storescp("--promiscuous")
    with pacskit.connect(f"DEST@{LOOPBACK}:{peer.port}") as client:
        outcomes = list(client.store(paths))
    assert [sent.status for sent in outcomes] == [0] * 140
    assert len(list(peer.directory.iterdir())) == 140
