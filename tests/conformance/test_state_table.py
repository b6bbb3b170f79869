"""PS3.8 table 9-10, state by state: every one of the 13 × 19 cells, driven through the machine's real inputs."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from pacskit.network.indications import (
    AssociateRejected,
    ReleaseConfirmation,
    ReleaseIndication,
)
from pacskit.network.machine import TABLE, InvalidStateError, Machine, State
from pacskit.network.pdu import (
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextItem,
    ContextResult,
)
from tests.oracles.state_table import ACTIONS, COLUMNS, LOCAL

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
        assert [type(item).__name__ for item in indications] == [outcome.indication]
    assert machine.close_wanted == outcome.closes
    expected = {None: 1.0, False: None}.get(outcome.timer, machine.artim_deadline)
    if event != 18:
        assert machine.artim_deadline == expected
    if outcome.timer:
        assert machine.artim_deadline is not None
        assert machine.artim_deadline > NOW


@pytest.mark.interop
def test_the_table_is_the_one_that_others_have(pynetdicom: ModuleType) -> None:
    """Cell by cell what pynetdicom has made of table 9-10."""
    from pynetdicom.fsm import TRANSITION_TABLE

    theirs = {
        (int(event.removeprefix("Evt")), int(state.removeprefix("Sta"))): action.replace("_", "-")
        for (event, state), action in TRANSITION_TABLE.items()
    }
    assert {(int(event), int(state)): action for (event, state), action in TABLE.items()} == theirs


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
