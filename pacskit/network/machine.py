"""The upper layer's state machine (PS3.8 9.2), without I/O.

Bytes and local requests go in; indications, bytes to send, a timer deadline and a wish to close come out. The table
is data; each action is one method.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from enum import IntEnum

from pacskit.core.errors import DecodeError, PacsError
from pacskit.network.config import Limits, Timeouts
from pacskit.network.indications import (
    Aborted,
    AssociateConfirmation,
    AssociateIndication,
    AssociateRejected,
    Indication,
    ReleaseConfirmation,
    ReleaseIndication,
)
from pacskit.network.pdu import (
    AbortPdu,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    decode_associate,
    release_request,
    release_response,
)
from pacskit_ext._pdu import Framer, Pdu, Pdv

__all__ = [
    "TABLE",
    "Event",
    "InvalidStateError",
    "Machine",
    "State",
]


class InvalidStateError(PacsError, RuntimeError):
    """A local request that the association's state does not allow: a mistake of the caller, not of the peer."""


class State(IntEnum):
    """PS3.8 9.2.1."""

    STA1 = 1
    """Idle."""
    STA2 = 2
    """Transport connection open, awaiting A-ASSOCIATE-RQ."""
    STA3 = 3
    """Awaiting the local A-ASSOCIATE response."""
    STA4 = 4
    """Awaiting the transport connection."""
    STA5 = 5
    """Awaiting A-ASSOCIATE-AC or -RJ."""
    STA6 = 6
    """Established."""
    STA7 = 7
    """Awaiting A-RELEASE-RP."""
    STA8 = 8
    """Awaiting the local A-RELEASE response."""
    STA9 = 9
    """Collision, requestor: awaiting the local A-RELEASE response."""
    STA10 = 10
    """Collision, acceptor: awaiting A-RELEASE-RP."""
    STA11 = 11
    """Collision, requestor: awaiting A-RELEASE-RP."""
    STA12 = 12
    """Collision, acceptor: awaiting the local A-RELEASE response."""
    STA13 = 13
    """Awaiting that the transport connection closes."""


class Event(IntEnum):
    """The rows of table 9-10."""

    ASSOCIATE_REQUEST = 1
    TRANSPORT_CONFIRM = 2
    ASSOCIATE_AC_PDU = 3
    ASSOCIATE_RJ_PDU = 4
    TRANSPORT_INDICATION = 5
    ASSOCIATE_RQ_PDU = 6
    ACCEPT_RESPONSE = 7
    REJECT_RESPONSE = 8
    DATA_REQUEST = 9
    DATA_PDU = 10
    RELEASE_REQUEST = 11
    RELEASE_RQ_PDU = 12
    RELEASE_RP_PDU = 13
    RELEASE_RESPONSE = 14
    ABORT_REQUEST = 15
    ABORT_PDU = 16
    TRANSPORT_CLOSED = 17
    ARTIM_EXPIRED = 18
    INVALID_PDU = 19


def _table() -> dict[tuple[Event, State], str]:
    """Table 9-10, a row an event; columns Sta1 to Sta13, ``-`` for a cell that cannot occur."""
    text = """
     1 AE-1 -    -    -    -    -    -    -    -    -     -    -    -
     2 -    -    -    AE-2 -    -    -    -    -    -     -    -    -
     3 -    AA-1 AA-8 -    AE-3 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
     4 -    AA-1 AA-8 -    AE-4 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
     5 AE-5 -    -    -    -    -    -    -    -    -     -    -    -
     6 -    AE-6 AA-8 -    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-7
     7 -    -    AE-7 -    -    -    -    -    -    -     -    -    -
     8 -    -    AE-8 -    -    -    -    -    -    -     -    -    -
     9 -    -    -    -    -    DT-1 -    AR-7 -    -     -    -    -
    10 -    AA-1 AA-8 -    AA-8 DT-2 AR-6 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
    11 -    -    -    -    -    AR-1 -    -    -    -     -    -    -
    12 -    AA-1 AA-8 -    AA-8 AR-2 AR-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
    13 -    AA-1 AA-8 -    AA-8 AA-8 AR-3 AA-8 AA-8 AR-10 AR-3 AA-8 AA-6
    14 -    -    -    -    -    -    -    AR-4 AR-9 -     -    AR-4 -
    15 -    -    AA-1 AA-2 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1  AA-1 AA-1 -
    16 -    AA-2 AA-3 -    AA-3 AA-3 AA-3 AA-3 AA-3 AA-3  AA-3 AA-3 AA-2
    17 -    AA-5 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4  AA-4 AA-4 AR-5
    18 -    AA-2 -    -    -    -    -    -    -    -     -    -    AA-2
    19 -    AA-1 AA-8 -    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-7
    """
    rows = (line.split() for line in text.strip().splitlines())
    return {
        (Event(int(number)), State(column)): action
        for number, *actions in rows
        for column, action in enumerate(actions, 1)
        if action != "-"
    }


