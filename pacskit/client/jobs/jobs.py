"""The jobs of an archive: its queue, who does them, and the threads for that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from pacskit.client.jobs.base import LEASE, JobQueue
from pacskit.client.jobs.handlers import DELAY, LONGEST, TIMEOUT, Handler, Handlers, JobContext
from pacskit.client.jobs.records import ATTEMPTS, Job, JobPriority, Schedule
from pacskit.client.jobs.worker import Worker

if TYPE_CHECKING:
    from pacskit.storage.index.writing import Transaction

__all__ = ["Jobs"]

F = TypeVar("F", bound=Callable[[JobContext], Any])


class Jobs:
    """A queue with handlers and threads. Calls may come from many threads.

    >>> with Archive("/srv/pacs") as archive:  # doctest: +SKIP
    ...     @archive.jobs.handler("export")
    ...     def export(job):
    ...         for n, study in enumerate(job.payload["studies"]):
    ...             job.progress(n, len(job.payload["studies"]))
    ...     archive.serve()
    ...     archive.jobs.enqueue("export", {"studies": ["1.2.3"]}, dedup_key="export 1.2.3")
    """

    def __init__(self, queue: JobQueue, *, threads: int = 4, lease: float = LEASE) -> None:
        self.queue = queue
        self.handlers = Handlers()
        self._threads, self._lease = threads, lease
        self._lock = threading.Lock()
        self._worker: Worker | None = None

    def handler(
        self, kind: str, *, timeout: float | None = TIMEOUT, delay: float = DELAY, longest: float = LONGEST
    ) -> Callable[[F], F]:
        """Make a function what does jobs of a kind; see `Handler`. It may be called twice for the same job.

        Threads that run already take jobs of that kind from then on.
        """

        def register(function: F) -> F:
            self.handlers.add(kind, Handler(function, timeout, delay, longest))
            self.queue.bell.ring()
            return function

        return register

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
        """Add a job; see `JobQueue.enqueue`."""
        return self.queue.enqueue(
            kind, payload, run_at=run_at, dedup_key=dedup_key, priority=priority, max_attempts=max_attempts, tx=tx
        )

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
        return self.queue.schedule(name, timing, kind, payload, zone=zone, priority=priority, max_attempts=max_attempts)

    @property
    def is_running(self) -> bool:
        """Whether there are threads that do jobs here."""
        return self._worker is not None

    @property
    def running(self) -> tuple[Job, ...]:
        """The jobs that this process is busy with."""
        worker = self._worker
        return () if worker is None else worker.running

    def start(self) -> None:
        """Start threads that do the jobs there are handlers of; nothing where they run already."""
        with self._lock:
            if self._worker is None and self._threads:
                self._worker = Worker(self.queue, self.handlers, threads=self._threads, lease=self._lease).start()

    def stop(self, grace: float = 1.5) -> None:
        """Stop them; what has not ended after ``grace`` seconds is given back, for another to do."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop(grace)
