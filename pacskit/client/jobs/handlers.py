"""What does a job: functions by kind, and what each is given."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pacskit.client.jobs.base import JobQueue
from pacskit.client.jobs.errors import JobInterrupted, LeaseLost
from pacskit.client.jobs.records import Asked, Job
from pacskit.core.errors import ConfigurationError, StorageError

if TYPE_CHECKING:
    from pacskit.storage.index.writing import Transaction

__all__ = ["Handler", "Handlers", "JobContext"]

TIMEOUT: Final = 3600.0
DELAY: Final = 60.0
LONGEST: Final = 3600.0
_OFTEN: Final = 0.5  # seconds between what is written of progress


class JobContext:
    """A job that runs, for its handler. Any thread of the handler's may use it."""

    def __init__(self, queue: JobQueue, job: Job) -> None:
        self.job = job
        self._queue = queue
        self._stop = threading.Event()
        self._reason = ""
        self._written = 0.0
        self.finished = False
        """Whether `finish` has been called."""

    @property
    def payload(self) -> Mapping[str, Any]:
        """What the job was given."""
        return self.job.payload

    @property
    def reason(self) -> str:
        """Why it is to stop: ``cancel``, ``pause``, ``stop`` (the worker ends) or ``lost``; empty: it goes on."""
        return self._reason

    def stop(self, reason: str) -> None:
        """Ask the handler to stop."""
        self._reason = self._reason or reason
        self._stop.set()

    def lose(self) -> None:
        """Tell the handler that the job is not its any more, whatever it was told before."""
        self._reason = "lost"
        self._stop.set()

    def check(self) -> None:
        """Raise JobInterrupted if the job is to stop; a handler calls it where it can stop, and lets it through."""
        if self._reason:
            raise JobInterrupted(self._reason)

    def wait(self, seconds: float) -> None:
        """Wait; raise JobInterrupted as soon as the job is to stop."""
        self._stop.wait(seconds)
        self.check()

    def progress(self, done: int, total: int = 0, note: str = "") -> None:
        """Say how far it is, as often as one likes; raise JobInterrupted if the job is to stop."""
        self.check()
        now = time.monotonic()
        if "progress" not in self._queue.supports or (now - self._written < _OFTEN and done != total):
            return
        self._written = now
        try:
            asked = self._queue.progress(self.job, done, total, note)
        except LeaseLost:
            self.lose()
        except StorageError:
            return  # the next one may be written
        else:
            if asked != Asked.NOTHING:
                self.stop(str(asked))
        self.check()

    def finish(self, tx: Transaction, result: Any = None) -> None:
        """Say that the job is done in the transaction that does it: both happen, and once. Raises LeaseLost.

        Call it last in the function that ``index.run`` is given, and return when that has returned.
        """
        self._queue.ack(self.job, result, tx=tx)
        self.finished = True


@dataclass(frozen=True, slots=True)
class Handler:
    """What does jobs of a kind.

    After ``timeout`` seconds a job is taken from it, and counts as failed. After the first failure it is tried again
    in ``delay`` seconds, after each further one in twice as many, ``longest`` at most.
    """

    run: Callable[[JobContext], Any]
    timeout: float | None = TIMEOUT
    delay: float = DELAY
    longest: float = LONGEST

    def pause(self, attempts: int) -> float:
        """Return for how many seconds a job that has failed that often waits."""
        return min(self.delay * 2.0 ** min(attempts - 1, 60), self.longest)


class Handlers:
    """The handlers of a worker, by kind."""

    def __init__(self) -> None:
        self._found: dict[str, Handler] = {}

    def __len__(self) -> int:
        return len(self._found)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that there are handlers of."""
        return tuple(self._found)

    def add(self, kind: str, handler: Handler) -> None:
        """Say what does jobs of a kind. Raises ConfigurationError where something does so already."""
        if self._found.setdefault(kind, handler) is not handler:
            raise ConfigurationError(f"jobs of kind {kind!r} have a handler already")

    def __getitem__(self, kind: str) -> Handler:
        return self._found[kind]