TABLE = _table()
_METHODS = {action: f"_{action.lower().replace('-', '_')}" for action in TABLE.values()}
_PDU_EVENTS = {
    1: Event.ASSOCIATE_RQ_PDU,
    2: Event.ASSOCIATE_AC_PDU,
    3: Event.ASSOCIATE_RJ_PDU,
    5: Event.RELEASE_RQ_PDU,
    6: Event.RELEASE_RP_PDU,
    7: Event.ABORT_PDU,
}
_UNEXPECTED_PDU = 2
_INVALID_PARAMETER = 6


class Machine:
    """One association's state. Belongs to one thread or loop.

    ``output`` collects what is to be sent, ``close_wanted`` says that the transport connection is to be closed,
    ``artim_deadline`` is when `timer_expired` is due (on ``clock``), None while ARTIM is stopped.
    """

    __slots__ = (
        "_argument",
        "_artim",
        "_clock",
        "_deaf",
        "_detail",
        "_indications",
        "_linger",
        "_request",
        "artim_deadline",
        "close_wanted",
        "framer",
        "is_requestor",
        "output",
        "state",
    )

    def __init__(
        self,
        *,
        is_requestor: bool,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits, timeouts = limits or Limits(), timeouts or Timeouts()
        self.state = State.STA1
        self.is_requestor = is_requestor
        self.framer = Framer(limits.max_pdu, limits.max_associate_pdu)
        self.output: list[bytes] = []
        self.close_wanted = False
        self.artim_deadline: float | None = None
        self._artim = timeouts.acse
        self._linger = timeouts.release
        self._clock = clock
        self._indications: deque[Indication] = deque()
        self._argument: object = None
        self._detail = ""
        self._deaf = False
        self._request: AssociateRequest | None = None

    # Local requests

    def associate(self, request: AssociateRequest) -> None:
        """Ask for an association; connect the transport next."""
        self._request = request
        self._local(Event.ASSOCIATE_REQUEST)

    def connected(self) -> None:
        """The transport that we asked for is connected."""
        self._local(Event.TRANSPORT_CONFIRM)

    def accepted(self) -> None:
        """A peer has connected to us."""
        self._local(Event.TRANSPORT_INDICATION)

    def accept(self, answer: AssociateAccept) -> None:
        """Accept the association that was indicated."""
        self._local(Event.ACCEPT_RESPONSE, answer)

    def reject(self, answer: AssociateReject) -> None:
        """Reject the association that was indicated."""
        self._local(Event.REJECT_RESPONSE, answer)

    def data(self) -> None:
        """Check that P-DATA may be sent now; the bytes themselves do not pass through here."""
        if self.state is not State.STA6 and self.state is not State.STA8:
            self._local(Event.DATA_REQUEST)

    def release(self) -> None:
        """Ask for the release."""
        self._local(Event.RELEASE_REQUEST)

    def respond_release(self) -> None:
        """Agree to the release that was indicated."""
        self._local(Event.RELEASE_RESPONSE)

    def abort(self, detail: str = "") -> bool:
        """Abort as the service user; return whether there was anything to abort."""
        if (Event.ABORT_REQUEST, self.state) not in TABLE:
            return False
        self._detail = detail
        self.handle(Event.ABORT_REQUEST, AbortPdu(0, 0))
        return True

    def fault(self, detail: str, reason: int = _INVALID_PARAMETER) -> None:
        """Treat what was just received as an invalid PDU."""
        self._deaf = True
        self.framer.discard()
        self._detail = detail
        if (Event.INVALID_PDU, self.state) in TABLE:
            self.handle(Event.INVALID_PDU, reason)

    # The transport and the clock

    def closed(self) -> None:
        """The transport connection is closed (by the peer or by failure)."""
        if (Event.TRANSPORT_CLOSED, self.state) in TABLE:
            self.handle(Event.TRANSPORT_CLOSED)

    def timer_expired(self) -> None:
        """ARTIM has expired."""
        self.artim_deadline = None
        if (Event.ARTIM_EXPIRED, self.state) in TABLE:
            self.handle(Event.ARTIM_EXPIRED)

    def is_in(self, state: State) -> bool:
        """Whether it is in ``state`` now; inputs change that."""
        return self.state is state

    @property
    def is_over(self) -> bool:
        """Whether the association does not exist any more (it may still wait for the transport to close)."""
        return self.state is State.STA13 or self.state is State.STA1

    def take_output(self) -> list[bytes]:
        """Return what is to be sent, and forget it."""
        output, self.output = self.output, []
        return output

    def take_in(self, source: int) -> int:
        """Receive what has come from the socket ``source`` already, while it goes where the framer diverts it."""
        try:
            return self.framer.take_in(source)
        except DecodeError as exc:
            self.fault(str(exc), self.framer.fault)
            return 0

    def next_indication(self) -> Indication | Pdv | None:
        """Return what the received bytes mean, one at a time; None when there is no more."""
        while True:
            if self._indications:
                return self._indications.popleft()
            if self._deaf:
                return None
            try:
                item = self.framer.next_event()
            except DecodeError as exc:
                self.fault(str(exc), self.framer.fault)
                continue
            if item is None:
                return None
            if type(item) is Pdv:
                if self.state is State.STA6 or self.state is State.STA7:  # DT-2, AR-6
                    return item
                self._received(Event.DATA_PDU, None)
            else:
                self._pdu(item)

    def _pdu(self, pdu: Pdu) -> None:
        argument: object = None
        try:
            if pdu.type <= 2:
                argument = decode_associate(pdu.type, pdu.data)
            elif pdu.type == 3:
                argument = AssociateReject.decode(pdu.data)
            elif pdu.type == 7:
                argument = AbortPdu.decode(pdu.data)
        except DecodeError as exc:
            self.fault(str(exc))
            return
        self._received(_PDU_EVENTS[pdu.type], argument)

    def _received(self, event: Event, argument: object) -> None:
        if (event, self.state) in TABLE:  # nothing arrives in Sta1 and Sta4, where there is no transport
            self._detail = f"unexpected PDU ({event.name}) in {self.state.name}"
            self.handle(event, argument if argument is not None else _UNEXPECTED_PDU)

    def _local(self, event: Event, argument: object = None) -> None:
        if (event, self.state) not in TABLE:
            raise InvalidStateError(f"{event.name} is not possible in {self.state.name}")
        self.handle(event, argument)

    def handle(self, event: Event, argument: object = None) -> None:
        """Do what the table says for ``event`` in the present state."""
        self._argument = argument
        self.state = getattr(self, _METHODS[TABLE[event, self.state]])()

    # Actions: tables 9-6 to 9-9

    def _start_artim(self, seconds: float) -> None:
        self.artim_deadline = self._clock() + seconds

    def _indicate(self, indication: Indication) -> None:
        self._indications.append(indication)

    def _send_abort(self, source: int) -> AbortPdu:
        reason = self._argument if source == 2 and isinstance(self._argument, int) else 0
        if source == 2 and reason == 0:
            reason = _UNEXPECTED_PDU
        pdu = AbortPdu(source, reason)
        self.output.append(pdu.encode())
        return pdu

    def _ae_1(self) -> State:
        return State.STA4

    def _ae_2(self) -> State:
        if self._request is not None:
            self.output.append(self._request.encode())
        return State.STA5

    def _ae_3(self) -> State:
        if isinstance(self._argument, AssociateAccept):
            self._indicate(AssociateConfirmation(self._argument))
        return State.STA6

    def _ae_4(self) -> State:
        if isinstance(self._argument, AssociateReject):
            self._indicate(AssociateRejected(self._argument))
        self.close_wanted = True
        return State.STA1

    def _ae_5(self) -> State:
        self._start_artim(self._artim)
        return State.STA2

    def _ae_6(self) -> State:
        self.artim_deadline = None
        request = self._argument
        if isinstance(request, AssociateRequest) and request.protocol_version & 1:
            self._indicate(AssociateIndication(request))
            return State.STA3
        reject = AssociateReject(1, 2, 2)
        self.output.append(reject.encode())
        self._indicate(AssociateRejected(reject))
        self._start_artim(self._linger)
        return State.STA13

    def _ae_7(self) -> State:
        if isinstance(self._argument, AssociateAccept):
            self.output.append(self._argument.encode())
        return State.STA6

    def _ae_8(self) -> State:
        if isinstance(self._argument, AssociateReject):
            self.output.append(self._argument.encode())
        self._start_artim(self._linger)
        return State.STA13

    def _dt_1(self) -> State:
        return State.STA6

    def _dt_2(self) -> State:
        return State.STA6

    def _ar_1(self) -> State:
        self.output.append(release_request())
        return State.STA7

    def _ar_2(self) -> State:
        self._indicate(ReleaseIndication())
        return State.STA8

    def _ar_3(self) -> State:
        self._indicate(ReleaseConfirmation())
        self.close_wanted = True
        return State.STA1

    def _ar_4(self) -> State:
        self.output.append(release_response())
        self._start_artim(self._linger)
        return State.STA13

    def _ar_5(self) -> State:
        self.artim_deadline = None
        return State.STA1

    def _ar_6(self) -> State:
        return State.STA7

    def _ar_7(self) -> State:
        return State.STA8

    def _ar_8(self) -> State:
        self._indicate(ReleaseIndication(collision=True))
        return State.STA9 if self.is_requestor else State.STA10

    def _ar_9(self) -> State:
        self.output.append(release_response())
        return State.STA11

    def _ar_10(self) -> State:
        self._indicate(ReleaseConfirmation())
        return State.STA12

    def _aa_1(self) -> State:
        self._send_abort(0)
        self._indicate(Aborted(0, 0, True, self._detail))
        self._start_artim(self._linger)
        return State.STA13

    def _aa_2(self) -> State:
        expired = self.artim_deadline is None
        self.artim_deadline = None
        self.close_wanted = True
        if self.state is not State.STA13:
            self._indicate(Aborted(None, None, True, "ARTIM expired" if expired else "connection given up"))
        return State.STA1

    def _aa_3(self) -> State:
        pdu = self._argument if isinstance(self._argument, AbortPdu) else AbortPdu(2, 0)
        self._indicate(Aborted(pdu.source, pdu.reason))
        self.close_wanted = True
        return State.STA1

    def _aa_4(self) -> State:
        self._indicate(Aborted(None, None, False, "connection lost"))
        return State.STA1

    def _aa_5(self) -> State:
        self.artim_deadline = None
        self._indicate(Aborted(None, None, False, "connection closed before an association was requested"))
        return State.STA1

    def _aa_6(self) -> State:
        return State.STA13

    def _aa_7(self) -> State:
        self._send_abort(2)
        return State.STA13

    def _aa_8(self) -> State:
        pdu = self._send_abort(2)
        self._indicate(Aborted(2, pdu.reason, True, self._detail))
        self._start_artim(self._linger)
        return State.STA13
