"""The ``serve`` command as a process."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_charset_files

import pacskit
from tests.interop.conftest import LOOPBACK, Serve, Served
from tests.interop.conftest import pacskit as command
from tests.interop.files import examine, sha256, wheel_file


def test_it_listens_on_loopback_and_says_where(archive: Served) -> None:
    assert pacskit.echo(archive.address).is_success
    assert archive.stop() == 0
    with pytest.raises(pacskit.ConnectError):
        pacskit.echo(archive.address)


def test_a_second_one_on_the_port_says_so(archive: Served, tmp_path: Path) -> None:
    done = command("serve", "--dir", tmp_path / "other", "--port", str(archive.port))
    assert done.returncode == 3
    assert f"cannot listen on {LOOPBACK}:{archive.port}" in done.stderr


def test_it_ends_at_sigint_too(archive: Served) -> None:
    archive.process.send_signal(signal.SIGINT)
    assert archive.process.wait(10) == 0


def test_it_takes_settings_from_a_file(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "pacs.toml").write_text('calling = ["GOOD*"]\nduplicates = "reject"\n')
    archive = serve("--config", str(tmp_path / "pacs.toml"))
    with pytest.raises(pacskit.AssociationRejected) as rejected:
        pacskit.echo(archive.address, calling="BAD")
    assert (rejected.value.result, rejected.value.reason_code) == (1, 3)
    with pacskit.connect(archive.address, calling="GOOD1") as peer:
        assert [sent.status for sent in peer.store([wheel_file("CT_small.dcm")] * 2)] == [0, 0x0111]


def test_a_restart_needs_no_rescan(serve: Serve, tmp_path: Path) -> None:
    first = serve()
    assert command("store", first.address, wheel_file("CT_small.dcm")).returncode == 0
    first.stop()
    second = serve(directory=first.directory)
    with pacskit.connect(second.address) as peer:
        assert [patient.PatientID for patient in peer.find("PATIENT")] == ["1CT1"]


def test_the_log_tells_no_patient_data(serve: Serve) -> None:
    archive = serve("--verbose")
    ct = pydicom.dcmread(wheel_file("CT_small.dcm"))
    with pacskit.connect(archive.address) as peer:
        assert [sent.status for sent in peer.store(wheel_file("CT_small.dcm"))] == [0]
        assert list(peer.find(PatientName="Comp*", PatientID=ct.PatientID))
        assert list(peer.get("PATIENT", str(ct.PatientID)))
    archive.stop()
    log = archive.log.read_text()
    assert "association with PACSKIT@" in log
    for value in (ct.PatientID, ct.PatientName.family_name, "Comp*"):
        assert str(value) not in log


def test_names_of_other_scripts_are_found(archive: Served) -> None:
    """Stored in ISO 2022 and Latin alphabets, asked for and answered in UTF-8 (PS3.4 C.2.2.2)."""
    files = [Path(name) for name in get_charset_files("chrH31.dcm") + get_charset_files("chrRuss.dcm")]
    want = [str(pydicom.dcmread(path).PatientName) for path in files]
    with pacskit.connect(archive.address) as peer:
        assert [sent.status for sent in peer.store(files)] == [0, 0]
        for name in want:
            (found,) = peer.find("STUDY", PatientName=name)
            assert str(found.PatientName) == name
            assert found.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize("level", ["PATIENT", "STUDY", "SERIES", "IMAGE"])
def test_a_compressed_instance_comes_as_it_is_stored(archive: Served, level: str, tmp_path: Path) -> None:
    sent = examine(wheel_file("JPEG2000.dcm"))
    patient = str(pydicom.dcmread(sent.path).PatientID)
    uid = {"PATIENT": patient, "STUDY": sent.study_uid, "SERIES": sent.series_uid, "IMAGE": sent.sop_instance_uid}
    above: dict[str, Any] = {"StudyInstanceUID": sent.study_uid, "SeriesInstanceUID": sent.series_uid}
    keys = {"SERIES": ["StudyInstanceUID"], "IMAGE": list(above)}.get(level, [])
    with pacskit.connect(archive.address) as peer:
        assert [one.status for one in peer.store(sent.path)] == [0]
        got = peer.get(level, uid[level], **{key: above[key] for key in keys})
        assert [sha256(one.save_into(tmp_path / "got")) for one in got] == [sent.sha256]


def test_a_large_object_streams(archive: Served, tmp_path: Path) -> None:
    """100 MB in and out again, while the server stays small."""
    size = 100 << 20
    ds = pydicom.dcmread(wheel_file("CT_small.dcm"))
    ds.PixelData = os.urandom(1 << 20) * 100
    ds.save_as(tmp_path / "large.dcm")
    before = resident(archive)
    with pacskit.connect(archive.address) as peer:
        (sent,) = peer.store(tmp_path / "large.dcm")
        assert (sent.status, sent.error) == (0, None)
        (got,) = (one.save_into(tmp_path / "got") for one in peer.get("STUDY", str(ds.StudyInstanceUID)))
    grown = resident(archive) - before
    assert got.stat().st_size > size
    assert pydicom.dcmread(got).PixelData == ds.PixelData
    assert grown < 40 << 20


def resident(archive: Served) -> int:
    """The memory that the server has had at most; mapped files count too where they have been touched."""
    status = Path(f"/proc/{archive.process.pid}/status")
    if not status.exists():
        pytest.skip("this system does not say how much memory a process has had")
    text = status.read_text()
    return int(text.split("VmHWM:")[1].split()[0]) << 10
