"""A proxy on loopback that does to a connection what networks and broken peers do."""

from __future__ import annotations

import contextlib
import heapq
import selectors
import socket
import struct
import threading
import time
from collections import deque
from itertools import count
from types import TracebackType
from typing import Self

from pacskit.core.errors import ConfigurationError
from pacskit.network.address import Address
from pacskit.testing.faults import TO_CLIENT, TO_SERVER, Direction, Fault, Feed, Passing

__all__ = ["FaultProxy"]

_MOST_HELD = 4 << 20  # bytes of one direction that wait here; TCP holds the rest back
_PIECE = 65536


class FaultProxy:
    """Listens on loopback and passes everything on to ``target``, with ``fault`` in between (None: none).

    The fault may be exchanged at any time; it holds for what arrives from then on.

    >>> from pacskit import SCP, echo
    >>> from pacskit.testing import Delay, FaultProxy
    >>> with SCP("STORE") as scp, FaultProxy(scp.address, Delay(0.005)) as proxy:
    ...     echo(proxy.address)
    Status(0x0000)
    """

    def __init__(self, target: Address | str, fault: Fault | None = None) -> None:
        self.target = Address.parse(target) if isinstance(target, str) else target
        self.fault = fault
        self.connections = 0
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._wake, self._waker = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, _Way]] = []
        self._order = count()
        self._stopping = False
        self._links: set[_Link] = set()

    @property
    def address(self) -> Address:
        """Where to connect to instead of the target."""
        if self._listener is None:
            raise ConfigurationError("the proxy has not been started")
        return Address(self.target.ae, *self._listener.getsockname()[:2])

    def start(self) -> Self:
        """Listen, and pass on in a thread."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name="pacskit-fault-proxy", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close everything."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        return self if self._thread is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # In the thread

    def _run(self) -> None:
        try:
            while not self._stopping:
                wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
                for key, mask in self._selector.select(wait):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.data is not None:
                        key.data.ready(key.fileobj, mask)
                now = time.monotonic()
                while self._due and self._due[0][0] <= now:
                    heapq.heappop(self._due)[2].go(now)
        finally:
            for link in list(self._links):
                link.close()
            for sock in (self._listener, self._wake, self._waker):
                if sock is not None:
                    sock.close()
            self._selector.close()

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            client, _ = self._listener.accept()
        except BlockingIOError:
            return
        if hasattr(self.fault, "most_held"):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        try:
            server = socket.create_connection((self.target.host, self.target.port), timeout=5)
        except OSError:
            client.close()
            return
        self.connections += 1
        _Link(self, client, server)

    def _later(self, due: float, way: _Way) -> None:
        heapq.heappush(self._due, (due, next(self._order), way))


class _Link:
    """The two connections of one client."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.sockets = (client, server)
        self.ways = (_Way(self, client, server, TO_SERVER), _Way(self, server, client, TO_CLIENT))
        for sock in self.sockets:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            proxy._selector.register(sock, selectors.EVENT_READ, self)
        self.closed = False
        proxy._links.add(self)

    def ready(self, sock: object, mask: int) -> None:
        for way in self.ways:
            if self.closed:
                return
            if mask & selectors.EVENT_WRITE and way.target is sock:
                way.write()
            if mask & selectors.EVENT_READ and way.source is sock:
                way.read()
        self.watch()

    def watch(self) -> None:
        """Listen for what can go on now."""
        if self.closed:
            return
        for sock in self.sockets:
            events = 0
            for way in self.ways:
                if way.source is sock and way.wants_more:
                    events |= selectors.EVENT_READ
                if way.target is sock and way.out:
                    events |= selectors.EVENT_WRITE
            self._register(sock, events)

    def _register(self, sock: socket.socket, events: int) -> None:
        selector = self.proxy._selector
        key = selector.get_map().get(sock)
        if events and key is not None:
            if key.events != events:
                selector.modify(sock, events, self)
        elif events:
            selector.register(sock, events, self)
        elif key is not None:
            selector.unregister(sock)

    def close(self, *, reset: bool = False) -> None:
        self.closed = True
        self.proxy._links.discard(self)
        for sock in self.sockets:
            self._register(sock, 0)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()


class _Way:
    """One direction."""

    def __init__(self, link: _Link, source: socket.socket, target: socket.socket, direction: Direction) -> None:
        self.link, self.source, self.target = link, source, target
        self.passing = Passing(direction)
        self.out = bytearray()
        self._queue: deque[tuple[float, Feed]] = deque()
        self._held = 0
        self._last = 0.0
        self._ended = False
        self._stalled = False
        self._then = "go on"

    @property
    def wants_more(self) -> bool:
        most = getattr(self.link.proxy.fault, "most_held", _MOST_HELD)
        return not (self._ended or self._stalled) and self._held + len(self.out) < most

    def read(self) -> None:
        if not self.wants_more:
            return
        try:
            data = self.source.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            self.link.close(reset=True)
            return
        if not data:
            self._ended = True
            self._put(Feed(b"", then="finish"))
            return
        fault = self.link.proxy.fault
        if fault is None or fault.where not in (None, self.passing.direction):
            self._put(Feed(data))
        else:
            self.passing.look(data)
            for feed in fault.apply(self.passing, data):
                self._put(feed)
        self.passing.count += len(data)

    def _put(self, feed: Feed) -> None:
        now = time.monotonic()
        self._last = due = max(now + feed.delay, self._last, (max(now, self._last) + feed.gap) if feed.gap else 0.0)
        self._held += len(feed.data)
        self._queue.append((due, feed))
        if feed.then != "go on":
            self._stalled = feed.then != "finish"
        if due <= now and len(self._queue) == 1:
            self.go(now)
        else:
            self.link.proxy._later(due, self)

    def go(self, now: float) -> None:
        """Send what is due."""
        while self._queue and self._queue[0][0] <= now and not self.link.closed:
            _, feed = self._queue.popleft()
            self._held -= len(feed.data)
            self.out += feed.data
            self._then = feed.then if feed.then != "go on" else self._then
            self.write()
        self.link.watch()

    def write(self) -> None:
        try:
            while self.out:
                del self.out[: self.target.send(self.out)]
        except BlockingIOError:
            return
        except OSError:
            self.link.close(reset=True)
            return
        then, self._then = self._then, "go on"
        if then == "finish":
            self._finish()
        elif then in ("close", "reset"):
            self.link.close(reset=then == "reset")

    def _finish(self) -> None:
        """Pass on that nothing more comes; the link ends when both directions have."""
        other = self.link.ways[self.link.ways[0] is self]
        if other._ended and not other._queue and not other.out:
            self.link.close()
            return
        with contextlib.suppress(OSError):
            self.target.shutdown(socket.SHUT_WR)
