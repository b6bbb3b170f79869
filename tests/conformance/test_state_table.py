"""PS3.8 table 9-10, state by state: every one of the 13 × 19 cells, driven through the machine's real inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from pacskit.network.indications import (
    Aborted,
    AssociateConfirmation,
    AssociateIndication,
    AssociateRejected,
    ReleaseConfirmation,
    ReleaseIndication,
)
from pacskit.network.machine import InvalidStateError, Machine, State
from pacskit.network.pdu import (
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextItem,
    ContextResult,
)
from pacskit_ext._pdu import Pdv

# The table as the standard prints it, read down each column (a state): event number → action.
_PROVIDER_ABORTS = {3: "AA-8", 4: "AA-8", 6: "AA-8", 10: "AA-8", 12: "AA-8", 13: "AA-8", 19: "AA-8"}
_ENDS = {16: "AA-3", 17: "AA-4"}
_ANY = {**_PROVIDER_ABORTS, **_ENDS, 15: "AA-1"}
COLUMNS: dict[int, dict[int, str]] = {
    1: {1: "AE-1", 5: "AE-5"},
    2: {
        3: "AA-1",
        4: "AA-1",
        6: "AE-6",
        10: "AA-1",
        12: "AA-1",
        13: "AA-1",
        16: "AA-2",
        17: "AA-5",
        18: "AA-2",
        19: "AA-1",
    },
    3: {**_ANY, 7: "AE-7", 8: "AE-8"},
    4: {2: "AE-2", 15: "AA-2", 17: "AA-4"},
    5: {**_ANY, 3: "AE-3", 4: "AE-4"},
    6: {**_ANY, 9: "DT-1", 10: "DT-2", 11: "AR-1", 12: "AR-2"},
    7: {**_ANY, 10: "AR-6", 12: "AR-8", 13: "AR-3"},
    8: {**_ANY, 9: "AR-7", 14: "AR-4"},
    9: {**_ANY, 14: "AR-9"},
    10: {**_ANY, 13: "AR-10"},
    11: {**_ANY, 13: "AR-3"},
    12: {**_ANY, 14: "AR-4"},
    13: {
        3: "AA-6",
        4: "AA-6",
        6: "AA-7",
        10: "AA-6",
        12: "AA-6",
        13: "AA-6",
        16: "AA-2",
        17: "AR-5",
        18: "AA-2",
        19: "AA-7",
    },
}


class Outcome(NamedTuple):
    """Tables 9-6 to 9-9: what an action does. ``timer`` is True started, False stopped, None untouched."""

    state: int
    sent: int | None = None  # PDU type
    source: int | None = None  # of an A-ABORT
    indication: type | None = None
    timer: bool | None = None
    closes: bool = False


ACTIONS = {
    "AE-1": Outcome(4),
    "AE-2": Outcome(5, sent=1),
    "AE-3": Outcome(6, indication=AssociateConfirmation),
    "AE-4": Outcome(1, indication=AssociateRejected, closes=True),
    "AE-5": Outcome(2, timer=True),
    "AE-6": Outcome(3, indication=AssociateIndication, timer=False),
    "AE-7": Outcome(6, sent=2),
    "AE-8": Outcome(13, sent=3, timer=True),
    "DT-1": Outcome(6),
    "DT-2": Outcome(6, indication=Pdv),
    "AR-1": Outcome(7, sent=5),
    "AR-2": Outcome(8, indication=ReleaseIndication),
    "AR-3": Outcome(1, indication=ReleaseConfirmation, closes=True),
    "AR-4": Outcome(13, sent=6, timer=True),
    "AR-5": Outcome(1, timer=False),
    "AR-6": Outcome(7, indication=Pdv),
    "AR-7": Outcome(8),
    "AR-8": Outcome(0, indication=ReleaseIndication),  # Sta9 for the requestor, Sta10 for the acceptor
    "AR-9": Outcome(11, sent=6),
    "AR-10": Outcome(12, indication=ReleaseConfirmation),
    "AA-1": Outcome(13, sent=7, source=0, indication=Aborted, timer=True),
    "AA-2": Outcome(1, timer=False, closes=True),
    "AA-3": Outcome(1, indication=Aborted, closes=True),
    "AA-4": Outcome(1, indication=Aborted),
    "AA-5": Outcome(1, timer=False),
    "AA-6": Outcome(13),
    "AA-7": Outcome(13, sent=7, source=2),
    "AA-8": Outcome(13, sent=7, source=2, indication=Aborted, timer=True),
}

REQUEST = AssociateRequest("CALLED", "CALLING", (ContextItem(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",)),))
ACCEPT = AssociateAccept("CALLED", "CALLING", (ContextResult(1, 0, "1.2.840.10008.1.2"),))
REJECT = AssociateReject(1, 1, 1)
BYTES = {
    3: ACCEPT.encode(),
    4: REJECT.encode(),
    6: REQUEST.encode(),
    10: bytes.fromhex("0400 0000000a 00000006 01 03 61626364"),
    12: bytes.fromhex("0500 00000004 00000000"),
    13: bytes.fromhex("0600 00000004 00000000"),
    16: bytes.fromhex("0700 00000004 0000 0200"),
    19: bytes.fromhex("0800 00000004 00000000"),
}
NOW = 1000.0
LOCAL = {1, 2, 5, 7, 8, 9, 11, 14}


def put(machine: Machine, event: int) -> list[object]:
    """Bring ``event`` about and return the indications that come of it."""
    inputs: dict[int, Callable[[], object]] = {
        1: lambda: machine.associate(REQUEST),
        2: machine.connected,
        5: machine.accepted,
        7: lambda: machine.accept(ACCEPT),
        8: lambda: machine.reject(REJECT),
        9: machine.data,
        11: machine.release,
        14: machine.respond_release,
        15: machine.abort,
        17: machine.closed,
        18: machine.timer_expired,
    }
    if event in BYTES:
        raw = BYTES[event]
        machine.framer.get_buffer()[: len(raw)] = raw
        machine.framer.feed(len(raw))
    else:
        inputs[event]()
    return list(iter(machine.next_indication, None))


def make(state: int, is_requestor: bool) -> Machine:
    machine = Machine(is_requestor=is_requestor, clock=lambda: NOW)
    machine.associate(REQUEST)
    machine.state = State(state)
    machine.artim_deadline = 1.0  # a timer that runs already, to see whether it is touched
    return machine


@pytest.mark.parametrize("is_requestor", [True, False], ids=["requestor", "acceptor"])
@pytest.mark.parametrize("event", range(1, 20))
@pytest.mark.parametrize("state", range(1, 14))
def test_cell(state: int, event: int, is_requestor: bool) -> None:
    machine = make(state, is_requestor)
    action = COLUMNS[state].get(event)
    if action is None:
        if event in LOCAL:
            with pytest.raises(InvalidStateError):
                put(machine, event)
        else:
            assert put(machine, event) == []
        assert machine.state == state
        assert machine.take_output() == []
        assert not machine.close_wanted
        return
    indications = put(machine, event)
    outcome = ACTIONS[action]
    assert machine.state == (outcome.state or (9 if is_requestor else 10))
    output = machine.take_output()
    assert [pdu[0] for pdu in output] == ([] if outcome.sent is None else [outcome.sent])
    if outcome.source is not None:
        # PS3.8 9.3.8: 1 unrecognized PDU, 2 unexpected PDU; without a meaning, hence 0, for the service user.
        reason = 0 if outcome.source == 0 else 1 if event == 19 else 2
        assert (output[0][8], output[0][9]) == (outcome.source, reason)
    if outcome.indication is not None:
        assert [type(item) for item in indications] == [outcome.indication]
    assert machine.close_wanted == outcome.closes
    expected = {None: 1.0, False: None}.get(outcome.timer, machine.artim_deadline)
    if event != 18:
        assert machine.artim_deadline == expected
    if outcome.timer:
        assert machine.artim_deadline is not None
        assert machine.artim_deadline > NOW


def test_unacceptable_protocol_version_is_rejected_by_the_provider() -> None:
    """The other half of AE-6: A-ASSOCIATE-RJ, ARTIM, Sta13."""
    machine = make(2, False)
    raw = bytearray(REQUEST.encode())
    raw[6:8] = b"\x00\x02"
    machine.framer.get_buffer()[: len(raw)] = raw
    machine.framer.feed(len(raw))
    assert isinstance(machine.next_indication(), AssociateRejected)
    assert machine.take_output() == [bytes.fromhex("0300 00000004 00 01 02 02")]
    assert machine.state is State.STA13
    assert machine.artim_deadline is not None


def test_release_collision_runs_to_the_end_on_both_sides() -> None:
    """PS3.8 9.2.3 as bytes passed between two machines: requestor 7-9-11-1, acceptor 7-10-12-13."""
    requestor, acceptor = make(6, True), make(6, False)
    requestor.release()
    acceptor.release()

    def carry(source: Machine, target: Machine) -> list[object]:
        raw = b"".join(source.take_output())
        target.framer.get_buffer()[: len(raw)] = raw
        target.framer.feed(len(raw))
        return list(iter(target.next_indication, None))

    crossing = b"".join(acceptor.take_output())
    assert carry(requestor, acceptor) == [ReleaseIndication(collision=True)]
    requestor.framer.get_buffer()[: len(crossing)] = crossing
    requestor.framer.feed(len(crossing))
    assert list(iter(requestor.next_indication, None)) == [ReleaseIndication(collision=True)]
    assert (requestor.state, acceptor.state) == (State.STA9, State.STA10)
    requestor.respond_release()
    assert carry(requestor, acceptor) == [ReleaseConfirmation()]
    assert (requestor.state, acceptor.state) == (State.STA11, State.STA12)
    acceptor.respond_release()
    assert carry(acceptor, requestor) == [ReleaseConfirmation()]
    assert (requestor.state, acceptor.state) == (State.STA1, State.STA13)
    assert requestor.close_wanted
    acceptor.closed()
    assert acceptor.state is State.STA1
