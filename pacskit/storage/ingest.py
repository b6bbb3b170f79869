"""An instance on its way into the store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, StorageError, TruncatedError
from pacskit.encoding import decode
from pacskit.storage.attributes import instance_row, parents_of, required_uid, text_of
from pacskit.storage.errors import InvalidInstance
from pacskit.storage.filesystem import HEAD, FileWriter
from pacskit.storage.records import DuplicatePolicy, NewInstance, Outcome, Parents, StoredInstance

if TYPE_CHECKING:
    from pacskit.storage.store import Store

__all__ = ["Ingest", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an instance; ``instance`` is the one that the archive has now."""

    outcome: Outcome
    instance: StoredInstance | None


class _Facts(NamedTuple):
    """What the index takes from a data set."""

    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    instance_number: int | None
    attributes: str
    key: str
    parents: Callable[[], Parents]


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
        self._facts: _Facts | None = None
        self._settling: FileWriter | None = None
        self._writer: FileWriter | None = store.blobs.create()
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

    def _open(self) -> FileWriter:
        if self._writer is None:
            raise StorageError("this instance has been committed or aborted")
        return self._writer

    def commit(self, *, settle: bool = True) -> Stored:
        """Check, file and index the instance.

        Without ``settle`` some tidying is left for `settle` or `abort`: the instance is safe, and can be acknowledged
        before. Raises InvalidInstance where it cannot be filed, DecodeError where it cannot be read, OutOfSpace or
        StorageError; nothing is left behind then.
        """
        writer = self._open()
        try:
            stored = self._commit(writer)
        finally:
            self._drop()
        if settle:
            self.settle()
        return stored

    def _commit(self, writer: FileWriter) -> Stored:
        dataset = self._decode_head(writer)
        if dataset is not None:
            return self._file(writer, dataset)
        with writer.view() as content:
            return self._file(writer, decode(content, self.transfer_syntax, start=self._offset, options=self._options))

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

    def _file(self, writer: FileWriter, dataset: Dataset) -> Stored:
        store = self._store
        new = self._describe(self._facts or self._facts_of(dataset), writer.size - self._offset)
        if self._policy != DuplicatePolicy.REPLACE and store.blobs.size(new.key) is not None:
            # most likely this instance, for which nothing need be written; the index has the last word
            known = store.get(new.sop_instance_uid)
            if known is not None:
                return Stored(self._refusal(), known)
        key = writer.commit(new.key)
        if key != new.key:
            new = replace(new, key=key)
        outcome, replaced = store.index.ingest(new, self._policy, session=store.blobs.session)
        if outcome in {Outcome.IGNORED, Outcome.REJECTED}:
            return Stored(outcome, store.get(new.sop_instance_uid))
        self._settling, self._writer = writer, None
        if replaced is not None:
            store.discard([replaced])
        return Stored(outcome, _located(new))

    def settle(self) -> None:
        """Tidy up after ``commit(settle=False)``; should the process end before, the next start does it."""
        writer, self._settling = self._settling, None
        if writer is not None:
            writer.settle()

    def _refusal(self) -> Outcome:
        return Outcome.IGNORED if self._policy == DuplicatePolicy.IGNORE else Outcome.REJECTED

    def _facts_of(self, dataset: Dataset) -> _Facts:
        for keyword, expected in (("SOPInstanceUID", self.sop_instance_uid), ("SOPClassUID", self.sop_class_uid)):
            if required_uid(dataset, keyword) != expected:
                raise InvalidInstance(f"{keyword} of the data set is not the command's", keyword=keyword)
        study = required_uid(dataset, "StudyInstanceUID")
        series = required_uid(dataset, "SeriesInstanceUID")
        number, attributes = instance_row(dataset)
        key = self._store.layout(study, series, self.sop_instance_uid)
        patient_id = text_of(dataset, "PatientID")
        return _Facts(patient_id, study, series, number, attributes, key, lambda: parents_of(dataset))

    def _describe(self, facts: _Facts, length: int) -> NewInstance:
        return NewInstance(
            patient_id=facts.patient_id,
            study_instance_uid=facts.study_instance_uid,
            series_instance_uid=facts.series_instance_uid,
            sop_instance_uid=self.sop_instance_uid,
            sop_class_uid=self.sop_class_uid,
            transfer_syntax_uid=self.transfer_syntax,
            instance_number=facts.instance_number,
            attributes=facts.attributes,
            key=facts.key,
            offset=self._offset,
            length=length,
            sha256=self._digest.digest() if self._digest is not None else None,
            received=f"{datetime.now(UTC):%Y%m%d%H%M%S.%f}",
            parents=facts.parents,
        )

    def abort(self) -> None:
        """Leave nothing behind; after ``commit``, `settle`."""
        self._drop()
        self.settle()

    def _drop(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abort()


def _located(new: NewInstance) -> StoredInstance:
    return StoredInstance(
        patient_id=new.patient_id,
        study_instance_uid=new.study_instance_uid,
        series_instance_uid=new.series_instance_uid,
        sop_instance_uid=new.sop_instance_uid,
        sop_class_uid=new.sop_class_uid,
        transfer_syntax_uid=new.transfer_syntax_uid,
        key=new.key,
        offset=new.offset,
        length=new.length,
        sha256=new.sha256,
    )
