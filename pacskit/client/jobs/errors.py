"""What can go wrong with jobs, and how a handler says what is to become of one."""

from __future__ import annotations

from pacskit.core.errors import PacsError

__all__ = [
    "JobError",
    "JobInterrupted",
    "JobNotFound",
    "JobRejected",
    "JobStateError",
    "JobsUnsupported",
    "LeaseLost",
    "RetryLater",
]


class JobError(PacsError):
    """A job could not be kept, found or changed."""


class JobNotFound(JobError, KeyError):
    """There is no such job; ``id`` is what was asked for."""

    def __init__(self, id: int) -> None:
        super().__init__(f"there is no job {id}")
        self.id = id

    def __str__(self) -> str:
        return f"there is no job {self.id}"


class JobStateError(JobError):
    """The job's state does not allow that."""


class LeaseLost(JobError):
    """The job is not this worker's any more: its lease ran out, or it was given up."""


class JobsUnsupported(JobError):
    """The engine behind this queue has no such thing."""


class JobInterrupted(JobError):
    """Raised in a handler by `JobContext.check`: the job is to stop, because of ``reason``.

    ``cancel`` and ``pause`` were asked for by somebody; at ``stop`` the worker ends, and another goes on; at ``lost``
    the job is not this worker's any more.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the job is to stop: {reason}")
        self.reason = reason


class RetryLater(JobError):
    """Raised by a handler: try again after ``delay`` seconds."""

    def __init__(self, message: str, *, delay: float) -> None:
        super().__init__(message)
        self.delay = delay


class JobRejected(JobError):
    """Raised by a handler: trying again is of no use."""
