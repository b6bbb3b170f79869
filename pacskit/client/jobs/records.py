"""What a job is: its kind, its state, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any, Final

__all__ = [
    "ATTEMPTS",
    "LIVE",
    "Asked",
    "Job",
    "JobKind",
    "JobPriority",
    "JobState",
    "Schedule",
    "milliseconds",
    "moment",
]

ATTEMPTS: Final = 3
"""How often a job is tried unless somebody says otherwise."""


class JobKind(StrEnum):
    """The kinds that an archive knows; any other short name is one as well."""

    QUERY = "query"
    RETRIEVE = "retrieve"
    STORE = "store"
    EXPORT = "export"
    IMPORT = "import"
    PREFETCH = "prefetch"
    SYNC = "sync"


class JobState(StrEnum):
    """Where a job is.

    ``pending`` waits for its moment, ``queued`` for a worker. ``failed`` jobs are the dead letters: they have been
    tried as often as they may be.
    """

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PAUSED = "paused"


LIVE: Final = frozenset({JobState.PENDING, JobState.QUEUED, JobState.RUNNING, JobState.PAUSED})
"""States that may still change by themselves or by `resume`; one live job has a dedup key."""


class JobPriority(IntEnum):
    """Which of the queued jobs comes first."""

    LOW = 0
    NORMAL = 1
    HIGH = 2
    URGENT = 3


class Asked(StrEnum):
    """What somebody wants of a job while it runs."""

    NOTHING = ""
    CANCEL = "cancel"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work, as it was when it was read. Moments are in UTC.

    ``attempts`` counts the tries that have begun. ``token`` says which claim it is: only who has the last one ends it.
    ``done`` of ``total`` is how far it was at ``updated``, and ``note`` what it was at.
    """

    id: int
    kind: str
    payload: Mapping[str, Any]
    state: JobState
    priority: JobPriority
    run_at: datetime
    created: datetime
    dedup_key: str | None = None
    attempts: int = 0
    max_attempts: int = ATTEMPTS
    token: int = 0
    worker: str = ""
    asked: Asked = Asked.NOTHING
    lease_until: datetime | None = None
    started: datetime | None = None
    updated: datetime | None = None
    ended: datetime | None = None
    done: int = 0
    total: int = 0
    note: str = ""
    error: str = field(default="", repr=False)
    result: Any = None

    @property
    def eta(self) -> datetime | None:
        """When it will have ended, if it goes on as fast as it has; None where nobody can say."""
        if self.state != JobState.RUNNING or self.started is None or self.updated is None or self.done <= 0:
            return None
        if self.total < self.done or self.updated <= self.started:
            return None
        return self.started + (self.updated - self.started) * self.total / self.done


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is enqueued at set times, and when that is next; ``timing`` is as `pacskit.client.jobs.Timing` writes it."""

    name: str
    timing: str
    kind: str
    payload: Mapping[str, Any]
    zone: str = "UTC"
    priority: JobPriority = JobPriority.NORMAL
    max_attempts: int = ATTEMPTS
    next_run: datetime | None = None
    last_run: datetime | None = None


def moment(at: int | None) -> datetime | None:
    """Return the moment of a number of milliseconds since 1970."""
    return None if at is None else datetime.fromtimestamp(at // 1000, UTC).replace(microsecond=at % 1000 * 1000)


def milliseconds(at: datetime) -> int:
    """Return a moment in milliseconds since 1970, no earlier than it is."""
    if at.tzinfo is None:
        raise ValueError("a moment has a time zone")
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return -(-(since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds) // 1000)
