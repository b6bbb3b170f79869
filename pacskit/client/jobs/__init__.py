"""Work that is done later, at least once: a queue in the database of the index, and threads that do what is in it."""

from pacskit.client.jobs.base import LEASE, JobQueue
from pacskit.client.jobs.bells import Bell
from pacskit.client.jobs.engines import ENGINES, open_queue
from pacskit.client.jobs.errors import (
    JobError,
    JobInterrupted,
    JobNotFound,
    JobRejected,
    JobStateError,
    JobsUnsupported,
    LeaseLost,
    RetryLater,
)
from pacskit.client.jobs.handlers import Handler, Handlers, JobContext
from pacskit.client.jobs.jobs import Jobs
from pacskit.client.jobs.records import ATTEMPTS, Asked, Job, JobKind, JobPriority, JobState, Schedule
from pacskit.client.jobs.table import TableQueue
from pacskit.client.jobs.timing import Timing
from pacskit.client.jobs.worker import Worker

__all__ = [
    "ATTEMPTS",
    "ENGINES",
    "LEASE",
    "Asked",
    "Bell",
    "Handler",
    "Handlers",
    "Job",
    "JobContext",
    "JobError",
    "JobInterrupted",
    "JobKind",
    "JobNotFound",
    "JobPriority",
    "JobQueue",
    "JobRejected",
    "JobState",
    "JobStateError",
    "Jobs",
    "JobsUnsupported",
    "LeaseLost",
    "RetryLater",
    "Schedule",
    "TableQueue",
    "Timing",
    "Worker",
    "open_queue",
]
