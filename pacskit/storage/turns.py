"""How the processes that share a directory see what one of them has acknowledged and not indexed yet.

A process that acknowledges instances before their rows are written announces it: a file ``staging/SESSION.N.turn``,
locked until the rows of that batch are there and then removed. Whoever asks the index something waits for the turns of
the others first, in the kernel, by asking for the same lock. A turn that comes free and is still there belongs to a
process that has died: what it left behind is indexed before the question is answered. One that is called ``.stuck``
belongs to a process that cannot write the index: the answer would not be the truth, and is refused.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

from pacskit.core.errors import StorageError
from pacskit.storage.errors import storage_error

__all__ = ["Turn", "Turns"]

_TURN: Final = ".turn"
_STUCK: Final = ".stuck"
_NEW: Final = ".new"

if sys.platform == "win32":  # a file that is open cannot be renamed there: other processes see a row when it is written
    _IS_SHARED: Final = False

    def _lock(descriptor: int, *, exclusive: bool) -> None:
        raise StorageError("there are no shared locks on this system")
else:
    import fcntl

    _IS_SHARED: Final = True

    def _lock(descriptor: int, *, exclusive: bool) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)


class Turn:
    """What has been acknowledged since the rows before it were taken to the index."""

    __slots__ = ("_descriptor", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = os.open(path + _NEW, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            _lock(self._descriptor, exclusive=True)
            os.rename(path + _NEW, path + _TURN)  # locked before anybody can see it
        except BaseException:
            os.close(self._descriptor)
            raise
        self._path += _TURN

    def done(self) -> None:
        """Say that the rows are there."""
        try:
            os.unlink(self._path)
        except OSError:
            with suppress(OSError):
                os.truncate(self._path, 1)  # says the same
        self._let_go()

    def fail(self) -> None:
        """Say that the rows cannot be written: nobody waits for them any more."""
        if self._descriptor >= 0:
            stuck = self._path.removesuffix(_TURN) + _STUCK
            with suppress(OSError):  # those who wait go on waiting, then
                os.rename(self._path, stuck)
                self._path = stuck
                self._let_go()

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Turns:
    """The turns of one session, and those of the others in its directory.

    ``recover(session, wait)`` settles what a session has left behind, if its process has died; with ``wait`` that is
    certain, and another process that is at it already is waited for.
    """

    def __init__(self, staging: Path, session: str, recover: Callable[[str, bool], object]) -> None:
        self._staging = os.fspath(staging)
        self._session = session
        self._recover = recover
        self._numbers = count(1)

    def begin(self) -> Turn | None:
        """Announce rows to come. Raises StorageError: nothing may be acknowledged then."""
        if not _IS_SHARED:
            return None
        try:
            return Turn(f"{self._staging}/{self._session}.{next(self._numbers):x}")
        except OSError as error:
            raise storage_error(error, "announcing an object") from error

    def await_others(self) -> None:
        """Return when the index has every row that another process owed it at the time of this call."""
        if not _IS_SHARED:
            return
        try:
            with os.scandir(self._staging) as entries:
                found = [one.name for one in entries if one.name.endswith((_TURN, _STUCK))]
        except OSError as error:
            raise storage_error(error, "looking for other processes") from error
        for name in found:
            if name.partition(".")[0] != self._session:
                self._await(name)

    def _await(self, name: str) -> None:
        path = f"{self._staging}/{name}"
        if self._is_over(path):
            return
        if os.path.exists(path):
            self._recover(name.partition(".")[0], name.endswith(_TURN))
        if os.path.exists(path) or os.path.exists(path.removesuffix(_TURN) + _STUCK):
            raise StorageError("another process has acknowledged what it cannot index")

    @staticmethod
    def _is_over(path: str) -> bool:
        """Wait until a turn is free; say whether its rows are there."""
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:  # between the two looks: it is done, or it has got its other name
            return not os.path.exists(path.removesuffix(_TURN) + _STUCK)
        try:
            _lock(descriptor, exclusive=False)
            status = os.fstat(descriptor)
            return not status.st_nlink or status.st_size > 0
        finally:
            os.close(descriptor)
