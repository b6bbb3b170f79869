"""PS3.8 table 9-10 by socket: each cell that a peer can bring about, in both roles and on both drivers.

What has to happen is looked up in the table. States in which a driver stays for no time at all (Sta3 without an
authenticator, Sta8, Sta9, Sta12: it answers at once) are passed through on the way to others.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from pacskit.core.errors import AssociationAborted, AssociationRejected, AssociationReleased, PacsError
from pacskit.network.config import Timeouts
from pacskit.network.dimse import CEchoRequest
from pacskit.network.identity import Identified
from pacskit.network.pdu import AssociateAccept, ContextResult
from tests.network.drivers import Driver
from tests.network.peers import (
    CT,
    IMPLICIT,
    RELEASE_RP,
    RELEASE_RQ,
    VERIFICATION,
    RawPeer,
    Recorder,
    associate_rq,
    echo_rq,
    settle,
)
from tests.oracles.state_table import COLUMNS

Serve = Callable[..., Any]
Connect = Callable[..., Any]

LONG = Timeouts(connect=30, handshake=30, acse=30, dimse=30, idle=30, release=30)
ARTIM = 0.3
SHORT = Timeouts(connect=30, handshake=30, acse=30, dimse=30, idle=30, release=ARTIM)
PATIENT = Timeouts(connect=30, handshake=30, acse=30, dimse=30, idle=30, release=2)
ABORT = bytes.fromhex("0700 00000004 00000200")
ACCEPT = AssociateAccept("SERVER", "CLIENT", (ContextResult(1, 0, IMPLICIT), ContextResult(3, 0, IMPLICIT))).encode()
# What a peer can bring about: event → bytes; None closes the connection.
EVENTS: dict[int, bytes | None] = {
    3: ACCEPT,
    4: bytes.fromhex("0300 00000004 00010101"),
    6: associate_rq(VERIFICATION, CT),
    10: echo_rq(7),
    12: RELEASE_RQ,
    13: RELEASE_RP,
    16: ABORT,
    17: None,
    19: bytes.fromhex("0800 00000000"),
}
NAMES = {3: "AC", 4: "RJ", 6: "RQ", 10: "P-DATA", 12: "release-RQ", 13: "release-RP", 16: "abort", 17: "close", 19: "?"}
events = pytest.mark.parametrize("event", sorted(EVENTS), ids=NAMES.get)


def said(peer: RawPeer) -> list[tuple[int, ...]]:
    """What the peer is told until the stream ends: types, and of an A-ABORT its source and reason."""
    found: list[tuple[int, ...]] = []
    while (pdu := peer.pdu())[0]:
        kind, body = pdu
        found.append((kind, body[2], body[3]) if kind == 7 else (kind,))
    return found


def expected(state: int, event: int) -> list[tuple[int, ...]]:
    """What the table has the other side say to ``event``, where that ends the association."""
    action = COLUMNS[state][event]
    if action == "AA-8":
        return [(7, 2, 1 if event == 19 else 2)]
    if action == "AA-1":
        return [(7, 0, 0)]
    assert action in {"AA-2", "AA-3", "AA-4", "AA-5", "AR-3", "AR-5", "AE-4"}, action
    return []


def put(peer: RawPeer, event: int) -> None:
    raw = EVENTS[event]
    if raw is None:
        peer.socket.shutdown(socket.SHUT_WR)
    else:
        peer.send(raw)


def put_late(peer: RawPeer, event: int) -> None:
    """To an end that may have closed already, where ARTIM was faster than this thread."""
    with suppress(OSError):
        put(peer, event)


# ---- the acceptor ------------------------------------------------------------------------------------


@events
def test_sta2_awaits_a_request(event: int, serve: Serve) -> None:
    server = serve(timeouts=LONG)
    with RawPeer(server) as peer:
        assert settle(lambda: server.associations == 1)
        put(peer, event)
        if event == 6:  # AE-6, AE-7
            assert peer.pdu()[0] == 2
            peer.send(ABORT)
        else:
            assert said(peer) == expected(2, event)
    assert settle(lambda: server.associations == 0, 30)


@events
def test_sta3_awaits_our_answer(event: int, serve: Serve, driver: Driver) -> None:
    """asyncio reads on while the user is thinking, a thread does not: for that the same comes in Sta6."""
    asked, answer = threading.Event(), threading.Event()

    def slow(identity: Any) -> Identified:
        asked.set()
        assert answer.wait(30)
        return Identified("anybody")

    server = serve(timeouts=LONG, authenticator=slow)
    with RawPeer(server) as peer:
        peer.send(associate_rq(VERIFICATION, CT))
        assert asked.wait(30)
        put(peer, event)
        if driver.name == "threads":
            answer.set()
            assert peer.pdu()[0] == 2
            if event in {10, 12}:  # DT-2 and AR-2
                assert peer.pdu()[0] == {10: 4, 12: 6}[event]
                peer.send(ABORT)
            else:
                assert said(peer) == expected(6, event)
        else:
            told = expected(3, event)
            if told:  # at once
                kind, body = peer.pdu()
                assert [(kind, body[2], body[3])] == told
            answer.set()
            assert said(peer) == []
    assert settle(lambda: server.associations == 0, 30)


@events
def test_sta6_is_established(event: int, serve: Serve) -> None:
    service = Recorder()
    server = serve(service, timeouts=LONG)
    with RawPeer(server) as peer:
        peer.associate()
        put(peer, event)
        if event == 10:  # DT-2, DT-1
            assert peer.pdu()[0] == 4
            put(peer, 16)
        elif event == 12:  # AR-2, AR-4
            assert said(peer) == [(6,)]
        else:
            assert said(peer) == expected(6, event)
    assert settle(lambda: server.associations == 0, 30)
    assert len(service.seen) == (event == 10)


def test_sta8_answers_what_is_due_before_it_agrees_to_release(serve: Serve) -> None:
    """AR-7: P-DATA-TF after A-RELEASE-RQ has come."""
    hold = threading.Event()
    service = Recorder(hold=hold)
    server = serve(service, timeouts=LONG)
    with RawPeer(server) as peer:
        peer.associate()
        peer.send(echo_rq())
        assert service.entered.wait(30)
        peer.send(RELEASE_RQ)
        hold.set()
        assert said(peer) == [(4,), (6,)]


def _rejected(peer: RawPeer) -> None:
    peer.send(associate_rq(VERIFICATION, called="NOBODY"))
    assert peer.pdu()[0] == 3


def _of_another_version(peer: RawPeer) -> None:
    raw = bytearray(associate_rq(VERIFICATION))
    raw[6:8] = b"\x00\x02"
    peer.send(bytes(raw))
    assert peer.pdu() == (3, bytes((0, 1, 2, 2)))


def _released(peer: RawPeer) -> None:
    peer.associate()
    peer.send(RELEASE_RQ)
    assert peer.pdu()[0] == 6


def _aborted_in_sta2(peer: RawPeer) -> None:
    peer.send(RELEASE_RQ)
    assert peer.pdu()[0] == 7


def _aborted_in_sta6(peer: RawPeer) -> None:
    peer.associate()
    peer.send(RELEASE_RP)
    assert peer.pdu()[0] == 7


def _aborted_by_the_user(peer: RawPeer) -> None:
    peer.associate()
    peer.send(b"\x04\0\0\0\0\x06\0\0\0\x02\x01\x02")  # the last fragment of a data set that nobody announced
    assert peer.pdu() == (7, bytes(4))


# Each action after which the acceptor waits in Sta13.
ENDINGS = {
    "AE-6": _of_another_version,
    "AE-8": _rejected,
    "AR-4": _released,
    "AA-1 in Sta2": _aborted_in_sta2,
    "AA-1 in Sta6": _aborted_by_the_user,
    "AA-8": _aborted_in_sta6,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_artim_ends_sta13(ending: str, serve: Serve) -> None:
    """A peer that does not close is left when ARTIM has run out, and not before."""
    server = serve(timeouts=SHORT)
    with RawPeer(server) as peer:
        assert settle(lambda: server.associations == 1)
        began = time.monotonic()
        ENDINGS[ending](peer)
        assert settle(lambda: server.associations == 0, 30)
        assert time.monotonic() - began >= ARTIM
        assert said(peer) == []


@pytest.mark.parametrize("ending", ["AE-8", "AA-8", "AR-4"])
@events
def test_sta13_waits_for_the_connection_to_close(ending: str, event: int, serve: Serve) -> None:
    """AA-6: nothing comes of what arrives. AA-2, AR-5: an A-ABORT and the end of the connection end it, not ARTIM.

    Of AA-7's A-ABORT the peer sees nothing: our half of the connection is closed by then.
    """
    action = COLUMNS[13][event]
    ends = action in {"AA-2", "AR-5"}
    server = serve(timeouts=LONG if ends else SHORT)
    with RawPeer(server) as peer:
        assert settle(lambda: server.associations == 1)
        began = time.monotonic()
        ENDINGS[ending](peer)
        put_late(peer, event)
        assert settle(lambda: server.associations == 0, 20)
        if not ends:
            assert time.monotonic() - began >= ARTIM
        assert said(peer) == []


# ---- the requestor -----------------------------------------------------------------------------------


@contextmanager
def listening(script: Callable[[RawPeer], None]) -> Iterator[int]:
    """A peer that accepts one connection and follows ``script``; yields its port."""
    failures: list[BaseException] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        peer = RawPeer.__new__(RawPeer)
        peer.socket, _ = listener.accept()
        peer.socket.settimeout(30)
        with peer:
            try:
                assert peer.pdu()[0] == 1
                script(peer)
            except BaseException as exc:
                failures.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(60)
        listener.close()
    assert not thread.is_alive()
    assert failures == []


def connection_of(association: Any) -> Any:
    return getattr(association, "_inner", association)._connection


@events
def test_sta5_awaits_the_answer(event: int, connect: Connect) -> None:
    def script(peer: RawPeer) -> None:
        put(peer, event)
        if event == 3:  # AE-3, and AR-1
            assert peer.pdu()[0] == 5
            peer.send(RELEASE_RP)
        else:
            assert said(peer) == expected(5, event)

    with listening(script) as port:
        if event == 3:
            connect(port, timeouts=LONG).release()
            return
        with pytest.raises(AssociationRejected if event == 4 else AssociationAborted) as caught:
            connect(port, timeouts=LONG)
    if isinstance(caught.value, AssociationAborted):
        # AA-3 has the peer's source, AA-4 none, AA-8 ours.
        assert caught.value.source == (None if event == 17 else 2)


@events
def test_sta6_awaits_a_response(event: int, connect: Connect) -> None:
    def script(peer: RawPeer) -> None:
        peer.send(ACCEPT)
        assert peer.pdu()[0] == 4
        put(peer, event)
        if event == 12:  # AR-2, AR-4
            assert said(peer) == [(6,)]
        elif event == 10:  # a request that is none of the requestor's: the association goes on
            assert peer.pdu()[0] == 4
            peer.send(ABORT)
        else:
            assert said(peer) == expected(6, event)

    with listening(script) as port:
        association = connect(port, timeouts=LONG)
        with pytest.raises(AssociationReleased if event == 12 else AssociationAborted):
            association.perform(CEchoRequest())
        assert not association.is_open
        association.release()


@events
def test_sta7_awaits_the_release(event: int, connect: Connect) -> None:
    def script(peer: RawPeer) -> None:
        peer.send(ACCEPT)
        assert peer.pdu()[0] == 5
        put(peer, event)
        if event == 10:  # AR-6: it came too late, and is passed over
            peer.send(RELEASE_RP)
            assert said(peer) == []
        elif event == 12:  # AR-8, AR-9, AR-3
            assert peer.pdu()[0] == 6
            peer.send(RELEASE_RP)
            assert said(peer) == []
        else:
            assert said(peer) == expected(7, event)

    released(connect, script)


def released(connect: Connect, script: Callable[[RawPeer], None], *, is_requestor: bool = True) -> None:
    """Release an association with a peer that follows ``script``: it is over whatever the peer does."""
    with listening(script) as port:
        association = connect(port, timeouts=LONG)
        # Table 9-10 knows the role in the collision alone, and so does the machine.
        connection_of(association).machine.is_requestor = is_requestor
        try:
            association.release()
        except PacsError as exc:
            pytest.fail(f"a release that raises: {exc!r}")
        assert not association.is_open


@events
def test_sta10_is_a_collision_seen_by_the_acceptor(event: int, connect: Connect) -> None:
    def script(peer: RawPeer) -> None:
        peer.send(ACCEPT)
        assert peer.pdu()[0] == 5
        peer.send(RELEASE_RQ)
        put(peer, event)
        if event == 13:  # AR-10, AR-4: the acceptor agrees after the requestor
            assert said(peer) == [(6,)]
        else:
            assert said(peer) == expected(10, event)

    released(connect, script, is_requestor=False)


@events
def test_sta11_is_a_collision_seen_by_the_requestor(event: int, connect: Connect) -> None:
    def script(peer: RawPeer) -> None:
        peer.send(ACCEPT)
        assert peer.pdu()[0] == 5
        peer.send(RELEASE_RQ)
        assert peer.pdu()[0] == 6  # AR-8, AR-9: the requestor agrees first
        put(peer, event)
        assert said(peer) == expected(11, event)

    released(connect, script)


@pytest.mark.parametrize("is_requestor", [True, False], ids=["Sta11", "Sta10"])
def test_a_collision_that_stays_halfway_ends_by_an_abort(is_requestor: bool, connect: Connect) -> None:
    def script(peer: RawPeer) -> None:
        peer.send(ACCEPT)
        assert peer.pdu()[0] == 5
        peer.send(RELEASE_RQ)
        assert said(peer) == [*([(6,)] if is_requestor else []), (7, 0, 0)]

    with listening(script) as port:
        association = connect(port, timeouts=PATIENT)
        connection_of(association).machine.is_requestor = is_requestor
        association.release()
        assert not association.is_open


@events
def test_sta13_of_the_requestor(event: int, connect: Connect) -> None:
    """After an A-ABORT of ours the peer is read until it closes, aborts too, or ARTIM runs out."""
    ends = COLUMNS[13][event] in {"AA-2", "AR-5"}
    done = threading.Event()

    def script(peer: RawPeer) -> None:
        peer.send(ACCEPT)
        assert said(peer) == [(7, 0, 0)]
        put_late(peer, event)
        assert done.wait(20)

    with listening(script) as port:
        association = connect(port, timeouts=LONG if ends else SHORT)
        began = time.monotonic()
        association.abort()
        if not ends:
            assert time.monotonic() - began >= ARTIM
        done.set()


def test_artim_ends_sta13_of_the_requestor_after_a_release_by_the_peer(connect: Connect) -> None:
    done = threading.Event()

    def script(peer: RawPeer) -> None:
        peer.send(ACCEPT)
        peer.send(RELEASE_RQ)
        kinds = [peer.pdu()[0]]
        while kinds[-1] == 4:  # what was on its way
            kinds.append(peer.pdu()[0])
        assert kinds[-1] == 6
        assert done.wait(20)

    with listening(script) as port:
        association = connect(port, timeouts=SHORT)
        began = time.monotonic()
        with pytest.raises(AssociationReleased):
            association.perform(CEchoRequest())
        assert time.monotonic() - began >= ARTIM
        done.set()
