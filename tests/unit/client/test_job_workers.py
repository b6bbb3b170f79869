"""Threads and processes that do jobs: each is done, also when a process is killed at it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pacskit.client.jobs import (
    Handler,
    Handlers,
    JobContext,
    JobInterrupted,
    JobQueue,
    JobRejected,
    Jobs,
    JobState,
    RetryLater,
    TableQueue,
    Worker,
    open_queue,
)
from pacskit.client.jobs.common import Clock
from pacskit.core.errors import ConfigurationError, StorageError
from pacskit.storage.index import open_index
from pacskit.storage.index.pipes import PipeListener, ringing
from pacskit.storage.index.repository import SqlIndex
from tests.conftest import ROOT

PATIENCE = 60.0


@pytest.fixture(params=["sqlite", "postgresql", "procrastinate"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The address of an index, and the engine of its jobs."""
    if request.param == "sqlite":
        return f"sqlite://{tmp_path}/index.sqlite", "table"
    url: str = request.getfixturevalue("postgres_schema")()
    return url, "table" if request.param == "postgresql" else "procrastinate"


@pytest.fixture
def index(where: tuple[str, str]) -> Iterator[SqlIndex]:
    with closing(open_index(where[0])) as made:
        yield made


@pytest.fixture
def queue(where: tuple[str, str], index: SqlIndex) -> JobQueue:
    return open_queue(index, where[1])


def ends(queue: JobQueue, id: int, *states: JobState) -> JobState:
    """Wait until a job is in one of some states."""
    seen, deadline = -1, datetime.now(UTC) + timedelta(seconds=PATIENCE)
    while (state := queue.get(id).state) not in states:
        assert datetime.now(UTC) < deadline, state
        seen = queue.bell.wait(seen, 1)
    return state


ENDED = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.PAUSED)


def test_handlers_do_jobs_and_say_what_became_of_them(queue: JobQueue) -> None:
    jobs, fails = Jobs(queue, threads=3), iter([RetryLater("busy", delay=0.01), OSError("gone")])
    reports: list[str] = []

    @jobs.handler("store", delay=0.01)
    def store(job: JobContext) -> dict[str, Any]:
        for error in fails:
            raise error
        job.progress(1, 1, "sent")
        return {"sent": job.payload["n"]}

    @jobs.handler("query")
    def query(job: JobContext) -> None:
        raise JobRejected("no such node")

    @jobs.handler("export")
    def export(job: JobContext) -> object:
        reports.append("export")
        return object()

    jobs.start()
    made = [jobs.enqueue(kind, {"n": 7}).id for kind in ("store", "query", "export")]
    with pytest.raises(ConfigurationError):
        jobs.handler("store")(store)
    states = [ends(queue, id, *ENDED) for id in made]
    jobs.stop()
    assert states[:2] == [JobState.COMPLETED, JobState.FAILED]
    assert reports == ["export"]
    done, rejected, odd = (queue.get(id) for id in made)
    assert (done.attempts, rejected.attempts) == (3, 1)
    if "result" in queue.supports:
        assert (done.result, done.done, done.note) == ({"sent": 7}, 1, "sent")
        assert rejected.error == "JobRejected: no such node"
        assert (odd.state, odd.error) == (JobState.FAILED, "what the handler returned is no JSON")


def test_jobs_that_wait_for_their_moment_are_done_then(queue: JobQueue) -> None:
    jobs = Jobs(queue)
    jobs.handler("sync")(lambda job: None)
    jobs.start()
    made = jobs.enqueue("sync", run_at=datetime.now(UTC) + timedelta(seconds=0.4))
    assert made.state == JobState.PENDING
    assert ends(queue, made.id, *ENDED) == JobState.COMPLETED
    found = queue.get(made.id)
    assert found.started is not None
    assert found.started >= made.run_at
    jobs.schedule("often", timedelta(seconds=1), "sync")
    deadline, seen = datetime.now(UTC) + timedelta(seconds=PATIENCE), -1
    while queue.counts()[JobState.COMPLETED] < 3:
        assert datetime.now(UTC) < deadline
        seen = queue.bell.wait(seen, 1)
    jobs.stop()


