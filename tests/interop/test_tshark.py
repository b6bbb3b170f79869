"""Our bytes and our captures in Wireshark's DICOM dissector, without a malformed mark."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import pacskit
from pacskit.core.events import EventBus
from pacskit.core.uids import ModalityPerformedProcedureStep
from pacskit.network.tap import PcapTap
from tests.interop.files import examine, wheel_file

pytestmark = pytest.mark.interop

CT = wheel_file("CT_small.dcm")


@pytest.fixture
def tshark() -> str:
    found = shutil.which("tshark")
    if found is None:
        pytest.skip("tshark is not installed")
    return found


def dissected(tshark: str, path: Path, port: int, *options: str) -> str:
    command = [tshark, "-n", "-r", str(path), "-d", f"tcp.port=={port},dicom", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_message_is_well_formed(tshark: str, tmp_path: Path) -> None:
    bus, path = EventBus(), tmp_path / "all.pcap"
    mpps = str(ModalityPerformedProcedureStep)
    scp = pacskit.SCP("NORMAL")
    scp.on_create(mpps)(lambda event: pacskit.Reply(status=0x0107, attributes=(0x00100010,), offending=(0x00100020,)))
    scp.on_get(mpps)(lambda event: pacskit.Dataset(PatientID="1"))
    with scp, pacskit.Archive(tmp_path / "archive") as archive, PcapTap(bus, path):
        archive.serve(port=0)
        study = examine(CT).study_uid
        with pacskit.connect(archive.address, events=bus) as peer:
            peer.echo()
            assert [one.status for one in peer.store([CT] * 3, window=3)] == [0, 0, 0]
            assert len(list(peer.find("STUDY", PatientID="*"))) == 1
            assert len(list(peer.get("STUDY", study))) == 1
            with pytest.raises(pacskit.DimseError):
                list(peer.move("STUDY", study, to="NOBODY"))
        with pacskit.connect(scp.address, events=bus) as peer:
            peer.n_create(mpps, pacskit.Dataset(PatientName="X"))
            peer.n_get(mpps, "1.2", ["PatientID"])
        ports = archive.port, scp.port
    composite = "C-ECHO-RQ C-ECHO-RSP C-STORE-RQ C-STORE-RSP C-FIND-RQ C-FIND-RSP C-GET-RQ C-MOVE-RSP"
    for port, names in (
        (ports[0], composite.split()),
        (ports[1], ["N-CREATE-RQ", "N-CREATE-RSP", "N-GET-RQ", "N-GET-RSP"]),
    ):
        assert dissected(tshark, path, port, "-Y", f"tcp.port=={port} && (_ws.malformed || tcp.analysis.flags)") == ""
        shown = dissected(tshark, path, port, "-Y", f"dicom && tcp.port=={port}")
        assert [name for name in names if name not in shown] == []
        assert "A-ASSOCIATE accept" in shown
        assert "A-RELEASE response" in shown
