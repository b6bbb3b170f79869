"""Copies of an archive that is in use.

What has been acknowledged is brought into the index first; then the index is copied as it is at that moment, and then
every object that the copy names. Servers go on meanwhile. What they remove before it has been copied is taken out of
the copy of the index, and what they replace is copied in its newer form, so that a backup has all that it names.

A backup goes to a directory or any blob store. Objects lie below ``objects/`` and are shared by all backups there; a
second backup copies what has come since. ``backups/NAME/`` has the index (SQLite's form, whichever engine keeps it),
a list of objects with their digests, and ``manifest.json``, which is written last.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, cast

from pacskit._version import __version__
from pacskit.storage.backups import FORMAT, MANIFEST, Kept, ObjectList, in_one_sync, list_backups, put_file, sync_all
from pacskit.storage.blobs.base import BlobStore
from pacskit.storage.blobs.errors import BlobDamaged, BlobExists, BlobNotFound
from pacskit.storage.blobs.local import LocalStore
from pacskit.storage.blobs.sources import BlobSource
from pacskit.storage.errors import storage_error
from pacskit.storage.filesystem import FileStore
from pacskit.storage.frameindex import has_frames, make_frames
from pacskit.storage.index.snapshot import settle, take_snapshot
from pacskit.storage.index.sqlite import SQLiteIndex
from pacskit.storage.layout import with_generation
from pacskit.storage.objects.reading import BlobFile
from pacskit.storage.parallel import Pace, in_order, workers_for
from pacskit.storage.reading import PIECE, open_object, read_instance
from pacskit.storage.records import DuplicatePolicy
from pacskit.storage.scrub import Problem

if TYPE_CHECKING:
    from pacskit.storage.index.writing import Transaction
    from pacskit.storage.store import Store

__all__ = ["Backup", "BackupReport"]

_PAGE: Final = 64
_COLUMNS: Final = "SELECT sop_instance_uid, blob_key, data_offset, data_length, sha256, received"
_AFTER: Final = tuple(
    f"{_COLUMNS}, pk FROM {table} WHERE pk > ? ORDER BY pk LIMIT ?" for table in ("instance", "removed")
)
_OF_KEYS: Final = " UNION ALL ".join(
    f"{_COLUMNS} FROM {table} WHERE blob_key IN (SELECT value FROM json_each(?))" for table in ("instance", "removed")
)
_REMOVED: Final = "SELECT count(*) FROM removed"
_FORGET: Final = "DELETE FROM removed WHERE blob_key = ?"
_OF_UIDS: Final = f"{_COLUMNS} FROM instance WHERE sop_instance_uid IN (SELECT value FROM json_each(?))"
_CANNOT_LINK: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.ENOTSUP})

Progress = Callable[[int, "int | None", int], object]


@dataclass(slots=True)
class BackupReport:
    """What a backup has done: its name, how many objects it has, how many of them were copied or linked now."""

    name: str = ""
    objects: int = 0
    bytes: int = 0
    copied: int = 0
    linked: int = 0
    removed_meanwhile: int = 0
    replaced_meanwhile: int = 0
    problems: list[Problem] = field(default_factory=list)


class _Row(NamedTuple):
    """An instance of the snapshot."""

    uid: str
    key: str
    offset: int
    length: int
    sha256: bytes | None
    received: str

    @property
    def size(self) -> int:
        return self.offset + self.length


class _Done(NamedTuple):
    """What became of an object: under which name it is, its digest, and how it came there; or what is wrong."""

    row: _Row
    blob: str = ""
    sha256: bytes = b""
    how: str = "there"
    problem: Problem | None = None
    gone: bool = False


class Backup:
    """A backup of the archive in ``store`` into ``target``.

    Parameters
    ----------
    link
        Link objects instead of copying them where ``target`` is a directory on the same file system: at once, and
        without room; it protects from what is removed, not from a disk that fails.
    workers
        Threads that copy.
    rate
        How many bytes a second are read at most.
    progress
        Called with the number of objects done, their total, and bytes read since the last call.
    """

    def __init__(
        self,
        store: Store,
        target: BlobStore,
        *,
        link: bool = True,
        workers: int | None = None,
        rate: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._store = store
        self._target = target
        self._objects = in_one_sync(target)
        self._root = target.root if link and isinstance(target, LocalStore) else None
        self._workers = workers_for(workers)
        self._pace = Pace(rate)
        self._progress = progress or (lambda done, total, size: None)
        self._before: ObjectList | None = None
        self.report = BackupReport()

    def run(self) -> BackupReport:
        """Make it. Raises StorageError where it cannot be made; what is wrong with an object is in the report."""
        self.report.name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        beside = self._target.root if isinstance(self._target, LocalStore) else None
        with TemporaryDirectory(prefix=".backup-", dir=beside) as found:
            directory = Path(found)
            self._store.catch_up()
            take_snapshot(self._store.index, directory / "index.sqlite")
            earlier = list_backups(self._target)
            with ObjectList(directory / "objects.sqlite") as objects:
                if earlier:
                    earlier[-1].fetch(self._target, "objects.sqlite", directory / "before.sqlite")
                    self._before = ObjectList(directory / "before.sqlite")
                try:
                    self._copy_all(directory / "index.sqlite", objects)
                finally:
                    self._pace.stop()
                    if self._objects is not self._target:
                        self._objects.close()
                    if self._before is not None:
                        self._before.close()
            sync_all(self._objects)
            self._finish(directory)
        return self.report

    # the objects

    def _copy_all(self, path: Path, objects: ObjectList) -> None:
        with closing(SQLiteIndex(path)) as snapshot:
            _forget_retired(snapshot)
            _forget_tiers(snapshot)
            with snapshot.reader() as connection:
                total = snapshot.counts().instances + connection.execute(_REMOVED).fetchone()[0]
            for page in in_order(self._copy_page, _pages(snapshot), self._workers):
                self._note(page, objects)
                for one in page:
                    if one.gone:
                        self._settle(snapshot, one.row, objects)
                self._progress(self.report.objects, total, sum(one.row.size for one in page if one.how != "there"))
        settle(path)

    def _note(self, page: list[_Done], objects: ObjectList) -> None:
        report = self.report
        kept = [one for one in page if not one.gone and one.blob]
        objects.add(Kept(one.row.key, one.row.received, one.row.size, one.sha256, one.blob) for one in kept)
        report.problems += [one.problem for one in page if one.problem is not None]
        report.objects += len(kept)
        report.bytes += sum(one.row.size for one in kept)
        report.copied += sum(one.how == "copied" for one in kept)
        report.linked += sum(one.how == "linked" for one in kept)

    def _copy_page(self, page: list[_Row]) -> list[_Done]:
        copied = [self._copy(row) for row in page]
        # asked afterwards: where a row is another one now, nobody knows whose file that was
        now = {row.key: row for row in self._rows(_OF_KEYS, [row.key for row in page])}
        return [
            (self._wrong(one.row, "missing", "there is no object of that name") if one.gone else one)
            if now.get(one.row.key) == one.row
            else one._replace(gone=True, problem=None)
            for one in copied
        ]

    def _rows(self, sql: str, wanted: list[str]) -> list[_Row]:
        """Return the rows of some keys or instances as they are in the archive's index now."""
        with self._store.index.reader() as connection:
            rows = connection.execute(sql, (json.dumps(wanted),) * sql.count("?")).fetchall()
        return [_Row(*row) for row in rows]

    def _copy(self, row: _Row) -> _Done:
        """Have an object in the target."""
        known = self._before.get(row.key) if self._before is not None else None
        blob = f"objects/{row.key}"
        if known is not None and (known.received, known.size) == (row.received, row.size):
            blob = known.blob
            if self._is_there(blob, row.size):
                return _Done(row, blob, known.sha256)
        elif known is not None:
            blob = _another(blob, row)  # the name was used again, after what had it was removed
        self._pace.take(row.size)
        blobs = self._store.blobs
        size = blobs.size(row.key)
        if size is not None and size != row.size:
            return self._wrong(row, "damaged", f"{size} bytes instead of {row.size}")
        file = None if size is None else open_object(blobs, row.key, row.size)
        if file is None:
            return _Done(row, gone=True)
        try:
            with file:
                if self._root is not None and isinstance(blobs, FileStore) and not blobs.path(row.key).is_symlink():
                    return self._link(row, blob, file, blobs.path(row.key), self._root / blob)
                return self._put(row, blob, file)
        except BlobNotFound:
            return _Done(row, gone=True)

    def _is_there(self, blob: str, size: int) -> bool:
        try:
            return self._target.head(blob).size == size
        except BlobNotFound:
            return False

    @staticmethod
    def _wrong(row: _Row, kind: str, reason: str) -> _Done:
        return _Done(row, problem=Problem(kind, row.key, row.uid, reason))

    def _put(self, row: _Row, blob: str, file: IO[bytes]) -> _Done:
        parts = _Parts(file, row.offset)
        try:
            self._objects.put_stream(blob, parts, size=row.size)
        except BlobExists:
            for _ in parts:
                pass
            digest = parts.whole.digest()
            if self._has(blob, digest):
                return self._checked(row, blob, parts, "there")
            again = _another(blob, row)
            with suppress(BlobExists):
                file.seek(0)
                self._objects.put_stream(again, _Parts(file, row.offset), size=row.size, sha256=digest)
            return self._checked(row, again, parts, "copied")
        return self._checked(row, blob, parts, "copied")

    def _has(self, blob: str, digest: bytes) -> bool:
        """Whether what is there under a name is this object: it came with a backup that was broken off."""
        try:
            for _ in self._target.get(blob, sha256=digest):
                pass
        except (BlobDamaged, BlobNotFound):
            return False
        return True

    def _link(self, row: _Row, blob: str, file: IO[bytes], source: Path, final: Path) -> _Done:
        while True:
            try:
                os.link(source, final)
            except FileExistsError:
                if not os.path.samefile(source, final):
                    return self._put(row, blob, file)
            except FileNotFoundError:
                if not source.exists():
                    return _Done(row, gone=True)
                final.parent.mkdir(parents=True, exist_ok=True)
                continue
            except OSError as error:
                if error.errno not in _CANNOT_LINK:
                    raise storage_error(error, "linking an object") from error
                return self._put(row, blob, file)
            break
        if os.fstat(file.fileno()).st_ino != os.stat(final).st_ino:  # the name was used again just now
            final.unlink()
            return _Done(row, gone=True)
        parts = _Parts(file, row.offset)
        for _ in parts:
            pass
        return self._checked(row, blob, parts, "linked")

    def _checked(self, row: _Row, blob: str, parts: _Parts, how: str) -> _Done:
        digest = parts.whole.digest()
        if row.sha256 is not None and parts.rest.digest() != row.sha256:
            problem = Problem("damaged", row.key, row.uid, "its digest is another")
            return _Done(row, blob, digest, how, problem)
        return _Done(row, blob, digest, how)

    def _settle(self, snapshot: SQLiteIndex, row: _Row, objects: ObjectList) -> None:
        """Have the snapshot without an object that went, or with the one that took its place."""
        self._store.catch_up()
        if snapshot.run(lambda batch: batch.execute(_FORGET, (row.key,)).rowcount):
            self.report.removed_meanwhile += 1
            return
        while now := self._rows(_OF_UIDS, [row.uid]):
            (done,) = self._copy_page(now)
            if not done.gone:
                self._note([done], objects)
                self._take(snapshot, done)
                self.report.replaced_meanwhile += 1
                break
        else:
            snapshot.delete("IMAGE", {"SOPInstanceUID": [row.uid]}, session="")
            self.report.removed_meanwhile += 1
        _forget_retired(snapshot)

    def _take(self, snapshot: SQLiteIndex, done: _Done) -> None:
        """Index a newer object in the snapshot, from its copy."""
        row = done.row
        if done.blob:
            size = row.size
            with BlobFile(self._target, done.blob, size, begin=True) as file:
                new = read_instance(cast("IO[bytes]", file), row.key, size, digest=False, received=row.received)
            frames = make_frames(BlobSource(self._target, done.blob, size=size), self._store.options)
            new = replace(new, frames=frames if has_frames(new) else None)
            snapshot.ingest(replace(new, sha256=row.sha256), DuplicatePolicy.REPLACE, session="")

    # the end

    def _finish(self, directory: Path) -> None:
        report, target = self.report, self._target
        place = f"backups/{report.name}"
        files = {
            name: put_file(target, f"{place}/{name}", directory / name) for name in ("index.sqlite", "objects.sqlite")
        }
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "pacskit": __version__,
            "made": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "objects": report.objects,
            "bytes": report.bytes,
            "problems": len(report.problems),
            "files": files,
        }
        target.put_stream(f"{place}/{MANIFEST}", json.dumps(manifest, indent=2).encode())


