"""Our two ends over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.errors import (
    AssociationAborted,
    AssociationRejected,
    AssociationReleased,
    ConfigurationError,
    ConnectError,
    DeadlineExceeded,
    DimseError,
    NoPresentationContext,
)
from pacskit.network.address import Address
from pacskit.network.association import Association
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import (
    CEchoRequest,
    CFindRequest,
    CGetRequest,
    CStoreRequest,
    NGetRequest,
)
from pacskit.network.flow import END, Call, Cancelled, Close, Flow, Next, Open, Perform, PerformOn, Request, Send
from pacskit.network.negotiation import AssociationInfo, ContextProposal, Role
from pacskit.network.pdu import AssociateAccept, ContextResult
from pacskit.network.sink import FileSink, FileSource, MemorySink, Sink, SpooledSink
from pacskit.network.threads import Server

from .conftest import (
    CT,
    EXPLICIT,
    FAST,
    FIND,
    GET,
    IMPLICIT,
    MR,
    RELEASE_RP,
    RELEASE_RQ,
    VERIFICATION,
    RawPeer,
    Recorder,
    echo_rq,
    settle,
)

Serve = Callable[..., Server]


def connect(server: Server | int, contexts: Any = (VERIFICATION, CT), ae: str = "SERVER", **options: Any) -> Association:
    port = server if isinstance(server, int) else server.address[1]
    return Association.request(f"{ae}@127.0.0.1:{port}", contexts, calling="CLIENT", **options)


def store(**options: Any) -> CStoreRequest:
    return CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3", **options)


@pytest.mark.parametrize("server_pdu", [0, 4096, 16384, 131072])
def test_a_data_set_arrives_as_it_left(server_pdu: int, serve: Serve, tmp_path: Path) -> None:
    service = Recorder(sinks=MemorySink)
    server = serve(service, limits=Limits(max_pdu=server_pdu))
    data = bytes(range(256)) * 5000 + b"odd"
    path = tmp_path / "data"
    path.write_bytes(b"head" + data + b"tail")
    sources: list[Any] = [
        data,
        memoryview(data),
        [data[:7], data[7:70000], b"", data[70000:]],
        FileSource(path, 4, len(data)),
        b"",
    ]
    with connect(server, limits=Limits(max_pdu=4096)) as association:
        for source in sources:
            assert association.perform(store(), source).status.is_success
        with path.open("rb") as file:
            association.perform(store(), FileSource(file.fileno(), 4, len(data)))
    assert [request.data for request in service.seen] == [data, data, data, data, b"", data]


def test_a_file_that_ends_too_early_aborts_nothing_or_everything(serve: Serve, tmp_path: Path) -> None:
    service = Recorder()
    path = tmp_path / "data"
    path.write_bytes(bytes(10))
    association = connect(serve(service))
    with pytest.raises(EOFError):
        association.perform(store(), FileSource(path, 5, 10))
    assert association.perform(CEchoRequest()).status.is_success
    with pytest.raises(FileNotFoundError):
        association.perform(store(), FileSource(tmp_path / "absent"))
    association.release()


def test_sinks_to_file_and_spool(serve: Serve, tmp_path: Path) -> None:
    paths = iter([tmp_path / "a", tmp_path / "b"])
    service = Recorder(sinks=lambda: FileSink(next(paths), prefix=b"DICM"))
    data = bytes(range(256)) * 1000
    with connect(serve(service)) as association:
        association.perform(store(), data)
    assert (tmp_path / "a").read_bytes() == b"DICM" + data
    spooling = Recorder(sinks=lambda: SpooledSink(1000))
    with connect(serve(spooling)) as association:
        association.perform(store(), data)
        association.perform(store(), data[:1000])
    with spooling.seen[0].data as file:
        assert file.read() == data
    assert spooling.seen[1].data == data[:1000]


def test_the_acceptor_prefers_by_its_own_list(serve: Serve) -> None:
    server = serve(transfer_syntaxes=[EXPLICIT, IMPLICIT])
    proposals = [
        ContextProposal(CT, (IMPLICIT, EXPLICIT)),
        ContextProposal(CT, ("1.2.840.10008.1.2.4.50",)),
        ContextProposal("1.2.3.4", (IMPLICIT,)),
    ]
    with connect(server, proposals) as association:
        assert [(c.result, c.transfer_syntax) for c in association.info.contexts] == [(0, EXPLICIT), (4, ""), (3, "")]
        assert [c.reason for c in association.rejected] == [
            "transfer syntaxes not supported",
            "abstract syntax not supported",
        ]
        with pytest.raises(NoPresentationContext, match="not proposed"):
            association.perform(CEchoRequest())
        with pytest.raises(NoPresentationContext, match=r"accepted in 1\.2\.840\.10008\.1\.2\.1"):
            association.info.context_for(CT, IMPLICIT)
    with connect(server, ["1.2.3.4"]) as empty:
        assert empty.accepted == ()


def test_128_contexts_go_into_one_association_and_129_do_not(serve: Serve) -> None:
    server = serve()
    with connect(server, [VERIFICATION] * 128) as association:
        assert len(association.accepted) == 128
        assert association.perform(CEchoRequest(), context=association.accepted[127]).status.is_success
    with pytest.raises(ConfigurationError, match="129 presentation contexts"):
        connect(server, [VERIFICATION] * 129)


def test_titles_are_enforced(serve: Serve) -> None:
    server = serve(calling=["CLI*"], called=["ALIAS"])
    for ae in ("SERVER", "ALIAS"):
        connect(server, ae=ae).release()
    with pytest.raises(AssociationRejected) as caught:
        connect(server, ae="OTHER")
    assert (caught.value.result, caught.value.source, caught.value.reason_code) == (1, 1, 7)
    assert "called AE title not recognized" in str(caught.value)
    assert caught.value.peer == f"OTHER@127.0.0.1:{server.address[1]}"
    with pytest.raises(AssociationRejected) as caught:
        Association.request(f"SERVER@127.0.0.1:{server.address[1]}", [CT], calling="STRANGER")
    assert (caught.value.result, caught.value.source, caught.value.reason_code) == (1, 1, 3)
    connect(serve(called=None), ae="ANYTHING").release()


def test_a_closed_port_is_a_connect_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectError) as caught:
        connect(port)
    assert caught.value.peer == f"SERVER@127.0.0.1:{port}"


@pytest.fixture
def scripted() -> Iterator[Callable[[Callable[[RawPeer], None]], int]]:
    """A peer that accepts one connection and follows a script."""
    threads, listeners, failures = [], [], []

    def start(script: Callable[[RawPeer], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            sock, _ = listener.accept()
            peer = RawPeer.__new__(RawPeer)
            peer.socket = sock
            sock.settimeout(10)
            try:
                script(peer)
            except Exception as exc:
                failures.append(exc)
            finally:
                sock.close()

        thread = threading.Thread(target=run)
        threads.append(thread)
        thread.start()
        return int(listener.getsockname()[1])

    yield start
    for thread in threads:
        thread.join(10)
    for listener in listeners:
        listener.close()
    assert failures == []


ACCEPT = AssociateAccept("SERVER", "CLIENT", (ContextResult(1, 0, IMPLICIT), ContextResult(3, 0, IMPLICIT))).encode()
Scripted = Callable[[Callable[[RawPeer], None]], int]


def test_a_silent_acceptor_runs_into_the_deadline(scripted: Scripted) -> None:
    def script(peer: RawPeer) -> None:
        assert peer.pdu()[0] == 1
        assert peer.pdu()[0] == 7  # given up with an A-ABORT

    with pytest.raises(DeadlineExceeded):
        connect(scripted(script), timeouts=Timeouts(acse=0.2, release=0.5))


def test_a_silent_server_runs_into_the_dimse_deadline(scripted: Scripted) -> None:
    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.send(ACCEPT)
        assert [peer.pdu()[0], peer.pdu()[0]] == [4, 7]

    association = connect(scripted(script), timeouts=FAST)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        association.perform(CEchoRequest())
    assert 0.9 < time.monotonic() - began < 5
    assert caught.value.operation == "the response to CEchoRequest"
    assert not association.is_open
    with pytest.raises(AssociationAborted):
        association.perform(CEchoRequest())
    association.release()


def test_a_peer_that_does_not_read_ends_a_send(scripted: Scripted) -> None:
    done = threading.Event()

    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.send(ACCEPT)
        done.wait(10)

    association = connect(scripted(script), timeouts=FAST)
    with pytest.raises(DeadlineExceeded, match="sending a message"):
        association.perform(store(), bytes(64 << 20))
    done.set()
    assert not association.is_open


@pytest.mark.parametrize("crossing", [True, False])
def test_release_collision_as_the_requestor(crossing: bool, scripted: Scripted) -> None:
    """PS3.8 9.2.3: both send A-RELEASE-RQ; the requestor answers first."""

    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.send(ACCEPT)
        if crossing:
            assert peer.pdu()[0] == 5
            peer.send(RELEASE_RQ)
            assert peer.pdu()[0] == 6  # Sta9 → Sta11
        else:
            assert peer.pdu()[0] == 5
        peer.send(RELEASE_RP)
        assert peer.pdu() == (0, b"")

    association = connect(scripted(script), timeouts=FAST)
    association.release()
    assert not association.is_open


def test_a_release_by_the_peer_is_told(scripted: Scripted) -> None:
    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.send(ACCEPT)
        peer.pdu()
        peer.send(RELEASE_RQ)
        assert peer.pdu()[0] == 6

    with pytest.raises(AssociationReleased), connect(scripted(script), timeouts=FAST) as association:
        association.perform(CEchoRequest())


@pytest.mark.parametrize(
    ("answer", "source"), [(bytes.fromhex("0700 00000004 00000200"), 2), (b"", None), (b"\x0b\0\0\0\0\0", 2)]
)
def test_an_abort_is_told_with_its_source(answer: bytes, source: int | None, scripted: Scripted) -> None:
    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.send(ACCEPT)
        peer.pdu()
        peer.send(answer)

    association = connect(scripted(script), timeouts=FAST)
    with pytest.raises(AssociationAborted) as caught:
        association.perform(CEchoRequest())
    assert caught.value.source == source


def test_leaving_with_an_error_aborts(scripted: Scripted) -> None:
    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.send(ACCEPT)
        assert peer.pdu() == (7, bytes(4))

    with pytest.raises(KeyError), connect(scripted(script), timeouts=FAST):
        raise KeyError


class Finder:
    """Yields numbers until it is cancelled."""

    sop_classes = (FIND,)

    def __init__(self, count: int) -> None:
        self.count = count
        self.sent = 0

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        return None

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        matches = iter(range(self.count))
        while (match := (yield Next(matches))) is not END:
            if (yield Cancelled(request.command.message_id)):
                yield Send(request.command.response(0xFE00))
                return
            self.sent += 1
            yield Send(request.command.response(0xFF00, data=b"%05d!" % match))
        yield Send(request.command.response())


def find() -> CFindRequest:
    return CFindRequest(affected_sop_class_uid=FIND)


def test_many_responses_and_cancel(serve: Serve) -> None:
    service = Finder(100_000)
    with connect(serve(service), [FIND]) as association:
        responses = association.perform_iter(find(), b"key ")
        assert [next(responses).data for _ in range(3)] == [b"00000!", b"00001!", b"00002!"]
        responses.close()  # type: ignore[attr-defined]
        assert service.sent < 100_000
        service.count = 2
        assert [int(r.status) for r in association.perform_iter(find(), b"key ")] == [0xFF00, 0xFF00, 0]


@pytest.mark.parametrize("max_pdu", [4096, 131072])
def test_the_peers_maximum_is_kept_in_responses(max_pdu: int, serve: Serve) -> None:
    class Big(Finder):
        def serve(self, request: Request, association: AssociationInfo) -> Flow:
            yield Send(request.command.response(0xFF00, data=bytes(300_000)))
            yield Send(request.command.response())

    with connect(serve(Big(1)), [FIND], limits=Limits(max_pdu=max_pdu)) as association:
        assert [len(r.data or b"") for r in association.perform_iter(find(), b"")] == [300_000, 0]


class Getter:
    """C-GET: two C-STORE sub-operations on the same association."""

    sop_classes = (GET,)
    scu_sop_classes = (CT, MR)

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        return None

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        done = 0
        for _ in range(2):
            response = yield Perform(store(data=b"image " * 1000))
            done += response.status.is_success
            yield Send(request.command.response(0xFF00, number_of_completed_suboperations=done))
        yield Send(request.command.response(number_of_completed_suboperations=done))


def test_c_get_with_role_selection(serve: Serve) -> None:
    keeper = Recorder(sinks=MemorySink)
    with connect(serve(Getter()), [GET, CT, VERIFICATION], roles={CT: Role(scu=False, scp=True)}) as association:
        assert [(c.as_scu, c.as_scp) for c in association.accepted] == [(True, False), (False, True)]
        responses = list(association.perform_iter(CGetRequest(affected_sop_class_uid=GET), b"", service=keeper))
        assert [getattr(r, "number_of_completed_suboperations", None) for r in responses] == [1, 2, 2]
        assert [r.data for r in keeper.seen] == [b"image " * 1000] * 2
        with pytest.raises(NoPresentationContext):
            association.perform(store(), b"")
    with connect(serve(Getter()), [GET, CT]) as association:  # without the role there is nobody to store to
        assert [c.result for c in association.info.contexts] == [0, 1]


class Mover:
    """C-MOVE's way: an association to somebody else."""

    sop_classes = (FIND,)

    def __init__(self, address: Address) -> None:
        self.address = address

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        return None

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        try:
            peer = yield Open(self.address, [ContextProposal(CT)], "SERVER")
        except (ConnectError, AssociationRejected):
            raise DimseError(0xA801, "cannot reach it") from None
        status = (yield PerformOn(peer, store(data=b"abcd"))).status
        yield Close(peer)
        doubled = yield Call(int.__mul__, int(status), 2)
        yield Send(request.command.response(doubled))


