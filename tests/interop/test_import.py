"""The storage folder of an Orthanc becomes an archive: every instance that it has, as it was sent."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import pacskit
from pacskit.encoding.head import read_head
from pacskit.storage import Store
from tests.interop.conftest import LOOPBACK, answers, free_port
from tests.interop.conftest import pacskit as command
from tests.interop.files import wheel_file

pytestmark = [pytest.mark.interop, pytest.mark.timeout(110)]

IMAGES = [wheel_file(name) for name in ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "examples_palette.dcm")]
FILES = [*IMAGES, wheel_file("rtplan.dcm")]


def filled(directory: Path, *, compress: bool) -> tuple[Path, list[bytes]]:
    """Run an Orthanc that is sent some files; return its storage folder, and the files as it gives them out."""
    program = shutil.which("Orthanc")
    if program is None:
        pytest.skip("Orthanc is not installed")
    port, web, folder = free_port(), free_port(), directory / "theirs"
    settings: dict[str, Any] = {
        "StorageDirectory": str(folder), "IndexDirectory": str(folder), "DicomAet": "ORTHANC", "DicomPort": port,
        "HttpPort": web, "StorageCompression": compress, "AuthenticationEnabled": False, "RemoteAccessAllowed": False,
        "Plugins": [],
    }  # fmt: skip
    (directory / "orthanc.json").write_text(json.dumps(settings))
    with (directory / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([program, str(directory / "orthanc.json")], stdout=log, stderr=log, cwd=directory)
        try:
            answers(port, process, 60)
            answers(web, process, 60)
            with pacskit.connect(f"ORTHANC@{LOOPBACK}:{port}") as peer:
                assert all(one.status.is_success for one in peer.store(FILES))
            names = json.loads(asked(web, "/instances"))
            assert len(names) == len(FILES)
            files = [asked(web, f"/instances/{name}/file") for name in names]
        finally:
            process.terminate()
            process.wait(60)
    return folder, files


def asked(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=60) as answer:
        found: bytes = answer.read()
    return found


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "compressed"])
def test_the_storage_of_orthanc(tmp_path: Path, compress: bool) -> None:
    folder, files = filled(tmp_path, compress=compress)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = command("import", folder, "--into", tmp_path / "ours", "--in-place", "--digest", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    path = tmp_path / "file.dcm"
    *skipped, report = map(json.loads, done.stdout.splitlines())
    assert report["stored"] == len(FILES), skipped
    kinds = Counter(one["kind"] for one in skipped)
    assert kinds["copied"] == (len(FILES) if compress else 0)
    assert kinds["header"] == (len(IMAGES) if compress else 0)
    assert kinds["damaged"] == kinds["unreadable"] == kinds["duplicate"] == 0, skipped
    with Store(tmp_path / "ours") as store:
        assert list(store.verify(digest=True)) == []
        for file in files:
            path.write_bytes(file)
            head = read_head(path)
            with store.open(str(head.sop_instance_uid)) as opened:
                assert opened.instance.transfer_syntax_uid == head.transfer_syntax
                assert opened.read() == file[head.offset :]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
