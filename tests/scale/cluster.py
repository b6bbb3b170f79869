"""Several archives on one machine that share an index and a bucket, and what divides the associations among them."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Self

import pacskit
from pacskit.storage import Store
from pacskit.storage.blobs import StoreOptions
from pacskit.testing import SeaweedFS
from tests.conftest import ROOT

__all__ = ["Balancer", "Node", "Shared", "free_ports"]

LOOPBACK = "127.0.0.1"
AE = "SCALE"


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind((LOOPBACK, 0))
        return [one.getsockname()[1] for one in found]


class Shared:
    """What the nodes of one archive have in common: a schema, a place in a bucket, and a file that says so."""

    def __init__(self, folder: Path, index: str, server: SeaweedFS, place: str) -> None:
        self.folder = folder
        self.config = folder / "pacs.toml"
        folder.mkdir(parents=True, exist_ok=True)
        server.make_bucket(place.partition("/")[0])
        lines = [
            "[archive]", f"index = {json.dumps(index)}", f"blobs = 's3://{place}'", "digest = true", "[blob_store]",
            f"endpoint = {json.dumps(server.endpoint)}", "region = 'us-east-1'", "[blob_store.credentials]",
            *(f"{name} = {json.dumps(value)}" for name, value in server.options.credentials.items()),
        ]  # fmt: skip
        self.config.write_text("\n".join(lines), "utf-8")
        self._index, self._address = index, server.address(place)
        self._options: StoreOptions = server.options

    def store(self) -> Store:
        """Open what they have in common from here."""
        return Store(self.folder / "look", index=self._index, blobs=self._address, blob_options=self._options)


class Node:
    """A ``pacskit serve`` that may be killed and started again, always on one port.

    With a ``lease`` there is a process beside it that does jobs, and shares its fate.
    """

    def __init__(self, shared: Shared, number: int, port: int, lease: float = 0.0) -> None:
        self._lease = lease
        self._worker: subprocess.Popen[str] | None = None
        self.number = number
        self.port = port
        self.starts = 0
        self._shared = shared
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        return f"{AE}@{LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        return self._shared.folder / f"node{self.number}.log"

    def start(self) -> Self:
        """Start it; return when it listens."""
        directory = self._shared.folder / f"node{self.number}"
        words = ["serve", "--dir", str(directory), "--ae", AE, "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", "pacskit", *words, "--config", str(self._shared.config)],
                stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT,
            )  # fmt: skip
        assert process.stdout is not None
        said = process.stdout.readline()
        if str(self.port) not in said:
            raise RuntimeError(f"node {self.number} does not start: {self.log.read_text()[-2000:]}")
        self.starts += 1
        if self._lease:
            words = [str(self._shared.config), f"{directory}-jobs", str(self._lease)]
            with self.log.open("ab") as log:
                self._worker = worker = subprocess.Popen(
                    [sys.executable, "-m", "tests.scale.worker", *words],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT,
                )  # fmt: skip
            assert worker.stdout is not None
            if "works" not in worker.stdout.readline():
                raise RuntimeError(f"node {self.number} does no jobs: {self.log.read_text()[-2000:]}")
        return self

    def kill(self) -> None:
        """End it as a power cut would: it has no time for anything."""
        if self._worker is not None:
            self._worker.kill()
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it politely; return its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.communicate(timeout=60)  # which ends its input
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        code = process.wait(60)
        if process.stdout is not None:
            process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.kill()


class Balancer:
    """HAProxy before the nodes, where it is installed; else each client takes them in turn."""

    def __init__(self, nodes: list[Node], folder: Path) -> None:
        self._nodes = nodes
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
        self.port = free_ports(1)[0]

    @property
    def name(self) -> str:
        return "clients take turns" if self._program is None else "HAProxy"

    def __enter__(self) -> Self:
        if self._program is None:
            return self
        config = self._folder / "haproxy.cfg"
        lines = [
            "global", "  maxconn 1000", "defaults", "  mode tcp", "  timeout connect 2s", "  timeout client 10m",
            "  timeout server 10m", "  retries 3", "  option redispatch 1", "frontend dicom",
            f"  bind {LOOPBACK}:{self.port}", "  default_backend nodes", "backend nodes", "  balance roundrobin",
            "  default-server check inter 500ms fall 1 rise 1 on-marked-down shutdown-sessions",
            *(f"  server node{node.number} {LOOPBACK}:{node.port}" for node in self._nodes),
        ]  # fmt: skip
        config.write_text("\n".join(lines) + "\n", "utf-8")
        with (self._folder / "haproxy.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "-db", "-f", str(config)], stdout=log, stderr=log)
        return self

    def __exit__(self, *exc: object) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(60)

    def addresses(self) -> Iterator[str]:
        """Where a client calls next, for ever."""
        if self._process is not None:
            return cycle([f"{AE}@{LOOPBACK}:{self.port}"])
        return cycle([node.address for node in self._nodes])


def count_of(node: Node, patients: str) -> dict[str, int]:
    """What a node says that it has: how many instances of each study."""
    with pacskit.connect(node.address) as peer:
        found = peer.find("STUDY", PatientID=patients, StudyInstanceUID="", NumberOfStudyRelatedInstances="")
        return {str(one.StudyInstanceUID): int(one.NumberOfStudyRelatedInstances) for one in found}
