"""TLS over a plain connection, with the methods of `Transport`; deadlines and waking are the plain connection's."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pacskit.core.errors import DeadlineExceeded, TlsError
from pacskit.network.transport import Pace, Transport

if TYPE_CHECKING:
    from pacskit.security.channel import TlsChannel, TlsInfo

__all__ = ["AnyTransport", "SecureTransport"]

_FIRST_BUFFER = 16640  # one record with its overhead: an association that is idle or small costs no more
_LARGEST_BUFFER = 131072
_FAREWELL = 0.001  # a close_notify fits into the socket's buffer, or the peer does not read
_LINGER = 1.0
_DRAIN = 1 << 20


class SecureTransport:
    """One socket with TLS. Belongs to one thread, except for `interrupt`, which touches the socket only.

    ``failure`` says why TLS came to its end before its time, None otherwise.
    """

    __slots__ = ("_buffer", "_channel", "_plain")
    source: Final = -1  # what the socket has is not what was sent

    def __init__(self, plain: Transport, channel: TlsChannel) -> None:
        self._plain = plain
        self._channel = channel
        self._buffer = memoryview(bytearray(_FIRST_BUFFER))

    @property
    def closed(self) -> bool:
        return self._plain.closed

    @property
    def interrupted(self) -> bool:
        return self._plain.interrupted

    @property
    def failure(self) -> str | None:
        return self._channel.failure

    def ends(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """Return our address and the peer's."""
        return self._plain.ends()

    def handshake(self, seconds: float, peer: str | None = None) -> TlsInfo:
        """Agree on TLS. Raises TlsError or DeadlineExceeded; the peer has been told why, and the connection is over."""
        channel, plain = self._channel, self._plain
        end = time.monotonic() + seconds
        try:
            while not channel.handshake():
                self._flush(end - time.monotonic())
                self._take(end)
            self._flush(end - time.monotonic())
        except TlsError as exc:
            self._refuse()
            raise TlsError(str(exc), peer=peer) from None
        except TimeoutError:
            raise DeadlineExceeded("the TLS handshake", seconds, peer=peer) from None
        except OSError as exc:
            raise TlsError(f"the TLS handshake was cut off: {exc.strerror}", peer=peer) from None
        finally:
            if not channel.established:
                plain.close()
        return channel.info()

    def _take(self, end: float | None) -> bool:
        """Feed what comes next; False at the end of the stream. Raises TimeoutError."""
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        count = self._plain.receive(self._buffer, left)
        self._fed(count)
        return count > 0

    def _fed(self, count: int) -> None:
        if not count:
            self._channel.feed_end()
            return
        self._channel.feed(self._buffer[:count])
        if count == len(self._buffer) < _LARGEST_BUFFER:
            self._buffer = memoryview(bytearray(min(4 * count, _LARGEST_BUFFER)))

    def _flush(self, seconds: float) -> None:
        if self._channel.has_output:
            self._plain.send([self._channel.take_output()], max(seconds, _FAREWELL), 1)

    def _refuse(self) -> None:
        """Send the alert, and wait a moment for the peer to take it: closing at once could reset the connection."""
        end = time.monotonic() + _LINGER
        with contextlib.suppress(OSError):
            self._flush(_LINGER)
            self._plain.finish()
            drained = 0
            while drained < _DRAIN and (left := end - time.monotonic()) > 0:
                count = self._plain.receive(self._buffer, left)
                if not count:
                    return
                drained += count

    # As in Transport

    def receive(self, buffer: memoryview, seconds: float | None) -> int:
        """Wait for bytes; return how many came, 0 when the connection is closed or broken. Raises TimeoutError."""
        end = None if seconds is None else time.monotonic() + seconds
        try:
            while (count := self._read(buffer)) is None:
                self._take(end)
        except TlsError:
            self._broken()
            return 0
        return count

    def receive_ready(self, buffer: memoryview) -> int | None:
        """Return what has arrived already without waiting: None when nothing has, 0 when the connection is closed."""
        try:
            while (count := self._read(buffer)) is None:
                ready = self._plain.receive_ready(self._buffer)
                if ready is None:
                    return None
                self._fed(ready)
        except TlsError:
            self._broken()
            return 0
        return count

    def _read(self, buffer: memoryview) -> int | None:
        count = self._channel.read_into(buffer)
        if self._channel.has_output:  # an answer to a change of keys, without which nothing more can be said
            try:
                self._flush(_LINGER)
            except TimeoutError:
                raise
            except OSError:
                return 0
        return count

    def _broken(self) -> None:
        with contextlib.suppress(OSError):
            self._flush(_FAREWELL)  # the alert

    def send(self, buffers: Sequence[Any], seconds: float, min_rate: int) -> None:
        """Send all of ``buffers``, under the deadline of `Transport.send`. Raises TimeoutError or ConnectionError."""
        began = time.monotonic()
        pace: Pace | None = None
        left, moved = seconds, 0
        try:
            for piece in self._channel.encrypt(buffers):
                if pace is not None:
                    left = pace.left(moved)
                self._plain.send([piece], left, min_rate)
                moved = len(piece)
                pace = pace or Pace(seconds, min_rate, began)
        except TlsError as exc:
            raise ConnectionError(errno.EPIPE, str(exc)) from None

    def finish(self) -> None:
        """Say that nothing more will be sent: first in TLS, then in TCP."""
        self._say_goodbye()
        self._plain.finish()

    def interrupt(self, *, hard: bool = False) -> None:
        """Wake the owner from its wait, from another thread; with ``hard`` also from a send."""
        self._plain.interrupt(hard=hard)

    def close(self) -> None:
        if not self._plain.closed:
            self._say_goodbye()
        self._plain.close()

    def _say_goodbye(self) -> None:
        last = self._channel.close()
        if last:
            with contextlib.suppress(OSError):
                self._plain.send([last], _FAREWELL, 1)


AnyTransport: TypeAlias = Transport | SecureTransport