def test_a_flow_opens_another_association(serve: Serve) -> None:
    keeper = Recorder(sinks=MemorySink)
    target = Address("SERVER", *serve(keeper).address)
    with connect(serve(Mover(target)), [FIND]) as association:
        assert association.perform(find(), b"").status.is_success
    assert keeper.seen[0].data == b"abcd"
    wrong = Address("WRONG", target.host, target.port)
    with connect(serve(Mover(wrong)), [FIND]) as association:
        response = association.perform(find(), b"")
        assert (response.status, response.error_comment) == (0xA801, "cannot reach it")


def test_what_goes_wrong_in_a_service_becomes_a_status(serve: Serve) -> None:
    class Broken(Recorder):
        def serve(self, request: Request, association: AssociationInfo) -> Flow:
            if request.command.sop_class_uid == CT:
                raise ZeroDivisionError
            if request.command.sop_class_uid == MR:
                return
            raise DimseError(0x0124, "go away")
            yield

    with connect(serve(Broken()), [VERIFICATION, CT, MR]) as association:
        response = association.perform(CEchoRequest())
        assert (response.status, response.error_comment) == (0x0124, "go away")
        assert association.perform(store(), b"").status == 0x0110
        silent = CStoreRequest(affected_sop_class_uid=MR, affected_sop_instance_uid="1.2.3")
        assert association.perform(silent, b"").status == 0x0110
        refused = CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3.666")
        assert association.perform(refused, bytes(500_000)).status == 0xA700
        context = association.accepted[0]
        other = NGetRequest(requested_sop_class_uid="1.2.3", requested_sop_instance_uid="1.2")
        assert association.perform(other, context=context).status == 0x0122


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


def test_stop_under_load_loses_nothing_that_was_acknowledged(serve: Serve) -> None:
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
