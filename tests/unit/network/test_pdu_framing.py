"""The framer and the fragmenter against slow twins, split at every byte, and their limits."""

from __future__ import annotations

import contextlib
import errno
import gc
import itertools
import random
import socket
import struct
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacskit.core.errors import DecodeError, LimitError
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CStoreRequest
from pacskit.network.machine import Machine
from pacskit.network.negotiation import PresentationContext
from pacskit.network.session import Session
from pacskit.network.sink import FileSink
from pacskit_ext._fragments import frame, payload_size
from pacskit_ext._pdu import Framer, Pdu, Pdv

RELEASE = bytes.fromhex("0500 00000004 00000000")
ABORT = bytes.fromhex("0700 00000004 00000201")


def pdata(*items: tuple[int, int, bytes]) -> bytes:
    """PS3.8 9.3.5, written out."""
    body = b"".join(struct.pack(">IBB", len(data) + 2, context, control) + data for context, control, data in items)
    return struct.pack(">BxI", 4, len(body)) + body


def events(framer: Framer, stream: bytes, step: int) -> list[tuple[Any, ...]]:
    """All events of ``stream`` fed ``step`` bytes at a time; pieces of one PDV are joined."""
    out: list[tuple[Any, ...]] = []
    for start in range(0, len(stream), step):
        rest = stream[start : start + step]
        while rest:
            buffer = framer.get_buffer()
            n = min(len(buffer), len(rest))
            buffer[:n] = rest[:n]
            framer.feed(n)
            rest = rest[n:]
            while (event := framer.next_event()) is not None:
                if isinstance(event, Pdu):
                    out.append((event.type, event.data))
                    continue
                key = (event.context_id, event.is_command)
                if out and out[-1][:2] == key and not out[-1][3]:
                    out[-1] = (*key, bytes(out[-1][2]) + bytes(event), event.is_last)
                else:
                    out.append((*key, bytes(event), event.is_last))
    return out


def test_every_split_gives_the_same_events() -> None:
    stream = RELEASE + pdata((1, 3, b"command"), (1, 0, b"da")) + pdata((1, 2, b"ta")) + pdata((3, 2, b"")) + ABORT
    expected = [
        (5, RELEASE[6:]),
        (1, True, b"command", True),
        (1, False, b"data", True),
        (3, False, b"", True),
        (7, ABORT[6:]),
    ]
    for step in range(1, len(stream) + 1):
        framer = Framer()
        assert events(framer, stream, step) == expected
        assert not framer.receiving


def test_a_long_pdu_goes_through_a_small_buffer() -> None:
    framer = Framer(0, capacity=64)
    data = bytes(range(256)) * 4096
    assert events(framer, pdata((5, 2, data)), 1 << 20) == [(5, False, data, True)]
    assert len(framer.get_buffer()) < 100


def test_a_long_association_pdu_is_collected_and_the_buffer_shrinks_again() -> None:
    framer = Framer(4096, 1 << 20)
    body = bytes(500_000)
    assert events(framer, struct.pack(">BxI", 1, len(body)) + body, 65536) == [(1, body)]
    framer.get_buffer()
    assert len(framer.get_buffer()) < 5000


def feed(framer: Framer, data: bytes) -> None:
    buffer = framer.get_buffer()
    buffer[: len(data)] = data
    framer.feed(len(data))


def test_a_held_pdv_is_never_overwritten() -> None:
    framer = Framer()
    feed(framer, pdata((1, 2, b"A" * 100)))
    held = framer.next_event()
    assert isinstance(held, Pdv)
    view = memoryview(held)
    del held
    gc.collect()
    for _ in range(3):
        feed(framer, pdata((1, 2, b"B" * 100)))
        framer.next_event()
    assert bytes(view) == b"A" * 100
    del framer
    gc.collect()
    assert bytes(view) == b"A" * 100
    assert view.readonly


def test_the_buffer_is_reused_when_nothing_is_held() -> None:
    framer = Framer()
    feed(framer, pdata((1, 2, b"A" * 100)))
    assert framer.next_event() is not None
    buffer = framer.get_buffer()
    assert bytes(buffer[12:112]) == b"A" * 100  # the old bytes are still there: the same memory


def test_events_that_nobody_takes_stop_the_intake() -> None:
    framer = Framer(4096)
    room = len(framer.get_buffer())
    feed(framer, (RELEASE * room)[:room])
    with pytest.raises(BufferError):
        framer.get_buffer()


