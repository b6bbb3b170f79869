"""The index, whatever engine keeps it: what is asked of it, and what is written, one writer at a time in a process."""

from __future__ import annotations

import json
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from fnmatch import translate
from typing import Any

from pacskit.core.errors import PacsError
from pacskit.storage.index.changes import (
    CHANGES_TOPIC,
    Change,
    Retention,
    break_feed,
    last_change,
    read_changes,
)
from pacskit.storage.index.dialect import Connection, Dialect
from pacskit.storage.index.find import Match, find_matches
from pacskit.storage.index.frames import find_frames
from pacskit.storage.index.locate import locate_pages
from pacskit.storage.index.news import Listener, News, NoListener
from pacskit.storage.index.paging import Page, Place
from pacskit.storage.index.query import FindOptions, Plan, plan
from pacskit.storage.index.removing import DELETED, Removal, Why, rejected
from pacskit.storage.index.rows import COUNTS, SELECT_INSTANCE
from pacskit.storage.index.tables import Tables
from pacskit.storage.index.tags import Read, SearchableTag, TagBuilder, Tags
from pacskit.storage.index.writer import GroupCommit
from pacskit.storage.index.writing import Conflict, Ingestion, Known, MustBeAlone, Offered, Result, Transaction
from pacskit.storage.records import Counts, Deletion, DuplicatePolicy, NewInstance, StoredInstance

__all__ = ["SqlIndex"]

PAGE = 256
ALL = 1 << 62
ATTEMPTS = 20  # of a transaction that others disturb


