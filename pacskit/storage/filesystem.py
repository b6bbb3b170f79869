"""Objects as files, each visible whole or not at all.

An object is written to ``staging/SESSION/N.POLICY~key``, gets its final name by a hard link, is indexed, and then its
staging name goes. A killed process leaves staging names behind; the next start looks at those alone. An object that
has its final name and is not in the index may have been acknowledged, so it is indexed then; where duplicates are
rejected it goes, as the index decides there before anything is acknowledged. A final name is never overwritten: the
second object of a name gets another (``_`` and a generation).

A session holds a lock on ``staging/SESSION.lock`` for as long as its process lives, so several processes may share a
directory.
"""

from __future__ import annotations

import mmap
import os
import secrets
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO

from pacskit.core.errors import StorageError
from pacskit.storage.base import Adopt, Index
from pacskit.storage.errors import storage_error
from pacskit.storage.layout import MAX_KEY, with_generation
from pacskit.storage.records import Commit, DuplicatePolicy

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, *, wait: bool = False) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int, *, wait: bool = False) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


__all__ = ["FileStore", "FileWriter"]

SPILL = 1 << 16  # bytes of an object kept in memory before its file is begun
HEAD = 1 << 15  # bytes; holds the attributes before the pixels of most objects
_SPARES = 32  # staging files made ahead
_POLICIES = {"ign": DuplicatePolicy.IGNORE, "rep": DuplicatePolicy.REPLACE}  # in a staging name, after the number
_MARK = "~"  # stands in a staging name before the key, and for "/" in it


