"""The deadline of a whole operation, keep-alive, and associations that need more contexts than one may have."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator

import pytest

import pacskit
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DeadlineExceeded
from pacskit.encoding import TransferSyntax
from tests.network.drivers import Driver
from tests.network.test_services import CT, EXPLICIT, PRIVATE, instance

QUICK = pacskit.Timeouts(operation=0.4, release=0.5)  # everything else has at least ten seconds


def test_a_peer_that_goes_on_answering_has_its_time(driver: Driver) -> None:
    """Each answer comes in time; there is no end of them."""
    scp = driver.scp("ENDLESS")
    ended = threading.Event()

    @scp.on_find("STUDY")
    def endless(event: pacskit.FindEvent) -> Iterator[Dataset]:
        number = 0
        try:
            while not event.cancelled:
                number += 1
                yield Dataset(StudyInstanceUID=f"1.2.{number}")
        finally:
            ended.set()

    with scp, driver.peer(scp.address, timeouts=QUICK) as peer:
        answers = peer.find("STUDY")
        assert next(answers)
        with pytest.raises(DeadlineExceeded):
            list(answers)
        assert ended.wait(60)
        assert peer.echo().is_success  # on another association


def test_a_peer_that_is_silent_has_no_more(driver: Driver) -> None:
    scp = driver.scp("SILENT")
    go_on = threading.Event()

    @scp.on_store
    def wait(event: pacskit.StoreEvent) -> None:
        go_on.wait(60)

    try:
        with scp, driver.peer(scp.address, timeouts=QUICK) as peer:
            with pytest.raises(DeadlineExceeded) as caught:
                list(peer.store(instance()))
            assert caught.value.seconds < 60  # which a message would have had
            go_on.set()
    finally:
        go_on.set()


def test_idle_connections_are_kept_alive_and_nothing_waits_to_be_joined(driver: Driver) -> None:
    """SO_KEEPALIVE finds out about peers that have vanished, TCP_NODELAY keeps small messages quick, at both ends."""
    scp = driver.scp("ALIVE")
    with scp, driver.peer(scp.address) as peer:
        peer.echo()
        ends = [one for one in gc.get_objects() if isinstance(one, socket.socket) and _is_of(one, scp.port)]
        assert len(ends) == 2
        for one in ends:
            assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def _is_of(one: socket.socket, port: int) -> bool:
    try:
        return port in {one.getsockname()[1], one.getpeername()[1]}
    except (OSError, IndexError):
        return False


def test_more_kinds_than_one_association_has_contexts_for(driver: Driver) -> None:
    """128 contexts at most (PS3.8 9.3.2.2); each class has two, for what is stored and for what it can become."""
    scp = driver.scp("MANY", accept_unknown=True)
    by_association: dict[int, list[str]] = {}
    kept: list[object] = []

    @scp.on_store
    def keep(event: pacskit.StoreEvent) -> None:
        kept.append(event.association)
        by_association.setdefault(id(event.association), []).append(event.sop_instance_uid)
        assert len(event.association.contexts) <= 128

    sent = [instance(number, sop_class=f"{PRIVATE}.{number}") for number in range(1, 101)]
    with scp, driver.peer(scp.address) as peer:
        outcomes = list(peer.store(sent))
    assert [one.status for one in outcomes] == [0] * 100
    assert [len(uids) for uids in by_association.values()] == [64, 36]
    assert [uid for uids in by_association.values() for uid in uids] == [str(one.SOPInstanceUID) for one in sent]


def test_several_contexts_of_one_class(driver: Driver) -> None:
    """What is in different transfer syntaxes goes out on one association, each in the context of its own."""
    scp = driver.scp("SEVERAL")
    came: list[tuple[str, str, int]] = []

    @scp.on_store
    def keep(event: pacskit.StoreEvent) -> None:
        count = len([one for one in event.association.accepted if one.abstract_syntax == CT])
        came.append((event.sop_instance_uid, str(event.transfer_syntax), count))

    syntaxes = [EXPLICIT, TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN, TransferSyntax.EXPLICIT_VR_BIG_ENDIAN] * 2
    sent = [instance(number) for number in range(len(syntaxes))]
    for one, syntax in zip(sent, syntaxes, strict=True):
        one.file_meta.TransferSyntaxUID = str(syntax)
    with scp, driver.peer(scp.address) as peer:
        assert {one.status for one in peer.store(sent)} == {0}
    assert [uid for uid, _, _ in came] == [str(one.SOPInstanceUID) for one in sent]
    assert [syntax for _, syntax, _ in came] == [str(one) for one in syntaxes]
    assert {count for _, _, count in came} == {3}
