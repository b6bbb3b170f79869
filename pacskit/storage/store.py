"""The archive's memory: blobs and index joined, safe for many threads at once.

An instance is stored in this order: the bytes in a staging file, a staging name that says that they are whole, the
final name, the index transaction, the end of the staging name. What ``commit`` returned has survived whatever the
commit policy promises, and so has what `Ingest` calls secured, whose final name and row may come a moment later (see
`pacskit.storage.pending`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, EncodeError, InstanceNotFound, StorageError
from pacskit.encoding import dcmread, file_meta_bytes
from pacskit.encoding.head import read_head
from pacskit.storage.attributes import parents_of
from pacskit.storage.base import ObjectFiles
from pacskit.storage.blobs.errors import BlobNotFound
from pacskit.storage.corrections import Corrections
from pacskit.storage.errors import InstanceRejected, InvalidInstance, storage_error
from pacskit.storage.facts import describe, facts_of
from pacskit.storage.filesystem import FileStore
from pacskit.storage.frameindex import read_frames, value_range
from pacskit.storage.index import open_index
from pacskit.storage.index.find import Match
from pacskit.storage.index.query import FindOptions
from pacskit.storage.index.removing import Removal
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.sqlite import SQLiteIndex
from pacskit.storage.ingest import Ingest
from pacskit.storage.layout import Layout, uid_hierarchy
from pacskit.storage.pending import LINGER, QUEUE, Backlog
from pacskit.storage.reading import digest_of
from pacskit.storage.records import (
    Commit,
    Counts,
    DuplicatePolicy,
    NewInstance,
    Outcome,
    Parents,
    StoredInstance,
)
from pacskit.storage.removal import Removals
from pacskit.storage.scrub import Problem, Scrub
from pacskit.storage.text import clean
from pacskit.storage.turns import Turns

if TYPE_CHECKING:
    from pacskit.storage.blobs.base import BlobStore
    from pacskit.storage.blobs.options import StoreOptions
    from pacskit.storage.objects import CacheOptions
    from pacskit.storage.quarantine import Quarantine

__all__ = ["Ingest", "Opened", "Problem", "Store", "unique_keys"]

_log = logging.getLogger("pacskit.storage")


@dataclass(frozen=True, slots=True)
class Opened:
    """An open Part 10 file and the instance that it is: where its data set begins, its length and its syntax."""

    instance: StoredInstance
    file: IO[bytes]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def read(self) -> bytes:
        """Read the data set, as it was received."""
        self.file.seek(self.instance.offset)
        return self.file.read()


class Store:
    """Objects in ``directory/objects``, their index in ``directory/index.sqlite`` or where ``index`` says.

    Parameters
    ----------
    commit
        What an acknowledged object survives: the end of the process (``"os"``), or a power cut too, by syncs that all
        who store at the time share (``"group"``); with ``"object"`` its row is there as well before the answer.
    duplicates
        What happens to an instance that is stored already.
    digest
        Whether to keep the SHA-256 of each data set.
    index
        The address of the index, as for `pacskit.storage.index.open_index`.
    linger
        For how many seconds the row of an instance that is acknowledged may wait for others to share its transaction,
        unless somebody asks the index before.
    blobs
        Where objects are instead of the directory, as for `pacskit.storage.blobs.open_store`, or a store that stays the
        caller's to close. Any number of processes on any machines may share it, and the index; what is on its way there
        is in the directory meanwhile.
    blob_options, blob_cache
        How the store is reached, and a local disk before it.
    queue
        How many rows may wait at most: whoever stores more writes them first.
    removal
        How long what is deleted or replaced can be restored, and whether rejection notes are obeyed: by default it goes
        at once, and they are not.
    quarantine
        What gives it the place for what cannot be taken (`pacskit.storage.quarantine.quarantine_in`).
    """

    def __init__(  # noqa: PLR0913 - keyword-only options
        self,
        directory: str | os.PathLike[str],
        *,
        commit: Commit = "group",
        duplicates: DuplicatePolicy | str = DuplicatePolicy.IGNORE,
        layout: Layout = uid_hierarchy,
        digest: bool = True,
        options: ReadOptions | None = None,
        index: str | None = None,
        linger: float = LINGER,
        blobs: str | BlobStore | None = None,
        blob_options: StoreOptions | None = None,
        blob_cache: CacheOptions | None = None,
        queue: int = QUEUE,
        removal: Removal | None = None,
        quarantine: Callable[[Store], Quarantine | None] | None = None,
    ) -> None:
        self.duplicates = DuplicatePolicy(duplicates)
        self.quarantine: Quarantine | None = None if quarantine is None else quarantine(self)
        """Where goes what cannot be taken."""
        self.admit: Callable[[], None] | None = None
        """What is asked before each object, and raises where none is taken."""
        self.digest = digest
        self.options = options or ReadOptions()
        self.layout = layout
        self.blobs: ObjectFiles
        self.turns: Turns | None = None
        if blobs is None:
            self.blobs = files = FileStore(directory, commit=commit)
            self.turns = Turns(files.staging, files.session, lambda session, wait: self._recover(files, session, wait))
        else:
            from pacskit.storage.objects import open_objects

            self.blobs = open_objects(blobs, Path(directory), blob_options, blob_cache)
        announce = (lambda: None) if self.turns is None else self.turns.begin
        self.backlog = Backlog(self, linger, announce, most=queue)
        try:
            self.index: SqlIndex = (
                SQLiteIndex(Path(directory) / "index.sqlite", commit=commit)
                if index is None
                else open_index(index, commit=commit)
            )
        except BaseException:
            self.blobs.close()
            raise
        self.removals = Removals(self)
        self.corrections = Corrections(self)
        try:
            self.index.removal = removal or Removal()
            self.index.read_with(self._attributes_of)
            found = self.blobs.recover(self.index, self._adopt)
        except BaseException:
            self.close()
            raise
        if found:
            _log.warning("settled %d objects that an earlier process left in flight", found)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close index and blobs."""
        self.backlog.close()
        self.index.close()
        self.blobs.close()

    # storing

    def begin(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax: str,
        *,
        source_ae: str | None = None,
        receiving_ae: str | None = None,
        source_host: str | None = None,
        duplicates: DuplicatePolicy | str | None = None,
    ) -> Ingest:
        """Begin to store an instance whose data set will be written in ``transfer_syntax``.

        Raises InvalidInstance, OutOfSpace above a quota, or StorageError while the index cannot be written.
        """
        if self.admit is not None:
            self.admit()
        self.backlog.make_room()
        if self.index.refuses(sop_instance_uid):
            raise InstanceRejected("a rejection note says that this instance is not to be taken again")
        try:
            head = file_meta_bytes(
                sop_class_uid, sop_instance_uid, transfer_syntax, source_ae=source_ae, receiving_ae=receiving_ae
            )
        except EncodeError as error:
            raise InvalidInstance(f"no File Meta Information can be made: {error.message}") from error
        policy = self.duplicates if duplicates is None else DuplicatePolicy(duplicates)
        source = "\\".join(clean(one or "") for one in (source_ae, receiving_ae, source_host)).rstrip("\\")
        return Ingest(self, sop_class_uid, sop_instance_uid, transfer_syntax, head, policy, source)

    def _adopt(self, key: str, policy: DuplicatePolicy) -> bool | None:
        """Index an object that may have been acknowledged before its row was written; return whether it stays."""
        path = self.files.path(key)
        try:
            head = read_head(path)
            dataset = dcmread(path, stop_before_pixels=True, options=self.options)
            facts = facts_of(dataset, head.sop_class_uid, head.sop_instance_uid, self.layout)._replace(key=key)
            with self.blobs.open(key, head.offset + head.length, whole=True) as file:
                digest = digest_of(file, head.offset) if self.digest else None
            new = describe(facts, head.transfer_syntax, head.offset, head.length, digest)
            outcome, replaced = self.index_all([(new, policy)])[0]
            if replaced is not None:
                self.discard_replaced([replaced])
            return outcome in {Outcome.STORED, Outcome.REPLACED}
        except (DecodeError, InvalidInstance) as error:
            if self.quarantine is not None:
                self.quarantine.keep(path, error, source=f"objects/{key}")
            _log.error("an object that an earlier process left does not parse: %s", type(error).__name__)
            return None
        except StorageError:
            raise
        except OSError as error:
            raise storage_error(error, "indexing what an earlier process left") from error
        except Exception as error:
            _log.error("an object that an earlier process left cannot be indexed: %s", type(error).__name__)
            return None

    def _attributes_of(self, instance: StoredInstance) -> Dataset:
        source = self.blobs.source(instance.key, instance.offset + instance.length)
        return dcmread(source, stop_before_pixels=True, options=self.options)

    def parents(self, key: str) -> Parents:
        """Read what is above an instance from its file."""
        try:
            return parents_of(dcmread(self.blobs.source(key), stop_before_pixels=True, options=self.options))
        except StorageError:
            raise
        except OSError as error:
            raise storage_error(error, "reading an object") from error

    def index_all(self, new: list[tuple[NewInstance, DuplicatePolicy]]) -> list[tuple[Outcome, str | None]]:
        """Index instances whose files have their names, in one transaction. Raises StorageError.

        Return what became of each, and the key of the object that it replaced, which has a tombstone then.
        """
        self.blobs.sync_names([one.key for one, _ in new])
        return self.index.ingest_all(new, session=self.blobs.session)

    # finding

    def catch_up(self) -> None:
        """Return when the index has all that this process and others on the directory have acknowledged up to now."""
        self.backlog.complete()
        if self.turns is not None:
            self.turns.await_others()

    def _recover(self, files: FileStore, session: str, wait: bool) -> None:
        files.recover_session(session, self.index, self._adopt, wait=wait)

    def find(
        self, level: str, model: str, identifier: Iterable[Any], options: FindOptions | None = None
    ) -> Iterator[Match]:
        """Iterate over what matches an identifier (PS3.4 C.4.1); an invalid one raises InvalidIdentifier at once."""
        self.catch_up()
        return self.index.find(level, model, identifier, options)

    def get(self, sop_instance_uid: str) -> StoredInstance | None:
        """Return where an instance is."""
        self.catch_up()
        return self.index.get(sop_instance_uid)

    def known(self, sop_instance_uid: str) -> StoredInstance | None:
        """Return where an instance is, as far as this process knows: it does not wait for others."""
        self.backlog.complete()
        return self.index.get(sop_instance_uid)

    def locate(
        self,
        level: str,
        *,
        patient_id: str | Sequence[str] = (),
        study_uid: str | Sequence[str] = (),
        series_uid: str | Sequence[str] = (),
        instance_uid: str | Sequence[str] = (),
    ) -> Iterator[StoredInstance]:
        """Iterate over the instances below what a level's unique keys name; those above narrow it (PS3.4 C.4.2)."""
        self.catch_up()
        return self.index.locate(level, unique_keys(patient_id, study_uid, series_uid, instance_uid))

    @property
    def files(self) -> FileStore:
        """The objects where they are files of this machine; StorageError where they are in a blob store."""
        if not isinstance(self.blobs, FileStore):
            raise StorageError("the objects of this archive are no files of this machine")
        return self.blobs

    def path(self, instance: StoredInstance) -> Path:
        """Return the Part 10 file of an instance; its data set begins at ``instance.offset``.

        StorageError where objects are in a blob store: `open` reads them wherever they are.
        """
        return self.files.path(instance.key)

    def open(self, instance: StoredInstance | str, *, whole: bool = False) -> Opened:
        """Open the file of an instance, or of the one that has replaced it.

        It stays readable if the instance is deleted meanwhile; in a blob store only what is read ``whole``, from its
        beginning, which is asked for at once.
        """
        uid = instance if isinstance(instance, str) else instance.sop_instance_uid
        found = self.get(uid) if isinstance(instance, str) else instance
        while found is not None:
            file = self._open_blob(found, whole)
            now = self.known(uid)  # asked afterwards: a name that came free may be another object's by now
            if now == found:
                if file is None:
                    raise StorageError(f"the object of SOP instance {uid} is missing")
                return Opened(found, file)
            if file is not None:
                file.close()
            found = now
        raise InstanceNotFound(uid)

    def _open_blob(self, instance: StoredInstance, whole: bool) -> IO[bytes] | None:
        try:
            return self.blobs.open(instance.key, instance.offset + instance.length, whole=whole)
        except (FileNotFoundError, BlobNotFound):
            return None
        except StorageError:  # of which a timeout is an OSError too
            raise
        except OSError as error:
            raise storage_error(error, "opening an object") from error

    def frames(self, instance: StoredInstance | str, numbers: Sequence[int]) -> list[bytes]:
        """Return frames of an instance, numbered from 0: their code streams, or native bytes.

        Only their bytes are read, neighbours together. Raises FrameNotFound, InstanceNotFound, DecodeError.
        """
        return read_frames(self.index, self.blobs, self._found(instance), numbers, self.options)

    def value_range(self, instance: StoredInstance | str, tag: int) -> tuple[int, int] | None:
        """Return where a big value is in the object of an instance: ``(start, length)`` of its file.

        None for an attribute that the instance has not, or that comes with its header.
        """
        return value_range(self.blobs, self._found(instance), tag, self.options)

    def _found(self, instance: StoredInstance | str) -> StoredInstance:
        found = self.get(instance) if isinstance(instance, str) else instance
        if found is None:
            raise InstanceNotFound(str(instance))
        return found

    def counts(self) -> Counts:
        """Return how much there is."""
        self.catch_up()
        return self.index.counts()

    # removing and checking

    def delete(
        self,
        level: str,
        *,
        patient_id: str | Sequence[str] = (),
        study_uid: str | Sequence[str] = (),
        series_uid: str | Sequence[str] = (),
        instance_uid: str | Sequence[str] = (),
    ) -> int:
        """Delete what the unique keys name; return how many instances that were. ``removals`` has them for a while."""
        return self.removals.delete(level, unique_keys(patient_id, study_uid, series_uid, instance_uid))

    def discard(self, keys: Sequence[str]) -> None:
        """Remove objects that have tombstones. If the process ends before, the next start does it."""
        self.blobs.remove(keys)
        self.index.forget_retired(keys)
        self.blobs.release(keys)

    def discard_replaced(self, keys: Sequence[str]) -> None:
        """Discard what has been replaced; who stored the new object is not told where that fails."""
        try:
            self.discard(keys)
        except StorageError as error:
            _log.error("objects that have been replaced are left to the next start: %s", error)

    def verify(self, *, digest: bool = False) -> Iterator[Problem]:
        """Compare index and objects, both ways; with ``digest`` every object is read. See `Scrub`, which can more."""
        return iter(Scrub(self, read=digest))


def unique_keys(
    patient_id: str | Sequence[str],
    study_uid: str | Sequence[str],
    series_uid: str | Sequence[str],
    instance_uid: str | Sequence[str],
) -> dict[str, Sequence[str]]:
    """Return unique keys by their keywords."""
    named = zip(
        ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
        (patient_id, study_uid, series_uid, instance_uid),
        strict=True,
    )
    return {name: [value] if isinstance(value, str) else list(value) for name, value in named if value}