class FileStore:
    """A blob store in a directory of a local file system."""

    def __init__(self, directory: str | os.PathLike[str], *, commit: Commit = "os", spill: int = SPILL) -> None:
        self.root = Path(directory) / "objects"
        self.staging = Path(directory) / "staging"
        self.durable = commit == "object"
        self.spill = spill
        self._numbers = count(1)
        self._spares: list[str] = []
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.staging.mkdir(exist_ok=True)
            if self.durable:
                for made in (self.root.parent.parent, self.root.parent):
                    sync_directory(made)
            self.session, self._lock = self._begin_session()
        except OSError as error:
            raise storage_error(error, "opening the blob store") from error
        self.own = self.staging / self.session

    def _begin_session(self) -> tuple[str, int]:
        while True:
            session = secrets.token_hex(4)
            path = self.staging / f"{session}.lock"
            try:
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            except FileExistsError:
                continue
            try:
                _lock(descriptor)
            except OSError:  # someone who recovers was faster
                os.close(descriptor)
                continue
            (self.staging / session).mkdir()
            return session, descriptor

    def create(self, policy: DuplicatePolicy = DuplicatePolicy.IGNORE) -> FileWriter:
        """Begin an object; ``policy`` is what becomes of it where it is there already."""
        return FileWriter(self, f"{next(self._numbers):x}", policy)

    def prepare(self) -> None:
        """Make a staging file for an object to come, at a time when nobody waits for it."""
        if len(self._spares) < _SPARES:
            with suppress(OSError):  # whoever needs one makes one, and says what is wrong
                descriptor, path = self._make(f"{next(self._numbers):x}")
                os.close(descriptor)
                self._spares.append(path)

    def take(self, name: str) -> tuple[int, str]:
        """Return the descriptor and the path of an empty staging file: a prepared one, or one called ``name``."""
        try:
            path = self._spares.pop()
        except IndexError:
            return self._make(name)
        return os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0)), path

    def _make(self, name: str) -> tuple[int, str]:
        path = f"{self.own}/{name}"
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o640), path

    def path(self, key: str) -> Path:
        """Return the file of an object."""
        return self.root / key

    def open(self, key: str) -> IO[bytes]:
        """Open an object for reading, unbuffered."""
        return open(self.root / key, "rb", buffering=0)

    def size(self, key: str) -> int | None:
        """Return the size of an object, None where there is none."""
        try:
            return os.stat(f"{self.root}/{key}").st_size
        except FileNotFoundError:
            return None

    def remove(self, keys: Collection[str]) -> None:
        """Remove objects that nothing refers to, and the directories they leave empty."""
        for key in keys:
            path = self.root / key
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise storage_error(error, "removing an object") from error
            with suppress(OSError):  # not empty, or somebody else's work
                for parent in path.relative_to(self.root).parents[:-1]:
                    (self.root / parent).rmdir()

    def iter_keys(self) -> Iterator[str]:
        """Iterate over all objects there are."""
        for directory, _, names in os.walk(self.root):
            below = Path(directory).relative_to(self.root)
            for name in names:
                yield (below / name).as_posix()

    @contextmanager
    def dead(self, session: str, *, wait: bool = False) -> Iterator[bool]:
        """Hold the lock of a session whose process is gone; False where it is not, or others see to it already.

        With ``wait`` it is known to be gone, and whoever else sees to it is waited for.
        """
        descriptor = -1
        try:
            try:
                descriptor = os.open(self.staging / f"{session}.lock", os.O_RDWR)
                _lock(descriptor, wait=wait)
            except OSError:
                yield False
            else:
                yield True
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def recover(self, index: Index, adopt: Adopt) -> int:
        """Settle what sessions that died have left behind; return how many objects were in flight.

        ``adopt`` indexes an object that may have been acknowledged, and says whether it stays: None for not known yet.
        """
        sessions = sorted(path.stem for path in self.staging.glob("*.lock"))
        return sum(self.recover_session(one, index, adopt) for one in sessions if one != self.session)

    def recover_session(self, session: str, index: Index, adopt: Adopt, *, wait: bool = False) -> int:
        """Settle what one session has left behind, as `recover` does; nothing while its process lives."""
        found = 0
        try:
            with self.dead(session, wait=wait) as is_dead:
                if not is_dead:
                    return 0
                directory = self.staging / session
                for path in sorted(directory.glob("*"), key=_age):
                    found += path.stat().st_size > 0  # those made ahead are empty
                    self._resolve(path, index, adopt)
                gone = index.retired(session)
                self.remove([key for key in gone if self._alone(key) and not index.has_key(key)])
                index.forget_retired(gone)
                for turn in self.staging.glob(f"{session}.*.*"):  # see `pacskit.storage.turns`
                    turn.unlink()
                with suppress(OSError):  # not empty: the next start has another look
                    directory.rmdir()
                if not directory.exists():
                    (self.staging / f"{session}.lock").unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, "recovering the staging area") from error
        return found

    def _alone(self, key: str) -> bool:
        """Whether a file has no staging name: one that has is a living session's, under a name used again."""
        try:
            return (self.root / key).stat().st_nlink == 1
        except FileNotFoundError:
            return False

    def _resolve(self, path: Path, index: Index, adopt: Adopt) -> None:
        number, mark, name = path.name.partition(_MARK)
        if mark and path.stat().st_nlink > 1:
            key = name.replace(_MARK, "/")
            final = self.root / key
            if final.exists() and final.samefile(path) and not index.has_key(key):
                policy = _POLICIES.get(number.partition(".")[2], DuplicatePolicy.REJECT)
                deleted = policy is DuplicatePolicy.REJECT or index.is_retired(key)
                stays = not deleted and adopt(key, policy)
                if stays is None:
                    return
                if not stays:
                    self.remove([key])
        path.unlink()

    def close(self) -> None:
        """End the session."""
        if self._lock >= 0:
            while self._spares:
                os.unlink(self._spares.pop())
            with suppress(OSError):
                self.own.rmdir()
                (self.staging / f"{self.session}.lock").unlink()
            os.close(self._lock)
            self._lock = -1


def _age(path: Path) -> int:
    """The number in a staging name: of two versions of an object, the later one has to be indexed last."""
    number = path.name.partition(_MARK)[0].partition(".")[0]
    try:
        return int(number, 16)
    except ValueError:
        return 0


