"""The thread driver's interpreter of flows. It knows effects and no service."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pacskit.core.errors import DimseError, LimitError
from pacskit.core.status import Status
from pacskit.network.connection import Connection
from pacskit.network.dimse import (
    CCancelRequest,
    CFindRequest,
    CGetRequest,
    CMoveRequest,
    Message,
    NEventReportRequest,
    RequestMessage,
    ResponseMessage,
)
from pacskit.network.flow import (
    END,
    Call,
    Cancelled,
    Close,
    Flow,
    Next,
    Open,
    Perform,
    PerformOn,
    Request,
    Send,
    Service,
)
from pacskit.network.session import SessionEvent
from pacskit.network.sink import Sink

if TYPE_CHECKING:
    from pacskit.network.negotiation import AssociationInfo, PresentationContext

__all__ = ["FlowDriver", "PeerHandle"]

_log = logging.getLogger("pacskit.network")

# PS3.4 gives these services a failure of their own; for the others PS3.7 annex C's general one holds.
_FAILURES: dict[type[RequestMessage], Status] = {
    CFindRequest: Status.UNABLE_TO_PROCESS,
    CGetRequest: Status.UNABLE_TO_PROCESS,
    CMoveRequest: Status.UNABLE_TO_PROCESS,
}


class PeerHandle(Protocol):
    """What `Open` gives, as this driver needs it."""

    @property
    def info(self) -> AssociationInfo: ...
    def perform(self, request: RequestMessage) -> ResponseMessage: ...
    def release(self) -> None: ...


class FlowDriver:
    """Answers requests on one connection by running services' flows."""

    __slots__ = ("_answered", "_connection", "_effects", "_open", "_service_for")

    def __init__(
        self,
        connection: Connection,
        service_for: Callable[[str], Service | None],
        open_peer: Callable[[Open], PeerHandle],
    ) -> None:
        self._connection = connection
        self._service_for = service_for
        self._open = open_peer
        self._answered = False
        connection.session.sink_for = self.sink_for
        self._effects: dict[type, Callable[[Any], Any]] = {
            Send: self._send,
            Call: _call,
            Next: _next,
            Cancelled: self._cancelled,
            Perform: self._perform,
            Open: self._open_peer,
            PerformOn: _perform_on,
            Close: _close,
        }

    def sink_for(self, message: Message) -> Sink | None:
        """Ask the service where the data set of ``message`` goes; None for memory."""
        info = self._connection.session.info
        if not isinstance(message, RequestMessage) or info is None or message.context is None:
            return None
        service = self._find(message, message.context)
        if service is None:
            return None
        _check_operation(service, message)
        return service.sink(Request(message, message.context), info)

    def _find(self, message: RequestMessage, context: PresentationContext) -> Service | None:
        """Return the service for the SOP class, or for the context's: it may be a meta SOP class (PS3.7 10.1)."""
        service = self._service_for(context.served_as or message.sop_class_uid or "")
        if service is None and context.abstract_syntax != message.sop_class_uid:
            service = self._service_for(context.abstract_syntax)
            return service if getattr(service, "by_context", False) else None
        return service

    def answer(self, message: RequestMessage) -> None:
        """Serve ``message``; what goes wrong becomes a status, unless the association itself is gone."""
        connection = self._connection
        connection.begin(message.message_id)
        self._answered = False
        refusal: DimseError | None = None
        status = _FAILURES.get(type(message), Status.PROCESSING_FAILURE)
        try:
            if message.error is not None:
                raise message.error
            self._serve(message)
            if not self._answered:
                _log.error("a service ended without an answer to %s", type(message).__name__)
        except DimseError as exc:
            refusal = exc
        except LimitError as exc:
            refusal = DimseError(Status.OUT_OF_RESOURCES, str(exc))
        except Exception as exc:
            if not connection.is_open:
                raise
            _log.info("%s failed: %s", type(message).__name__, type(exc).__name__)
            _log.debug("the failure", exc_info=exc)
        if not self._answered:
            self._send(Send(message.response(status) if refusal is None else message.refusal(refusal)))

    def _serve(self, message: RequestMessage) -> None:
        info, context = self._connection.session.info, message.context
        if info is None or context is None:
            raise DimseError(Status.PROCESSING_FAILURE)
        service = self._find(message, context)
        # Notifications come from the SCP of the class (PS3.7 10.1.1), everything else from its SCU.
        if service is None or not (context.as_scp or isinstance(message, NEventReportRequest)):
            raise DimseError(Status.CLASS_NOT_SUPPORTED, "SOP class not supported here")
        _check_operation(service, message)
        self._run(service.serve(Request(message, context, message.data), info))

    def _run(self, flow: Flow) -> None:
        """Interpret the effects of ``flow`` until it ends."""
        effects, step = self._effects, flow.send
        value: Any = None
        while True:
            try:
                effect = step(value)
            except StopIteration:
                return
            try:
                value, step = effects[type(effect)](effect), flow.send
            except Exception as exc:
                value, step = exc, flow.throw

    # Effects

    def _send(self, effect: Send) -> None:
        message = effect.message
        self._connection.send(message)
        if isinstance(message, ResponseMessage) and not message.is_pending:
            self._answered = True

    def _cancelled(self, effect: Cancelled) -> bool:
        return self._connection.is_cancelled(effect.message_id)

    def _perform(self, effect: Perform) -> ResponseMessage:
        connection, request = self._connection, effect.request
        if not request.message_id:
            request.message_id = connection.next_message_id()
        connection.send(request)
        held: list[SessionEvent] = []
        try:
            while True:
                event = connection.wait(connection.timeouts.dimse, "the response to a sub-operation")
                if isinstance(event, ResponseMessage) and event.message_id_being_responded_to == request.message_id:
                    return event
                if isinstance(event, CCancelRequest):
                    connection.sort(event)
                elif isinstance(event, RequestMessage) and len(held) < connection.ahead:
                    held.append(event)  # the peer may go on asking: its window is not ours (PS3.7 D.3.3.3)
                else:
                    connection.fail(event)
        finally:
            connection.unread(held)

    def _open_peer(self, effect: Open) -> PeerHandle:
        return self._open(effect)


def _check_operation(service: Service, message: RequestMessage) -> None:
    operations = getattr(service, "operations", None)
    if operations is not None and not isinstance(message, operations):
        raise DimseError(Status.UNRECOGNIZED_OPERATION, "this SOP class has no such operation here")


def _call(effect: Call) -> Any:
    return effect.function(*effect.args)


def _next(effect: Next) -> Any:
    return next(effect.iterator, END)


def _perform_on(effect: PerformOn) -> ResponseMessage:
    return effect.peer.perform(effect.request)  # type: ignore[attr-defined,no-any-return]


def _close(effect: Close) -> None:
    effect.peer.release()  # type: ignore[attr-defined]
