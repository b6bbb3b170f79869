"""What queues in the database of an index share: clock, bell, schedules, and what is checked of a new job."""

from __future__ import annotations

import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from pacskit.client.jobs.bells import TOPIC, Bell
from pacskit.client.jobs.records import ATTEMPTS, Job, JobPriority, Schedule, milliseconds, moment
from pacskit.client.jobs.timing import Timing
from pacskit.core.errors import ConfigurationError, StorageError
from pacskit.storage.index.dialect import Connection, Dialect
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.writing import Transaction
from pacskit.storage.text import clean

__all__ = ["Clock", "NewJob", "SqlQueue", "Work"]

_log = logging.getLogger("pacskit.jobs")

Work = Callable[[Transaction], Any]

_KIND: Final = 64
_KEY: Final = 200
_PAYLOAD: Final = 1 << 18
_FOREVER: Final = 1 << 53  # milliseconds; no moment is later
_TRUST: Final = 60.0  # seconds for which the server's clock is taken to run as ours
_SCHEDULES: Final = (
    "SELECT name, timing, zone, kind, payload, priority, max_attempts, next_run, last_run FROM job_schedule"
)


class Clock:
    """The time in milliseconds: this machine's, or the server's, which many machines have in common."""

    def __init__(self, dialect: Dialect) -> None:
        self._remote = dialect == Dialect.POSTGRESQL
        self._known: tuple[int, float] | None = None

    def __call__(self, connection: Connection) -> int:
        """Return the time; the server is asked for it once a minute."""
        if not self._remote:
            return time.time_ns() // 1_000_000
        known, here = self._known, time.monotonic()
        if known is None or here - known[1] > _TRUST:
            sql = "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS INTEGER)"
            known = self._known = (int(connection.execute(sql).fetchone()[0]), here)
        return known[0] + int((here - known[1]) * 1000)


class NewJob:
    """A job that is to be, checked."""

    __slots__ = ("dedup_key", "kind", "max_attempts", "payload", "priority", "run_at")

    def __init__(
        self,
        kind: str,
        payload: Mapping[str, Any] | None,
        run_at: datetime | None = None,
        dedup_key: str | None = None,
        priority: JobPriority | int = JobPriority.NORMAL,
        max_attempts: int = ATTEMPTS,
    ) -> None:
        self.kind = check_text(kind, "a kind", _KIND)
        self.dedup_key = None if dedup_key is None else check_text(dedup_key, "a dedup key", _KEY)
        try:
            self.payload = json.dumps(dict(payload or {}), separators=(",", ":"), allow_nan=False)
            self.priority = JobPriority(priority)
            self.run_at = None if run_at is None else min(milliseconds(run_at), _FOREVER)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"this cannot be a job: {error}") from error
        if len(self.payload) > _PAYLOAD:
            raise ConfigurationError(f"a payload has {_PAYLOAD} bytes of JSON at most: say where the data is")
        if not 1 <= max_attempts <= 1000:
            raise ConfigurationError("a job is tried 1 to 1000 times")
        self.max_attempts = max_attempts


def check_text(text: str, what: str, longest: int) -> str:
    """Return a name that a database keeps as it is."""
    if not 0 < len(text) <= longest or clean(text) != text:
        raise ConfigurationError(f"{what} has 1 to {longest} characters, and none that controls")
    return text


