"""The asyncio driver's pump: a transport under a session, with every wait bounded and none of them polled."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any, NoReturn, cast

from pacskit.core.errors import AssociationAborted, DeadlineExceeded
from pacskit.network.aio_writer import Writer
from pacskit.network.base import BaseConnection
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CCancelRequest, Message, RequestMessage
from pacskit.network.indications import Aborted, ReleaseConfirmation, ReleaseIndication
from pacskit.network.machine import InvalidStateError, State
from pacskit.network.session import SessionEvent
from pacskit.network.sink import FileSource
from pacskit.network.transport import Pace

__all__ = ["Connection"]

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)


class Connection(BaseConnection, asyncio.BufferedProtocol):
    """One association over one transport, used by one task.

    The loop reads on while a message is handled, so that a C-CANCEL is in ``cancelled`` at once and a lost connection
    is known; beyond ``ahead`` messages that wait it holds the peer back. ``on_connect`` is called when the transport
    is there.
    """

    closed = False
    failure: str | None = None

    def __init__(
        self,
        *,
        is_requestor: bool,
        timeouts: Timeouts,
        limits: Limits,
        call: Callable[..., Awaitable[Any]],
        on_connect: Callable[[Connection], object] | None = None,
    ) -> None:
        super().__init__(is_requestor=is_requestor, timeouts=timeouts, limits=limits)
        self.address: tuple[str, int] = ("", 0)
        self._call = call
        self._on_connect = on_connect
        self._loop = asyncio.get_running_loop()
        self._gone = asyncio.Event()  # and no future: a task that is cancelled would take it from the others
        self._transport: asyncio.Transport | None = None
        self._quickack: Callable[[int, int, int], object] | None = None
        self._dry = True  # whether nothing has come since `_pump` found no more
        self._held = False  # whether reading is paused
        self._finished = False  # whether we have said that we say no more
        self._interrupted = False
        self._waiter: asyncio.Future[bool] | None = None
        self._writer: Writer | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._until = inf
        self._late = False
        self._pace: Pace | None = None
        self._pacing = (0.0, 0.0)  # the length of a stretch, and when the first one has begun (0: with its first byte)

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = self._transport = cast("asyncio.Transport", transport)
        self._writer = self._writer_to(made)
        peer = made.get_extra_info("peername")
        if peer:
            self.address = (peer[0], peer[1])
        sock = made.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if _QUICKACK is not None:
                self._quickack = sock.setsockopt
        self._begin()
        if self._on_connect is not None:
            self._on_connect(self)

    def _writer_to(self, transport: asyncio.Transport) -> Writer:
        return Writer(transport)

    def _begin(self) -> None:
        """The peer may speak now."""
        if not self.machine.is_requestor:
            self.machine.accepted()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.machine.framer.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        if self._quickack is not None:
            self._acknowledge()
        self._arrived(nbytes)

    def _acknowledge(self) -> None:
        """Have the kernel acknowledge at once.

        A peer with Nagle's algorithm waits for our ACK before it sends the rest of its message; the kernel falls back
        to delayed ACKs by itself, so this is said again each time.
        """
        if self._quickack is not None and _QUICKACK is not None:
            self._quickack(socket.IPPROTO_TCP, _QUICKACK, 1)

    def _arrived(self, nbytes: int) -> None:
        """Take in what was put into the framer's buffer."""
        self.machine.framer.feed(nbytes)
        self._dry = False
        if len(self._events) >= self.ahead and not self._finished:
            self._hold()
            return
        self._pump()
        if self._waiter is not None and not self._events:
            self._moved(nbytes)

    def eof_received(self) -> bool:
        self.machine.closed()
        self._pump()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._quickack = None
        self.closed = True
        self.machine.closed()
        if not self._events:
            self._pump()
        self.session.discard()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writer is not None:
            self._writer.lost()
        self._wake()
        self._gone.set()

    def pause_writing(self) -> None:
        if self._writer is not None:
            self._writer.paused()

    def resume_writing(self) -> None:
        if self._writer is not None:
            self._writer.resumed()

    # Receiving

    def _pump(self) -> None:
        """Take in what has arrived: note C-CANCELs, and let one message or indication wait."""
        while self._finished or len(self._events) < self.ahead:
            event = self.session.next_event()
            machine = self.machine
            if machine.output or machine.close_wanted:
                self.flush()
            if event is None:
                self._dry = True
                if machine.artim_deadline is not None:
                    self._arm()
                return
            if self._finished:
                continue
            if isinstance(event, CCancelRequest):
                self._cancel(event)
                continue
            if isinstance(event, RequestMessage):
                self.cancelled.discard(event.message_id)
            self._events.append(event)
            self._wake()

    def _cancel(self, message: CCancelRequest) -> None:
        self.cancelled.add(message.message_id_being_responded_to)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(True)

    def _hold(self) -> None:
        if not self._held and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            self._held = True

    def _go_on(self) -> None:
        if self._held and self._transport is not None and not self._transport.is_closing():
            self._held = False
            self._transport.resume_reading()

    def _take(self) -> SessionEvent | None:
        """Return what has arrived; what comes behind it is looked at already, for a C-CANCEL."""
        if not self._events and not self._dry:
            self._pump()
        event = self._events.popleft() if self._events else None
        if event is not None and not self._dry:
            self._pump()
        if self._held and len(self._events) < self.ahead:
            self._go_on()
        return event

    def is_quiet(self) -> bool:
        """Whether nothing waits but what is answered in passing: requests of the peer."""
        return all(isinstance(event, RequestMessage) for event in self._events)

    async def await_message(self, seconds: float) -> bool:
        """Wait for an event without giving the peer up; return whether there is one for `wait`."""
        if not self._events and not self._dry:
            self._pump()
        if not self._events and self.is_open:
            # A message that has begun to arrive is for `wait` to hurry.
            self._pace, self._late, self._pacing = None, False, (self.timeouts.dimse, 0.0)
            waiter = self._expect()
            try:
                await asyncio.wait([waiter], timeout=seconds)
            finally:
                self._waiter, self._until = None, inf
        return bool(self._events)

    def _expect(self) -> asyncio.Future[bool]:
        """Return what ends when there is an event, or nothing more to wait for."""
        if self._waiter is not None:
            raise InvalidStateError("another task waits for this association")
        self._waiter = self._loop.create_future()
        return self._waiter

    async def wait(self, seconds: float | None, what: str) -> SessionEvent:
        """Return the next event; abort and raise DeadlineExceeded when it does not come in time.

        A message that is under way has ``seconds`` (at most ``timeouts.dimse``), and goes on after that only while it
        moves ``limits.min_rate`` bytes a second.
        """
        event = self._take()
        if event is not None:
            return event
        if self.closed or self.machine.is_in(State.STA1):
            return Aborted(None, None, False, "the connection is closed")
        waiter = self._expect()
        limit = self.timeouts.dimse if seconds is None else min(seconds, self.timeouts.dimse)
        idle = seconds is None or seconds > limit  # then the time of a message begins with its first byte
        left = limit if self.session.receiving else seconds
        began = time.monotonic()
        self._pace, self._late = None, False
        self._pacing = limit, 0.0 if idle else began
        self._until = inf if left is None else began + left
        self._arm()
        try:
            await waiter
        finally:
            self._waiter, self._until = None, inf
        if self._late:
            peer = self.peer
            await self.abort()
            raise DeadlineExceeded(what, round(time.monotonic() - began, 3), peer=peer)
        if self._interrupted and not self._events and not self.machine.is_over:
            peer = self.peer
            self.abort_now()
            self.hang_up()  # without waiting for the peer to close
            await self._gone.wait()
            raise AssociationAborted("ended from our side", source=0, reason_code=0, peer=peer)
        return self._take() or Aborted(None, None, False, "the connection is closed")

    def interrupt(self) -> None:
        """Wake the task that waits for the peer, if one does: it ends the association."""
        self._interrupted = True
        self._wake()

    def is_cancelled(self, message_id: int) -> bool:
        """Whether a C-CANCEL for ``message_id`` has arrived."""
        return message_id in self.cancelled

    # Time

    def _moved(self, count: int) -> None:
        """A part of what is waited for has come."""
        seconds, began = self._pacing
        if self._pace is None:
            self._pace = Pace(seconds, self.limits.min_rate, began or time.monotonic())
        try:
            left = self._pace.left(count)
        except TimeoutError:
            self._give_up_waiting()
            return
        self._until = time.monotonic() + left
        self._arm()

    def _give_up_waiting(self) -> None:
        self._late = True
        self._wake()

    def _arm(self) -> None:
        """See to it that `_tick` is called in time; a timer that is due too early stays, and looks again then."""
        artim = self.machine.artim_deadline
        due = self._until if artim is None else min(self._until, artim)
        if due >= self._timer_at or self.closed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_later(max(0.0, due - time.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer, self._timer_at = None, inf
        now = time.monotonic() + 0.001
        artim = self.machine.artim_deadline
        if artim is not None and artim <= now:
            self.machine.timer_expired()
            self._reset()
        elif self._waiter is not None and self._until <= now:
            if self._pace is None:
                self._give_up_waiting()
            else:
                self._moved(0)
        self._arm()

    def _reset(self) -> None:
        """Close without waiting for anything more to go out or to come."""
        self._pump()
        if self._transport is not None:
            self._transport.abort()

    # Sending

    def flush(self) -> None:
        """Send what the machine has to say, and close when it wants that."""
        output = self.machine.take_output()
        if output and self._writer is not None and not self.closed and not self._finished:
            try:
                self._say(b"".join(output))
            except OSError:
                self.machine.closed()
        if self.machine.close_wanted:
            self.hang_up()

    def _say(self, data: bytes) -> None:
        """Send a few bytes without waiting. Raises OSError."""
        if self._writer is not None:
            for part in self._writer.parts([data]):
                self._writer.write(part)

    async def _put(self, writer: Writer, buffers: list[Any]) -> None:
        """Send ``buffers``, a message or a piece of it, and wait until they are out. Raises OSError."""
        pace: Pace | None = None
        for part in writer.parts(buffers):
            writer.write(part)
            if writer.full:
                pace = pace or Pace(self.timeouts.dimse, self.limits.min_rate, time.monotonic())
                await writer.drain(pace)

    async def send(self, message: Message) -> None:
        """Send ``message`` whole, in one gathered write unless it streams from a file, which is read in a thread."""
        writer = self._writer
        if self.closed or writer is None:
            raise AssociationAborted("the connection is closed", peer=self.peer)
        begun = False
        pieces = self.session.buffers(message)
        from_file = isinstance(message.data, FileSource)
        try:
            while True:
                buffers = (await self._call(next, pieces, None)) if from_file else next(pieces, None)
                if buffers is None:
                    return
                begun = True
                await self._put(writer, buffers)
        except TimeoutError:
            peer = self.peer
            self.give_up()
            raise DeadlineExceeded("sending a message", self.timeouts.dimse, peer=peer) from None
        except ConnectionError as exc:
            peer = self.peer
            self.give_up()
            raise AssociationAborted(f"the connection was lost: {exc.strerror or exc}", peer=peer) from exc
        except BaseException:
            if begun:
                self.abort_now()  # half a message is out: there is no other way to take it back
            raise

    def give_up(self) -> None:
        """End it at once, without a word: the peer does not read, or has no time left."""
        self.machine.abort("the peer does not read")
        self.machine.take_output()
        self.machine.closed()
        self.forget()
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # Ending

    async def fail(self, event: SessionEvent) -> NoReturn:
        """Raise what ``event`` means for somebody who was waiting for something else."""
        error = self.meaning(event)
        if isinstance(event, Aborted):
            await self.end()
        elif isinstance(event, ReleaseIndication):
            await self.respond_release()
        else:
            await self.abort()
        raise error

    async def release(self) -> None:
        """Release in order (PS3.8 7.2), including the collision of two releases; abort when the peer does not agree."""
        if not self.machine.is_in(State.STA6) or self.closed:
            await self.close()
            return
        self.machine.release()
        self.flush()
        while not self.closed:
            event = await self.wait(self.timeouts.release, "the release of the association")
            if isinstance(event, ReleaseIndication):
                if self.machine.is_in(State.STA9):
                    self.machine.respond_release()
                    self.flush()
            elif isinstance(event, ReleaseConfirmation):
                if self.machine.is_in(State.STA12):
                    await self.respond_release()
                break
            elif isinstance(event, Aborted):
                break
            else:
                self.drop(event)  # what the peer had sent before it knew of the release
        await self.close()

    async def respond_release(self) -> None:
        """Agree to the peer's release and wait for it to close the connection."""
        self.machine.respond_release()
        self.flush()
        await self.end()

    def abort_now(self) -> None:
        """Send A-ABORT, unless the association is over already; the connection closes by itself, at ARTIM's latest."""
        if self.machine.abort():
            self.flush()
        self._wind_up()

    async def abort(self) -> None:
        """Send A-ABORT, unless the association is over already, and close."""
        self.abort_now()
        await self._gone.wait()

    async def end(self) -> None:
        """Close the connection of an association that is over; what we sent last still arrives."""
        self._wind_up()
        await self._gone.wait()

    async def close(self) -> None:
        """Close the connection whatever the state."""
        self.forget()
        self.hang_up()
        self.machine.closed()
        await self._gone.wait()

    def _wind_up(self) -> None:
        """In Sta13, read on until the peer closes or ARTIM expires, so that our last PDU is not lost to a reset."""
        self.forget()
        if self._writer is None or not self.machine.is_in(State.STA13):
            self.hang_up()
            self.machine.closed()
            return
        if not self._finished and not self.closed:
            self._finished = True
            self._writer.finish()
            self._pump()
            self._go_on()
        self._arm()

    def hang_up(self) -> None:
        """Close the transport; it has a while to get rid of what it still has to write."""
        transport = self._transport
        if transport is None:
            self._gone.set()
            return
        if transport.is_closing():
            return
        transport.close()
        if transport.get_write_buffer_size():
            self._cut_off(transport, self.timeouts.release)

    def _cut_off(self, transport: asyncio.Transport, seconds: float) -> None:
        """Close in ``seconds`` what does not close by itself; nothing else is due any more."""
        self._timer_at = -inf
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, transport.abort)
