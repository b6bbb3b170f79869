"""A client of no toolkit: sockets, ``struct`` and PS3.8. It costs so little that what it measures is the server."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Final, Self

__all__ = ["Wire", "command_set", "item", "short", "uid"]

_VERIFICATION: Final = "1.2.840.10008.1.1"
_MAX_PDU: Final = 131072


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def _associate(called: str, calling: str, sop_class: str, syntax: str) -> bytes:
    """An A-ASSOCIATE-RQ with one presentation context (PS3.8 9.3.2)."""
    context = item(0x30, sop_class.encode()) + item(0x40, syntax.encode())
    user = item(0x51, struct.pack(">I", _MAX_PDU)) + item(0x52, b"1.2.826.0.1.3680043.8.498.1")
    body = (
        struct.pack(">HH16s16s32x", 1, 0, called.encode().ljust(16), calling.encode().ljust(16))
        + item(0x10, b"1.2.840.10008.3.1.1.1")
        + item(0x20, bytes([1, 0, 0, 0]) + context)
        + item(0x50, user)
    )
    return struct.pack(">BBI", 1, 0, len(body)) + body


def _max_pdu(accept: bytes) -> int:
    """The peer's maximum length (PS3.8 D.1), of an A-ASSOCIATE-AC's body; 0 is none."""
    position = 68
    while position < len(accept):
        kind, _, length = struct.unpack_from(">BBH", accept, position)
        if kind == 0x21 and accept[position + 6] != 0:
            raise ConnectionError("the presentation context was rejected")
        if kind == 0x50:
            position += 4
            continue
        if kind == 0x51:
            return int(struct.unpack_from(">I", accept, position + 4)[0])
        position += 4 + length
    return 0


def command_set(*elements: tuple[int, bytes]) -> bytes:
    """A command set (PS3.7 6.3.1)."""
    body = b"".join(struct.pack("<HHI", 0, tag, len(value)) + value for tag, value in elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def uid(text: str) -> bytes:
    value = text.encode()
    return value + b"\0" if len(value) & 1 else value


def short(number: int) -> bytes:
    return struct.pack("<H", number)


class Wire:
    """One association with one presentation context."""

    def __init__(
        self,
        port: int,
        called: str,
        *,
        sop_class: str = _VERIFICATION,
        syntax: str = "1.2.840.10008.1.2",
        tls: ssl.SSLContext | None = None,
    ):
        self.sop_class = sop_class
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._gathers = tls is None
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="127.0.0.1")
        self._buffer = bytearray()
        self._message = 0
        self._socket.sendall(_associate(called, "WIRE", sop_class, syntax))
        kind, body = self._receive()
        if kind != 2:
            raise ConnectionError(f"no association: PDU {kind}, {body.hex()}")
        self._longest = min(_max_pdu(body) or _MAX_PDU, _MAX_PDU) - 6

    def _receive(self) -> tuple[int, bytes]:
        """The next PDU's type and body."""
        buffer = self._buffer
        need = 6
        while len(buffer) < need or len(buffer) < (need := 6 + int.from_bytes(buffer[2:6], "big")):
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the peer has closed the connection")
            buffer += data
        kind, body = buffer[0], bytes(buffer[6:need])
        del buffer[:need]
        return kind, body

    def _status(self) -> int:
        """The status of the next response, which comes in one PDU."""
        kind, body = self._receive()
        if kind != 4:
            raise ConnectionError(f"PDU {kind} instead of a response")
        return self._status_of(body[6:])

    def echo(self, count: int) -> None:
        """So many C-ECHO round trips."""
        fields = ((0x100, 0x30), (0x110, 7), (0x800, 0x101))  # C-ECHO-RQ, message ID, no data set
        command = command_set((0x2, uid(self.sop_class)), *((tag, short(value)) for tag, value in fields))
        pdu = struct.pack(">BBIIBB", 4, 0, len(command) + 6, len(command) + 2, 1, 3) + command
        for _ in range(count):
            self._socket.sendall(pdu)
            if self._status():
                raise ConnectionError("a C-ECHO has failed")

    def find(self, identifier: bytes) -> int:
        """One C-FIND; returns how many matches came."""
        self._message = self._message % 0xFFFF + 1
        fields = ((0x100, 0x20), (0x110, self._message), (0x700, 0), (0x800, 1))
        command = command_set((0x2, uid(self.sop_class)), *((tag, short(value)) for tag, value in fields))
        pdvs = [struct.pack(">IBB", len(body) + 2, 1, flag) + body for flag, body in ((3, command), (2, identifier))]
        self._socket.sendall(struct.pack(">BBI", 4, 0, sum(map(len, pdvs))) + b"".join(pdvs))
        found, statuses = 0, self._statuses()
        while (status := next(statuses)) in (0xFF00, 0xFF01):
            found += 1
        if status:
            raise ConnectionError(f"a C-FIND was answered {status:04X}")
        return found

    def _statuses(self) -> Iterator[int]:
        """The statuses of the responses that come, whatever PDUs they are spread over."""
        command = b""
        while True:
            kind, body = self._receive()
            if kind != 4:
                raise ConnectionError(f"PDU {kind} instead of a response")
            position = 0
            while position < len(body):
                length, _, flag = struct.unpack_from(">IBB", body, position)
                if flag & 1:
                    command += body[position + 6 : position + 4 + length]
                if flag == 3:
                    yield self._status_of(command)
                    command = b""
                position += 4 + length

    @staticmethod
    def _status_of(command: bytes) -> int:
        position = 0
        while position < len(command):
            tag, length = struct.unpack_from("<2xHI", command, position)
            if tag == 0x0900:
                return int(struct.unpack_from("<H", command, position + 8)[0])
            position += 8 + length
        raise ConnectionError("a response without a status")

    def _pdus(self, data: Iterable[bytes | memoryview], size: int) -> Iterator[list[bytes | memoryview]]:
        """P-DATA-TF PDUs around pieces that are at most as long as the peer takes, together ``size``."""
        for piece in data:
            size -= len(piece)
            yield [struct.pack(">BBIIBB", 4, 0, len(piece) + 6, len(piece) + 2, 1, 0 if size else 2), piece]

    def store(self, instance: str, data: Iterable[bytes | memoryview], size: int) -> int:
        """One C-STORE; returns the status."""
        self._message = self._message % 0xFFFF + 1
        command = command_set(
            (0x2, uid(self.sop_class)),
            (0x100, short(1)),
            (0x110, short(self._message)),
            (0x700, short(0)),
            (0x800, short(1)),
            (0x1000, uid(instance)),
        )
        before = [struct.pack(">BBIIBB", 4, 0, len(command) + 6, len(command) + 2, 1, 3) + command]
        if not self._gathers:  # with TLS a write for each PDU would make short records
            self._socket.sendall(b"".join([*before, *(part for pdu in self._pdus(data, size) for part in pdu)]))
            return self._status()
        for pdu in self._pdus(data, size):
            self._send([*before, *pdu])
            before = []
        return self._status()

    def store_bytes(self, instance: str, data: bytes) -> int:
        """One C-STORE of a data set in memory."""
        view, step = memoryview(data), self._longest
        return self.store(instance, [view[i : i + step] for i in range(0, len(view), step)], len(view))

    def store_zeros(self, instance: str, head: bytes, count: int) -> int:
        """One C-STORE of a data set that ends in so many zeros, which are never in memory together."""
        step = self._longest
        zeros = memoryview(bytes(step))
        pieces = (zeros[: min(step, count - done)] for done in range(0, count, step))

        def all_pieces() -> Iterator[bytes | memoryview]:
            yield head
            yield from pieces

        return self.store(instance, all_pieces(), len(head) + count)

    def _send(self, parts: list[bytes | memoryview]) -> None:
        sent, total = self._socket.sendmsg(parts), sum(map(len, parts))
        if sent < total:
            self._socket.sendall(b"".join(parts)[sent:])

    def abort(self) -> None:
        """Close without a word."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._socket.sendall(struct.pack(">BBII", 5, 0, 4, 0))
            self._receive()
        self._socket.close()
