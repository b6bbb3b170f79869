"""What only asyncio has: awaited handlers, tasks that are cancelled, a loop that reads on, other loops."""

from __future__ import annotations

import asyncio
import contextvars
import random
import socket
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import pacskit
from pacskit import aio
from pacskit.core.dataset import Dataset
from pacskit.encoding import encode
from pacskit.network.dimse import CEchoRequest, CFindRequest
from pacskit.network.flow import Call, Flow, Request, Send
from pacskit.network.negotiation import AssociationInfo
from pacskit.network.sink import MemorySink
from tests.network.peers import EXPLICIT, FIND, VERIFICATION, RawPeer, Recorder, echo_rq, settle
from tests.network.test_services import instance

Run = Callable[[Coroutine[Any, Any, Any]], Any]


async def _until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.002)


def test_handlers_of_every_kind(run: Run, tmp_path: Path) -> None:
    """Coroutines are awaited in the loop, plain functions called in a thread with the task's context."""
    where: dict[str, bool] = {}
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def main() -> None:
        loop_thread = threading.get_ident()
        variable.set("set")
        scp = aio.SCP("VENDOR")

        @scp.on_echo
        async def echo(event: pacskit.EchoEvent) -> None:
            await asyncio.sleep(0)
            where["echo"] = threading.get_ident() == loop_thread

        @scp.on_store
        def keep(event: pacskit.StoreEvent) -> pacskit.Status:
            where["store"] = threading.get_ident() != loop_thread and variable.get() == "set"
            event.save_into(tmp_path)
            return pacskit.Status.COERCED

        @scp.on_find("STUDY")
        async def studies(event: pacskit.FindEvent) -> AsyncIterator[Dataset]:
            yield Dataset(StudyInstanceUID="1.1")
            await asyncio.sleep(0)
            yield Dataset(StudyInstanceUID="1.2")

        @scp.on_find("SERIES")
        async def series(event: pacskit.FindEvent) -> list[Dataset]:
            await asyncio.sleep(0)
            return [Dataset(SeriesInstanceUID="1.3")]

        @scp.on_find("PATIENT")
        def patients(event: pacskit.FindEvent) -> Iterator[Dataset]:
            where["patients"] = threading.get_ident() != loop_thread
            for number in range(200):
                yield Dataset(PatientID=str(number))

        @scp.on_find("IMAGE")
        def images(event: pacskit.FindEvent) -> list[Dataset]:
            where["images"] = threading.get_ident() != loop_thread
            raise pacskit.DimseError(0xA700, "no")

        async with scp, aio.connect(scp.address) as peer:
            assert (await peer.echo()).is_success
            assert [sent.status async for sent in peer.store([instance()])] == [0xB000]
            assert [one.StudyInstanceUID async for one in peer.find()] == ["1.1", "1.2"]
            assert [one.SeriesInstanceUID async for one in peer.find("SERIES", StudyInstanceUID="1")] == ["1.3"]
            assert [one.PatientID async for one in peer.find("PATIENT")] == [str(number) for number in range(200)]
            with pytest.raises(pacskit.DimseError, match="no"):
                await anext(peer.find("IMAGE", StudyInstanceUID="1", SeriesInstanceUID="1"))

    run(main())
    assert where == dict.fromkeys(["echo", "store", "patients", "images"], True)
    assert len(list(tmp_path.glob("*.dcm"))) == 1


def test_the_sketch_forwards(run: Run) -> None:
    """An instance that arrives is sent on before it is answered."""

    async def main() -> list[str]:
        received: list[str] = []
        target = aio.SCP("ARCHIVE")
        server = aio.SCP("VENDOR")

        @target.on_store
        async def keep(event: pacskit.StoreEvent) -> None:
            received.append(event.sop_instance_uid)

        @server.on_store
        async def forward(event: pacskit.StoreEvent) -> pacskit.Status:
            async with aio.connect(target.address) as up:
                async for sent in up.store([event.dataset]):
                    return sent.status
            return pacskit.Status.OUT_OF_RESOURCES

        async with target, server, aio.connect(server.address) as peer:
            outcomes = [sent.status async for sent in peer.store([instance(1), instance(2)])]
        assert outcomes == [0, 0]
        return received

    assert run(main()) == [instance(1).SOPInstanceUID, instance(2).SOPInstanceUID]


