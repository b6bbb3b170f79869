"""What is taken away, and what comes back: deletion in two steps, rejection notes, and the sweep.

Deleted and replaced instances are invisible at once and can be restored until their time of grace is over; then the
sweep gives their objects tombstones, in the transaction that drops their rows, and removes them. Should the process end
in between, the tombstones are found by the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from pacskit.core.dataset import Dataset
from pacskit.core.errors import ConfigurationError, InstanceNotFound, StorageError
from pacskit.encoding import TransferSyntax, dcmread, encode
from pacskit.encoding.keyobjects import REJECTIONS, Reference, key_object_selection
from pacskit.storage.filesystem import FileStore
from pacskit.storage.index.removing import (
    Removed,
    Why,
    count_due,
    list_removed,
    moment,
    put_back,
    stale_tombstones,
    take_due,
)
from pacskit.storage.records import Outcome, Parents, Stored, StoredInstance

if TYPE_CHECKING:
    from pacskit.storage.index.writing import Transaction
    from pacskit.storage.store import Store

__all__ = ["REASONS", "Removals", "Swept"]

REASONS: Final = {
    "quality": "113001",
    "patient safety": "113037",
    "worklist": "113038",
    "retention": "113039",
}
"""Why instances are rejected, in a word, and the codes of the titles that say so (DCM)."""


STALE: Final = 3600.0  # seconds after which a tombstone is nobody's any more


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep has removed for good, or would."""

    instances: int
    bytes: int


class Removals:
    """The removed instances of a store. Calls may come from many threads and processes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def delete(self, level: str, unique: dict[str, Sequence[str]], *, who: str = "", reason: str = "") -> int:
        """Take away what unique keys name; return how many instances that were."""
        store = self._store
        store.catch_up()
        why = Why("deleted", who, reason)
        deletion = store.index.delete(level, unique, session=store.blobs.session, why=why)
        if deletion.keys:
            self._discard(deletion.keys)
        return deletion.instances

    def listed(self, level: str = "ALL", unique: dict[str, Sequence[str]] | None = None) -> Iterator[Removed]:
        """Iterate over what has been removed and can be restored, in the order in which it was."""
        self._store.catch_up()
        last = 0
        while True:
            with self._store.index.reader() as connection:
                found = list_removed(connection, level, unique or {}, after=last)
            yield from found
            if not found:
                return
            last = found[-1].id

    def restore(self, level: str = "ALL", unique: dict[str, Sequence[str]] | None = None, *ids: int) -> int:
        """Restore what unique keys name, or what has one of ``ids``; return how many instances that were.

        Where an instance has come anew meanwhile it stays. A version that was replaced is restored by its id only, and
        the one that is there is removed instead. What a note had rejected is so no more.
        """
        store = self._store
        store.catch_up()
        if level == "ALL" and not ids:
            raise ConfigurationError("what is to be restored is named by its unique keys or ids")

        def parents(key: str) -> Callable[[], Parents]:
            return lambda: store.parents(key)

        def work(batch: Transaction) -> list[Outcome]:
            return put_back(batch, level, unique or {}, ids, parents, store.blobs.session)

        outcomes: list[Outcome] = store.index.run_alone(work)
        return sum(one in {Outcome.STORED, Outcome.REPLACED} for one in outcomes)

    def sweep(self, now: datetime | None = None, *, dry_run: bool = False) -> Swept:
        """Remove for good what is due; return how much that was. Several may be at it at once."""
        store, when = self._store, moment(now=now or datetime.now(UTC))
        if store.quarantine is not None and not dry_run:
            store.quarantine.expire()
        if dry_run:
            with store.index.reader() as connection:
                return Swept(*count_due(connection, when))
        instances = size = 0
        while True:
            due: list[tuple[str, int]] = store.index.run_alone(lambda batch: take_due(batch, when, store.blobs.session))
            if not due:
                self._finish(moment(-STALE))
                return Swept(instances, size)
            self._discard([key for key, _ in due])
            instances, size = instances + len(due), size + sum(length for _, length in due)

    def _finish(self, before: str) -> None:
        """Remove what others have left undone: in a blob store no key is used again, so anybody may do it.

        In a directory the next start does it, and whoever waits for a process that is gone.
        """
        store = self._store
        while not isinstance(store.blobs, FileStore):
            with store.index.reader() as connection:
                keys = stale_tombstones(connection, before)
            if not keys:
                return
            store.discard([key for key in keys if not store.index.has_key(key)])
            store.index.forget_retired(keys)

    def _discard(self, keys: Sequence[str]) -> None:
        with suppress(StorageError):  # a staging name that is left would bring back what has no row any more
            self._store.catch_up()
        self._store.discard(keys)

    # rejection notes

    def refuses(self, sop_instance_uid: str) -> bool:
        """Whether a rejection note says that an instance is not to be taken again."""
        return self._store.index.refuses(sop_instance_uid)

    def reject(self, instances: Sequence[StoredInstance], reason: str, description: str = "") -> list[Stored]:
        """Make rejection notes about instances, one for each study, and store them; what they say happens then.

        ``reason`` is a key of `REASONS` or a code of DCM.
        """
        code = REASONS.get(reason, reason)
        if code not in REJECTIONS:
            raise ConfigurationError(f"the reason of a rejection is {', '.join(REASONS)} or its code, not {reason!r}")
        studies: dict[str, list[StoredInstance]] = {}
        for one in instances:
            studies.setdefault(one.study_instance_uid, []).append(one)
        if not studies:
            raise InstanceNotFound("nothing of that name")
        return [self._note(found, code, description) for found in studies.values()]

    def _note(self, instances: list[StoredInstance], code: str, description: str) -> Stored:
        store = self._store
        first = instances[0]
        named = [
            Reference(one.study_instance_uid, one.series_instance_uid, one.sop_class_uid, one.sop_instance_uid)
            for one in instances
        ]
        made = key_object_selection(
            self._study_of(first), named, (code, "DCM", REJECTIONS[code]), description=description
        )
        syntax = str(TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN)
        with store.begin(made.SOPClassUID, made.SOPInstanceUID, syntax) as ingest:
            ingest.write(encode(made, syntax))
            return ingest.commit()

    def _study_of(self, instance: StoredInstance) -> Dataset:
        """Return what the objects of a study say of it and of its patient."""
        with self._store.open(instance) as opened:
            file = cast("BinaryIO", opened.file)
            return dcmread(file, stop_before_pixels=True, defer_size=1 << 20, options=self._store.options)
