"""Child processes: servers and clients on loopback, each ended by whoever began it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

from asv_bench.compare.rows import Missing

__all__ = [
    "Server",
    "archive",
    "child",
    "environment",
    "folder",
    "free_port",
    "need",
    "peer",
    "run_clients",
    "run_tool",
    "storescp",
    "tool",
    "wait",
    "workspace",
]

ROOT = Path(__file__).resolve().parents[2]
_BOUND = 300.0
_LARGE = 50_000_000
_PEERS = [sys.executable, "-m", "asv_bench.compare.peers"]


@dataclass(frozen=True)
class Server:
    """A server that listens."""

    port: int
    ae: str
    pid: int


def environment(tuned: bool) -> dict[str, str]:
    """Ours, with DCMTK's TCP_NODELAY as told and our sources first on Python's path."""
    found = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
    found["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [found.get("PYTHONPATH", "")])])
    found["TMPDIR"] = tempfile.gettempdir()  # what an ended child leaves behind goes with the run
    if tuned:
        found["TCP_NODELAY"] = "1"
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class _Child:
    """A process with which we talk in lines."""

    def __init__(self, command: Sequence[str], *, tuned: bool, errors: IO[bytes]) -> None:
        self._errors = errors
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment(tuned), bufsize=0
        )

    def line(self, what: str) -> str:
        """The next line that it prints; `Missing` when it ends, or says nothing for too long."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], _BOUND)
        line = self.process.stdout.readline().decode().strip() if ready else ""
        if line:
            return line
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        raise Missing(f"{what} failed: {said[-1] if said else 'it said nothing'}")

    def go(self) -> None:
        """Let it begin."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")

    def end(self) -> None:
        """End it: politely, and then not."""
        self.process.terminate()
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


@contextmanager
def child(command: Sequence[str], *, tuned: bool = True) -> Iterator[_Child]:
    """A process, ended afterwards."""
    with TemporaryFile() as errors:
        made = _Child(command, tuned=tuned, errors=errors)
        try:
            yield made
        finally:
            made.end()


def need(module: str) -> None:
    """Raise `Missing` unless a package can be imported."""
    if importlib.util.find_spec(module) is None:
        raise Missing(f"{module} is not installed")


def tool(name: str) -> str:
    """Where a program of DCMTK is; pynetdicom's programs have the same names, and lie beside our interpreter."""
    ours = Path(sys.executable).parent.resolve()
    folders = [folder for folder in os.get_exec_path() if Path(folder).resolve() != ours]
    found = shutil.which(name, path=os.environ.get("PACSKIT_DCMTK") or os.pathsep.join(folders))
    if found is None:
        raise Missing(f"DCMTK's {name} is not installed")
    return found


@contextmanager
def workspace() -> Iterator[None]:
    """A folder for all that a run writes, removed with the run.

    To remove thousands of files makes an ext4 slow in making new ones for a minute, so nobody does it between rounds.
    """
    with TemporaryDirectory(prefix="compare-run-") as root:
        before, tempfile.tempdir = tempfile.tempdir, root
        try:
            yield
        finally:
            tempfile.tempdir = before


@contextmanager
def folder() -> Iterator[str]:
    """A folder for a server, which stays until the run ends; large objects are removed."""
    where = tempfile.mkdtemp(prefix="compare-")
    try:
        yield where
    finally:
        if "compare-run-" not in where:
            shutil.rmtree(where)
        for path in Path(where).rglob("*"):
            if path.is_file() and path.stat().st_size > _LARGE:
                path.unlink()


@contextmanager
def peer(role: str) -> Iterator[Server]:
    """A server of `asv_bench.compare.peers`, with a folder for what it receives."""
    if "pynetdicom" in role:
        need("pynetdicom")
    with folder() as where, child([*_PEERS, f"serve:{role}", where]) as made:
        yield Server(int(made.line(role)), "PEER", made.process.pid)


@contextmanager
def archive(*options: str, commit: str = "os") -> Iterator[Server]:
    """``pacskit serve`` with an archive that is empty, and removed afterwards.

    Peers that do not sync are compared with ``commit="os"``, which does not either.
    """
    if importlib.util.find_spec("pacskit.__main__") is None:
        raise Missing("pacskit has no command line here")
    with folder() as where:
        port = free_port()
        command = [sys.executable, "-m", "pacskit", "serve", "--dir", where, "--ae", "PACSKIT", "--port", str(port)]
        with child([*command, "--commit", commit, *options]) as made:
            made.line("pacskit serve")
            yield Server(port, "PACSKIT", made.process.pid)


@contextmanager
def storescp(*, tuned: bool, fork: bool = False) -> Iterator[Server]:
    """DCMTK's storescp, bit preserving; as it is packaged, or with long PDUs and without Nagle's algorithm.

    It serves one association at a time, unless it may ``fork``.
    """
    program = tool("storescp")
    with folder() as where:
        port = free_port()
        options = [*(["--max-pdu", "131072"] if tuned else []), *(["--fork"] if fork else [])]
        command = [program, "-aet", "DCMTK", "+B", "+xa", "-od", where, *options, str(port)]
        with child(command, tuned=tuned) as made:
            wait(port)
            yield Server(port, "DCMTK", made.process.pid)


def wait(port: int) -> None:
    """Until somebody listens there."""
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise Missing("a server did not start")


def run_clients(
    role: str,
    server: Server | Sequence[Server],
    arguments: Sequence[Sequence[object]],
    *,
    module: Sequence[str] = _PEERS,
) -> float:
    """Let one client for each list of arguments work at the same time; the seconds that the slowest took.

    Several servers are taken in turn.
    """
    servers = [server] if isinstance(server, Server) else server
    if "pynetdicom" in role:
        need("pynetdicom")
    with contextlib.ExitStack() as stack:
        clients = []
        for number, more in enumerate(arguments):
            to = servers[number % len(servers)]
            words = [str(word) for word in (to.port, to.ae, *more)]
            clients.append(stack.enter_context(child([*module, role, *words])))
        for client in clients:
            client.line(role)
        for client in clients:
            client.go()
        return max(float(client.line(role)) for client in clients)


def run_tool(command: Sequence[str], *, tuned: bool) -> float:
    """Run a program to its end; the seconds that it took."""
    began = time.perf_counter()
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(tuned), timeout=_BOUND, check=False
    )
    if done.returncode:
        raise Missing(f"{Path(command[0]).name} failed: {done.stderr.decode(errors='replace')[-200:].strip()}")
    return time.perf_counter() - began
