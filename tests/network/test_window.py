"""The asynchronous operations window (PS3.7 D.3.3.3), really used: both ends ours, and twins made of plain bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import pacskit
from pacskit.core.errors import AssociationAborted, ConfigurationError
from pacskit.network.config import Limits
from pacskit.network.dimse import (
    CCancelRequest,
    CEchoRequest,
    CFindRequest,
    CStoreRequest,
    CStoreResponse,
    encode_message,
)
from pacskit.network.flow import Call, Cancelled, Flow, Request, Send
from pacskit.network.negotiation import AssociationInfo
from pacskit.network.pdu import (
    AssociateAccept,
    AssociateRequest,
    AsyncWindow,
    ContextItem,
    ContextResult,
    UserInformation,
    decode_associate,
)
from pacskit.network.sink import MemorySink, Sink
from pacskit_ext._fragments import frame
from tests.interop.files import wheel_file
from tests.network.drivers import Driver
from tests.network.peers import CT, FAST, FIND, IMPLICIT, RELEASE_RP, VERIFICATION, RawPeer, Recorder, settle

Serve = Callable[..., Any]
Connect = Callable[..., Any]


def stores(count: int, size: int = 1000) -> Iterator[CStoreRequest]:
    for number in range(count):
        yield CStoreRequest(
            affected_sop_class_uid=CT, affected_sop_instance_uid=f"1.2.{number}", data=number.to_bytes(2, "big") * size
        )


def test_many_stores_under_way_arrive_in_order(serve: Serve, connect: Connect) -> None:
    keeper = Recorder(sinks=MemorySink)
    with connect(serve(keeper, limits=Limits(max_async_ops=5)), window=8) as association:
        assert (association.info.max_invoked, association.info.max_performed) == (5, 1)
        sizes = 200_000
        done = list(association.perform_all(stores(30, sizes)))
    assert [request.sop_instance_uid for request, _ in done] == [f"1.2.{n}" for n in range(30)]
    assert all(not isinstance(answer, Exception) and answer.status == 0 for _, answer in done)
    assert [request.data for request in keeper.seen] == [n.to_bytes(2, "big") * sizes for n in range(30)]


class Twin:
    """An SCP of plain bytes that collects ``count`` C-STOREs before it answers them, in the order ``answers``."""

    def __init__(self, answers: list[int], window: AsyncWindow | None) -> None:
        self.answers, self.window = answers, window
        self.asked: AsyncWindow | None = None
        self.at_once: list[int] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        sock, _ = self.listener.accept()
        with closing(sock):
            sock.settimeout(10)
            peer = RawPeer.__new__(RawPeer)
            peer.socket = sock
            _, body = peer.pdu()
            request = decode_associate(1, body)
            assert isinstance(request, AssociateRequest)
            self.asked = request.user.async_window
            results = tuple(ContextResult(c.id, 0, c.transfer_syntaxes[0]) for c in request.contexts)
            user = UserInformation(async_window=self.window)
            peer.send(AssociateAccept(request.called, request.calling, results, user).encode())
            ids: list[int] = []
            while (pdu := peer.pdu())[0] == 4:
                if pdu[1][5] & 1:  # a command; its data set follows
                    at = pdu[1].index(b"\0\0\x10\x01\x02\0\0\0") + 8  # (0000,0110)
                    ids.append(int.from_bytes(pdu[1][at : at + 2], "little"))
                if len(ids) == len(self.answers) and not pdu[1][5] & 1:
                    self.at_once.append(len(ids))
                    for index in self.answers:
                        peer.send(self.answer(ids[index], index))
                    ids = []
            peer.send(RELEASE_RP)

    def answer(self, message_id: int, index: int) -> bytes:
        response = CStoreResponse(message_id_being_responded_to=message_id, status=pacskit.Status(0xB000 + index))
        return b"".join(frame(1, encode_message(response), 16378, command=True))


@contextmanager
def twin(answers: list[int], window: AsyncWindow | None) -> Iterator[Twin]:
    made = Twin(answers, window)
    made.thread.start()
    try:
        yield made
    finally:
        made.thread.join(10)
        made.listener.close()


def test_answers_in_any_order_find_their_request(connect: Connect) -> None:
    order = [3, 0, 2, 1]
    with (
        twin(order, AsyncWindow(4, 1)) as peer,
        connect(peer.listener.getsockname()[1], [CT], window=9, timeouts=FAST) as association,
    ):
        done = list(association.perform_all(stores(8)))
    assert peer.asked == AsyncWindow(9, 1)
    assert peer.at_once == [4, 4]
    uids = [int(str(request.sop_instance_uid).rpartition(".")[2]) for request, _ in done]
    assert uids == [*order, *(4 + n for n in order)]
    assert [int(answer.status) & 0xFFF for _, answer in done if not isinstance(answer, Exception)] == order * 2


def test_peer_store_uses_the_window(tmp_path: Path, driver: Driver) -> None:
    files = []
    for number in range(4):
        ds = pacskit.dcmread(wheel_file("CT_small.dcm"))
        ds.SOPInstanceUID = f"1.2.{number}"
        pacskit.dcmwrite(tmp_path / f"{number}.dcm", ds)
        files.append(tmp_path / f"{number}.dcm")
    with twin([2, 3, 1, 0], AsyncWindow(0, 1)) as peer:
        address = f"TWIN@127.0.0.1:{peer.listener.getsockname()[1]}"
        with driver.peer(address, timeouts=FAST) as client:
            sent = list(client.store([tmp_path / "missing", *files[:2], "x", *files[2:]], window=4))
    outcomes = {one.dataset_path.name: int(one.status) for one in sent if one.dataset_path}
    assert outcomes == {
        "missing": 0xC000, "x": 0xC000, "0.dcm": 0xB000, "1.dcm": 0xB001, "2.dcm": 0xB002, "3.dcm": 0xB003,
    }  # fmt: skip


@pytest.mark.parametrize("given", [None, AsyncWindow(1, 1)])
def test_without_a_grant_one_at_a_time(given: AsyncWindow | None, connect: Connect) -> None:
    with (
        twin([0], given) as peer,
        connect(peer.listener.getsockname()[1], [CT], window=8, timeouts=FAST) as association,
    ):
        assert association.info.max_invoked == 1
        assert len(list(association.perform_all(stores(5)))) == 5
    assert peer.at_once == [1] * 5


def test_leaving_early_takes_in_what_is_due(serve: Serve, connect: Connect) -> None:
    keeper = Recorder()
    with connect(serve(keeper), window=4) as association:
        outcomes = association.perform_all(stores(50))
        next(outcomes)
        outcomes.close()
        assert association.perform(CEchoRequest()).status == 0
        assert len(keeper.seen) == 4 + 1
        with pytest.raises(ConfigurationError, match="in use"):
            list(association.perform_all([CEchoRequest(message_id=7), CEchoRequest(message_id=7)]))
        assert association.perform(CEchoRequest()).status == 0


def test_what_cannot_be_sent_does_not_end_the_others(serve: Serve, connect: Connect) -> None:
    with connect(serve(), window=4) as association:
        requests = list(stores(3))
        requests[1].affected_sop_instance_uid = "1." * 40
        kinds = [type(answer).__name__ for _, answer in association.perform_all(requests)]
    assert sorted(kinds) == ["CStoreResponse", "CStoreResponse", "EncodeError"]


def test_an_association_that_is_lost_ends_them_all(serve: Serve, connect: Connect) -> None:
    hold = threading.Event()
    server = serve(Recorder(hold=hold))
    association = connect(server, window=4)
    outcomes = association.perform_all(stores(8))
    threading.Timer(0.1, server.stop, (0.0,)).start()
    threading.Timer(0.2, hold.set).start()
    with pytest.raises(AssociationAborted):
        list(outcomes)
    assert not association.is_open


class Finder:
    """Answers when it is cancelled; the command of each query says who it was."""

    sop_classes = (FIND, VERIFICATION)

    def __init__(self) -> None:
        self.ended: list[tuple[int, str]] = []

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        return None

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        number = request.command.message_id
        for _ in range(200 if request.command.priority else 3):
            if (yield Cancelled(number)):
                self.ended.append((number, "cancelled"))
                yield Send(request.command.response(0xFE00))
                return
            yield Send(request.command.response(0xFF00, data=b"x "))
        self.ended.append((number, "done"))
        yield Send(request.command.response())


def test_cancels_reach_the_query_that_they_are_for(serve: Serve) -> None:
    """Requests and cancels that were sent ahead: of the one at work, of one that waits, of none."""
    service = Finder()
    context = ContextItem(1, FIND, (IMPLICIT,))
    user = UserInformation(max_length=16384, async_window=AsyncWindow(8, 8))
    with RawPeer(serve(service)) as peer:
        peer.send(AssociateRequest("SERVER", "RAW", (context,), user).encode())
        accepted = decode_associate(2, peer.pdu()[1])
        assert accepted.user.async_window == AsyncWindow(8, 1)
        parts = []
        for number, priority in ((1, 1), (2, 0), (3, 1), (4, 0)):
            query = CFindRequest(message_id=number, affected_sop_class_uid=FIND, priority=priority, data=b"x ")
            parts += frame(1, encode_message(query), 16378, command=True) + frame(1, b"x ", 16378)
        for number in (3, 1, 77):
            cancel = CCancelRequest(message_id_being_responded_to=number)
            parts += frame(1, encode_message(cancel), 16378, command=True)
        peer.send(b"".join(map(bytes, parts)))
        peer.send(bytes.fromhex("0500 00000004 00000000"))
        while peer.pdu()[0] == 4:
            continue
    assert service.ended == [(1, "cancelled"), (2, "done"), (3, "cancelled"), (4, "done")]


class _Kept:
    """What a sink made of a data set, as a store's ingest is: somebody has to end it."""

    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


