"""The server on asyncio: one task for each association."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pacskit.core.errors import ConfigurationError, NetworkError, TlsError
from pacskit.core.events import EventBus
from pacskit.network.admission import Admission
from pacskit.network.aio_association import Association
from pacskit.network.aio_calls import WORKERS, Calls
from pacskit.network.aio_connection import Connection
from pacskit.network.aio_driver import FlowDriver
from pacskit.network.aio_observe import connection_for
from pacskit.network.aio_secure import SecureConnection
from pacskit.network.base import BaseServer
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CCancelRequest, RequestMessage
from pacskit.network.flow import Open, Service, ServiceRegistry
from pacskit.network.identity import Authenticator, identify
from pacskit.network.indications import Aborted, AssociateIndication, ReleaseIndication
from pacskit.network.machine import State
from pacskit.network.negotiation import DEFAULT_TRANSFER_SYNTAXES
from pacskit.network.pdu import AssociateReject
from pacskit.network.session import SessionEvent

if TYPE_CHECKING:
    from pacskit.security.channel import TlsInfo
    from pacskit.security.context import TlsContext

__all__ = ["Server"]

_log = logging.getLogger("pacskit.network")

_LAST_WORDS = 1.0  # seconds in which a handler that is cancelled has to clean up
_MAX_REFUSALS = 64  # peers that are being told that there is no room; beyond that the connection is just closed


class Server(BaseServer):
    """Accepts associations and serves them, in the event loop in which it is started.

    ``called`` are the AE titles that it answers to besides ``ae`` (None: any title), ``calling`` the patterns of the
    titles that may call (empty: anybody), ``transfer_syntaxes`` what it accepts, best first, where a service has no
    list of its own. Port 0 lets the system choose; see ``address``. ``events`` is told what happens on associations.

    With ``tls`` it speaks TLS on ``port``; with ``tls_port`` too it listens on both, with TLS on that one only. The
    same ``tls`` serves for associations to peers whose address says ``tls:``, unless ``node_tls`` is given.
    ``admission`` says who may connect, ``authenticator`` who the user has to be. ``workers`` threads do what blocks.
    With ``reuse_port`` other processes may listen on the same port (Linux).
    """

    def __init__(  # noqa: PLR0913 - keyword-only options
        self,
        services: ServiceRegistry | Iterable[Service],
        *,
        ae: str,
        host: str = "127.0.0.1",
        port: int = 0,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        called: Sequence[str] | None = (),
        calling: Sequence[str] = (),
        transfer_syntaxes: Sequence[str] = DEFAULT_TRANSFER_SYNTAXES,
        tls: TlsContext | None = None,
        tls_port: int | None = None,
        node_tls: TlsContext | None = None,
        admission: Admission | None = None,
        authenticator: Authenticator | None = None,
        events: EventBus | None = None,
        workers: int = WORKERS,
        reuse_port: bool = False,
    ) -> None:
        super().__init__(
            services,
            ae=ae,
            timeouts=timeouts,
            limits=limits,
            called=called,
            calling=calling,
            transfer_syntaxes=transfer_syntaxes,
            tls=tls,
            tls_port=tls_port,
            node_tls=node_tls,
            admission=admission,
            authenticator=authenticator,
            events=events,
        )
        if workers < 1:
            raise ConfigurationError("a server needs at least one worker")
        self._reuse_port = reuse_port
        # Where to listen, and with what TLS.
        self._where = [(host, port, tls if tls_port is None else None)]
        if tls_port is not None:
            self._where.append((host, tls_port, tls))
        self._calls = Calls(workers, name=f"pacskit-call-{self.ae}")
        self._listeners: list[asyncio.Server] = []
        self._addresses: list[tuple[str, int]] = []
        self._serving: dict[asyncio.Task[None], Connection] = {}
        self._refusing: dict[asyncio.Task[None], Connection] = {}
        self._stopped = asyncio.Event()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self._address(0)

    @property
    def tls_address(self) -> tuple[str, int]:
        """Where it listens with TLS."""
        if self._where[-1][2] is None:
            raise ConfigurationError("the server has no TLS")
        return self._address(-1)

    def _address(self, index: int) -> tuple[str, int]:
        if not self._addresses:
            raise ConfigurationError("the server has not been started")
        return self._addresses[index]

    @property
    def associations(self) -> int:
        """How many associations are being served."""
        return len(self._serving)

    async def start(self) -> Self:
        """Listen, and accept in the running loop."""
        if self._listeners:
            raise ConfigurationError("a server is started once")
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {"reuse_port": True} if self._reuse_port else {}
        opened: list[asyncio.Server] = []
        try:
            for host, port, tls in self._where:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                accepting = self._accepting(tls)
                opened.append(await loop.create_server(accepting, host, port, family=family, backlog=128, **options))
        except BaseException:
            for listener in opened:
                listener.close()
            raise
        self._listeners = opened
        self._addresses = [listener.sockets[0].getsockname()[:2] for listener in opened]
        return self

    async def stop(self, grace: float = 1.5) -> None:
        """Stop accepting, end idle associations at once, give running operations ``grace`` seconds, then abort."""
        if not self._listeners:
            return
        self._stopping = True
        try:
            await self._stop_accepting()
            for connection in [*self._serving.values(), *self._refusing.values()]:
                if not connection.busy:
                    connection.interrupt()
            for connection in self._refusing.values():
                connection.hang_up()
            await self._wait_for_tasks(grace)
        finally:
            for task, connection in [*self._serving.items(), *self._refusing.items()]:
                connection.give_up()
                task.cancel()
            try:
                await self._wait_for_tasks(_LAST_WORDS)
            finally:
                self._calls.stop()
                self._stopped.set()

    async def _stop_accepting(self) -> None:
        """Close the listeners, once what they have accepted has come to `_admit`: CPython forgets it otherwise."""
        loop = asyncio.get_running_loop()
        try:
            for listener in self._listeners:
                for sock in listener.sockets:
                    with suppress(NotImplementedError):  # a proactor's accepts and connections are one
                        loop.remove_reader(sock.fileno())
            for _ in range(2):
                await asyncio.sleep(0)
        finally:
            for listener in self._listeners:
                listener.close()

    async def _wait_for_tasks(self, seconds: float | None) -> None:
        tasks = [*self._serving, *self._refusing]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    async def wait(self) -> None:
        """Wait until `stop` has been called, by another task."""
        await self._stopped.wait()

    async def __aenter__(self) -> Self:
        return self if self._listeners else await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # Associations

    def _accepting(self, tls: TlsContext | None) -> Callable[[], Connection]:
        """Return what makes the connections of a listener."""
        return lambda: connection_for(
            is_requestor=False,
            timeouts=self.timeouts,
            limits=self.limits,
            call=self._calls.call,
            on_connect=self._admit,
            channel=None if tls is None else tls.server,
            events=self.events,
        )

    def _admit(self, connection: Connection) -> None:
        """Give ``connection`` a task; one that tells it that there is no room where that is so."""
        full = self._stopping or len(self._serving) >= self.limits.max_associations
        reject = self._gate.enter(connection.address[0], full=full)
        if reject is None:
            self._begin(connection, self._serving, self._run(connection))
            return
        _log.warning("no association for %s:%d: %s", *connection.address, reject)
        if self._stopping or len(self._refusing) >= _MAX_REFUSALS:
            connection.hang_up()
            return
        self._begin(connection, self._refusing, self._refuse(connection, reject))

    def _begin(self, connection: Connection, group: dict[asyncio.Task[None], Connection], work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"pacskit-association-{connection.address}")
        group[task] = connection
        task.add_done_callback(lambda done: self._left(done, group))

    def _left(self, task: asyncio.Task[None], group: dict[asyncio.Task[None], Connection]) -> None:
        connection = group.pop(task)
        if group is self._serving:
            self._gate.leave(connection.address[0])

    async def _refuse(self, connection: Connection, reject: AssociateReject) -> None:
        try:
            await self._secured(connection)
            event = await connection.wait(self.timeouts.acse, "the association request")
            if isinstance(event, AssociateIndication):
                connection.machine.reject(reject)
                connection.flush()
            await connection.end()
        except NetworkError as exc:
            _log.info("refused association from %s:%d ended: %s", *connection.address, exc)
        finally:
            connection.abort_now()

    async def _run(self, connection: Connection) -> None:
        try:
            driver = FlowDriver(connection, self.services.get, self._open_peer, self._calls)
            if await self._establish(connection, await self._secured(connection)):
                await self._serve(connection, driver)
            await connection.end()
        except TlsError as exc:
            level = logging.INFO if self._stopping else logging.WARNING
            _log.log(level, "no TLS with %s:%d: %s", *connection.address, exc)
        except NetworkError as exc:
            _log.info("association from %s:%d ended: %s", *connection.address, exc)
        except OSError as exc:
            _log.info("association from %s:%d ended: %s", *connection.address, exc.strerror)
        except Exception as exc:
            _log.error("association from %s:%d failed: %s", *connection.address, type(exc).__name__)
            _log.debug("the failure", exc_info=exc)
        finally:
            connection.abort_now()
        await connection.abort()

    async def _open_peer(self, effect: Open) -> Association:
        return await Association.request(
            effect.address,
            effect.contexts,
            calling=effect.calling,
            roles=effect.roles,
            window=effect.window,
            timeouts=self.timeouts,
            limits=self.limits,
            tls=self.node_tls if effect.address.tls else None,
            calls=self._calls,
        )

    async def _secured(self, connection: Connection) -> TlsInfo | None:
        """Agree on TLS where that is spoken; a server that stops does not wait for that."""
        if not isinstance(connection, SecureConnection):
            return None
        connection.busy = False
        try:
            return await connection.secure(self.timeouts.handshake)
        finally:
            connection.busy = True

    async def _establish(self, connection: Connection, tls: TlsInfo | None) -> bool:
        # Idle until it asks: a server that stops need not wait for a peer that has said nothing.
        event = await self._wait_idle(connection, self.timeouts.acse)
        if isinstance(event, Aborted):
            _log.info("no association with %s:%d: %s", *connection.address, connection.failure or event.detail)
        if not isinstance(event, AssociateIndication):
            return False
        request, identity = event.request, None
        reject = self.policy.refuse(request, tls)
        if reject is None and self.authenticator is not None:
            identity = await self._calls.call(identify, self.authenticator, request, connection.address, tls)
        if connection.closed or not connection.machine.is_in(State.STA3):  # while it was asked
            return False
        return self.answer(connection, request, peer=connection.address, tls=tls, reject=reject, identity=identity)

    async def _serve(self, connection: Connection, driver: FlowDriver) -> None:
        while True:
            event = await self._wait_idle(connection, self.timeouts.idle)
            if isinstance(event, RequestMessage):
                await driver.answer(event)
            elif isinstance(event, ReleaseIndication):
                await connection.respond_release()
                return
            elif event is None:
                connection.abort_now()  # say it, and do not wait for the peer to close
                connection.hang_up()
                return
            elif not isinstance(event, CCancelRequest):
                await connection.fail(event)

    async def _wait_idle(self, connection: Connection, seconds: float | None) -> SessionEvent | None:
        """Wait for the peer; None when the server stops before it says anything."""
        if self._stopping:
            return None
        connection.busy = False
        event = await connection.wait(seconds, "the next request")
        connection.busy = True
        return event
