"""The thread driver's interpreter of flows. It knows effects and no service."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Protocol

from pacskit.network.answering import ServiceFor, answering
from pacskit.network.base import BaseFlowDriver
from pacskit.network.connection import Connection
from pacskit.network.dimse import CCancelRequest, RequestMessage, ResponseMessage
from pacskit.network.flow import (
    END,
    Call,
    Cancelled,
    Close,
    Finish,
    Flow,
    Next,
    Open,
    Outcome,
    Perform,
    PerformOn,
    Send,
    Start,
    Wait,
    Watch,
)
from pacskit.network.session import SessionEvent

if TYPE_CHECKING:
    from pacskit.network.negotiation import AssociationInfo

__all__ = ["FlowDriver", "PeerHandle"]


class PeerHandle(Protocol):
    """What `Open` gives, as this driver needs it."""

    @property
    def info(self) -> AssociationInfo: ...
    def perform(self, request: RequestMessage) -> ResponseMessage: ...
    def start(self, request: RequestMessage) -> int: ...
    def outcome(self, ids: Collection[int]) -> ResponseMessage: ...
    def release(self) -> None: ...


class FlowDriver(BaseFlowDriver):
    """Answers requests on one connection by running services' flows."""

    __slots__ = ("_connection", "_open")

    _connection: Connection

    def __init__(
        self, connection: Connection, service_for: ServiceFor, open_peer: Callable[[Open], PeerHandle]
    ) -> None:
        super().__init__(connection, service_for)
        self._connection = connection
        self._open = open_peer
        self._effects = {
            Send: self._send,
            Call: _call,
            Next: _next,
            Finish: _finish,
            Cancelled: self._cancelled,
            Watch: self._watch,
            Wait: self._wait,
            Perform: self._perform,
            Open: self._open,
            PerformOn: _perform_on,
            Start: self._start,
            Outcome: self._outcome,
            Close: _close,
        }

    def answer(self, message: RequestMessage) -> None:
        """Serve ``message``."""
        self._connection.begin(message.message_id)
        self.answered = False
        self._run(answering(message, self, self._service_for))

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
            self.answered = True

    def _cancelled(self, effect: Cancelled) -> bool:
        return self._connection.is_cancelled(effect.message_id)

    def _watch(self, effect: Watch) -> Callable[[], bool]:
        connection, message_id = self._connection, effect.message_id
        return lambda: connection.is_cancelled(message_id) or not connection.is_open

    def _wait(self, effect: Wait) -> Any:
        return effect.future.result(self._connection.timeouts.dimse)

    def _perform(self, effect: Perform) -> ResponseMessage:
        return self._outcome(Outcome((self._start(Start(effect.request)),)))

    def _start(self, effect: Start) -> int:
        connection, request = self._connection, effect.request
        if effect.peer is not None:
            return effect.peer.start(request)  # type: ignore[attr-defined,no-any-return]
        if not request.message_id:
            request.message_id = connection.next_message_id()
        connection.send(request)
        return request.message_id

    def _outcome(self, effect: Outcome) -> ResponseMessage:
        connection, ids = self._connection, effect.ids
        if effect.peer is not None:
            return effect.peer.outcome(ids)  # type: ignore[attr-defined,no-any-return]
        held: list[SessionEvent] = []
        try:
            while True:
                event = connection.wait(connection.timeouts.dimse, "the response to a sub-operation")
                if isinstance(event, ResponseMessage) and event.message_id_being_responded_to in ids:
                    return event
                if isinstance(event, CCancelRequest):
                    connection.sort(event)
                elif isinstance(event, RequestMessage) and len(held) < connection.ahead:
                    held.append(event)  # the peer may go on asking: its window is not ours (PS3.7 D.3.3.3)
                else:
                    connection.fail(event)
        finally:
            connection.unread(held)


def _call(effect: Call) -> Any:
    return effect.function(*effect.args)


def _next(effect: Next) -> Any:
    return next(effect.iterator, END)  # type: ignore[arg-type]


def _finish(effect: Finish) -> None:
    close = getattr(effect.iterator, "close", None)
    if close is not None:
        close()


def _perform_on(effect: PerformOn) -> ResponseMessage:
    return effect.peer.perform(effect.request)  # type: ignore[attr-defined,no-any-return]


def _close(effect: Close) -> None:
    effect.peer.release()  # type: ignore[attr-defined]