class _Keeping(MemorySink):
    def __init__(self, made: list[_Kept]) -> None:
        super().__init__()
        self.made = made

    def close(self) -> _Kept:  # type: ignore[override]
        self.made.append(_Kept())
        return self.made[-1]


def test_what_was_read_ahead_and_is_never_answered_is_given_up(serve: Serve) -> None:
    made: list[_Kept] = []
    ahead, go_on = threading.Event(), threading.Event()

    class Slow:
        sop_classes = (FIND, CT)

        def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
            return _Keeping(made) if request.command.sop_class_uid == CT else None

        def serve(self, request: Request, association: AssociationInfo) -> Flow:
            while len(made) < 2:  # on threads it is the look for a cancel that reads ahead, on asyncio the loop
                yield Cancelled(request.command.message_id)
                yield Call(go_on.wait, 0.002)
            ahead.set()
            yield Call(go_on.wait, 10)
            yield Send(request.command.response())

    contexts = tuple(ContextItem(2 * n + 1, uid, (IMPLICIT,)) for n, uid in enumerate((FIND, CT)))
    server = serve(Slow())
    with RawPeer(server) as peer:
        user = UserInformation(max_length=16384, async_window=AsyncWindow(8, 1))
        peer.send(AssociateRequest("SERVER", "RAW", contexts, user).encode())
        assert peer.pdu()[0] == 2
        find = encode_message(CFindRequest(message_id=1, affected_sop_class_uid=FIND, data=b"x "))
        parts = [*frame(1, find, 16378, command=True), *frame(1, b"x ", 16378)]
        for number, request in enumerate(stores(2), 2):
            request.message_id = number
            parts += [*frame(3, encode_message(request), 16378, command=True), *frame(3, request.data, 16378)]
        peer.send(b"".join(map(bytes, parts)), bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0)))
        assert ahead.wait(10)
        go_on.set()
        while peer.pdu()[0]:
            continue
    assert settle(lambda: all(one.aborted for one in made))
    assert len(made) == 2
