"""Several processes that serve on one port (SO_REUSEPORT), and the thread that looks after them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pickle
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from pacskit.core.errors import ConfigurationError
from pacskit.facade.settings import MAX_PROCESSES
from pacskit.facade.worker import Job

__all__ = ["Supervisor"]

_log = logging.getLogger("pacskit.processes")

_START: Final = 60.0  # seconds for all to say that they serve
_LAST_WORDS: Final = 5.0  # seconds, after the grace, for a process to end by itself
_STEADY: Final = 10.0  # seconds after which a process counts as one that works
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0
_WORKER: Final = "from pacskit.facade.worker import main; raise SystemExit(main())"


class Supervisor:
    """Starts processes that serve, starts those again that end, and stops them all.

    Each is a new interpreter that imports ``target`` (``"module:function"``) and calls it with ``options`` and
    ``host``, ``port`` and, where there is one, ``tls_port``. What it returns has ``stop(grace)``, is started where it
    has ``start()``, and listens with ``reuse_port``: the system divides the associations among the processes. Nothing
    is shared between them but what is on disk; options have to be picklable. Linux only.

    A process that ends is started again, at once if it has worked for a while, else after a pause that doubles.
    Processes do not outlive their supervisor.

    >>> with Supervisor("hospital.serving:make_scp", port=11112, processes=4) as several:  # doctest: +SKIP
    ...     several.wait()
    """

    def __init__(
        self,
        target: str,
        options: Mapping[str, Any] | None = None,
        *,
        processes: int,
        host: str = "127.0.0.1",
        port: int = 0,
        tls_port: int | None = None,
    ) -> None:
        if sys.platform != "linux":
            raise ConfigurationError("several processes on one port need Linux, which divides associations among them")
        if not 1 <= processes <= MAX_PROCESSES:
            raise ConfigurationError(f"processes is 1 to {MAX_PROCESSES}, not {processes}")
        self._target = target
        self._options = dict(options or {})
        self._where = (host, port, tls_port)
        self._slots = [_Slot(number) for number in range(processes)]
        self._reserved: list[socket.socket] = []
        self._job = b""
        self._wakers: tuple[socket.socket, ...] = ()
        self._selector: selectors.BaseSelector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, name="pacskit-supervisor", daemon=True)
        self._settled = threading.Event()  # all serve, or one cannot
        self._failure: str | None = None
        self._grace: float | None = None
        self._stopped = threading.Event()

    # Addresses

    @property
    def address(self) -> tuple[str, int]:
        """Where they listen."""
        return self._address(0)

    @property
    def tls_address(self) -> tuple[str, int]:
        """Where they listen with TLS."""
        return self._address(-1)

    def _address(self, index: int) -> tuple[str, int]:
        if not self._reserved:
            raise ConfigurationError("the processes have not been started")
        name = self._reserved[index].getsockname()
        return name[0], name[1]

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that serve now."""
        return tuple(slot.process.pid for slot in self._slots if slot.process is not None and slot.serves)

    @property
    def restarts(self) -> int:
        """How many processes have been started in the place of others."""
        return sum(max(0, slot.starts - 1) for slot in self._slots)

    @property
    def is_stopping(self) -> bool:
        return self._grace is not None

    # Life

    def start(self) -> Self:
        """Start them; return when all of them serve. Raises OSError where the port is taken, ConfigurationError."""
        if self._reserved:
            raise ConfigurationError("processes are started once")
        host, port, tls_port = self._where
        try:
            self._reserved = [_reserve(host, one) for one in (port, tls_port) if one is not None]
            options = self._options | {"host": host, "port": self.address[1]}
            if tls_port is not None:
                options["tls_port"] = self.tls_address[1]
            self._job = self._pickled(options)
        except BaseException:
            self._close()
            raise
        self._wakers = socket.socketpair()
        self._selector.register(self._wakers[0], selectors.EVENT_READ)
        self._thread.start()
        if not self._settled.wait(_START):
            self._failure = f"the processes did not serve within {_START:.0f} seconds"
        if self._failure is not None:
            self.stop(0.0)
            raise ConfigurationError(self._failure)
        return self

    def _pickled(self, options: dict[str, Any]) -> bytes:
        for name, value in options.items():
            if getattr(value, "__module__", None) == "__main__":
                raise ConfigurationError(f"{name} is of the main program, which other processes cannot import")
        try:
            return pickle.dumps(Job(self._target, options, _log.getEffectiveLevel()))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ConfigurationError(f"other processes cannot be told the options: {error}") from error

    def stop(self, grace: float = 1.5) -> None:
        """Stop all: each ends idle associations at once, gives running operations ``grace`` seconds, then aborts."""
        if self._thread.ident is None or self._stopped.is_set():
            return
        self._grace = grace
        with contextlib.suppress(OSError):
            self._wakers[1].send(b"\0")
        self._stopped.wait()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until `stop` has been called (by a signal handler, another thread); return whether it has."""
        return self._stopped.wait(seconds)

    def __enter__(self) -> Self:
        return self if self._reserved else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # The thread

    def _run(self) -> None:
        try:
            while self._grace is None:
                self._start_due()
                for key, _ in self._selector.select(self._pause()):
                    if isinstance(key.data, _Slot):
                        self._heard(key.data)
            self._end(self._grace)
        finally:
            self._settled.set()
            self._close()
            self._stopped.set()

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.process is None and slot.due <= now:
                try:
                    slot.start(self._job)
                except OSError as error:
                    slot.failed(now)
                    _log.error("a process cannot be started: %s", error.strerror)
                else:
                    self._selector.register(slot.output, selectors.EVENT_READ, slot)

    def _pause(self) -> float | None:
        due = [slot.due for slot in self._slots if slot.process is None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _heard(self, slot: _Slot) -> None:
        """Take in what a process says, or that it has ended."""
        if data := os.read(slot.output, 65536):
            slot.said += data
            if slot.said.endswith(b"\n"):
                self._understood(slot, json.loads(slot.said))
            return
        self._selector.unregister(slot.output)
        code, pid = slot.reap(), slot.pid
        slot.failed(time.monotonic())
        if not self._settled.is_set():
            self._failure = self._failure or f"a process ended with {code} before it served"
            self._settled.set()
        elif self._grace is None:
            _log.warning("process %d ended with %d; another one starts", pid, code)

    def _understood(self, slot: _Slot, said: Mapping[str, Any]) -> None:
        slot.said = b""
        if "error" in said:
            if not self._settled.is_set():
                self._failure = f"a process cannot serve: {said['error']}"
            else:
                _log.error("a process cannot serve: %s", said["error"])
            return
        slot.serves = True
        _log.info("process %d serves", slot.pid)
        if all(one.serves for one in self._slots):
            self._settled.set()

    def _end(self, grace: float) -> None:
        for slot in self._slots:
            slot.tell(grace)
        until = time.monotonic() + grace + _LAST_WORDS
        for slot in self._slots:
            if slot.process is not None and slot.reap(max(0.0, until - time.monotonic())) != 0:
                _log.warning("process %d did not end well", slot.pid)

    def _close(self) -> None:
        for one in (*self._reserved, *self._wakers):
            one.close()
        self._selector.close()


class _Slot:
    """The place of one process; ``due`` is when it is to be started."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.pid = 0
        self.output = -1
        self.serves = False
        self.said = b""
        self.starts = 0
        self.due = 0.0
        self._began = 0.0
        self._failures = 0

    def start(self, job: bytes) -> None:
        """Start it, and give it its job."""
        self.serves, self.said = False, b""
        paths = os.pathsep.join(one or os.getcwd() for one in sys.path)
        process = subprocess.Popen(
            [sys.executable, "-c", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )
        if process.stdin is None or process.stdout is None:
            raise OSError("no pipes")
        self.process, self.pid, self.output = process, process.pid, process.stdout.fileno()
        self.starts += 1
        self._began = time.monotonic()
        with contextlib.suppress(BrokenPipeError):  # it has ended already, and its output says so
            process.stdin.write(job)
            process.stdin.flush()

    def failed(self, now: float) -> None:
        """Say when to try again."""
        self._failures = 0 if now - self._began >= _STEADY else self._failures + 1
        pause = 0.0 if self._failures <= 1 else min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (self._failures - 2))
        self.due = now + pause

    def tell(self, grace: float) -> None:
        """Tell it to stop."""
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.write(f"{grace}".encode())
                self.process.stdin.close()

    def reap(self, seconds: float = 1.0) -> int:
        """Wait for its end, and see to that; return its exit code."""
        process, self.process, self.serves = self.process, None, False
        if process is None:
            return 0
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        return process.returncode


def _reserve(host: str, port: int) -> socket.socket:
    """Hold a port, without listening on it, so that it stays the same for processes that come and go."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port:  # where somebody who shares his port listens already, sharing it would be a mistake
        socket.create_server((host, port), family=family).close()
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except BaseException:
        held.close()
        raise
    return held