def test_a_handler_sees_that_its_job_is_cancelled_or_paused(where: tuple[str, str], queue: JobQueue) -> None:
    jobs, begun, seen = Jobs(queue), threading.Event(), list[str]()

    @jobs.handler("export")
    def export(job: JobContext) -> None:
        begun.set()
        try:
            job.wait(PATIENCE)
        except JobInterrupted as error:
            seen.append(error.reason)
            raise

    jobs.start()
    with closing(open_index(where[0])) as index:
        other = open_queue(index, where[1])  # as from another process
        for change, state in ((other.cancel, JobState.CANCELLED), (other.pause, JobState.PAUSED)):
            if state == JobState.PAUSED and "pause" not in queue.supports:
                continue
            made = other.enqueue("export")
            assert begun.wait(PATIENCE)
            begun.clear()
            change(made.id)
            assert ends(queue, made.id, *ENDED) == state
    jobs.stop()
    assert seen == ["cancel", "pause"][: len(seen)]
    assert seen


def test_a_worker_that_stops_gives_its_jobs_back(queue: JobQueue) -> None:
    begun, go, reasons = threading.Semaphore(0), threading.Event(), list[str]()

    def polite(job: JobContext) -> None:
        begun.release()
        try:
            job.wait(PATIENCE)
        except JobInterrupted as error:
            reasons.append(error.reason)
            raise

    def deaf(job: JobContext) -> None:
        begun.release()
        go.wait(PATIENCE)

    handlers = Handlers()
    handlers.add("store", Handler(polite))
    handlers.add("query", Handler(deaf))
    worker = Worker(queue, handlers, threads=2).start()
    made = [queue.enqueue(kind).id for kind in ("store", "query")]
    for _ in made:
        assert begun.acquire(timeout=PATIENCE)
    worker.stop(grace=0.2)
    assert reasons == ["stop"]
    assert worker.running == ()
    assert [queue.get(id).state for id in made] == [JobState.QUEUED] * 2
    again = queue.claim(2, worker="next")
    assert sorted(one.id for one in again) == made
    go.set()  # what the deaf one does now is of no account
    for job in again:
        queue.ack(job)


def test_a_job_that_takes_too_long_is_taken_away(queue: JobQueue) -> None:
    jobs, ended = Jobs(queue), threading.Event()

    @jobs.handler("store", timeout=0.2, delay=3600)
    def store(job: JobContext) -> None:
        try:
            job.wait(PATIENCE)
        except JobInterrupted as error:
            if error.reason == "lost":
                ended.set()
            raise

    jobs.start()
    made = jobs.enqueue("store")
    assert ended.wait(PATIENCE)
    assert ends(queue, made.id, JobState.PENDING, *ENDED) == JobState.PENDING
    if "result" in queue.supports:
        assert queue.get(made.id).error == "it took more than 0.2 seconds"
    jobs.stop()