@pytest.mark.parametrize("leave", ["cancel", "vanish"])
def test_a_cancel_is_seen_while_the_handler_works(run: Run, leave: str) -> None:
    """The handler gives one answer, and looks for a second one for as long as somebody wants it."""

    async def main() -> None:
        seen = asyncio.Event()
        scp = aio.SCP("VENDOR")

        @scp.on_find("STUDY")
        async def slow(event: pacskit.FindEvent) -> AsyncIterator[Dataset]:
            yield Dataset(StudyInstanceUID="1.1")
            await _until(lambda: event.cancelled)
            seen.set()

        async with scp, await aio.Association.request(scp.address, [(FIND, [EXPLICIT])], calling="X") as association:
            request = CFindRequest(affected_sop_class_uid=FIND, message_id=7)
            identifier = encode(Dataset(QueryRetrieveLevel="PATIENT", PatientID="1"), EXPLICIT)
            assert [one.status async for one in association.perform_iter(request, identifier)] == [0xA900]
            identifier = encode(Dataset(QueryRetrieveLevel="STUDY", PatientID="1"), EXPLICIT)
            async with aclosing(association.perform_iter(request, identifier)) as responses:
                assert (await anext(responses)).status == 0xFF00
                if leave == "cancel":
                    await association.cancel(7, association.accepted[0])
                    assert (await anext(responses)).status == 0xFE00
                else:
                    await association.abort()
            await asyncio.wait_for(seen.wait(), 5)

    run(main())


def test_a_cancelled_task_cancels_its_query_and_keeps_the_association(run: Run) -> None:
    async def main() -> None:
        events: list[pacskit.FindEvent] = []
        scp = aio.SCP("VENDOR")

        @scp.on_find("STUDY")
        async def endless(event: pacskit.FindEvent) -> AsyncIterator[Dataset]:
            events.append(event)
            while not event.cancelled:
                await asyncio.sleep(0.001)
                yield Dataset(StudyInstanceUID="1.1")

        async with scp, aio.connect(scp.address) as peer:

            async def read() -> None:
                async for _ in peer.find():
                    continue

            task = asyncio.create_task(read())
            await _until(lambda: bool(events))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await _until(lambda: events[0].cancelled)
            assert scp._server.associations == 1  # type: ignore[union-attr]
            async with aclosing(peer.find()) as answers:
                assert (await anext(answers)).StudyInstanceUID == "1.1"
            assert len(events) == 2
            assert scp._server.associations == 1  # type: ignore[union-attr]

    run(main())


def test_a_cancelled_task_aborts_what_cannot_be_cancelled(run: Run) -> None:
    async def main() -> None:
        entered = asyncio.Event()
        ended: list[str] = []
        scp = aio.SCP("VENDOR")

        @scp.on_echo
        async def hang(event: pacskit.EchoEvent) -> None:
            entered.set()
            try:
                await asyncio.sleep(20)
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        async with scp, aio.connect(scp.address) as peer:
            task = asyncio.create_task(peer.echo())
            await entered.wait()
            task.cancel()
            began = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < 2
            await scp.stop(grace=0.1)
        assert ended == ["cancelled"]

    run(main())


def test_leaving_a_loop_over_answers_leaves_nothing(run: Run) -> None:
    async def main() -> None:
        scp = aio.SCP("VENDOR")

        @scp.on_find("STUDY")
        def endless(event: pacskit.FindEvent) -> Iterator[Dataset]:
            while not event.cancelled:
                yield Dataset(StudyInstanceUID="1.1")

        async with scp:
            async with aio.connect(scp.address) as peer:
                async for _ in peer.find():
                    break
                assert (await peer.echo()).is_success
            await _until(lambda: scp._server.associations == 0)  # type: ignore[union-attr]

    run(main())


