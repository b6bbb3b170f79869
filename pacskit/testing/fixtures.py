"""Fixtures for pytest: ``pytest_plugins = ["pacskit.testing.fixtures"]`` in a ``conftest.py`` makes them known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pacskit.facade.archive import Archive
from pacskit.testing.faults import Fault
from pacskit.testing.peers import CollectingSCP, nothing_left_behind
from pacskit.testing.proxy import FaultProxy

__all__ = ["dicom_archive", "dicom_collector", "dicom_fault_proxy", "dicom_no_leaks"]


@pytest.fixture
def dicom_archive(tmp_path: Path) -> Iterator[Archive]:
    """An empty archive that serves on loopback; ``dicom_archive.address`` says where."""
    with Archive(tmp_path / "dicom-archive") as archive:
        archive.serve(port=0)
        yield archive


@pytest.fixture
def dicom_collector() -> Iterator[CollectingSCP]:
    """A storage SCP on loopback that keeps what it is sent in ``received``."""
    with CollectingSCP() as scp:
        yield scp


@pytest.fixture
def dicom_fault_proxy() -> Iterator[Callable[..., FaultProxy]]:
    """Start proxies: ``dicom_fault_proxy(address, Delay(0.05))``; connect to the ``address`` of what it returns."""
    with ExitStack() as stack:

        def started(target: str, fault: Fault | None = None) -> FaultProxy:
            return stack.enter_context(FaultProxy(target, fault))

        yield started


@pytest.fixture
def dicom_no_leaks() -> Iterator[None]:
    """The test must leave no thread and no descriptor behind."""
    with nothing_left_behind():
        yield
