"""Taps on an event bus: a readable trace, a capture for Wireshark. Captures hold patient data, traces UIDs only."""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

from pacskit.core.events import AssociationClosed, BytesPassed, Event, EventBus, Link
from pacskit.network.pcap import End, PcapWriter
from pacskit.network.streams import StreamDecoder

__all__ = ["PcapTap", "TraceTap", "trace_line"]


def trace_line(number: int, at: float, *, sent: bool, text: str) -> str:
    """Return a line of a trace: when, which connection, ``>`` from requestor to acceptor, and what."""
    clock = time.strftime("%H:%M:%S", time.localtime(at)) + f".{int(at % 1 * 1000):03d}"
    return f"{clock} #{number} {'>' if sent else '<'} {text}"


class _Tap(ABC):
    """Listens until it is closed."""

    def __init__(self, bus: EventBus) -> None:
        self._leave = [
            bus.subscribe(BytesPassed, self._passed),
            bus.subscribe(AssociationClosed, self._closed),
        ]

    @abstractmethod
    def _passed(self, event: BytesPassed) -> None: ...

    @abstractmethod
    def _closed(self, event: AssociationClosed) -> None: ...

    def close(self) -> None:
        """Stop listening."""
        for leave in self._leave:
            leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class TraceTap(_Tap):
    """Gives ``write`` a line for each PDU of association control and each message that passes on ``bus``.

    >>> from pacskit import SCP, connect
    >>> bus, lines = EventBus(), []
    >>> with SCP("STORE") as scp, TraceTap(bus, lines.append), connect(scp.address, events=bus) as peer:
    ...     peer.echo()
    Status(0x0000)
    >>> [line[13:] for line in lines if "C-ECHO" in line]
    ['#1 > C-ECHO-RQ 1, Verification SOP Class', '#1 < C-ECHO-RSP 1, 0x0000 (Success), Verification SOP Class']
    """

    def __init__(self, bus: EventBus, write: Callable[[str], object]) -> None:
        self._write = write
        self._decoders: dict[int, StreamDecoder] = {}
        self._lock = threading.Lock()
        super().__init__(bus)

    def _passed(self, event: BytesPassed) -> None:
        forward = event.sent == event.link.is_requestor
        with self._lock:
            decoder = self._decoders.setdefault(event.link.number, StreamDecoder())
        for text in decoder.feed(event.data, sent=forward):
            self._write(trace_line(event.link.number, event.at, sent=forward, text=text))

    def _closed(self, event: AssociationClosed) -> None:
        with self._lock:
            decoder = self._decoders.pop(event.link.number, None)
        for text in () if decoder is None else decoder.rest():
            self._write(trace_line(event.link.number, event.at, sent=event.link.is_requestor, text=text))
        text = (
            f"closed: {event.how}; {event.bytes_sent} bytes sent, {event.bytes_received} received; "
            f"{event.waited:.3f} s waiting for the peer, {event.worked:.3f} s our own"
        )
        self._write(trace_line(event.link.number, event.at, sent=event.link.is_requestor, text=text))


class PcapTap(_Tap):
    """Writes what passes on ``bus`` to a capture at ``path``: under TLS what is inside of it."""

    def __init__(self, bus: EventBus, path: str | os.PathLike[str]) -> None:
        self._writer = PcapWriter(path)
        super().__init__(bus)

    def _passed(self, event: BytesPassed) -> None:
        client, server = _ends(event.link)
        forward = event.sent == event.link.is_requestor
        self._writer.write(event.link.number, client, server, event.data, sent=forward, at=event.at)

    def _closed(self, event: Event) -> None:
        self._writer.finish(event.link.number, at=event.at)

    def close(self) -> None:
        """Stop listening and close the file."""
        super().close()
        self._writer.close()


def _ends(link: Link) -> tuple[End, End]:
    """Return the requestor's end and the acceptor's."""
    return (link.local, link.peer) if link.is_requestor else (link.peer, link.local)