def _pages(snapshot: SQLiteIndex) -> Iterator[list[_Row]]:
    """The instances, and then those that were removed and may come back."""
    for sql in _AFTER:
        last = 0
        while True:
            with snapshot.reader() as connection:
                rows = connection.execute(sql, (last, _PAGE)).fetchall()
            if not rows:
                break
            last = rows[-1][-1]
            yield [_Row(*row[:-1]) for row in rows]


def _forget_retired(snapshot: SQLiteIndex) -> None:
    """Drop all tombstones: in a backup there are no objects that have them."""
    snapshot.run(lambda batch: batch.execute("DELETE FROM retired").rowcount)


def _forget_tiers(snapshot: SQLiteIndex) -> None:
    """Drop in which tiers objects are: what is restored is all in one place, the first tier where it has some."""

    def work(batch: Transaction) -> None:
        for table in ("tier_blob", "tier_trash", "tier_home"):
            batch.execute(f"DELETE FROM {table}")

    snapshot.run(work)


def _another(blob: str, row: _Row) -> str:
    """A name for an object whose own has another one in the target."""
    return with_generation(blob, f"b{hashlib.sha256(row.received.encode()).hexdigest()[:12]}")


class _Parts:
    """The bytes of a file on their way, and their digests: of all, and from an offset on."""

    def __init__(self, file: IO[bytes], offset: int) -> None:
        self._file = file
        self._skip = offset
        self.whole = hashlib.sha256()
        self.rest = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        while part := self._file.read(PIECE):
            self.whole.update(part)
            with memoryview(part) as view:
                self.rest.update(view[self._skip :])
            self._skip = max(0, self._skip - len(part))
            yield part
