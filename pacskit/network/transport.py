"""A TCP connection with deadlines, blocking."""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any

__all__ = ["Pace", "Transport"]

# With SO_RCVTIMEO the kernel keeps the deadline of a blocking call; elsewhere the socket module polls before each call.
_KERNEL_TIMEOUTS = sys.platform.startswith("linux")
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
_IOV_MAX = 1024
_NO_WAIT = getattr(socket, "MSG_DONTWAIT", None)


class Pace:
    """The deadline of a transfer: each stretch of ``seconds`` must end it, or move ``min_rate`` bytes a second."""

    __slots__ = ("_end", "_moved", "_quota", "_seconds")

    def __init__(self, seconds: float, min_rate: int, began: float) -> None:
        self._seconds = seconds
        self._quota = seconds * min_rate
        self._end = began + seconds
        self._moved = 0

    def count(self, moved: int) -> None:
        """Count ``moved`` bytes."""
        self._moved += moved

    def left(self, moved: int) -> float:
        """Count ``moved`` bytes and return how long the stretch still lasts; raise TimeoutError if it was too slow."""
        self.count(moved)
        now = time.monotonic()
        if now >= self._end:
            if self._moved < self._quota:
                raise TimeoutError
            self._moved = 0
            self._end = now + self._seconds
        return self._end - now


class Transport:
    """One connected socket. Belongs to one thread, except for `interrupt`."""

    __slots__ = (
        "_receive_within",
        "_recv_into",
        "_send_within",
        "_setsockopt",
        "_socket",
        "closed",
        "failure",
        "interrupted",
    )

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket = sock
        self._recv_into = sock.recv_into
        self._setsockopt = sock.setsockopt
        self._receive_within: float | None = None
        self._send_within: float | None = None
        self.closed = False
        self.interrupted = False
        self.failure: str | None = None  # why it came to its end before its time; TLS has reasons, TCP has none

    @property
    def source(self) -> int:
        """The descriptor from which native code may receive past this object; -1 where it may not."""
        return -1 if self.closed or _NO_WAIT is None else self._socket.fileno()

    def ends(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """Return our address and the peer's."""
        ours, theirs = self._socket.getsockname(), self._socket.getpeername()
        return (ours[0], ours[1]), (theirs[0], theirs[1])

    def _arm(self, option: int, seconds: float | None) -> None:
        if _KERNEL_TIMEOUTS:
            # 0 means no limit, hence at least a millisecond.
            whole = 0.0 if seconds is None else max(seconds, 0.001)
            self._setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(whole), int(whole % 1 * 1e6)))
        else:
            self._socket.settimeout(seconds)

    def receive(self, buffer: memoryview, seconds: float | None) -> int:
        """Wait for bytes; return how many came, 0 when the connection is closed. Raises TimeoutError."""
        if seconds != self._receive_within and not _is_near(self._receive_within, seconds):
            self._arm(socket.SO_RCVTIMEO, seconds)
            self._receive_within = seconds
        try:
            count = self._recv_into(buffer)
            if count and _QUICKACK is not None:
                # A peer with Nagle's algorithm waits for our ACK before it sends the rest of its message; the
                # kernel falls back to delayed ACKs by itself, so this is said again each time.
                self._setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        except BlockingIOError:
            raise TimeoutError from None
        except TimeoutError:
            raise
        except OSError:
            return 0
        return count

    def receive_ready(self, buffer: memoryview) -> int | None:
        """Return what has arrived already without waiting: None when nothing has, 0 when the connection is closed."""
        try:
            if _NO_WAIT is not None:
                return self._recv_into(buffer, 0, _NO_WAIT)
            self._receive_within = -1.0
            self._socket.settimeout(0)
            return self._recv_into(buffer)
        except BlockingIOError:
            return None
        except OSError:
            return 0

    def send(self, buffers: Sequence[Any], seconds: float, min_rate: int) -> None:
        """Send all of ``buffers``. Raises TimeoutError or ConnectionError.

        The whole has ``seconds``, and goes on after that only while it moves ``min_rate`` bytes a second.
        """
        began = time.monotonic()
        pace: Pace | None = None
        left = seconds
        pending = list(buffers)
        while pending:
            if left != self._send_within:
                self._arm(socket.SO_SNDTIMEO, left)
                self._send_within = left
            try:
                one = len(pending) == 1
                sent = self._socket.send(pending[0]) if one else self._socket.sendmsg(pending[:_IOV_MAX])
            except BlockingIOError:
                raise TimeoutError from None
            except (ConnectionError, TimeoutError):
                raise
            except OSError as exc:
                raise ConnectionError(exc.errno, exc.strerror) from exc
            pending = _unsent(pending, sent)
            if pending:
                pace = pace or Pace(seconds, min_rate, began)
                left = pace.left(sent)

    def finish(self) -> None:
        """Say that nothing more will be sent."""
        self._shutdown(socket.SHUT_WR)

    def interrupt(self, *, hard: bool = False) -> None:
        """Wake the owner from its wait, from another thread; with ``hard`` also from a send."""
        self.interrupted = True
        self._shutdown(socket.SHUT_RDWR if hard else socket.SHUT_RD)

    def _shutdown(self, how: int) -> None:
        try:
            self._socket.shutdown(how)
        except OSError:
            return  # not connected any more: what was wanted

    def close(self) -> None:
        self.closed = True
        self._socket.close()


def _is_near(armed: float | None, seconds: float | None) -> bool:
    """Whether a timeout that is armed will do: it is no shorter, and at most 2 % longer."""
    return armed is not None and seconds is not None and 0 <= armed - seconds < seconds / 50


def _unsent(pending: list[Any], sent: int) -> list[Any]:
    """Return what is left of ``pending`` after ``sent`` bytes."""
    for index, buffer in enumerate(pending):
        length = len(buffer)
        if sent < length:
            return [memoryview(buffer)[sent:], *pending[index + 1 :]]
        sent -= length
    return []
