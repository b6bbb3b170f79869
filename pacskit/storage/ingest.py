"""An instance on its way into the store."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, StorageError, TruncatedError
from pacskit.encoding import decode
from pacskit.encoding.head import end_of_pixels
from pacskit.storage.errors import InvalidInstance, OutcomeUnknown, storage_error
from pacskit.storage.facts import Facts, describe, facts_of
from pacskit.storage.filesystem import HEAD
from pacskit.storage.frameindex import has_frames, make_frames
from pacskit.storage.pending import Pending, located
from pacskit.storage.records import DuplicatePolicy, NewInstance, Outcome, Stored

if TYPE_CHECKING:
    from pacskit.storage.base import BlobWriter
    from pacskit.storage.store import Store

__all__ = ["Ingest"]


class Ingest:
    """An instance on its way in; belongs to one thread. Leaving it as a context without ``commit`` aborts it."""

    FIRST: Final = HEAD
    """How many bytes of a big data set are best written first, before the others are there."""

    def __init__(
        self,
        store: Store,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax: str,
        head: bytes,
        policy: DuplicatePolicy,
        source: str = "",
    ) -> None:
        self.sop_class_uid = str(sop_class_uid)
        self.sop_instance_uid = str(sop_instance_uid)
        self.transfer_syntax = str(transfer_syntax)
        self.quarantines = True
        """Whether what cannot be taken goes to the quarantine, where there is one."""
        self._store = store
        self._policy = policy
        self._source = source
        self._offset = len(head)
        self._digest = hashlib.sha256() if store.digest else None
        self._options = store.options
        self._facts: Facts | None = None
        self._pending: Pending | None = None
        self._whole = -1  # the size at which the pixels, after all that the facts come from, are the end
        self._writer: BlobWriter | None = store.blobs.create(policy)
        self._writer.write(head)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    @property
    def size(self) -> int:
        """How many bytes of the data set have been written."""
        return self._open().size - self._offset

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes of the data set, kept exactly as they are."""
        writer = self._open()
        try:
            if writer.size == self._offset and len(data) >= HEAD:
                self._look_ahead(writer, data)
            writer.write(data, more=max(0, self._whole - writer.size - len(data)))
        except BaseException:
            self.abort()
            raise
        if self._digest is not None:
            self._digest.update(data)

    def descriptor(self) -> int:
        """Where the next bytes may be written instead of calling `write`; -1 where they may not."""
        writer = self._open()
        return writer.descriptor if self._digest is None and writer.size > self._offset else -1

    def wrote(self, count: int, error: OSError | None = None) -> None:
        """Take note of ``count`` bytes written to `descriptor`, and of what ended that; raise it as StorageError."""
        self._open().size += count
        if error is not None:
            self.abort()
            raise storage_error(error, "writing an object") from error

    def _look_ahead(self, writer: BlobWriter, data: bytes | bytearray | memoryview) -> None:
        """Take what the index needs from the first bytes of a big object, while the others are on their way."""
        try:
            head = bytes(memoryview(data)[:HEAD])
            dataset = decode(head, self.transfer_syntax, stop_before_pixels=True, options=self._options)
            if dataset.scan is None or dataset.scan.stopped == len(head):
                return
            facts = self._facts_of(dataset)
        except (DecodeError, StorageError):
            return  # commit, which sees all of it, says what is wrong
        self._facts = facts
        end = end_of_pixels(head, dataset.scan.stopped, self.transfer_syntax)
        self._whole = -1 if end is None else self._offset + end

    def _open(self) -> BlobWriter:
        if self._writer is None:
            raise StorageError("this instance has been committed or aborted")
        return self._writer

    def commit(self) -> Stored:
        """Check, file and index the instance.

        Raises InvalidInstance where it cannot be filed, DecodeError where it cannot be read, OutOfSpace or
        StorageError; nothing is left behind then.
        """
        self._store.backlog.complete()
        filed = self._file()
        return filed if isinstance(filed, Stored) else self._index(filed)

    def _index(self, filed: Pending) -> Stored:
        store = self._store
        try:
            if filed.name() is None:
                return self._taken(filed.writer)
            new = filed.record()
            store.blobs.sync_names([new.key])
            outcome, replaced = store.index.ingest(new, self._policy, session=store.blobs.session)
            if outcome in {Outcome.IGNORED, Outcome.REJECTED}:
                return self._taken(filed.writer)
        except (OutcomeUnknown, KeyboardInterrupt, SystemExit):  # its row may be there: so the object stays
            filed.writer.leave()
            raise
        except BaseException:
            filed.writer.abort()
            raise
        filed.writer.settle()
        if replaced is not None:
            store.discard_replaced([replaced])
        return Stored(outcome, located(new))

    def _taken(self, writer: BlobWriter) -> Stored:
        """Drop what is there already."""
        writer.abort()
        outcome = Outcome.IGNORED if self._policy == DuplicatePolicy.IGNORE else Outcome.REJECTED
        return Stored(outcome, self._store.known(self.sop_instance_uid))

    def secure(self) -> Stored | None:
        """Check and file the instance: from now on it can be acknowledged.

        None where its name and its row in the index follow; what became of the instance where that is known: where a
        duplicate is rejected, and where the commit policy wants the row first. Raises as `commit` does.
        """
        if self._policy is DuplicatePolicy.REJECT or self._store.blobs.commit == "object":
            return self.commit()
        filed = self._file()
        if isinstance(filed, Stored):
            return filed
        try:
            self._store.backlog.add(filed)
        except BaseException:
            filed.writer.abort()
            raise
        self._pending = filed
        return None

    def follow_up(self) -> None:
        """Do what the answer did not have to wait for, and what the next instance would have to wait for."""
        self._store.blobs.prepare()
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.make_ready()

    def _file(self) -> Stored | Pending:
        """Have the instance whole in its file, unless it turns out to be there already."""
        writer = self._open()
        try:
            if self._facts is not None and writer.size == self._whole:
                return self._finish(writer, self._facts)
            dataset = self._decode_head(writer)
            if dataset is not None:
                return self._finish(writer, self._facts_of(dataset))
            with writer.view() as content:
                whole = decode(content, self.transfer_syntax, start=self._offset, options=self._options)
                return self._finish(writer, self._facts_of(whole))
        except (DecodeError, InvalidInstance) as error:
            self._quarantine(writer, error)
            raise
        finally:
            self.abort()

    def _quarantine(self, writer: BlobWriter, error: Exception) -> None:
        """Keep what cannot be taken, where there is a place for it."""
        if self._store.quarantine is None or not self.quarantines:
            return
        with writer.view() as content:
            self._store.quarantine.keep(
                content,
                error,
                sop_class_uid=self.sop_class_uid,
                sop_instance_uid=self.sop_instance_uid,
                transfer_syntax_uid=self.transfer_syntax,
                source=self._source,
            )

    def _decode_head(self, writer: BlobWriter) -> Dataset | None:
        """Read a big object without its pixels, where they are its end; None where it has to be read whole."""
        head = writer.head()
        if head is None:
            return None
        try:
            dataset = decode(head, self.transfer_syntax, start=self._offset, total=writer.size, options=self._options)
        except TruncatedError:
            return None
        return dataset if dataset.scan is not None and dataset.scan.pending() is not None else None

    def _finish(self, writer: BlobWriter, facts: Facts) -> Stored | Pending:
        store, uid, replaces = self._store, self.sop_instance_uid, self._policy == DuplicatePolicy.REPLACE
        # An object of that name is most likely this instance, for which nothing need be kept; the index has the last
        # word. Where nothing has been written yet, look first.
        if not replaces and writer.descriptor < 0 and store.blobs.may_have(facts.key) and store.known(uid):
            return self._taken(writer)
        length, digest = writer.size - self._offset, self._digest
        writer.finish(facts.key)
        self._writer = None
        offset, syntax = self._offset, self.transfer_syntax

        def described(key: str) -> NewInstance:
            # the parents of most are known already; the others' are read again, so that no data set is kept for that
            parents = facts.parents if writer.keeps_facts else lambda: store.parents(key)
            final = facts._replace(key=key, parents=parents, source=self._source)
            new = describe(final, syntax, offset, length, None if digest is None else digest.digest())
            return replace(new, frames=make_frames(writer.source(key), self._options)) if has_frames(new) else new

        def is_there() -> bool:
            return not replaces and store.index.get(uid) is not None

        return Pending(writer, lambda: writer.place(is_there), described, self._policy)

    def _facts_of(self, dataset: Dataset) -> Facts:
        return facts_of(dataset, self.sop_class_uid, self.sop_instance_uid, self._store.layout)

    def abort(self) -> None:
        """Leave nothing behind of an instance that has not been committed or secured."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abort()
