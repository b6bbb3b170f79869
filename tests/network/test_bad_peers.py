"""What a peer does wrong: the right A-ABORT or reject, within its deadline, and the others unharmed."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CEchoRequest
from pacskit_ext._fragments import frame
from tests.network.drivers import Driver
from tests.network.peers import (
    CT,
    FAST,
    RELEASE_RQ,
    VERIFICATION,
    RawPeer,
    Recorder,
    associate_rq,
    connect,
    echo_rq,
    settle,
    store_rq,
)

Serve = Callable[..., Any]

# After the association: what is sent, and the source and reason of the A-ABORT that comes back (PS3.8 9.3.8).
FAULTS = {
    "unknown PDU type": (b"\x09\x00\x00\x00\x00\x00", (2, 1)),
    "P-DATA longer than our maximum": (struct.pack(">BxI", 4, 1 << 30), (2, 6)),
    "P-DATA without a PDV": (struct.pack(">BxI", 4, 0), (2, 6)),
    "PDV past its PDU": (struct.pack(">BxIIBB", 4, 10, 4000, 1, 3), (2, 6)),
    "PDV without its header": (struct.pack(">BxIIBB", 4, 10, 1, 1, 3), (2, 6)),
    "even context id": (b"".join(frame(1, b"xx", 100)).replace(b"\x01\x02xx", b"\x02\x02xx"), (2, 6)),
    "context that was never proposed": (echo_rq(context=99), (2, 6)),
    "A-ASSOCIATE-RQ again": (associate_rq(VERIFICATION), (2, 2)),
    "A-ASSOCIATE-RJ": (bytes.fromhex("0300 00000004 00010101"), (2, 2)),
    "A-RELEASE-RP unasked": (bytes.fromhex("0600 00000004 00000000"), (2, 2)),
    "A-RELEASE-RQ of the wrong length": (bytes.fromhex("0500 00000006 000000000000"), (2, 6)),
    "data before a command": (b"".join(frame(1, b"data", 100)), (0, 0)),
    "command while a data set is due": (store_rq() + echo_rq(), (0, 0)),
    "data set in another context": (store_rq() + b"".join(frame(1, b"data", 100)), (0, 0)),
    "command set that is cut off": (b"".join(frame(1, b"\0\0\0\0\4\0", 100, command=True)), (0, 0)),
    "command set that never ends": (b"".join(frame(1, bytes(100), 100, command=True, last=False)) * 700, (0, 0)),
    "response that nobody asked for": (
        b"".join(
            frame(
                1,
                bytes.fromhex(
                    "0000 0001 02000000 3080 0000 2001 02000000 0100 0000 0008 02000000 0101 0000 0009 02000000 0000"
                ),
                100,
                command=True,
            )
        ),
        (0, 0),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_answered_by_its_abort(fault: str, serve: Serve) -> None:
    sent, abort = FAULTS[fault]
    server = serve(timeouts=FAST)
    with RawPeer(server) as good, RawPeer(server) as bad:
        good.associate()
        bad.associate()
        bad.send(sent)
        kind, body = bad.pdu()
        assert kind == 7
        assert (body[2], body[3]) == abort
        assert bad.pdu() == (0, b"")
        good.send(echo_rq())
        assert good.pdu()[0] == 4


@pytest.mark.parametrize(
    ("sent", "abort"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", (0, 0)),
        (echo_rq(), (0, 0)),
        (RELEASE_RQ, (0, 0)),
        (struct.pack(">BxI", 1, 1 << 24), (0, 0)),
        (associate_rq(VERIFICATION).replace(VERIFICATION.encode(), b"\xff" * 17), (0, 0)),
    ],
)
def test_anything_but_a_request_is_aborted(sent: bytes, abort: tuple[int, int], serve: Serve) -> None:
    """AA-1 in Sta2 names the service user as the source (PS3.8 table 9-9)."""
    with RawPeer(serve(timeouts=FAST)) as peer:
        peer.send(sent)
        kind, body = peer.pdu()
        assert (kind, body[2], body[3]) == (7, *abort)
        assert peer.pdu() == (0, b"")


def test_artim_ends_a_connection_that_says_nothing(serve: Serve) -> None:
    with RawPeer(serve(timeouts=Timeouts(acse=0.2))) as peer:
        began = time.monotonic()
        assert peer.pdu() == (0, b"")
        assert 0.15 < time.monotonic() - began < 5


def test_a_slow_association_request_does_not_outlive_artim(serve: Serve) -> None:
    server = serve(timeouts=Timeouts(acse=0.4))
    with RawPeer(server) as peer:
        _trickle(peer, associate_rq(VERIFICATION), 0.02, 5)
        assert settle(lambda: server.associations == 0)


def test_a_byte_at_a_time_does_not_outlive_the_dimse_deadline(serve: Serve) -> None:
    server = serve(timeouts=Timeouts(dimse=0.4, release=0.2), limits=Limits(min_rate=1 << 20))
    with RawPeer(server) as peer:
        peer.associate()
        peer.send(store_rq())
        _trickle(peer, b"".join(frame(3, bytes(5000), 16000)), 0.01, 5)
        assert settle(lambda: server.associations == 0)


def _trickle(peer: RawPeer, data: bytes, gap: float, seconds: float) -> None:
    end = time.monotonic() + seconds
    try:
        for index in range(len(data)):
            peer.send(data[index : index + 1])
            time.sleep(gap)
            assert time.monotonic() < end, "the server let itself be held"
    except ConnectionError:
        return


def test_a_message_that_stops_half_way_ends_at_the_dimse_deadline(serve: Serve) -> None:
    server = serve(timeouts=Timeouts(dimse=0.3, release=0.2))
    with RawPeer(server) as peer:
        peer.associate()
        peer.send(store_rq(), b"".join(frame(3, bytes(500), 16000))[:100])
        assert peer.pdu()[0] == 7
        assert settle(lambda: server.associations == 0)


def test_a_peer_that_never_reads_cannot_hold_us(serve: Serve) -> None:
    """It asks and asks; the answers fill both buffers; then the sender's deadline ends it."""
    server = serve(timeouts=Timeouts(dimse=0.4, release=0.2))
    with RawPeer(server) as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.associate()
        peer.socket.settimeout(0.5)
        burst = echo_rq() * 500
        end = time.monotonic() + 120  # as long as a busy machine needs to fill both buffers
        while server.associations and time.monotonic() < end:
            try:
                peer.send(burst)
            except (TimeoutError, ConnectionError):
                continue
        assert settle(lambda: server.associations == 0)


