"""The asyncio driver's interpreter of flows. It knows effects and no service."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

from pacskit.network.aio_calls import Calls
from pacskit.network.aio_connection import Connection
from pacskit.network.answering import ServiceFor, answering
from pacskit.network.base import BaseFlowDriver
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

# What one visit to a thread takes from a user's iterator: a visit costs as much as many small items.
_AT_ONCE: Final = 64
_AT_MOST: Final = 0.002  # seconds
_NOT_BLOCKING: Final[tuple[type[Any], ...]] = (type(iter([])), type(iter(())), type(iter(range(0))))


class PeerHandle(Protocol):
    """What `Open` gives, as this driver needs it."""

    @property
    def info(self) -> AssociationInfo: ...
    async def perform(self, request: RequestMessage) -> ResponseMessage: ...
    async def start(self, request: RequestMessage) -> int: ...
    async def outcome(self, ids: Collection[int]) -> ResponseMessage: ...
    async def release(self) -> None: ...


class FlowDriver(BaseFlowDriver):
    """Answers requests on one connection by running services' flows.

    Coroutine functions and asynchronous iterators are awaited in the loop; other functions and iterators run in
    threads, since they may block. What a flow does itself runs in the loop.
    """

    __slots__ = ("_ahead", "_calls", "_connection", "_flow", "_open")

    _connection: Connection

    def __init__(
        self,
        connection: Connection,
        service_for: ServiceFor,
        open_peer: Callable[[Open], Awaitable[PeerHandle]],
        calls: Calls,
    ) -> None:
        super().__init__(connection, service_for)
        self._connection = connection
        self._open = open_peer
        self._calls = calls
        self._ahead: _Ahead | None = None
        self._flow: Flow | None = None
        self._effects = {
            Send: self._send,
            Call: self._call,
            Next: self._next,
            Finish: self._finish,
            Watch: self._watch,
            Wait: self._wait,
            Perform: self._perform,
            Open: self._open,
            PerformOn: _perform_on,
            Start: self._start,
            Outcome: self._outcome,
            Close: _close,
        }

    async def answer(self, message: RequestMessage) -> None:
        """Serve ``message``."""
        self.answered = False
        self._ahead = None
        try:
            await self._run(answering(message, self, self._service_for))
        finally:
            self._connection.cancelled.discard(message.message_id)

    async def _run(self, flow: Flow) -> None:
        """Interpret the effects of ``flow`` until it ends; a cancelled task is told to it as an exception."""
        effects, step = self._effects, flow.send
        self._flow = flow
        value: Any = None
        while True:
            try:
                effect = step(value)
            except StopIteration:
                return
            try:
                if type(effect) is Cancelled:
                    value, step = self._connection.is_cancelled(effect.message_id), flow.send
                else:
                    value, step = await effects[type(effect)](effect), flow.send
            except _Orphaned as exc:
                raise asyncio.CancelledError from exc.__cause__
            except (Exception, asyncio.CancelledError) as exc:
                value, step = exc, flow.throw

    # Effects

    async def _send(self, effect: Send) -> None:
        message = effect.message
        await self._connection.send(message)
        if isinstance(message, ResponseMessage) and not message.is_pending:
            self.answered = True

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call in a thread; a task that is cancelled meanwhile leaves the rest of its flow to that thread."""
        flow = self._flow
        try:
            return await self._calls.call(function, *args, orphaned=lambda: _unwind(flow))
        except asyncio.CancelledError as exc:
            raise _Orphaned from exc

    async def _call(self, effect: Call) -> Any:
        function = effect.function
        if inspect.iscoroutinefunction(function):
            return await function(*effect.args)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            return function(*effect.args)  # which does nothing yet
        result = await self._in_thread(function, *effect.args)
        return await result if inspect.isawaitable(result) else result

    async def _next(self, effect: Next) -> Any:
        iterator = effect.iterator
        if isinstance(iterator, _NOT_BLOCKING):
            return next(iterator, END)
        if isinstance(iterator, AsyncIterator):
            try:
                return await iterator.__anext__()
            except StopAsyncIteration:
                return END
        ahead = self._ahead
        if ahead is None or ahead.iterator is not iterator:
            ahead = self._ahead = _Ahead(iterator)
        if ahead.is_empty:
            await self._in_thread(ahead.fill)
        return ahead.take()

    async def _finish(self, effect: Finish) -> None:
        iterator: Any = effect.iterator
        self._ahead = None
        if hasattr(iterator, "aclose"):
            await iterator.aclose()
        elif hasattr(iterator, "close"):
            await self._in_thread(iterator.close)

    async def _watch(self, effect: Watch) -> Callable[[], bool]:
        connection, message_id = self._connection, effect.message_id
        return lambda: connection.is_cancelled(message_id) or not connection.is_open

    async def _wait(self, effect: Wait) -> Any:
        return await asyncio.wait_for(asyncio.wrap_future(effect.future), self._connection.timeouts.dimse)

    async def _perform(self, effect: Perform) -> ResponseMessage:
        return await self._outcome(Outcome((await self._start(Start(effect.request)),)))

    async def _start(self, effect: Start) -> int:
        connection, request = self._connection, effect.request
        if effect.peer is not None:
            return await effect.peer.start(request)  # type: ignore[attr-defined,no-any-return]
        if not request.message_id:
            request.message_id = connection.next_message_id()
        await connection.send(request)
        return request.message_id

    async def _outcome(self, effect: Outcome) -> ResponseMessage:
        connection, ids = self._connection, effect.ids
        if effect.peer is not None:
            return await effect.peer.outcome(ids)  # type: ignore[attr-defined,no-any-return]
        held: list[SessionEvent] = []
        try:
            while True:
                event = await connection.wait(connection.timeouts.dimse, "the response to a sub-operation")
                if isinstance(event, ResponseMessage) and event.message_id_being_responded_to in ids:
                    return event
                if isinstance(event, RequestMessage) and len(held) < connection.ahead:
                    held.append(event)  # the peer may go on asking: its window is not ours (PS3.7 D.3.3.3)
                elif not isinstance(event, CCancelRequest):
                    await connection.fail(event)
        finally:
            connection.unread(held)


class _Orphaned(BaseException):
    """The task was cancelled while its flow waited for a thread, which now has the flow."""


def _unwind(flow: Flow | None) -> None:
    """Let a flow clean up that nobody runs any more: without effects."""
    while flow is not None:
        try:
            flow.throw(asyncio.CancelledError())
        except BaseException:
            return


class _Ahead:
    """Takes items from an iterator in a thread, several at a visit where they come fast."""

    __slots__ = ("_end", "_items", "iterator")

    def __init__(self, iterator: Iterator[Any]) -> None:
        self.iterator = iterator
        self._items: deque[Any] = deque()
        self._end: Exception | None = None

    @property
    def is_empty(self) -> bool:
        return not self._items and self._end is None

    def fill(self) -> None:
        until = time.monotonic() + _AT_MOST
        try:
            for item in self.iterator:
                self._items.append(item)
                if len(self._items) >= _AT_ONCE or time.monotonic() >= until:
                    return
        except Exception as exc:
            self._end = exc
        else:
            self._items.append(END)

    def take(self) -> Any:
        if self._items:
            return self._items.popleft()
        end, self._end = self._end, None
        if end is not None:
            raise end
        return END


async def _perform_on(effect: PerformOn) -> ResponseMessage:
    return await effect.peer.perform(effect.request)  # type: ignore[attr-defined,no-any-return]


async def _close(effect: Close) -> None:
    await effect.peer.release()  # type: ignore[attr-defined]
