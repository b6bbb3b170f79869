"""Blocking work of a program that runs an event loop: a bounded number of threads beside it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

__all__ = ["WORKERS", "Calls"]

WORKERS: Final = 8


class Calls:
    """Runs functions in worker threads, at most ``workers`` at a time, which are made when they are needed."""

    __slots__ = ("_executor", "_name", "_workers")

    def __init__(self, workers: int = WORKERS, *, name: str = "pacskit-call") -> None:
        self._workers = workers
        self._name = name
        self._executor: ThreadPoolExecutor | None = None

    async def call(self, function: Callable[..., Any], *args: Any, orphaned: Callable[[], object] | None = None) -> Any:
        """Return what ``function(*args)`` returns, called in a thread with the context variables of this task.

        A function that has begun cannot be taken back: when the task is cancelled meanwhile, ``orphaned`` is called at
        its end, in its thread, and a result that can be closed is closed.
        """
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._workers, thread_name_prefix=self._name)
        future: Future[Any] = self._executor.submit(contextvars.copy_context().run, _call, function, args)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda done: _orphan(done, orphaned))
            raise

    def stop(self) -> None:
        """Let the threads go as soon as they have done what they were given.

        Nothing of that is taken back: whoever waits for it would take it for a cancellation of its own.
        """
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)


def _call(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return function(*args)
    except StopIteration as exc:  # a future does not carry it
        raise RuntimeError("a function that was called raised StopIteration") from exc


def _orphan(done: Future[Any], orphaned: Callable[[], object] | None) -> None:
    if not done.cancelled() and done.exception() is None:
        close = getattr(done.result(), "close", None)
        if close is not None:
            close()
    if orphaned is not None:
        orphaned()
