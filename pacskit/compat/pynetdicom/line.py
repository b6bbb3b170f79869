"""The connection under an association, for the several threads that may want it: one at a time has it."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from pacskit.core.events import EventBus
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CCancelRequest, Message, RequestMessage, ResponseMessage
from pacskit.network.observe import connection_for
from pacskit.network.pdu import AbortPdu
from pacskit.network.secure import AnyTransport, SecureTransport
from pacskit.network.session import SessionEvent

__all__ = ["Gate", "Line"]

_ABORT_LOCK = 0.2  # a message that takes longer to go out than this is cut off by an abort


class Gate:
    """A lock that its holder may take again, and that anybody may open: iterators end where they are collected."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._holder: int | None = None
        self._depth = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        """Take it, waiting for it where that is wanted; return whether it was had."""
        me = threading.get_ident()
        with self._free:
            while self._holder not in {None, me}:
                if not blocking:
                    return False
                self._free.wait()
            self._holder = me
            self._depth += 1
            return True

    @property
    def is_mine(self) -> bool:
        """Whether this thread holds it."""
        return self._holder == threading.get_ident()

    def release(self) -> None:
        """Give it up, as often as it was taken."""
        with self._free:
            self._depth -= 1
            if not self._depth:
                self._holder = None
                self._free.notify()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Line:
    """A connection, its gate, and a look at its socket for the thread that waits while nobody uses it.

    ``told`` is called with each message that passed, and whether it was sent.
    """

    def __init__(
        self,
        sock: socket.socket,
        transport: AnyTransport,
        *,
        is_requestor: bool,
        timeouts: Timeouts,
        limits: Limits,
        bus: EventBus,
        told: Callable[[Message, bool], object],
    ) -> None:
        self.connection = connection_for(
            transport, is_requestor=is_requestor, timeouts=timeouts, limits=limits, events=bus, ends=transport.ends()
        )
        self.gate = Gate()
        self.active = time.monotonic()
        self.current: RequestMessage | None = None  # whose responses an iterator is waiting for
        self.serving = 0
        self._told = told
        self._secure = isinstance(transport, SecureTransport)
        self._sending = threading.Lock()
        self._cancels: deque[CCancelRequest] = deque()
        self._held: deque[SessionEvent] = deque()  # what the peer asked while it was being served
        # Of its own, so that whoever closes the connection does not take it from the thread that looks.
        self._watched = sock.dup()
        self._bell, self._button = socket.socketpair()
        self._selector = getattr(selectors, "PollSelector", selectors.SelectSelector)()
        self._button.setblocking(False)
        for one in (self._watched, self._bell):
            self._selector.register(one, selectors.EVENT_READ)

    @property
    def is_open(self) -> bool:
        """Whether messages can be exchanged."""
        return self.connection.is_open

    # For the thread that looks

    def readable(self, seconds: float | None) -> bool:
        """Wait until something arrives, `wake` is called or the connection ends; False when the time is over."""
        ready = self._selector.select(seconds)
        if any(key.fileobj is self._bell for key, _ in ready):
            self._bell.recv(4096)
        return bool(ready)

    def next_arrived(self) -> SessionEvent | None:
        """Return what has arrived, waiting only for the rest of what has begun to; None when there is nothing."""
        if self._held:
            return self._held.popleft()
        connection = self.connection
        connection.poll()
        if not connection.await_message(0) and not connection.session.receiving:
            return None
        return self._wait("the rest of a message")

    def wake(self) -> None:
        """Make `readable` return, from any thread."""
        with contextlib.suppress(OSError):  # it has gone already, or been told so often that the bell is full
            self._button.send(b"\0")

    def hand_over(self) -> None:
        """Leave what came with a response to the thread that looks: its socket does not tell of it any more."""
        self.connection.poll()
        if self._held or self.connection.await_message(0) or self.connection.session.receiving:
            self.wake()

    def finish(self) -> None:
        """Give up what belongs to the thread that looks, which calls this."""
        self._selector.close()
        for one in (self._watched, self._bell, self._button):
            one.close()

    # Messages; the gate is the caller's

    def _wait(self, what: str) -> SessionEvent:
        while self._cancels:
            self.send(self._cancels.popleft())
        event = self.connection.wait(self.connection.timeouts.dimse, what)
        self.active = time.monotonic()
        if isinstance(event, Message):
            self._told(event, False)
        return event

    def send(self, message: Message) -> None:
        """Send a message whole."""
        with self._sending:
            self.connection.send(message)
        self.active = time.monotonic()
        self._told(message, True)

    def cancel(self, message: CCancelRequest) -> None:
        """Send a C-CANCEL, also while another thread waits for responses."""
        had = self.gate.acquire(blocking=False)
        try:
            if had or not self._secure:
                self.send(message)
            else:  # TLS has one state for both directions: the thread that has the connection sends it
                self._cancels.append(message)
        finally:
            if had:
                self.gate.release()

    def response(self, request: RequestMessage, answer: Callable[[RequestMessage], object]) -> ResponseMessage:
        """Wait for the next response to a request; ``answer`` is given what the peer asks in the meantime."""
        connection = self.connection
        while True:
            event = self._wait(f"the response to {type(request).__name__}")
            if isinstance(event, ResponseMessage) and event.message_id_being_responded_to == request.message_id:
                if event.error is not None:
                    raise event.error
                return event
            if isinstance(event, CCancelRequest):
                connection.sort(event)
            elif not isinstance(event, RequestMessage):
                connection.fail(event)
            elif not self.serving:
                answer(event)
            elif len(self._held) < connection.ahead:
                self._held.append(event)
            else:
                connection.fail(event)

    def perform(self, request: RequestMessage, answer: Callable[[RequestMessage], object]) -> ResponseMessage:
        """Send a request and return its response."""
        if self.current is not None:
            raise RuntimeError("another operation of this association is not finished: take in its responses first")
        self.send(request)
        response = self.response(request, answer)
        if not self.serving:
            self.hand_over()
        return response

    def abort_elsewhere(self) -> None:
        """Abort while another thread uses the connection, and wake that thread."""
        transport: Any = self.connection.transport
        if not self._secure and self._sending.acquire(timeout=_ABORT_LOCK):
            try:
                with contextlib.suppress(OSError):
                    transport.send([AbortPdu(0, 0).encode()], _ABORT_LOCK, 1)
            finally:
                self._sending.release()
        transport.interrupt(hard=True)