class SqlIndex(ABC):
    """An index in an SQL database. Calls may come from many threads, and from many processes."""

    dialect: Dialect
    matches_fuzzily = False
    """Whether names can be matched fuzzily (`pacskit.storage.fuzzy`)."""

    def __init__(self) -> None:
        self._known = Known()
        self._pool = threading.Lock()
        self._closed = False
        self._writer: GroupCommit[Transaction] = GroupCommit(self)
        self.removal = Removal()
        self._tags = Tags()
        self.retention = Retention()
        self.news = News()
        self.listener: Listener = NoListener()
        self._rejecting = self._correcting = False  # whether there are rejection notes, and corrections
        self._builder = TagBuilder(self, None)
        self._batch: Transaction | None = None

    # what an engine does

    @abstractmethod
    def reader(self) -> AbstractContextManager[Connection]:
        """Lend a connection for reading; it belongs to the borrower until it comes back."""

    @abstractmethod
    def pages(self, wanted: Plan) -> Iterator[Sequence[Any]]:
        """Run a plan, from one snapshot; writers do not wait for it."""

    @abstractmethod
    def translated(self, doing: str) -> AbstractContextManager[None]:
        """Raise what the engine raises as StorageError."""

    @abstractmethod
    def tables(self, *, write: bool = False) -> AbstractContextManager[Tables]:
        """The tables as they are, in a transaction of their own, from one snapshot."""

    @abstractmethod
    def begin(self, alone: bool, /) -> Transaction:
        """Begin a transaction; ``alone``: nobody else writes until it ends."""

    @abstractmethod
    def commit(self) -> None:
        """End the transaction."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo the transaction, if there is one."""

    @abstractmethod
    def fresh_tags(self) -> Tags:
        """Return the searchable attributes, as other processes have left them too."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections; those lent out close when they come back."""

    def secure(self) -> None:
        """Return when what has been committed survives a power cut, whatever the commit policy promises by itself."""
        return

    @abstractmethod
    def release_memory(self) -> None:
        """Give back what is cached of the database and not in use, in moments when memory is wanted elsewhere."""

    def disturbed(self, error: BaseException) -> bool:
        """Whether an error came from others' transactions, and is gone when the transaction begins again."""
        return isinstance(error, Conflict)

    def again(self, error: BaseException, attempt: int, alone: bool, /) -> bool | None:
        """Whether to try again after an error, and then whether alone; None: no."""
        if isinstance(error, MustBeAlone):
            return True
        if attempt < ATTEMPTS and self.disturbed(error):
            return alone or attempt > ATTEMPTS // 2
        return None

    def concerns_all(self, error: BaseException) -> bool:
        """Whether an error has nothing to do with what was to be written: each alone would wait as long for it."""
        return False

    def refresh(self) -> None:
        """Read anew what is kept in mind of the database, after others than this have written its tables."""
        with self.reader() as connection:
            self._refresh(connection)

    def _refresh(self, connection: Connection) -> None:
        """Read what is kept in mind of the database, when it is opened and when others have changed that."""
        self._tags = Tags.load(connection)
        self._rejecting = connection.execute("SELECT 1 FROM rejection LIMIT 1").fetchone() is not None
        self._correcting = connection.execute("SELECT 1 FROM correction LIMIT 1").fetchone() is not None

    def _begun(self, batch: Transaction) -> Transaction:
        batch.removal, batch.rejecting, batch.correcting = self.removal, self._rejecting, self._correcting
        self._batch = batch
        return batch

    def _ended(self) -> None:
        """What follows a transaction that has been committed."""
        batch, self._batch = self._batch, None
        if batch is not None:
            self._rejecting, self._correcting = batch.rejecting, batch.correcting
        if batch is not None and batch.noted:
            self._builder.wake()
        if batch is not None and batch.topics:
            self.news.tell(batch.topics)

    # changes

    def changes(
        self, after: int | None = None, *, limit: int | None = None, kinds: Sequence[str] = ()
    ) -> Iterator[Change]:
        """Iterate over the changes that are there, those after a number; None: from the oldest one that is kept.

        ``kinds`` are patterns (``instance.*``). Nothing is held while the caller is busy. Raises ChangesExpired where
        the feed does not reach back so far.
        """
        wanted = [re.compile(translate(kind)).match for kind in kinds]
        return read_changes(self.reader, after, limit, lambda kind: not wanted or any(match(kind) for match in wanted))

    def follow_changes(
        self, after: int | None = None, *, limit: int | None = None, kinds: Sequence[str] = ()
    ) -> Iterator[Change]:
        """Iterate over changes as `changes` does, and wait for more, until the index is closed."""
        while limit is None or limit > 0:
            last = self.last_change()
            for change in self.changes(after, limit=limit, kinds=kinds):
                yield change
                last = max(last, change.number)
                limit = None if limit is None else limit - 1
            if (limit == 0) or not self.wait_for_changes(last):
                return
            after = last

    def last_change(self) -> int:
        """Return the number of the newest change; 0 before the first one."""
        with self.reader() as connection:
            return last_change(connection)

    def break_changes(self) -> int:
        """Say that this index is a copy of an older one: who has followed that gets ChangesExpired, and looks anew.

        Without it, changes would get numbers that he has seen already. Returns the number after which it goes on.
        """

        def work(batch: Transaction) -> int:
            batch.announce(CHANGES_TOPIC)
            return break_feed(batch.connection, self.dialect)

        found: int = self.run_alone(work)
        return found

    def wait_for_changes(self, after: int, timeout: float | None = None) -> bool:
        """Wait until there are changes after a number, of whatever process; return whether there are.

        It returns False too when the index is closed.
        """
        self.listener.start()
        return self.news.wait_for(lambda: self.last_change() > after, CHANGES_TOPIC, timeout=timeout)

    # attributes made searchable

    def read_with(self, read: Read) -> None:
        """Say how objects are read for attributes that the index does not have."""
        self._builder.read = read
        if not all(one.ready for one in self._tags.all) or self._has_todo():
            self._builder.wake()

    def _has_todo(self) -> bool:
        with self.reader() as connection:
            return connection.execute("SELECT 1 FROM tag_todo LIMIT 1").fetchone() is not None

    def add_tag(
        self, tag: str | int, *, vr: str | None = None, level: str | None = None, creator: str = ""
    ) -> SearchableTag:
        """Make an attribute searchable, also of what is stored already; return at once, it is done in the background.

        ``tag`` is a keyword or a tag; of a private attribute ``creator`` says whose it is, and ``vr`` what. ``level``
        is where the standard has it, or ``IMAGE``. Raises ConfigurationError.
        """
        return self._builder.add(tag, vr, level, creator)

    def load_tags(self) -> Tags:
        """Return the attributes that have been made searchable, and how far that has come."""
        with self.reader() as connection:
            self._tags = tags = Tags.load(connection)
        return tags

    def wait_for_tags(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to do for them in this process; return whether that is so."""
        return self._builder.wait(timeout)

    # reading

    def get(self, sop_instance_uid: str) -> StoredInstance | None:
        """Return the instance of a SOP Instance UID."""
        with self.reader() as connection:
            row = connection.execute(SELECT_INSTANCE + " WHERE i.sop_instance_uid = ?", (sop_instance_uid,)).fetchone()
        return StoredInstance(*row) if row else None

    def has_key(self, key: str) -> bool:
        """Whether an instance is stored under a key, or one that was removed and may come back."""
        with self.reader() as connection:
            sql = "SELECT 1 FROM instance WHERE blob_key = ? UNION ALL SELECT 1 FROM removed WHERE blob_key = ?"
            return connection.execute(sql, (key, key)).fetchone() is not None

    def frames(self, sop_instance_uid: str, key: str) -> bytes | None:
        """Return the packed table of the frames of an instance's object; None where none is kept."""
        return find_frames(self.reader, sop_instance_uid, key)

    def locate(self, level: str, unique: dict[str, Sequence[str]]) -> Iterator[StoredInstance]:
        """Iterate over the instances below what unique keys name; nothing is held while the caller is busy with one."""
        for sql, parameters in locate_pages(self.reader, level, unique):
            last = 0
            while True:
                with self.reader() as connection:
                    rows = connection.execute(sql, (*parameters, last, PAGE)).fetchall()
                for row in rows:
                    yield StoredInstance(*row[1:])
                if len(rows) < PAGE:
                    break
                last = rows[-1][0]

    def find(
        self, level: str, model: str, identifier: Iterable[Any], options: FindOptions | None = None
    ) -> Iterator[Match]:
        """Iterate over what matches an identifier; a wrong one raises at once (PS3.4 C.4.1)."""
        options = options or FindOptions()
        wanted = plan(level, model, identifier, options, self.dialect, None, self.fresh_tags())
        return find_matches(self.pages(wanted), wanted, options)

    def page(
        self,
        level: str,
        model: str,
        identifier: Iterable[Any],
        options: FindOptions | None = None,
        *,
        limit: int = 100,
        after: str | None = None,
        newest_first: bool = False,
    ) -> Page[Match]:
        """Return at most ``limit`` matches, and where to go on; ``newest_first``: studies by date, others by arrival.

        Each page costs the same, wherever it is. What changes meanwhile moves nothing from one page to another.
        """
        options, keys = options or FindOptions(), list(identifier)
        found: list[Match] = []
        while True:
            place = Place.after(after, level, limit, newest_first)
            wanted = plan(level, model, keys, options, self.dialect, place, self.fresh_tags())
            rows = [row for rows in self.pages(wanted) for row in rows]
            width = len(place.columns("s" if level == "STUDY" else ""))
            for row in rows:
                found += find_matches([[row]], wanted, options)
                after = place.token(row, width)
                if len(found) == limit:
                    return Page(found, after)
            if len(rows) < limit:
                return Page(found, None)

    def instances(self) -> Iterator[StoredInstance]:
        """Iterate over all instances."""
        return self.locate("ALL", {})

    def counts(self) -> Counts:
        """Return how much there is."""
        with self.reader() as connection:
            return Counts(*connection.execute(COUNTS).fetchone())

    def retired(self, session: str) -> list[str]:
        """Return the keys of a session's tombstones."""
        with self.reader() as connection:
            rows = connection.execute("SELECT blob_key FROM retired WHERE session = ?", (session,)).fetchall()
        return [key for (key,) in rows]

    def is_retired(self, key: str) -> bool:
        """Whether a key has a tombstone."""
        with self.reader() as connection:
            return connection.execute("SELECT 1 FROM retired WHERE blob_key = ?", (key,)).fetchone() is not None

    def refuses(self, sop_instance_uid: str) -> bool:
        """Whether a rejection note says that an instance is not to be taken again."""
        if not (self._rejecting and self.removal.notes and self.removal.refuse):
            return False
        with self.reader() as connection:
            return bool(rejected(connection, [sop_instance_uid], True))

    # writing

    def run(self, work: Callable[[Transaction], Any]) -> Any:
        """Do ``work`` in a transaction; it may be called more than once."""
        with self.translated("writing the index"):
            return self._writer.run(work)

    def run_alone(self, work: Callable[[Transaction], Any]) -> Any:
        """Do ``work`` in a transaction while no other process writes."""

        def alone(batch: Transaction) -> Any:
            batch.must_be_alone()
            return work(batch)

        return self.run(alone)

    def ingest(self, new: NewInstance, policy: DuplicatePolicy, *, session: str) -> Result:
        """Index an instance; return its outcome, and the key of the object that it replaced."""
        result: Result = self.run(Ingestion([(new, policy)], session))[0]
        return result

    def ingest_all(self, new: Sequence[Offered], *, session: str) -> list[Result]:
        """Index instances in one transaction, as `ingest` does each: all of them or none."""
        result: list[Result] = self.run(Ingestion(new, session))
        return result

    def delete(self, level: str, unique: dict[str, Sequence[str]], *, session: str, why: Why = DELETED) -> Deletion:
        """Take away what unique keys name.

        The keys are those of objects that are to go at once; they have tombstones until ``forget_retired``.
        """

        def work(batch: Transaction) -> Deletion:
            @contextmanager
            def here() -> Iterator[Connection]:
                yield batch.connection

            pks: list[int] = []
            for sql, parameters in locate_pages(here, level, unique):
                pks += [row[0] for row in batch.execute(sql, (*parameters, 0, ALL)).fetchall()]
            if not pks:
                return Deletion(0, ())
            return Deletion(len(pks), batch.take_away(pks, session, why))

        result: Deletion = self.run(work)
        return result

    def forget_retired(self, keys: Sequence[str]) -> None:
        """Drop the tombstones of keys whose objects are gone."""
        if keys:
            sql = "DELETE FROM retired WHERE blob_key IN (SELECT value FROM json_each(?))"
            named = json.dumps(list(keys))
            self.run(lambda batch: batch.execute(sql, (named,)).rowcount)


@contextmanager
def translating(translate: Callable[[Exception], Exception | None]) -> Iterator[None]:
    """Raise an engine's errors as what ``translate`` makes of them."""
    try:
        yield
    except PacsError:
        raise
    except Exception as error:
        other = translate(error)
        if other is None:
            raise
        raise other from error
