"""What makes bytes and names survive a power cut: a sync of the file, and one of the directory that has the name."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable

from pacskit.storage.sharing import Member, Shared

__all__ = ["DirectorySync", "sync_directory", "sync_file"]

if sys.platform == "darwin":  # where fsync leaves bytes in the drive's cache
    import fcntl

    def sync_file(descriptor: int) -> None:
        """Make the bytes of a file survive a power cut."""
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
elif sys.platform == "win32":

    def sync_file(descriptor: int) -> None:
        """Make the bytes of a file survive a power cut."""
        os.fsync(descriptor)
else:

    def sync_file(descriptor: int) -> None:
        """Make the bytes of a file survive a power cut."""
        os.fdatasync(descriptor)


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Make the names in a directory survive a power cut."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Wanted(Member):
    __slots__ = ("directories", "error")

    def __init__(self, directories: Iterable[str]) -> None:
        super().__init__()
        self.directories = frozenset(directories)
        self.error: OSError | None = None


class DirectorySync(Shared[_Wanted]):
    """Syncs directories, each once for all who want it at the same time."""

    def __init__(self) -> None:
        super().__init__(1 << 20)

    def run(self, directories: Iterable[str]) -> None:
        """Return when all names that directories had at the time of the call survive a power cut. Raises OSError.

        Of a directory that has gone since, that it has gone does.
        """
        wanted = _Wanted(directories)
        self.share(wanted)
        if wanted.error is not None:
            raise OSError(wanted.error.errno, wanted.error.strerror) from wanted.error

    def do_all(self, members: list[_Wanted]) -> None:
        """Sync what several want."""
        directories = set[str]().union(*(one.directories for one in members))
        failed: dict[str, OSError] = {}
        try:
            for one in directories:
                try:
                    _sync_nearest(one)
                except OSError as error:
                    failed[one] = error
        except BaseException:
            failed = dict.fromkeys(directories, InterruptedError(errno.EINTR, "interrupted"))
            raise
        finally:
            for member in members:
                member.error = next((failed[one] for one in member.directories if one in failed), None)


def _sync_nearest(directory: str) -> None:
    while True:
        try:
            return sync_directory(directory)
        except FileNotFoundError:
            above = os.path.dirname(directory)
            if above == directory:
                raise
            directory = above
