"""The server on threads: one that accepts, and one for each association."""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from pacskit.core.errors import ConfigurationError, NetworkError
from pacskit.core.events import EventBus
from pacskit.network.address import check_ae_title
from pacskit.network.association import Association
from pacskit.network.config import Limits, Timeouts
from pacskit.network.connection import Connection
from pacskit.network.dimse import CCancelRequest, RequestMessage
from pacskit.network.driver import FlowDriver
from pacskit.network.flow import Open, Service, ServiceRegistry
from pacskit.network.indications import AssociateIndication, ReleaseIndication
from pacskit.network.machine import Machine
from pacskit.network.negotiation import DEFAULT_TRANSFER_SYNTAXES, AcceptorPolicy, accept
from pacskit.network.observe import connection_for
from pacskit.network.pdu import AssociateReject
from pacskit.network.session import SessionEvent
from pacskit.network.transport import Transport

__all__ = ["Server"]

_log = logging.getLogger("pacskit.network")

LOCAL_LIMIT_EXCEEDED = AssociateReject(2, 3, 2)
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_EXHAUSTED_PAUSE = 1.0
_MAX_REFUSALS = 64  # peers that are being told that there is no room; beyond that the connection is just closed


class Server:
    """Accepts associations and serves them.

    ``called`` are the AE titles that it answers to besides ``ae`` (None: any title), ``calling`` the patterns of the
    titles that may call (empty: anybody), ``transfer_syntaxes`` what it accepts, best first, where a service has no
    list of its own. Port 0 lets the system choose; see ``address``. ``events`` is told what happens on associations.
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
        events: EventBus | None = None,
    ) -> None:
        self.ae = check_ae_title(ae)
        self.events = events
        self.timeouts = timeouts or Timeouts()
        self.limits = limits or Limits()
        self.services = services if isinstance(services, ServiceRegistry) else ServiceRegistry(services)
        if not transfer_syntaxes:
            raise ConfigurationError("a server needs at least one transfer syntax")
        self._syntaxes = tuple(map(str, transfer_syntaxes))
        self.policy = AcceptorPolicy(
            serves=self._syntaxes_for,
            uses=self.services.is_scu_of,
            extend=self.services.extend,
            use_syntaxes=self._syntaxes,
            called=() if called is None else (self.ae, *map(check_ae_title, called)),
            calling=tuple(calling),
        )
        self._where = (host, port)
        self._listener: socket.socket | None = None
        self._acceptor: _Acceptor | None = None
        self._lock = threading.Lock()
        self._workers: set[_Worker] = set()
        self._drained = threading.Condition(self._lock)
        self._stopping = False
        self._stopped = threading.Event()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        if self._listener is None:
            raise ConfigurationError("the server has not been started")
        name = self._listener.getsockname()
        return name[0], name[1]

    @property
    def associations(self) -> int:
        """How many associations are being served."""
        return len(self._workers)

    @property
    def is_stopping(self) -> bool:
        return self._stopping

    def start(self) -> Self:
        """Listen, and accept in a thread."""
        if self._listener is not None:
            raise ConfigurationError("a server is started once")
        family = socket.AF_INET6 if ":" in self._where[0] else socket.AF_INET
        self._listener = socket.create_server(self._where, family=family, backlog=128)
        self._acceptor = _Acceptor(self, self._listener)
        self._acceptor.start()
        return self

    def stop(self, grace: float = 1.5) -> None:
        """Stop accepting, end idle associations at once, give running operations ``grace`` seconds, then abort."""
        acceptor = self._acceptor
        if acceptor is None or self._listener is None:
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
        return self if self._listener is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _syntaxes_for(self, sop_class: str) -> Sequence[str] | None:
        service = self.services.get(sop_class)
        if service is None:
            return None
        return getattr(service, "transfer_syntaxes", None) or self._syntaxes

    def _admit(self, sock: socket.socket, peer: tuple[str, int]) -> bool:
        """Give ``sock`` a thread; False when there is no room for it."""
        with self._lock:
            if self._stopping or len(self._workers) >= self.limits.max_associations:
                return False
            worker = _Worker(self, sock, peer)
            self._workers.add(worker)
        try:
            worker.start()
        except RuntimeError:  # the system has no more threads for us
            self._leave(worker)
            return False
        return True

    def _leave(self, worker: _Worker) -> None:
        with self._lock:
            self._workers.discard(worker)
            self._drained.notify_all()


class _Acceptor(threading.Thread):
    """Accepts connections, and tells those for which there is no room so, all in one thread."""

    def __init__(self, server: Server, listener: socket.socket) -> None:
        super().__init__(name=f"pacskit-accept-{server.ae}", daemon=True)
        self._server = server
        self._listener = listener
        self._listener.setblocking(False)
        self._wake, self._waker = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._refusals: dict[socket.socket, Machine] = {}
        self._resume: float | None = None  # when to accept again after the descriptors ran out

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def run(self) -> None:
        selector = self._selector
        selector.register(self._listener, selectors.EVENT_READ)
        selector.register(self._wake, selectors.EVENT_READ)
        try:
            while not self._server.is_stopping:
                for key, _ in selector.select(self._next_deadline()):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj is not self._wake:
                        self._refuse(key.fileobj)  # type: ignore[arg-type]
                self._expire()
        finally:
            for sock in [*self._refusals, self._listener, self._wake, self._waker]:
                sock.close()
            selector.close()

    def _accept(self) -> None:
        try:
            sock, peer = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as exc:
            _log.warning("a connection could not be accepted: %s", exc.strerror)
            if exc.errno in _EXHAUSTED:  # it would be reported as ready again and again
                self._selector.unregister(self._listener)
                self._resume = time.monotonic() + _EXHAUSTED_PAUSE
            return
        if self._server._admit(sock, (peer[0], peer[1])):
            return
        _log.warning("no room for an association from %s:%d", peer[0], peer[1])
        if len(self._refusals) >= _MAX_REFUSALS:
            sock.close()
            return
        sock.setblocking(False)
        machine = Machine(is_requestor=False, limits=self._server.limits, timeouts=self._server.timeouts)
        machine.accepted()
        self._refusals[sock] = machine
        self._selector.register(sock, selectors.EVENT_READ)

    def _next_deadline(self) -> float | None:
        deadlines = [m.artim_deadline for m in self._refusals.values() if m.artim_deadline is not None]
        if self._resume is not None:
            deadlines.append(self._resume)
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _expire(self) -> None:
        now = time.monotonic()
        if self._resume is not None and self._resume <= now:
            self._resume = None
            self._selector.register(self._listener, selectors.EVENT_READ)
        for sock, machine in list(self._refusals.items()):
            if machine.artim_deadline is not None and machine.artim_deadline <= now:
                self._drop(sock)

    def _refuse(self, sock: socket.socket) -> None:
        machine = self._refusals[sock]
        try:
            count = sock.recv_into(machine.framer.get_buffer())
            if count == 0:
                self._drop(sock)
                return
            machine.framer.feed(count)
            while (event := machine.next_indication()) is not None:
                if isinstance(event, AssociateIndication):
                    machine.reject(LOCAL_LIMIT_EXCEEDED)
            output = b"".join(machine.take_output())
            if machine.close_wanted:
                self._drop(sock)
            elif output:
                sock.send(output)  # ten bytes into an empty buffer
                sock.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:
            self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        del self._refusals[sock]
        sock.close()


class _Worker(threading.Thread):
    """Serves one association."""

    def __init__(self, server: Server, sock: socket.socket, peer: tuple[str, int]) -> None:
        super().__init__(name=f"pacskit-association-{peer[0]}:{peer[1]}", daemon=True)
        self._server = server
        self._peer = peer
        self._socket = sock
        self._transport: Transport | None = None
        self._connection: Connection | None = None

    def interrupt(self, *, hard: bool) -> None:
        """Wake it, from the thread that stops the server: ``hard`` whatever it does, else only while it is idle."""
        transport, connection = self._transport, self._connection
        if transport is not None and (hard or connection is None or not connection.busy):
            transport.interrupt(hard=hard)

    def run(self) -> None:
        server = self._server
        try:
            self._transport = Transport(self._socket)
            self._connection = connection_for(
                self._transport,
                is_requestor=False,
                timeouts=server.timeouts,
                limits=server.limits,
                events=server.events,
                ends=None if server.events is None else self._transport.ends(),
            )
            driver = FlowDriver(self._connection, server.services.get, self._open_peer)
            if self._establish(self._connection):
                self._serve(self._connection, driver)
            self._connection.end()
        except NetworkError as exc:
            _log.info("association from %s:%d ended: %s", *self._peer, exc)
        except OSError as exc:
            _log.info("association from %s:%d ended: %s", *self._peer, exc.strerror)
        except Exception as exc:
            _log.error("association from %s:%d failed: %s", *self._peer, type(exc).__name__)
            _log.debug("the failure", exc_info=exc)
        finally:
            self._close()
            server._leave(self)

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
            timeouts=self._server.timeouts,
            limits=self._server.limits,
        )

    def _establish(self, connection: Connection) -> bool:
        machine, server = connection.machine, self._server
        machine.accepted()
        # Idle until it asks: a server that stops need not wait for a peer that has said nothing.
        event = self._wait_idle(connection, server.timeouts.acse)
        if not isinstance(event, AssociateIndication):
            return False
        reject = server.policy.refuse(event.request)
        if reject is not None:
            _log.info("association from %s:%d rejected: %s", *self._peer, reject)
            machine.reject(reject)
            connection.flush()
            return False
        answer, info = accept(event.request, server.policy, server.limits, self._peer)
        connection.session.established(info)
        machine.accept(answer)
        connection.flush()
        _log.info("association with %s: %d of %d contexts", info.peer_name, len(info.accepted), len(info.contexts))
        return True

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
