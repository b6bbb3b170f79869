"""The sending side of an asyncio transport: one gathered write a message, and a deadline for what is left of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable, Sequence
from typing import Any

from pacskit.network.transport import Pace

__all__ = ["Writer"]

_WRITEV = getattr(os, "writev", None)
_IOV_MAX = 1024


class Writer:
    """Writes to a connected transport; the protocol passes on that it is paused, resumed or lost."""

    __slots__ = ("_fd", "_loop", "_lost", "_transport", "_waiter", "full")

    def __init__(self, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(high=0)  # a message has gone out when the system has taken all of it
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._fd = -1  # of a socket into which we may write, past a transport that has nothing to write
        self._lost = False
        self._waiter: asyncio.Future[None] | None = None
        self.full = False
        sock = transport.get_extra_info("socket")
        if _WRITEV is not None and sock is not None:
            self._fd = sock.fileno()

    def write(self, buffers: list[Any]) -> None:
        """Hand ``buffers`` to the system, and what it does not take to the transport. Raises OSError."""
        transport = self._transport
        if self._lost or transport.is_closing():
            raise ConnectionError("the connection is closed")
        if self._fd >= 0 and _WRITEV is not None and not self.full:
            # A transport joins its buffers first (before Python 3.12), a copy of the whole message.
            try:
                sent = _WRITEV(self._fd, buffers[:_IOV_MAX])
            except BlockingIOError:
                sent = 0
            buffers = _unsent(buffers, sent)
        if buffers:
            transport.writelines(buffers)

    def parts(self, buffers: list[Any]) -> Iterable[list[Any]]:
        """Return ``buffers`` as they go to `write`, one list after the other; TLS makes others of them."""
        return (buffers,)

    async def drain(self, pace: Pace) -> None:
        """Wait until the transport has got rid of everything, as ``pace`` allows. TimeoutError or ConnectionError."""
        left = pace.left(0)
        size = self._transport.get_write_buffer_size()
        while self.full:
            waiter = self._waiter = self._loop.create_future()
            timer = self._loop.call_later(left, self._wake)
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiter = None
            if self._lost:
                raise ConnectionError("the connection is closed")
            now = self._transport.get_write_buffer_size()
            pace.count(size - now)
            size = now
            if self.full:
                left = pace.left(0)

    def finish(self) -> None:
        """Say that nothing more will be sent."""
        self._lost, self._fd = True, -1
        if self._transport.can_write_eof() and not self._transport.is_closing():
            with contextlib.suppress(OSError):  # not connected any more: what was wanted
                self._transport.write_eof()

    def paused(self) -> None:
        """The transport has something left to write."""
        self.full = True

    def resumed(self) -> None:
        """The transport has nothing left to write."""
        self.full = False
        self._wake()

    def lost(self) -> None:
        """The connection is closed."""
        self._lost = True
        self._fd = -1
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _unsent(buffers: Sequence[Any], sent: int) -> list[Any]:
    """Return what is left of ``buffers`` after ``sent`` bytes."""
    for index, buffer in enumerate(buffers):
        length = len(buffer)
        if sent < length:
            return [memoryview(buffer)[sent:], *buffers[index + 1 :]]
        sent -= length
    return []
