"""Servers on loopback that must leave nothing behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.network.drivers import DRIVERS, Driver
from tests.network.peers import CT, VERIFICATION, Recorder, settle


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No thread and no descriptor more than before."""
    threads, descriptors = threading.active_count(), _descriptors()
    yield
    assert settle(lambda: threading.active_count() <= threads), threading.enumerate()
    assert settle(lambda: _descriptors() <= descriptors)


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest, nothing_left_behind: None) -> Iterator[Driver]:
    """Our network code: on threads, and on asyncio."""
    made = DRIVERS[request.param]()
    yield made
    made.close()


@pytest.fixture
def serve(driver: Driver) -> Iterator[Callable[..., Any]]:
    """Start servers that are stopped at the end."""
    with ExitStack() as stack:

        def start(service: Any = None, **options: Any) -> Any:
            options.setdefault("ae", "SERVER")
            return stack.enter_context(driver.server([service or Recorder()], **options))

        yield start


@pytest.fixture
def connect(driver: Driver) -> Callable[..., Any]:
    """Open associations."""

    def request(server: Any, contexts: Any = (VERIFICATION, CT), ae: str = "SERVER", **options: Any) -> Any:
        port = server if isinstance(server, int) else server.address[1]
        return driver.request(f"{ae}@127.0.0.1:{port}", contexts, calling="CLIENT", **options)

    return request
