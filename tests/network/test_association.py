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
    NoPresentationContext,
)
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import (
    CEchoRequest,
)
from pacskit.network.negotiation import ContextProposal
from pacskit.network.pdu import AssociateAccept, ContextResult
from pacskit.network.sink import FileSink, FileSource, MemorySink, SpooledSink
from pacskit.network.threads import Server
from tests.network.peers import (
    CT,
    EXPLICIT,
    FAST,
    IMPLICIT,
    RELEASE_RP,
    RELEASE_RQ,
    VERIFICATION,
    RawPeer,
    Recorder,
    connect,
    store,
)

Serve = Callable[..., Server]


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
        with pytest.raises(
            NoPresentationContext, match=r"accepted in Explicit VR Little Endian \(1\.2\.840\.10008\.1\.2\.1\)"
        ):
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
        connect(server, [CT], calling="STRANGER")
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
