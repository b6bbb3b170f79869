"""One writer at a time, and whatever waits goes into one transaction (group commit).

Each caller returns only after its transaction has been committed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from pacskit.storage.sharing import Member, Shared

__all__ = ["Batch", "Engine", "GroupCommit"]

MAX_BATCH = 256

T = TypeVar("T")


class Batch(Protocol):
    """What the jobs of one transaction share."""

    def run(self, works: Sequence[Callable[[Any], Any]], /) -> list[Any]:
        """Do the work of jobs, in order; return what each gave."""

    def flush(self) -> None:
        """Write what has been gathered; called before COMMIT."""

    def committed(self) -> None:
        """Take over what became true; called after COMMIT."""


B = TypeVar("B", bound=Batch)
B_co = TypeVar("B_co", bound=Batch, covariant=True)


class Engine(Protocol[B_co]):
    """What begins and ends transactions."""

    def begin(self, alone: bool, /) -> B_co:
        """Begin a transaction; ``alone``: no other process may write meanwhile."""

    def commit(self) -> None: ...
    def rollback(self) -> None: ...

    def again(self, error: BaseException, attempt: int, alone: bool, /) -> bool | None:
        """Whether to try again after an error, and then whether alone; None: no."""

    def concerns_all(self, error: BaseException, /) -> bool:
        """Whether an error is none of a single job's, so that each alone would have it too."""


class _Job(Member, Generic[B]):
    __slots__ = ("error", "result", "work")

    def __init__(self, work: Callable[[B], Any]) -> None:
        super().__init__()
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None


class GroupCommit(Shared[_Job[B]]):
    """Runs jobs on one connection, many to a transaction."""

    def __init__(self, engine: Engine[B]) -> None:
        super().__init__(MAX_BATCH)
        self._engine = engine

    def run(self, work: Callable[[B], T]) -> T:
        """Run ``work`` in a transaction; return when it has been committed. It may be called more than once."""
        job: _Job[B] = _Job(work)
        self.share(job)
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def do_all(self, members: list[_Job[B]]) -> None:
        """Commit jobs, in one transaction where none spoils it."""
        self._commit(members)

    def _commit(self, jobs: list[_Job[B]]) -> None:
        try:
            self._transaction(jobs)
        except BaseException as error:
            if len(jobs) == 1 or self._engine.concerns_all(error):
                for job in jobs:
                    job.error, job.result = error, None
            else:  # one of them spoiled it: each on its own, so that the others do not suffer
                for job in jobs:
                    self._commit([job])
            if not isinstance(error, Exception):
                raise

    def _transaction(self, jobs: list[_Job[B]]) -> None:
        engine = self._engine
        attempt, alone = 0, False
        while True:
            try:
                batch = engine.begin(alone)
                results = batch.run([job.work for job in jobs])
                batch.flush()
                engine.commit()
            except BaseException as error:
                engine.rollback()
                attempt += 1
                next_time = engine.again(error, attempt, alone)
                if next_time is None:
                    raise
                alone = next_time
                continue
            break
        for job, result in zip(jobs, results, strict=True):
            job.result = result
        batch.committed()
