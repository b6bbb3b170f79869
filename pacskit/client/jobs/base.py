"""What every job queue does, whatever engine is behind it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pacskit.client.jobs.records import ATTEMPTS, Asked, Job, JobPriority, JobState, Schedule

if TYPE_CHECKING:
    from pacskit.client.jobs.bells import Bell
    from pacskit.storage.index.writing import Transaction

__all__ = ["LEASE", "JobQueue"]

LEASE = 60.0
"""Seconds after which a job whose worker has not been heard of is another's."""


@runtime_checkable
class JobQueue(Protocol):
    """Jobs that are done at least once. Calls may come from many threads and processes.

    With ``tx`` a call is part of a transaction of the index (``index.run``): it happens with the rest of it, or not.
    Raises StorageError where the database cannot be had, and what `pacskit.client.jobs.errors` has.
    """

    @property
    def supports(self) -> frozenset[str]:
        """Which of ``pause``, ``progress``, ``result``, ``attempts``, ``retry cancelled`` the engine has.

        The others raise JobsUnsupported, or where they are a detail of another call have no effect.
        """

    @property
    def bell(self) -> Bell:
        """What rings in this process when there may be something to do."""

    def listen(self) -> AbstractContextManager[None]:
        """Let `bell` ring for what other processes do too, while the context lasts."""

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

    def claim(
        self, n: int = 1, *, worker: str = "", kinds: Collection[str] | None = None, lease: float = LEASE
    ) -> Sequence[Job]:
        """Take at most ``n`` jobs that are due, the most urgent first; they are the caller's for ``lease`` seconds.

        What was another's and whose lease has run out is due again, and what the schedules say is enqueued before.
        """

    def heartbeat(self, job: Job, *, lease: float = LEASE) -> Asked:
        """Keep a job for ``lease`` seconds from now; return what is wanted of it. Raises LeaseLost."""

    def progress(self, job: Job, done: int, total: int = 0, note: str = "") -> Asked:
        """Say how far it is; return what is wanted of it. Raises LeaseLost."""

    def asked(self, jobs: Collection[Job]) -> Mapping[int, Asked]:
        """Return what is wanted of jobs that run, by their IDs; those of which nothing is wanted are left out."""

    def ack(self, job: Job, result: Any = None, *, tx: Transaction | None = None) -> None:
        """Say that it is done. Raises LeaseLost."""

    def nack(self, job: Job, delay: float = 0.0, *, error: str = "", final: bool = False) -> JobState:
        """Say that it could not be done; return its state: it is tried again after ``delay`` seconds, or has failed.

        It has failed where it is ``final`` or was the last attempt. What was asked to be cancelled or paused is that
        then. Raises LeaseLost.
        """

    def release(self, job: Job) -> None:
        """Give a job back as if it had not been begun, for another to take at once. Raises LeaseLost."""

    def cancel(self, id: int) -> Job:
        """Cancel a job; one that runs is asked to stop. Raises JobNotFound, JobStateError."""

    def pause(self, id: int) -> Job:
        """Keep a job from running until `resume`; one that runs is asked to stop. Raises JobNotFound, JobStateError."""

    def resume(self, id: int) -> Job:
        """Let a job that was paused run. Raises JobNotFound, JobStateError."""

    def retry(self, id: int) -> Job:
        """Let a job that failed or was cancelled run again, as if new. Raises JobNotFound, JobStateError."""

    def pause_queue(self, kind: str | None = None) -> None:
        """Let no job of a kind, or of any, begin until `resume_queue`."""

    def resume_queue(self, kind: str | None = None) -> None:
        """End `pause_queue` of the same kind."""

    def paused_kinds(self) -> frozenset[str | None]:
        """Return the kinds that are paused; None among them: all."""

    def get(self, id: int) -> Job:
        """Return a job. Raises JobNotFound."""

    def list(
        self,
        *,
        state: JobState | str | None = None,
        kind: str | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> Sequence[Job]:
        """Return jobs, the newest first, those with IDs lower than ``before``."""

    def dead_letters(self, *, kind: str | None = None, limit: int = 100, before: int | None = None) -> Sequence[Job]:
        """Return the jobs that failed, the newest first."""

    def counts(self) -> Mapping[JobState, int]:
        """Return how many jobs there are of each state."""

    def purge(self, older_than: timedelta, *, states: Collection[JobState] = ...) -> int:
        """Delete jobs that ended that long ago; return how many. By default those completed or cancelled."""

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
        """Enqueue a job at set times: a cron line of five fields, an interval, or one moment.

        Of all processes one enqueues it. Of times that have been missed, and while the job of the time before is
        live, there is one. The same ``name`` changes what there is.
        """

    def unschedule(self, name: str) -> bool:
        """Forget a schedule; return whether there was one."""

    def schedules(self) -> Sequence[Schedule]:
        """Return the schedules, by name."""

    def next_due(self) -> float | None:
        """Return in how many seconds something falls due by itself; None: nothing does."""
