"""Blobs as files: written beside, synced, and given their name in one step.

A blob is written to a file of this process below ``.incoming`` and linked to its key when all of it is there; its
directory is synced then. Writers that come to one directory meanwhile share the next sync of it. What a process that
was killed has left below ``.incoming`` goes when the store is opened again.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from pacskit.storage.blobs.base import (
    PIECE,
    BlobInfo,
    BlobReader,
    Buffer,
    Pieces,
    Source,
    check_key,
    check_prefix,
    check_ranges,
)
from pacskit.storage.blobs.errors import BlobDamaged, BlobError, BlobExists, BlobNotFound, BlobRefused, BlobUnavailable
from pacskit.storage.blobs.sessions import Session
from pacskit.storage.errors import OutOfSpace, storage_error
from pacskit.storage.syncing import sync_directory

__all__ = ["Closing", "LocalStore", "Sync", "file_parts"]

Sync = Literal["none", "object"]

_BINARY = getattr(os, "O_BINARY", 0)
_INCOMING = ".incoming"
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG})


class LocalStore:
    """A blob store in a directory of a local file system; any number of processes may share it.

    Parameters
    ----------
    directory
        Where the blobs are; made where it is missing.
    sync
        What a blob that has been put survives: a power cut (``"object"``), or the end of the process (``"none"``).
    max_size
        How many bytes one blob may have.
    """

    def __init__(
        self, directory: str | os.PathLike[str], *, sync: Sync = "object", max_size: int | None = None
    ) -> None:
        if sync not in ("none", "object"):
            raise ValueError(f"sync is none or object, not {sync!r}")
        self.root = Path(directory).absolute()
        self.max_size = max_size
        self._syncs = _Syncs() if sync == "object" else None
        self._numbers = count(1)
        try:
            self._session = Session(self.root / _INCOMING)
        except OSError as error:
            raise _error(error, None) from error

    def __repr__(self) -> str:
        return f"LocalStore({str(self.root)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def path(self, key: str) -> Path:
        """Return the file of a key."""
        return self.root / check_key(key)

    # writing

    def put_stream(
        self,
        key: str,
        source: Source,
        *,
        size: int | None = None,
        replace: bool = False,
        sha256: bytes | None = None,
    ) -> BlobInfo:
        """See `BlobStore.put_stream`."""
        final = self.path(key)
        if final.is_dir():
            raise BlobRefused("other keys are below this one, which is a directory here", key=key)
        if not replace and final.exists():
            raise BlobExists("there is a blob of that key", key=key)
        parts = Pieces(source, key=key, size=size, sha256=sha256, limit=self.max_size)
        staged = self._session.directory / f"{next(self._numbers):x}"
        try:
            self._write(staged, parts)
            self._name(staged, key, replace)
            return _info(key, os.stat(final))
        except OSError as error:
            if error is parts.error:
                raise
            raise _error(error, key) from error
        finally:
            with suppress(OSError):
                staged.unlink()

    def _write(self, staged: Path, parts: Pieces) -> None:
        file = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o640)
        try:
            for part in parts:
                written = 0
                while written < len(part):
                    written += os.write(file, part[written:])
            if self._syncs is not None:
                os.fdatasync(file) if hasattr(os, "fdatasync") else os.fsync(file)
        finally:
            os.close(file)

    def _name(self, staged: Path, key: str, replace: bool) -> None:
        final = self.path(key)
        while True:
            try:
                os.replace(staged, final) if replace else os.link(staged, final)
            except FileExistsError:
                raise BlobExists("there is a blob of that key", key=key) from None
            except FileNotFoundError:  # the directory is not there, or was removed meanwhile
                if not staged.exists():
                    raise
                self._make(final.parent)
                continue
            break
        if self._syncs is not None:
            self._syncs.sync(final.parent)

    def _make(self, directory: Path) -> None:
        missing = [directory]
        while not missing[-1].parent.exists():
            missing.append(missing[-1].parent)
        for one in reversed(missing):
            with suppress(FileExistsError, FileNotFoundError):  # others make and remove directories too: link says
                one.mkdir()
                if self._syncs is not None:
                    self._syncs.sync(one.parent)

    def delete(self, keys: str | Iterable[str]) -> None:
        """See `BlobStore.delete`; directories that are left empty go too."""
        for key in [keys] if isinstance(keys, str) else keys:
            path = self.path(key)
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                if path.is_dir():
                    continue
                raise _error(error, key) from error
            self.prune(key)

    def prune(self, key: str) -> None:
        """Remove the directories above a key that are empty."""
        with suppress(OSError):  # not empty, or somebody else's work
            for parent in self.path(key).relative_to(self.root).parents[:-1]:
                (self.root / parent).rmdir()

    # reading

    def _open(self, key: str) -> tuple[int, BlobInfo]:
        path = self.path(key)
        try:
            file = os.open(path, os.O_RDONLY | _BINARY)
        except (FileNotFoundError, NotADirectoryError):
            raise BlobNotFound("there is no blob of that key", key=key) from None
        except OSError as error:
            raise _error(error, key) from error
        try:
            return file, _info(key, _regular(os.fstat(file), key))
        except BaseException:
            os.close(file)
            raise

    def get(self, key: str, *, start: int = 0, length: int | None = None, sha256: bytes | None = None) -> BlobReader:
        """See `BlobStore.get`."""
        check_ranges([(start, length or 0)])
        file, info = self._open(key)
        stop = info.size if length is None else min(info.size, start + length)
        return BlobReader(info, file_parts(file, key, start, stop), sha256=sha256, close=Closing(file))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See `BlobStore.get_range`."""
        return self.get_ranges(key, [(start, length)])[0]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See `BlobStore.get_ranges`."""
        check_ranges(ranges)
        file, info = self._open(key)
        try:
            return [
                b"".join(file_parts(file, key, start, min(info.size, start + length), most=max(1, length)))
                for start, length in ranges
            ]
        finally:
            os.close(file)

    def head(self, key: str) -> BlobInfo:
        """See `BlobStore.head`."""
        try:
            return _info(key, _regular(os.stat(self.path(key)), key))
        except (FileNotFoundError, NotADirectoryError):
            raise BlobNotFound("there is no blob of that key", key=key) from None
        except OSError as error:
            raise _error(error, key) from error

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[BlobInfo]:
        """See `BlobStore.list`."""
        return self._walk(check_prefix(prefix), after)

    def _walk(self, below: str, after: str) -> Iterator[BlobInfo]:
        try:
            with os.scandir(self.root / below) as entries:
                found = sorted(
                    (entry.name + "/" * entry.is_dir(follow_symlinks=False), entry)
                    for entry in entries
                    if not entry.name.startswith(".")
                )
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise _error(error, None) from error
        for name, entry in found:
            key = f"{below}/{name}" if below else name
            if name.endswith("/"):
                if key > after or after.startswith(key):
                    yield from self._walk(key[:-1], after)
            elif key > after:
                with suppress(FileNotFoundError):  # removed meanwhile
                    yield _info(key, entry.stat())

    def sign(self, key: str, *, seconds: float, method: str = "GET") -> str:
        """Refused: files have no addresses."""
        raise BlobRefused("files have no addresses to sign", key=check_key(key))

    def close(self) -> None:
        """Remove what is unfinished."""
        self._session.close()


class Closing:
    """Closes a descriptor once: when it is called, or when nobody can call it any more."""

    __slots__ = ("_file",)

    def __init__(self, file: int) -> None:
        self._file = file

    def __call__(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    __del__ = __call__


class _Syncs:
    """Syncs of directories. Whoever asks while one is under way shares the next with all who wait for that."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: set[Path] = set()
        self._wanted: dict[Path, _Round] = {}

    def sync(self, directory: Path) -> None:
        """Make the names in a directory survive a power cut. Raises OSError."""
        with self._changed:
            mine = self._wanted.setdefault(directory, _Round())
            self._changed.wait_for(lambda: mine.done or directory not in self._running)
            if mine.done:
                if mine.error is not None:
                    raise mine.error
                return
            del self._wanted[directory]
            self._running.add(directory)
        try:
            sync_directory(directory)
        except FileNotFoundError:
            pass  # the directory went with its last blob
        except OSError as error:
            mine.error = error
            raise
        finally:
            with self._changed:
                self._running.discard(directory)
                mine.done = True
                self._changed.notify_all()