@pytest.mark.parametrize(
    ("stream", "error", "reason"),
    [
        (b"\x00", DecodeError, 1),
        (b"\x08", DecodeError, 1),
        (b"GET / HTTP/1.1", DecodeError, 1),
        (struct.pack(">BxI", 4, 5), DecodeError, 6),
        (struct.pack(">BxI", 4, 131073), LimitError, 6),
        (struct.pack(">BxI", 1, 67), DecodeError, 6),
        (struct.pack(">BxI", 1, 0xFFFFFFFF), LimitError, 6),
        (struct.pack(">BxI", 5, 0), DecodeError, 6),
        (struct.pack(">BxI", 7, 0x7FFFFFFF), DecodeError, 6),
        (struct.pack(">BxIIBB", 4, 6, 1, 1, 3), DecodeError, 6),  # PDV shorter than its own header
        (struct.pack(">BxIIBB", 4, 6, 3, 1, 3), DecodeError, 6),  # PDV past the PDU
        (struct.pack(">BxIIBB", 4, 8, 0xFFFFFFFF, 1, 3), DecodeError, 6),
        (struct.pack(">BxIIBB", 4, 6, 2, 2, 3), DecodeError, 6),  # even context id
        (struct.pack(">BxIIBB", 4, 9, 2, 1, 0) + b"abc", DecodeError, 6),  # three bytes that can be no PDV
    ],
)
def test_a_broken_stream_gives_its_abort_reason(stream: bytes, error: type[Exception], reason: int) -> None:
    for step in (1, len(stream)):
        framer = Framer()
        with pytest.raises(error):
            events(framer, stream, step)
        assert framer.fault == reason
        before = framer.get_buffer().nbytes
        for _ in range(100):  # what follows is dropped, not kept
            feed(framer, bytes(1000))
        assert framer.get_buffer().nbytes >= before - 6


def test_the_limit_is_the_pdu_length_itself() -> None:
    data = bytes(4096 - 6)
    assert events(Framer(4096), pdata((1, 2, data)), 100) == [(1, False, data, True)]
    with pytest.raises(LimitError):
        events(Framer(4096), pdata((1, 2, data + b"!")), 100)


def slow_frame(context: int, data: bytes, size: int, is_command: bool) -> bytes:
    pieces = [data[i : i + size] for i in range(0, len(data), size)] or [b""]
    last = len(pieces) - 1
    return b"".join(
        pdata((context, is_command | (2 if index == last else 0), piece)) for index, piece in enumerate(pieces)
    )


