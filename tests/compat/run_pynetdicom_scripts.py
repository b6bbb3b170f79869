"""Run the scripts of `pynetdicom_scripts` with pynetdicom and with `pacskit.compat.pynetdicom`, each against each.

Writes, as JSON, what each script was told (as text) by name and by ``client > server``; a process of its own, because
pynetdicom leaves sockets to the garbage collector.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from pacskit.security.certificates import make_test_ca
from tests.compat import pynetdicom_scripts as c
from tests.compat import pynetdicom_scripts_a as a
from tests.compat import pynetdicom_scripts_n as n

THEIRS, OURS = "pynetdicom", "pacskit.compat.pynetdicom"
PAIRS = [(THEIRS, THEIRS), (OURS, OURS), (OURS, THEIRS), (THEIRS, OURS)]
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
    "association": a.ASSOCIATION,
    "tls": a.TLS,
    "negotiation": a.NEGOTIATION,
    "events": a.EVENTS,
    "rejection": a.REJECTION,
    "refused user": a.REFUSED_USER,
}
# pynetdicom's requestor takes a rejection that comes at once for a connection that could not be had, and says that it
# was aborted (its thread for the connection closes it before the other one has looked whether there is one).
TOO_FAST = {"rejection", "refused user"}


def pairs(name: str) -> list[tuple[str, str]]:
    """Which libraries play a script."""
    return [pair for pair in PAIRS if pair != (THEIRS, OURS) or name not in TOO_FAST]


_IMPORT = re.compile(r"^(from|import) pynetdicom\b", re.MULTILINE)


def execute(script: str, library: str, **names: Any) -> dict[str, Any]:
    """Run a script with its import of pynetdicom changed to ``library``; return what it leaves."""
    exec(compile(_IMPORT.sub(rf"\1 {library}", script), f"<script with {library}>", "exec"), names)
    return names


def play(scripts: c.Scripts, client: str, server: str, folder: Path, **shared: Any) -> dict[str, str]:
    """Run an SCP with one library and an SCU with another; return what both were told."""
    heard: list[Any] = []
    said: list[Any] = []
    error = ""
    scp: dict[str, Any] = {}
    try:
        scp = execute(scripts.scp, server, told=heard, ADDRESS=("127.0.0.1", 0), FOLDER=str(folder), SHARED=shared)
        port = scp["server"].socket.getsockname()[1]
        execute(scripts.scu, client, told=said, HOST="127.0.0.1", PORT=port, FOLDER=str(folder), SHARED=shared)
    except Exception:
        error = traceback.format_exc()
    finally:
        if "ae" in scp:
            scp["ae"].shutdown()
    files = {path.name: _digest(path) for path in sorted(folder.iterdir())}
    return {"said": repr(said), "heard": repr(heard), "files": repr(files), "error": error}


def _digest(path: Path) -> str:
    """A digest of the data set of a file, whoever wrote its File Meta Information."""
    data = path.read_bytes()
    length = int.from_bytes(data[140:144], "little")
    return hashlib.sha256(data[144 + length :]).hexdigest()[:16]


def main() -> None:
    """Run those that are named, or all."""
    out, names = Path(sys.argv[1]), sys.argv[2:] or list(SCRIPTS)
    results: dict[str, dict[str, dict[str, str]]] = {}
    with tempfile.TemporaryDirectory() as base:
        ca = make_test_ca(base, elliptic=True)
        tls = {"ca": str(ca.ca), "cert": str(ca.server.cert), "key": str(ca.server.key)}
        for name in names:
            for index, (client, server) in enumerate(pairs(name)):
                folder = Path(base) / f"{name}-{index}"
                folder.mkdir()
                shared = tls if name == "tls" else {}
                results.setdefault(name, {})[f"{client} > {server}"] = play(
                    SCRIPTS[name], client, server, folder, **shared
                )
    out.write_text(json.dumps(results, indent=1), "utf-8")


if __name__ == "__main__":
    main()