class SqlQueue(ABC):
    """A queue in the database of an index."""

    def __init__(self, index: SqlIndex, *, clock: Callable[[Connection], int] | None = None) -> None:
        self._index = index
        self._clock = clock or Clock(index.dialect)
        self.bell = Bell(index.news)

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Let `bell` ring for what other processes do too, at least while the context lasts."""
        try:
            self._index.listener.start()
        except StorageError as error:
            _log.warning("jobs of other processes wait for the timer: %s", error)
        yield

    def _run(self, work: Work, tx: Transaction | None = None) -> Any:
        return self._index.run(work) if tx is None else work(tx)

    @staticmethod
    def _rung(tx: Transaction) -> None:
        """Tell everybody when the transaction is committed."""
        tx.announce(TOPIC)

    @abstractmethod
    def _add(self, tx: Transaction, new: NewJob, now: int) -> Job:
        """Add a job in a transaction."""

    def enqueue(
        self,
        kind: str,
        payload: Mapping[str, Any] | None = None,
        *,
        run_at: datetime | None = None,
        dedup_key: str | None = None,
        priority: JobPriority | int = JobPriority.NORMAL,
        max_attempts: int = ATTEMPTS,
        tx: Transaction | None = None,
    ) -> Job:
        """Add a job; where a live one has its ``dedup_key``, return that one and add none."""
        new = NewJob(kind, payload, run_at, dedup_key, priority, max_attempts)
        made: Job = self._run(lambda one: self._add(one, new, self._clock(one.connection)), tx)
        return made

    # schedules

    def schedule(
        self,
        name: str,
        timing: str | timedelta | datetime,
        kind: str,
        payload: Mapping[str, Any] | None = None,
        *,
        zone: str = "UTC",
        priority: JobPriority | int = JobPriority.NORMAL,
        max_attempts: int = ATTEMPTS,
    ) -> Schedule:
        """Enqueue a job at set times; see `JobQueue.schedule`."""
        name = check_text(name, "the name of a schedule", _KEY - len(_OF))
        times = Timing(timing, zone)
        new = NewJob(kind, payload, None, None, priority, max_attempts)

        def work(tx: Transaction) -> int | None:
            at = times.first(self._clock(tx.connection))
            tx.execute(
                "INSERT INTO job_schedule (name, timing, zone, kind, payload, priority, max_attempts, next_run)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET timing = excluded.timing,"
                " zone = excluded.zone, kind = excluded.kind, payload = excluded.payload,"
                " priority = excluded.priority, max_attempts = excluded.max_attempts, next_run ="
                " CASE WHEN job_schedule.timing = excluded.timing AND job_schedule.zone = excluded.zone"
                " THEN job_schedule.next_run ELSE excluded.next_run END",
                (name, times.text, zone, new.kind, new.payload, int(new.priority), new.max_attempts, at),
            )
            self._rung(tx)
            return at

        self._run(work)
        with self._index.reader() as connection:
            row = connection.execute(f"{_SCHEDULES} WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise ConfigurationError(f"the schedule {name!r} has been removed meanwhile")
        return _schedule(row)

    def unschedule(self, name: str) -> bool:
        """Forget a schedule; return whether there was one."""
        sql = "DELETE FROM job_schedule WHERE name = ?"
        return bool(self._run(lambda tx: tx.execute(sql, (name,)).rowcount))

    def schedules(self) -> Sequence[Schedule]:
        """Return the schedules, by name."""
        with self._index.reader() as connection:
            return [_schedule(row) for row in connection.execute(f"{_SCHEDULES} ORDER BY name").fetchall()]

    def _tick(self, tx: Transaction, now: int) -> None:
        """Enqueue what the schedules say; who does so moves the next time in the same transaction."""
        sql = f"{_SCHEDULES} WHERE next_run <= ? ORDER BY name /* skip locked */"
        for row in tx.execute(sql, (now,)).fetchall():
            one = _schedule(row)
            try:
                after = Timing(one.timing, one.zone).after(now)
            except ConfigurationError as error:  # a time zone that this machine does not have: no reason to stop all
                _log.error("a schedule is not followed any more: %s", error)
                tx.execute("UPDATE job_schedule SET next_run = NULL WHERE name = ?", (one.name,))
                continue
            tx.execute("UPDATE job_schedule SET next_run = ?, last_run = ? WHERE name = ?", (after, row[7], one.name))
            self._add(tx, NewJob(one.kind, one.payload, None, _OF + one.name, one.priority, one.max_attempts), now)


_OF: Final = "schedule:"


def _schedule(row: Sequence[Any]) -> Schedule:
    name, timing, zone, kind, payload, priority, most, next_run, last_run = row
    return Schedule(
        name, timing, kind, json.loads(payload), zone, JobPriority(priority), most, moment(next_run), moment(last_run)
    )
