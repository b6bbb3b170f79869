"""An association in pynetdicom's shape, over a connection of ours."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pacskit.compat.pynetdicom import _globals
from pacskit.compat.pynetdicom import events as evt
from pacskit.compat.pynetdicom.datasets import Ours, Pydicoms, library
from pacskit.compat.pynetdicom.dimse_primitives import message_of
from pacskit.compat.pynetdicom.errors import UnsupportedAttribute
from pacskit.compat.pynetdicom.line import Line
from pacskit.compat.pynetdicom.negotiating import (
    answer_to,
    connect,
    limits_for,
    proposal_of,
    refusal_of,
    timeouts_for,
)
from pacskit.compat.pynetdicom.observing import Watch
from pacskit.compat.pynetdicom.presentation import PresentationContext
from pacskit.compat.pynetdicom.sending import Sending
from pacskit.compat.pynetdicom.service_user import ServiceUser
from pacskit.compat.pynetdicom.serving import serve
from pacskit.core.errors import AssociationReleased, NetworkError, PacsError
from pacskit.core.events import EventBus
from pacskit.network.dimse import CCancelRequest, Message, RequestMessage
from pacskit.network.indications import (
    Aborted,
    AssociateConfirmation,
    AssociateIndication,
    AssociateRejected,
    ReleaseIndication,
)
from pacskit.network.negotiation import AssociationInfo, confirm
from pacskit.network.negotiation import PresentationContext as Agreed
from pacskit.network.pdu import AssociateAccept, AssociateReject
from pacskit.network.secure import AnyTransport
from pacskit.network.session import SessionEvent

if TYPE_CHECKING:
    from pacskit.compat.pynetdicom.ae import ApplicationEntity
    from pacskit.security.channel import TlsInfo

__all__ = ["Association"]

_log = logging.getLogger("pacskit.compat.pynetdicom")

_SETTLE = 5.0
_INSIDE = frozenset({"acse", "dimse", "dul", "kill", "lock", "request", "run_reactor", "set_socket"})


class Association(Sending, threading.Thread):
    """An association that we requested or accepted; its thread takes in what comes while nobody waits for anything."""

    def __init__(self, ae: ApplicationEntity, mode: str, handlers: evt.Handlers) -> None:
        threading.Thread.__init__(self, name=f"pacskit-{mode}-{ae.ae_title}", daemon=True)
        self.ae = ae
        self.mode = mode
        self.handlers = handlers
        self.requestor = ServiceUser(self, _globals.MODE_REQUESTOR)
        self.acceptor = ServiceUser(self, _globals.MODE_ACCEPTOR)
        self.is_established = False
        self.is_rejected = False
        self.is_aborted = False
        self.is_released = False
        self.server: Any = None
        self.network_timeout_response = "A-ABORT"
        self.acse_timeout: float | None = ae.acse_timeout
        self.connection_timeout: float | None = ae.connection_timeout
        self.network_timeout: float | None = ae.network_timeout
        self._dimse_timeout: float | None = ae.dimse_timeout
        self._line: Line | None = None
        self._watch: Watch | None = None
        self._info: AssociationInfo | None = None
        self._contexts: dict[int, PresentationContext] = {}
        self._state = threading.Lock()
        self._over = False
        self.how = ""  # how the connection ended
        self._accepting: tuple[Any, ...] | None = None  # what the server gave us

    def __getattr__(self, name: str) -> Any:
        if name in _INSIDE:
            raise UnsupportedAttribute(f"an association has no {name!r} here: its inside is pacskit.network's")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # Who and what

    @property
    def is_requestor(self) -> bool:
        """Whether we asked for it."""
        return self.mode == _globals.MODE_REQUESTOR

    @property
    def is_acceptor(self) -> bool:
        """Whether we were asked."""
        return not self.is_requestor

    @property
    def local(self) -> dict[str, Any]:
        """Our side."""
        return (self.requestor if self.is_requestor else self.acceptor).info

    @property
    def remote(self) -> dict[str, Any]:
        """The other side."""
        return (self.acceptor if self.is_requestor else self.requestor).info

    @property
    def accepted_contexts(self) -> list[PresentationContext]:
        """The contexts that were agreed."""
        return [one for one in self._contexts.values() if one.result == 0]

    @property
    def rejected_contexts(self) -> list[PresentationContext]:
        """The contexts that were turned down."""
        return [one for one in self._contexts.values() if one.result != 0]

    @property
    def dimse_timeout(self) -> float | None:
        """How long to wait for a message; None for ever."""
        return self._dimse_timeout

    @dimse_timeout.setter
    def dimse_timeout(self, value: float | None) -> None:
        self._dimse_timeout = value
        if self._line is not None:
            connection = self._line.connection
            connection.timeouts = replace(connection.timeouts, dimse=timeouts_for(self).dimse)

    def agreed(self, context_id: int | None) -> Agreed:
        """The context of this number, as the network knows it."""
        if self._info is None:
            raise RuntimeError("the association is not established")
        return next(one for one in self._info.contexts if one.id == context_id)

    @property
    def library(self) -> Ours | Pydicoms:
        """Whose data sets are handed out."""
        return library(self.ae.data_sets)

    # Handlers

    def bind(self, event: evt.EventType, handler: Callable[..., Any], args: list[Any] | None = None) -> None:
        """Bind a handler to an event."""
        self.handlers.bind(event, handler, args)
        if self._watch is not None:
            self._watch.refresh()

    def unbind(self, event: evt.EventType, handler: Callable[..., Any]) -> None:
        """Take a handler away."""
        self.handlers.unbind(event, handler)

    def get_events(self) -> list[evt.EventType]:
        """The events that have a handler."""
        return self.handlers.events()

    def get_handlers(self, event: evt.EventType) -> Any:
        """The handlers of an event."""
        return self.handlers.get(event)

    def notify(self, event: evt.NotificationEvent, **attributes: Any) -> None:
        """Tell the handlers of an event."""
        self.handlers.notify(self, event, **attributes)

    def told(self, message: Message, sent: bool) -> None:
        event = evt.EVT_DIMSE_SENT if sent else evt.EVT_DIMSE_RECV
        if self.handlers.of(event):
            self.notify(event, message=message_of(message))

    # Beginning

    def _open(self, sock: socket.socket, transport: AnyTransport, max_pdu: int) -> Line:
        bus = EventBus()
        self._watch = Watch(bus, self)
        line = Line(
            sock,
            transport,
            is_requestor=self.is_requestor,
            timeouts=timeouts_for(self),
            limits=limits_for(max_pdu),
            bus=bus,
            told=self.told,
        )
        self._line = line
        ours, theirs = transport.ends()
        self.requestor.where, self.acceptor.where = (ours, theirs) if self.is_requestor else (theirs, ours)
        self.notify(evt.EVT_CONN_OPEN, address=theirs)
        return line

    def ask(
        self, where: tuple[str, int], max_pdu: int, bind: tuple[Any, ...] | None, tls: tuple[Any, str | None] | None
    ) -> None:
        """Connect and request the association; what became of it is in the flags."""
        proposal = proposal_of(self, max_pdu)
        self.ae.entered(self)
        try:
            _log.info("requesting an association with %s:%d", *where)
            sock, transport, secured = connect(self, where, bind, tls)
            line = self._open(sock, transport, max_pdu)
        except OSError as error:
            _log.info("no connection with %s:%d: %s", *where, error)
            self.ended(error)
            self._leave()
            return
        try:
            self._request(line, proposal, where, secured)
        except (PacsError, OSError, ValueError) as error:
            _log.info("no association: %s", error)
            line.connection.abort()
            self.ended(error)
        if self.is_established:
            self.start()
        else:
            self._leave()

    def _request(self, line: Line, proposal: Any, where: tuple[str, int], secured: TlsInfo | None) -> None:
        connection = line.connection
        connection.machine.associate(proposal)
        connection.machine.connected()
        connection.flush()
        self.requestor.said(proposal)
        self.notify(evt.EVT_REQUESTED)
        event = connection.wait(connection.timeouts.acse, "the answer to the association request")
        if isinstance(event, AssociateRejected):
            self._rejected(event.reject)
            connection.end()
        elif isinstance(event, AssociateConfirmation):
            self._confirmed(line, confirm(proposal, event.accept, where, tls=secured), event.accept)
        else:
            connection.fail(event)

    def _confirmed(self, line: Line, info: AssociationInfo, answer: AssociateAccept) -> None:
        line.connection.session.established(info)
        self.acceptor.said(answer)
        self._agree(info)
        self.notify(evt.EVT_ACCEPTED)
        if not self.accepted_contexts:
            _log.info("no presentation context was accepted")
            line.connection.abort()
            self.ended(None)
        elif not self._over:
            _log.info("the association was accepted")
            self.is_established = True
            self.notify(evt.EVT_ESTABLISHED)

    def _agree(self, info: AssociationInfo) -> None:
        self._info = info
        self._contexts = {context.id: PresentationContext.of(context) for context in info.contexts}

    def _rejected(self, reject: AssociateReject) -> None:
        _log.info("the association was rejected: %s", reject)
        with self._state:
            self._over = self.is_rejected = True
        self.acceptor.said(reject)
        self.notify(evt.EVT_REJECTED)

    def accept(self, sock: socket.socket, transport: Callable[[], tuple[AnyTransport, TlsInfo | None]]) -> None:
        """Serve a connection that came in, in a thread of its own; for the server."""
        self._accepting = (sock, transport)
        self.ae.entered(self)
        self.start()

    def _answer(self) -> None:
        if self._accepting is None:
            return
        sock, connected = self._accepting
        try:
            transport, secured = connected()
            line = self._open(sock, transport, self.ae.maximum_pdu_size)
        except (OSError, PacsError) as error:
            _log.info("no connection: %s", error)
            sock.close()
            self.ended(error)
            return
        try:
            self._decide(line, secured)
        except (PacsError, OSError, ValueError) as error:
            _log.info("no association: %s", error)
            line.connection.abort()
            self.ended(error)

    def _decide(self, line: Line, secured: TlsInfo | None) -> None:
        connection = line.connection
        connection.machine.accepted()
        event = connection.wait(connection.timeouts.acse, "the association request")
        if not isinstance(event, AssociateIndication):
            connection.fail(event)
        request = event.request
        self.requestor.said(request)
        self.requestor.ae_title = request.calling
        self.notify(evt.EVT_REQUESTED)
        if self._over:
            return
        reject, identity = refusal_of(self, request)
        if reject is not None:
            connection.machine.reject(reject)
            connection.flush()
            self._rejected(reject)
            connection.end()
            return
        answer, info = answer_to(self, request, self.requestor.where or ("", 0), tls=secured, identity=identity)
        connection.session.established(info)
        self.acceptor.said(answer)
        self._agree(info)
        connection.machine.accept(answer)
        connection.flush()
        self.notify(evt.EVT_ACCEPTED)
        if not self._over:
            self.is_established = True
            self.notify(evt.EVT_ESTABLISHED)

    # Going on

    def run(self) -> None:
        """Take in what comes while nobody waits for anything."""
        try:
            if self.is_acceptor:
                self._answer()
            if self.is_established and self._line is not None:
                self._look(self._line)
        finally:
            self._leave()

    def _look(self, line: Line) -> None:
        while line.is_open and not self._over:
            if not line.readable(self._idle_left(line)):
                self._idle(line)
                continue
            with line.gate:
                try:
                    self._take_in(line)
                except (PacsError, OSError) as error:
                    self.failed(error)

    def _take_in(self, line: Line) -> None:
        while line.is_open and not self._over and (event := line.next_arrived()) is not None:
            if isinstance(event, RequestMessage):
                self.serve(event)
            elif isinstance(event, ReleaseIndication):
                line.connection.machine.respond_release()
                line.connection.flush()
                self.ended(AssociationReleased("the peer released the association"))
                line.connection.linger()
            elif isinstance(event, Aborted):
                self._aborted(line, event)
            elif not isinstance(event, CCancelRequest):
                line.connection.fail(event)

    def _aborted(self, line: Line, event: SessionEvent) -> None:
        line.connection.end()
        self.ended(None)

    def _idle_left(self, line: Line) -> float | None:
        if self.network_timeout is None:
            return None
        return max(0.0, line.active + self.network_timeout - time.monotonic())

    def _idle(self, line: Line) -> None:
        """The time of an idle association is over, unless somebody has used it in the meantime or does now."""
        if not line.gate.acquire(blocking=False):
            with line.gate:
                return
        try:
            left = self._idle_left(line)
            if left is None or left > 0:
                return
            _log.info("the association was idle for too long")
            if self.network_timeout_response == "A-RELEASE":
                self.release()
            else:
                self.abort()
        finally:
            line.gate.release()

    def serve(self, message: RequestMessage) -> None:
        """Answer what the peer asks; the gate is the caller's."""
        line = self.line
        line.connection.begin(message.message_id)
        line.serving += 1
        try:
            serve(self, message)
        finally:
            line.serving -= 1

    @property
    def line(self) -> Line:
        """The connection; RuntimeError where there is none."""
        if self._line is None:
            raise RuntimeError("the association has no connection")
        return self._line

    # Ending

    def release(self) -> None:
        """Release it; does nothing when it is not established."""
        if not self.is_established:
            return
        self.end_operations()
        line = self.line
        with line.gate:
            if not self.is_established:
                return
            _log.info("releasing the association")
            try:
                line.connection.release()
            except NetworkError as error:
                self.ended(error)
            else:
                self.ended(AssociationReleased("released") if self.how == "released" else None)
            line.wake()
        self._settle(line)

    def abort(self, block: bool = True) -> None:
        """Abort it, from whichever thread; does nothing when it is over."""
        del block
        line = self._line
        if line is None or self._over:
            return
        _log.info("aborting the association")
        if not line.gate.acquire(blocking=False):
            self.ended(None)
            line.abort_elsewhere()
            line.wake()
            return
        try:
            self.ended(None)
            line.connection.abort()
        finally:
            line.gate.release()
            line.wake()
        self._settle(line)

    def _settle(self, line: Line) -> None:
        """Wait for the association's thread, where that cannot be waiting for us: nothing of it is left then."""
        if self.is_alive() and threading.current_thread() is not self and not line.gate.is_mine:
            self.join(_SETTLE)

    def failed(self, error: Exception) -> None:
        """Note that the association failed, and end it where it has not ended by that."""
        line = self.line
        if line.is_open:
            line.connection.abort()
        self.ended(error)
        line.wake()

    def ended(self, error: Exception | None) -> None:
        """Note that it is over: released where ``error`` says so, else aborted. Said once."""
        with self._state:
            if self._over:
                return
            self._over = True
            released = isinstance(error, AssociationReleased)
            self.is_released, self.is_aborted = released, not released
            self.is_established = False
        if error is not None and not released:
            _log.info("the association has ended: %s", error)
        self.notify(evt.EVT_RELEASED if released else evt.EVT_ABORTED)

    def _leave(self) -> None:
        """Close what is left, and be no association of the AE's any more."""
        line, self._accepting = self._line, None
        if line is not None:
            with line.gate:
                with contextlib.suppress(OSError, PacsError):
                    line.connection.end()
                line.connection.close()
            line.finish()
        self.ae.left(self)
        if line is not None:
            self.notify(evt.EVT_CONN_CLOSE, address=(self.acceptor if self.is_requestor else self.requestor).where)
