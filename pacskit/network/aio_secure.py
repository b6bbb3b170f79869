"""TLS under an asyncio connection: what comes in is deciphered first, what goes out is enciphered last.

The channel is that of the thread driver, and so are the errors, the sessions that are taken up again and the
certificates that are read again when their files have changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pacskit.core.errors import DeadlineExceeded, TlsError
from pacskit.network.aio_connection import Connection
from pacskit.network.aio_writer import Writer

if TYPE_CHECKING:
    from pacskit.security.channel import TlsChannel, TlsInfo

__all__ = ["SecureConnection", "SecureWriter"]

_FIRST_BUFFER = 16640  # one record with its overhead: an association that is idle or small costs no more
_LARGEST_BUFFER = 131072
_LINGER = 1.0  # seconds that a peer has to take the alert that says why there is no TLS
_DRAIN = 1 << 20


class SecureWriter(Writer):
    """Enciphers what it is given."""

    __slots__ = ("_channel",)

    def __init__(self, transport: asyncio.Transport, channel: TlsChannel) -> None:
        super().__init__(transport)
        self._channel = channel

    def parts(self, buffers: list[Any]) -> Iterator[list[Any]]:
        """Yield the ciphertext in pieces, so that the peer deciphers while we go on. Raises ConnectionError."""
        try:
            for piece in self._channel.encrypt(buffers):
                yield [piece]
        except TlsError as exc:
            raise ConnectionError(errno.EPIPE, str(exc)) from None

    def finish(self) -> None:
        """Say that nothing more will be sent: first in TLS, then in TCP."""
        self.tell(self._channel.close())
        super().finish()

    def tell(self, ciphertext: bytes) -> None:
        """Send what belongs to TLS itself, where that is still possible."""
        if ciphertext:
            with contextlib.suppress(OSError):
                self.write([ciphertext])


class SecureConnection(Connection):
    """A connection with TLS, agreed by `secure`; ``channel`` makes its side of it once there is a transport."""

    def __init__(self, *, channel: Callable[[], TlsChannel], **options: Any) -> None:
        super().__init__(**options)
        self._make = channel
        self._channel: TlsChannel | None = None
        self._cipher: SecureWriter | None = None
        self._received = memoryview(bytearray(_FIRST_BUFFER))
        self._trouble: TlsError | None = None  # what the handshake came to
        self._secure = False
        self._handshaking: asyncio.Future[None] | None = None
        self._drained = 0

    async def secure(self, seconds: float, peer: str | None = None) -> TlsInfo:
        """Agree on TLS. Raises TlsError or DeadlineExceeded; the peer has been told why, and the connection is over."""
        try:
            async with asyncio.timeout(seconds):
                while not self._secure and self._trouble is None:
                    self._handshaking = self._loop.create_future()
                    await self._handshaking
            if self._trouble is None and self._channel is not None:
                return self._channel.info()
            await self._gone.wait()
        except TimeoutError:
            self.give_up()
            await self._gone.wait()
            raise DeadlineExceeded("the TLS handshake", seconds, peer=peer) from None
        except BaseException:
            self.give_up()
            raise
        finally:
            self._handshaking = None
        raise TlsError(str(self._trouble), peer=peer)

    def _settle(self, trouble: TlsError | None = None) -> None:
        """The handshake has come to its end."""
        if trouble is None:
            self._secure = True
        elif self._trouble is None:
            self._trouble = trouble
        if self._handshaking is not None and not self._handshaking.done():
            self._handshaking.set_result(None)

    def interrupt(self) -> None:
        """Wake the task that waits for the peer, also in the handshake."""
        super().interrupt()
        if not self._secure:
            self._settle(TlsError("ended from our side"))
            self.give_up()

    # What the loop calls

    def _writer_to(self, transport: asyncio.Transport) -> Writer:
        self._channel = self._make()
        self._cipher = SecureWriter(transport, self._channel)
        return self._cipher

    def _begin(self) -> None:
        if self.machine.is_requestor:
            self._advance()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        self._acknowledge()
        channel = self._channel
        if channel is None or channel.failure is not None:
            self._drained += nbytes
            if self._drained > _DRAIN and self._transport is not None:
                self._transport.abort()
            return
        try:
            channel.feed(self._received[:nbytes])
        except TlsError as exc:
            self._break(exc)
            return
        if nbytes == len(self._received) < _LARGEST_BUFFER:
            self._received = memoryview(bytearray(min(4 * nbytes, _LARGEST_BUFFER)))
        self._advance()

    def eof_received(self) -> bool:
        if self._channel is not None and self._channel.failure is None:
            try:
                self._channel.feed_end()
            except TlsError as exc:
                self._break(exc)
            else:
                self._advance()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._secure:
            why = getattr(exc, "strerror", None) or "the connection was lost"
            self._settle(TlsError(f"the TLS handshake was cut off: {why}"))
        super().connection_lost(exc)

    # TLS

    def _advance(self) -> None:
        """Go on with what has been fed: the handshake, then what it protects."""
        channel = self._channel
        if channel is None or channel.failure is not None or self.closed:
            return
        if self._secure and self._transport is not None and self._transport.is_closing():
            return  # what nobody wants any more
        try:
            if not self._secure:
                done = channel.handshake()
                self._tell(channel)
                if not done:
                    return
                super()._begin()
                self._settle()
            while not self._held:
                count = channel.read_into(self.machine.framer.get_buffer())
                if channel.has_output:  # an answer to a change of keys, without which nothing more can be said
                    self._tell(channel)
                if count is None:
                    return
                if not count:
                    self._over()
                    return
                self._arrived(count)
        except TlsError as exc:
            self._break(exc)

    def _tell(self, channel: TlsChannel) -> None:
        if self._cipher is not None:
            self._cipher.tell(channel.take_output())

    def _break(self, trouble: TlsError) -> None:
        """TLS has failed: send the alert, and end what was protected by it."""
        if self._channel is not None:
            self._tell(self._channel)
        if self._secure:
            self.failure = str(trouble)
            self._over()
            return
        self._settle(trouble)
        if self._cipher is not None and self._transport is not None:
            # The peer has a moment to take the alert: closing at once could reset the connection.
            self._cipher.finish()
            self._cut_off(self._transport, _LINGER)

    def _over(self) -> None:
        """Nothing more will come that is protected."""
        self.machine.closed()
        self._pump()
        self.hang_up()

    def _go_on(self) -> None:
        if self._held:
            super()._go_on()
            self._loop.call_soon(self._advance)  # what was deciphered and held back comes as if from the transport

    def hang_up(self) -> None:
        """Say goodbye, and close the transport."""
        if self._cipher is not None and self._channel is not None:
            self._cipher.tell(self._channel.close())
        super().hang_up()
