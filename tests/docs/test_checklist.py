"""The check list for a hospital: each of its commands and its code is run, against real servers."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

import pacskit as pk
from pacskit.security.certificates import make_test_ca
from tests.conftest import ROOT, Dcmtk
from tests.docs.test_blocks import python_of
from tests.interop.conftest import LOOPBACK, answers, free_port
from tests.interop.files import wheel_file

pytestmark = pytest.mark.interop

PAGE = (ROOT / "docs" / "how-to" / "hospital-checklist.md").read_text("utf-8")
COMMANDS = re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a reader of the page sits: an image, a folder of them, certificates."""
    image = pk.dcmread(wheel_file("CT_small.dcm"))
    image.PatientID, image.StudyInstanceUID = "42", "1.2.3"
    (tmp_path / "images").mkdir()
    for path in ("image.dcm", "images/1.dcm"):
        pk.dcmwrite(tmp_path / path, image)
    ca = make_test_ca(tmp_path / "certificates")
    for source, name in ((ca.ca, "hospital.pem"), (ca.client.cert, "ct01.pem"), (ca.client.key, "ct01.key")):
        (tmp_path / name).write_bytes(source.read_bytes())
    return tmp_path


@pytest.fixture
def hospital(folder: Path) -> Iterator[dict[str, str]]:
    """A PACS, and where it is in place of where the page says."""
    certificates = folder / "certificates"
    tls = pk.tls_context(cert=certificates / "server.pem", key=certificates / "server.key", ca=certificates / "ca.pem")
    receiver = pk.SCP("CT01")
    receiver.on_store(lambda event: None)
    with pk.Archive(folder / "theirs", ae="PACS") as pacs, receiver:
        pacs.serve(port=0, tls=tls, tls_port=0)
        pacs.nodes.add(receiver.address)
        yield {
            "pacs.hospital.example:11112": f"{LOOPBACK}:{pacs.port}",
            "pacs.hospital.example:2762": f"{LOOPBACK}:{pacs.tls_address.port}",
            "--port 11112": "--port 0",
            "--listen 11113": "--listen 0",
        }


def test_the_commands(hospital: dict[str, str], folder: Path) -> None:
    assert len(COMMANDS) > 12
    for shown in COMMANDS:
        command = shown
        for there, here in hospital.items():
            command = command.replace(there, here)
        assert "example" not in command
        command = re.sub(r"^pacskit ", f"{shlex.quote(sys.executable)} -m pacskit ", command)
        if re.match("pacskit (serve|trace --listen)", shown):
            _serve(command, folder)
            continue
        done = subprocess.run(
            ["sh", "-euc", command],
            cwd=folder, env=_environment(), capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (shown, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
    assert "Verification" in (folder / "conformance.md").read_text("utf-8")
    assert len(list((folder / "inbox").iterdir())) == 1


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _serve(command: str, folder: Path) -> None:
    """A command that listens: it is asked once, and ends at Ctrl-C."""
    process = subprocess.Popen(
        shlex.split(command),
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout:
        line = process.stdout.readline()
        found = re.search(rf"{re.escape(LOOPBACK)}:(\d+)", line)
        assert found, line
        called = "CT01" if " serve " in command else "PACS"
        assert pk.echo(f"{called}@{LOOPBACK}:{found[1]}", calling="PACS").is_success
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(60) == 0


def test_the_worklist(dcmtk: Dcmtk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """DCMTK's worklist server answers the code of the page."""
    files = tmp_path / "RIS"
    files.mkdir()
    (files / "lockfile").touch()
    step = pydicom.Dataset()
    step.Modality, step.ScheduledStationAETitle = "CT", "CT01"
    step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = "20260801", "1200"
    item = pydicom.Dataset()
    item.PatientName, item.PatientID, item.AccessionNumber = "DOE^JANE", "4711", "A1"
    item.ScheduledProcedureStepSequence = [step]
    item.file_meta = pydicom.dataset.FileMetaDataset()
    item.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    item.file_meta.MediaStorageSOPClassUID = item.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3")
    pydicom.dcmwrite(files / "one.wl", item, enforce_file_format=True)
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        command = [dcmtk.tool("wlmscpfs"), "-v", "-s", "-dfr", "-dfp", str(tmp_path), str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            answers(port, process, 60)
            code = python_of(PAGE).replace("ris.hospital.example:11112", f"{LOOPBACK}:{port}")
            exec(compile(code, "hospital-checklist.md", "exec"), {})
        finally:
            process.kill()
            process.wait(30)
    assert capsys.readouterr().out == "4711\n"
