"""Servers on loopback that must leave nothing behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pacskit.network.threads import Server
from pacskit.security.certificates import CaForTests, make_test_ca
from pacskit.security.context import TlsContext, tls_context
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


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CaForTests:
    """Certificates for both sides."""
    return make_test_ca(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def mutual(ca: CaForTests) -> TlsContext:
    """TLS in which both sides show the same certificate."""
    return tls_context(cert=ca.server.cert, key=ca.server.key, ca=ca.ca)


# What is tested in these without TLS is tested again with it: all that the transport has a part in.
WITH_TLS = {"test_admission", "test_association", "test_bad_peers", "test_flows", "test_stop"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the transports of `serve`."""
    if "serve" in metafunc.fixturenames:
        both = metafunc.module.__name__.rpartition(".")[2] in WITH_TLS
        metafunc.parametrize("serve", ["plain", "tls"] if both else ["plain"], indirect=True)


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Iterator[Callable[..., Server]]:
    """Start servers that are stopped at the end, without TLS or with it."""
    tls = request.getfixturevalue("mutual") if request.param == "tls" else None
    with ExitStack() as stack:

        def start(service: Any = None, **options: Any) -> Server:
            options.setdefault("ae", "SERVER")
            options.setdefault("tls", tls)
            return stack.enter_context(Server([service or Recorder()], **options))

        yield start
