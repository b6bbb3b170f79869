"""The blocking driver's pump: a transport under a session, with every wait bounded."""

from __future__ import annotations

import time
from typing import NoReturn

from pacskit.core.errors import AssociationAborted, DeadlineExceeded
from pacskit.network.base import BaseConnection
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CCancelRequest, Message
from pacskit.network.indications import Aborted, ReleaseConfirmation, ReleaseIndication
from pacskit.network.machine import State
from pacskit.network.secure import AnyTransport
from pacskit.network.session import SessionEvent
from pacskit.network.transport import Pace

__all__ = ["Connection"]


class Connection(BaseConnection):
    """One association over one transport, used by one thread."""

    __slots__ = ("_current", "transport")

    def __init__(
        self,
        transport: AnyTransport,
        *,
        is_requestor: bool,
        timeouts: Timeouts,
        limits: Limits,
    ) -> None:
        super().__init__(is_requestor=is_requestor, timeouts=timeouts, limits=limits)
        self.transport = transport
        self._current = 0  # the message ID of the request that is being answered

    @property
    def closed(self) -> bool:
        """Whether the connection is closed."""
        return self.transport.closed

    @property
    def failure(self) -> str | None:
        """Why it came to its end before its time."""
        return self.transport.failure

    # Receiving

    def wait(self, seconds: float | None, what: str) -> SessionEvent:
        """Return the next event; abort and raise DeadlineExceeded when it does not come in time.

        A message that is under way has ``seconds`` (at most ``timeouts.dimse``), and goes on after that only while it
        moves ``limits.min_rate`` bytes a second.
        """
        if self._events:
            return self._events.popleft()
        event = self._next()
        if event is not None:
            return event
        transport, framer = self.transport, self.machine.framer
        limit = self.timeouts.dimse if seconds is None else min(seconds, self.timeouts.dimse)
        idle = seconds is None or seconds > limit  # then the time of a message begins with its first byte
        left = limit if self.session.receiving else seconds
        began = time.monotonic()
        pace: Pace | None = None
        while True:
            try:
                count = transport.receive(framer.get_buffer(), self._before_artim(left))
                if count:
                    framer.feed(count)
                    if self.session.diverted and (source := transport.source) >= 0:
                        count += self.machine.take_in(source)
                else:
                    self._end_of_input()
            except TimeoutError:
                count = 0
                self._late(what, time.monotonic() - began)
            event = self._next()
            if event is not None:
                return event
            if self.machine.is_in(State.STA1):
                return Aborted(None, None, False, "the connection is closed")
            try:
                pace = pace or Pace(limit, self.limits.min_rate, time.monotonic() if idle else began)
                left = pace.left(count)
            except TimeoutError:
                self._late(what, time.monotonic() - began)

    def _before_artim(self, left: float | None) -> float | None:
        """Return the time to wait, cut short by ARTIM while that runs."""
        artim = self.machine.artim_deadline
        if artim is None:
            return left
        until = artim - time.monotonic()
        if until <= 0:
            raise TimeoutError
        return until if left is None else min(left, until)

    def _next(self) -> SessionEvent | None:
        event = self.session.next_event()
        machine = self.machine
        if machine.output or machine.close_wanted:
            self.flush()
        return event

    def _end_of_input(self) -> None:
        if self.transport.interrupted and not self.machine.is_over:
            peer = self.peer
            self.abort()
            raise AssociationAborted("ended from our side", source=0, reason_code=0, peer=peer)
        self.machine.closed()

    def _late(self, what: str, seconds: float) -> None:
        """Let ARTIM expire, or give the peer up."""
        artim = self.machine.artim_deadline
        if artim is not None and artim <= time.monotonic() + 0.001:
            self.machine.timer_expired()
            return
        peer = self.peer
        self.abort()
        raise DeadlineExceeded(what, round(seconds, 3), peer=peer)

    def poll(self) -> None:
        """Take in what has arrived already, without waiting; a C-CANCEL is noted, the rest is kept in order."""
        if len(self._events) >= self.ahead:
            return  # that is enough; TCP holds the peer back
        event = self._next()
        if event is None:
            count = self.transport.receive_ready(self.machine.framer.get_buffer())
            if count is None:
                return
            if count:
                self.machine.framer.feed(count)
            else:
                self.machine.closed()
            event = self._next()
        while event is not None:
            self.sort(event)
            event = None if len(self._events) >= self.ahead else self._next()

    def sort(self, event: SessionEvent) -> None:
        """Note a C-CANCEL of what is not answered yet, keep anything else for the next `wait`."""
        if not isinstance(event, CCancelRequest):
            self._events.append(event)
        elif (wanted := event.message_id_being_responded_to) == self._current or any(
            getattr(one, "message_id", None) == wanted for one in self._events
        ):
            self.cancelled.add(wanted)

    def begin(self, message_id: int) -> None:
        """Note which request is being answered now: cancels of those before it are of no interest any more."""
        self.cancelled.discard(self._current)
        self._current = message_id

    def await_message(self, seconds: float) -> bool:
        """Wait for an event without giving the peer up; return whether there is one for `wait`."""
        end = time.monotonic() + seconds
        while not self._events and self.is_open:
            event = self._next()
            if event is not None:
                self._events.append(event)
                break
            left = end - time.monotonic()
            if left <= 0:
                break
            try:
                count = self.transport.receive(self.machine.framer.get_buffer(), left)
            except TimeoutError:
                break
            if count:
                self.machine.framer.feed(count)
            else:
                self._end_of_input()
        return bool(self._events)

    def is_cancelled(self, message_id: int) -> bool:
        """Whether a C-CANCEL for ``message_id`` has arrived."""
        self.poll()
        return message_id in self.cancelled

    # Sending

    def flush(self) -> None:
        """Send what the machine has to say, and close when it wants that."""
        output = self.machine.take_output()
        if output and not self.transport.closed:
            try:
                self.transport.send([b"".join(output)], self.timeouts.release, self.limits.min_rate)
            except OSError:
                self.machine.closed()
        if self.machine.close_wanted:
            self.transport.close()

    def send(self, message: Message) -> None:
        """Send ``message`` whole, in one gathered write unless it streams from a file."""
        if self.transport.closed:
            raise AssociationAborted("the connection is closed", peer=self.peer)
        seconds, rate = self.timeouts.dimse, self.limits.min_rate
        begun = False
        try:
            for buffers in self.session.buffers(message):
                begun = True
                self.transport.send(buffers, seconds, rate)
        except TimeoutError:
            peer = self.peer
            self._give_up()
            raise DeadlineExceeded("sending a message", seconds, peer=peer) from None
        except ConnectionError as exc:
            peer = self.peer
            self._lost()
            raise AssociationAborted(f"the connection was lost: {exc.strerror}", peer=peer) from exc
        except BaseException:
            if begun:
                self.abort()  # half a message is out: there is no other way to take it back
            raise

    def _lost(self) -> None:
        self.machine.closed()
        self.session.discard()
        self.transport.close()

    def _give_up(self) -> None:
        """End an association whose peer does not read: an A-ABORT could not get through either."""
        self.machine.abort("the peer does not read")
        self.machine.take_output()
        self._lost()

    # Ending

    def fail(self, event: SessionEvent) -> NoReturn:
        """Raise what ``event`` means for somebody who was waiting for something else."""
        error = self.meaning(event)
        if isinstance(event, Aborted):
            self.end()
        elif isinstance(event, ReleaseIndication):
            self.respond_release()
        else:
            self.abort()
        raise error

    def release(self) -> None:
        """Release in order (PS3.8 7.2), including the collision of two releases; abort when the peer does not agree."""
        if not self.machine.is_in(State.STA6) or self.transport.closed:
            self.close()
            return
        self.machine.release()
        self.flush()
        while not self.transport.closed:
            event = self.wait(self.timeouts.release, "the release of the association")
            if isinstance(event, ReleaseIndication):
                if self.machine.is_in(State.STA9):
                    self.machine.respond_release()
                    self.flush()
            elif isinstance(event, ReleaseConfirmation):
                if self.machine.is_in(State.STA12):
                    self.respond_release()
                break
            elif isinstance(event, Aborted):
                break
            else:
                self.drop(event)  # what the peer had sent before it knew of the release
        self.close()

    def respond_release(self) -> None:
        """Agree to the peer's release and wait for it to close the connection."""
        self.machine.respond_release()
        self.flush()
        self.linger()

    def abort(self) -> None:
        """Send A-ABORT, unless the association is over already, and close."""
        if self.machine.abort():
            self.flush()
            self.linger()
        self.close()

    def linger(self) -> None:
        """In Sta13, read on until the peer closes or ARTIM expires, so that our last PDU is not lost to a reset."""
        self.session.discard()
        if not self.transport.closed:
            self.transport.finish()
        while self.machine.is_in(State.STA13) and not self.transport.closed:
            deadline = self.machine.artim_deadline
            left = 0.0 if deadline is None else deadline - time.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError
                count = self.transport.receive(self.machine.framer.get_buffer(), left)
            except TimeoutError:
                self.machine.timer_expired()
                break
            if count == 0:
                self.machine.closed()
                break
            self.machine.framer.feed(count)
            while self.machine.next_indication() is not None:
                continue
            self.machine.take_output()  # nothing more can be said after the shutdown
        self.close()

    def end(self) -> None:
        """Close the connection of an association that is over; what we sent last still arrives."""
        if self.machine.is_in(State.STA13):
            self.linger()
        self.close()

    def close(self) -> None:
        """Close the connection whatever the state; what was read ahead and is not answered is given up."""
        self.forget()
        if not self.transport.closed:
            self.transport.close()
        self.machine.closed()
