"""The queue that every archive has: a table in the database of its index, whose jobs are claimed for a time."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from pacskit.client.jobs import statements as sql
from pacskit.client.jobs.base import LEASE
from pacskit.client.jobs.common import NewJob, SqlQueue
from pacskit.client.jobs.errors import JobError, JobNotFound, JobStateError, LeaseLost
from pacskit.client.jobs.records import Asked, Job, JobState
from pacskit.core.errors import ConfigurationError
from pacskit.storage.index.writing import Conflict, Transaction

__all__ = ["ENDED", "TableQueue"]

ENDED: Final = (JobState.COMPLETED, JobState.CANCELLED)
_TRIES: Final = 10
_LONGEST: Final = 4000  # characters of what is kept of an error or a note
_Jobs = Sequence[Job]  # within the class, list is what it lists


class TableQueue(SqlQueue):
    """Jobs in the database of an index, claimed by lease; the same in SQLite and in PostgreSQL."""

    supports = frozenset({"pause", "progress", "result", "attempts", "retry cancelled"})

    def _add(self, tx: Transaction, new: NewJob, now: int) -> Job:
        at = now if new.run_at is None else new.run_at
        state, due = ("pending", at) if at > now else ("queued", None)
        values = (
            new.kind, new.payload, state, int(new.priority), at, due, new.dedup_key, new.max_attempts, now,
        )  # fmt: skip
        for _ in range(_TRIES):
            row = tx.execute(sql.ENQUEUE, values).fetchone()
            if row is not None:
                self._rung(tx)
                return sql.job_of(row)
            row = tx.execute(sql.LIVE_WITH_KEY, (new.dedup_key,)).fetchone()
            if row is not None:
                return sql.job_of(row)
        raise Conflict  # jobs with this key come and go

    # who works

    def claim(
        self, n: int = 1, *, worker: str = "", kinds: Collection[str] | None = None, lease: float = LEASE
    ) -> Sequence[Job]:
        """Take at most ``n`` jobs that are due; see `JobQueue.claim`."""
        if n < 1 or lease <= 0:
            raise ConfigurationError("at least one job is claimed, for some time")
        name = worker or uuid.uuid4().hex[:12]
        chosen, wanted = "", {}
        if kinds is not None:
            chosen, wanted = "AND kind IN (SELECT value FROM json_each(:kinds))", {"kinds": json.dumps(sorted(kinds))}

        def work(tx: Transaction) -> list[Any]:
            now = self._clock(tx.connection)
            self._tick(tx, now)
            tx.execute(sql.DUE, {"now": now})
            until = now + round(lease * 1000)
            values = {"n": n, "worker": name, "lease": until, "now": now, **wanted}
            return tx.execute(sql.CLAIM.format(kinds=chosen), values).fetchall()

        with self._index.reader() as connection:  # which disturbs nobody who writes
            if not connection.execute(sql.IS_ANY, {"now": self._clock(connection)}).fetchone()[0]:
                return []
        found = [sql.job_of(row) for row in self._run(work)]
        return sorted(found, key=lambda one: (-one.priority, one.run_at, one.id))

    def _change(self, text: str, job: Job, tx: Transaction | None = None, *, rings: bool = False, **values: Any) -> Any:
        """Change a job that the caller has claimed; return what the statement does."""

        def work(one: Transaction) -> Any:
            now = self._clock(one.connection)
            at = {"at": now + values["delay"]} if "delay" in values else {}
            lease = {"lease": now + values["lease"]} if values.get("lease") is not None else {}
            given = {**values, "now": now, "pk": job.id, "token": job.token, **at, **lease}
            row = one.execute(text, given).fetchone()
            if rings and row is not None:
                self._rung(one)
            return row

        row = self._run(work, tx)
        if row is None:
            raise LeaseLost(f"job {job.id} is not this worker's any more")
        return row[0]

    def heartbeat(self, job: Job, *, lease: float = LEASE) -> Asked:
        """Keep a job; return what is wanted of it. Raises LeaseLost."""
        return Asked(self._change(sql.TOUCH, job, lease=round(lease * 1000), done=None, total=None, note=None))

    def progress(self, job: Job, done: int, total: int = 0, note: str = "") -> Asked:
        """Say how far it is; return what is wanted of it. Raises LeaseLost."""
        if not 0 <= done < 1 << 60 or not 0 <= total < 1 << 60:
            raise JobError("progress is counted from 0")
        return Asked(self._change(sql.TOUCH, job, lease=None, done=done, total=total, note=_text(note)))

    def asked(self, jobs: Collection[Job]) -> Mapping[int, Asked]:
        """Return what is wanted of jobs that run, by their IDs."""
        tokens = {one.id: one.token for one in jobs}
        with self._index.reader() as connection:
            rows = connection.execute(sql.ASKED, (json.dumps(list(tokens)),)).fetchall()
        return {pk: Asked(asked) for pk, token, asked in rows if tokens[pk] == token}

    def ack(self, job: Job, result: Any = None, *, tx: Transaction | None = None) -> None:
        """Say that it is done. Raises LeaseLost."""
        self._change(sql.ACK, job, tx, result=None if result is None else json.dumps(result, allow_nan=False))

    def nack(self, job: Job, delay: float = 0.0, *, error: str = "", final: bool = False) -> JobState:
        """Say that it could not be done; return its state. Raises LeaseLost."""
        milli = round(max(delay, 0.0) * 1000)
        return JobState(self._change(sql.NACK, job, rings=True, delay=milli, error=_text(error), final=int(final)))

    def release(self, job: Job) -> None:
        """Give a job back as if it had not been begun. Raises LeaseLost."""
        self._change(sql.RELEASE, job, rings=True)

    # who looks after them

    def _turn(self, text: str, id: int, doing: str) -> Job:
        def work(tx: Transaction) -> Any:
            row = tx.execute(text, {"pk": id, "now": self._clock(tx.connection)}).fetchone()
            if row is not None:
                self._rung(tx)
            return row

        row = self._run(work)
        if row is None:
            raise JobStateError(f"job {id} is {self._said(self.get(id))}: it cannot be {doing}")
        return sql.job_of(row)

    @staticmethod
    def _said(job: Job) -> str:
        return f"{job.state}, and asked to {job.asked}" if job.asked else str(job.state)

    def cancel(self, id: int) -> Job:
        """Cancel a job; one that runs is asked to stop. Raises JobNotFound, JobStateError."""
        return self._turn(sql.CANCEL, id, "cancelled")

    def pause(self, id: int) -> Job:
        """Keep a job from running until `resume`. Raises JobNotFound, JobStateError."""
        return self._turn(sql.PAUSE, id, "paused")

    def resume(self, id: int) -> Job:
        """Let a job that was paused run. Raises JobNotFound, JobStateError."""
        return self._turn(sql.RESUME, id, "resumed")

    def retry(self, id: int) -> Job:
        """Let a job that failed or was cancelled run again. Raises JobNotFound, JobStateError."""
        return self._turn(sql.RETRY, id, "tried again, or another has its dedup key")

    def pause_queue(self, kind: str | None = None) -> None:
        """Let no job of a kind, or of any, begin until `resume_queue`."""
        text = "INSERT INTO job_pause (kind) VALUES (?) ON CONFLICT DO NOTHING"
        self._run(lambda tx: tx.execute(text, (kind or "",)).rowcount)

    def resume_queue(self, kind: str | None = None) -> None:
        """End `pause_queue` of the same kind."""

        def work(tx: Transaction) -> None:
            tx.execute("DELETE FROM job_pause WHERE kind = ?", (kind or "",))
            self._rung(tx)

        self._run(work)

    def paused_kinds(self) -> frozenset[str | None]:
        """Return the kinds that are paused; None among them: all."""
        with self._index.reader() as connection:
            return frozenset(kind or None for (kind,) in connection.execute("SELECT kind FROM job_pause").fetchall())

    def get(self, id: int) -> Job:
        """Return a job. Raises JobNotFound."""
        with self._index.reader() as connection:
            row = connection.execute(f"SELECT {sql.COLUMNS} FROM job WHERE pk = ?", (id,)).fetchone()
        if row is None:
            raise JobNotFound(id)
        return sql.job_of(row)

    def list(
        self,
        *,
        state: JobState | str | None = None,
        kind: str | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> _Jobs:
        """Return jobs, the newest first, those with IDs lower than ``before``."""
        where = [(text, value) for text, value in (("kind = ?", kind), ("pk < ?", before)) if value is not None]
        # each state has an index of its own, which is not found for a parameter
        states = [] if state is None else [f"state = '{JobState(state)}'"]
        if states and state not in {JobState.PENDING, JobState.QUEUED, JobState.RUNNING}:
            states.append(sql.ENDED_OR_PAUSED)
        clause = " AND ".join([*states, *(text for text, _ in where)]) or "1 = 1"
        text = f"SELECT {sql.COLUMNS} FROM job WHERE {clause} ORDER BY pk DESC LIMIT {max(limit, 0):d}"
        with self._index.reader() as connection:
            return [sql.job_of(row) for row in connection.execute(text, [value for _, value in where]).fetchall()]

    def dead_letters(self, *, kind: str | None = None, limit: int = 100, before: int | None = None) -> _Jobs:
        """Return the jobs that failed, the newest first."""
        return self.list(state=JobState.FAILED, kind=kind, limit=limit, before=before)

    def counts(self) -> Mapping[JobState, int]:
        """Return how many jobs there are of each state."""
        with self._index.reader() as connection:
            found = dict(connection.execute(sql.COUNTS).fetchall())
        return {state: found.get(str(state), 0) for state in JobState}

    def purge(self, older_than: timedelta, *, states: Collection[JobState] = ENDED) -> int:
        """Delete jobs that ended that long ago; return how many."""
        named = json.dumps([str(JobState(one)) for one in states])
        age = older_than // timedelta(milliseconds=1)
        found: int = self._run(lambda tx: tx.execute(sql.PURGE, (self._clock(tx.connection) - age, named)).rowcount)
        return found

    def next_due(self) -> float | None:
        """Return in how many seconds something falls due by itself; None: nothing does."""
        with self._index.reader() as connection:
            (due,) = connection.execute(sql.NEXT_DUE).fetchone()
            return None if due is None else max(0, due - self._clock(connection)) / 1000


def _text(text: str) -> str:
    return text[:_LONGEST].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
