"""The thread that accepts connections, and tells those that may not come in why."""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from pacskit.core.errors import ConfigurationError, TlsError
from pacskit.network.config import Limits, Timeouts
from pacskit.network.indications import AssociateIndication
from pacskit.network.machine import Machine
from pacskit.network.pdu import AssociateReject

if TYPE_CHECKING:
    from pacskit.security.channel import TlsChannel
    from pacskit.security.context import TlsContext

__all__ = ["Acceptor", "Admits"]

_log = logging.getLogger("pacskit.network")

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_EXHAUSTED_PAUSE = 1.0
_MAX_REFUSALS = 64  # peers that are being told why they may not come in; beyond that the connection is just closed
_PIECE = 16384


class Admits(Protocol):
    """The server, as its acceptor needs it."""

    @property
    def ae(self) -> str: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def timeouts(self) -> Timeouts: ...
    @property
    def is_stopping(self) -> bool: ...
    def admit(self, sock: socket.socket, peer: tuple[str, int], tls: TlsContext | None) -> AssociateReject | None: ...


class Acceptor(threading.Thread):
    """Accepts connections on listeners, with the TLS that belongs to each; what it refuses is refused in this thread.

    It owns the listeners, and closes them when it ends.
    """

    def __init__(self, server: Admits, listeners: Mapping[socket.socket, TlsContext | None]) -> None:
        super().__init__(name=f"pacskit-accept-{server.ae}", daemon=True)
        self._server = server
        self._listeners = listeners
        for listener in listeners:
            listener.setblocking(False)
        self._wake, self._waker = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._refusals: dict[socket.socket, _Refusal] = {}
        self._resume: float | None = None  # when to accept again after the descriptors ran out

    def stop(self) -> None:
        """End it, from another thread."""
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def run(self) -> None:
        selector = self._selector
        self._listen()
        selector.register(self._wake, selectors.EVENT_READ)
        try:
            while not self._server.is_stopping:
                for key, _ in selector.select(self._next_deadline()):
                    sock = key.fileobj
                    if sock in self._listeners:
                        self._accept(sock)  # type: ignore[arg-type]
                    elif sock is not self._wake:
                        self._refuse(sock)  # type: ignore[arg-type]
                self._expire()
        finally:
            for sock in [*self._refusals, *self._listeners, self._wake, self._waker]:
                sock.close()
            selector.close()

    def _listen(self) -> None:
        for listener in self._listeners:
            self._selector.register(listener, selectors.EVENT_READ)

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, peer = listener.accept()
        except BlockingIOError:
            return
        except OSError as exc:
            _log.warning("a connection could not be accepted: %s", exc.strerror)
            if exc.errno in _EXHAUSTED and self._resume is None:  # it would be reported as ready again and again
                for one in self._listeners:
                    self._selector.unregister(one)
                self._resume = time.monotonic() + _EXHAUSTED_PAUSE
            return
        tls = self._listeners[listener]
        reject = self._server.admit(sock, (peer[0], peer[1]), tls)
        if reject is None:
            return
        _log.warning("no association for %s:%d: %s", peer[0], peer[1], reject)
        if len(self._refusals) >= _MAX_REFUSALS:
            sock.close()
            return
        self._begin_refusal(sock, reject, tls)

    def _begin_refusal(self, sock: socket.socket, reject: AssociateReject, tls: TlsContext | None) -> None:
        sock.setblocking(False)
        machine = Machine(is_requestor=False, limits=self._server.limits, timeouts=self._server.timeouts)
        machine.accepted()
        try:
            channel = None if tls is None else tls.server()
        except ConfigurationError:  # the files went away, and the peer's reason is none of ours
            sock.close()
            return
        self._refusals[sock] = _Refusal(sock, machine, reject, channel)
        self._selector.register(sock, selectors.EVENT_READ)

    def _next_deadline(self) -> float | None:
        deadlines = [one.deadline for one in self._refusals.values() if one.deadline is not None]
        if self._resume is not None:
            deadlines.append(self._resume)
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _expire(self) -> None:
        now = time.monotonic()
        if self._resume is not None and self._resume <= now:
            self._resume = None
            self._listen()
        for sock, refusal in list(self._refusals.items()):
            if refusal.deadline is not None and refusal.deadline <= now:
                self._drop(sock)

    def _refuse(self, sock: socket.socket) -> None:
        try:
            if self._refusals[sock].advance():
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        del self._refusals[sock]
        sock.close()


class _Refusal:
    """A peer that is told, in the protocol's words, that it may not come in. Nothing here waits."""

    def __init__(
        self, sock: socket.socket, machine: Machine, reject: AssociateReject, channel: TlsChannel | None
    ) -> None:
        self._socket = sock
        self._machine = machine
        self._reject = reject
        self._channel = channel

    @property
    def deadline(self) -> float | None:
        return self._machine.artim_deadline

    def advance(self) -> bool:
        """Go on with what has arrived; False when it is over."""
        if self._channel is None:
            count = self._socket.recv_into(self._machine.framer.get_buffer())
            return bool(count) and self._fed(count)
        try:
            return self._advance_tls(self._channel)
        except TlsError:
            self._send(self._channel.take_output())
            return False

    def _advance_tls(self, channel: TlsChannel) -> bool:
        data = self._socket.recv(_PIECE)
        if not data:
            return False
        channel.feed(data)
        if not channel.established and not channel.handshake():
            self._send(channel.take_output())
            return True
        self._send(channel.take_output())
        while (count := channel.read_into(self._machine.framer.get_buffer())) is not None:
            if not count or not self._fed(count):
                return False
        return True

    def _fed(self, count: int) -> bool:
        machine = self._machine
        machine.framer.feed(count)
        while (event := machine.next_indication()) is not None:
            if isinstance(event, AssociateIndication):
                machine.reject(self._reject)
        output = b"".join(machine.take_output())
        if machine.close_wanted:
            return False
        if output:
            if self._channel is not None:
                output = b"".join(self._channel.encrypt([output])) + self._channel.close()
            self._send(output)  # a few bytes into an empty buffer
            self._socket.shutdown(socket.SHUT_WR)
        return True

    def _send(self, output: bytes) -> None:
        if output:
            self._socket.send(output)
