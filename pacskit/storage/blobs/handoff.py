"""Parts that one thread makes and another one takes, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["Handoff"]

_T = TypeVar("_T")


class Handoff(Generic[_T]):
    """An iterator for the thread that takes; the other one calls `offer` for each part and then `end` or `fail`.

    When the taker has called `close`, `offer` takes nothing more, and says so.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._parts: list[_T] = []
        self._error: BaseException | None = None
        self._ended = False
        self._closed = False

    def offer(self, part: _T) -> bool:
        """Hand over a part, once the one before it has been taken; False where nobody takes it."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._parts)
            if not self._closed:
                self._parts.append(part)
                self._changed.notify_all()
            return not self._closed

    def end(self) -> None:
        """Say that there are no more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Let the taker end with an error."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more."""
        with self._changed:
            self._closed = True
            self._parts.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[_T]:
        return self

    def __next__(self) -> _T:
        with self._changed:
            self._changed.wait_for(lambda: self._parts or self._ended or self._error is not None)
            if self._error is not None:
                raise self._error
            if not self._parts:
                raise StopIteration
            part = self._parts.pop()
            self._changed.notify_all()
            return part
