"""Work that costs as much for many callers as for one, done for all who wait at the same time.

There is no thread for it: the first caller to arrive leads, does the work of all who wait meanwhile, wakes them, and
hands the lead to the next one in line. A lone caller pays no hand-over.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

__all__ = ["Member", "Shared"]


class Member:
    """What one caller wants done, and what has become of it."""

    __slots__ = ("handled", "leads", "wake")

    def __init__(self) -> None:
        self.wake = threading.Lock()
        self.wake.acquire()
        self.handled = False
        self.leads = False


M = TypeVar("M", bound=Member)


class Shared(ABC, Generic[M]):
    """Does the work of at most ``most`` callers at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._mutex = threading.Lock()
        self._queue: list[M] = []
        self._led = False

    @abstractmethod
    def do_all(self, members: list[M]) -> None:
        """Do the work of several callers. What went wrong belongs to the members; only an interrupt is raised."""

    def share(self, member: M) -> None:
        """Return when ``do_all`` has had ``member``."""
        with self._mutex:
            self._queue.append(member)
            lead, self._led = not self._led, True
        if not lead:
            self._wait(member)
        if not member.handled:
            self._lead()

    def _wait(self, member: M) -> None:
        try:
            member.wake.acquire()
        except BaseException:  # an interrupt: nobody may wait for one who has gone
            with self._mutex:
                if member in self._queue:
                    self._queue.remove(member)
            if member.leads:
                self._lead()
            raise

    def _lead(self) -> None:
        with self._mutex:
            members, self._queue = self._queue[: self._most], self._queue[self._most :]
        try:
            if members:
                self.do_all(members)
        finally:
            with self._mutex:
                successor = self._queue[0] if self._queue else None
                self._led = successor is not None
                if successor is not None:
                    successor.leads = True
            for one in members:
                one.handled = True
                one.wake.release()
            if successor is not None:
                successor.wake.release()
