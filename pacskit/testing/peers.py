"""Peers on loopback, in this process: an SCP that keeps what it is sent, a check that nothing is left behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pacskit.core.dataset import Dataset
from pacskit.core.status import Status
from pacskit.facade.scp import SCP
from pacskit.services.events import StoreEvent

__all__ = ["CollectingSCP", "nothing_left_behind"]


class CollectingSCP(SCP):
    """A storage SCP that keeps the data sets in ``received``, whichever association brings them.

    ``answers`` gives a status for SOP instances that shall not be answered with success; those are not kept.

    >>> with CollectingSCP() as scp:
    ...     scp.address.startswith("COLLECTOR@127.0.0.1:"), scp.received
    (True, [])
    """

    def __init__(self, ae: str = "COLLECTOR", *, answers: Mapping[str, int] | None = None) -> None:
        super().__init__(ae, any_called=True)
        self.received: list[Dataset] = []
        self.answers = dict(answers or {})
        self._lock = threading.Lock()
        self.on_store(self._collect)

    def _collect(self, event: StoreEvent) -> int:
        status = self.answers.get(str(event.sop_instance_uid), int(Status.SUCCESS))
        if not Status(status).is_failure:
            dataset = event.dataset
            with self._lock:
                self.received.append(dataset)
        return status


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@contextmanager
def nothing_left_behind(seconds: float = 5.0) -> Iterator[None]:
    """Raise AssertionError unless every new thread has ended ``seconds`` later, and no descriptor is left open."""
    threads, descriptors = set(threading.enumerate()), _descriptors()
    yield
    end = time.monotonic() + seconds
    started = [thread for thread in threading.enumerate() if thread not in threads]
    for thread in started:
        thread.join(max(0.0, end - time.monotonic()))
    alive = [thread.name for thread in started if thread.is_alive()]
    if alive or _descriptors() > descriptors:
        raise AssertionError(f"left behind: threads {alive}, {_descriptors() - descriptors} descriptors")
