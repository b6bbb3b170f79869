"""An association that tells an event bus what happens on it; without a bus the plain classes are used, at no cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from pacskit.core.events import (
    AssociationClosed,
    AssociationOpened,
    AssociationRefused,
    BytesPassed,
    EventBus,
    Link,
    MessageReceived,
    MessageSent,
    PduPassed,
)
from pacskit.network.config import Limits, Timeouts
from pacskit.network.connection import Connection
from pacskit.network.dimse import CCancelRequest, Message, ResponseMessage
from pacskit.network.machine import Machine
from pacskit.network.negotiation import AssociationInfo
from pacskit.network.pdu import AssociateReject
from pacskit.network.secure import AnyTransport
from pacskit.network.session import Session, SessionEvent

__all__ = ["Observer", "PduWalker", "connection_for", "message_name"]

_REJECT, _RELEASE_RESPONSE, _ABORT = 3, 6, 7


_NAMES = {
    0x0001: "C-STORE",
    0x0010: "C-GET",
    0x0020: "C-FIND",
    0x0021: "C-MOVE",
    0x0030: "C-ECHO",
    0x0100: "N-EVENT-REPORT",
    0x0110: "N-GET",
    0x0120: "N-SET",
    0x0130: "N-ACTION",
    0x0140: "N-CREATE",
    0x0150: "N-DELETE",
}


def message_name(message: Message) -> str:
    """Return the name of a message as in PS3.7: C-STORE-RQ.

    >>> from pacskit.network.dimse import CEchoRequest
    >>> message_name(CEchoRequest())
    'C-ECHO-RQ'
    """
    field = message.COMMAND_FIELD
    if field == 0x0FFF:
        return "C-CANCEL-RQ"
    return f"{_NAMES[field & 0x7FFF]}-{'RSP' if field & 0x8000 else 'RQ'}"


class PduWalker:
    """Finds the heads of the PDUs in one direction of a byte stream, and the bodies of the short ones."""

    __slots__ = ("_held", "_skip")

    def __init__(self) -> None:
        self._held = bytearray()
        self._skip = 0

    def feed(self, data: Any) -> list[tuple[int, int, bytes]]:
        """Return (type, length, body) of what begins here; the body only of PDUs of four bytes (RJ, RQ, RP, ABORT)."""
        found: list[tuple[int, int, bytes]] = []
        view = memoryview(data)
        while view:
            if self._skip:
                passed = min(self._skip, len(view))
                self._skip -= passed
                view = view[passed:]
                continue
            need = 6 if len(self._held) < 6 else 10
            part = view[: need - len(self._held)]
            self._held += part
            view = view[len(part) :]
            if len(self._held) < 6:
                break
            kind, length = self._held[0], int.from_bytes(self._held[2:6], "big")
            short = kind in (_REJECT, 5, _RELEASE_RESPONSE, _ABORT) and length == 4
            if short and len(self._held) < 10:
                continue
            found.append((kind, length, bytes(self._held[6:])))
            self._skip = 0 if short else length
            self._held.clear()
        return found


class Observer:
    """Makes the events of one connection. A driver tells it what passes and how long it waited; it does no I/O."""

    def __init__(self, bus: EventBus, link: Link) -> None:
        self.bus, self.link = bus, link
        self._walkers = {True: PduWalker(), False: PduWalker()}
        self._bytes = {True: 0, False: 0}
        self._counted = {True: 0, False: 0}
        self._messages = {True: 0, False: 0}
        self._waited = 0.0
        self._all_waited = 0.0
        self._since = self._began = time.monotonic()
        self._how = "lost"
        self._open = True

    def waited(self, seconds: float) -> None:
        """So long we waited for the peer."""
        self._waited += seconds

    def passed(self, data: Any, *, sent: bool) -> None:
        """These bytes went out, or came in."""
        bus, now = self.bus, time.time()
        if bus.wants(BytesPassed):
            bus.emit(BytesPassed(link=self.link, at=now, sent=sent, data=bytes(data)))
        self._bytes[sent] += len(data)
        for kind, length, body in self._walkers[sent].feed(data):
            if bus.wants(PduPassed):
                bus.emit(PduPassed(link=self.link, at=now, sent=sent, type=kind, length=length))
            if kind == _REJECT and len(body) == 4:
                self._how = "rejected"
                reason = str(AssociateReject.decode(body))
                bus.emit(AssociationRefused(link=self.link, at=now, reason=reason, by_us=sent))
            elif kind == _RELEASE_RESPONSE:
                self._how = "released"
            elif kind == _ABORT:
                self._how = "aborted by us" if sent else "aborted by the peer"

    def _times(self) -> tuple[float, float]:
        """Return how long we waited and worked since the last time, and begin anew."""
        now = time.monotonic()
        waited, whole = self._waited, now - self._since
        self._since, self._waited = now, 0.0
        self._all_waited += waited
        return waited, max(0.0, whole - waited)

    def opened(self, info: AssociationInfo) -> None:
        """The association is agreed."""
        waited, worked = self._times()
        self.bus.emit(
            AssociationOpened(
                link=self.link,
                at=time.time(),
                calling=info.calling,
                called=info.called,
                accepted=len(info.accepted),
                rejected=len(info.rejected),
                waited=waited,
                worked=worked,
            )
        )

    def message(self, message: Message, *, sent: bool) -> None:
        """A message has passed whole."""
        self._messages[sent] += 1
        kind = MessageSent if sent else MessageReceived
        waited, worked = self._times()
        size, self._counted[sent] = self._bytes[sent] - self._counted[sent], self._bytes[sent]
        if not self.bus.wants(kind):
            return
        responds = isinstance(message, (ResponseMessage, CCancelRequest))
        self.bus.emit(
            kind(
                link=self.link,
                at=time.time(),
                name=message_name(message),
                message_id=getattr(message, "message_id_being_responded_to" if responds else "message_id"),
                status=int(message.status) if isinstance(message, ResponseMessage) else None,
                sop_class_uid=message.sop_class_uid,
                sop_instance_uid=message.sop_instance_uid,
                size=size,
                waited=waited,
                worked=worked,
            )
        )

    def closed(self) -> None:
        """The connection is closed; said once."""
        if not self._open:
            return
        self._open = False
        self._times()
        whole = time.monotonic() - self._began
        self.bus.emit(
            AssociationClosed(
                link=self.link,
                at=time.time(),
                how=self._how,
                messages_sent=self._messages[True],
                messages_received=self._messages[False],
                bytes_sent=self._bytes[True],
                bytes_received=self._bytes[False],
                waited=self._all_waited,
                worked=max(0.0, whole - self._all_waited),
            )
        )


class _ObservedTransport:
    """A transport whose bytes and waits an observer sees."""

    source: Final = -1

    def __init__(self, inner: AnyTransport, observer: Observer) -> None:
        self._inner, self._observer = inner, observer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def receive(self, buffer: memoryview, seconds: float | None) -> int:
        began = time.monotonic()
        try:
            count = self._inner.receive(buffer, seconds)
        finally:
            self._observer.waited(time.monotonic() - began)
        if count:
            self._observer.passed(buffer[:count], sent=False)
        return count

    def receive_ready(self, buffer: memoryview) -> int | None:
        count = self._inner.receive_ready(buffer)
        if count:
            self._observer.passed(buffer[:count], sent=False)
        return count

    def send(self, buffers: Sequence[Any], seconds: float, min_rate: int) -> None:
        began = time.monotonic()
        try:
            self._inner.send(buffers, seconds, min_rate)
        finally:
            self._observer.waited(time.monotonic() - began)
        for buffer in buffers:
            self._observer.passed(buffer, sent=True)

    def close(self) -> None:
        self._inner.close()
        self._observer.closed()


class _ObservedSession(Session):
    __slots__ = ("observer",)

    def __init__(self, machine: Machine, limits: Limits, observer: Observer) -> None:
        super().__init__(machine, limits)
        self.observer = observer

    def established(self, info: AssociationInfo) -> None:
        super().established(replace(info, link=self.observer.link))
        self.observer.opened(info)


class _ObservedConnection(Connection):
    __slots__ = ("observer",)

    def __init__(
        self, transport: Any, observer: Observer, *, is_requestor: bool, timeouts: Timeouts, limits: Limits
    ) -> None:
        super().__init__(transport, is_requestor=is_requestor, timeouts=timeouts, limits=limits)
        self.observer = observer
        self.session = _ObservedSession(self.machine, limits, observer)

    def wait(self, seconds: float | None, what: str) -> SessionEvent:
        event = super().wait(seconds, what)
        if isinstance(event, Message):
            self.observer.message(event, sent=False)
        return event

    def sort(self, event: SessionEvent) -> None:
        if isinstance(event, CCancelRequest):  # which `wait` will not give
            self.observer.message(event, sent=False)
        super().sort(event)

    def send(self, message: Message) -> None:
        super().send(message)
        self.observer.message(message, sent=True)


def connection_for(
    transport: AnyTransport,
    *,
    is_requestor: bool,
    timeouts: Timeouts,
    limits: Limits,
    events: EventBus | None,
    ends: tuple[tuple[str, int], tuple[str, int]] | None = None,
) -> Connection:
    """Return a connection over ``transport``: a plain one where there is no bus. ``ends`` are ours and the peer's."""
    if events is None:
        return Connection(transport, is_requestor=is_requestor, timeouts=timeouts, limits=limits)
    local, peer = ends or (("0.0.0.0", 0), ("0.0.0.0", 0))
    observer = Observer(events, events.link(local, peer, is_requestor=is_requestor))
    observed = _ObservedTransport(transport, observer)
    return _ObservedConnection(observed, observer, is_requestor=is_requestor, timeouts=timeouts, limits=limits)
