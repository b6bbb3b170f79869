"""Objects as files, each visible whole or not at all.

An object is written to ``staging/SESSION/N`` and renamed to ``N.POLICY~key`` when it is whole, gets its final name by a
hard link, is indexed, and then its staging name goes. A killed process leaves staging names behind; the next start
looks at those alone. An object that is whole and is not in the index may have been acknowledged, so it is named and
indexed then; where duplicates are rejected it goes, as the index decides there before anything is acknowledged. A final
name is never overwritten: the second object of a name gets another (``_`` and a generation).

A session holds a lock on ``staging/SESSION.lock`` for as long as its process lives, so several processes may share a
directory.
"""

from __future__ import annotations

import mmap
import os
import secrets
import sys
from collections.abc import Callable, Collection, Iterator
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
_gather = getattr(os, "writev", lambda descriptor, parts: 0)
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
        return self.spare() or self._make(name)

    def spare(self) -> tuple[int, str] | None:
        """Return a prepared staging file as `take` does; None where there is none."""
        try:
            path = self._spares.pop()
        except IndexError:
            return None
        return os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0)), path

    def give_back(self, path: str) -> None:
        """Keep an empty staging file for the next object."""
        self._spares.append(path)

    def place(self, staged: str, key: str, is_there: Callable[[], bool] = lambda: False) -> tuple[str, str | None]:
        """Give a whole object its final name, ``key`` or the next free one; return its staging name and that key.

        No key, and no name, where ``key`` is taken and ``is_there`` says that this is the object. Raises OSError.
        """
        own, _, name = staged.rpartition("/")
        number, _, _ = name.partition(_MARK)
        wanted, generation = key, 0
        while not self._link(staged, key):
            if not generation and is_there():
                return staged, None
            generation += 1
            key = with_generation(wanted, f"{own.rpartition('/')[2]}{number.partition('.')[0]}{'x' * (generation - 1)}")
            renamed = f"{own}/{_staging_name(number, key)}"  # first: the next start goes by what it says
            os.rename(staged, renamed)
            staged = renamed
        return staged, key

    def _link(self, staged: str, key: str) -> bool:
        final = f"{self.root}/{key}"
        while True:
            try:
                os.link(staged, final)
            except FileExistsError:
                return False
            except FileNotFoundError:  # the directory is not there, or was removed meanwhile
                if not os.path.exists(staged):
                    raise
                self._make_directory(Path(final).parent)
                continue
            break
        if self.durable:
            sync_directory(Path(final).parent)
        return True

    def _make_directory(self, directory: Path) -> None:
        missing = [directory]
        while not missing[-1].parent.exists():
            missing.append(missing[-1].parent)
        for one in reversed(missing):
            with suppress(FileExistsError, FileNotFoundError):  # others make and remove directories too: link says
                one.mkdir()
                if self.durable:
                    sync_directory(one.parent)

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

    def iter_keys(self, after: str = "") -> Iterator[str]:
        """Iterate over all objects there are, by their paths; with ``after`` those behind that one."""
        return self._walk("", after)

    def _walk(self, below: str, after: str) -> Iterator[str]:
        try:
            with os.scandir(self.root / below) as entries:
                found = sorted(entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in entries)
        except FileNotFoundError:  # removed meanwhile
            return
        except OSError as error:
            raise storage_error(error, "listing objects") from error
        for name in found:
            key = below + name
            if not name.endswith("/"):
                if key > after:
                    yield key
            elif key > after or after.startswith(key):
                yield from self._walk(key, after)

    def in_flight(self, keys: Collection[str]) -> set[str]:
        """Return those keys that objects have which living sessions have not settled: their rows may be to come."""
        wanted, found = set(keys), set[str]()
        for directory in self.staging.iterdir() if wanted else ():
            try:
                names = os.listdir(directory)
            except (FileNotFoundError, NotADirectoryError):  # a session that has ended, or what is no session
                continue
            its = wanted.intersection(name.partition(_MARK)[2].replace(_MARK, "/") for name in names)
            if its:
                with self.dead(directory.name) as is_dead:
                    found |= set() if is_dead else its
        return found

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
                staged = self.in_flight(gone)  # a name used again is a living session's
                self.remove([key for key in gone if key not in staged and not index.has_key(key)])
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

    def _resolve(self, path: Path, index: Index, adopt: Adopt) -> None:
        number, mark, name = path.name.partition(_MARK)
        policy = _POLICIES.get(number.partition(".")[2], DuplicatePolicy.REJECT)
        if mark and policy is not DuplicatePolicy.REJECT:
            key: str | None = name.replace(_MARK, "/")
            if path.stat().st_nlink == 1:
                staged, key = self.place(str(path), str(key))
                path = Path(staged)
            if key is not None and not self._settled(path, key, index) and not index.is_retired(key):
                stays = adopt(key, policy)
                if stays is None:
                    return
                if not stays:
                    self.remove([key])
        elif mark and path.stat().st_nlink > 1:
            key = name.replace(_MARK, "/")
            if not self._settled(path, key, index):
                self.remove([key])
        path.unlink()

    def _settled(self, path: Path, key: str, index: Index) -> bool:
        """Whether the object of a staging name is in the index, or its final name is none of its own."""
        final = self.root / key
        return not (final.exists() and final.samefile(path)) or index.has_key(key)

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


