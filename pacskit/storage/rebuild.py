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
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.config import ReadOptions
from pacskit.core.errors import PacsError, StorageError
from pacskit.storage.base import ObjectFiles
from pacskit.storage.blobs.errors import BlobUnavailable
from pacskit.storage.errors import storage_error
from pacskit.storage.filesystem import FileStore
from pacskit.storage.index import open_index
from pacskit.storage.index.checking import known_keys
from pacskit.storage.index.removing import Removal
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.sqlite import SQLiteIndex
from pacskit.storage.index.writing import Offered, Transaction
from pacskit.storage.objects import open_objects
from pacskit.storage.oldindex import OldIndex, Remembered
from pacskit.storage.parallel import batched, in_order, workers_for
from pacskit.storage.reading import describe_object, moment
from pacskit.storage.records import DuplicatePolicy, NewInstance, Outcome
from pacskit.storage.syncing import sync_directory
from pacskit.storage.tasks import Journal

if TYPE_CHECKING:
    from pacskit.storage.blobs.base import BlobStore
    from pacskit.storage.blobs.options import StoreOptions

__all__ = ["Rebuild", "RebuildReport", "Unindexed"]

_PIECE: Final = 64  # objects that a thread reads before it hands them over
_TOGETHER: Final = 8  # pieces in one transaction
_KEYS: Final = 512
_GRACE: Final = 7 * 86400.0  # seconds until what an expired retention has hidden goes
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
    new: NewInstance | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Work:
    """What a run works with."""

    index: SqlIndex
    blobs: ObjectFiles
    old: OldIndex
    journal: Journal


