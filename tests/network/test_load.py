"""An archive under load: stopped, it loses nothing it has acknowledged; crowded by bad peers, it serves the others."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import pacskit
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CEchoRequest
from pacskit.services.registry import archive_services
from pacskit.storage import Store
from pacskit_ext._fragments import frame
from tests.network.drivers import DRIVERS, Driver
from tests.network.peers import CT, RELEASE_RQ, VERIFICATION, RawPeer, associate_rq, echo_rq, settle, store_rq
from tests.network.test_bad_peers import FAULTS
from tests.soak.load import Load
from tests.soak.objects import Ledger
from tests.unit.storage.objects import instance

pytestmark = pytest.mark.parametrize("driver", DRIVERS, indirect=True)

Serve = Callable[..., Any]
Archive = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "archive", digest=True) as made:
        yield made


@pytest.fixture
def archive(store: Store, driver: Driver) -> Iterator[Archive]:
    """Serve ``store`` with the driver of the test."""
    started = []

    def start(**options: Any) -> Any:
        options.setdefault("ae", "SERVER")
        if driver.tls is not None:
            options.setdefault("tls", driver.tls)
        server = driver.server(archive_services(store, ae="SERVER", resolve=lambda ae: None), **options)
        started.append(server.__enter__())
        return started[-1]

    yield start
    for server in started:
        server.stop()


def address(server: Any) -> str:
    return f"SERVER@127.0.0.1:{server.address[1]}"


def left_in_staging(directory: Path) -> list[str]:
    """What has been begun and is neither kept nor given up; a file that was made ahead holds nothing."""
    return [path.name for path in (directory / "staging").rglob("*") if path.is_file() and path.stat().st_size]


@pytest.mark.parametrize("grace", [1.5, 0.0])
def test_stopped_under_load_it_keeps_what_it_has_acknowledged(
    grace: float, archive: Archive, store: Store, driver: Driver
) -> None:
    server, ledger = archive(), Ledger()
    load = Load(driver, address(server), ledger, tls=driver.tls)
    load.start()
    assert load.enough.wait(60)
    server.stop(grace)
    assert load.join(), "associations outlive their server"
    assert load.surprises == []
    assert len(ledger.acknowledged) >= 80
    assert ledger.missing(store) == []
    assert server.associations == 0


# ---- bad peers ---------------------------------------------------------------------------------------

QUICK = Timeouts(connect=30, handshake=3, acse=3, dimse=3, idle=30, release=1)


class Crowd:
    """Peers that do their worst until they are thrown out."""

    def __init__(self, server: Any, count: int) -> None:
        self._server = server
        self._stop = threading.Event()
        kinds = [self._trickles, self._trickles_data, self._never_reads, self._comes_and_goes, *self._faulty()]
        self._threads = [threading.Thread(target=self._until_stopped, args=(kind,)) for kind in kinds * count]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads)

    def _until_stopped(self, kind: Callable[[RawPeer], None]) -> None:
        while not self._stop.is_set():
            try:
                with RawPeer(self._server) as peer:
                    kind(peer)
            except (OSError, AssertionError):  # thrown out, or not let in: there are as many as may be
                self._stop.wait(0.01)

    def _trickles(self, peer: RawPeer) -> None:
        """A byte and a pause."""
        self._drip(peer, associate_rq(VERIFICATION))

    def _trickles_data(self, peer: RawPeer) -> None:
        peer.associate()
        peer.send(store_rq())
        self._drip(peer, b"".join(frame(3, bytes(5000), 16000)))

    def _drip(self, peer: RawPeer, data: bytes) -> None:
        for byte in data:
            peer.send(bytes((byte,)))
            if self._stop.wait(0.1):
                return

    def _never_reads(self, peer: RawPeer) -> None:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.associate()
        peer.socket.settimeout(0.2)
        while not self._stop.is_set():
            with suppress(TimeoutError):
                peer.send(echo_rq() * 200)

    def _comes_and_goes(self, peer: RawPeer) -> None:
        """An association that ends in the middle of a fragment of a data set, without a word."""
        peer.associate()
        peer.send(store_rq(), b"".join(frame(3, bytes(60_000), 16000))[:40_000])
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _faulty(self) -> list[Callable[[RawPeer], None]]:
        def one(peer: RawPeer) -> None:
            for sent, _ in FAULTS.values():
                with RawPeer(self._server) as another:
                    another.associate()
                    another.send(sent)
                    another.pdu()

        return [one]


def test_a_crowd_of_bad_peers_harms_nobody_and_leaves_nothing(
    archive: Archive, store: Store, driver: Driver, tmp_path: Path
) -> None:
    """Threads and descriptors are counted by the fixture, objects and their beginnings here."""
    directory = tmp_path / "archive"
    server, ledger = archive(timeouts=QUICK, limits=Limits(max_associations=60)), Ledger()
    with RawPeer(server) as good:
        good.associate()
        with Crowd(server, 2):
            load = Load(driver, address(server), ledger, count=2, enough=20, tls=driver.tls)
            load.start()
            for _ in range(20):
                good.send(echo_rq())
                assert good.pdu()[0] == 4
            assert load.enough.wait(60)
            for _ in range(20):
                good.send(echo_rq())
                assert good.pdu()[0] == 4
            assert load.surprises == []
        good.send(RELEASE_RQ)
        assert good.pdu()[0] == 6
        server.stop()
    assert load.join()
    assert load.surprises == []
    assert len(ledger.acknowledged) >= 20
    assert ledger.missing(store) == []
    assert settle(lambda: left_in_staging(directory) == []), left_in_staging(directory)


def test_it_serves_as_before_after_a_crowd(serve: Serve, connect: Callable[..., Any]) -> None:
    server = serve(timeouts=QUICK, limits=Limits(max_associations=10))
    with Crowd(server, 3):
        assert settle(lambda: server.associations >= 5)
    assert settle(lambda: server.associations == 0, 30)
    with connect(server, [VERIFICATION, CT]) as association:
        assert association.perform(CEchoRequest()).status.is_success


def test_associations_that_store_at_a_time_share_a_sync(
    archive: Archive, store: Store, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, own = archive(), str(store.files.own)
    synced, entered, held = list[str](), threading.Event(), threading.Event()
    fsync = os.fsync

    def hold(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if path == own:
            synced.append(path)
            entered.set()
            held.wait(60)
        fsync(descriptor)

    def send(number: int) -> None:
        made = instance(uid=f"1.2.1.1.{number}")
        with pacskit.connect(address(server), tls=driver.tls) as peer:
            assert [one.status for one in peer.store(made)] == [0]

    monkeypatch.setattr(os, "fsync", hold)
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(send, 1)]
        assert entered.wait(60)
        sent += [pool.submit(send, number) for number in range(2, 9)]
        came = settle(lambda: len(store.files._staged._queue) == 7, 60)
        held.set()
        assert came
        for one in sent:
            one.result(60)
    assert len(synced) == 2  # the first one's, and that of the seven who came meanwhile
    assert store.counts().instances == 8
