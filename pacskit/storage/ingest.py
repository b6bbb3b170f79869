"""An instance on its way into the store."""

from __future__ import annotations

import hashlib
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, StorageError, TruncatedError
from pacskit.encoding import decode
from pacskit.encoding.head import end_of_pixels
from pacskit.storage.errors import storage_error
from pacskit.storage.facts import Facts, describe, facts_of
from pacskit.storage.filesystem import HEAD, FileWriter
from pacskit.storage.pending import Pending, located
from pacskit.storage.records import DuplicatePolicy, NewInstance, Outcome, Stored

if TYPE_CHECKING:
    from pacskit.storage.store import Store

__all__ = ["Ingest"]


class Ingest:
    """An instance on its way in; belongs to one thread. Leaving it as a context without ``commit`` aborts it."""

    def __init__(
        self,
        store: Store,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax: str,
        head: bytes,
        policy: DuplicatePolicy,
    ) -> None:
        self.sop_class_uid = str(sop_class_uid)
        self.sop_instance_uid = str(sop_instance_uid)
        self.transfer_syntax = str(transfer_syntax)
        self._store = store
        self._policy = policy
        self._offset = len(head)
        self._digest = hashlib.sha256() if store.digest else None
        self._options = store.options
        self._facts: Facts | None = None
        self._is_there: bool | None = None  # whether there was an object of that name, where that has been looked up
        self._whole = -1  # the size at which the pixels, after all that the facts come from, are the end
        self._writer: FileWriter | None = store.blobs.create(policy)
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
            writer.write(data)
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

    def _look_ahead(self, writer: FileWriter, data: bytes | bytearray | memoryview) -> None:
        """Take what the index needs from the first bytes of a big object, while the others are on their way."""
        try:
            head = bytes(memoryview(data)[:HEAD])
            dataset = decode(head, self.transfer_syntax, stop_before_pixels=True, options=self._options)
            if dataset.scan is None or dataset.scan.stopped == len(head):
                return
            facts = self._facts_of(dataset)
            writer.intend(facts.key)
        except (DecodeError, StorageError):
            return  # commit, which sees all of it, says what is wrong
        self._facts = facts
        self._is_there = self._taken(facts)
        end = end_of_pixels(head, dataset.scan.stopped, self.transfer_syntax)
        self._whole = -1 if end is None else self._offset + end

    def _open(self) -> FileWriter:
        if self._writer is None:
            raise StorageError("this instance has been committed or aborted")
        return self._writer

    def commit(self) -> Stored:
        """Check, file and index the instance.

        Raises InvalidInstance where it cannot be filed, DecodeError where it cannot be read, OutOfSpace or
        StorageError; nothing is left behind then.
        """
        filed = self._file()
        return filed if isinstance(filed, Stored) else self._index(filed)

    def _index(self, filed: Pending) -> Stored:
        store, new = self._store, filed.describe()
        try:
            outcome, replaced = store.index.ingest(new, self._policy, session=store.blobs.session)
            if outcome in {Outcome.IGNORED, Outcome.REJECTED}:
                filed.writer.abort()
                return Stored(outcome, store.known(new.sop_instance_uid))
        except BaseException:
            filed.writer.abort()
            raise
        filed.writer.settle()
        store.blobs.prepare()
        if replaced is not None:
            store.discard([replaced])
        return Stored(outcome, located(new))

    def secure(self) -> Stored | None:
        """Check and file the instance: from now on it can be acknowledged.

        None where the row in the index follows; what became of the instance where that is known: where a duplicate is
        rejected, and where the commit policy wants the row first. Raises as `commit` does.
        """
        if self._policy is DuplicatePolicy.REJECT or self._store.blobs.durable:
            return self.commit()
        filed = self._file()
        if isinstance(filed, Stored):
            return filed
        try:
            self._store.backlog.add(filed)
        except BaseException:
            filed.writer.abort()
            raise
        return None

    def _file(self) -> Stored | Pending:
        """Give the instance its final name, unless it turns out to be there already."""
        writer = self._open()
        try:
            if self._facts is not None and writer.size == self._whole:
                return self._name(writer, self._facts)
            dataset = self._decode_head(writer)
            if dataset is not None:
                return self._name(writer, self._facts_of(dataset))
            with writer.view() as content:
                whole = decode(content, self.transfer_syntax, start=self._offset, options=self._options)
                return self._name(writer, self._facts_of(whole))
        finally:
            self.abort()

    def _decode_head(self, writer: FileWriter) -> Dataset | None:
        """Read a big object without its pixels, where they are its end; None where it has to be read whole."""
        head = writer.head()
        if head is None:
            return None
        try:
            dataset = decode(head, self.transfer_syntax, start=self._offset, total=writer.size, options=self._options)
        except TruncatedError:
            return None
        return dataset if dataset.scan is not None and dataset.scan.pending() is not None else None

    def _name(self, writer: FileWriter, facts: Facts) -> Stored | Pending:
        if self._is_there if self._is_there is not None else self._taken(facts):
            # most likely this instance, for which nothing need be written; the index has the last word
            known = self._store.known(self.sop_instance_uid)
            if known is not None:
                ignored = self._policy == DuplicatePolicy.IGNORE
                return Stored(Outcome.IGNORED if ignored else Outcome.REJECTED, known)
        length, digest = writer.size - self._offset, self._digest
        key = writer.commit(facts.key)
        self._writer = None

        def described() -> NewInstance:
            final = facts if key == facts.key else facts._replace(key=key)
            return describe(
                final, self.transfer_syntax, self._offset, length, None if digest is None else digest.digest()
            )

        return Pending(writer, described, self._policy)

    def _taken(self, facts: Facts) -> bool:
        return self._policy != DuplicatePolicy.REPLACE and self._store.blobs.size(facts.key) is not None

    def _facts_of(self, dataset: Dataset) -> Facts:
        facts = facts_of(dataset, self.sop_class_uid, self.sop_instance_uid, self._store.layout)
        if not self._store.index.knows_series(facts.study_instance_uid, facts.series_instance_uid):
            parents = facts.parents()  # now, while what is wrong with them can still be answered
            facts = facts._replace(parents=lambda: parents)
        return facts

    def abort(self) -> None:
        """Leave nothing behind of an instance that has not been committed or secured."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abort()