def _staging_name(number: str, key: str) -> str:
    """The staging name of a whole object; ``number`` has its policy."""
    return f"{number}{_MARK}{key.replace('/', _MARK)}"


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
        self._memory: bytearray | None = bytearray()  # None once there are bytes in the file
        self._file = -1
        self._staged: str | None = None  # paths as text: making Path objects costs as much as the calls themselves
        with suppress(OSError):  # whoever needs a file takes one, and says what is wrong
            if (prepared := store.spare()) is not None:  # opened now, while the first bytes are still on their way
                self._file, self._staged = prepared
        self._wanted = ""  # the key that is to be its name
        self._final: str | None = None  # the key, once it is a name

    def write(self, data: bytes | bytearray | memoryview, *, more: int = 0) -> None:
        """Append bytes; ``more`` says how many will follow, as far as that is known."""
        length = data.nbytes if isinstance(data, memoryview) else len(data)
        if self._memory is not None:
            if self.size + length + more <= self._store.spill:
                self._memory += data
                self.size += length
                return
            self._begin_file()
            spilled, self._memory = self._memory, None
            self._append(spilled, data)
        else:
            self._append(data)
        self.size += length

    def _begin_file(self) -> None:
        if self._file < 0:
            try:
                self._file, self._staged = self._store.take(self._number)
            except OSError as error:
                raise storage_error(error, "beginning an object") from error

    def _append(self, *parts: bytes | bytearray | memoryview) -> None:
        try:
            written = _gather(self._file, parts)
            for part in parts:
                with memoryview(part) as whole, whole.cast("B") as rest:
                    at = min(written, len(rest))
                    written -= at
                    while at < len(rest):
                        at += os.write(self._file, rest[at:])
        except OSError as error:
            raise storage_error(error, "writing an object") from error

    @property
    def descriptor(self) -> int:
        """The file once there is one, to be written at its end; -1 while the object is in memory."""
        return self._file if self._memory is None else -1

    def head(self) -> bytes | None:
        """The first bytes of an object that has gone to a file; None while it is in memory."""
        return None if self._memory is not None else os.pread(self._file, HEAD, 0)

    def view(self) -> _View:
        """Look at what has been written."""
        return _View(self._memory, self._file, self.size)

    def finish(self, key: str) -> None:
        """Nothing more is to be written, and ``key`` is wanted as its name: from now on it outlives the process."""
        if len(key) > MAX_KEY or _MARK in key:
            raise StorageError(f"a key of {len(key)} characters does not fit")
        name = _staging_name(f"{self._number}.{self._policy}", key)
        if self._memory is not None:
            self._begin_file()
            memory, self._memory = self._memory, None
            self._append(memory)
        try:
            if self._store.durable:
                os.fdatasync(self._file) if hasattr(os, "fdatasync") else os.fsync(self._file)
            os.close(self._file)
            self._file = -1
            self._mark(f"{self._store.own}/{name}")
        except OSError as error:
            raise storage_error(error, "finishing an object") from error
        self._wanted = key

    def _mark(self, whole: str) -> None:
        if self._staged is None:
            raise StorageError("the object has been settled or aborted")
        os.rename(self._staged, whole)
        self._staged = whole

    def place(self, is_there: Callable[[], bool] = lambda: False) -> str | None:
        """Give the object that is finished its final name, if it has none; return it. As `FileStore.place`."""
        if self._final is None:
            if self._staged is None:
                raise StorageError("the object has been settled or aborted")
            try:
                self._staged, self._final = self._store.place(self._staged, self._wanted, is_there)
            except OSError as error:
                raise storage_error(error, "naming an object") from error
        return self._final

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
        if self._staged is not None and self._memory is not None:
            self._store.give_back(self._staged)
        elif self._staged is not None:
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
