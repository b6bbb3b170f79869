"""Objects as files, each visible whole or not at all.

An object is written to ``staging/SESSION/N`` and renamed to ``N.POLICY~key`` when it is whole, gets its final name by a
hard link, is indexed, and then its staging name goes. A killed process leaves staging names behind; the next start
looks at those alone. An object that is whole and is not in the index may have been acknowledged, so it is named and
indexed then; where duplicates are rejected it goes, as the index decides there before anything is acknowledged. A final
name is never overwritten: the second object of a name gets another (``_`` and a generation).

A session holds a lock on ``staging/SESSION.lock`` for as long as its process lives, so several processes may share a
directory.

**Power cuts.** With ``commit="os"`` nothing is synced. With any other policy a power cut may drop everything that was
not synced, or keep it, in any order, and takes nothing that was acknowledged, because

1. the lock and the directory of a session are synced before its first object: who recovers finds them;
2. bytes are synced before the staging name says that they are whole: such a name never lies;
3. the staging directory is synced before an object is acknowledged, and before it gets its final name: whatever is
   acknowledged has such a name, and so has every final name, until
4. the directories of the final name, up to the root, have been synced, and after that the index transaction: a row has
   its file. Only then the staging name goes. Should it come back, the row says that all is done;
5. an object is removed after its tombstone has been committed; the staging directories of all sessions are synced, so
   that no name of it can come back, then it goes, its directory is synced, and the tombstone goes last.

A staging file may have got a final name that its staging name does not say (the one of another generation): that
follows from its number, and is looked for. Syncs of directories are shared by all who wait for one at that time.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO

from pacskit.storage.base import Adopt, Index
from pacskit.storage.errors import storage_error
from pacskit.storage.filewriter import HEAD, MARK, FileWriter, staging_name
from pacskit.storage.layout import with_generation
from pacskit.storage.records import Commit, DuplicatePolicy
from pacskit.storage.syncing import DirectorySync, sync_directory

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, *, wait: bool = False) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int, *, wait: bool = False) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


__all__ = ["HEAD", "FileStore", "FileWriter"]

SPILL = 1 << 16  # bytes of an object kept in memory before its file is begun
_SPARES = 32  # staging files made ahead
_POLICIES = {"ign": DuplicatePolicy.IGNORE, "rep": DuplicatePolicy.REPLACE}  # in a staging name, after the number


class FileStore:
    """A blob store in a directory of a local file system."""

    def __init__(self, directory: str | os.PathLike[str], *, commit: Commit = "group", spill: int = SPILL) -> None:
        self.root = Path(directory) / "objects"
        self.staging = Path(directory) / "staging"
        self.commit: Commit = commit
        self.syncs = commit != "os"
        self.spill = spill
        self._numbers = count(1)
        self._spares: list[str] = []
        self._removed: set[str] = set()  # keys that may have tombstones
        self._staged, self._named = DirectorySync(), DirectorySync()
        new = [one for one in (self.staging, self.root, *self.root.parents) if not one.exists()]
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.staging.mkdir(exist_ok=True)
            self.session, self._lock = self._begin_session()
            if self.syncs:
                for one in {self.staging, self.root.parent, self.root.parent.parent, *(one.parent for one in new)}:
                    sync_directory(one)
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
        number, _, _ = name.partition(MARK)
        wanted, generation = key, 0
        while key in self._removed or not self._link(staged, key):
            if not generation and is_there():
                return staged, None
            generation += 1
            key = self._generation(wanted, own.rpartition("/")[2], number, generation)
            renamed = f"{own}/{staging_name(number, key)}"  # first: the next start goes by what it says
            os.rename(staged, renamed)
            staged = renamed
        return staged, key

    def sync_staged(self) -> None:
        """Make this session's staging names as safe as the policy wants. Raises OSError."""
        if self.syncs:
            self._staged.run([f"{self.own}"])

    def sync_names(self, keys: Iterable[str]) -> None:
        """Make final names as safe as the policy wants: before the index names them."""
        if self.syncs:
            try:
                self._named.run({above for key in keys for above in self._above(key)})
            except OSError as error:
                raise storage_error(error, "naming objects") from error

    def _above(self, key: str) -> Iterator[str]:
        """The directories of a key; others may have made them, and not synced them yet."""
        name = f"{self.root}/{key}"
        for _ in range(key.count("/") + 1):
            name = name[: name.rindex("/")]
            yield name

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
        if key in self._removed:
            os.unlink(final)
            return False
        return True

    def _make_directory(self, directory: Path) -> None:
        missing = [directory]
        while not missing[-1].parent.exists():
            missing.append(missing[-1].parent)
        for one in reversed(missing):
            with suppress(FileExistsError, FileNotFoundError):  # others make and remove directories too: link says
                one.mkdir()

    def _make(self, name: str) -> tuple[int, str]:
        path = f"{self.own}/{name}"
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o640), path

    def path(self, key: str) -> Path:
        """Return the file of an object."""
        return self.root / key

    def open(self, key: str, size: int, *, whole: bool = False) -> IO[bytes]:
        """Open an object for reading, unbuffered."""
        return open(self.root / key, "rb", buffering=0)

    def source(self, key: str, size: int | None = None) -> Path:
        """What `pacskit.dcmread` reads of an object."""
        return self.root / key

    def may_have(self, key: str) -> bool:
        """Whether there is an object of that name, most likely the one that would have it."""
        return self.size(key) is not None

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return several ranges, each ``(start, length)``; fewer bytes only where the object ends."""
        with self.open(key, 0) as file:
            return [os.pread(file.fileno(), length, start) for start, length in ranges]

    def size(self, key: str) -> int | None:
        """Return the size of an object, None where there is none."""
        try:
            return os.stat(f"{self.root}/{key}").st_size
        except FileNotFoundError:
            return None

    def modified(self, key: str) -> float | None:
        """Return when an object was written, in seconds of the epoch; None where there is none."""
        try:
            return os.stat(f"{self.root}/{key}").st_mtime
        except FileNotFoundError:
            return None

    def remove(self, keys: Collection[str]) -> None:
        """Remove objects that have tombstones and no staging names, and the directories they leave empty.

        Nothing gets their names here until `release`: it would be taken for what has been removed.
        """
        if not keys:
            return
        self._removed.update(keys)
        if self.syncs:
            try:
                self._staged.run([one.path for one in os.scandir(self.staging) if one.is_dir()])
            except OSError as error:
                raise storage_error(error, "removing an object") from error
        self.drop(keys)

    def release(self, keys: Iterable[str]) -> None:
        """Let the names of removed objects be used again: their tombstones are gone."""
        self._removed.difference_update(keys)

    def drop(self, keys: Collection[str]) -> None:
        """Remove objects that the index does not know, and the directories they leave empty."""
        paths = [self.root / key for key in keys]
        try:
            for path in paths:
                path.unlink(missing_ok=True)
            if self.syncs:
                self._named.run({str(path.parent) for path in paths})
        except OSError as error:
            raise storage_error(error, "removing an object") from error
        for path in paths:
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
            its = wanted.intersection(name.partition(MARK)[2].replace(MARK, "/") for name in names)
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
                # without a lock, something of a session is left by a power cut alone: it goes before its lock does
                descriptor = os.open(self.staging / f"{session}.lock", os.O_CREAT | os.O_RDWR, 0o600)
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
        sessions = sorted({path.name.partition(".")[0] for path in self.staging.iterdir()})
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
                if self.syncs:
                    self._staged.run([f"{directory}"])
                index.forget_retired(gone)
                self.release(gone)
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
        number, mark, name = path.name.partition(MARK)
        policy = _POLICIES.get(number.partition(".")[2], DuplicatePolicy.REJECT)
        key = self._final_of(path, number, name.replace(MARK, "/")) if mark else None
        if mark and policy is not DuplicatePolicy.REJECT:
            is_retired = key is not None and index.is_retired(key)
            if key is None:
                staged, key = self.place(str(path), name.replace(MARK, "/"))
                path = Path(staged)
            if key is not None and not index.has_key(key) and not is_retired:
                stays = adopt(key, policy)
                if stays is None:
                    return
                if not stays:
                    self.drop([key])
        elif key is not None and not index.has_key(key):
            self.drop([key])
        path.unlink()

    def _final_of(self, path: Path, number: str, key: str) -> str | None:
        """The final name that a staging file has, ``key`` or that of a generation; None where it has none."""
        if path.stat().st_nlink == 1:
            return None
        tries = 0
        wanted = key
        while True:
            final = self.root / key
            if final.exists() and final.samefile(path):
                return key
            if tries and not final.exists():
                return None
            tries += 1
            key = self._generation(wanted, path.parent.name, number, tries)

    @staticmethod
    def _generation(key: str, session: str, number: str, generation: int) -> str:
        return with_generation(key, f"{session}{number.partition('.')[0]}{'x' * (generation - 1)}")

    def close(self) -> None:
        """End the session."""
        if self._lock >= 0:
            while self._spares:
                os.unlink(self._spares.pop())
            with suppress(OSError):
                if self.syncs:  # or names that are gone come back with the directory, and nobody looks at them
                    sync_directory(self.own)
                self.own.rmdir()
                (self.staging / f"{self.session}.lock").unlink()
            os.close(self._lock)
            self._lock = -1


def _age(path: Path) -> int:
    """The number in a staging name: of two versions of an object, the later one has to be indexed last."""
    number = path.name.partition(MARK)[0].partition(".")[0]
    try:
        return int(number, 16)
    except ValueError:
        return 0
