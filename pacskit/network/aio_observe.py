"""asyncio connections that tell an event bus what happens on them; without a bus the plain classes are used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pacskit.core.events import EventBus
from pacskit.network.aio_connection import Connection
from pacskit.network.aio_secure import SecureConnection
from pacskit.network.aio_writer import Writer
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CCancelRequest, Message
from pacskit.network.negotiation import AssociationInfo
from pacskit.network.observe import Observer
from pacskit.network.session import SessionEvent

if TYPE_CHECKING:
    from pacskit.security.channel import TlsChannel

__all__ = ["connection_for"]

_NOWHERE = ("0.0.0.0", 0)


class _Observed(Connection):
    """Has an observer see what passes outside of TLS, and how long we wait for the peer."""

    def __init__(self, *, events: EventBus, **options: Any) -> None:
        super().__init__(**options)
        self._bus = events
        self._observer: Observer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        local, peer = (transport.get_extra_info(name) or _NOWHERE for name in ("sockname", "peername"))
        link = self._bus.link((local[0], local[1]), (peer[0], peer[1]), is_requestor=self.machine.is_requestor)
        self._observer = Observer(self._bus, link)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._observer is not None:
            self._observer.closed()

    def established(self, info: AssociationInfo) -> None:
        if self._observer is not None:
            info = replace(info, link=self._observer.link)
            self._observer.opened(info)
        super().established(info)

    def _arrived(self, nbytes: int) -> None:
        if self._observer is not None:
            self._observer.passed(self.machine.framer.get_buffer()[:nbytes], sent=False)
        super()._arrived(nbytes)

    def _cancel(self, message: CCancelRequest) -> None:
        super()._cancel(message)
        if self._observer is not None:
            self._observer.message(message, sent=False)

    async def wait(self, seconds: float | None, what: str) -> SessionEvent:
        """As it is, and a message is told of when it is taken."""
        began = time.monotonic()
        try:
            event = await super().wait(seconds, what)
        finally:
            self._waited(began)
        if isinstance(event, Message) and self._observer is not None:
            self._observer.message(event, sent=False)
        return event

    def _waited(self, began: float) -> None:
        if self._observer is not None:
            self._observer.waited(time.monotonic() - began)

    def _say(self, data: bytes) -> None:
        super()._say(data)
        if self._observer is not None:
            self._observer.passed(data, sent=True)

    async def _put(self, writer: Writer, buffers: list[Any]) -> None:
        began = time.monotonic()
        try:
            await super()._put(writer, buffers)
        finally:
            self._waited(began)
        if self._observer is not None:
            for buffer in buffers:
                self._observer.passed(buffer, sent=True)

    async def send(self, message: Message) -> None:
        """As it is, and the message is told of when it is out."""
        await super().send(message)
        if self._observer is not None:
            self._observer.message(message, sent=True)


class _ObservedSecure(_Observed, SecureConnection):
    """The same with TLS."""


def connection_for(
    *,
    is_requestor: bool,
    timeouts: Timeouts,
    limits: Limits,
    call: Callable[..., Awaitable[Any]],
    on_connect: Callable[[Connection], object] | None = None,
    channel: Callable[[], TlsChannel] | None = None,
    events: EventBus | None = None,
) -> Connection:
    """Return a connection: with TLS where ``channel`` makes our side of it, observed where there are ``events``."""
    options: dict[str, Any] = {
        "is_requestor": is_requestor,
        "timeouts": timeouts,
        "limits": limits,
        "call": call,
        "on_connect": on_connect,
    }
    if channel is None:
        return Connection(**options) if events is None else _Observed(events=events, **options)
    if events is None:
        return SecureConnection(channel=channel, **options)
    return _ObservedSecure(channel=channel, events=events, **options)
