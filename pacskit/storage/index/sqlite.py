"""The index in an SQLite file: WAL, one writer at a time with group commit, readers beside it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from typing import Any, Final

from pacskit.core.errors import StorageError
from pacskit.storage.errors import storage_error
from pacskit.storage.fuzzy import matches_fuzzily
from pacskit.storage.index.dialect import Dialect
from pacskit.storage.index.pipes import CAN_LISTEN, PipeListener, directory_of, ringing
from pacskit.storage.index.query import FUZZY, Plan
from pacskit.storage.index.repository import SqlIndex, translating
from pacskit.storage.index.schema import MIGRATIONS, Migration, migrate
from pacskit.storage.index.tables import SQLiteTables
from pacskit.storage.index.tags import Tags
from pacskit.storage.index.writing import Transaction
from pacskit.storage.records import Commit
from pacskit.storage.syncing import sync_directory

__all__ = ["SQLiteIndex", "bring_up_to_date"]

BUSY_SECONDS = 30.0  # another process may hold the write lock; a transaction is short
IDLE_READERS = 8
ROWS = 100
_SHRINK: Final = "PRAGMA shrink_memory"


class _Connection(sqlite3.Connection):
    """A connection, and what the file was at when its searchable attributes were read last."""

    version = -1


class SQLiteIndex(SqlIndex):
    """An index in a file; ``commit="os"``: it survives the end of the process; any other: a power cut too."""

    dialect = Dialect.SQLITE
    matches_fuzzily = True

    def __init__(self, path: str | os.PathLike[str], *, commit: Commit = "group") -> None:
        super().__init__()
        self._path = os.path.abspath(path)
        self._durable = commit != "os"
        self._data_version = -1
        self._bells = directory_of(self._path)
        if CAN_LISTEN:
            self.listener = PipeListener(self._bells, lambda: self.news.tell(None))
        self._idle: list[_Connection] = []
        self._refreshing = threading.Lock()
        self._fresh_tags = Tags()
        with self.translated("opening the index"):
            self._connection = self._connect()
            try:
                self._prepare(commit)
            except BaseException:  # closed late, it would remove the log of whoever has the file by then
                self._connection.close()
                raise

    def _prepare(self, commit: Commit) -> None:
        execute = self._connection.execute
        execute("PRAGMA journal_mode = WAL")
        # both survive the end of the process; NORMAL syncs at checkpoints only
        execute("PRAGMA synchronous = " + ("NORMAL" if commit == "os" else "FULL"))
        execute(f"PRAGMA fullfsync = {int(commit != 'os')}")  # macOS: past the drive's cache
        execute("PRAGMA wal_autocheckpoint = 4000")
        execute("PRAGMA cache_size = -64000")  # as much as there is to write, 64 MB at most
        bring_up_to_date(self._connection)
        self._file = _identity(self._path)
        self._refresh(self._connection)
        if commit != "os":
            sync_directory(os.path.dirname(self._path))

    def _connect(self) -> _Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256,
            factory=_Connection,
        )  # fmt: skip
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -8000")
            connection.create_function(FUZZY, -1, matches_fuzzily, deterministic=True)
        except BaseException:
            connection.close()
            raise
        return connection

    def fresh_tags(self) -> Tags:
        """Return the searchable attributes, as other processes have left them too."""
        with self.reader() as connection, self._refreshing:
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if version != connection.version:
                connection.version = version
                self._fresh_tags = Tags.load(connection)
            return self._fresh_tags

    @contextmanager
    def reader(self) -> Iterator[_Connection]:
        """Lend a connection for reading; it belongs to the borrower until it comes back."""
        with self._pool:
            connection = self._idle.pop() if self._idle else None
        with self.translated("reading the index"):
            if connection is None:
                self._require_file()
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
            try:
                yield connection
            finally:
                with self._pool:
                    keep = not self._closed and len(self._idle) < IDLE_READERS
                    if keep:
                        self._idle.append(connection)
                if not keep:
                    connection.close()

    def pages(self, wanted: Plan) -> Iterator[Sequence[Any]]:
        """Run a plan, from one snapshot; writers do not wait for it."""
        with self.reader() as connection, closing(connection.execute(wanted.sql, wanted.parameters)) as cursor:
            while rows := cursor.fetchmany(ROWS):
                yield rows

    @contextmanager
    def tables(self, *, write: bool = False) -> Iterator[SQLiteTables]:
        """The tables as they are, in a transaction of their own, from one snapshot."""
        with self.translated("copying the index"), closing(self._connect()) as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield SQLiteTables(connection)
            connection.execute("COMMIT")  # closed without, it is undone

    def begin(self, alone: bool, /) -> Transaction:
        """Begin a transaction; nobody else writes until it ends."""
        self._require_file()
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        version = execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:  # another process has written
            self._known.clear()
            self._data_version = version
            self._refresh(self._connection)
        return self._begun(
            Transaction(self._connection, self._known, tagged=bool(self._tags), retention=self.retention)
        )

    def _require_file(self) -> None:
        """Refuse to go on with a file that nobody will find again: it has been moved or removed meanwhile."""
        if _identity(self._path) != self._file:
            raise StorageError("the index is not where it was opened")

    def commit(self) -> None:
        """End the transaction."""
        if CAN_LISTEN and self._batch is not None and self._batch.topics:
            with ringing(self._bells, getattr(self.listener, "name", "")):
                self._connection.execute("COMMIT")
        else:
            self._connection.execute("COMMIT")
        self._ended()

    def secure(self) -> None:
        """Sync the log: a checkpoint syncs it before the file."""
        if self._durable:
            return
        try:
            log = os.open(f"{self._path}-wal", os.O_RDWR)
            try:
                os.fsync(log)
            finally:
                os.close(log)
        except OSError as error:
            raise storage_error(error, "syncing the index") from error

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def concerns_all(self, error: BaseException) -> bool:
        """Whether another process had the file for all the time."""
        return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF == sqlite3.SQLITE_BUSY

    def translated(self, doing: str) -> AbstractContextManager[None]:
        """Raise what SQLite raises as StorageError."""
        return translating(lambda error: storage_error(error, doing) if isinstance(error, sqlite3.Error) else None)

    def release_memory(self) -> None:
        """Give back the pages that are cached: up to 64 MB for writing, and 8 MB for each reader that rests."""
        self.run(lambda batch: batch.execute(_SHRINK).fetchall())
        with ExitStack() as borrowed:
            for _ in range(len(self._idle)):
                borrowed.enter_context(self.reader()).execute(_SHRINK).fetchall()

    def close(self) -> None:
        """Close the connections; those lent out close when they come back."""
        self.news.close()
        self._builder.close()
        self.listener.close()
        with self._pool:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        with suppress(sqlite3.Error):
            self._connection.close()


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a file from others; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


# PRAGMA takes no parameter
_SET_VERSION: Final = tuple("PRAGMA user_version = " + str(one) for one in range(100))


def bring_up_to_date(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Migrate a file, all or nothing; return how many migrations it took. ``user_version`` counts them."""
    if _version(connection) == len(migrations):
        return 0
    connection.execute("BEGIN IMMEDIATE")  # another process may be at it
    try:
        version = _version(connection)
        connection.execute(_SET_VERSION[migrate(connection.execute, version, Dialect.SQLITE, migrations)])
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return len(migrations) - version


def _version(connection: sqlite3.Connection) -> int:
    found = connection.execute("PRAGMA user_version").fetchone()
    if found is None:
        raise StorageError("the index has no version")
    return int(found[0])
