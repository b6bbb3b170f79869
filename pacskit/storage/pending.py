"""Instances that are safe in their files and on their way into the index.

With ``commit="os"`` the final name of a file is the point of no return: an instance is acknowledged then, and its row
follows at once, in the same thread. Whoever asks the index something in between writes that row first, so that no
query of this process misses what was acknowledged. Should the process end in between, the staging name is still
there, and the next start writes the row.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from pacskit.storage.records import DuplicatePolicy, NewInstance, Outcome, Stored, StoredInstance

if TYPE_CHECKING:
    from pacskit.storage.filesystem import FileWriter
    from pacskit.storage.store import Store

__all__ = ["Backlog", "Pending"]

_log = logging.getLogger("pacskit.storage")


class Pending:
    """An instance whose file has its final name; `complete` writes its row, once, in whichever thread comes first."""

    __slots__ = ("_describe", "_lock", "_policy", "_store", "_stored", "_writer")

    def __init__(
        self, store: Store, writer: FileWriter, describe: Callable[[], NewInstance], policy: DuplicatePolicy
    ) -> None:
        self._store = store
        self._writer = writer
        self._describe = describe  # called when there is time
        self._policy = policy
        self._stored: Stored | None = None
        self._lock = threading.Lock()

    def complete(self) -> Stored:
        """Index the instance, and return what became of it.

        Raises StorageError where the index cannot be written; the instance is then still pending.
        """
        with self._lock:
            if self._stored is None:
                try:
                    self._stored = self._index()
                except Exception:
                    self._store.backlog.stuck = True
                    raise
                self._store.backlog.remove(self)
        return self._stored

    def _index(self) -> Stored:
        store, new = self._store, self._describe()
        outcome, replaced = store.index.ingest(new, self._policy, session=store.blobs.session)
        if outcome in {Outcome.IGNORED, Outcome.REJECTED}:
            self._writer.abort()
            return Stored(outcome, store.index.get(new.sop_instance_uid))
        if replaced is not None:
            store.discard([replaced])
        return Stored(outcome, located(new))

    def settle(self) -> None:
        """Let the staging name go; should the process end before, the next start does it."""
        if self._stored is not None:
            self._writer.settle()
            self._store.blobs.prepare()

    def abort(self) -> None:
        """Leave nothing behind: for an instance that nobody has been told is safe."""
        with self._lock:
            if self._stored is None:
                self._writer.abort()


class Backlog:
    """The pending instances of one store: a handful at most, one for each thread that stores.

    ``stuck`` is set once the index could not be written: then the next instance has to wait for those before it.
    """

    __slots__ = ("_pending", "stuck")

    def __init__(self) -> None:
        self.stuck = False
        self._pending: dict[Pending, None] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, pending: Pending) -> None:
        """Remember an instance."""
        self._pending[pending] = None

    def remove(self, pending: Pending) -> None:
        """Forget an instance."""
        self._pending.pop(pending, None)

    def complete(self) -> None:
        """Index every instance that was pending when this was called. Raises StorageError."""
        if self._pending:
            for pending in list(self._pending):
                pending.complete()
                pending.settle()
        self.stuck = False

    def close(self) -> None:
        """Index what can be indexed; the next start does the rest."""
        for pending in list(self._pending):
            try:
                pending.complete()
            except Exception as error:
                _log.error("an instance is left to the next start: %s", type(error).__name__)
            else:
                pending.settle()


def located(new: NewInstance) -> StoredInstance:
    """Where an instance is that has been indexed as ``new``."""
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