class _Round:
    """One sync to come."""

    __slots__ = ("done", "error")

    def __init__(self) -> None:
        self.done = False
        self.error: OSError | None = None


def file_parts(file: int, key: str, start: int, stop: int, *, most: int = PIECE) -> Iterator[Buffer]:
    """Read a file, which somebody else closes, from ``start`` to ``stop``."""
    while start < stop:
        try:
            part = _pread(file, min(most, stop - start), start)
        except OSError as error:
            raise _error(error, key) from error
        if not part:
            raise BlobDamaged("the file became shorter while it was read", key=key)
        start += len(part)
        yield part


if sys.platform == "win32":

    def _pread(file: int, size: int, offset: int) -> bytes:
        os.lseek(file, offset, os.SEEK_SET)
        return os.read(file, size)
else:
    _pread = os.pread


def _regular(status: os.stat_result, key: str) -> os.stat_result:
    import stat

    if not stat.S_ISREG(status.st_mode):
        raise BlobNotFound("there is no blob of that key", key=key)
    return status


def _info(key: str, status: os.stat_result) -> BlobInfo:
    version = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    return BlobInfo(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC), version)


def _error(error: OSError, key: str | None) -> BlobError | OutOfSpace:
    found = storage_error(error, "the file system")
    if isinstance(found, OutOfSpace):
        return found
    return (BlobRefused if error.errno in _REFUSED else BlobUnavailable)(str(found), key=key)
