"""The index in a PostgreSQL database: many processes, on many machines, write it at once.

Who adds rows holds an advisory lock with others who do; who removes some holds it alone. So nothing that a transaction
has seen goes while it lasts, and which series are known is asked once: removals count the generation.

When the connection is lost at the end of a transaction, the server is asked what became of it.

For a lock that somebody else holds, on a table or among these, a statement waits `LOCK_SECONDS`, or as long as the
server, the role or the address says (``lock_timeout``). Who writes is told so then, and it is not tried again.
"""

from __future__ import annotations

import select
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.errors import ConfigurationError, StorageError
from pacskit.storage.errors import OutcomeUnknown, OutOfSpace
from pacskit.storage.index.changes import CHANGES_TOPIC
from pacskit.storage.index.dialect import Dialect, Glob, Parameters, for_postgres, like_pattern
from pacskit.storage.index.listening import CHANNEL, PostgresListener
from pacskit.storage.index.query import Plan
from pacskit.storage.index.repository import SqlIndex, translating
from pacskit.storage.index.schema import MIGRATIONS, Migration, migrate
from pacskit.storage.index.tables import PostgresTables
from pacskit.storage.index.tags import TAGS_TOPIC, Tags
from pacskit.storage.index.writing import Conflict, MustBeAlone, Transaction
from pacskit.storage.records import Commit

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresIndex"]

IDLE_READERS = 8
ROWS = 100
CONNECT_SECONDS = 10
LOCK_SECONDS = 30.0  # a transaction is short: it is somebody's who has forgotten it, or works on the tables
_LOCK: Final = 0x7061_6373_6B69_74  # this archive's among the advisory locks of a database
# in one message; each statement sees what was committed before it, so the last one sees what the lock has waited for
_BEGUN: Final = "SELECT value, pg_current_xact_id()::text FROM state WHERE name = 'generation'"
_BEGIN: Final = f"BEGIN; SELECT pg_advisory_xact_lock_shared({_LOCK:d}); {_BEGUN}"
_BEGIN_ALONE: Final = f"BEGIN; SELECT pg_advisory_xact_lock({_LOCK:d}); {_BEGUN}"
_NOTIFY: Final = f"SELECT pg_notify({CHANNEL}, %s)"
_DISTURBED: Final = frozenset({"40001", "40P01"})  # serialization failure, deadlock
_LOCKED: Final = "55P03"  # lock not available
_FULL: Final = frozenset({"53100", "54000"})


class _Connection:
    """A connection that takes our SQL."""

    __slots__ = ("raw",)

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw

    def execute(self, sql: str, parameters: Parameters = (), /) -> psycopg.Cursor[Any]:
        return self.raw.execute(for_postgres(sql), parameters)

    def executemany(self, sql: str, rows: Iterable[Parameters], /) -> psycopg.Cursor[Any]:
        cursor = self.raw.cursor()
        if isinstance(rows, list) and len(rows) == 1:  # without the pipeline that several are worth
            return cursor.execute(for_postgres(sql), rows[0])
        cursor.executemany(for_postgres(sql), rows)
        return cursor

    def is_alive(self) -> bool:
        """Whether an idle connection is still one: the server says nothing to those it has no answer for."""
        if self.raw.closed:
            return False
        poll = select.poll()
        poll.register(self.raw.fileno(), select.POLLIN)
        return not poll.poll(0)


