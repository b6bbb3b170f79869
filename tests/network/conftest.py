"""Servers on loopback that must leave nothing behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pacskit.network.threads import Server
from tests.network.peers import Recorder, settle


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No thread and no descriptor more than before."""
    threads, descriptors = threading.active_count(), _descriptors()
    yield
    assert settle(lambda: threading.active_count() <= threads), threading.enumerate()
    assert settle(lambda: _descriptors() <= descriptors)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start servers that are stopped at the end."""
    with ExitStack() as stack:

        def start(service: Any = None, **options: Any) -> Server:
            options.setdefault("ae", "SERVER")
            return stack.enter_context(Server([service or Recorder()], **options))

        yield start
