"""The blocking driver's pump: a transport under a session, with every wait bounded."""

from __future__ import annotations

import time
from collections import deque
from typing import NoReturn

from pacskit.core.errors import AssociationAborted, AssociationReleased, DeadlineExceeded
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CCancelRequest, Message
from pacskit.network.indications import Aborted, ReleaseConfirmation, ReleaseIndication
from pacskit.network.machine import Machine, State
from pacskit.network.secure import AnyTransport
from pacskit.network.session import Session, SessionEvent
from pacskit.network.transport import Pace

__all__ = ["Connection"]


class Connection:
    """One association over one transport, used by one thread.

    ``cancelled`` are the message IDs for which a C-CANCEL has arrived; ``busy`` is False only while the acceptor waits
    for the next request.
    """

    __slots__ = (
        "_current",
        "_events",
        "_last_id",
        "busy",
        "cancelled",
        "limits",
        "machine",
        "session",
        "timeouts",
        "transport",
    )

    def __init__(
        self,
        transport: AnyTransport,
        *,
        is_requestor: bool,
        timeouts: Timeouts,
        limits: Limits,
    ) -> None:
        self.transport = transport
        self.timeouts = timeouts
        self.limits = limits
        self.machine = Machine(is_requestor=is_requestor, limits=limits, timeouts=timeouts)
        self.session = Session(self.machine, limits)
        self.cancelled: set[int] = set()
        self.busy = True
        self._events: deque[SessionEvent] = deque()
        self._last_id = 0
        self._current = 0  # the message ID of the request that is being answered

    @property
    def ahead(self) -> int:
        """How many requests may be read before the one at hand is answered; TCP holds back the rest."""
        info = self.session.info
        return 1 if info is None else min(max(1, info.max_performed), self.limits.max_async_ops)

    @property
    def peer(self) -> str | None:
        """The peer's name for messages."""
        return None if self.session.info is None else self.session.info.peer_name

    @property
    def is_open(self) -> bool:
        """Whether messages can be exchanged."""
        return not self.machine.is_over and not self.transport.closed

    def next_message_id(self) -> int:
        """Return an ID that no recent message of ours had (PS3.7 9.1.1.1.1)."""
        self._last_id = self._last_id % 0xFFFF + 1
        return self._last_id

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

    def unread(self, events: list[SessionEvent]) -> None:
        """Put ``events`` back for the next `wait`."""
        self._events.extendleft(reversed(events))

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
        if isinstance(event, Aborted):
            self.end()
            who = "we" if event.by_us else "the peer"
            text = self.transport.failure or event.detail or f"{who} aborted"
            raise AssociationAborted(
                f"association aborted: {text}", source=event.source, reason_code=event.reason, peer=self.peer
            )
        if isinstance(event, ReleaseIndication):
            self.respond_release()
            raise AssociationReleased("the peer released the association", peer=self.peer)
        self.abort()
        raise AssociationAborted(
            f"association aborted by us: unexpected {type(event).__name__}", source=0, reason_code=0, peer=self.peer
        )

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
        self.session.discard()
        while self._events:
            data = getattr(self._events.popleft(), "data", None)
            give_up = getattr(data, "abort", None) or getattr(data, "close", None)
            if give_up is not None:
                give_up()
        if not self.transport.closed:
            self.transport.close()
        self.machine.closed()
