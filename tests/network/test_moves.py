"""C-MOVE towards destinations that take several instances at a time, and when several moves want the same one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import pacskit
from pacskit.core.dataset import Dataset
from pacskit.core.enums import Priority
from pacskit.core.errors import AssociationRejected, ConfigurationError
from pacskit.core.status import Status
from pacskit.encoding import encode
from pacskit.network.dimse import CGetRequest, CMoveRequest, CStoreResponse, encode_message
from pacskit.network.flow import Call, Flow, Request, Send
from pacskit.network.negotiation import AssociationInfo
from pacskit.network.pdu import (
    AssociateRequest,
    AsyncWindow,
    ContextItem,
    RoleItem,
    UserInformation,
    decode_associate,
)
from pacskit.network.sink import MemorySink, Sink
from pacskit.services.slots import Slots
from pacskit.services.sop_classes import MODELS, STORAGE
from pacskit_ext._fragments import frame
from tests.network.drivers import Driver
from tests.network.peers import IMPLICIT, RawPeer
from tests.network.test_services import COUNT, CT, EXPLICIT, associate, instance, study_identifier
from tests.network.test_window import twin

__all__ = ["associate"]


@pytest.fixture(autouse=True)
def archives_use_the_driver(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacskit.facade.archive.Server", driver.server)


Archive = Callable[..., pacskit.Archive]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made: list[pacskit.Archive] = []

    def make(**settings: Any) -> pacskit.Archive:
        one = pacskit.Archive(tmp_path / "archive", settings=pacskit.ArchiveSettings(ae="ARCHIVE", **settings))
        made.append(one)
        one.serve(port=0)
        for number in range(1, COUNT + 1):
            one.store(instance(number))
        return one

    yield make
    for one in made:
        one.close()


class Destination:
    """Answers C-STOREs with the statuses that it is told, and notes who asked and how."""

    sop_classes = tuple(STORAGE)

    def __init__(self, statuses: dict[str, int] | None = None) -> None:
        self.statuses = statuses or {}
        self.seen: list[Any] = []
        self.windows: list[int] = []

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        return MemorySink(1 << 20)

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        self.seen.append(request.command)
        self.windows.append(association.max_performed)
        yield Send(request.command.response(self.statuses.get(request.command.affected_sop_instance_uid, 0)))


@pytest.mark.parametrize(("asked", "granted", "used"), [(8, 16, 8), (8, 3, 3), (1, 16, 1), (8, 1, 1)])
def test_counts_statuses_and_order_with_every_window(
    archive: Archive, associate: Callable[..., Any], driver: Driver, asked: int, granted: int, used: int
) -> None:
    """The counts add up at every step, warnings and failures are where they belong (PS3.4 C.4.2.1, C.4.2.3)."""
    made = archive(move_window=asked)
    keeper = Destination({"1.2.3.4.3": 0xB007, "1.2.3.4.5": 0xA700, "1.2.3.4.12": 0xC001})
    with (
        driver.server([keeper], ae="DEST", limits=pacskit.Limits(max_async_ops=granted)) as server,
        associate(made, MODELS[0].move) as association,
    ):
        host, port = server.address
        made.nodes.add(f"DEST@{host}:{port}")
        request = CMoveRequest(
            affected_sop_class_uid=MODELS[0].move, move_destination="DEST", message_id=77, priority=Priority.HIGH
        )
        messages = list(association.exchange(request, study_identifier()))
    assert keeper.windows == [used] * COUNT
    assert [one.affected_sop_instance_uid for one in keeper.seen] == [f"1.2.3.4.{n}" for n in range(1, COUNT + 1)]
    assert {(one.move_originator_ae, one.move_originator_message_id, one.priority) for one in keeper.seen} == {
        (association.info.calling, 77, Priority.HIGH)
    }
    *pending, final = messages
    assert [one.number_of_remaining_suboperations for one in pending] == list(range(COUNT - 1, 0, -1))
    for one in messages:
        done = (
            one.number_of_completed_suboperations
            + one.number_of_failed_suboperations
            + one.number_of_warning_suboperations
        )
        assert done + (one.number_of_remaining_suboperations or 0) == COUNT
    assert (final.status, final.number_of_completed_suboperations) == (0xB000, COUNT - 3)
    assert (final.number_of_failed_suboperations, final.number_of_warning_suboperations) == (2, 1)
    assert b"1.2.3.4.5\\1.2.3.4.12" in final.data


def test_what_cannot_be_read_fails_alone(archive: Archive, driver: Driver) -> None:
    made = archive()
    received: list[str] = []
    scp = driver.scp("DEST")
    scp.on_store(lambda event: received.append(event.sop_instance_uid))
    files = {one.sop_instance_uid: made._store.path(one) for one in made._store.locate("STUDY", study_uid="1.2.3")}
    files["1.2.3.4.1"].unlink()
    files["1.2.3.4.7"].unlink()
    with scp, driver.peer(made.address) as peer:
        made.nodes.add(scp.address)
        *_, final = peer.move("STUDY", "1.2.3", to="DEST")
    assert (final.completed, final.failed) == (COUNT - 2, 2)
    assert sorted(final.failed_uids) == ["1.2.3.4.1", "1.2.3.4.7"]
    assert len(received) == COUNT - 2


def test_the_window_is_used_up_and_answers_come_in_any_order(archive: Archive, driver: Driver) -> None:
    """A destination that answers nothing before it has four requests, and then in an order of its own."""
    made = archive()
    with twin([3, 0, 2, 1], AsyncWindow(4, 1)) as other, driver.peer(made.address) as peer:
        made.nodes.add(f"DEST@127.0.0.1:{other.listener.getsockname()[1]}")
        *_, final = peer.move("STUDY", "1.2.3", to="DEST")
    assert other.asked == AsyncWindow(8, 1)
    assert other.at_once == [4, 4, 4]
    assert (final.status, final.warning, final.remaining) == (0xB000, COUNT, None)


def test_of_moves_that_wait_the_urgent_ones_go_first(archive: Archive, driver: Driver) -> None:
    """One association at a time to the destination: LOW came first and is served last (PS3.7 9.1.4.1)."""
    made = archive(moves_per_node=1)
    go_on, begun = threading.Event(), threading.Event()
    order: list[int] = []

    class Busy(Destination):
        def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
            if not order or order[-1] != request.command.move_originator_message_id:
                order.append(request.command.move_originator_message_id)
            return MemorySink(1 << 20)

        def serve(self, request: Request, association: AssociationInfo) -> Flow:
            begun.set()
            yield Call(go_on.wait, 60)
            yield Send(request.command.response())

    slots = queue_of(made)
    with driver.server([Busy()], ae="DEST") as server, ThreadPoolExecutor(8) as pool:
        host, port = server.address
        made.nodes.add(f"DEST@{host}:{port}")

        def move(number: int, priority: int) -> int:
            with driver.request(made.address, [MODELS[0].move], calling="MOVER") as association:
                request = CMoveRequest(
                    affected_sop_class_uid=MODELS[0].move, move_destination="DEST", message_id=number, priority=priority
                )
                return int(association.perform(request, study_identifier()).status)

        moves = [pool.submit(move, 1, Priority.LOW)]
        assert begun.wait(60)
        wanted = [(2, Priority.LOW), (3, Priority.MEDIUM), (4, Priority.HIGH), (5, Priority.MEDIUM), (6, Priority.HIGH)]
        for waiting, (number, priority) in enumerate(wanted, 1):
            moves.append(pool.submit(move, number, priority))
            end = time.monotonic() + 60
            while sum(map(len, slots._waiting.values())) < waiting:
                assert time.monotonic() < end
                time.sleep(0.005)
        go_on.set()
        assert [one.result(60) for one in moves] == [0] * 6
    assert order == [1, 4, 6, 3, 5, 2]
    assert slots._taken == {}


def queue_of(archive: pacskit.Archive) -> Slots:
    server: Any = archive._server
    slots = server.services.get(str(MODELS[0].move))._slots
    assert isinstance(slots, Slots)
    return slots


def test_a_turn_that_does_not_come_is_a_refusal(archive: Archive, driver: Driver) -> None:
    made = archive(moves_per_node=1, timeouts=pacskit.Timeouts(dimse=0.2))
    scp = driver.scp("DEST")
    scp.on_store(lambda event: None)
    with scp, driver.peer(made.address) as peer:
        made.nodes.add(scp.address)
        slots = queue_of(made)
        held = slots.take(str(pacskit.Address.parse(scp.address)), Priority.LOW)
        with pytest.raises(pacskit.DimseError, match="busy") as caught:
            list(peer.move("STUDY", "1.2.3", to="DEST"))
        assert caught.value.status == 0xA702
        slots.give(held)
        *_, final = peer.move("STUDY", "1.2.3", to="DEST")
        assert final.completed == COUNT
    assert slots._taken == {}
    assert slots._waiting == {}


def test_settings_that_make_no_sense() -> None:
    for wrong in ({"move_window": 0}, {"move_window": 9}, {"moves_per_node": 0}, {"processes": 0}):
        with pytest.raises(ConfigurationError):
            pacskit.ArchiveSettings(**wrong)  # type: ignore[arg-type]


def test_threads_are_limited_and_who_is_too_many_may_come_again(archive: Archive, driver: Driver) -> None:
    """A-ASSOCIATE-RJ: transient, service provider (presentation), local limit exceeded (PS3.8 table 9-21)."""
    made = archive(limits=pacskit.Limits(max_associations=2))
    with driver.peer(made.address) as one, driver.peer(made.address) as two:
        one.echo()
        two.echo()
        with pytest.raises(AssociationRejected) as caught, driver.peer(made.address) as three:
            three.echo()
        assert (caught.value.result, caught.value.source, caught.value.reason_code) == (2, 3, 2)
        one.echo()
    end = time.monotonic() + 60
    while True:
        try:
            with driver.peer(made.address) as four:
                assert four.echo().is_success
            return
        except AssociationRejected:
            assert time.monotonic() < end


def test_get_sends_as_many_as_the_peer_takes(archive: Archive) -> None:
    """C-GET: the C-STOREs of a retrieval, before the first of them is answered; then in an order of their own."""
    made = archive()
    contexts = (ContextItem(1, MODELS[0].get, (IMPLICIT,)), ContextItem(3, CT, (EXPLICIT,)))
    roles = (RoleItem(CT, False, True),)
    user = UserInformation(max_length=16384, async_window=AsyncWindow(1, 4), roles=roles)
    with RawPeer((made.address.host, made.address.port)) as peer:
        peer.send(AssociateRequest("ARCHIVE", "RAW", contexts, user).encode())
        accepted = decode_associate(2, peer.pdu()[1])
        assert accepted.user.async_window == AsyncWindow(1, 4)
        identifier = Dataset(QueryRetrieveLevel="STUDY", StudyInstanceUID="1.2.3")
        data = encode(identifier, IMPLICIT)
        command = CGetRequest(message_id=9, affected_sop_class_uid=MODELS[0].get, data=data)
        peer.send(*map(bytes, frame(1, encode_message(command), 16378, command=True)))
        peer.send(*map(bytes, frame(1, data, 16378)))
        stores: list[int] = []
        pending: list[tuple[int, int]] = []
        while (pdu := peer.pdu())[0] == 4:
            if not pdu[1][5] & 1:
                continue
            field = int.from_bytes(_element(pdu[1], 0x0100), "little")
            if field == 0x8010:
                pending.append((_number(pdu[1], 0x0900), _number(pdu[1], 0x1021)))
                if pending[-1][0] != 0xFF00:
                    break
                continue
            assert field == 0x0001
            stores.append(_number(pdu[1], 0x0110))
            if len(stores) == 4:
                for number in (stores[2], stores[0], stores[3], stores[1]):
                    answer = CStoreResponse(message_id_being_responded_to=number, status=Status(0))
                    peer.send(*map(bytes, frame(3, encode_message(answer), 16378, command=True)))
                stores = []
    assert pending == [(0xFF00, number) for number in range(1, COUNT)] + [(0, COUNT)]


def _element(pdu: bytes, element: int) -> bytes:
    at = pdu.index(b"\0\0" + element.to_bytes(2, "little") + b"\x02\0\0\0") + 8
    return pdu[at : at + 2]


def _number(pdu: bytes, element: int) -> int:
    return int.from_bytes(_element(pdu, element), "little")


def test_our_get_asks_for_it_too(archive: Archive, driver: Driver) -> None:
    made = archive()
    with driver.peer(made.address) as peer:
        got = [event.sop_instance_uid for event in peer.get("STUDY", "1.2.3", sop_classes=[CT])]
    assert got == [f"1.2.3.4.{number}" for number in range(1, COUNT + 1)]
