"""`pacskit.compat.pynetdicom`: scripts run unchanged but for the import, against pynetdicom and against themselves."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.compat import pynetdicom_scripts as c
from tests.compat import pynetdicom_scripts_n as n

pytestmark = pytest.mark.interop

THEIRS, OURS = "pynetdicom", "pacskit.compat.pynetdicom"
PAIRS = [(OURS, OURS), (OURS, THEIRS), (THEIRS, OURS)]
_IMPORT = re.compile(r"^(from|import) pynetdicom\b", re.MULTILINE)


def execute(script: str, library: str, **names: Any) -> dict[str, Any]:
    """Run a script with its import of pynetdicom changed to ``library``; return what it leaves."""
    exec(compile(_IMPORT.sub(rf"\1 {library}", script), f"<script with {library}>", "exec"), names)
    return names


def play(scripts: c.Scripts, client: str, server: str, folder: Path, **shared: Any) -> SimpleNamespace:
    """Run an SCP with one library and an SCU with another; return what both were told."""
    folder.mkdir()
    heard: list[Any] = []
    said: list[Any] = []
    scp = execute(scripts.scp, server, told=heard, ADDRESS=("127.0.0.1", 0), FOLDER=str(folder), SHARED=shared)
    try:
        port = scp["server"].socket.getsockname()[1]
        execute(scripts.scu, client, told=said, HOST="127.0.0.1", PORT=port, FOLDER=str(folder), SHARED=shared)
    finally:
        scp["ae"].shutdown()
    return SimpleNamespace(heard=heard, said=said)


SCRIPTS = {
    "echo": c.ECHO,
    "store": c.STORE,
    "find": c.FIND,
    "get": c.GET,
    "move": c.MOVE,
    "mpps": n.MPPS,
    "print": n.PRINT,
    "commitment": n.COMMITMENT,
    "ups": n.UPS,
    "association": n.ASSOCIATION,
    "negotiation": n.NEGOTIATION,
    "events": n.EVENTS,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_see_what_they_see_with_pynetdicom(name: str, tmp_path: Path) -> None:
    wanted = play(SCRIPTS[name], THEIRS, THEIRS, tmp_path / "reference")
    assert wanted.said
    for index, (client, server) in enumerate(PAIRS):
        got = play(SCRIPTS[name], client, server, tmp_path / str(index))
        assert (got.said, got.heard) == (wanted.said, wanted.heard), f"client {client}, server {server}"
