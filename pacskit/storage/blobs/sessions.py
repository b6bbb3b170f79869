"""A directory for unfinished work that belongs to one process, and that others clear once that process is gone."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


__all__ = ["Session", "lock_file"]


def lock_file(path: Path) -> int | None:
    """Return the descriptor of a file that is locked until it is closed; None where somebody else has it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        _lock(descriptor)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


class Session:
    """``directory/NAME`` with a lock on ``directory/NAME.lock`` for as long as this process lives.

    What processes that ended have left there goes first.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for path in directory.glob("*.lock"):
            _clear(path)
        while True:
            name = secrets.token_hex(6)
            self._file = directory / f"{name}.lock"
            descriptor = lock_file(self._file)
            if descriptor is not None and self._is_ours(descriptor):
                break
        self._lock: int | None = descriptor
        self.directory = directory / name
        self.directory.mkdir()

    def _is_ours(self, descriptor: int) -> bool:
        """Whether the file is still there: somebody who clears may have been faster than the lock."""
        try:
            if os.path.samestat(os.fstat(descriptor), os.stat(self._file)):
                return True
        except FileNotFoundError:
            pass
        os.close(descriptor)
        return False

    def close(self) -> None:
        """Remove the directory."""
        if self._lock is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
            with suppress(OSError):
                self._file.unlink()
            os.close(self._lock)
            self._lock = None


def _clear(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return
    try:
        _lock(descriptor)
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)
        path.unlink(missing_ok=True)
    except OSError:
        pass  # its process lives
    finally:
        os.close(descriptor)
