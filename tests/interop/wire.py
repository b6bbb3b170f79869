"""A relay between two peers, none of our network code: it ends or begins TLS for tools that have none, keeps what
passes, writes it as a capture, and can hold answers back until a C-CANCEL has passed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Passed", "Recording", "Relay", "write_capture"]

LOOPBACK = "127.0.0.1"
# The Command Field (0000,0100), Implicit VR Little Endian (PS3.7 E.1).
CANCEL = bytes.fromhex("00000001 02000000 FF0F")
FIND_RESPONSE = bytes.fromhex("00000001 02000000 2080")


@dataclass(frozen=True)
class Passed:
    """Bytes that passed on one connection; none at all is the end of that direction."""

    connection: int
    from_client: bool
    data: bytes


@dataclass
class Recording:
    """What passed through one relay or several, in its order."""

    passed: list[Passed] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)


class Relay:
    """Listens on ``port`` and passes everything on to the port ``to``; one event loop in one thread.

    ``accept`` and ``connect`` are the TLS contexts of its two sides. With ``hold`` it reads no more from the server
    after the second C-FIND response has begun until a C-CANCEL has come from the client.
    """

    def __init__(
        self,
        to: int,
        *,
        accept: ssl.SSLContext | None = None,
        connect: ssl.SSLContext | None = None,
        recording: Recording | None = None,
        hold: bool = False,
    ) -> None:
        self.to, self._accept, self._connect, self._hold = to, accept, connect, hold
        self._recording = recording or Recording()
        self.port = 0
        self._listening = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._thread = threading.Thread(target=asyncio.run, args=[self._run()], name="relay")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._over is not None
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.create_task(self._serve(next(self._recording.numbers), reader, writer)))

        server = await asyncio.start_server(begin, LOOPBACK, 0, ssl=self._accept)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._over.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            async with _closing(writer):
                server = socket.socket()
                if self._hold:
                    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                server.setblocking(False)
                await asyncio.get_running_loop().sock_connect(server, (LOOPBACK, self.to))
                name = LOOPBACK if self._connect else None
                # A small limit: what is held back must not pile up here.
                there = await asyncio.open_connection(
                    sock=server, ssl=self._connect, server_hostname=name, limit=1024 if self._hold else 1 << 16
                )
                if self._hold and self._connect:
                    there[1].transport.set_read_buffer_limits(1024)  # type: ignore[attr-defined]
                async with _closing(there[1]):
                    go_on = asyncio.Event()
                    if not self._hold:
                        go_on.set()
                    await asyncio.gather(
                        self._pump(number, True, reader, there[1], go_on),
                        self._pump(number, False, there[0], writer, go_on),
                    )

    async def _pump(
        self,
        number: int,
        from_client: bool,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        go_on: asyncio.Event,
    ) -> None:
        data, responses = b"begin", 0
        while data:
            data = await reader.read(1 << 16)
            self._recording.passed.append(Passed(number, from_client, data))
            if from_client and CANCEL in data:
                go_on.set()
            writer.write(data)
            await writer.drain()
            responses += data.count(FIND_RESPONSE)
            if not from_client and responses > 1:  # the first one has passed whole
                await go_on.wait()
        if writer.can_write_eof():
            writer.write_eof()
        else:  # TLS has no half-closed connections here
            writer.close()


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()


# ---- captures --------------------------------------------------------------------------------------

CLIENT, SERVER, PORT = b"\x7f\x00\x00\x01", b"\x7f\x00\x00\x02", 104
PIECE = 60_000
FIN_ACK, SYN, SYN_ACK, PUSH_ACK = 0x11, 0x02, 0x12, 0x18


def write_capture(path: Path, recording: Recording) -> None:
    """Write a classic capture of raw IPv4 (link type 101); each connection goes to port 104."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 101))
        sent: dict[tuple[int, bool], int] = {}
        packets = 0

        def packet(number: int, from_client: bool, flags: int, data: bytes = b"") -> None:
            nonlocal packets
            packets += 1
            ends = (number % 60_000 + 1024, PORT)
            ports = ends if from_client else ends[::-1]
            here, there = sent.get((number, from_client), 0), sent.get((number, not from_client), 0)
            acknowledged = 0 if flags == SYN else there
            tcp = struct.pack(">HHIIBBHHH", *ports, here, acknowledged, 5 << 4, flags, 0xFFFF, 0, 0)
            whom = CLIENT + SERVER if from_client else SERVER + CLIENT
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(data), 0, 0, 64, 6, 0) + whom
            whole = ip + tcp + data
            file.write(struct.pack("<IIII", 1_700_000_000 + packets, 0, len(whole), len(whole)) + whole)
            sent[number, from_client] = here + max(len(data), flags & 0x03 > 0)

        for one in recording.passed:
            if (one.connection, True) not in sent:
                packet(one.connection, True, SYN)
                packet(one.connection, False, SYN_ACK)
            for at in range(0, len(one.data), PIECE):
                packet(one.connection, one.from_client, PUSH_ACK, one.data[at : at + PIECE])
            if not one.data:
                packet(one.connection, one.from_client, FIN_ACK)