def test_a_verb_that_ends_while_its_peer_closes_keeps_nothing(run: Run) -> None:
    """What the verb gives back then is not kept for a next one."""

    async def main() -> None:
        scp = aio.SCP("VENDOR")

        @scp.on_find("STUDY")
        def one(event: pacskit.FindEvent) -> Iterator[Dataset]:
            yield Dataset(StudyInstanceUID="1.1")

        async def found(answers: AsyncGenerator[Dataset, None]) -> int:
            return len([answer async for answer in answers])

        async with scp:
            for turns in range(12):
                peer = aio.connect(scp.address)
                answers = peer.find()
                await anext(answers)
                await peer.echo()
                rest = asyncio.create_task(found(answers))
                for _ in range(turns):
                    await asyncio.sleep(0)
                await peer.close()
                await asyncio.wait([rest])
                rest.exception()
            await _until(lambda: scp._server.associations == 0)  # type: ignore[union-attr]

    run(main())


def test_verbs_run_side_by_side(run: Run) -> None:
    async def main() -> None:
        scp = aio.SCP("VENDOR")

        @scp.on_store
        async def keep(event: pacskit.StoreEvent) -> None:
            await asyncio.sleep(0.05)

        async def send(peer: aio.Peer, number: int) -> int:
            (sent,) = [one async for one in peer.store(instance(number))]
            return int(sent.status)

        async with scp, aio.connect(scp.address) as peer:
            began = time.monotonic()
            assert await asyncio.gather(*(send(peer, number) for number in range(20))) == [0] * 20
            assert time.monotonic() - began < 1  # and not twenty times as long as one

    run(main())


def test_a_blocking_handler_delays_only_its_own_association(run: Run) -> None:
    async def main() -> None:
        hold = threading.Event()
        service = Recorder(hold=hold)
        async with aio.Server([service], ae="SERVER", workers=2) as server:
            address = f"SERVER@127.0.0.1:{server.address[1]}"
            held = await aio.Association.request(address, [VERIFICATION], calling="A")
            waiting = asyncio.create_task(held.perform(CEchoRequest()))
            await _until(service.entered.is_set)
            service.hold = None
            async with await aio.Association.request(address, [VERIFICATION], calling="B") as other:
                for _ in range(50):
                    assert (await other.perform(CEchoRequest())).status.is_success
            assert not waiting.done()
            hold.set()
            assert (await waiting).status.is_success
            await held.release()

    run(main())


def test_what_a_thread_still_does_after_the_stop_is_cleaned_up_there(run: Run) -> None:
    """A flow that waits for a thread is unwound by it, not beside it."""
    begun, hold, order = threading.Event(), threading.Event(), []

    class Slow(Recorder):
        def serve(self, request: Request, association: AssociationInfo) -> Flow:
            def work() -> None:
                begun.set()
                hold.wait(20)
                order.append("worked")

            try:
                yield Call(work)
                yield Send(request.command.response())
            finally:
                order.append("cleaned up")

    async def main() -> None:
        async with aio.Server([Slow()], ae="SERVER") as server:
            association = await aio.Association.request(
                f"SERVER@127.0.0.1:{server.address[1]}", [VERIFICATION], calling="A"
            )
            waiting = asyncio.create_task(association.perform(CEchoRequest()))
            await _until(begun.is_set)
            await server.stop(grace=0.05)
            with pytest.raises(pacskit.AssociationAborted):
                await waiting
            await association.release()

    run(main())
    assert order == []
    hold.set()
    assert settle(lambda: order == ["worked", "cleaned up"])


def test_a_flood_of_requests_waits_in_the_socket(run: Run) -> None:
    """While one request is handled another may wait here; the rest is held back by TCP."""
    hold = threading.Event()
    service = Recorder(hold=hold, sinks=MemorySink)

    async def main() -> None:
        async with aio.Server([service], ae="SERVER") as server:

            def flood() -> int:
                with RawPeer(server.address) as peer:
                    peer.associate()
                    peer.socket.settimeout(0.3)
                    burst = echo_rq() * 200
                    sent = 0
                    try:
                        while True:
                            sent += peer.socket.send(burst)
                    except TimeoutError:
                        hold.set()
                    return sent

            assert await asyncio.to_thread(flood) < 50_000_000
            await _until(lambda: server.associations == 0)

    run(main())