def test_leases_are_renewed_while_a_handler_works(queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacskit.client.jobs.worker._BEATS", 600)
    jobs, renewed, go = Jobs(queue), threading.Semaphore(0), threading.Event()
    heartbeat = queue.heartbeat

    def beat(*arguments: Any, **named: Any) -> Any:
        renewed.release()
        return heartbeat(*arguments, **named)

    monkeypatch.setattr(queue, "heartbeat", beat)
    jobs.handler("store")(lambda job: go.wait(PATIENCE))
    jobs.start()
    made = jobs.enqueue("store")
    for _ in range(3):
        assert renewed.acquire(timeout=PATIENCE)
    go.set()
    assert ends(queue, made.id, *ENDED) == JobState.COMPLETED
    assert queue.get(made.id).attempts == 1
    jobs.stop()


def test_a_job_and_what_it_does_are_one_transaction(index: SqlIndex, queue: JobQueue) -> None:
    """What is written and the end of the job happen both or not at all."""
    jobs = Jobs(queue)

    @jobs.handler("import", delay=0)
    def bring(job: JobContext) -> None:
        def work(tx: Any) -> None:
            tx.execute("UPDATE state SET value = value + 1 WHERE name = 'generation'")
            job.finish(tx)
            if job.job.attempts == 1:
                raise StorageError("the disk is full")

        index.run(work)

    with index.reader() as connection:
        before = connection.execute("SELECT value FROM state WHERE name = 'generation'").fetchone()[0]
    jobs.start()
    made = jobs.enqueue("import")
    assert ends(queue, made.id, *ENDED) == JobState.COMPLETED
    jobs.stop()
    with index.reader() as connection:
        after = connection.execute("SELECT value FROM state WHERE name = 'generation'").fetchone()[0]
    assert (queue.get(made.id).attempts, after - before) == (2, 1)


CHILD = """
import os, sys, threading
from pacskit.client.jobs import Jobs, open_queue
from pacskit.storage.index import open_index

url, engine, mode, lease = sys.argv[1:]
index = open_index(url)
jobs = Jobs(open_queue(index, engine), threads=4, lease=float(lease))

def say(text):
    os.write(1, (text + "\\n").encode())  # lines of threads do not mix

@jobs.handler("store")
def store(job):
    if mode == "hang":
        say(f"begun {job.job.id}")
        threading.Event().wait()
    say(f"done {job.payload['n']}")

jobs.start()
say("ready")
sys.stdin.read()
jobs.stop(30)
index.close()
"""


def child(where: tuple[str, str], mode: str, lease: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, *where, mode, str(lease)]
    made = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert made.stdout is not None
    assert made.stdout.readline() == "ready\n"
    return made


def test_threads_of_two_processes_do_each_job_once(where: tuple[str, str], index: SqlIndex, queue: JobQueue) -> None:
    children = [child(where, "work", 60) for _ in range(2)]
    for first in range(0, 60, 10):

        def some(tx: Any, first: int = first) -> None:
            for n in range(first, first + 10):
                queue.enqueue("store", {"n": n}, priority=n % 4, tx=tx)

        index.run(some)
    for job in queue.list(limit=100):
        ends(queue, job.id, *ENDED)
    printed = [one.communicate(timeout=PATIENCE)[0].split("\n") for one in children]
    assert [one.returncode for one in children] == [0, 0]
    done = sorted(int(line.split()[1]) for lines in printed for line in lines if line.startswith("done"))
    assert done == list(range(60))


def test_the_job_of_a_process_that_was_killed_is_done_by_another(
    where: tuple[str, str], index: SqlIndex, queue: JobQueue
) -> None:
    first = child(where, "hang", 60)
    made = queue.enqueue("store", {"n": 5}, dedup_key="k")
    assert first.stdout is not None
    assert first.stdout.readline() == f"begun {made.id}\n"
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=PATIENCE)
    assert queue.get(made.id).state == JobState.RUNNING
    with index.reader() as connection:
        now = Clock(index.dialect)(connection)
    if where[1] == "table":  # the rest of the lease, but for a second
        index.run(lambda tx: tx.execute("UPDATE job SET due = ?", (now + 1000,)).rowcount)
    else:
        late = "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '61 s'"
        index.run(lambda tx: tx.execute(late).rowcount)
    second = child(where, "work", 60)  # nobody tells it: it finds the job when the lease is over
    assert second.stdout is not None
    assert second.stdout.readline() == "done 5\n"
    second.communicate(timeout=PATIENCE)
    found = queue.get(made.id)
    assert (found.state, found.attempts) == (JobState.COMPLETED, 2)


def test_who_begins_to_listen_during_a_commit_hears_of_it(tmp_path: Path) -> None:
    """It may have looked before the commit, which had looked for listeners before."""
    heard = threading.Event()
    listener = PipeListener(str(tmp_path / "pipes"), heard.set)
    with ringing(str(tmp_path / "pipes"), ""):
        listener.start()
        heard.clear()
    assert heard.wait(PATIENCE)
    listener.close()


def test_a_database_that_goes_away_is_waited_for(postgres_schema: Callable[[], str]) -> None:
    import psycopg

    url = postgres_schema()
    with closing(open_index(url)) as index, closing(open_index(url)) as other:
        jobs, done = Jobs(TableQueue(index)), threading.Semaphore(0)
        jobs.handler("store")(lambda job: done.release())
        jobs.start()
        queue = TableQueue(other)
        queue.enqueue("store")
        assert done.acquire(timeout=PATIENCE)
        with psycopg.connect(url, autocommit=True) as raw:
            raw.execute(
                "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity"
                " WHERE application_name = 'pacskit' AND pid <> pg_backend_pid()"
            )
        queue.enqueue("store")
        assert done.acquire(timeout=PATIENCE)
        jobs.stop()
