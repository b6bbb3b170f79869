"""The association machine against the table as a look-up: any stream of events, legal or not, in any pieces."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random
from typing import Any, Final, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pacskit.core.errors import DecodeError
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import TEMPLATES, CEchoRequest, CFindResponse, CStoreRequest, Message, encode_message
from pacskit.network.indications import Aborted, AssociateIndication
from pacskit.network.machine import InvalidStateError, Machine
from pacskit.network.negotiation import AcceptorPolicy, accept
from pacskit.network.pdu import AssociateAccept, AssociateReject, AssociateRequest, ContextItem, ContextResult
from pacskit.network.session import Session
from pacskit_ext._dimse import decode_command
from pacskit_ext._fragments import frame
from pacskit_ext._pdu import Pdv
from tests.oracles.state_table import COLUMNS, LOCAL, Table

IMPLICIT: Final = "1.2.840.10008.1.2"
CT: Final = "1.2.840.10008.5.1.4.1.1.2"
REQUEST: Final = AssociateRequest(
    "CALLED", "CALLING", (ContextItem(1, CT, (IMPLICIT,)), ContextItem(3, CT, (IMPLICIT,)))
)
ACCEPT: Final = AssociateAccept("CALLED", "CALLING", (ContextResult(1, 0, IMPLICIT),))
REJECT: Final = AssociateReject(1, 1, 1)
ACSE, LINGER = 30.0, 5.0
PROFILE = settings()  # of the whole run
SHORT = PROFILE.max_examples <= 100


def _version_2() -> bytes:
    raw = bytearray(REQUEST.encode())
    raw[6:8] = b"\x00\x02"
    return bytes(raw)


# What arrives: the event that it is, and for an invalid PDU the reason (PS3.8 9.3.8).
PDUS: Final[dict[str, tuple[bytes, int, int]]] = {
    "A-ASSOCIATE-RQ": (REQUEST.encode(), 6, 2),
    "A-ASSOCIATE-RQ of another version": (_version_2(), 6, 2),
    "A-ASSOCIATE-AC": (ACCEPT.encode(), 3, 2),
    "A-ASSOCIATE-RJ": (REJECT.encode(), 4, 2),
    "P-DATA-TF": (b"".join(frame(1, b"abcdefgh", 100)), 10, 2),
    "A-RELEASE-RQ": (bytes.fromhex("0500 00000004 00000000"), 12, 2),
    "A-RELEASE-RP": (bytes.fromhex("0600 00000004 00000000"), 13, 2),
    "A-ABORT": (bytes.fromhex("0700 00000004 00000200"), 16, 2),
    "type 8": (bytes.fromhex("0800 00000004 00000000"), 19, 1),
    "type 0": (bytes.fromhex("0000 00000000"), 19, 1),
    "A-RELEASE-RQ of the wrong length": (bytes.fromhex("0500 00000006 000000000000"), 19, 6),
    "A-ABORT of the wrong length": (bytes.fromhex("0700 00000002 0000"), 19, 6),
    "A-ASSOCIATE-RQ without its items": (struct.pack(">BxI", 1, 10) + bytes(10), 19, 6),
    "P-DATA-TF that is too long": (struct.pack(">BxI", 4, 1 << 30), 19, 6),
    "P-DATA-TF without a PDV": (struct.pack(">BxI", 4, 0), 19, 6),
    "PDV of an even context": (struct.pack(">BxIIBB", 4, 8, 4, 2, 2) + b"ab", 19, 6),
}
INVALID: Final = sorted(name for name, (_, event, _) in PDUS.items() if event == 19)
VALID: Final = sorted(set(PDUS) - set(INVALID))
# What an association of ours or our user does: the event.
INPUTS: Final[dict[str, tuple[int, Callable[[Machine], object]]]] = {
    "associate": (1, lambda machine: machine.associate(REQUEST)),
    "connected": (2, Machine.connected),
    "accepted": (5, Machine.accepted),
    "accept": (7, lambda machine: machine.accept(ACCEPT)),
    "reject": (8, lambda machine: machine.reject(REJECT)),
    "data": (9, Machine.data),
    "release": (11, Machine.release),
    "respond": (14, Machine.respond_release),
    "abort": (15, Machine.abort),
    "closed": (17, Machine.closed),
    "timer": (18, Machine.timer_expired),
    "fault": (19, lambda machine: machine.fault("a presentation context that was not accepted")),
}


class Both:
    """The machine and the table, side by side; `compare` says where they part."""

    def __init__(self, *, is_requestor: bool) -> None:
        self.now = 1000.0
        self.machine = Machine(
            is_requestor=is_requestor,
            limits=Limits(),
            timeouts=Timeouts(acse=ACSE, release=LINGER),
            clock=lambda: self.now,
        )
        self.table = Table(is_requestor)
        self.deadline: float | None = None
        self.indicated: list[str] = []
        self.rest = b""  # of a PDU that has not arrived in whole
        self._pending: tuple[int, int, bool] | None = None

    def begin(self) -> None:
        """Connect, as the role has it."""
        for name in ("associate", "connected") if self.machine.is_requestor else ("accepted",):
            self.local(name)

    def local(self, name: str) -> None:
        event, put = INPUTS[name]
        before = self.table.state
        possible = self._happens(event, reason=6)
        if event in LOCAL and not possible:
            with pytest.raises(InvalidStateError):
                put(self.machine)
        else:
            put(self.machine)
        assert possible or self.table.state == before
        self._drain()

    def arrives(self, name: str, sizes: list[int], cut: int = 0) -> None:
        """A PDU arrives in pieces of ``sizes``, without its last ``cut`` bytes, which come with the next one."""
        if self.table.state == 4:
            return  # there is no connection yet
        raw, event, reason = PDUS[name]
        self._complete()
        cut = min(cut, len(raw) - 1) if event in {12, 13, 16} else 0  # one that is known when it is whole
        self._feed(raw[: len(raw) - cut], sizes)
        self.rest = raw[len(raw) - cut :]
        self._pending = (event, reason, name != "A-ASSOCIATE-RQ of another version")
        if not self.rest:
            self._arrived()

    def _complete(self) -> None:
        if self.rest:
            self._feed(self.rest, [len(self.rest)])
            self.rest = b""
            self._arrived()

    def _arrived(self) -> None:
        if self._pending is not None and not self.table.deaf and self.table.state not in {1, 4}:
            event, reason, acceptable = self._pending
            self._happens(event, reason=reason, acceptable=acceptable)
        self._pending = None
        self._drain()

    def _feed(self, raw: bytes, sizes: list[int]) -> None:
        turn = 0
        while raw:
            buffer = self.machine.framer.get_buffer()
            count = min(len(buffer), len(raw), sizes[turn % len(sizes)])
            buffer[:count] = raw[:count]
            del buffer
            self.machine.framer.feed(count)
            self._drain()
            raw, turn = raw[count:], turn + 1

    def _drain(self) -> None:
        while (item := self.machine.next_indication()) is not None:
            if not isinstance(item, Pdv) or item.is_last:
                self.indicated.append(type(item).__name__)

    def _happens(self, event: int, *, reason: int = 2, acceptable: bool = True) -> bool:
        starts = self.table.starts
        possible = self.table.happens(event, reason=reason, acceptable=acceptable)
        if self.table.starts > starts:
            self.deadline = self.now + (ACSE if self.table.timer == "AE-5" else LINGER)
        return possible

    def compare(self) -> None:
        machine, table = self.machine, self.table
        assert machine.state == table.state
        sent = [(pdu[0], pdu[8], pdu[9]) if pdu[0] == 7 else (pdu[0],) for pdu in machine.take_output()]
        assert sent == table.sent
        assert self.indicated == table.indicated
        assert machine.close_wanted == table.closes
        assert machine.artim_deadline == (self.deadline if table.timer else None)
        assert machine.is_over == (table.state in {1, 13})
        table.sent.clear()
        table.indicated.clear()
        self.indicated.clear()


class Association(RuleBasedStateMachine):
    """Everything that can happen to an association, in any order."""

    both: Both

    @initialize(is_requestor=st.booleans(), connected=st.booleans())
    def begin(self, is_requestor: bool, connected: bool) -> None:
        self.both = Both(is_requestor=is_requestor)
        if connected:
            self.both.begin()

    @rule(name=st.sampled_from(VALID), sizes=st.lists(st.integers(1, 300), min_size=1, max_size=4))
    def a_pdu(self, name: str, sizes: list[int]) -> None:
        self.both.arrives(name, sizes)

    @rule(name=st.sampled_from(("A-RELEASE-RQ", "A-RELEASE-RP", "A-ABORT")), cut=st.integers(1, 9))
    def a_pdu_in_part(self, name: str, cut: int) -> None:
        self.both.arrives(name, [3], cut)

    @rule(name=st.sampled_from(INVALID), sizes=st.lists(st.integers(1, 300), min_size=1, max_size=4))
    def an_invalid_pdu(self, name: str, sizes: list[int]) -> None:
        self.both.arrives(name, sizes)

    @rule(name=st.sampled_from(("data", "release", "respond", "accept", "reject", "connected")))
    def a_request(self, name: str) -> None:
        self.both.local(name)

    @rule(name=st.sampled_from(("abort", "closed", "timer", "fault")))
    def an_end(self, name: str) -> None:
        self.both.local(name)

    @precondition(lambda self: self.both.table.state != 1)
    @rule(name=st.sampled_from(("associate", "accepted")))
    def a_second_beginning(self, name: str) -> None:
        self.both.local(name)

    @precondition(lambda self: self.both.table.state == 1)  # a machine is for one association
    @rule(is_requestor=st.booleans())
    def another(self, is_requestor: bool) -> None:
        self.begin(is_requestor, True)

    # The ways that chance seldom finds.
    @precondition(lambda self: self.both.table.state in {2, 3, 5} and not self.both.table.deaf)
    @rule()
    def established(self) -> None:
        if self.both.table.state == 2:
            self.both.arrives("A-ASSOCIATE-RQ", [1000])
        if self.both.table.state == 3:
            self.both.local("accept")
        else:
            self.both.arrives("A-ASSOCIATE-AC", [1000])

    @precondition(lambda self: self.both.table.state in {6, 9, 10} and not self.both.table.deaf)
    @rule()
    def collision(self) -> None:
        _collide(self.both)

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds: float) -> None:
        self.both.now += seconds

    @invariant()
    def they_agree(self) -> None:
        if hasattr(self, "both"):
            self.both.compare()


TestAssociation = pytest.mark.filterwarnings("ignore")(Association.TestCase)
TestAssociation.settings = settings(
    PROFILE,
    derandomize=SHORT,
    max_examples=min(PROFILE.max_examples, 2000),
    stateful_step_count=50,
    deadline=None,
)


def walk(data: bytes) -> set[tuple[int, int]]:
    """The same by bytes, of which each chooses what happens; what happened in which state."""
    names = [*sorted(PDUS), *sorted(set(INPUTS) - {"associate", "accepted"}), *["establish"] * 8, *["collide"] * 5]
    seen: set[tuple[int, int]] = set()
    both: Both | None = None
    for byte in data[:400]:
        if both is None:
            both = Both(is_requestor=bool(byte & 1))
            if byte & 2:
                both.begin()
            else:
                both.local("associate" if byte & 1 else "accepted")
            seen |= {(1, 1), (4, 2)} if byte & 1 else {(1, 5)}
        else:
            _step(both, names[byte % len(names)], byte // len(names), seen)
        both.compare()
        if both.table.state == 1:
            both = None
    return seen


def _step(both: Both, name: str, size: int, seen: set[tuple[int, int]]) -> None:
    table = both.table
    if name in INPUTS:
        seen.add((table.state, INPUTS[name][0]))
        both.local(name)
    elif name in PDUS:
        if not table.deaf and not both.rest and table.state != 4:
            seen.add((table.state, PDUS[name][1]))
        both.arrives(name, [size * 3 + 1], size % 3)
    elif name == "establish" and table.state in {2, 5} and not table.deaf:
        both.arrives("A-ASSOCIATE-AC" if table.state == 5 else "A-ASSOCIATE-RQ", [1000])
        if table.state == 3:
            both.local("accept")
    elif name == "collide" and not table.deaf:
        _collide(both)


def _collide(both: Both) -> None:
    """Go on towards the end of a release collision."""
    if both.table.state == 6:
        both.local("release")
        both.arrives("A-RELEASE-RQ", [4])
    elif both.table.state == 9:
        both.local("respond")
    elif both.table.state == 10:
        both.arrives("A-RELEASE-RP", [4])


def test_chance_comes_by_every_cell() -> None:
    random = Random(0)
    every = {(state, event) for state, cells in COLUMNS.items() for event in cells}
    seen: set[tuple[int, int]] = set()
    for _ in range(2000):
        seen |= walk(random.randbytes(400))
        if seen >= every:
            return
    raise AssertionError(f"never seen: {sorted(every - seen)}")


# ---- messages out of fragments ---------------------------------------------------------------------

ECHO: Final = encode_message(CEchoRequest(message_id=1))
STORE: Final = encode_message(CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid="1.2", data=b""))
FIND: Final = encode_message(CFindResponse(message_id_being_responded_to=7, status=0xFF00, data=b""))  # type: ignore[arg-type]


Fragment: TypeAlias = tuple[int, bool, bool, bytes]


@st.composite
def fragments(draw: st.DrawFn) -> list[Fragment]:
    """PDVs (context, command, last, content): whole messages in pieces, and now and then one that does not fit."""
    found: list[Fragment] = []
    for _ in range(draw(st.integers(1, 4))):
        command = draw(st.sampled_from((ECHO, STORE, FIND)))
        context = draw(st.sampled_from((1, 3)))
        cut = draw(st.integers(0, len(command)))
        found += [(context, True, False, command[:cut]), (context, True, True, command[cut:])][cut == 0 :]
        if command is not ECHO:
            size = draw(st.integers(0, 40))
            content = bytes(range(size))
            cut = draw(st.integers(0, size))
            found += [(context, False, False, content[:cut]), (context, False, True, content[cut:])][cut == 0 :]
    if draw(st.booleans()):
        content = draw(st.sampled_from((b"", b"xx", ECHO)))
        wrong = draw(st.sampled_from((1, 3, 5))), draw(st.booleans()), draw(st.booleans()), content
        found.insert(draw(st.integers(0, len(found))), wrong)
    return found


def assembled(
    pdvs: list[Fragment],
) -> tuple[list[tuple[int, bytes | None]], tuple[int, int] | None]:
    """What comes of ``pdvs``, slowly: (command field, data set) of each message, and the A-ABORT at the end of it.

    PS3.7 6.3.1, PS3.8 annex E.
    """
    out: list[tuple[int, bytes | None]] = []
    user, provider = (0, 0), (2, 6)
    command, data = b"", b""
    source = 0  # the context of the command set or of its data set
    state = "between"
    for context, is_command, last, content in pdvs:
        if not content and not last:
            continue  # it says nothing
        if not is_command:
            if state != "data" or context != source:
                return out, user
            data += content
            if last:
                out.append((int.from_bytes(_element(command, 0x0100) or b"", "little"), data))
                command, data, state = b"", b"", "between"
            continue
        if state == "data" or (state == "command" and context != source):
            return out, user
        command += content
        source, state = context, "command"
        if not last:
            continue
        if context not in {1, 3}:
            return out, provider
        kind = _element(command, 0x0100)
        if command not in {ECHO, STORE, FIND} or kind is None:
            return out, user
        state = "data" if _element(command, 0x0800) != b"\x01\x01" else "between"
        if state == "between":
            out.append((int.from_bytes(kind, "little"), None))
            command = b""
    return out, None


def _element(command: bytes, element: int) -> bytes | None:
    while len(command) >= 8:
        group, found, length = struct.unpack_from("<HHI", command)
        if (group, found) == (0, element):
            return command[8 : 8 + length]
        command = command[8 + length :]
    return None


@given(fragments(), st.lists(st.integers(1, 60), min_size=1, max_size=4), st.booleans())
@settings(derandomize=SHORT)
def test_messages_come_out_of_fragments(pdvs: list[Fragment], sizes: list[int], together: bool) -> None:
    """``together``: all PDVs in one P-DATA-TF PDU, where PS3.8 9.3.5 leaves the choice to the sender."""
    limits = Limits()
    machine = Machine(is_requestor=False, limits=limits, clock=lambda: 0.0)
    session = Session(machine, limits)
    machine.accepted()
    items = [
        struct.pack(">IBB", len(content) + 2, context, command | last << 1) + content
        for context, command, last, content in pdvs
    ]
    bodies = [b"".join(items)] if together else items
    raw = REQUEST.encode() + b"".join(struct.pack(">BxI", 4, len(body)) + body for body in bodies)
    got: list[tuple[int, bytes | None]] = []
    ended: Any = None
    turn = 0
    while raw:
        buffer = machine.framer.get_buffer()
        count = min(len(buffer), len(raw), sizes[turn % len(sizes)])
        buffer[:count] = raw[:count]
        del buffer
        machine.framer.feed(count)
        raw, turn = raw[count:], turn + 1
        while (event := session.next_event()) is not None:
            if isinstance(event, AssociateIndication):
                policy = AcceptorPolicy(serves=lambda uid: (IMPLICIT,))
                answer, info = accept(event.request, policy, limits, ("127.0.0.1", 1))
                session.established(info)
                machine.accept(answer)
                machine.take_output()
            elif isinstance(event, Message):
                got.append((event.COMMAND_FIELD, None if event.data is None else bytes(event.data)))
            elif isinstance(event, Aborted):
                ended = (event.source, event.reason)
    assert (got, ended) == assembled(pdvs)
    assert [(pdu[8], pdu[9]) for pdu in machine.take_output()] == ([] if ended is None else [ended])


# ---- command sets -----------------------------------------------------------------------------------


def command(data: bytes) -> str:
    """A message or a DecodeError; what was read is written and read again the same."""
    message, has_data = decode_command(data, TEMPLATES)
    written = TEMPLATES[message.COMMAND_FIELD].encode(message, has_data)
    again, same = decode_command(written, TEMPLATES)
    assert again == message
    assert same == has_data
    return f"{message.COMMAND_FIELD:04X} {has_data}"


@given(st.data())
@settings(derandomize=SHORT)
def test_a_command_set_is_a_message_or_an_error(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from((ECHO, STORE, FIND)) | st.binary(max_size=60)))
    for _ in range(data.draw(st.integers(0, 4))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        command(bytes(raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw))
    except DecodeError:
        return
