"""`pacskit.compat.pynetdicom`: scripts and applications run unchanged but for the import, each against each."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
import pytest

from tests.compat.run_pynetdicom_scripts import PAIRS, SCRIPTS, THEIRS, pairs
from tests.interop.conftest import answers, free_port

pytestmark = pytest.mark.interop

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = f"{THEIRS} > {THEIRS}"


# ---- scripts ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What every script was told, with every pair of libraries."""
    out = tmp_path_factory.mktemp("scripts") / "told.json"
    command = [sys.executable, "-m", "tests.compat.run_pynetdicom_scripts", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return dict(json.loads(out.read_text("utf-8")))


@pytest.mark.timeout(700)
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_see_what_they_see_with_pynetdicom(name: str, told: dict[str, Any]) -> None:
    wanted = told[name][REFERENCE]
    assert not wanted["error"], wanted["error"]
    assert wanted["said"] != "[]"
    for client, server in pairs(name):
        assert told[name][f"{client} > {server}"] == wanted, f"client {client}, server {server}"


# ---- applications -----------------------------------------------------------------------------------------------


def run_apps(mode: str, library: str, folder: Path, ports: list[int], *files: str) -> list[str]:
    folder.mkdir(exist_ok=True)
    numbers = map(str, ports)
    return [sys.executable, "-m", "tests.compat.run_pynetdicom_apps", mode, library, str(folder), *numbers, *files]


@contextmanager
def serving(library: str, folder: Path, ports: list[int]) -> Iterator[None]:
    """pynetdicom's qrscp, storescp and echoscp with a library."""
    with subprocess.Popen(run_apps("serve", library, folder, ports), cwd=ROOT) as process:
        try:
            for port in ports[:3]:
                answers(port, process, 60)
            yield
        finally:
            process.kill()


@cache
def _file(name: str) -> str:
    return str(pydicom.data.get_testdata_file(name))


def digests(folder: Path) -> list[str]:
    """What objects there are in a folder, by their data sets."""
    found = []
    for path in sorted(folder.iterdir()):
        dataset = pydicom.dcmread(path)
        found.append(f"{dataset.SOPInstanceUID} {hashlib.sha256(dataset.PixelData).hexdigest()}")
    return sorted(found)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("client", "server"), PAIRS[1:])
def test_the_applications_of_pynetdicom_work(client: str, server: str, tmp_path: Path) -> None:
    files = [_file("CT_small.dcm"), _file("MR_small.dcm")]
    ports = [free_port() for _ in range(4)]
    with serving(server, tmp_path / "scp", ports):
        command = run_apps("request", client, tmp_path / "scu", ports, *files)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
    codes = json.loads((tmp_path / "scu" / "codes.json").read_text())
    assert {name for name, code in codes.items() if code} == {"nobody there"}
    source = tmp_path / "source"
    source.mkdir()
    for index, path in enumerate(files):
        pydicom.dcmread(path).save_as(source / str(index))
    both = digests(source)
    ct = [one for one in both if one.startswith(pydicom.dcmread(files[0]).SOPInstanceUID)]
    assert digests(tmp_path / "scp" / "stored") == both
    assert digests(tmp_path / "scp" / "instances") == both
    assert digests(tmp_path / "scu" / "got") == digests(tmp_path / "scu" / "moved") == ct
    names = {str(pydicom.dcmread(path, force=True).PatientName) for path in (tmp_path / "scu").glob("rsp*.dcm")}
    assert names == {"CompressedSamples^CT1", "CompressedSamples^MR1"}
