"""Ends that meet on asyncio: tasks that close at once, or are cancelled while they open, wait or close."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

import pacskit
from pacskit import aio
from pacskit.core.uids import StorageCommitmentPushModel, StorageCommitmentPushModelInstance
from pacskit.network.address import Address
from pacskit.network.aio_calls import Calls
from pacskit.network.dimse import CEchoRequest
from pacskit.network.negotiation import ContextProposal
from pacskit.network.pdu import AssociateAccept, AssociateRequest, ContextResult, UserInformation, decode_associate
from pacskit.security.context import TlsContext
from pacskit.services.normalized import ActionEvent, NotificationEvent
from tests.network.drivers import AsyncioDriver
from tests.network.peers import CT, RELEASE_RP, VERIFICATION, Recorder, associate_rq

Run = Callable[[Coroutine[Any, Any, Any]], Any]
ECHO = [ContextProposal(VERIFICATION)]
COMMITMENT, WELL_KNOWN = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
PATIENT = pacskit.Timeouts(connect=30, acse=30, dimse=30, release=30)


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.002)


class Acceptor:
    """Takes associations, once ``go_on`` is set, answers releases alone, and closes once ``let_go`` is set."""

    def __init__(self) -> None:
        self.go_on, self.let_go = asyncio.Event(), asyncio.Event()
        self.asked = 0
        self.requests = 0
        self.aborts = 0
        self.address = Address("X", "127.0.0.1")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readexactly(6)
                body = await reader.readexactly(int.from_bytes(head[2:], "big"))
                self.requests += head[0] == 4
                self.aborts += head[0] == 7
                if head[0] == 5:
                    writer.write(RELEASE_RP)
                if head[0] == 1:
                    self.asked += 1
                    await self.go_on.wait()
                    request = decode_associate(1, body)
                    assert isinstance(request, AssociateRequest)
                    results = tuple(ContextResult(c.id, 0, c.transfer_syntaxes[0]) for c in request.contexts)
                    writer.write(AssociateAccept(request.called, request.calling, results, UserInformation()).encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.let_go.wait()
        finally:
            writer.close()


@asynccontextmanager
async def acceptor() -> AsyncIterator[Acceptor]:
    made = Acceptor()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.address = Address("X", *server.sockets[0].getsockname()[:2])
    try:
        yield made
    finally:
        made.go_on.set()
        made.let_go.set()
        server.close()
        await until(lambda: len(asyncio.all_tasks()) <= 2)  # `main` and the one that runs it


def test_a_task_that_is_cancelled_while_it_closes_leaves_the_other_alone(run: Run) -> None:
    async def main() -> None:
        async with acceptor() as peer:
            peer.go_on.set()
            association = await aio.Association.request(peer.address, [VERIFICATION], calling="A", timeouts=PATIENT)
            first, second = (asyncio.create_task(association.abort()) for _ in range(2))
            await until(lambda: peer.aborts == 1)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            assert not second.done()
            peer.let_go.set()
            await second
            await association.release()

    run(main())


def test_a_peer_that_is_closed_while_a_verb_opens_its_association_ends_that_too(run: Run) -> None:
    async def main() -> None:
        async with acceptor() as peer:
            client = aio.connect(peer.address, timeouts=PATIENT)
            verb = asyncio.create_task(client.echo())
            await until(lambda: peer.asked == 1)
            await client.close()
            peer.go_on.set()
            peer.let_go.set()
            with pytest.raises(pacskit.AssociationAborted, match="our side"):
                await verb
            assert (peer.requests, peer.aborts) == (0, 1)

    run(main())


def test_a_close_that_is_cancelled_still_ends_every_association(run: Run) -> None:
    async def main() -> None:
        async with acceptor() as peer:
            peer.go_on.set()
            client = aio.connect(peer.address, timeouts=PATIENT)
            verbs = [asyncio.create_task(client.echo()) for _ in range(3)]
            await until(lambda: peer.requests == 3)
            closing = asyncio.create_task(client.close())
            await until(lambda: peer.aborts == 1)
            closing.cancel()
            peer.let_go.set()
            with pytest.raises(asyncio.CancelledError):
                await closing
            for one in await asyncio.gather(*verbs, return_exceptions=True):
                assert isinstance(one, pacskit.AssociationAborted)
            assert peer.aborts == 3

    run(main())


def test_a_stop_that_is_cancelled_still_ends_every_association(run: Run) -> None:
    async def main() -> None:
        entered, hold = asyncio.Event(), asyncio.Event()
        scp = aio.SCP("VENDOR")

        @scp.on_echo
        async def wait(event: pacskit.EchoEvent) -> None:
            entered.set()
            await hold.wait()

        await scp.start()
        client = aio.connect(scp.address, timeouts=PATIENT)
        verb = asyncio.create_task(client.echo())
        server = scp._server
        assert server is not None
        await entered.wait()
        stopping = asyncio.create_task(scp.stop(grace=60))
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        await server.wait()
        with pytest.raises(pacskit.AssociationAborted):
            await verb
        await until(lambda: server.associations == 0)
        await client.close()

    run(main())


def test_a_server_that_stops_waits_for_no_handshake(run: Run, mutual: TlsContext) -> None:
    async def main() -> None:
        server = aio.Server([Recorder()], ae="SERVER", tls=mutual, timeouts=pacskit.Timeouts(handshake=600))
        async with server:
            reader, writer = await asyncio.open_connection(*server.address)
            await until(lambda: server.associations == 1)
            await server.stop(grace=600)
            assert server.associations == 0
            assert await reader.read() == b""
            writer.close()

    run(main())


def test_what_came_behind_a_slow_request_under_tls_is_answered(run: Run, mutual: TlsContext) -> None:
    """Several requests in one record are deciphered at once, and wait there where the connection is held."""

    async def main() -> None:
        hold = threading.Event()
        service = Recorder(hold=hold)
        limits = pacskit.Limits(max_async_ops=40)
        async with (
            aio.Server([service], ae="SERVER", tls=mutual) as server,
            await aio.Association.request(
                Address("SERVER", *server.address), [VERIFICATION], calling="A", tls=mutual, window=0, limits=limits
            ) as association,
        ):
            done = association.perform_all([CEchoRequest() for _ in range(40)])
            first = asyncio.ensure_future(anext(done))
            await until(service.entered.is_set)
            hold.set()
            await first
            assert len([one async for one in done]) == 39

    run(main())


def test_what_threads_were_given_is_done_though_they_are_let_go(run: Run) -> None:
    """A verb that waits for a thread while its peer is closed is not told that it was cancelled."""

    async def main() -> None:
        calls, hold = Calls(1), threading.Event()
        held, queued = (asyncio.create_task(calls.call(work)) for work in (hold.wait, lambda: 5))
        await asyncio.sleep(0)
        calls.stop()
        hold.set()
        assert await held
        assert await queued == 5

    run(main())


# ---- pools -----------------------------------------------------------------------------------------


def test_a_lease_that_is_cancelled_leaves_its_place_to_others(run: Run) -> None:
    async def main() -> None:
        async with acceptor() as peer, aio.AssociationPool(size=1) as pool:
            order: list[str] = []

            async def use(name: str) -> None:
                async with pool.lease(peer.address, ECHO, calling="A", timeouts=PATIENT):
                    order.append(name)

            opening = asyncio.create_task(use("opening"))
            await until(lambda: peer.asked == 1)
            waiting, third = (asyncio.create_task(use(name)) for name in ("waiting", "third"))
            await until(lambda: len(pool._waiters) == 2)
            waiting.cancel()
            opening.cancel()
            for one in (waiting, opening):
                with pytest.raises(asyncio.CancelledError):
                    await one
            peer.go_on.set()
            peer.let_go.set()
            await third
            assert order == ["third"]
            assert pool.counts(peer.address) == (1, 1)

    run(main())


def test_a_pool_that_is_closed_tells_who_waits(run: Run) -> None:
    async def main() -> None:
        async with acceptor() as peer:
            peer.go_on.set()
            peer.let_go.set()
            pool = aio.AssociationPool(size=1)

            async def use(contexts: list[ContextProposal]) -> None:
                async with pool.lease(peer.address, contexts, calling="A", timeouts=PATIENT):
                    return

            async with pool.lease(peer.address, ECHO, calling="A", timeouts=PATIENT) as lent:
                waiting = asyncio.create_task(use([ContextProposal(CT)]))
                await until(lambda: len(pool._waiters) == 1)
                await pool.close()
                with pytest.raises(pacskit.ConfigurationError, match="closed"):
                    await waiting
                assert lent.is_open
            assert not lent.is_open
            assert pool.counts(peer.address) == (0, 0)

    run(main())


# ---- notifications ---------------------------------------------------------------------------------


def test_a_notification_is_awaited_beside_other_verbs(run: Run) -> None:
    async def main() -> None:
        scp = aio.SCP("COMMIT")
        told: list[str] = []

        @scp.on_action(COMMITMENT)
        async def commit(event: ActionEvent) -> None:
            event.report(1, pacskit.Dataset(TransactionUID=event.dataset.TransactionUID))

        async with scp, aio.connect(scp.address, timeouts=PATIENT) as peer:

            async def note(event: NotificationEvent) -> None:
                await asyncio.sleep(0)
                told.append(event.dataset.TransactionUID)

            peer.on_event(COMMITMENT)(note)
            with pytest.raises(pacskit.AssociationReleased, match="no association"):
                await peer.wait_event(0.01)
            answer = await peer.n_action(COMMITMENT, WELL_KNOWN, 1, pacskit.Dataset(TransactionUID="1.2"))
            assert answer.status.is_success
            event = await peer.wait_event(30)
            assert event is not None
            assert (event.event_type, told) == (1, ["1.2"])
            waiting = asyncio.create_task(peer.wait_event(0.5))
            await asyncio.sleep(0)
            assert (await peer.echo()).is_success
            again = await peer.n_action(COMMITMENT, WELL_KNOWN, 1, pacskit.Dataset(TransactionUID="1.3"))
            assert again.status.is_success
            assert await waiting is None  # which waited on the first association

    run(main())


# ---- peers that come while a server goes -----------------------------------------------------------


def _hears(address: tuple[str, int]) -> bool:
    """Whether somebody who asks for an association hears anything, if only the end of the connection."""
    try:
        with socket.create_connection(address, timeout=20) as peer:
            peer.sendall(associate_rq(VERIFICATION))
            while peer.recv(4096):
                continue
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_nobody_who_was_accepted_while_the_server_stopped_is_forgotten(nothing_left_behind: None) -> None:
    driver = AsyncioDriver()
    heard: list[bool] = []
    for _ in range(10):
        server = driver.server([Recorder()], ae="SERVER")
        server.__enter__()
        address = server.address
        peers = [threading.Thread(target=lambda: heard.append(_hears(address))) for _ in range(12)]  # noqa: B023
        stopping = threading.Thread(target=server.stop)
        for number, peer in enumerate(peers):
            peer.start()
            if number == 6:
                stopping.start()
        for peer in [*peers, stopping]:
            peer.join()
    driver.close()
    assert len(heard) == 120
    assert all(heard)
