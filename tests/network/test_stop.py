"""Stopping a server: at once, with grace, and under load; and what it costs while it idles."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from pacskit.network.dimse import CEchoRequest
from pacskit.network.sink import MemorySink
from tests.network.peers import (
    RawPeer,
    Recorder,
    echo_rq,
    settle,
    store,
)

Serve = Callable[..., Any]
Connect = Callable[..., Any]


def test_stop_ends_idle_associations_at_once_with_an_abort(serve: Serve) -> None:
    server = serve()
    peers = [RawPeer(server) for _ in range(5)]
    for peer in peers[:4]:
        peer.associate()
    assert settle(lambda: server.associations == 5)
    address = server.address
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 1
    with pytest.raises(ConnectionRefusedError):
        RawPeer(address)
    for peer in peers[:4]:
        assert peer.pdu() == (7, bytes(4))
    for peer in peers:
        assert peer.pdu() == (0, b"")
        peer.close()


def test_stop_lets_a_running_operation_finish(serve: Serve) -> None:
    hold = threading.Event()
    service = Recorder(hold=hold)
    server = serve(service)
    with RawPeer(server) as peer:
        peer.associate()
        peer.send(echo_rq())
        assert service.entered.wait(5)
        threading.Timer(0.2, hold.set).start()
        server.stop(grace=5)
        assert peer.pdu()[0] == 4
        assert peer.pdu()[0] == 7


def test_stop_does_not_wait_longer_than_its_grace(serve: Serve) -> None:
    hold = threading.Event()
    service = Recorder(hold=hold)
    server = serve(service)
    with RawPeer(server) as peer:
        peer.associate()
        peer.send(echo_rq())
        assert service.entered.wait(5)
        began = time.monotonic()
        server.stop(grace=0.3)
        assert time.monotonic() - began < 2
        hold.set()
        assert peer.pdu() == (0, b"")


def test_stop_under_load_loses_nothing_that_was_acknowledged(serve: Serve, connect: Connect) -> None:
    service = Recorder(sinks=MemorySink)
    server = serve(service)
    acknowledged: list[int] = []

    def client() -> None:
        try:
            association = connect(server)
            while association.perform(store(), bytes(50_000)).status.is_success:
                acknowledged.append(1)
        except OSError:
            return

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert settle(lambda: len(acknowledged) > 50)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 2
    for thread in threads:
        thread.join(10)
    assert len(acknowledged) <= len(service.seen)


def test_idle_associations_cost_nothing(serve: Serve) -> None:
    server = serve()
    peers = [RawPeer(server) for _ in range(50)]
    for peer in peers:
        peer.associate()
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.05
    for peer in peers:
        peer.close()


def test_many_associations_come_and_go(serve: Serve, connect: Connect) -> None:
    """What is left behind is counted by the fixture."""
    server = serve(Recorder(sinks=MemorySink))
    for turn in range(150):
        association = connect(server)
        assert association.perform(CEchoRequest()).status.is_success
        assert association.perform(store(), bytes(1000)).status.is_success
        if turn % 3:
            association.release()
        else:
            association.abort()
    assert settle(lambda: server.associations == 0)
