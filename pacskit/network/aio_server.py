"""The server on asyncio: one task for each association."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from pacskit.core.errors import ConfigurationError, NetworkError
from pacskit.network.address import check_ae_title
from pacskit.network.admission import Admission, Gate
from pacskit.network.aio_association import Association
from pacskit.network.aio_calls import WORKERS, Calls
from pacskit.network.aio_connection import Connection
from pacskit.network.aio_driver import FlowDriver
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CCancelRequest, RequestMessage
from pacskit.network.flow import Open, Service, ServiceRegistry
from pacskit.network.identity import NOT_IDENTIFIED, Authenticator, identify
from pacskit.network.indications import AssociateIndication, ReleaseIndication
from pacskit.network.machine import State
from pacskit.network.negotiation import DEFAULT_TRANSFER_SYNTAXES, AcceptorPolicy, accept
from pacskit.network.pdu import AssociateReject
from pacskit.network.session import SessionEvent

__all__ = ["Server"]

_log = logging.getLogger("pacskit.network")

_LAST_WORDS = 1.0  # seconds in which a handler that is cancelled has to clean up
_MAX_REFUSALS = 64  # peers that are being told that there is no room; beyond that the connection is just closed


class Server:
    """Accepts associations and serves them, in the event loop in which it is started.

    ``called`` are the AE titles that it answers to besides ``ae`` (None: any title), ``calling`` the patterns of the
    titles that may call (empty: anybody), ``transfer_syntaxes`` what it accepts, best first, where a service has no
    list of its own. ``tls`` is the context of a TLS listener. ``admission`` says who may connect,
    ``authenticator`` who the user has to be. ``workers`` threads do what blocks. Port 0 lets the
    system choose; see ``address``. With ``reuse_port`` other processes may listen on the same port (Linux).
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
        tls: ssl.SSLContext | None = None,
        admission: Admission | None = None,
        authenticator: Authenticator | None = None,
        workers: int = WORKERS,
        reuse_port: bool = False,
    ) -> None:
        self.ae = check_ae_title(ae)
        self.timeouts = timeouts or Timeouts()
        self.limits = limits or Limits()
        self.services = services if isinstance(services, ServiceRegistry) else ServiceRegistry(services)
        if not transfer_syntaxes:
            raise ConfigurationError("a server needs at least one transfer syntax")
        if not isinstance(tls, ssl.SSLContext | None):
            raise ConfigurationError("on asyncio, tls is an ssl.SSLContext")
        if workers < 1:
            raise ConfigurationError("a server needs at least one worker")
        self._syntaxes = tuple(map(str, transfer_syntaxes))
        self.policy = AcceptorPolicy(
            serves=self._syntaxes_for,
            uses=self.services.is_scu_of,
            use_syntaxes=self._syntaxes,
            called=() if called is None else (self.ae, *map(check_ae_title, called)),
            calling=tuple(calling),
            extend=self.services.extend,
        )
        self.authenticator = authenticator
        self._gate = Gate(admission or Admission())
        self._where = (host, port)
        self._reuse_port = reuse_port
        self._tls = tls
        self._calls = Calls(workers, name=f"pacskit-call-{self.ae}")
        self._listener: asyncio.Server | None = None
        self._address: tuple[str, int] | None = None
        self._serving: dict[asyncio.Task[None], Connection] = {}
        self._refusing: dict[asyncio.Task[None], Connection] = {}
        self._stopping = False
        self._stopped = asyncio.Event()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        if self._address is None:
            raise ConfigurationError("the server has not been started")
        return self._address

    @property
    def associations(self) -> int:
        """How many associations are being served."""
        return len(self._serving)

    @property
    def is_stopping(self) -> bool:
        return self._stopping

    async def start(self) -> Self:
        """Listen, and accept in the running loop."""
        if self._listener is not None:
            raise ConfigurationError("a server is started once")
        family = socket.AF_INET6 if ":" in self._where[0] else socket.AF_INET
        options: dict[str, Any] = {"reuse_port": True} if self._reuse_port else {}
        if self._tls is not None:
            options |= {
                "ssl": self._tls,
                "ssl_handshake_timeout": self.timeouts.acse,
                "ssl_shutdown_timeout": self.timeouts.release,
            }
        self._listener = await asyncio.get_running_loop().create_server(
            self._accepted, *self._where, family=family, backlog=128, **options
        )
        name = self._listener.sockets[0].getsockname()
        self._address = name[0], name[1]
        return self

    async def stop(self, grace: float = 1.5) -> None:
        """Stop accepting, end idle associations at once, give running operations ``grace`` seconds, then abort."""
        listener = self._listener
        if listener is None:
            return
        self._stopping = True
        listener.close()
        for connection in [*self._serving.values(), *self._refusing.values()]:
            if not connection.busy:
                connection.interrupt()
        for connection in self._refusing.values():
            connection.hang_up()
        await self._wait_for_tasks(grace)
        for task, connection in [*self._serving.items(), *self._refusing.items()]:
            connection.give_up()
            task.cancel()
        await self._wait_for_tasks(_LAST_WORDS)
        self._calls.stop()
        self._stopped.set()

    async def _wait_for_tasks(self, seconds: float | None) -> None:
        tasks = [*self._serving, *self._refusing]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    async def wait(self) -> None:
        """Wait until `stop` has been called, by another task."""
        await self._stopped.wait()

    async def __aenter__(self) -> Self:
        return self if self._listener is not None else await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _syntaxes_for(self, sop_class: str) -> Sequence[str] | None:
        service = self.services.get(sop_class)
        if service is None:
            return None
        return getattr(service, "transfer_syntaxes", None) or self._syntaxes

    # Associations

    def _accepted(self) -> Connection:
        return Connection(
            is_requestor=False,
            timeouts=self.timeouts,
            limits=self.limits,
            call=self._calls.call,
            on_connect=self._admit,
        )

    def _admit(self, connection: Connection) -> None:
        """Give ``connection`` a task; one that tells it that there is no room where that is so."""
        connection.machine.accepted()
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
            if await self._establish(connection):
                await self._serve(connection, driver)
            await connection.end()
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
            calls=self._calls,
        )

    async def _establish(self, connection: Connection) -> bool:
        machine = connection.machine
        # Idle until it asks: a server that stops need not wait for a peer that has said nothing.
        event = await self._wait_idle(connection, self.timeouts.acse)
        if not isinstance(event, AssociateIndication):
            return False
        request, identity = event.request, None
        reject = self.policy.refuse(request)
        if reject is None and self.authenticator is not None:
            identity = await self._calls.call(identify, self.authenticator, request, connection.address, None)
            reject = NOT_IDENTIFIED if identity is None else None
        if connection.closed or not machine.is_in(State.STA3):  # while it was asked
            return False
        if reject is not None:
            _log.info("association of %s at %s:%d rejected: %s", request.calling, *connection.address, reject)
            machine.reject(reject)
            connection.flush()
            return False
        answer, info = accept(request, self.policy, self.limits, connection.address, identity=identity)
        connection.established(info)
        machine.accept(answer)
        connection.flush()
        _log.info("association with %s: %d of %d contexts", info.peer_name, len(info.accepted), len(info.contexts))
        return True

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
