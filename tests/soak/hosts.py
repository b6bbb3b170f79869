"""Archives on both drivers, each with a plain listener and one with TLS, in this process."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pacskit.core.enums import Level
from pacskit.facade.nodes import Nodes
from pacskit.network.address import Address
from pacskit.network.config import Limits, Timeouts
from pacskit.network.threads import Server
from pacskit.security.certificates import CaForTests
from pacskit.security.context import TlsContext, tls_context
from pacskit.services.registry import archive_services
from pacskit.storage import DuplicatePolicy, FindOptions, Model, Store
from pacskit.facade.identifiers import query_identifier
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
    """An archive and where it serves; ``secure`` is where it does so with TLS."""

    name: str
    store: Store
    servers: tuple[Serving, Serving]

    def address(self, *, secure: bool) -> Address:
        return Address(self.name, *self.servers[secure].address)


@dataclass(frozen=True)
class Client:
    """A driver to call with, and what its TLS is given as."""

    driver: Driver
    tls: Any

    @property
    def name(self) -> str:
        return self.driver.name


@dataclass(frozen=True)
class Site:
    """Everything that runs: two archives, two ways to call, a place to move to."""

    hosts: tuple[Host, ...]
    clients: tuple[Client, ...]
    moved: list[int]

    def is_idle(self) -> bool:
        return not any(server.associations for host in self.hosts for server in host.servers)

    def stop(self, grace: float) -> None:
        """Stop all servers, one after the other."""
        for host in self.hosts:
            for server in host.servers:
                server.stop(grace)


def _mutual(ca: CaForTests, *, server: bool) -> ssl.SSLContext:
    """TLS 1.2 or later with certificates on both sides, as asyncio takes it."""
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH if server else ssl.Purpose.SERVER_AUTH, cafile=str(ca.ca)
    )
    pair = ca.server if server else ca.client
    context.load_cert_chain(pair.cert, pair.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _make_threads(server: Any) -> None:
    """Let an asyncio server have all the threads that it may have, so that their number can be compared later."""
    inner = server._inner
    together = threading.Barrier(WORKERS)

    async def all_at_once() -> None:
        import asyncio

        await asyncio.gather(*(inner._calls.call(together.wait, 30) for _ in range(WORKERS)))

    server._driver.run(all_at_once())


def _make_readers(store: Store) -> None:
    """Let an index have all the connections that it keeps, each with its cache."""
    identifier = query_identifier(Level.IMAGE, {}, None)
    with ExitStack() as stack:
        for _ in range(_READERS):
            matches = store.find(Level.IMAGE, Model.PATIENT_ROOT, identifier, FindOptions(relational=True))
            stack.callback(matches.close)  # type: ignore[attr-defined]
            next(matches, None)


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
        for name, serve, tls in (
            ("THREADS", Server, secure),
            ("ASYNCIO", loop.server, _mutual(ca, server=True)),
        ):
            store = stack.enter_context(
                Store(directory / name.lower(), duplicates=DuplicatePolicy.REPLACE, digest=True)
            )
            hosts.append(Host(name, store, _served(stack, serve, name, store, nodes, limits, tls)))
        clients = (
            Client(threads, tls_context(cert=ca.client.cert, key=ca.client.key, ca=ca.ca)),
            Client(loop, _mutual(ca, server=False)),
        )
        yield Site(tuple(hosts), clients, moved)


def _served(
    stack: ExitStack,
    serve: Callable[..., Any],
    name: str,
    store: Store,
    nodes: Nodes,
    limits: Limits,
    tls: TlsContext | ssl.SSLContext,
) -> tuple[Serving, Serving]:
    """Serve ``store`` on two ports."""
    services = archive_services(store, ae=name, resolve=nodes.get)
    made = []
    for option in ({}, {"tls": tls}):
        if serve is not Server:
            option["workers"] = WORKERS
        server = stack.enter_context(serve(services, ae=name, timeouts=TIMEOUTS, limits=limits, **option))
        if serve is not Server:
            _make_threads(server)
        made.append(server)
    _make_readers(store)
    return made[0], made[1]


def _destination(stack: ExitStack, moved: list[int]) -> Address:
    """Where instances are moved to: they are counted and forgotten."""
    scp = ThreadDriver.scp("DEST", any_called=True)
    scp.on_store(lambda event: moved.append(1))
    return Address.parse(str(stack.enter_context(scp).address))
