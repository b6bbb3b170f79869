"""What the threads of a process wait for: that something of a topic has changed in the index, wherever it was changed.

A transaction says of what topics it is (`Transaction.announce`); those who wait hear of it once it has been committed.
What other processes commit is brought by a `Listener`: a connection of its own with PostgreSQL's LISTEN, or a named
pipe beside an index in SQLite. While it does not listen, nobody may rely on having heard; when it listens again,
everything may have changed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

__all__ = ["Listener", "News", "NoListener"]


class News:
    """How often something of each topic has changed, as far as this process has heard."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._counts: dict[str, int] = {}
        self._all = 0
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether nothing comes any more."""
        return self._closed

    def count(self, *topics: str) -> int:
        """Return a number that is another one when one of the topics has changed."""
        with self._changed:
            return self._count(topics)

    def _count(self, topics: tuple[str, ...]) -> int:
        return self._all + sum(self._counts.get(topic, 0) for topic in topics)

    def tell(self, topics: Iterable[str] | None) -> None:
        """Say that topics have changed; None: all of them may have."""
        with self._changed:
            if topics is None:
                self._all += 1
            for topic in topics or ():
                self._counts[topic] = self._counts.get(topic, 0) + 1
            self._changed.notify_all()

    def wait(self, *topics: str, count: int, timeout: float | None = None) -> bool:
        """Wait until the count of the topics is another one; return whether it is, and the index is open."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._count(topics) != count, timeout)
            return not self._closed and self._count(topics) != count

    def wait_for(self, condition: Callable[[], bool], *topics: str, timeout: float | None = None) -> bool:
        """Wait until a condition holds that may change with the topics; return whether it does."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            count = self.count(*topics)
            if self._closed:
                return False
            if condition():
                return True
            remaining = None if until is None else until - time.monotonic()
            if (remaining is not None and remaining <= 0) or not self.wait(*topics, count=count, timeout=remaining):
                return not self.is_closed and condition()

    def close(self) -> None:
        """Let go of all who wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Listener(Protocol):
    """Hears of what other processes have committed."""

    @property
    def is_listening(self) -> bool:
        """Whether everything that is committed from now on is heard of."""
        ...

    def start(self) -> None:
        """Begin, if it has not; return when it listens, or cannot now and tries again by itself."""
        ...

    def close(self) -> None: ...


class NoListener:
    """Where other processes cannot be heard."""

    is_listening = False

    def start(self) -> None:
        """There is nothing to begin."""

    def close(self) -> None:
        """There is nothing to end."""
