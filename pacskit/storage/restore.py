"""An archive from a backup, each object held to its digest on the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pacskit.core.errors import StorageError
from pacskit.storage.backups import BackedUp, Kept, ObjectList, find_backup, in_one_sync, sync_all
from pacskit.storage.blobs.base import BlobStore
from pacskit.storage.blobs.errors import BlobDamaged, BlobExists, BlobNotFound
from pacskit.storage.blobs.local import LocalStore
from pacskit.storage.blobs.opening import open_store
from pacskit.storage.errors import storage_error
from pacskit.storage.index import open_index
from pacskit.storage.index.snapshot import take_up
from pacskit.storage.parallel import batched, in_order, workers_for
from pacskit.storage.scrub import Problem
from pacskit.storage.syncing import sync_directory

__all__ = ["Restore", "RestoreReport"]

_PAGE: Final = 64
_UNFINISHED: Final = ".restoring"

Progress = Callable[[int, "int | None", int], object]


@dataclass(slots=True)
class RestoreReport:
    """What a restore has done; ``problems`` are objects that the backup does not have as they were."""

    name: str = ""
    objects: int = 0
    bytes: int = 0
    resumed: int = 0
    problems: list[Problem] = field(default_factory=list)


class Restore:
    """A restore of a backup out of ``source`` into ``directory``, which must be new or empty.

    It is made in ``DIRECTORY.restoring`` and gets its name at the end; broken off, it goes on from there.

    Parameters
    ----------
    name
        Which backup; the latest if left out.
    index
        An empty database for the index; a file in the directory if left out.
    blobs
        The address of a blob store for the objects; files in the directory if left out.
    workers
        Threads that copy.
    progress
        Called with the number of objects done, their total, and bytes read since the last call.
    """

    def __init__(
        self,
        source: BlobStore,
        directory: str | os.PathLike[str],
        *,
        name: str | None = None,
        index: str | None = None,
        blobs: str | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._source = source
        self._directory = Path(directory).absolute()
        self._making = self._directory.with_name(self._directory.name + _UNFINISHED)
        self._name = name
        self._url = index
        self._blobs = blobs
        self._workers = workers_for(workers)
        self._progress = progress or (lambda done, total, size: None)
        self.report = RestoreReport()

    def run(self) -> RestoreReport:
        """Do it. Raises StorageError where it cannot be done, before anything is there under its name."""
        try:
            if self._directory.exists() and any(self._directory.iterdir()):
                raise StorageError("what is restored goes into a new or empty directory")
            self._making.mkdir(parents=True, exist_ok=True)
            backup = find_backup(self._source, self._name)
            self.report.name = backup.name
            self._restore(backup)
            for directory in (self._making / "objects", self._making):
                if directory.exists():
                    sync_directory(directory)
            if self._directory.exists():
                self._directory.rmdir()
            os.replace(self._making, self._directory)
            sync_directory(self._directory.parent)
        except OSError as error:
            raise storage_error(error, "restoring") from error
        return self.report

    def _restore(self, backup: BackedUp) -> None:
        index, listed = self._making / "index.sqlite", self._making / "objects.sqlite"
        backup.fetch(self._source, "index.sqlite", index)
        backup.fetch(self._source, "objects.sqlite", listed)
        with ObjectList(listed) as objects, self._objects() as store, closing(in_one_sync(store)) as target:
            total = objects.totals()[0]
            pages = batched(objects, _PAGE)
            for page in in_order(lambda kept: [(one, *self._fetch(target, one)) for one in kept], pages, self._workers):
                for one, was_there, problem in page:
                    self.report.objects += problem is None
                    self.report.resumed += was_there
                    self.report.bytes += one.size if problem is None else 0
                    self.report.problems += [] if problem is None else [problem]
                self._progress(self.report.objects, total, sum(one.size for one, _, _ in page))
            sync_all(store)
        shutil.rmtree(self._making / "objects" / ".incoming", ignore_errors=True)
        listed.unlink()
        if self._url is not None:
            self._fill(index)
        else:
            with closing(open_index(f"sqlite:{quote(str(index))}")) as restored:
                restored.break_changes()  # who has followed the archive may be further than this

    def _objects(self) -> BlobStore:
        return LocalStore(self._making / "objects") if self._blobs is None else open_store(self._blobs)

    def _fetch(self, target: BlobStore, one: Kept) -> tuple[bool, Problem | None]:
        """Copy an object and hold it to its digest; say whether it was there already, and what is wrong with it."""
        for _ in range(2):
            try:
                target.put_stream(one.key, self._source.get(one.blob), size=one.size, sha256=one.sha256)
            except BlobNotFound:
                return False, Problem("missing", one.key, None, "the backup does not have it any more")
            except BlobDamaged as error:
                return False, Problem("damaged", one.key, None, f"in the backup: {error}")
            except BlobExists:  # of a run that was broken off, whole or not at all
                if _is_intact(target, one):
                    return True, None
                target.delete(one.key)
                continue
            return False, None
        raise StorageError("somebody else restores into this directory")

    def _fill(self, path: Path) -> None:
        """Bring the index into a database, and drop the file."""
        index = open_index(self._url or "")
        try:
            take_up(path, index)
            index.break_changes()
        finally:
            index.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def _is_intact(target: BlobStore, one: Kept) -> bool:
    try:
        return sum(len(part) for part in target.get(one.key, sha256=one.sha256)) == one.size
    except BlobDamaged:
        return False
