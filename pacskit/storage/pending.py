"""Instances that are safe in their files and on their way into the index.

The staging name that says that a file is whole is the point of no return: an instance is acknowledged once that
survives what the commit policy says, and unless this is ``"object"`` its final name and its row follow within moments,
together with those of its neighbours. So many instances at most wait for that: beyond it, whoever brings another one
writes their rows first, and by that is slowed down to what the index takes. Whoever
asks the index something in between has that done first, so that no query misses what was acknowledged; those of other
processes wait for it (see `pacskit.storage.turns`). Should the process end in between, the staging names are still
there, and who asks next, or the next start, does it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from pacskit.core.errors import StorageError
from pacskit.storage.records import DuplicatePolicy, NewInstance, Outcome, StoredInstance
from pacskit.storage.turns import Turn

if TYPE_CHECKING:
    from pacskit.storage.base import BlobWriter

__all__ = ["LINGER", "QUEUE", "SHARED_LINGER", "Backlog", "Indexing", "Pending", "located"]

LINGER = 0.25  # seconds for which a row waits for others to share its transaction
SHARED_LINGER = 0.005  # the same where other processes' queries wait for it
ENOUGH = 512  # rows that need not wait for others: more of them in one transaction cost no less each
QUEUE = 2048  # rows that wait at most: beyond that, whoever brings another one writes them

_log = logging.getLogger("pacskit.storage")


class Pending:
    """An instance whose file is whole.

    ``place`` gives the file its final name, and nothing where the instance turns out to be there already; ``describe``
    makes the record under that name. Both are called once, by whoever comes first.
    """

    __slots__ = ("_describe", "_lock", "_place", "_placed", "_record", "key", "policy", "writer")

    def __init__(
        self,
        writer: BlobWriter,
        place: Callable[[], str | None],
        describe: Callable[[str], NewInstance],
        policy: DuplicatePolicy,
    ) -> None:
        self.writer = writer
        self.policy = policy
        self.key: str | None = None
        self._place = place
        self._describe: Callable[[str], NewInstance] | None = describe
        self._lock = threading.Lock()
        self._placed = False
        self._record: NewInstance | None = None

    def name(self) -> str | None:
        """Give the file its final name; return that, or None where it is not needed. Raises StorageError."""
        with self._lock:
            if not self._placed:
                self.key = self._place()
                self._placed = True
            return self.key

    def record(self) -> NewInstance:
        """Return the record, once the file has its name."""
        with self._lock:
            if self._describe is not None:
                self._record = self._describe(str(self.key))
                self._describe = None  # and with it the bytes that it was made from
            if self._record is None:
                raise StorageError("an instance without a name has no record")
            return self._record

    def make_ready(self) -> None:
        """Do what can be done before it is the turn of the index."""
        with suppress(Exception):  # the index thread comes upon it again, and says what is wrong
            if self.name() is not None:
                self.record()


class Indexing(Protocol):
    """What a backlog needs of a store."""

    def index_all(self, new: list[tuple[NewInstance, DuplicatePolicy]]) -> list[tuple[Outcome, str | None]]:
        """Index instances in one transaction; return what became of each, and the key of what it replaced.

        Raises StorageError.
        """
        ...

    def discard_replaced(self, keys: list[str]) -> None:
        """Remove objects that have tombstones, or leave it to the next start."""
        ...


class Backlog:
    """The pending instances of a store, and the thread that indexes them; it is there while there are any.

    ``most`` rows wait at most, and none longer than ``linger`` seconds. ``announce`` tells other processes that there
    are rows to come. ``stuck`` is set while the index cannot be written: the next instance has to wait for those before
    it then.
    """

    __slots__ = (
        "_announce",
        "_changed",
        "_closing",
        "_enough",
        "_linger",
        "_most",
        "_pending",
        "_running",
        "_store",
        "_thread",
        "_turn",
        "_turns",
        "_writing",
        "stuck",
    )

    def __init__(
        self,
        store: Indexing,
        linger: float = LINGER,
        announce: Callable[[], Turn | None] = lambda: None,
        *,
        most: int = QUEUE,
    ) -> None:
        self.stuck = False
        self._linger = linger
        self._most = most
        self._enough = min(ENOUGH, max(1, most // 2))
        self._store = store
        self._announce = announce
        self._pending: list[Pending] = []
        self._turns: list[Turn] = []  # of what is pending
        self._turn: Turn | None = None  # of what is added
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None  # the last one
        self._running = False  # whether it goes on
        self._closing = False

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, pending: Pending) -> None:
        """Take an instance that may be acknowledged from now on. Raises StorageError where it may not."""
        with self._changed:
            if self._turn is None:
                self._turn = self._announce()
                self._turns += [] if self._turn is None else [self._turn]
            self._pending.append(pending)
            count = len(self._pending)
            if not self._running:
                self._thread = threading.Thread(target=self._run, name="pacskit-index", daemon=True)
                self._thread.start()
                self._running = True
            if count in {1, self._enough}:
                self._changed.notify_all()

    def make_room(self) -> None:
        """Index what waits, where that is much or has failed before. Raises StorageError."""
        if self.stuck or len(self._pending) >= self._most:
            self.complete()

    def complete(self) -> None:
        """Index every instance that was pending when this was called.

        Raises StorageError; they are pending still, then.
        """
        if not self._pending:
            return
        with self._writing:
            with self._changed:
                batch, turns, self._turn = list(self._pending), list(self._turns), None
            if batch:
                self._write(batch, turns)

    def _write(self, batch: list[Pending], turns: list[Turn]) -> None:
        try:
            outcomes, replaced = self._index(batch)
        except StorageError:
            self.stuck = True
            for turn in turns:
                turn.fail()
            raise
        for one, outcome in zip(batch, outcomes, strict=True):
            if outcome in {Outcome.IGNORED, Outcome.REJECTED}:
                one.writer.abort()
            else:  # before anybody may delete it: a staging name that is left would bring it back
                one.writer.settle()
        if replaced:  # now that no staging name says any more that it is to be there
            self._store.discard_replaced(replaced)
        with self._changed:
            del self._pending[: len(batch)]
            del self._turns[: len(turns)]
            self.stuck = False
            self._changed.notify_all()
        for turn in turns:
            turn.done()

    def _index(self, batch: list[Pending]) -> tuple[list[Outcome | None], list[str]]:
        """Index a batch; return what became of each, and the keys of what they replaced."""
        named = [one for one in batch if one.name() is not None]
        try:
            done: list[tuple[Outcome | None, str | None]] = [
                *self._store.index_all([(one.record(), one.policy) for one in named])
            ]
        except StorageError:
            raise
        except Exception:  # one of them spoiled it: the others shall not suffer
            done = [self._index_one(one) for one in named]
        known = iter([outcome for outcome, _ in done])
        outcomes = [Outcome.IGNORED if one.key is None else next(known) for one in batch]
        return outcomes, [key for _, key in done if key is not None]

    def _index_one(self, one: Pending) -> tuple[Outcome | None, str | None]:
        try:
            return self._store.index_all([(one.record(), one.policy)])[0]
        except StorageError:
            raise
        except Exception as error:
            # its file stays, and so does its staging name: the next start tries again
            _log.error("an instance that was acknowledged cannot be indexed: %s", type(error).__name__)
            one.writer.leave()
            return None, None

    def _run(self) -> None:
        changed = self._changed
        while True:
            with changed:
                changed.wait_for(lambda: self._closing or (self._pending and not self.stuck))
                if self._closing:
                    return
                changed.wait_for(lambda: self._closing or len(self._pending) >= self._enough, self._linger)
            try:
                self.complete()
            except StorageError as error:
                _log.error("instances that were acknowledged wait for the index: %s", error)
            with changed:
                if not self._pending:
                    self._running = False
                    return

    def close(self) -> None:
        """Index what can be indexed; the next start does the rest."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()
        try:
            self.complete()
        except StorageError as error:
            _log.error("instances are left to the next start: %s", error)


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
