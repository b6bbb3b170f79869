"""Orthanc on the other side, in both roles: echo, store, query, get and move, its own by its REST API."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest

import pacskit
from tests.interop.conftest import LOOPBACK, answers, free_port
from tests.interop.files import examine, wheel_file

pytestmark = pytest.mark.interop

CT, MR = wheel_file("CT_small.dcm"), wheel_file("MR_small.dcm")


@dataclass
class Orthanc:
    port: int
    web: int
    archive: pacskit.Archive

    @property
    def address(self) -> str:
        return f"ORTHANC@{LOOPBACK}:{self.port}"

    def post(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self.web}{path}", json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.web}{path}", timeout=60) as answer:
            return json.loads(answer.read())


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    """Orthanc, and an archive of ours that know each other."""
    program = shutil.which("Orthanc")
    if program is None:
        pytest.skip("Orthanc is not installed")
    port, web = free_port(), free_port()
    with pacskit.Archive(tmp_path / "ours", ae="OURS") as archive:
        archive.nodes.add(f"ORTHANC@{LOOPBACK}:{port}")
        archive.serve(port=0)
        (tmp_path / "orthanc.json").write_text(
            json.dumps(
                {
                    "StorageDirectory": str(tmp_path / "theirs"),
                    "IndexDirectory": str(tmp_path / "theirs"),
                    "DicomAet": "ORTHANC",
                    "DicomPort": port,
                    "DicomAlwaysAllowFind": True,
                    "DicomAlwaysAllowGet": True,
                    "DicomAlwaysAllowMove": True,
                    "HttpPort": web,
                    "AuthenticationEnabled": False,
                    "RemoteAccessAllowed": False,
                    "Plugins": [],
                    "DicomModalities": {"ours": ["OURS", LOOPBACK, archive.port]},
                }
            )
        )
        with (tmp_path / "orthanc.log").open("wb") as log:
            process = subprocess.Popen([program, str(tmp_path / "orthanc.json")], stdout=log, stderr=log, cwd=tmp_path)
            try:
                answers(port, process, 30)
                answers(web, process, 30)
                yield Orthanc(port, web, archive)
            finally:
                process.terminate()
                process.wait(20)


def test_we_ask_orthanc(orthanc: Orthanc, tmp_path: Path) -> None:
    ct = examine(CT)
    with pacskit.connect(orthanc.address, calling="OURS") as peer:
        assert peer.echo().is_success
        assert [sent.status for sent in peer.store([CT, MR], window=4)] == [0, 0]
        assert {study.PatientID for study in peer.find("STUDY")} == {"1CT1", "4MR1"}
        (got,) = [one.save_into(tmp_path) for one in peer.get("STUDY", ct.study_uid)]
        expected = pydicom.dcmread(CT)
        del expected[0xFFFC, 0xFFFC]  # trailing padding, which Orthanc does not keep
        assert pydicom.dcmread(got) == expected
        steps = list(peer.move("STUDY", ct.study_uid, to="OURS"))
        assert (steps[-1].completed, steps[-1].failed) == (1, 0)
    assert [study.PatientID for study in orthanc.archive.find("STUDY")] == ["1CT1"]


def test_orthanc_asks_us(orthanc: Orthanc) -> None:
    orthanc.archive.store(CT)
    assert orthanc.post("/modalities/ours/echo", {}) == {}
    with urllib.request.urlopen(
        urllib.request.Request(f"http://{LOOPBACK}:{orthanc.web}/instances", MR.read_bytes(), method="POST"), timeout=60
    ) as answer:
        instance = json.loads(answer.read())["ID"]
    stored = orthanc.post("/modalities/ours/store", [instance])
    assert (stored["InstancesCount"], stored["FailedInstancesCount"]) == (1, 0)
    assert orthanc.archive.counts().instances == 2
    query = orthanc.post("/modalities/ours/query", {"Level": "Study", "Query": {"PatientID": "1CT1"}})
    assert len(orthanc.get(f"/queries/{query['ID']}/answers")) == 1
    assert len(orthanc.get("/instances")) == 1
    orthanc.post(f"/queries/{query['ID']}/answers/0/retrieve", {"TargetAet": "ORTHANC", "Synchronous": True})
    assert len(orthanc.get("/instances")) == 2
