"""Who may send to a destination next: so many at a time, and of those who wait the urgent ones first."""

from __future__ import annotations

import heapq
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from pacskit.core.enums import Priority
from pacskit.core.errors import ConfigurationError

__all__ = ["Slots", "Turn"]

_RANK: Final = {Priority.HIGH: 0, Priority.MEDIUM: 1, Priority.LOW: 2}


@dataclass(order=True, slots=True)
class Turn:
    """A place in the queue of a destination; ``ready`` completes when it is the turn of this one."""

    rank: int
    number: int
    destination: str = field(compare=False)
    ready: Future[None] = field(compare=False, default_factory=Future)


class Slots:
    """Lets ``most`` at a time send to one destination. Of those who wait, the highest DIMSE priority is next (PS3.7
    9.1.1.1.4 and others), and of the same priority who came first. Used by many threads."""

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ConfigurationError("at least one association to a destination is needed")
        self._most = most
        self._lock = threading.Lock()
        self._numbers = count()
        self._taken: dict[str, int] = {}
        self._waiting: dict[str, list[Turn]] = {}

    def take(self, destination: str, priority: int) -> Turn:
        """Queue; whoever does has to `give` back, whatever happens."""
        turn = Turn(_RANK.get(Priority(priority), 1), next(self._numbers), destination)
        with self._lock:
            heapq.heappush(self._waiting.setdefault(destination, []), turn)
            self._hand_out(destination)
        return turn

    def give(self, turn: Turn) -> None:
        """Make room for the next one, or leave the queue."""
        destination = turn.destination
        with self._lock:
            if not turn.ready.cancel():
                self._taken[destination] -= 1
            self._hand_out(destination)
            if not self._taken.get(destination) and not self._waiting.get(destination):
                self._taken.pop(destination, None)
                self._waiting.pop(destination, None)

    def _hand_out(self, destination: str) -> None:
        waiting = self._waiting.get(destination, [])
        while waiting and self._taken.get(destination, 0) < self._most:
            turn = heapq.heappop(waiting)
            if turn.ready.set_running_or_notify_cancel():  # not one that has left
                self._taken[destination] = self._taken.get(destination, 0) + 1
                turn.ready.set_result(None)
