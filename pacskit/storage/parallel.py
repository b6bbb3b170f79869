"""Work on many objects: a few at a time, in order, and no faster than it may be."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

__all__ = ["Pace", "batched", "in_order", "workers_for"]

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2  # pieces of work for each thread that are running, waiting, or done and not taken


def workers_for(wanted: int | None) -> int:
    """Return how many threads read: as many as wanted, or one for each processor, at least two and at most eight."""
    return max(1, wanted) if wanted is not None else min(8, max(2, os.cpu_count() or 1))


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut items into lists of ``size``."""
    rest = iter(items)
    while found := list(islice(rest, size)):
        yield found


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Give what ``work`` makes of each item, in the order of the items; ``workers`` threads do it."""
    if workers == 1:
        yield from map(work, items)
        return
    rest = iter(items)
    running: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="pacskit-work")
    try:
        while True:
            for item in islice(rest, _AHEAD * workers - len(running)):
                running.append(pool.submit(work, item))
            if not running:
                return
            yield running.popleft().result()
    finally:
        for one in running:
            one.cancel()
        pool.shutdown()


class Pace:
    """Keeps to a number of bytes a second, over any number of threads; None: as fast as it goes."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._due = 0.0
        self._stopped = threading.Event()

    def take(self, size: int) -> None:
        """Return when ``size`` more bytes may be read."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._due)
            self._due = begin + size / self._rate
        if begin > now:
            self._stopped.wait(begin - now)

    def stop(self) -> None:
        """Let nobody wait any more."""
        self._stopped.set()
