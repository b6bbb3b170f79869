"""Archives on both drivers, each with a plain listener and one with TLS, in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pacskit.core.errors import ConfigurationError
from pacskit.facade.nodes import Nodes
from pacskit.network.address import Address
from pacskit.network.config import Limits, Timeouts
from pacskit.network.threads import Server
from pacskit.security.certificates import CaForTests
from pacskit.security.context import TlsContext, tls_context
from pacskit.services.registry import archive_services
from pacskit.storage import DuplicatePolicy, Store
from tests.network.drivers import AsyncioDriver, Driver, ThreadDriver

__all__ = ["Host", "Site", "site"]

WORKERS = 4  # threads of an asyncio server
_READERS = 8  # connections that an index keeps
TIMEOUTS = Timeouts(connect=30, handshake=30, acse=30, dimse=30, idle=60, release=5)


class Serving(Protocol):
    """What is asked of a server."""

    @property
    def address(self) -> tuple[str, int]: ...
    @property
    def associations(self) -> int: ...
    def stop(self, grace: float = ...) -> object: ...


@dataclass(frozen=True)
class Host:
    """An archive and what serves it: a plain listener, and one with TLS where its driver has that."""

    name: str
    store: Store
    servers: tuple[Serving, ...]

    def address(self, *, secure: bool) -> Address:
        return Address(self.name, *self.servers[secure].address)


@dataclass(frozen=True)
class Client:
    """A driver to call with, and the certificates that it has."""

    driver: Driver
    tls: TlsContext | None
    once: TlsContext | None  # for lines that break: older CPythons leak a few kB for each session that is kept

    @property
    def name(self) -> str:
        return self.driver.name


@dataclass(frozen=True)
class Site:
    """Everything that runs: two archives, two ways to call, a place to move to."""

    hosts: tuple[Host, ...]
    clients: tuple[Client, ...]
    moved: list[int]

    def ways(self) -> list[tuple[Host, Client, bool]]:
        """Who calls whom, and whether with TLS."""
        return [
            (host, client, secure)
            for secure in (False, True)
            for host in self.hosts
            for client in self.clients
            if not secure or (client.tls is not None and len(host.servers) > 1)
        ]

    def is_idle(self) -> bool:
        return not any(len(host.store.backlog) or any(one.associations for one in host.servers) for host in self.hosts)

    def rest(self) -> None:
        """Let the indexes give back the pages that they cache: bounded, but filled by a larger database only."""
        for host in self.hosts:
            host.store.index.release_memory()


def _takes(server: Callable[..., Any], tls: TlsContext) -> bool:
    """Whether a driver's TLS is what `tls_context` gives."""
    try:
        server([], ae="NOBODY", tls=tls)
    except ConfigurationError:
        return False
    return True


def _make_threads(server: Any) -> None:
    """Let an asyncio server have all the threads that it may have, so that their number can be compared later."""
    inner = server._inner
    together = threading.Barrier(WORKERS)

    async def all_at_once() -> None:
        await asyncio.gather(*(inner._calls.call(together.wait, 30) for _ in range(WORKERS)))

    server._driver.run(all_at_once())


def _make_readers(store: Store) -> None:
    """Let an index have all the connections that it keeps."""
    index: Any = store.index
    with ExitStack() as stack:
        for _ in range(_READERS):
            stack.enter_context(index.reader()).execute("SELECT count(*) FROM instance").fetchone()


@contextmanager
def site(directory: Path, ca: CaForTests, *, limits: Limits | None = None) -> Iterator[Site]:
    """Start everything, and stop it at the end."""
    limits = limits or Limits()
    with ExitStack() as stack:
        loop = AsyncioDriver()
        stack.callback(loop.close)
        threads = ThreadDriver()
        secure = tls_context(cert=ca.server.cert, key=ca.server.key, ca=ca.ca)
        moved: list[int] = []
        nodes = Nodes()
        nodes.add(_destination(stack, moved))
        hosts = []
        capable = _takes(loop.server, secure)
        for name, serve, tls in (("THREADS", Server, secure), ("ASYNCIO", loop.server, secure if capable else None)):
            store = stack.enter_context(
                Store(directory / name.lower(), duplicates=DuplicatePolicy.REPLACE, digest=True)
            )
            hosts.append(Host(name, store, _served(stack, serve, name, store, nodes, limits, tls)))
        ours = tls_context(cert=ca.client.cert, key=ca.client.key, ca=ca.ca)
        once = tls_context(cert=ca.client.cert, key=ca.client.key, ca=ca.ca, resume=False)
        clients = (
            Client(threads, ours, once),
            Client(loop, ours if capable else None, once if capable else None),
        )
        yield Site(tuple(hosts), clients, moved)


def _served(
    stack: ExitStack,
    serve: Callable[..., Any],
    name: str,
    store: Store,
    nodes: Nodes,
    limits: Limits,
    tls: TlsContext | None,
) -> tuple[Serving, ...]:
    """Serve ``store`` on one port, and with TLS on another."""
    services = archive_services(store, ae=name, resolve=nodes.get)
    made = []
    for context in (None, tls) if tls is not None else (None,):
        option: dict[str, Any] = {"tls": context}
        if serve is not Server:
            option["workers"] = WORKERS
        server = stack.enter_context(serve(services, ae=name, timeouts=TIMEOUTS, limits=limits, **option))
        if serve is not Server:
            _make_threads(server)
        made.append(server)
    _make_readers(store)
    return tuple(made)


def _destination(stack: ExitStack, moved: list[int]) -> Address:
    """Where instances are moved to: they are counted and forgotten."""
    scp = ThreadDriver.scp("DEST", any_called=True)
    scp.on_store(lambda event: moved.append(1))
    return Address.parse(str(stack.enter_context(scp).address))
