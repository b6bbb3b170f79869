"""The queue in procrastinate's tables, for sites that run that engine: PostgreSQL, with the extra ``postgres``.

Its own SQL functions are called on the connection of the index: jobs are added in the same transaction. A job of kind
``store`` is its task ``pacskit.store`` in the queue of the same name, and so its shell, its administration pages and
its own workers see what is here. It has no pause, keeps no progress, errors or results, and no limit of attempts for
each job: the queue has one. A job that is given back has been tried once more, and one that was cancelled cannot be
retried.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pacskit.client.jobs.base import LEASE
from pacskit.client.jobs.common import NewJob, SqlQueue
from pacskit.client.jobs.errors import JobNotFound, JobStateError, JobsUnsupported, LeaseLost
from pacskit.client.jobs.records import ATTEMPTS, Asked, Job, JobPriority, JobState, milliseconds, moment
from pacskit.core.errors import ConfigurationError
from pacskit.storage.index.dialect import Connection
from pacskit.storage.index.postgres import PostgresIndex
from pacskit.storage.index.writing import Transaction

if TYPE_CHECKING:
    import psycopg

    from pacskit.storage.index.repository import SqlIndex

__all__ = ["ProcrastinateQueue"]

_PREFIX: Final = "pacskit."
_ENDED: Final = (JobState.COMPLETED, JobState.CANCELLED)
_STATUS: Final = (
    (JobState.PENDING, "status = 'todo' AND scheduled_at > clock_timestamp()"),
    (JobState.QUEUED, "status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= clock_timestamp())"),
    (JobState.RUNNING, "status = 'doing'"),
    (JobState.COMPLETED, "status = 'succeeded'"),
    (JobState.FAILED, "status = 'failed'"),
    (JobState.CANCELLED, "status IN ('cancelled', 'aborting', 'aborted')"),
    (JobState.PAUSED, "false"),
)
_STATE: Final = "CASE " + " ".join(f"WHEN {text} THEN '{state}'" for state, text in _STATUS) + " END"
_EVENT: Final = "(SELECT max(e.at) FROM procrastinate_events e WHERE e.job_id = j.id AND e.type {})"
_DEFERRED: Final = _EVENT.format("= 'deferred'")
_STARTED: Final = _EVENT.format("= 'started'")
_FINISHED: Final = _EVENT.format("IN ('failed', 'succeeded', 'cancelled', 'aborted')")
_OURS: Final = f"starts_with(queue_name, '{_PREFIX}')"
_JOBS: Final = (
    f"SELECT j.id, j.task_name, j.args, {_STATE}, j.priority, j.scheduled_at, j.queueing_lock, j.attempts,"
    f" j.abort_requested, (SELECT count(*) FROM procrastinate_events e WHERE e.job_id = j.id AND e.type = 'started'),"
    f" {_DEFERRED}, {_STARTED}, {_FINISHED}"
    f" FROM procrastinate_jobs j WHERE {_OURS}"
)
_Jobs = Sequence[Job]  # within the class, list is what it lists


def _raw(connection: Connection) -> psycopg.Connection[Any]:
    """Return the driver's connection: the SQL of procrastinate is PostgreSQL's."""
    raw: psycopg.Connection[Any] = connection.raw  # type: ignore[attr-defined]
    return raw


class ProcrastinateQueue(SqlQueue):
    """Jobs in the tables of procrastinate, in the database of an index; each is tried ``attempts`` times."""

    supports: frozenset[str] = frozenset()

    def __init__(
        self,
        index: SqlIndex,
        *,
        attempts: int = ATTEMPTS,
        clock: Callable[[Connection], int] | None = None,
    ) -> None:
        if not isinstance(index, PostgresIndex):
            raise ConfigurationError("procrastinate keeps jobs in PostgreSQL: the index has to be there")
        try:
            from procrastinate.schema import SchemaManager
            from procrastinate.sql import queries
        except ImportError as error:
            raise ConfigurationError(
                "jobs in procrastinate need the package: pip install 'pacskit[postgres]'"
            ) from error
        super().__init__(index, clock=clock)
        self._attempts = attempts
        self._sql: Mapping[str, str] = {name: str(text) for name, text in queries.items()}
        self._lock = threading.Lock()
        self._workers: dict[str, int] = {}
        self._looked: datetime | None = None  # when jobs were last asked for: what is due since then has not been seen
        with index.reader() as connection:
            there = _raw(connection).execute("SELECT to_regclass('procrastinate_jobs')").fetchone()
        if there is None or there[0] is None:
            index.run_alone(lambda tx: self._make(tx, SchemaManager.get_schema()))

    @staticmethod
    def _make(tx: Transaction, schema: str) -> None:
        raw = _raw(tx.connection)
        found = raw.execute("SELECT to_regclass('procrastinate_jobs')").fetchone()
        if found is None or found[0] is None:
            raw.execute(schema.encode())

    def _ask(self, tx: Transaction, name: str, **values: Any) -> Any:
        """Ask one of the questions that procrastinate has."""
        return _raw(tx.connection).execute(self._sql[name].encode(), values).fetchone()

    def _add(self, tx: Transaction, new: NewJob, now: int) -> Job:
        if new.max_attempts != self._attempts:
            raise JobsUnsupported(f"procrastinate has no limit of attempts for each job: here it is {self._attempts}")
        raw = _raw(tx.connection)
        if new.dedup_key is not None:  # the engine's own lock is of those that have not begun
            raw.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", (new.dedup_key,))
            text = f"{_JOBS} AND queueing_lock = %s AND status IN ('todo', 'doing')"
            row = raw.execute(text.encode(), (new.dedup_key,)).fetchone()
            if row is not None:
                return self._job(row)
        name = _PREFIX + new.kind
        row = raw.execute(
            b"SELECT unnest(procrastinate_defer_jobs_v1(ARRAY[ROW(%s, %s, %s, NULL, %s, %s::jsonb, %s)"
            b"::procrastinate_job_to_defer_v1])) AS id",
            (name, name, int(new.priority), new.dedup_key, new.payload, moment(new.run_at)),
        ).fetchone()
        self._rung(tx)
        return self._job(raw.execute(f"{_JOBS} AND id = %s".encode(), row).fetchone())

    def _job(self, row: Any) -> Job:
        id, task, args, state, priority, at, key, attempts, abort, token, deferred, started, ended = row
        state = JobState(state)
        return Job(
            id=id,
            kind=task.removeprefix(_PREFIX),
            payload=args,
            state=state,
            priority=JobPriority(min(max(priority, JobPriority.LOW), JobPriority.URGENT)),
            run_at=_utc(at or deferred),
            created=_utc(deferred),
            dedup_key=key,
            attempts=attempts + (state == JobState.RUNNING),
            max_attempts=self._attempts,
            token=token,
            asked=Asked.CANCEL if abort else Asked.NOTHING,
            started=started and _utc(started),
            ended=_utc(ended) if ended and state not in {JobState.PENDING, JobState.QUEUED, JobState.RUNNING} else None,
        )

    # who works

    def _worker(self, tx: Transaction, name: str) -> int:
        """Return the number of a worker, who is alive."""
        known = self._workers.get(name)
        alive = b"UPDATE procrastinate_workers SET last_heartbeat = clock_timestamp() WHERE id = %s RETURNING id"
        if known is None or _raw(tx.connection).execute(alive, (known,)).fetchone() is None:
            known = int(self._ask(tx, "register_worker")[0])
        return known

    def _take_back(self, tx: Transaction, lease: float) -> None:
        """Let jobs be tried again of whose workers nothing has been heard."""
        raw = _raw(tx.connection)
        values = {"seconds_since_heartbeat": lease, "queue": None, "task_name": None}
        stalled = raw.execute(self._sql["select_stalled_jobs_by_heartbeat"].encode(), values).fetchall()
        if not stalled:
            return
        text = (
            f"SELECT id, attempts, abort_requested FROM procrastinate_jobs WHERE {_OURS} AND id = ANY(%s)"
            " AND status = 'doing' FOR UPDATE SKIP LOCKED"
        )
        for id, attempts, abort in raw.execute(text.encode(), ([one[0] for one in stalled],)).fetchall():
            self._again(tx, id, attempts + 1, abort, 0, final=False)

    def _again(self, tx: Transaction, id: int, attempts: int, abort: bool, delay: float, *, final: bool) -> JobState:
        if abort:
            self._ask(tx, "finish_job", job_id=id, status="aborted", delete_job=False)
            return JobState.CANCELLED
        if final or attempts >= self._attempts:
            self._ask(tx, "finish_job", job_id=id, status="failed", delete_job=False)
            return JobState.FAILED
        at = moment(self._clock(tx.connection) + round(delay * 1000)) if delay > 0 else None
        values = {"new_priority": None, "new_queue_name": None, "new_lock": None}
        self._ask(tx, "retry_job", job_id=id, retry_at=at, **values)
        return JobState.PENDING if delay > 0 else JobState.QUEUED

    def claim(
        self, n: int = 1, *, worker: str = "", kinds: Collection[str] | None = None, lease: float = LEASE
    ) -> Sequence[Job]:
        """Take at most ``n`` jobs that are due; see `JobQueue.claim`."""
        if n < 1 or lease <= 0:
            raise ConfigurationError("at least one job is claimed, for some time")

        def work(tx: Transaction) -> tuple[int, list[Job]]:
            raw = _raw(tx.connection)
            number = self._worker(tx, worker)
            self._tick(tx, self._clock(tx.connection))
            self._take_back(tx, lease)
            if kinds is None:
                text = f"SELECT DISTINCT queue_name FROM procrastinate_jobs WHERE {_OURS} AND status = 'todo'"
                queues = [name for (name,) in raw.execute(text.encode()).fetchall()]
            else:
                queues = [_PREFIX + kind for kind in kinds]
            (self._looked,) = raw.execute("SELECT now()").fetchone() or (None,)
            ids: list[int] = []
            while len(ids) < n:
                row = self._ask(tx, "fetch_job", queues=queues, worker_id=number)
                if row is None or row[0] is None:
                    break
                ids.append(row[0])
            rows = raw.execute(f"{_JOBS} AND id = ANY(%s)".encode(), (ids,)).fetchall()
            found = {row[0]: self._job(row) for row in rows}
            return number, [found[id] for id in ids]

        number, jobs = self._run(work)
        with self._lock:
            self._workers[worker] = number
        found: _Jobs = jobs
        return found

    def _mine(self, tx: Transaction, job: Job) -> tuple[int, bool]:
        """Return how often a job has been tried and whether it is to stop; it cannot be taken meanwhile."""
        row = (
            _raw(tx.connection)
            .execute(
                b"SELECT attempts + 1, abort_requested, worker_id FROM procrastinate_jobs j WHERE id = %s"
                b" AND status = 'doing' AND %s = (SELECT count(*) FROM procrastinate_events e"
                b" WHERE e.job_id = j.id AND e.type = 'started') FOR UPDATE",
                (job.id, job.token),
            )
            .fetchone()
        )
        if row is None:
            raise LeaseLost(f"job {job.id} is not this worker's any more")
        _raw(tx.connection).execute(
            b"UPDATE procrastinate_workers SET last_heartbeat = clock_timestamp() WHERE id = %s", (row[2],)
        )
        return row[0], row[1]

    def heartbeat(self, job: Job, *, lease: float = LEASE) -> Asked:
        """Say that the worker is alive, which keeps all its jobs; return what is wanted of this one."""
        _, abort = self._run(lambda tx: self._mine(tx, job))
        return Asked.CANCEL if abort else Asked.NOTHING

    def progress(self, job: Job, done: int, total: int = 0, note: str = "") -> Asked:
        """Raise JobsUnsupported."""
        self._without("progress")

    def asked(self, jobs: Collection[Job]) -> Mapping[int, Asked]:
        """Return what is wanted of jobs that run, by their IDs."""
        text = b"SELECT id FROM procrastinate_jobs WHERE id = ANY(%s) AND status = 'doing' AND abort_requested"
        with self._index.reader() as connection:
            rows = _raw(connection).execute(text, ([one.id for one in jobs],)).fetchall()
        return {id: Asked.CANCEL for (id,) in rows}

    def ack(self, job: Job, result: Any = None, *, tx: Transaction | None = None) -> None:
        """Say that it is done; ``result`` is not kept. Raises LeaseLost."""

        def work(one: Transaction) -> None:
            self._mine(one, job)
            self._ask(one, "finish_job", job_id=job.id, status="succeeded", delete_job=False)

        self._run(work, tx)

    def nack(self, job: Job, delay: float = 0.0, *, error: str = "", final: bool = False) -> JobState:
        """Say that it could not be done; return its state. ``error`` is not kept. Raises LeaseLost."""

        def work(tx: Transaction) -> JobState:
            attempts, abort = self._mine(tx, job)
            self._rung(tx)
            return self._again(tx, job.id, attempts, abort, delay, final=final)

        state: JobState = self._run(work)
        return state

    def release(self, job: Job) -> None:
        """Give a job back; the engine counts the attempt. Raises LeaseLost."""
        self.nack(job)

    # who looks after them

    def cancel(self, id: int) -> Job:
        """Cancel a job; one that runs is asked to stop. Raises JobNotFound, JobStateError."""

        def work(tx: Transaction) -> Any:
            found = self._ask(tx, "cancel_job", job_id=id, abort=True, delete_job=False)
            self._rung(tx)
            return found

        row = self._run(work)
        job = self.get(id)
        if row is None or row[0] is None:
            raise JobStateError(f"job {id} is {job.state}: it cannot be cancelled")
        return job

    def retry(self, id: int) -> Job:
        """Let a job that failed run again, once. Raises JobNotFound, JobStateError."""

        def work(tx: Transaction) -> bool:
            raw = _raw(tx.connection)
            text = b"SELECT queueing_lock FROM procrastinate_jobs WHERE id = %s AND status = 'failed' FOR UPDATE"
            row = raw.execute(text, (id,)).fetchone()
            if row is None:
                return False
            if row[0] is not None:
                raw.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", row)
                live = b"SELECT 1 FROM procrastinate_jobs WHERE queueing_lock = %s AND status IN ('todo', 'doing')"
                if raw.execute(live, row).fetchone() is not None:
                    return False
            values = {"new_priority": None, "new_queue_name": None, "new_lock": None}
            self._ask(tx, "retry_job", job_id=id, retry_at=None, **values)
            self._rung(tx)
            return True

        done, job = self._run(work), self.get(id)
        if not done:
            raise JobStateError(f"job {id} is {job.state}: it cannot be tried again, or another has its dedup key")
        return job

    @staticmethod
    def _without(what: str) -> NoReturn:
        raise JobsUnsupported(f"procrastinate has no {what}: the archive's own table has")

    def pause(self, id: int) -> Job:
        """Raise JobsUnsupported."""
        self._without("pause")

    def resume(self, id: int) -> Job:
        """Raise JobsUnsupported."""
        self._without("pause")

    def pause_queue(self, kind: str | None = None) -> None:
        """Raise JobsUnsupported."""
        self._without("pause")

    def resume_queue(self, kind: str | None = None) -> None:
        """Raise JobsUnsupported."""
        self._without("pause")

    def paused_kinds(self) -> frozenset[str | None]:
        """Return nothing: none can be paused."""
        return frozenset()

    def get(self, id: int) -> Job:
        """Return a job. Raises JobNotFound."""
        with self._index.reader() as connection:
            row = _raw(connection).execute(f"{_JOBS} AND id = %s".encode(), (id,)).fetchone()
        if row is None:
            raise JobNotFound(id)
        return self._job(row)

    def list(
        self,
        *,
        state: JobState | str | None = None,
        kind: str | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> _Jobs:
        """Return jobs, the newest first, those with IDs lower than ``before``."""
        where = dict(_STATUS)[JobState(state)] if state is not None else "true"
        text = f"{_JOBS} AND {where}" + (
            " AND (%s::text IS NULL OR queue_name = %s) AND (%s::bigint IS NULL OR id < %s) ORDER BY id DESC LIMIT %s"
        )
        name = None if kind is None else _PREFIX + kind
        with self._index.reader() as connection:
            values = (name, name, before, before, max(limit, 0))
            return [self._job(row) for row in _raw(connection).execute(text.encode(), values).fetchall()]

    def dead_letters(self, *, kind: str | None = None, limit: int = 100, before: int | None = None) -> _Jobs:
        """Return the jobs that failed, the newest first."""
        return self.list(state=JobState.FAILED, kind=kind, limit=limit, before=before)

    def counts(self) -> Mapping[JobState, int]:
        """Return how many jobs there are of each state."""
        text = f"SELECT {_STATE}, count(*) FROM procrastinate_jobs WHERE {_OURS} GROUP BY 1"
        with self._index.reader() as connection:
            found = dict(_raw(connection).execute(text.encode()).fetchall())
        return {state: found.get(str(state), 0) for state in JobState}

    def purge(self, older_than: timedelta, *, states: Collection[JobState] = _ENDED) -> int:
        """Delete jobs that ended that long ago; return how many."""
        named = [dict(_STATUS)[JobState(one)] for one in states if JobState(one) in {*_ENDED, JobState.FAILED}]
        text = f"DELETE FROM procrastinate_jobs j WHERE {_OURS} AND ({' OR '.join(['false', *named])})"
        text += f" AND {_FINISHED} < clock_timestamp() - %s"
        found: int = self._run(lambda tx: _raw(tx.connection).execute(text.encode(), (older_than,)).rowcount)
        return found

    def next_due(self) -> float | None:
        """Return in how many seconds something falls due by itself; None: nothing does."""
        text = (
            f"SELECT min(scheduled_at) FROM procrastinate_jobs WHERE {_OURS} AND status = 'todo'"
            " AND scheduled_at > coalesce(%s::timestamptz, clock_timestamp())"
        )
        with self._index.reader() as connection:
            now = self._clock(connection)
            (at,) = _raw(connection).execute(text.encode(), (self._looked,)).fetchone() or (None,)
            (run,) = connection.execute("SELECT min(next_run) FROM job_schedule").fetchone()
        moments = [one for one in (None if at is None else milliseconds(at), run) if one is not None]
        return max(0, min(moments) - now) / 1000 if moments else None


def _utc(at: datetime) -> datetime:
    return moment(milliseconds(at)) or at
