"""Servers on loopback that must leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pacskit.security.certificates import CaForTests, make_test_ca
from pacskit.security.context import TlsContext, tls_context
from tests.network.drivers import DRIVERS, Driver
from tests.network.peers import CT, VERIFICATION, Recorder, settle

Run = Callable[[Coroutine[Any, Any, Any]], Any]


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
WITH_TLS = {"test_admission", "test_association", "test_bad_peers", "test_flows", "test_stop", "test_window"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test on each driver, and with TLS; a module that says ``THREADS_ALONE`` on that driver."""
    given = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "driver" in metafunc.fixturenames and "driver" not in given:
        left_out = {"asyncio", "asyncio-tls"} if getattr(metafunc.module, "THREADS_ALONE", False) else set()
        if metafunc.module.__name__.rpartition(".")[2] not in WITH_TLS:
            left_out |= {"threads-tls", "asyncio-tls"}
        metafunc.parametrize("driver", [name for name in DRIVERS if name not in left_out], indirect=True)


@pytest.fixture
def driver(request: pytest.FixtureRequest, nothing_left_behind: None) -> Iterator[Driver]:
    """Our network code: on threads and on asyncio, without TLS and with it."""
    made = DRIVERS[request.param]()
    if request.param.endswith("-tls"):
        made.tls = request.getfixturevalue("mutual")
    yield made
    made.close()


@pytest.fixture
def serve(driver: Driver) -> Iterator[Callable[..., Any]]:
    """Start servers that are stopped at the end."""
    with ExitStack() as stack:

        def start(service: Any = None, **options: Any) -> Any:
            options.setdefault("ae", "SERVER")
            if driver.tls is not None:
                options.setdefault("tls", driver.tls)
            return stack.enter_context(driver.server([service or Recorder()], **options))

        yield start


@pytest.fixture
def connect(driver: Driver) -> Callable[..., Any]:
    """Open associations."""

    def request(server: Any, contexts: Any = (VERIFICATION, CT), ae: str = "SERVER", **options: Any) -> Any:
        port = server if isinstance(server, int) else server.address[1]
        options.setdefault("calling", "CLIENT")
        if driver.tls is not None and not isinstance(server, int):
            options.setdefault("tls", driver.tls)
        return driver.request(f"{ae}@127.0.0.1:{port}", contexts, **options)

    return request


def _loops() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    found: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    try:
        import uvloop
    except ImportError:
        return found
    uvloop.new_event_loop().close()  # libuv opens two descriptors once, for good
    return found | {"uvloop": uvloop.new_event_loop}


@pytest.fixture(params=_loops())
def run(request: pytest.FixtureRequest, nothing_left_behind: None) -> Iterator[Run]:
    """Run in a loop in which nothing may go wrong unseen, and nothing may be left at the end."""
    trouble: list[Any] = []

    def runs(work: Coroutine[Any, Any, Any]) -> Any:
        async def checked() -> Any:
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: trouble.append(context))
            result = await asyncio.wait_for(work, 30)
            gc.collect()
            for _ in range(3):  # for what closes in the next turns of the loop
                await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return result

        with asyncio.Runner(loop_factory=_loops()[request.param]) as runner:
            return runner.run(checked())

    yield runs
    assert trouble == []
