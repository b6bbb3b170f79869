"""The server on threads: one that accepts, and one for each association."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pacskit.core.errors import ConfigurationError, NetworkError, TlsError
from pacskit.core.events import EventBus
from pacskit.network.acceptor import Acceptor
from pacskit.network.admission import LOCAL_LIMIT_EXCEEDED, Admission
from pacskit.network.association import Association
from pacskit.network.base import BaseServer
from pacskit.network.config import Limits, Timeouts
from pacskit.network.connection import Connection
from pacskit.network.dimse import CCancelRequest, RequestMessage
from pacskit.network.driver import FlowDriver
from pacskit.network.flow import Open, Service, ServiceRegistry
from pacskit.network.identity import Authenticator, identify
from pacskit.network.indications import Aborted, AssociateIndication, ReleaseIndication
from pacskit.network.negotiation import DEFAULT_TRANSFER_SYNTAXES
from pacskit.network.observe import connection_for
from pacskit.network.pdu import AssociateReject
from pacskit.network.secure import AnyTransport, SecureTransport
from pacskit.network.session import SessionEvent
from pacskit.network.transport import Transport

if TYPE_CHECKING:
    from pacskit.security.channel import TlsInfo
    from pacskit.security.context import TlsContext

__all__ = ["Server"]

_log = logging.getLogger("pacskit.network")


class Server(BaseServer):
    """Accepts associations and serves them.

    ``called`` are the AE titles that it answers to besides ``ae`` (None: any title), ``calling`` the patterns of the
    titles that may call (empty: anybody), ``transfer_syntaxes`` what it accepts, best first, where a service has no
    list of its own. Port 0 lets the system choose; see ``address``. ``events`` is told what happens on associations.

    With ``tls`` it speaks TLS on ``port``; with ``tls_port`` too it listens on both, with TLS on that one only. The
    same ``tls`` serves for associations to peers whose address says ``tls:``, unless ``node_tls`` is given.
    ``admission`` says who may connect, ``authenticator`` who the user has to be. With ``reuse_port`` other processes
    of the same user may listen on the same port, and the system divides the associations among them (Linux).
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
        self._reuse_port = reuse_port
        if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
            raise ConfigurationError("ports cannot be shared on this system")
        # Where to listen, and with what TLS.
        self._where = [(host, port, tls if tls_port is None else None)]
        if tls_port is not None:
            self._where.append((host, tls_port, tls))
        self._listeners: list[socket.socket] = []
        self._acceptor: Acceptor | None = None
        self._lock = threading.Lock()
        self._workers: set[_Worker] = set()
        self._drained = threading.Condition(self._lock)
        self._stopped = threading.Event()

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
        if not self._listeners:
            raise ConfigurationError("the server has not been started")
        name = self._listeners[index].getsockname()
        return name[0], name[1]

    @property
    def associations(self) -> int:
        """How many associations are being served."""
        return len(self._workers)

    def start(self) -> Self:
        """Listen, and accept in a thread."""
        if self._listeners:
            raise ConfigurationError("a server is started once")
        opened: list[socket.socket] = []
        try:
            for host, port, _ in self._where:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                opened.append(
                    socket.create_server((host, port), family=family, backlog=128, reuse_port=self._reuse_port)
                )
        except OSError:
            for listener in opened:
                listener.close()
            raise
        self._listeners = opened
        tls = {listener: where[2] for listener, where in zip(opened, self._where, strict=True)}
        self._acceptor = Acceptor(self, tls)
        self._acceptor.start()
        return self

    def stop(self, grace: float = 1.5) -> None:
        """Stop accepting, end idle associations at once, give running operations ``grace`` seconds, then abort."""
        acceptor = self._acceptor
        if acceptor is None:
            return
        with self._lock:
            self._stopping = True
        acceptor.stop()
        acceptor.join()
        deadline = time.monotonic() + grace
        with self._lock:
            for worker in self._workers:
                worker.interrupt(hard=False)
            while self._workers and (left := deadline - time.monotonic()) > 0:
                self._drained.wait(left)
            remaining = list(self._workers)
            for worker in remaining:
                worker.interrupt(hard=True)
        for worker in remaining:
            worker.join(max(0.0, deadline + 0.4 - time.monotonic()))
        self._stopped.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until `stop` has been called (by a signal handler, another thread); return whether it has."""
        return self._stopped.wait(seconds)

    def __enter__(self) -> Self:
        return self if self._listeners else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def admit(self, sock: socket.socket, peer: tuple[str, int], tls: TlsContext | None) -> AssociateReject | None:
        """Give ``sock`` a thread, or return the reject that its peer gets; for the acceptor."""
        with self._lock:
            full = self._stopping or len(self._workers) >= self.limits.max_associations
            reject = self._gate.enter(peer[0], full=full)
            if reject is not None:
                return reject
            worker = _Worker(self, sock, peer, tls)
            self._workers.add(worker)
        try:
            worker.start()
        except RuntimeError:  # the system has no more threads for us
            self._leave(worker)
            return LOCAL_LIMIT_EXCEEDED
        return None

    def _leave(self, worker: _Worker) -> None:
        with self._lock:
            if worker in self._workers:
                self._workers.discard(worker)
                self._gate.leave(worker.peer[0])
            self._drained.notify_all()


class _Worker(threading.Thread):
    """Serves one association."""

    def __init__(self, server: Server, sock: socket.socket, peer: tuple[str, int], tls: TlsContext | None) -> None:
        super().__init__(name=f"pacskit-association-{peer[0]}:{peer[1]}", daemon=True)
        self.peer = peer
        self._server = server
        self._socket = sock
        self._tls = tls
        self._secured: TlsInfo | None = None
        self._transport: AnyTransport | None = None
        self._connection: Connection | None = None

    def interrupt(self, *, hard: bool) -> None:
        """Wake it, from the thread that stops the server: ``hard`` whatever it does, else only while it is idle."""
        transport, connection = self._transport, self._connection
        if transport is not None and (hard or connection is None or not connection.busy):
            transport.interrupt(hard=hard)

    def run(self) -> None:
        server = self._server
        try:
            transport = self._connected()
            self._connection = connection_for(
                transport,
                is_requestor=False,
                timeouts=server.timeouts,
                limits=server.limits,
                events=server.events,
                ends=None if server.events is None else transport.ends(),
            )
            driver = FlowDriver(self._connection, server.services.get, self._open_peer)
            if self._establish(self._connection):
                self._serve(self._connection, driver)
            self._connection.end()
        except TlsError as exc:
            level = logging.INFO if server.is_stopping else logging.WARNING
            _log.log(level, "no TLS with %s:%d: %s", *self.peer, exc)
        except NetworkError as exc:
            _log.info("association from %s:%d ended: %s", *self.peer, exc)
        except OSError as exc:
            _log.info("association from %s:%d ended: %s", *self.peer, exc.strerror)
        except Exception as exc:
            _log.error("association from %s:%d failed: %s", *self.peer, type(exc).__name__)
            _log.debug("the failure", exc_info=exc)
        finally:
            self._close()
            server._leave(self)

    def _connected(self) -> AnyTransport:
        """Return the connection, after the TLS handshake where there is one; it takes the time of nobody else."""
        plain = self._transport = Transport(self._socket)
        if self._tls is None:
            return plain
        secure = self._transport = SecureTransport(plain, self._tls.server())
        self._secured = secure.handshake(self._server.timeouts.handshake)
        return secure

    def _close(self) -> None:
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.abort()
            connection.close()
        self._socket.close()

    def _open_peer(self, effect: Open) -> Association:
        return Association.request(
            effect.address,
            effect.contexts,
            calling=effect.calling,
            roles=effect.roles,
            window=effect.window,
            timeouts=self._server.timeouts,
            limits=self._server.limits,
            tls=self._server.node_tls if effect.address.tls else None,
        )

    def _establish(self, connection: Connection) -> bool:
        server = self._server
        connection.machine.accepted()
        # Idle until it asks: a server that stops need not wait for a peer that has said nothing.
        event = self._wait_idle(connection, server.timeouts.acse)
        if isinstance(event, Aborted):
            _log.info("no association with %s:%d: %s", *self.peer, connection.transport.failure or event.detail)
        if not isinstance(event, AssociateIndication):
            return False
        request, tls = event.request, self._secured
        reject = server.policy.refuse(request, tls)
        identity = None
        if reject is None and server.authenticator is not None:
            identity = identify(server.authenticator, request, self.peer, tls)
        return server.answer(connection, request, peer=self.peer, tls=tls, reject=reject, identity=identity)

    def _serve(self, connection: Connection, driver: FlowDriver) -> None:
        idle = self._server.timeouts.idle
        while True:
            event = self._wait_idle(connection, idle)
            if isinstance(event, RequestMessage):
                driver.answer(event)
            elif isinstance(event, ReleaseIndication):
                connection.respond_release()
                return
            elif event is None:
                connection.transport.interrupt()  # say it, and do not wait for the peer to close
                connection.abort()
                return
            elif not isinstance(event, CCancelRequest):
                connection.fail(event)  # a cancel that came too late is the one thing to pass over

    def _wait_idle(self, connection: Connection, seconds: float | None) -> SessionEvent | None:
        """Wait for the peer; None when the server stops before it says anything."""
        # Order matters: `stop` sets its flag and then looks at `busy`, so one of the two sees the other.
        connection.busy = False
        if self._server.is_stopping:
            return None
        event = connection.wait(seconds, "the next request")
        connection.busy = True
        return event