class PostgresIndex(SqlIndex):
    """An index in a database; how durable a commit is, its server knows (``synchronous_commit``)."""

    dialect = Dialect.POSTGRESQL

    def __init__(self, url: str, *, commit: Commit = "group") -> None:
        super().__init__()
        try:
            import psycopg
        except ImportError as error:
            raise ConfigurationError("an index in PostgreSQL needs psycopg: pip install 'pacskit[postgres]'") from error
        self._driver = psycopg
        self._url = url
        self._durable = commit != "os"
        self._idle: list[_Connection] = []
        self._generation = -1
        self._transaction = ""
        self._ending = False
        self._doubtful = False
        self._connection: _Connection | None = None
        self._fresh_tags, self._tags_count = Tags(), -1
        self.listener = PostgresListener(lambda **more: self._connect(**more).raw, self.news.tell)
        with self.translated("opening the index"):
            self._connection = self._connect()
            try:
                self.bring_up_to_date()
                self._refresh(self._connection)
            except BaseException:
                self._connection.raw.close()
                raise

    def _connect(self, **more: Any) -> _Connection:
        made = self._driver.connect(
            self._url, autocommit=True, connect_timeout=CONNECT_SECONDS, client_encoding="utf-8",
            application_name="pacskit", **more,
        )  # fmt: skip
        if made.info.parameter_status("server_encoding") != "UTF8":
            made.close()
            raise ConfigurationError("the database is not in UTF-8: CREATE DATABASE … ENCODING 'UTF8'")
        made.execute(
            f"SELECT set_config('lock_timeout', '{LOCK_SECONDS * 1000:.0f}', false)"
            " WHERE current_setting('lock_timeout') = '0'"
        )
        if self._durable:
            made.execute("SET synchronous_commit = on")
        return _Connection(made)

    def bring_up_to_date(self, migrations: Sequence[Migration] = MIGRATIONS) -> int:
        """Migrate the database, all or nothing; return how many migrations it took."""
        raw = self._writing().raw
        if self._version(raw) == len(migrations):
            return 0
        with raw.transaction():
            _await_migration(raw)
            version = self._version(raw)
            after = migrate(raw.execute, version, Dialect.POSTGRESQL, migrations)
            raw.execute("CREATE TABLE IF NOT EXISTS pacskit_schema (version bigint NOT NULL)")
            raw.execute("DELETE FROM pacskit_schema")
            raw.execute("INSERT INTO pacskit_schema VALUES (%s)", (after,))
        return after - version

    @staticmethod
    def _version(raw: psycopg.Connection[Any]) -> int:
        found = raw.execute("SELECT to_regclass('pacskit_schema') IS NOT NULL").fetchone()
        row = raw.execute("SELECT version FROM pacskit_schema").fetchone() if found and found[0] else None
        return int(row[0]) if row else 0

    # reading

    def fresh_tags(self) -> Tags:
        """Return the searchable attributes, as other processes have left them too."""
        self.listener.start()
        count = self.news.count(TAGS_TOPIC)
        if count != self._tags_count or not self.listener.is_listening:
            with self.reader() as connection:
                self._fresh_tags = Tags.load(connection)
            self._tags_count = count
        return self._fresh_tags

    @contextmanager
    def reader(self) -> Iterator[_Connection]:
        """Lend a connection for reading; it belongs to the borrower until it comes back."""
        with self.translated("reading the index"):
            connection = self._borrow()
            try:
                yield connection
            finally:
                self._give_back(connection)

    def _borrow(self) -> _Connection:
        while True:
            with self._pool:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                made = self._connect()
                made.raw.execute("SET default_transaction_read_only = on")
                return made
            if connection.is_alive():
                return connection
            connection.raw.close()

    def _give_back(self, connection: _Connection) -> None:
        raw = connection.raw
        usable = not raw.closed and raw.info.transaction_status == self._driver.pq.TransactionStatus.IDLE
        with self._pool:
            keep = usable and not self._closed and len(self._idle) < IDLE_READERS
            if keep:
                self._idle.append(connection)
        if not keep:
            raw.close()

    def pages(self, wanted: Plan) -> Iterator[Sequence[Any]]:
        """Run a plan, from one snapshot; writers do not wait for it."""
        sql = for_postgres(wanted.sql)
        parameters = [like_pattern(one) if type(one) is Glob else one for one in wanted.parameters]
        with self.reader() as connection:
            if wanted.narrow:
                yield connection.raw.execute(sql, parameters).fetchall()
                return
            page: list[Any] = []
            # not prepared: which index is best depends on the values
            with connection.raw.cursor() as cursor:
                for row in cursor.stream(sql, parameters, size=ROWS):
                    page.append(row)
                    if len(page) == ROWS:
                        yield page
                        page = []
            yield page

    @contextmanager
    def tables(self, *, write: bool = False) -> Iterator[PostgresTables]:
        """The tables as they are, in a transaction of their own, from one snapshot."""
        with self.translated("copying the index"), closing(self._connect().raw) as raw:
            raw.execute("BEGIN" if write else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield PostgresTables(raw)
            raw.execute("COMMIT")  # closed without, it is undone

    # writing

    def _writing(self) -> _Connection:
        connection = self._connection
        if connection is None or not connection.is_alive():
            if connection is not None:
                connection.raw.close()
            connection = self._connection = self._connect()
        return connection

    def begin(self, alone: bool, /) -> Transaction:
        """Begin a transaction; ``alone``: nobody else writes until it ends."""
        if self._closed:
            raise StorageError("the index is closed")
        self._ending, self._batch = False, None
        connection = self._writing()
        raw = connection.raw
        begun = raw.execute(_BEGIN_ALONE if alone else _BEGIN)
        while begun.nextset():
            continue
        found = begun.fetchone()
        if found is None:
            raise StorageError("the index has lost its state")
        if found[0] != self._generation:  # another process has removed something
            self._known.clear()
            self._generation = found[0]
            self._refresh(connection)
        self._transaction = found[1]
        made = Transaction(
            connection, self._known, alone=alone, doubtful=self._doubtful, tagged=bool(self._tags),
            dialect=self.dialect, retention=self.retention,
        )  # fmt: skip
        return self._begun(made)

    def commit(self) -> None:
        """End the transaction."""
        raw = self._writer_connection().raw
        if self._batch is not None and self._batch.removed:
            raw.execute("UPDATE state SET value = value + 1 WHERE name = 'generation'")
        topics = set() if self._batch is None else self._batch.topics - {CHANGES_TOPIC}  # which has been told
        if topics:
            raw.execute(_NOTIFY, (" ".join(sorted(topics)),))
        self._ending = True
        try:
            raw.execute("COMMIT")
        except self._driver.OperationalError as error:
            if error.sqlstate == _LOCKED:  # of the queue of notifications: the server has undone it
                self._ending = False
                raise
            ended = self._has_ended_well()
            if ended is None:
                raise OutcomeUnknown("writing the index: the line broke as a transaction ended") from error
            self._ending = False
            if not ended:
                raise Conflict from error
        self._ending = False
        self._ended()

    def _writer_connection(self) -> _Connection:
        if self._connection is None:
            raise StorageError("the index is closed")
        return self._connection

    def _has_ended_well(self) -> bool | None:
        """Ask what became of a transaction whose end was not heard of; None where nobody can say."""
        try:
            raw = self._writing().raw
            raw.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))  # it holds this lock while it lasts
            found = raw.execute("SELECT pg_xact_status(%s::xid8)", (self._transaction,)).fetchone()
        except self._driver.Error:
            found = None
        if found is None or found[0] not in {"committed", "aborted"}:
            self._doubtful = True
            return None
        return bool(found[0] == "committed")

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        connection = self._connection
        if connection is None or connection.raw.closed:
            return
        if connection.raw.info.transaction_status != self._driver.pq.TransactionStatus.IDLE:
            try:
                connection.raw.execute("ROLLBACK")
            except self._driver.Error:
                connection.raw.close()

    def disturbed(self, error: BaseException) -> bool:
        """Whether an error came from others' transactions, or from a server that had gone away before the end."""
        if isinstance(error, Conflict):
            return True
        if not isinstance(error, self._driver.Error):
            return False
        lost = self._connection is not None and self._connection.raw.closed and self._batch is not None
        return error.sqlstate in _DISTURBED or (lost and not self._ending)

    def concerns_all(self, error: BaseException) -> bool:
        """Whether somebody else had what was waited for."""
        return isinstance(error, self._driver.Error) and error.sqlstate == _LOCKED

    def translated(self, doing: str) -> AbstractContextManager[None]:
        """Raise what psycopg raises as StorageError; values stay out of the message."""

        def translate(error: Exception) -> StorageError | None:
            if isinstance(error, (Conflict, MustBeAlone)):
                return StorageError(f"{doing}: other writers were always first")
            if not isinstance(error, self._driver.Error):
                return None
            if error.sqlstate is None and isinstance(error, self._driver.OperationalError):
                return StorageError(f"{doing}: {(str(error).splitlines() or ['no connection'])[0]}")
            kind = OutOfSpace if error.sqlstate in _FULL else StorageError
            return kind(f"{doing}: {type(error).__name__} ({error.sqlstate})")

        return translating(translate)

    def release_memory(self) -> None:
        """Close the connections that rest: the pages are the server's, and so is what each of them holds."""
        with self._pool:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.raw.close()

    def close(self) -> None:
        """Close the connections; those lent out close when they come back."""
        self.news.close()
        self._builder.close()
        self.listener.close()
        with self._pool:
            self._closed = True
            idle, self._idle = self._idle, []
        if self._connection is not None:
            idle.append(self._connection)
        for connection in idle:
            with suppress(self._driver.Error):
                connection.raw.close()


def _await_migration(raw: psycopg.Connection[Any]) -> None:
    """Lock out all others until the transaction ends; another process may be migrating, for as long as that takes."""
    found = raw.execute("SELECT current_setting('lock_timeout')").fetchone()
    raw.execute("SET LOCAL lock_timeout = 0")
    raw.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    raw.execute("SELECT set_config('lock_timeout', %s, true)", found)