class FileWriter:
    """One object on its way into a :class:`FileStore`."""

    def __init__(self, store: FileStore, number: str, policy: DuplicatePolicy) -> None:
        self.size = 0
        self._store = store
        self._number = number
        self._policy = policy[:3]
        self._intended = number  # the staging name, once there is a file
        self._memory: bytearray | None = bytearray()
        self._file = -1
        self._staged: str | None = None  # paths as text: making Path objects costs as much as the calls themselves
        self._final: str | None = None  # the key, once it is a name

    def intend(self, key: str) -> None:
        """Say which final name is wanted, before anything has gone to a file; saves renaming the staging file."""
        if self._file < 0 and len(key) <= MAX_KEY and _MARK not in key:
            self._intended = self._staging_name(key)

    def _staging_name(self, key: str) -> str:
        return f"{self._number}.{self._policy}{_MARK}{key.replace('/', _MARK)}"

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes."""
        length = data.nbytes if isinstance(data, memoryview) else len(data)
        if self._memory is not None:
            if self.size + length <= self._store.spill:
                self._memory += data
                self.size += length
                return
            self._begin_file(self._intended)
            spilled, self._memory = self._memory, None
            self._append(spilled)
        self._append(data)
        self.size += length

    def _begin_file(self, name: str) -> None:
        try:
            self._file, self._staged = self._store.take(name)
            if name == self._intended and name != self._number:
                self._rename(name)
        except OSError as error:
            raise storage_error(error, "beginning an object") from error

    def _append(self, data: bytes | bytearray | memoryview) -> None:
        with memoryview(data) as whole, whole.cast("B") as rest:
            written = 0
            try:
                while written < len(rest):
                    written += os.write(self._file, rest[written:])
            except OSError as error:
                raise storage_error(error, "writing an object") from error

    @property
    def descriptor(self) -> int:
        """The file once there is one, to be written at its end; -1 while the object is in memory."""
        return self._file if self._memory is None else -1

    def head(self) -> bytes | None:
        """The first bytes of an object that has gone to a file; None while it is in memory."""
        return None if self._file < 0 else os.pread(self._file, HEAD, 0)

    def view(self) -> _View:
        """Look at what has been written."""
        return _View(self._memory, self._file, self.size)

    def commit(self, key: str) -> str:
        """Give the object a final name, ``key`` or the next free one; return it."""
        if len(key) > MAX_KEY or _MARK in key:
            raise StorageError(f"a key of {len(key)} characters does not fit")
        try:
            self._stage(key)
            wanted, generation = key, 0
            while not self._link(key):
                generation += 1
                key = with_generation(wanted, f"{self._store.session}{self._number}{'x' * (generation - 1)}")
                self._stage(key)
        except OSError as error:
            raise storage_error(error, "naming an object") from error
        return key

    def _stage(self, key: str) -> None:
        """Make the staging name say where the object is going."""
        name = self._staging_name(key)
        if self._memory is not None:
            self._begin_file(name)
            memory, self._memory = self._memory, None
            self._append(memory)
        self._rename(name)
        if self._file >= 0:
            if self._store.durable:
                os.fdatasync(self._file) if hasattr(os, "fdatasync") else os.fsync(self._file)
            os.close(self._file)
            self._file = -1

    def _rename(self, name: str) -> None:
        if self._staged is not None and self._staged != (path := f"{self._store.own}/{name}"):
            os.rename(self._staged, path)
            self._staged = path

    def _link(self, key: str) -> bool:
        final = f"{self._store.root}/{key}"
        if self._staged is None:
            raise StorageError("the object has been settled or aborted")
        while True:
            try:
                os.link(self._staged, final)
            except FileExistsError:
                return False
            except FileNotFoundError:  # the directory is not there, or was removed meanwhile
                if not os.path.exists(self._staged):
                    raise
                self._make_directory(Path(final).parent)
                continue
            break
        self._final = key
        if self._store.durable:
            sync_directory(Path(final).parent)
        return True

    def _make_directory(self, directory: Path) -> None:
        missing = [directory]
        while not missing[-1].parent.exists():
            missing.append(missing[-1].parent)
        for one in reversed(missing):
            with suppress(FileExistsError, FileNotFoundError):  # others make and remove directories too: link says
                one.mkdir()
                if self._store.durable:
                    sync_directory(one.parent)

    def settle(self) -> None:
        """Keep the object: the index knows it now."""
        if self._staged is not None:
            with suppress(OSError):  # the next start does it
                os.unlink(self._staged)
            self._staged = self._final = None

    def leave(self) -> None:
        """Let the object lie as it is, with both its names, for the next start."""
        self._staged = self._final = None

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._final is not None:
            self._store.remove([self._final])
        if self._staged is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._staged)
        self._memory, self._staged, self._final = None, None, None


class _View:
    """The bytes of an object in staging, mapped where they are in a file."""

    def __init__(self, memory: bytearray | None, descriptor: int, size: int) -> None:
        self._memory = memory
        self._descriptor = descriptor
        self._size = size
        self._map: mmap.mmap | None = None
        self._view: memoryview | None = None

    def __enter__(self) -> memoryview:
        if self._memory is not None:
            self._view = memoryview(self._memory).toreadonly()
        else:
            self._map = mmap.mmap(self._descriptor, self._size, access=mmap.ACCESS_READ)
            self._view = memoryview(self._map)
        return self._view

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # a data set may still look at the bytes: its views keep them alive, and they go when it goes
        with suppress(BufferError):
            if self._view is not None:
                self._view.release()
            if self._map is not None:
                self._map.close()


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
