"""What happens is told: events with their times, traces, captures, a relay between others."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pacskit
from pacskit.core.errors import AssociationRejected, DecodeError
from pacskit.core.events import (
    AssociationClosed,
    AssociationOpened,
    AssociationRefused,
    BytesPassed,
    Event,
    EventBus,
    MessageReceived,
    MessageSent,
    PduPassed,
)
from pacskit.network.aio_connection import Connection as AioConnection
from pacskit.network.connection import Connection
from pacskit.network.dimse import CEchoRequest, CFindRequest
from pacskit.network.flow import Call, Cancelled, Flow, Request, Send
from pacskit.network.negotiation import AssociationInfo
from pacskit.network.observe import PduWalker
from pacskit.network.pcap import PcapWriter, read_pcap
from pacskit.network.relay import Relay
from pacskit.network.streams import StreamDecoder
from pacskit.network.tap import PcapTap, TraceTap
from pacskit.security.context import TlsContext
from tests.conftest import ROOT
from tests.network.peers import (
    CT,
    FIND,
    RELEASE_RP,
    RELEASE_RQ,
    VERIFICATION,
    Recorder,
    associate_rq,
    echo_rq,
    settle,
    store,
    store_rq,
)

Serve = Callable[..., Any]
Connect = Callable[..., Any]
KINDS = (AssociationOpened, AssociationRefused, AssociationClosed, MessageSent, MessageReceived, PduPassed)


def listening(*kinds: type[Event]) -> tuple[EventBus, list[Event]]:
    bus = EventBus()
    seen: list[Event] = []
    for kind in kinds or KINDS:
        bus.subscribe(kind, seen.append)
    return bus, seen


def address(server: Any, ae: str = "SERVER") -> str:
    return f"{ae}@127.0.0.1:{server.address[1]}"


def test_the_events_of_both_ends(serve: Serve, connect: Connect) -> None:
    ours, mine = listening()
    theirs, its = listening()
    hold = threading.Event()
    server = serve(Recorder(hold=hold), events=theirs)
    with connect(server, events=ours) as association:
        threading.Timer(0.2, hold.set).start()
        assert association.perform(CEchoRequest()).status == 0
        link = mine[0].link
        assert (link.is_requestor, link.peer) == (True, server.address)
    server.stop()
    sent = [type(one).__name__ for one in mine if not isinstance(one, PduPassed)]
    assert sent == ["AssociationOpened", "MessageSent", "MessageReceived", "AssociationClosed"]
    received = [type(one).__name__ for one in its if not isinstance(one, PduPassed)]
    assert received == ["AssociationOpened", "MessageReceived", "MessageSent", "AssociationClosed"]
    pdus = [(one.type, one.sent) for one in mine if isinstance(one, PduPassed)]
    assert pdus == [(1, True), (2, False), (4, True), (4, False), (5, True), (6, False)]
    answer = next(one for one in mine if isinstance(one, MessageReceived))
    assert (answer.name, answer.message_id, answer.status) == ("C-ECHO-RSP", 1, 0)
    assert answer.waited > 0.15  # the peer took its time,
    worked = next(one for one in its if isinstance(one, MessageSent))
    assert worked.worked > 0.15  # and knows that it was its own
    closed = next(one for one in mine if isinstance(one, AssociationClosed))
    other = next(one for one in its if isinstance(one, AssociationClosed))
    assert (closed.how, other.how) == ("released", "released")
    assert (closed.messages_sent, closed.messages_received) == (1, 1)
    assert (closed.bytes_sent, closed.bytes_received) == (other.bytes_received, other.bytes_sent)
    assert closed.waited > 0.15
    assert other.worked > 0.15


def test_under_tls_what_is_told_is_what_is_inside(
    serve: Serve, connect: Connect, mutual: TlsContext, tmp_path: Path
) -> None:
    ours, mine = listening(PduPassed, MessageSent, MessageReceived)
    theirs, its = listening(AssociationClosed)
    lines: list[str] = []
    with (
        serve(events=theirs, tls=mutual) as server,
        TraceTap(ours, lines.append),
        PcapTap(ours, tmp_path / "a.pcap"),
        connect(server, events=ours, tls=mutual) as association,
    ):
        assert association.perform(store(), b"\x10\x00\x10\x00\x04\x00\x00\x00A^B " * 40_000).status == 0
    assert [(one.type, one.sent) for one in mine if isinstance(one, PduPassed) and one.type != 4] == [
        (1, True), (2, False), (5, True), (6, False),
    ]  # fmt: skip
    sizes = [(one.name, one.size > 480_000) for one in mine if isinstance(one, (MessageSent, MessageReceived))]
    assert sizes == [("C-STORE-RQ", True), ("C-STORE-RSP", False)]
    assert any("C-STORE-RSP 1, 0x0000 (Success)" in line for line in lines)
    (closed,) = its
    assert isinstance(closed, AssociationClosed)
    assert closed.how == "released"
    segments = list(read_pcap(tmp_path / "a.pcap"))
    client = segments[0].source
    assert sum(len(one.data) for one in segments if one.source == client) == closed.bytes_received


def test_a_cancel_is_told_once(serve: Serve, connect: Connect) -> None:
    theirs, its = listening(MessageReceived)
    entered, go_on = threading.Event(), threading.Event()

    class Finder(Recorder):
        def serve(self, request: Request, association: AssociationInfo) -> Flow:
            entered.set()
            while not (yield Cancelled(request.command.message_id)):
                yield Call(go_on.wait, 0.005)
            yield Send(request.command.response(0xFE00))

    server = serve(Finder(sop_classes=(FIND,)), events=theirs)
    with connect(server, [FIND]) as association:
        request = CFindRequest(affected_sop_class_uid=FIND, message_id=7)
        answers = association.perform_iter(request, b"\x08\x00\x52\x00\x06\x00\x00\x00STUDY ")

        def cancel() -> None:
            entered.wait(30)
            association.cancel(7, association.accepted[0])

        canceller = threading.Thread(target=cancel)
        canceller.start()
        assert [int(one.status) for one in answers] == [0xFE00]
        canceller.join()
    names = [one.name for one in its if isinstance(one, MessageReceived)]
    assert names == ["C-FIND-RQ", "C-CANCEL-RQ"]


def test_how_an_association_ended(serve: Serve, connect: Connect) -> None:
    ours, mine = listening(AssociationClosed, AssociationRefused)
    theirs, its = listening(AssociationClosed, AssociationRefused)
    server = serve(events=theirs, calling=["CLIENT"])
    connect(server, events=ours).abort()
    assert settle(lambda: bool(its))  # the other end tells it when it has closed
    with pytest.raises(AssociationRejected):
        connect(server, [VERIFICATION], calling="OTHER", events=ours)
    server.stop()
    assert [one.how for one in mine if isinstance(one, AssociationClosed)] == ["aborted by us", "rejected"]
    assert [one.how for one in its if isinstance(one, AssociationClosed)] == ["aborted by the peer", "rejected"]
    for seen, by_us in ((mine, False), (its, True)):
        (refused,) = (one for one in seen if isinstance(one, AssociationRefused))
        assert refused.by_us is by_us
        assert "calling AE title not recognized" in refused.reason


def test_a_handler_that_fails_harms_nobody_and_nothing_is_made_unasked(serve: Serve, connect: Connect) -> None:
    bus, seen = listening(MessageSent)
    bus.subscribe(MessageSent, lambda event: 1 / 0)
    with connect(serve(), events=bus) as association:
        assert association.perform(CEchoRequest()).status == 0
    assert len(seen) == 1
    with connect(serve(), [VERIFICATION], calling="X") as plain:
        assert type(plain._connection) in (Connection, AioConnection)  # without a bus there is nothing in between


@pytest.mark.parametrize("step", [1, 3, 7, 1000])
def test_the_heads_of_pdus_in_any_pieces(step: int) -> None:
    data = associate_rq(VERIFICATION) + echo_rq() + RELEASE_RQ + store_rq() + RELEASE_RP
    walker, found = PduWalker(), []
    for start in range(0, len(data), step):
        found += walker.feed(data[start : start + step])
    assert [kind for kind, _, _ in found][:4] == [1, 4, 5, 4]
    assert sum(6 + length for _, length, _ in found) == len(data)


def test_a_trace_names_what_passes(serve: Serve, connect: Connect) -> None:
    bus = EventBus()
    lines: list[str] = []
    data = associate_rq(VERIFICATION, CT) + echo_rq() + store_rq()
    for step in (1, 1000):
        decoder = StreamDecoder()
        told = [
            text for start in range(0, len(data), step) for text in decoder.feed(data[start : start + step], sent=True)
        ]
        assert told[0].startswith("A-ASSOCIATE-RQ RAW -> SERVER, 2 contexts")
        assert told[3] == "C-ECHO-RQ 1, Verification SOP Class"
        assert [*decoder.rest()] == ["C-STORE-RQ of the requestor: its data set did not end"]
    with TraceTap(bus, lines.append), connect(serve(), events=bus) as association:
        association.perform(CEchoRequest())
    shown = [line[13:] for line in lines]
    assert shown[0].startswith("#1 > A-ASSOCIATE-RQ CLIENT -> SERVER, 2 contexts")
    assert "#1 < C-ECHO-RSP 1, 0x0000 (Success), Verification SOP Class" in shown
    assert re.match(r"#1 > closed: released; \d+ bytes sent", shown[-1])
    assert next(StreamDecoder().feed(b"GET / HTTP/1.1\r\n" * 100, sent=True)).startswith("PDU")


def captured(serve: Serve, connect: Connect, path: Path) -> bytes:
    """A capture of an association that stores 100 kB; what was sent."""
    bus = EventBus()
    parts: list[bytes] = []
    bus.subscribe(BytesPassed, lambda event: parts.append(event.data) if event.sent else None)
    with PcapTap(bus, path), connect(serve(Recorder()), events=bus) as association:
        assert association.perform(store(), b"\x10\x00\x10\x00\x04\x00\x00\x00A^B " * 8000).status == 0
    return b"".join(parts)


def test_a_capture_reads_back(serve: Serve, tmp_path: Path, connect: Connect) -> None:
    sent = captured(serve, connect, tmp_path / "a.pcap")
    segments = list(read_pcap(tmp_path / "a.pcap"))
    client = segments[0].source
    assert b"".join(one.data for one in segments if one.source == client) == sent
    assert sum(one.ends for one in segments) == 2


def test_a_capture_with_packets_lost_twice_and_out_of_order(tmp_path: Path) -> None:
    client, server = ("10.0.0.1", 5000), ("fe80::1", 104)
    for ends in ((client, ("10.0.0.2", 104)), (("fe80::2", 5000), server)):
        path = tmp_path / "o.pcap"
        writer = PcapWriter(path)
        for number in range(6):
            writer.write(1, *ends, bytes([65 + number]) * 10, sent=True, at=100 + number)
        writer.close()
        raw = path.read_bytes()
        packets, at = [], 24
        while at < len(raw):
            size = 16 + struct.unpack_from("<I", raw, at + 8)[0]
            packets.append(raw[at : at + size])
            at += size
        order = [0, 1, 2, 5, 4, 4, 3, 3, 8, 7, 6, 5]
        path.write_bytes(raw[:24] + b"".join(packets[number] for number in order))
        told = b"".join(segment.data for segment in read_pcap(path))
        assert told == b"".join(bytes([65 + number]) * 10 for number in range(6))


@pytest.mark.parametrize(
    "bad", [b"", b"\x0a\x0d\x0d\x0a" + bytes(30), struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 9, 105)]
)
def test_what_is_no_capture_is_refused(bad: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bad)
    with pytest.raises(DecodeError):
        list(read_pcap(tmp_path / "x"))


def test_a_relay_tells_what_passes(serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pacskit.cli import main

    bus, seen = listening(AssociationClosed)
    server = serve()
    with Relay(server.address, bus) as relay, PcapTap(bus, tmp_path / "r.pcap"):
        for _ in range(3):
            assert pacskit.echo(f"SERVER@127.0.0.1:{relay.address[1]}").is_success
        idle = pacskit.connect(f"SERVER@127.0.0.1:{relay.address[1]}")
        idle.echo()
    idle.close()
    assert [one.how for one in seen if isinstance(one, AssociationClosed)][:3] == ["released"] * 3
    assert main(["trace", str(tmp_path / "r.pcap")]) == 0
    shown = capsys.readouterr().out
    assert shown.count("C-ECHO-RSP 1, 0x0000 (Success)") == 4
    assert main(["trace"]) == 2


def test_the_command_listens_and_prints(serve: Serve) -> None:
    server = serve()
    process = subprocess.Popen(
        [sys.executable, "-m", "pacskit", "trace", "--to", f"127.0.0.1:{server.address[1]}"],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline().split(",")[0].rpartition(":")[2])
        assert pacskit.echo(f"SERVER@127.0.0.1:{port}").is_success
        lines: list[str] = []
        while not lines or "closed" not in lines[-1]:
            lines.append(process.stdout.readline())
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
    assert any("C-ECHO-RQ 1" in line for line in lines)
