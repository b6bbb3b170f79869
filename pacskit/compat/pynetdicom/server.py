"""A server in pynetdicom's shape: it accepts connections, and each association is a thread."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

from pacskit.compat.pynetdicom import _globals
from pacskit.compat.pynetdicom import events as evt
from pacskit.compat.pynetdicom.association import Association
from pacskit.compat.pynetdicom.errors import UnsupportedAttribute
from pacskit.compat.pynetdicom.presentation import PresentationContext
from pacskit.network.acceptor import Acceptor
from pacskit.network.admission import LOCAL_LIMIT_EXCEEDED
from pacskit.network.config import Limits, Timeouts
from pacskit.network.pdu import AssociateReject
from pacskit.network.secure import AnyTransport, SecureTransport
from pacskit.network.transport import Transport
from pacskit.security.channel import TlsChannel
from pacskit.security.context import TlsContext

if TYPE_CHECKING:
    from pacskit.compat.pynetdicom.ae import ApplicationEntity
    from pacskit.security.channel import TlsInfo

__all__ = ["AssociationServer", "ThreadedAssociationServer"]

_log = logging.getLogger("pacskit.compat.pynetdicom")

_HANDSHAKE = 30.0


class _Given(TlsContext):
    """TLS by a context that the caller made: its profile is the caller's affair."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def __repr__(self) -> str:
        return "TlsContext(SSLContext)"

    def server(self) -> TlsChannel:
        """Return the server's side of a new connection."""
        return TlsChannel(self._context, server_side=True)


class _Door:
    """The server as its acceptor needs it."""

    def __init__(self, server: AssociationServer) -> None:
        self._server = server
        self.ae = server.ae_title
        self.limits = Limits()
        self.timeouts = Timeouts()

    @property
    def is_stopping(self) -> bool:
        """Whether no more is accepted."""
        return self._server.is_stopping

    def admit(self, sock: socket.socket, peer: tuple[str, int], tls: TlsContext | None) -> AssociateReject | None:
        """Give a connection its association, or return the reject that it gets."""
        return self._server.admit(sock, tls)


class AssociationServer:
    """Listens at an address from the beginning, and accepts while `serve_forever` runs."""

    def __init__(
        self,
        ae: ApplicationEntity,
        address: Sequence[Any],
        ae_title: str,
        contexts: list[PresentationContext],
        ssl_context: ssl.SSLContext | None = None,
        evt_handlers: Sequence[Any] = (),
    ) -> None:
        self.ae = ae
        self.ae_title = ae_title
        self.contexts = contexts
        self.ssl_context = ssl_context
        self.handlers = evt.Handlers(evt_handlers)
        family = socket.AF_INET6 if ":" in str(address[0]) else socket.AF_INET
        self.socket = socket.create_server(tuple(address[:2]), family=family, backlog=128)
        name = self.socket.getsockname()
        self.server_address: tuple[str, int] = (name[0], name[1])
        self._acceptor = Acceptor(_Door(self), {self.socket: None if ssl_context is None else _Given(ssl_context)})
        self._lock = threading.Lock()
        self._started = False
        self._stopping = False
        self._stopped = threading.Event()

    @property
    def is_stopping(self) -> bool:
        """Whether it accepts no more."""
        return self._stopping

    def admit(self, sock: socket.socket, tls: TlsContext | None) -> AssociateReject | None:
        """Give a connection its association, or return the reject that it gets; for the acceptor."""
        entity = self.ae
        accepted = sum(one.is_acceptor for one in entity.active_associations)
        if self._stopping or accepted >= entity.maximum_associations:
            return LOCAL_LIMIT_EXCEEDED
        handlers = evt.Handlers(self.handlers.all())
        assoc = Association(entity, _globals.MODE_ACCEPTOR, handlers)
        assoc.server = self
        assoc.acceptor.ae_title = self.ae_title
        assoc.acceptor.contexts = self.contexts
        try:
            assoc.accept(sock, lambda: self._connected(sock, tls))
        except RuntimeError:  # the system has no more threads for us
            entity.left(assoc)
            return LOCAL_LIMIT_EXCEEDED
        return None

    def _connected(self, sock: socket.socket, tls: TlsContext | None) -> tuple[AnyTransport, TlsInfo | None]:
        plain = Transport(sock)
        if tls is None:
            return plain, None
        secure = SecureTransport(plain, tls.server())
        return secure, secure.handshake(_HANDSHAKE)

    # Handlers

    @property
    def active_associations(self) -> list[Association]:
        """The associations that it serves."""
        return [one for one in self.ae.active_associations if one.server is self]

    def bind(self, event: evt.EventType, handler: Callable[..., Any], args: list[Any] | None = None) -> None:
        """Bind a handler, for the associations that there are and those that will be."""
        self.handlers.bind(event, handler, args)
        for assoc in self.active_associations:
            assoc.bind(event, handler, args)

    def unbind(self, event: evt.EventType, handler: Callable[..., Any]) -> None:
        """Take a handler away, from the associations too."""
        self.handlers.unbind(event, handler)
        for assoc in self.active_associations:
            assoc.unbind(event, handler)

    def get_events(self) -> list[evt.EventType]:
        """The events that have a handler."""
        return self.handlers.events()

    def get_handlers(self, event: evt.EventType) -> Any:
        """The handlers of an event."""
        return self.handlers.get(event)

    # Running

    def start(self) -> Self:
        """Accept, in a thread."""
        with self._lock:
            if self._started or self._stopping:
                raise RuntimeError("a server is started once")
            self._started = True
        self._acceptor.start()
        return self

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Accept until `shutdown` is called by another thread or a handler."""
        del poll_interval
        self.start()
        self._stopped.wait()

    def shutdown(self) -> None:
        """Stop accepting, and abort what goes on."""
        with self._lock:
            first, self._stopping = not self._stopping, True
        if not first:
            self._stopped.wait()
            return
        self._acceptor.stop()
        if self._started:
            self._acceptor.join()
        else:
            self._acceptor.run()  # closes what it holds
        for assoc in self.active_associations:
            assoc.abort()
        self.ae.stopped(self)
        self._stopped.set()

    def server_close(self) -> None:
        """Stop it, if it has not been: nothing is left open."""
        self.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()

    def __getattr__(self, name: str) -> Any:
        if name in {"RequestHandlerClass", "process_request", "finish_request", "handle_request"}:
            raise UnsupportedAttribute(f"a server has no {name!r} here: it is no socketserver")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


ThreadedAssociationServer = AssociationServer
