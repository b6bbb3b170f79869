"""Who waits for jobs is told that there may be some; nobody asks again and again.

The index tells it, in this process and in others (see `pacskit.storage.index.news`): by PostgreSQL's NOTIFY, or by a
byte in a named pipe, which says of a commit to a file in SQLite no more than that there was one.
"""

from __future__ import annotations

from typing import Final

from pacskit.storage.index.news import News

__all__ = ["TOPIC", "Bell"]

TOPIC: Final = "jobs"


class Bell:
    """Rings when there may be something to do. Any thread may ring it or wait, and nobody misses a ring."""

    def __init__(self, news: News) -> None:
        self._news = news

    @property
    def rung(self) -> int:
        """A number that is another one when it has rung."""
        return self._news.count(TOPIC)

    @property
    def is_gone(self) -> bool:
        """Whether it never rings again: the index is closed."""
        return self._news.is_closed

    def ring(self) -> None:
        """Wake whoever waits in this process."""
        self._news.tell([TOPIC])

    def wait(self, seen: int, timeout: float | None = None) -> int:
        """Wait until it has rung since `rung` was ``seen``; return what it is now."""
        self._news.wait(TOPIC, count=seen, timeout=timeout)
        return self.rung
