"""The asyncio driver beside the thread driver: the same services, the same bare clients, one server process each."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from asv_bench.benchmarks import inputs
from asv_bench.compare.footprint import idle
from asv_bench.compare.processes import need, peer, run_clients
from asv_bench.compare.rows import Row, Scale, Subject

__all__ = ["ROWS", "echo_asyncio", "serve", "store_asyncio"]

_PIXELS = 512 * 1024
_MANY = 8


# ---- what runs in processes of its own ----------------------------------------------------------


class _Files:
    """C-STORE into a file, which is removed when it is complete: what is measured is the way there."""

    sop_classes = (inputs.CT_STORAGE,)

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def sink(self, request: Any, association: Any) -> Any:
        from pacskit.network.sink import FileSink

        return FileSink(self._folder / request.command.affected_sop_instance_uid)

    def serve(self, request: Any, association: Any) -> Any:
        from pacskit.network.flow import Send

        os.unlink(request.data)
        yield Send(request.command.response())


def serve(driver: str, folder: str) -> None:
    """C-ECHO and C-STORE by one of the drivers; print the port, and serve until the parent lets go."""
    from pacskit.services.verification import VerificationService

    services: list[Any] = [VerificationService(), _Files(folder)]
    if driver == "threads":
        from pacskit.network.threads import Server

        with Server(services, ae="PEER") as server:
            print(server.address[1], flush=True)
            sys.stdin.read()
        return

    async def main() -> None:
        from pacskit.aio import Server

        async with Server(services, ae="PEER") as server:
            print(server.address[1], flush=True)
            await asyncio.to_thread(sys.stdin.read)

    with asyncio.Runner(loop_factory=_factory(driver)) as runner:
        runner.run(main())


def _factory(driver: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if driver != "uvloop":
        return asyncio.new_event_loop
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _timed(association: Any, make: Callable[[int], tuple[Any, bytes | None]], count: int) -> None:
    """Say that it is ready, wait for a line, and say how long so many requests took."""
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    for number in range(count):
        request, data = make(number)
        if (await association.perform(request, data)).status:
            raise SystemExit("a request has failed")
    print(time.perf_counter() - began, flush=True)


def echo_asyncio(port: int, called: str, count: int) -> None:
    """C-ECHO by our asyncio association."""
    from pacskit.aio import Association
    from pacskit.network.dimse import CEchoRequest

    async def main() -> None:
        address = f"{called}@127.0.0.1:{port}"
        async with await Association.request(address, ["1.2.840.10008.1.1"], calling="BENCH") as association:
            await _timed(association, lambda number: (CEchoRequest(), None), count)

    asyncio.run(main())


def store_asyncio(port: int, called: str, instances: list[tuple[str, bytes]]) -> None:
    """C-STORE by our asyncio association."""
    from pacskit.aio import Association
    from pacskit.network.dimse import CStoreRequest
    from pacskit.network.negotiation import ContextProposal

    def make(number: int) -> tuple[Any, bytes]:
        uid, data = instances[number]
        return CStoreRequest(affected_sop_class_uid=inputs.CT_STORAGE, affected_sop_instance_uid=uid), data

    async def main() -> None:
        contexts = [ContextProposal(inputs.CT_STORAGE, (inputs.EXPLICIT,))]
        address = f"{called}@127.0.0.1:{port}"
        async with await Association.request(address, contexts, calling="BENCH") as association:
            await _timed(association, make, len(instances))

    asyncio.run(main())


# ---- rows ---------------------------------------------------------------------------------------


def _echo(driver: str, client: str, clients: int, count: int) -> float:
    """Round trips a second that so many clients have together."""
    if driver == "uvloop":
        need("uvloop")
    with peer(driver) as found:
        return clients * count / run_clients(client, found, [(count,)] * clients)


def _store(driver: str, client: str, clients: int, count: int) -> float:
    """Instances a second that so many clients store together."""
    if driver == "uvloop":
        need("uvloop")
    with peer(driver) as found:
        arguments = [(number * (count + 1), count, _PIXELS) for number in range(clients)]
        return clients * count / run_clients(client, found, arguments)


def _servers(run: Callable[..., float], clients: int, quick: int, full: int, verb: str) -> Any:
    """The subjects of a row: each driver's server with bare clients; and our asyncio client, where there is one."""

    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        each = scale(quick, full)
        subjects = [
            Subject(f"bare client -> {driver}", partial(run, driver, f"{verb}:wire", clients, each))
            for driver in ("asyncio", "threads", "uvloop")
        ]
        if clients == 1:
            subjects += [
                Subject(f"{client} -> threads", partial(run, "threads", f"{verb}:{client}", 1, each))
                for client in ("asyncio", "pacskit")
            ]
        return subjects

    return build


def _idles(scale: Scale, stack: ExitStack) -> list[Subject]:
    return [Subject("pacskit on asyncio, 100 associations", partial(idle, partial(peer, "asyncio"), 100, scale(2, 10)))]


_AGAINST = "bare client -> threads"
ROWS = [
    Row("aio-echo", "C-ECHO on one association", "/s", _servers(_echo, 1, 3000, 20000, "echo"), 0.5, _AGAINST),
    Row(
        "aio-echo-many",
        "C-ECHO on 8 associations",
        "/s",
        _servers(_echo, _MANY, 1000, 5000, "echo"),
        0.7,
        _AGAINST,
    ),
    Row("aio-store", "C-STORE 512 KiB, 1 association", "/s", _servers(_store, 1, 100, 500, "store"), 0.6, _AGAINST),
    Row(
        "aio-store-many",
        "C-STORE 512 KiB, 8 associations",
        "/s",
        _servers(_store, _MANY, 30, 100, "store"),
        0.7,
        _AGAINST,
    ),
    Row("aio-idle", "CPU of idle associations, asyncio", "% of a core", _idles, below=1),
]
