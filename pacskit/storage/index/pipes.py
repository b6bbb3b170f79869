"""How processes on one index in SQLite wake each other: named pipes in a directory beside it.

Who listens has a pipe ``INDEX-listening/NAME.pipe`` open for reading. Who commits opens all that are there before
COMMIT, and writes a byte and closes them after it. If it is killed in between, the system closes them, and the
listener sees that: it asks the index in either case, so nothing is lost and nobody has to look again and again. A pipe
that nobody reads any more is removed by who finds it so. Where nobody listens, a commit costs a look at a directory.

Windows has no such pipes: processes there hear of their own commits only.
"""

from __future__ import annotations

import logging
import os
import secrets
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from pacskit.storage.errors import storage_error

__all__ = ["CAN_LISTEN", "PipeListener", "directory_of", "ringing"]

CAN_LISTEN: Final = hasattr(os, "mkfifo")
_PIPE: Final = ".pipe"
_NEW: Final = ".new"

_log = logging.getLogger("pacskit.storage")


def directory_of(path: str) -> str:
    """Return where the pipes of an index are."""
    return os.path.realpath(path) + "-listening"


@contextmanager
def ringing(directory: str, own: str) -> Iterator[None]:
    """Commit within: those who listen hear of it, also where this process ends before it could say so."""
    bells: dict[str, int] = {}
    try:
        _open_all(directory, own, bells)
        yield
        _open_all(directory, own, bells)  # who has begun to listen meanwhile may have looked too early
        for bell in bells.values():
            with suppress(OSError):  # it is full, and will be read; or nobody is there any more
                os.write(bell, b"\n")
    finally:
        for bell in bells.values():
            os.close(bell)


def _open_all(directory: str, own: str, found: dict[str, int]) -> None:
    try:
        names = os.listdir(directory)
    except OSError:  # nobody listens
        return
    for name in names:
        if not name.endswith(_PIPE) or name == own or name in found:
            continue
        path = f"{directory}/{name}"
        try:
            found[name] = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            continue
        except OSError:  # nobody reads it: its process has been killed
            with suppress(OSError):
                os.unlink(path)


class PipeListener:
    """Hears that other processes on an index commit, in a thread."""

    def __init__(self, directory: str, tell: Callable[[], None]) -> None:
        self._directory = directory
        self._tell = tell
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wakers: tuple[int, ...] = ()
        self._pipe = -1
        self.name = ""
        """Of its pipe; empty while there is none."""

    @property
    def is_listening(self) -> bool:
        """Whether everything that is committed from now on is heard of."""
        return bool(self.name)

    def start(self) -> None:
        """Begin, if it has not. Raises StorageError."""
        with self._lock:
            if self._thread is not None:
                return
            try:
                name = self._open()
                self._wakers = os.pipe()
            except OSError as error:
                raise storage_error(error, "listening for other processes") from error
            self.name = name
            self._thread = threading.Thread(target=self._run, name="pacskit-listener", daemon=True)
            self._thread.start()

    def _open(self) -> str:
        name = f"{os.getpid()}.{secrets.token_hex(6)}{_PIPE}"
        path = f"{self._directory}/{name}"
        while True:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            try:
                os.mkfifo(path + _NEW, 0o600)
                break
            except FileNotFoundError:  # the last one who listened has taken the directory away
                continue
        try:
            self._pipe = os.open(path + _NEW, os.O_RDONLY | os.O_NONBLOCK)
            os.rename(path + _NEW, path)  # it is read before anybody can see it
        except BaseException:
            os.unlink(path + _NEW)
            raise
        return name

    def _run(self) -> None:
        try:
            self._listen()
        except OSError as error:
            self.name = ""
            _log.error("%s", storage_error(error, "listening for other processes"))
            self._tell()

    def _listen(self) -> None:
        poll = select.poll()
        poll.register(self._wakers[0], select.POLLIN)
        poll.register(self._pipe, select.POLLIN)
        while True:
            events = dict(poll.poll())
            if self._wakers[0] in events:
                return
            with suppress(BlockingIOError):
                os.read(self._pipe, 65536)
            if events.get(self._pipe, 0) & select.POLLHUP:
                # all who committed have closed it; opened anew, it says so again only of others
                pipe = os.open(f"{self._directory}/{self.name}", os.O_RDONLY | os.O_NONBLOCK)
                poll.unregister(self._pipe)
                os.close(self._pipe)
                self._pipe = pipe
                poll.register(self._pipe, select.POLLIN)
            self._tell()

    def close(self) -> None:
        """Stop."""
        with self._lock:
            if self._thread is None:
                return
            os.write(self._wakers[1], b"\0")
            self._thread.join()
            with suppress(OSError):
                os.unlink(f"{self._directory}/{self.name}")
            with suppress(OSError):
                os.rmdir(self._directory)  # unless others listen
            for one in (*self._wakers, self._pipe):
                os.close(one)
            self._thread, self.name = None, ""