@given(
    data=st.binary(max_size=300) | st.integers(16300, 40000).map(lambda n: bytes(range(256)) * (n // 256)),
    max_pdu=st.integers(7, 400) | st.sampled_from([4096, 16384, 131072]),
    cuts=st.lists(st.integers(0, 40000), max_size=4),
    is_command=st.booleans(),
)
def test_frame_equals_its_slow_twin(data: bytes, max_pdu: int, cuts: list[int], is_command: bool) -> None:
    size = payload_size(max_pdu)
    assert 1 <= size <= max_pdu - 6
    assert size % 2 == 0 or max_pdu == 7
    expected = slow_frame(9, data, size, is_command)
    assert b"".join(frame(9, data, size, command=is_command)) == expected
    assert b"".join(frame(9, memoryview(data), size, command=is_command, before=b"xy")) == b"xy" + expected
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[a:b] for a, b in pairwise(edges)]
    assert b"".join(frame(9, parts, size, command=is_command)) == expected


def test_frame_does_not_copy_what_is_large() -> None:
    data = bytearray(1 << 20)
    buffers = frame(1, data, payload_size(0))
    views = [b for b in buffers if isinstance(b, memoryview)]
    assert sum(len(v) for v in views) == len(data)
    assert all(v.obj is data for v in views)


def test_a_data_set_framed_in_calls_ends_once() -> None:
    first = b"".join(frame(1, bytes(20), 10, last=False))
    second = b"".join(frame(1, bytes(5), 10))
    got = events(Framer(), first + second, 7)
    assert got == [(1, False, bytes(25), True)]


@pytest.mark.parametrize("max_pdu", [1, 6])
def test_a_maximum_that_holds_nothing_is_refused(max_pdu: int) -> None:
    with pytest.raises(ValueError, match="nothing fits"):
        payload_size(max_pdu)


@given(
    st.lists(st.binary(max_size=40), min_size=1, max_size=12),
    st.integers(1, 64),
    st.integers(0, 11),
    st.one_of(st.just(-1), st.integers(0, 300)),
)
def test_what_is_diverted_and_what_is_handed_out_are_the_data_set(
    fragments: list[bytes], step: int, after: int, room: int
) -> None:
    last = len(fragments) - 1
    stream = b"".join(pdata((3, 2 * (n == last), data)) for n, data in enumerate(fragments)) + RELEASE
    framer, handed, seen, ends, diverted = Framer(4096, capacity=64), bytearray(), 0, 0, False
    with tempfile.TemporaryFile(buffering=0) as file:
        for start in range(0, len(stream), step):
            rest = stream[start : start + step]
            while rest:
                buffer = framer.get_buffer()
                n = min(len(buffer), len(rest))
                buffer[:n] = rest[:n]
                framer.feed(n)
                rest = rest[n:]
                while (event := framer.next_event()) is not None:
                    if isinstance(event, Pdu):
                        assert event.data == RELEASE[6:]
                        continue
                    if diverted:
                        diverted = False
                        count, error = framer.undivert()
                        assert error == 0
                        file.seek(seen)
                        handed += file.read(count)
                        seen += count
                    handed += event
                    ends += event.is_last
                    if not event.is_last and after == 0:
                        file.seek(seen)
                        framer.divert(file.fileno(), 3, room)
                        diverted = True
                    after = max(0, after - 1)
    assert bytes(handed) == b"".join(fragments)
    assert ends == 1
    assert not framer.receiving
    assert room < 0 or seen <= max(room * len(fragments), 0)


@given(
    st.lists(st.integers(0, 200_000), min_size=1, max_size=6),
    st.lists(st.integers(1, 150_000), min_size=1, max_size=12),
    st.integers(0, 40_000),
)
@settings(deadline=None, max_examples=60)
def test_what_is_taken_in_from_a_socket_is_the_data_set(sizes: list[int], portions: list[int], wanted: int) -> None:
    data = random.Random(sum(sizes)).randbytes(sum(sizes))
    pieces = list(pairwise([0, *itertools.accumulate(sizes)]))
    stream = b"".join(pdata((3, 2 * (n == len(pieces)), data[a:b])) for n, (a, b) in enumerate(pieces, 1)) + RELEASE
    framer, handed, ended, diverted = Framer(1 << 18, capacity=1 << 16), bytearray(), False, False
    framer.hasten(wanted)
    portion = itertools.cycle(portions)
    ours, theirs = socket.socketpair()
    with ours, theirs, tempfile.TemporaryFile(buffering=0) as file:
        theirs.setblocking(False)
        while not ended:
            with contextlib.suppress(BlockingIOError):
                stream = stream[theirs.send(stream[: next(portion)]) :]
            framer.feed(ours.recv_into(framer.get_buffer()))
            framer.take_in(ours.fileno())
            while not ended and (event := framer.next_event()) is not None:
                assert isinstance(event, Pdv)
                handed += event
                ended = event.is_last
                if not diverted and not ended:
                    framer.divert(file.fileno(), 3)
                    diverted = True
        assert framer.undivert() == (len(data) - len(handed), 0)
        file.seek(0)
        assert bytes(handed) + file.read() == data
        theirs.setblocking(True)
        theirs.sendall(stream)  # at most the release: nothing of it has been taken for the data set
        while (event := framer.next_event()) is None:
            framer.feed(ours.recv_into(framer.get_buffer()))
        assert isinstance(event, Pdu)
        assert event.data == RELEASE[6:]


def test_the_beginning_of_a_big_data_set_comes_early() -> None:
    framer = Framer()
    framer.hasten(1000)
    stream = pdata((3, 2, bytes(100_000)))
    feed(framer, stream[:12])  # the headers: from here on it asks for no more than it hurries for
    assert framer.next_event() is None
    assert len(framer.get_buffer()) == 1000
    feed(framer, stream[12:1012])
    event = framer.next_event()
    assert isinstance(event, Pdv)
    assert (len(event), event.is_last) == (1000, False)
    small = Framer()
    small.hasten(1000)
    feed(small, pdata((3, 2, bytes(40_000)))[:20_000])
    assert small.next_event() is None  # for these it is not worth the trouble


def test_only_the_data_set_of_that_context_is_diverted(tmp_path: Path) -> None:
    with open(tmp_path / "sink", "wb", buffering=0) as file:
        framer = Framer()
        framer.divert(file.fileno(), 3)
        stream = pdata((3, 0, b"one")) + pdata((5, 0, b"other")) + pdata((3, 1, b"command")) + pdata((3, 2, b"two"))
        got = [event[:3] for event in events(framer, stream, 7)]
        assert framer.undivert() == (6, 0)
    assert got == [(5, False, b"other"), (3, True, b"command"), (3, False, b"")]
    assert (tmp_path / "sink").read_bytes() == b"onetwo"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_write_that_fails_hands_the_rest_out() -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        framer = Framer()
        framer.divert(full.fileno(), 3)
        assert events(framer, pdata((3, 0, b"one")) + pdata((3, 2, b"two")), 100) == [(3, False, b"onetwo", True)]
        assert framer.undivert() == (0, errno.ENOSPC)


def test_nothing_is_written_once_the_sink_has_been_given_up(tmp_path: Path) -> None:
    """An association that is aborted is read to its end; the sink's descriptor may be another file's by then."""
    machine = Machine(is_requestor=False, limits=Limits(), timeouts=Timeouts())
    session = Session(machine, Limits())
    context = PresentationContext(3, "1.2", "1.2.840.10008.1.2", 0, False, True, ())
    message = CStoreRequest(affected_sop_class_uid="1.2", affected_sop_instance_uid="1.3", context=context)
    session.sink_for = lambda message: FileSink(tmp_path / "sink")
    session._begin(message)
    feed(machine.framer, pdata((3, 0, b"begun")))
    fragment = machine.framer.next_event()
    assert isinstance(fragment, Pdv)
    assert session._data(fragment) is None
    del fragment
    session.discard()
    assert not (tmp_path / "sink").exists()
    with open(tmp_path / "other", "wb", buffering=0):  # gets the lowest free number: the sink's
        feed(machine.framer, pdata((3, 0, b"late" * 10_000)))
        while machine.framer.next_event() is not None:
            continue
    assert (tmp_path / "other").stat().st_size == 0
