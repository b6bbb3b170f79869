"""Threads that do jobs.

One thread claims for all: it sleeps until the bell rings (somebody has enqueued, asked for something, or a handler has
ended), until the earliest of what is pending falls due, or until it is time to renew the leases of what runs. It never
sleeps longer than a lease: that is how soon a job is found again of which nobody was told, because its process was
killed between a commit and the ring. Nothing else is looked at again and again.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Final, Self

from pacskit.client.jobs.base import LEASE, JobQueue
from pacskit.client.jobs.errors import JobInterrupted, JobRejected, LeaseLost, RetryLater
from pacskit.client.jobs.handlers import Handler, Handlers, JobContext
from pacskit.client.jobs.records import Job
from pacskit.core.errors import ConfigurationError, PacsError

__all__ = ["Worker"]

_log = logging.getLogger("pacskit.jobs")

_BEATS: Final = 3  # times that a lease is renewed in its time
_KEEP: Final = timedelta(days=30)
_HOUR: Final = 3600.0
_AGAIN: Final = 5.0  # seconds until a database that could not be had is tried again
_SHORTEST: Final = 0.01  # seconds; what is due and locked by another is looked at again


class _Run:
    """A job that a thread is busy with."""

    __slots__ = ("beat", "context", "ends", "handler", "job")

    def __init__(self, job: Job, handler: Handler, context: JobContext, beat: float) -> None:
        self.job, self.handler, self.context, self.beat = job, handler, context, beat
        self.ends = None if handler.timeout is None else time.monotonic() + handler.timeout

    @property
    def lost(self) -> bool:
        """Whether the job is not ours any more, though its handler may not know."""
        return self.context.reason == "lost"


class Worker:
    """Claims jobs of the kinds that it has handlers of, and runs them, ``threads`` at a time.

    A handler that returns has done its job; one that raises has not, and is called again later. What it returns is
    kept with the job. Jobs that have ended are deleted after ``keep``, but for those that failed.
    """

    def __init__(
        self,
        jobs: JobQueue,
        handlers: Handlers,
        *,
        threads: int = 4,
        lease: float = LEASE,
        name: str | None = None,
        keep: timedelta | None = _KEEP,
    ) -> None:
        if threads < 1 or lease <= 0:
            raise ConfigurationError("a worker has a thread at least, and leases last")
        self.name = name or f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._jobs, self._handlers = jobs, handlers
        self._count, self._lease, self._keep = threads, lease, keep
        self._lock = threading.Lock()
        self._runs: set[_Run] = set()
        self._waiting: queue.SimpleQueue[_Run | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._clerk: threading.Thread | None = None
        self._draining = self._ended = False
        self._purged = time.monotonic()

    @property
    def running(self) -> tuple[Job, ...]:
        """The jobs that it is busy with."""
        with self._lock:
            return tuple(one.job for one in self._runs if not one.lost)

    def start(self) -> Self:
        """Start the threads."""
        if self._clerk is not None:
            raise ConfigurationError("a worker is started once")
        for number in range(self._count):
            thread = threading.Thread(target=self._serve, name=f"pacskit-jobs-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._clerk = threading.Thread(target=self._attend, name="pacskit-jobs", daemon=True)
        self._clerk.start()
        return self

    def stop(self, grace: float = 1.5) -> None:
        """Claim no more, ask handlers to stop, and give back what they have not ended after ``grace`` seconds."""
        clerk = self._clerk
        if clerk is None or self._ended:
            return
        self._draining = True
        with self._lock:
            for run in self._runs:
                run.context.stop("stop")
        ends = time.monotonic() + grace
        while self.running and (left := ends - time.monotonic()) > 0:
            seen = self._jobs.bell.rung
            if self.running:
                self._jobs.bell.wait(seen, left)
        self._ended = True
        self._jobs.bell.ring()
        clerk.join()
        with self._lock:
            left_over = [run for run in self._runs if not run.lost]
        for run in left_over:
            run.context.lose()
            self._said(run, partial(self._jobs.release, run.job))
        for _ in self._threads:
            self._waiting.put(None)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # the thread that claims

    def _attend(self) -> None:
        with self._jobs.listen():
            while not self._ended and not self._jobs.bell.is_gone:
                seen = self._jobs.bell.rung
                try:
                    pause = self._round()
                except PacsError as error:
                    _log.error("jobs cannot be looked after: %s", error)
                    pause = min(_AGAIN, self._lease / _BEATS)
                self._jobs.bell.wait(seen, max(pause, _SHORTEST))

    def _round(self) -> float:
        """Do what there is to do; return in how many seconds there is more."""
        self._look_after()
        due = None
        with self._lock:
            free = 0 if self._draining else self._count - len(self._runs)
        if free and self._handlers.kinds:
            found = self._jobs.claim(free, worker=self.name, kinds=self._handlers.kinds, lease=self._lease)
            for job in found:
                self._begin(job)
            if len(found) < free:
                due = self._jobs.next_due()
        self._tidy()
        now, moments = time.monotonic(), [self._lease if due is None else due, self._lease]
        with self._lock:
            for run in self._runs:
                if not run.lost:
                    moments += [run.beat - now, *([] if run.ends is None else [run.ends - now])]
        return min(moments)

    def _begin(self, job: Job) -> None:
        run = _Run(job, self._handlers[job.kind], JobContext(self._jobs, job), time.monotonic() + self._lease / _BEATS)
        with self._lock:
            self._runs.add(run)
        self._waiting.put(run)

    def _look_after(self) -> None:
        """Renew leases, take note of what is wanted of jobs, and take those from handlers that last too long."""
        with self._lock:
            runs = [one for one in self._runs if not one.lost]
        if not runs:
            return
        asked = self._jobs.asked([one.job for one in runs])
        now = time.monotonic()
        for run in runs:
            if run.ends is not None and now >= run.ends:
                run.context.lose()
                self._failed(run, f"it took more than {run.handler.timeout:g} seconds")
                continue
            if now >= run.beat:
                run.beat = now + self._lease / _BEATS
                try:
                    self._jobs.heartbeat(run.job, lease=self._lease)
                except LeaseLost:
                    run.context.lose()
                    continue
            if run.job.id in asked:
                run.context.stop(str(asked[run.job.id]))

    def _tidy(self) -> None:
        if self._keep is not None and time.monotonic() - self._purged > _HOUR:
            self._purged = time.monotonic()
            self._jobs.purge(self._keep)

    # the threads that work

    def _serve(self) -> None:
        while (run := self._waiting.get()) is not None:
            try:
                self._work(run)
            finally:
                with self._lock:
                    self._runs.discard(run)
                self._jobs.bell.ring()

    def _work(self, run: _Run) -> None:
        try:
            result = run.handler.run(run.context)
        except JobInterrupted:
            if not run.lost:
                self._said(run, lambda: self._jobs.release(run.job))
        except BaseException as error:
            if not run.lost:
                self._failed(run, f"{type(error).__name__}: {error}", error)
        else:
            if not run.lost:
                self._done(run, result)

    def _done(self, run: _Run, result: object) -> None:
        def done() -> None:
            try:
                self._jobs.ack(run.job, result)
            except LeaseLost:
                if not run.context.finished:  # or it has ended in a transaction of the handler's
                    raise
            except (TypeError, ValueError):
                self._jobs.nack(run.job, error="what the handler returned is no JSON", final=True)

        self._said(run, done)

    def _failed(self, run: _Run, text: str, error: BaseException | None = None) -> None:
        delay = error.delay if isinstance(error, RetryLater) else run.handler.pause(run.job.attempts)
        final = isinstance(error, JobRejected)
        kind = "timeout" if error is None else type(error).__name__
        _log.warning("job %d (%s) failed, attempt %d: %s", run.job.id, run.job.kind, run.job.attempts, kind)
        self._said(run, lambda: self._jobs.nack(run.job, delay, error=text, final=final))

    def _said(self, run: _Run, say: Callable[[], object]) -> None:
        """Say what became of a job; where that cannot be said, its lease runs out and it is done again."""
        try:
            say()
        except LeaseLost:
            _log.warning("job %d (%s) had been given to another before it ended", run.job.id, run.job.kind)
        except PacsError as error:
            _log.error("what became of job %d (%s) could not be written: %s", run.job.id, run.job.kind, error)
