"""Real processes on both sides: ours by ``python -m pacskit serve``, DCMTK's by its commands."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Dcmtk

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def answers(port: int, process: subprocess.Popen[Any], seconds: float = 10.0) -> None:
    """Wait until somebody listens; foreign servers do not say when they are ready."""
    end = time.monotonic() + seconds
    while True:
        assert process.poll() is None, "the server has ended"
        with closing(socket.socket()) as probe:
            probe.settimeout(1)
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        assert time.monotonic() < end, "the server does not listen"
        time.sleep(0.02)


@dataclass
class Served:
    """A ``pacskit serve`` process."""

    process: subprocess.Popen[str]
    directory: Path
    port: int
    log: Path
    ae: str = "PACSKIT"
    ports: tuple[int, ...] = ()

    @property
    def address(self) -> str:
        return f"{self.ae}@{LOOPBACK}:{self.port}"

    @property
    def dcmtk(self) -> list[str]:
        """The arguments by which DCMTK's tools find it."""
        return ["-aec", self.ae, LOOPBACK, str(self.port)]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """End it politely; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


Serve = Callable[..., Served]


def start(directory: Path, *options: str, ae: str = "PACSKIT") -> Served:
    log = directory.with_name(directory.name + ".log")
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "pacskit", "serve", "--dir", str(directory), "--ae", ae, "--port", "0", *options],
            stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=ROOT,
        )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    ports = tuple(map(int, re.findall(rf"{re.escape(LOOPBACK)}:(\d+)", line)))
    assert ports, (line, log.read_text())
    return Served(process, directory, ports[0], log, ae, ports)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start archives; they end with the test, and have to end well."""
    with ExitStack() as stack:

        def started(*options: str, directory: Path | None = None, ae: str = "PACSKIT") -> Served:
            served = start(directory or tmp_path / "archive", *options, ae=ae)

            def end() -> None:
                assert served.process.stdout is not None
                with served.process.stdout:
                    if served.process.poll() is None:
                        assert served.stop() == 0, served.log.read_text()
                        assert "Traceback" not in served.log.read_text()

            stack.callback(end)
            return served

        yield started


@pytest.fixture
def archive(serve: Serve) -> Served:
    return serve()


Run = Callable[..., "subprocess.CompletedProcess[str]"]


def run(*command: str | Path, seconds: float = 60, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; both its outputs are in ``stdout``."""
    return subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        timeout=seconds, check=False, cwd=cwd,
    )  # fmt: skip


def pacskit(*arguments: str | Path, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run our command; its standard error is kept apart."""
    return subprocess.run(
        [sys.executable, "-m", "pacskit", *map(str, arguments)],
        capture_output=True, text=True, timeout=seconds, check=False, cwd=ROOT,
    )  # fmt: skip


@dataclass
class Background:
    """A foreign server."""

    process: subprocess.Popen[bytes]
    port: int
    directory: Path


@pytest.fixture
def storescp(dcmtk: Dcmtk, tmp_path: Path) -> Iterator[Callable[..., Background]]:
    """Start DCMTK's ``storescp``, which writes what it receives, bit by bit, into ``directory``."""
    with ExitStack() as stack:

        def started(*options: str, ae: str = "DEST", bit_exact: bool = True) -> Background:
            directory = tmp_path / f"storescp-{len(os.listdir(tmp_path))}"
            directory.mkdir()
            port = free_port()
            exact = ["+B"] if bit_exact else []
            log = stack.enter_context((tmp_path / f"{directory.name}.log").open("wb"))
            process = subprocess.Popen(
                [dcmtk.tool("storescp"), "-aet", ae, "-od", str(directory), "+xa", *exact, *options, str(port)],
                stdout=log, stderr=log,
            )  # fmt: skip
            stack.callback(_end, process)
            answers(port, process)
            return Background(process, port, directory)

        yield started


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(10)


@pytest.fixture
def dcmqrscp(dcmtk: Dcmtk, tmp_path: Path) -> Iterator[Callable[..., Background]]:
    """Start DCMTK's archive; ``nodes`` are the AE titles and ports that it may move to."""
    with ExitStack() as stack:

        def started(**nodes: int) -> Background:
            directory = tmp_path / "dcmqrscp"
            (directory / "data").mkdir(parents=True)
            port = free_port()
            hosts = "".join(f"host{n} = ({ae}, {LOOPBACK}, {to})\n" for n, (ae, to) in enumerate(nodes.items()))
            everybody = ", ".join(f"host{n}" for n in range(len(nodes)))
            (directory / "dcmqrscp.cfg").write_text(
                f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
                f"HostTable BEGIN\n{hosts}" + (f"all = {everybody}\n" if nodes else "") + "HostTable END\n"
                "VendorTable BEGIN\nVendorTable END\n"
                f"AETable BEGIN\nQR {directory / 'data'} RW (500, 1024mb) ANY\nAETable END\n"
            )
            log = stack.enter_context((tmp_path / "dcmqrscp.log").open("wb"))
            process = subprocess.Popen(
                [dcmtk.tool("dcmqrscp"), "-c", str(directory / "dcmqrscp.cfg")],
                stdout=log, stderr=log, cwd=directory,
            )  # fmt: skip
            stack.callback(_end, process)
            answers(port, process)
            return Background(process, port, directory)

        yield started
