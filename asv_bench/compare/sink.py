"""A receiver of no toolkit: accepts whatever is proposed, forgets what it is sent, and says that it has it (PS3.8)."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

from asv_bench.compare.wire import command_set, item, short, uid

__all__ = ["serve"]

_BUFFER = 1 << 20


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        kind, _, length = struct.unpack_from(">BBH", data, position)
        yield kind, data[position + 4 : position + 4 + length]
        position += 4 + length


def _accepted(request: bytes) -> bytes:
    """The A-ASSOCIATE-AC that takes the first transfer syntax of every context."""
    contexts = b""
    for kind, body in _items(request[68:]):
        if kind == 0x20:
            syntax = next(value for inner, value in _items(body[4:]) if inner == 0x40)
            contexts += item(0x21, bytes([body[0], 0, 0, 0]) + item(0x40, syntax))
    user = item(0x50, item(0x51, struct.pack(">I", 131072)) + item(0x52, b"1.2.826.0.1.3680043.8.498.1"))
    body = request[:68] + item(0x10, b"1.2.840.10008.3.1.1.1") + contexts + user
    return struct.pack(">BBI", 2, 0, len(body)) + body


def _values(command: bytes) -> dict[int, bytes]:
    found, position = {}, 0
    while position < len(command):
        tag, length = struct.unpack_from("<2xHI", command, position)
        found[tag] = command[position + 8 : position + 8 + length]
        position += 8 + length
    return found


def _response(context: int, command: bytes) -> bytes:
    values = _values(command)
    instance = values.get(0x1000, b"").rstrip(b"\0").decode()
    body = command_set(
        (0x2, values[0x2]),
        (0x100, short(struct.unpack("<H", values[0x100])[0] | 0x8000)),
        (0x120, values[0x110]),
        (0x800, short(0x101)),
        (0x900, short(0)),
        *([(0x1000, uid(instance))] if instance else []),
    )
    return struct.pack(">BBIIBB", 4, 0, len(body) + 6, len(body) + 2, context, 3) + body


class _Peer:
    """One association: a buffer, and how much of it is there."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = memoryview(bytearray(_BUFFER))
        self._start = self._end = 0

    def _have(self, count: int) -> bool:
        """Receive until so many bytes are there; False at the end of the connection."""
        if self._start + count > _BUFFER:
            self._buffer[: self._end - self._start] = bytes(self._buffer[self._start : self._end])
            self._start, self._end = 0, self._end - self._start
        while self._end - self._start < count:
            if self._start == self._end:
                self._start = self._end = 0
            received = self._socket.recv_into(self._buffer[self._end :])
            if not received:
                return False
            self._end += received
        return True

    def _take(self, count: int) -> memoryview:
        taken = self._buffer[self._start : self._start + count]
        self._start += count
        return taken

    def _drop(self, count: int) -> None:
        """Pass over bytes of a data set, without keeping them together."""
        while count:
            if not self._have(1):
                raise ConnectionError
            here = min(count, self._end - self._start)
            self._start += here
            count -= here

    def run(self) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        command = b""
        while self._have(6):
            kind, length = struct.unpack(">BxI", self._take(6))
            if kind != 4:
                if not self._have(length):
                    return
                body = bytes(self._take(length))
                if kind == 1:
                    self._socket.sendall(_accepted(body))
                elif kind == 5:
                    self._socket.sendall(struct.pack(">BBII", 6, 0, 4, 0))
                continue
            while length:
                if not self._have(6):
                    return
                size, context, control = struct.unpack(">IBB", self._take(6))
                length -= 4 + size
                if control & 1:
                    if not self._have(size - 2):
                        return
                    command = bytes(self._take(size - 2))
                    if struct.unpack("<H", _values(command)[0x800])[0] == 0x101:
                        self._socket.sendall(_response(context, command))
                    continue
                self._drop(size - 2)
                if control & 2:
                    self._socket.sendall(_response(context, command))


def _serve(sock: socket.socket) -> None:
    with sock:
        _Peer(sock).run()


def serve(listener: socket.socket) -> None:
    """Accept until the listener is closed, a thread for each association."""

    def accept() -> None:
        while True:
            threading.Thread(target=_serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