def test_stores_from_files_stream_through_threads(run: Run, tmp_path: Path) -> None:
    made = instance()
    made.PixelData = random.Random(5).randbytes(5_000_000)
    path = tmp_path / "big.dcm"
    pacskit.dcmwrite(path, made, transfer_syntax=EXPLICIT)

    async def main() -> None:
        kept: list[Path] = []
        scp = aio.SCP("VENDOR")

        @scp.on_store
        def keep(event: pacskit.StoreEvent) -> None:
            kept.append(event.save_into(tmp_path / "in"))

        async with scp, aio.connect(scp.address) as peer:
            outcomes = [sent async for sent in peer.store([path, tmp_path / "absent.dcm"])]
        assert [bool(sent.status.is_success) for sent in outcomes] == [False, True]
        assert kept[0].read_bytes().endswith(path.read_bytes()[-5_000_000:])

    run(main())


def test_an_archive_is_served_from_a_loop(run: Run, tmp_path: Path) -> None:
    """Its index and files block, in threads; C-MOVE opens another association."""

    async def main() -> None:
        async with aio.Archive(tmp_path / "archive", ae="ARCHIVE") as archive:
            with pytest.raises(pacskit.ConfigurationError, match="not serving"):
                _ = archive.address
            destination = aio.SCP("DEST")
            received: list[str] = []

            @destination.on_store
            async def keep(event: pacskit.StoreEvent) -> None:
                received.append(event.sop_instance_uid)

            async with destination:
                archive.nodes.add(destination.address)
                async with aio.connect(await archive.serve(port=0)) as peer:
                    sent = [one async for one in peer.store([instance(number) for number in range(1, 6)])]
                    assert all(one.status.is_success for one in sent)
                    assert len([one async for one in peer.find(PatientID="P1")]) == 1
                    steps = [step async for step in peer.move("STUDY", "1.2.3", to="DEST")]
                    assert steps[-1].completed == len(received) == 5
                    got = [one.dataset.InstanceNumber async for one in peer.get("STUDY", "1.2.3")]
                    assert got == [1, 2, 3, 4, 5]
                with pytest.raises(pacskit.ConfigurationError, match="already"):
                    await archive.serve(port=0)
                waiting = asyncio.create_task(archive.wait())
                await archive.stop()
                await waiting
            assert (await archive.store(instance(6))).outcome == "stored"
            found = [one.InstanceNumber async for one in archive.find("IMAGE", StudyInstanceUID="1.2.3")]
            assert sorted(found) == [1, 2, 3, 4, 5, 6]
            assert (await archive.counts()).instances == 6

    run(main())


def test_nobody_is_kept_waiting_by_a_closed_port_or_a_silent_one(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"X@127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(pacskit.DeadlineExceeded):
                await aio.echo(address, timeouts=pacskit.Timeouts(acse=0.2, release=0.2))
        with pytest.raises(pacskit.ConnectError):
            await aio.echo(address)

    run(main())


def test_a_server_ends_with_its_task(run: Run) -> None:
    async def main() -> None:
        scp = aio.SCP("VENDOR")
        started = asyncio.Event()

        async def serve() -> None:
            async with scp:
                started.set()
                await scp.serve_forever()

        task = asyncio.create_task(serve())
        await started.wait()
        address = scp.address
        assert (await aio.echo(address)).is_success
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(pacskit.ConnectError):
            await aio.echo(address)

    run(main())


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(pacskit.ConfigurationError):
        aio.Server([Recorder()], ae="SERVER", workers=0)
    with pytest.raises(pacskit.ConfigurationError):
        aio.Server([Recorder()], ae="SERVER", transfer_syntaxes=[])
    with pytest.raises(pacskit.ConfigurationError):
        _ = aio.Server([Recorder()], ae="SERVER").address
    with pytest.raises(pacskit.ConfigurationError, match="tls_context"):
        aio.Server([Recorder()], ae="SERVER", tls="ca.pem")  # type: ignore[arg-type]