class Rebuild:
    """A rebuild of the index of the archive in ``directory``; no server may run on it meanwhile.

    Parameters
    ----------
    index
        Where the new index goes, as for `Store`: a file, which is replaced, or a database, which must be empty.
    blobs, blob_options
        Where the objects are, if not in the directory, as for `Store`.
    digest
        Whether to keep the SHA-256 of data sets of which the old index has none.
    workers
        Threads that read.
    restart
        Begin anew, and not where an earlier run was broken off.
    progress
        Called with the number of objects done, None, and bytes read since the last call.
    """

    def __init__(  # noqa: PLR0913 - keyword-only options
        self,
        directory: str | os.PathLike[str],
        *,
        index: str | None = None,
        blobs: str | BlobStore | None = None,
        blob_options: StoreOptions | None = None,
        digest: bool = True,
        workers: int | None = None,
        restart: bool = False,
        options: ReadOptions | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._directory = Path(directory)
        if blobs is None and not (self._directory / "objects").is_dir():
            raise StorageError("there is no archive in this directory")
        self._url = index
        self._blobs, self._blob_options = blobs, blob_options
        self._digest = digest
        self._workers = workers_for(workers)
        self._restart = restart
        self._options = options or ReadOptions()
        self._progress = progress or (lambda done, total, size: None)
        self._path = self._directory / "index.sqlite"
        self.report = RebuildReport()

    def run(self) -> RebuildReport:
        """Do it. Raises StorageError."""
        with closing(self._objects()) as blobs:
            _be_alone(blobs)
            with closing(OldIndex(self._path)) as old:
                self.report.old_index = old.state
                index = self._open()
                with closing(index):
                    # an index that is read knows what notes have rejected, and what was revoked
                    index.removal = Removal(refuse=False) if old.is_read else Removal(grace=_GRACE, notes=True)
                    journal = Journal(index, "rebuild")
                    self._begin(index, old, journal)
                    self._fill(_Work(index, blobs, old, journal))
                    old.copy_into(index)
                    journal.end()
                    _be_alone(blobs)
            if self._url is None:
                self._replace()
        return self.report

    def _objects(self) -> ObjectFiles:
        if self._blobs is None:
            return FileStore(self._directory)
        return open_objects(self._blobs, self._directory, self._blob_options)

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

    def _begin(self, index: SqlIndex, old: OldIndex, journal: Journal) -> None:
        self.report.resumed = journal.resume()
        if not self.report.resumed:
            old.prepare(index)
        self.report.objects, self.report.bytes = journal.task.done, journal.task.size
        self.report.left_out = [Unindexed(**dict(one)) for one in journal.task.found]
        journal.note(now=True)

    # reading

    def _fill(self, work: _Work) -> None:
        blobs, old, journal = work.blobs, work.old, work.journal

        def read(keys: list[str]) -> list[_Read]:
            remembered = old.remembered(keys)
            return [self._read(blobs, key, remembered.get(key)) for key in keys if not old.is_gone(key)]

        first = batched(blobs.iter_keys(journal.task.cursor), _PIECE)
        for pieces in batched(in_order(lambda keys: (keys[-1], read(keys)), first, self._workers), _TOGETHER):
            self._index(work, [one for _, piece in pieces for one in piece], pieces[-1][0])
        # whoever began to store before this did has his objects somewhere in the order of names
        for keys in batched(self._unknown(work), _KEYS):
            self._index(work, read(keys), journal.task.cursor)

    def _unknown(self, work: _Work) -> Iterator[str]:
        left_out = {one.key for one in self.report.left_out}
        for keys in batched(work.blobs.iter_keys(), _KEYS):
            with work.index.reader() as connection:
                known = known_keys(connection, keys)
            yield from (key for key in keys if key not in known and key not in left_out)

    def _read(self, blobs: ObjectFiles, key: str, remembered: Remembered | None) -> _Read:
        size = 0
        try:
            size = blobs.size(key) or 0
            received = moment(blobs.modified(key) or 0.0) if remembered is None else remembered.received
            known = None if remembered is None else remembered.sha256
            digest = self._digest and known is None
            new = describe_object(blobs, key, size, digest=digest, received=received, options=self._options)
        except BlobUnavailable:
            raise
        except PacsError as error:
            return _Read(key, size, None, f"{type(error).__name__}: {error}")
        except OSError as error:
            return _Read(key, size, None, str(storage_error(error, "reading")))
        if remembered is not None:
            new = replace(new, sha256=new.sha256 if known is None else known, source=remembered.source)
        return _Read(key, size, new)

    # writing

    def _index(self, work: _Work, read: list[_Read], cursor: str) -> None:
        report, journal = self.report, work.journal
        for one in read:
            if one.new is None:
                report.left_out.append(Unindexed("damaged", one.key, one.reason))
        parsed = [one for one in read if one.new is not None]
        offered: list[Offered] = [(one.new, DuplicatePolicy.IGNORE) for one in parsed if one.new is not None]
        size = sum(one.size for one in read)

        def write(batch: Transaction) -> list[Any]:
            results = batch.ingest(offered, "")
            journal.note(batch=batch, cursor=cursor, done=report.objects + len(read), size=report.bytes + size)
            return results

        results = work.index.run(write)
        report.objects, report.bytes = report.objects + len(read), report.bytes + size
        for one, (outcome, _) in zip(parsed, results, strict=True):
            if outcome is Outcome.STORED:
                report.indexed += 1
            elif one.new is not None:
                self._decide(work, one, one.new)
        if len(parsed) != len(read) or report.left_out:
            journal.note(found=tuple({"kind": each.kind, "key": each.key, "reason": each.reason}
                                     for each in report.left_out))  # fmt: skip
        self._progress(report.objects, None, size)

    def _decide(self, work: _Work, one: _Read, new: NewInstance) -> None:
        """Two objects are of one instance: have the right one in the index."""
        index = work.index
        other = index.get(new.sop_instance_uid)
        if other is None or other.key == one.key:
            return
        loser = one.key
        if _rank(work, one.key) > _rank(work, other.key):
            loser = other.key
            index.ingest(new, DuplicatePolicy.REPLACE, session="")
            index.forget_retired([loser])
        self.report.left_out.append(Unindexed("superseded", loser, "a newer object of the same instance is there"))

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


def _rank(work: _Work, key: str) -> tuple[bool, float]:
    return work.old.has_key(key), work.blobs.modified(key) or 0.0


def _unlink(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _be_alone(blobs: ObjectFiles) -> None:
    """Raise StorageError where somebody else has the archive open; of a blob store nobody can say that."""
    for path in blobs.staging.glob("*.lock") if isinstance(blobs, FileStore) else ():
        if path.stem != blobs.session and isinstance(blobs, FileStore):
            with blobs.dead(path.stem) as is_dead:
                if not is_dead and path.exists():
                    raise StorageError("another process has this archive open: the index is rebuilt when none has")
