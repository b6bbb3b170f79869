"""Every queue does what the suite says: the table in SQLite and in PostgreSQL, and procrastinate."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pacskit.client.jobs import JobQueue, TableQueue
from pacskit.client.jobs.common import Clock, SqlQueue
from pacskit.client.jobs.procrastinate import ProcrastinateQueue
from pacskit.core.errors import ConfigurationError
from pacskit.storage.index import open_index
from pacskit.storage.index.dialect import Connection, Dialect
from pacskit.testing import JobQueueTests


class Ahead:
    """A clock that somebody sets forward."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.more = 0
        self._clock = Clock(dialect_of(url))

    def __call__(self, connection: Connection) -> int:
        return self._clock(connection) + self.more


def dialect_of(url: str) -> Dialect:
    return Dialect.SQLITE if url.startswith("sqlite") else Dialect.POSTGRESQL


@contextmanager
def opened(kind: type[SqlQueue], url: str, clock: Ahead) -> Iterator[Any]:
    index = open_index(url)
    try:
        yield kind(index, clock=clock)
    finally:
        index.close()


class Queues(JobQueueTests):
    """What the three have in common."""

    kind: type[SqlQueue] = TableQueue

    def url(self) -> str:
        raise NotImplementedError

    @contextmanager
    def queue(self) -> Iterator[JobQueue]:
        clock = Ahead(self.url())
        with opened(self.kind, clock.url, clock) as queue:
            yield queue

    @contextmanager
    def again(self, queue: Any) -> Iterator[JobQueue]:
        with opened(self.kind, queue._clock.url, queue._clock) as other:
            yield other

    def transaction(self, queue: Any, work: Callable[[Any], Any]) -> Any:
        return queue._index.run(work)

    def later(self, queue: Any, seconds: float) -> None:
        queue._clock.more += round(seconds * 1000)


class TestSqlite(Queues):
    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.directory, self.numbers = tmp_path, itertools.count()

    def url(self) -> str:
        return f"sqlite://{self.directory}/{next(self.numbers)}.sqlite"


class TestPostgres(Queues):
    @pytest.fixture(autouse=True)
    def _schema(self, postgres_schema: Callable[[], str]) -> None:
        self.url = postgres_schema  # type: ignore[method-assign]


class TestProcrastinate(TestPostgres):
    kind = ProcrastinateQueue

    def later(self, queue: Any, seconds: float) -> None:
        """Its clock is the server's: what it has kept becomes older."""
        import psycopg

        with psycopg.connect(queue._clock.url, autocommit=True) as raw:
            raw.execute("UPDATE job_schedule SET next_run = next_run - %s", (round(seconds * 1000),))
            for table, column in (("workers", "last_heartbeat"), ("jobs", "scheduled_at"), ("events", "at")):
                raw.execute(f"UPDATE procrastinate_{table} SET {column} = {column} - interval '{seconds} s'".encode())

    def test_its_own_tools_see_the_jobs(self) -> None:
        """A worker of procrastinate does what is enqueued here, and its manager knows what became of it."""
        import asyncio

        import procrastinate

        with self.queue() as queue:
            made = [queue.enqueue("store", {"study": f"1.2.{n}"}, dedup_key=f"k{n}") for n in range(3)]
            url = queue._clock.url  # type: ignore[attr-defined]
            app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
            seen: list[str] = []

            @app.task(name="pacskit.store", queue="pacskit.store")
            def store(study: str) -> None:
                seen.append(study)

            async def work() -> list[str]:
                async with app.open_async():
                    await app.run_worker_async(wait=False, install_signal_handlers=False)
                    jobs = await app.job_manager.list_jobs_async(queue="pacskit.store")
                    return [str(one.status) for one in jobs]

            assert asyncio.run(work()) == ["succeeded"] * 3
            assert seen == ["1.2.0", "1.2.1", "1.2.2"]
            assert [queue.get(one.id).state for one in made] == ["completed"] * 3


def test_procrastinate_needs_postgresql(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match="PostgreSQL"),
        opened(ProcrastinateQueue, f"sqlite://{tmp_path}/i.sqlite", Ahead("sqlite:x")),
    ):
        pass