def test_an_idle_association_ends(serve: Serve) -> None:
    with RawPeer(serve(timeouts=Timeouts(idle=0.2, release=0.2))) as peer:
        peer.associate()
        assert peer.pdu()[0] == 7


def test_an_abort_in_the_middle_of_a_pdv_leaves_nothing(serve: Serve) -> None:
    aborted = threading.Event()

    class Sink:
        def write(self, chunk: object) -> None: ...
        def close(self) -> None:
            raise AssertionError

        def abort(self) -> None:
            aborted.set()

    service = Recorder(sinks=Sink)
    server = serve(service)
    for ending in (bytes.fromhex("0700 00000004 00000000"), b""):
        aborted.clear()
        with RawPeer(server) as peer:
            peer.associate()
            # The first fragment is whole, so an A-ABORT may follow; without one the connection is just cut.
            peer.send(store_rq(), b"".join(frame(3, bytes(5000), 4000))[:4012], ending)
            if not ending:
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                settle(lambda: server.associations == 1)
                peer.close()
            assert aborted.wait(5)
    assert service.seen == []


def test_a_flood_of_associations_is_refused_and_served_again(serve: Serve, driver: Driver) -> None:
    # a silent one that comes in after the two have left has these seconds, and the others all the time they need
    server = serve(limits=Limits(max_associations=2), timeouts=Timeouts(handshake=8, acse=8))
    threads = threading.active_count()
    peers = [RawPeer(server) for _ in range(2)]
    for peer in peers:
        peer.associate()
    extra = [RawPeer(server) for _ in range(20)]
    for peer in extra:
        peer.send(associate_rq(VERIFICATION))
    for peer in extra:
        assert peer.pdu() == (3, bytes((0, 2, 3, 2)))  # rejected-transient, presentation provider, local limit
        assert peer.pdu() == (0, b"")
    assert threading.active_count() <= threads + 2
    silent = [socket.create_connection(server.address) for _ in range(100)]  # more than are told; none says anything
    for peer in peers:
        peer.send(echo_rq())
        assert peer.pdu()[0] == 4
        peer.send(RELEASE_RQ)
        assert peer.pdu()[0] == 6
        peer.close()
    assert settle(lambda: server.associations == 0, 60)
    with connect(server, [VERIFICATION]) as again:
        assert again.perform(CEchoRequest()).status.is_success
    for peer in extra:
        peer.close()
    for sock in silent:
        sock.close()


def test_a_sink_that_fails_is_answered_and_the_association_goes_on(serve: Serve) -> None:
    class Full:
        def write(self, chunk: object) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None: ...
        def abort(self) -> None: ...

    server = serve(Recorder(sinks=Full))
    with RawPeer(server) as peer:
        peer.associate(VERIFICATION, CT)
        peer.send(store_rq(), b"".join(frame(3, bytes(100_000), 16378)))
        kind, body = peer.pdu()
        assert kind == 4
        assert b"\0\0\0\x09\x02\0\0\0\x10\x01" in body  # status 0110H
        peer.send(echo_rq())
        assert peer.pdu()[0] == 4


def test_an_object_over_the_limit_is_refused_with_a700(serve: Serve) -> None:
    with RawPeer(serve(limits=Limits(max_object=1000))) as peer:
        peer.associate(VERIFICATION, CT)
        peer.send(store_rq(), b"".join(frame(3, bytes(5000), 16378)))
        assert b"\0\0\0\x09\x02\0\0\0\x00\xa7" in peer.pdu()[1]
