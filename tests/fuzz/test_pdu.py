"""Bytes from nowhere into the framer, the machine and the session: typed errors, bounded memory, no end in a hang."""

from __future__ import annotations

import struct
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from pacskit.core.errors import DecodeError, PacsError
from pacskit.network.config import Limits
from pacskit.network.dimse import CEchoRequest, CStoreRequest, Message, encode_message
from pacskit.network.indications import AssociateIndication
from pacskit.network.machine import Machine, State
from pacskit.network.negotiation import AcceptorPolicy, accept
from pacskit.network.pdu import AssociateRequest, ContextItem
from pacskit.network.session import Session
from pacskit_ext._fragments import frame
from pacskit_ext._pdu import Framer, Pdu

CT, IMPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2"
REQUEST = AssociateRequest("A", "B", (ContextItem(1, CT, (IMPLICIT,)),)).encode()
ECHO = b"".join(frame(1, encode_message(CEchoRequest(message_id=1)), 1000, command=True))
STORE = b"".join(
    frame(
        1,
        encode_message(CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid="1.2", data=b"")),
        50,
        command=True,
    )
)
VALID = [
    ECHO,
    STORE,
    b"".join(frame(1, bytes(300), 100)),
    bytes.fromhex("0500 00000004 00000000"),
    bytes.fromhex("0600 00000004 00000000"),
    bytes.fromhex("0700 00000004 00000200"),
    bytes.fromhex("0300 00000004 00010101"),
    REQUEST,
]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Valid PDUs, mutated ones and noise."""
    parts = draw(
        st.lists(
            st.sampled_from(VALID)
            | st.binary(max_size=40)
            | st.builds(
                lambda t, n, b: struct.pack(">BxI", t, n) + b, st.integers(0, 9), st.integers(0, 300), st.binary()
            ),
            min_size=1,
            max_size=8,
        )
    )
    raw = bytearray(b"".join(parts))
    for _ in range(draw(st.integers(0, 3))):
        if raw:
            raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw)


def pieces(raw: bytes, sizes: list[int]) -> list[bytes]:
    out: list[bytes] = []
    start = index = 0
    while start < len(raw):
        size = sizes[index % len(sizes)]
        out.append(raw[start : start + size])
        start, index = start + size, index + 1
    return out


def framed(raw: bytes, sizes: list[int]) -> tuple[list[object], int]:
    """The events, with the pieces of a PDV joined, and the fault."""
    framer = Framer(4096, 4096, 64)
    out: list[object] = []
    for piece in pieces(raw, sizes):
        while piece:
            buffer = framer.get_buffer()
            n = min(len(buffer), len(piece))
            buffer[:n] = piece[:n]
            framer.feed(n)
            piece = piece[n:]
            try:
                while (event := framer.next_event()) is not None:
                    if isinstance(event, Pdu):
                        out.append((event.type, event.data))
                    else:
                        out += [(event.context_id, event.is_command, byte) for byte in bytes(event)]
                        if event.is_last:
                            out.append("last")
            except DecodeError:
                return out, framer.fault
    return out, framer.fault


@given(streams(), st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_splitting_changes_nothing(raw: bytes, sizes: list[int]) -> None:
    assert framed(raw, sizes) == framed(raw, [max(1, len(raw))])


@given(streams(), st.lists(st.integers(1, 200), min_size=1, max_size=5), st.sampled_from(list(State)), st.booleans())
def test_the_machine_survives_anything_in_any_state(
    raw: bytes, sizes: list[int], state: State, is_requestor: bool
) -> None:
    machine = Machine(is_requestor=is_requestor, clock=lambda: 0.0)
    machine.state = state
    for piece in pieces(raw, sizes):
        machine.framer.get_buffer()[: len(piece)] = piece
        machine.framer.feed(len(piece))
        while machine.next_indication() is not None:
            continue
    assert all(pdu[0] in (3, 7) for pdu in machine.output)  # nothing but a reject or an abort comes unasked
    if machine.output:
        assert machine.state in (State.STA13, State.STA1)


@given(streams(), st.lists(st.integers(1, 200), min_size=1, max_size=5))
def test_the_session_gives_messages_or_ends_the_association(raw: bytes, sizes: list[int]) -> None:
    limits = Limits(max_memory=10_000, max_command=1000)
    machine = Machine(is_requestor=False, limits=limits, clock=lambda: 0.0)
    session = Session(machine, limits)
    machine.accepted()
    policy = AcceptorPolicy(serves=lambda uid: (IMPLICIT,))
    for piece in pieces(REQUEST + raw, sizes):
        machine.framer.get_buffer()[: len(piece)] = piece
        machine.framer.feed(len(piece))
        while (event := session.next_event()) is not None:
            if isinstance(event, AssociateIndication):
                answer, info = accept(event.request, policy, limits, ("127.0.0.1", 1))
                session.established(info)
                machine.accept(answer)
            elif isinstance(event, Message):
                assert event.context is not None
                assert event.error is None or isinstance(event.error, PacsError)


def test_memory_stays_bounded_whatever_is_announced() -> None:
    """A gigabyte announced, a hundred megabytes sent: the buffer is all there is."""
    limits = Limits(max_pdu=0)
    machine = Machine(is_requestor=False, limits=limits)
    machine.state = State.STA6
    head = struct.pack(">BxIIBB", 4, 0x7FFFFFFF, 0x7FFFFFFB, 1, 0)
    machine.framer.get_buffer()[: len(head)] = head
    machine.framer.feed(len(head))
    machine.next_indication()
    block = bytes(100_000)
    tracemalloc.start()
    size = 0
    for _ in range(1000):
        buffer = machine.framer.get_buffer()
        size = max(size, len(buffer))
        n = min(len(buffer), len(block))
        buffer[:n] = block[:n]
        del buffer
        machine.framer.feed(n)
        while machine.next_indication() is not None:
            continue
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 200_000
    assert peak < 200_000
