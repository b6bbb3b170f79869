"""The index made anew from the objects.

It comes into a file beside the old one and takes its place at the end, or into an empty database. What the old index
says and no object does is taken over where the old one can still be read: records, tombstones, digests, when an object
came. Of several objects of one instance the old index knows which one counts; else it is the newest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pacskit.core.config import ReadOptions
from pacskit.core.errors import PacsError, StorageError
from pacskit.storage.errors import storage_error
from pacskit.storage.filesystem import FileStore, sync_directory
from pacskit.storage.index import open_index
from pacskit.storage.index.checking import known_keys
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.sqlite import SQLiteIndex
from pacskit.storage.index.writing import Offered, Transaction
from pacskit.storage.oldindex import OldIndex, Remembered
from pacskit.storage.parallel import batched, in_order, workers_for
from pacskit.storage.reading import moment, read_instance
from pacskit.storage.records import DuplicatePolicy, NewInstance, Outcome
from pacskit.storage.tasks import Journal

__all__ = ["Rebuild", "RebuildReport", "Unindexed"]

_PIECE: Final = 64  # objects that a thread reads before it hands them over
_TOGETHER: Final = 8  # pieces in one transaction
_KEYS: Final = 512
_NEW: Final = ".rebuild"
_OLD: Final = ".old"

Progress = Callable[[int, "int | None", int], object]


@dataclass(frozen=True, slots=True)
class Unindexed:
    """An object that is not in the new index. ``kind``: ``damaged``, ``superseded`` or ``removed`` (a tombstone)."""

    kind: str
    key: str
    reason: str


@dataclass(slots=True)
class RebuildReport:
    """What a rebuild has done."""

    objects: int = 0
    indexed: int = 0
    bytes: int = 0
    resumed: bool = False
    old_index: str = "there was none"
    left_out: list[Unindexed] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Read:
    """An object that has been read, or why not."""

    key: str
    size: int
    modified: float
    new: NewInstance | None
    reason: str = ""


class Rebuild:
    """A rebuild of the index of the archive in ``directory``; no server may run on it meanwhile.

    Parameters
    ----------
    index
        Where the new index goes, as for `Store`: a file, which is replaced, or a database, which must be empty.
    digest
        Whether to keep the SHA-256 of data sets of which the old index has none.
    workers
        Threads that read.
    restart
        Begin anew, and not where an earlier run was broken off.
    progress
        Called with the number of objects done, None, and bytes read since the last call.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        index: str | None = None,
        digest: bool = True,
        workers: int | None = None,
        restart: bool = False,
        options: ReadOptions | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._directory = Path(directory)
        if not (self._directory / "objects").is_dir():
            raise StorageError("there is no archive in this directory")
        self._url = index
        self._digest = digest
        self._workers = workers_for(workers)
        self._restart = restart
        self._options = options or ReadOptions()
        self._progress = progress or (lambda done, total, size: None)
        self._path = self._directory / "index.sqlite"
        self.report = RebuildReport()

    def run(self) -> RebuildReport:
        """Do it. Raises StorageError."""
        with closing(FileStore(self._directory)) as blobs:
            _be_alone(blobs)
            with closing(OldIndex(self._path)) as old:
                self.report.old_index = old.state
                index = self._open()
                with closing(index):
                    journal = Journal(index, "rebuild")
                    self._begin(journal)
                    self._fill(index, blobs, old, journal)
                    old.copy_into(index)
                    journal.end()
                    _be_alone(blobs)
            if self._url is None:
                self._replace()
        return self.report

    def _open(self) -> SqlIndex:
        """Open the new index: the one that an earlier run was broken off at, or an empty one."""
        if self._url is not None:
            index = open_index(self._url)
            if index.counts().instances and not Journal(index, "rebuild").resume():
                index.close()
                raise StorageError("the index is not empty: a rebuild goes into an empty database, or replaces a file")
            return index
        new = Path(f"{self._path}{_NEW}")
        if not self._restart and new.exists():
            index = SQLiteIndex(new)
            if Journal(index, "rebuild").resume():
                return index
            index.close()
        _unlink(new)
        return SQLiteIndex(new)

    def _begin(self, journal: Journal) -> None:
        self.report.resumed = journal.resume()
        self.report.objects, self.report.bytes = journal.task.done, journal.task.size
        self.report.left_out = [Unindexed(**dict(one)) for one in journal.task.found]
        journal.note(now=True)

    # reading

    def _fill(self, index: SqlIndex, blobs: FileStore, old: OldIndex, journal: Journal) -> None:
        def read(keys: list[str]) -> list[_Read]:
            remembered = old.remembered(keys)
            return [self._read(blobs, key, remembered.get(key)) for key in keys if not old.is_retired(key)]

        first = batched(blobs.iter_keys(journal.task.cursor), _PIECE)
        for pieces in batched(in_order(lambda keys: (keys[-1], read(keys)), first, self._workers), _TOGETHER):
            self._index(index, [one for _, piece in pieces for one in piece], old, journal, pieces[-1][0])
        # whoever began to store before this did has his objects somewhere in the order of names
        for keys in batched(self._unknown(index, blobs), _KEYS):
            self._index(index, read(keys), old, journal, journal.task.cursor)

    def _unknown(self, index: SqlIndex, blobs: FileStore) -> Iterator[str]:
        left_out = {one.key for one in self.report.left_out}
        for keys in batched(blobs.iter_keys(), _KEYS):
            with index.reader() as connection:
                known = known_keys(connection, keys)
            yield from (key for key in keys if key not in known and key not in left_out)

    def _read(self, blobs: FileStore, key: str, remembered: Remembered | None) -> _Read:
        size, modified = 0, 0.0
        try:
            with blobs.open(key) as file:
                status = os.fstat(file.fileno())
                size, modified = status.st_size, status.st_mtime
                received = moment(modified) if remembered is None else remembered.received
                known = None if remembered is None else remembered.sha256
                digest = self._digest and known is None
                new = read_instance(file, key, size, digest=digest, received=received, options=self._options)
        except PacsError as error:
            return _Read(key, size, modified, None, f"{type(error).__name__}: {error}")
        except OSError as error:
            return _Read(key, size, modified, None, str(storage_error(error, "reading")))
        return _Read(key, size, modified, new if known is None else replace(new, sha256=known))

    # writing

    def _index(self, index: SqlIndex, read: list[_Read], old: OldIndex, journal: Journal, cursor: str) -> None:
        report = self.report
        for one in read:
            if one.new is None:
                report.left_out.append(Unindexed("damaged", one.key, one.reason))
        parsed = [one for one in read if one.new is not None]
        offered: list[Offered] = [(one.new, DuplicatePolicy.IGNORE) for one in parsed if one.new is not None]
        size = sum(one.size for one in read)

        def work(batch: Transaction) -> list[Any]:
            results = batch.ingest(offered, "")
            journal.note(batch=batch, cursor=cursor, done=report.objects + len(read), size=report.bytes + size)
            return results

        results = index.run(work)
        report.objects, report.bytes = report.objects + len(read), report.bytes + size
        for one, (outcome, _) in zip(parsed, results, strict=True):
            if outcome is Outcome.STORED:
                report.indexed += 1
            elif one.new is not None:
                self._decide(index, one, one.new, old)
        if len(parsed) != len(read) or report.left_out:
            journal.note(found=tuple({"kind": each.kind, "key": each.key, "reason": each.reason}
                                     for each in report.left_out))  # fmt: skip
        self._progress(report.objects, None, size)

    def _decide(self, index: SqlIndex, one: _Read, new: NewInstance, old: OldIndex) -> None:
        """Two objects are of one instance: have the right one in the index."""
        other = index.get(new.sop_instance_uid)
        if other is None or other.key == one.key:
            return
        loser = one.key
        if self._rank(one.key, old) > self._rank(other.key, old):
            loser = other.key
            index.ingest(new, DuplicatePolicy.REPLACE, session="")
            index.forget_retired([loser])
        self.report.left_out.append(Unindexed("superseded", loser, "a newer object of the same instance is there"))

    def _rank(self, key: str, old: OldIndex) -> tuple[bool, float]:
        with suppress(OSError):
            return old.has_key(key), os.stat(self._directory / "objects" / key).st_mtime
        return False, 0.0

    def _replace(self) -> None:
        """Give the new index the old one's name; the old one stays beside it as ``index.sqlite.old``."""
        new, kept = Path(f"{self._path}{_NEW}"), Path(f"{self._path}{_OLD}")
        try:
            descriptor = os.open(new, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if self._path.exists():
                _unlink(kept)
                os.link(self._path, kept)
                for suffix in ("-wal", "-shm"):  # only of one that could not be read: it is closed in order otherwise
                    with suppress(FileNotFoundError):
                        os.rename(f"{self._path}{suffix}", f"{kept}{suffix}")
            os.replace(new, self._path)
            sync_directory(self._directory)
        except OSError as error:
            raise storage_error(error, "replacing the index") from error


def _unlink(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _be_alone(blobs: FileStore) -> None:
    """Raise StorageError where somebody else has the archive open."""
    for path in blobs.staging.glob("*.lock"):
        if path.stem != blobs.session:
            with blobs.dead(path.stem) as is_dead:
                if not is_dead and path.exists():
                    raise StorageError("another process has this archive open: the index is rebuilt when none has")
