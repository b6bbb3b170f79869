"""Nothing acknowledged is lost, nothing is there by half: after kills, full disks, and at each step of storing."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pacskit.encoding import dcmread, encode
from pacskit.storage import Outcome, OutOfSpace, Store
from pacskit.storage.filesystem import FileStore, FileWriter
from pacskit.storage.index.sqlite import SQLiteIndex
from pacskit.storage.pending import QUEUE
from tests.unit.storage.crash_child import data_of
from tests.unit.storage.objects import CT, EXPLICIT, instance, put

ROOT = Path(__file__).resolve().parents[3]


def check(store: Store, alive: set[str], gone: set[str]) -> None:
    assert list(store.verify(digest=True)) == []
    stored = {one.sop_instance_uid: one for one in store.index.instances()}
    assert alive <= stored.keys()
    assert not gone & stored.keys()
    for one in stored.values():
        content = store.path(one).read_bytes()
        number = int(dcmread(content).InstanceNumber)
        size = len(content) - one.offset - len(data_of(one.sop_instance_uid, number, 0))
        assert content[one.offset :] == data_of(one.sop_instance_uid, number, size)
    assert [path.name for path in store.files.staging.iterdir() if store.blobs.session not in path.name] == []
    with contextlib.closing(sqlite3.connect(store.files.root.parent / "index.sqlite")) as connection:
        for sql in (
            "SELECT count(*) FROM series e WHERE instance_count <> "
            "(SELECT count(*) FROM instance i WHERE i.series = e.pk)",
            "SELECT count(*) FROM study s WHERE instance_count <> "
            "(SELECT sum(e.instance_count) FROM series e WHERE e.study = s.pk)",
            "SELECT count(*) FROM patient p WHERE instance_count <> "
            "(SELECT sum(s.instance_count) FROM study s WHERE s.patient = p.pk)",
            "SELECT count(*) FROM series e WHERE NOT EXISTS (SELECT 1 FROM instance i WHERE i.series = e.pk)",
            "SELECT count(*) FROM retired",
        ):
            assert connection.execute(sql).fetchone() == (0,), sql


COMMITS = ("group", "os", "object")


@pytest.mark.slow
def test_twenty_kills_while_eight_threads_store(tmp_path: Path) -> None:
    draw = random.Random(7)
    alive: set[str] = set()
    gone: set[str] = set()
    acknowledged = 0
    for kill in range(20):
        child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.unit.storage.crash_child",
                str(tmp_path),
                str(kill * 100_000),
                COMMITS[kill % 3],
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        with child, child.stdout as lines:  # type: ignore[union-attr]
            assert lines.readline() == b"ready\n"
            time.sleep(draw.uniform(0.02, 0.4))  # the moment of the kill, not a wait for anything
            child.send_signal(signal.SIGKILL)
            for line in lines:
                uid, outcome = line.decode().split()
                acknowledged += outcome in {"stored", "replaced"}
                if outcome in {"stored", "replaced"}:
                    alive.add(uid)
                    gone.discard(uid)
                elif outcome == "deleting":
                    alive.discard(uid)
                else:
                    gone.add(uid)
        # an object that several threads share may be deleted by one and stored by another in either order
        shared = {uid for uid in alive | gone if uid.startswith("1.2.0.1.")}
        with Store(tmp_path) as store:
            check(store, alive - shared, gone - shared)
    assert acknowledged > 200


STEPS: list[tuple[str, type, str]] = [
    ("before the staging file is whole", FileWriter, "_append"),
    ("before the staging name says so", FileWriter, "_mark"),
    ("before the staging name is synced", FileStore, "sync_staged"),
    ("before the final name", FileStore, "_link"),
    ("before the final name is synced", FileStore, "sync_names"),
    ("before the index transaction", SQLiteIndex, "ingest"),
    ("before the staging name goes", FileWriter, "settle"),
    ("before a replaced object goes", Store, "discard"),
]


def _die_at(directory: Path, owner: type, method: str, step: Callable[[Store], object], after: bool) -> None:
    store = Store(directory)
    original = getattr(owner, method)

    def die(*args: object, **options: object) -> None:
        if after:
            original(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, method, die)
    step(store)


def _store_one(store: Store) -> object:
    return put(store, instance(uid="1.2.1.1.2", PatientName="New"))


def _replace_one(store: Store) -> object:
    return put(store, instance(uid="1.2.1.1.1", PatientName="New"), duplicates="replace")


def _store_unless_there(store: Store) -> object:
    return put(store, instance(uid="1.2.1.1.2"), duplicates="reject")


def _delete_one(store: Store) -> object:
    return store.delete("IMAGE", instance_uid="1.2.1.1.1")


def _run(*arguments: object) -> None:
    child = multiprocessing.get_context("fork").Process(target=_die_at, args=arguments)
    child.start()
    child.join(30)
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("owner", "method"), [step[1:] for step in STEPS], ids=[step[0] for step in STEPS])
def test_killed_at_each_step(tmp_path: Path, owner: type, method: str, after: bool) -> None:
    with Store(tmp_path) as store:
        kept = put(store, instance(uid="1.2.1.1.1", PatientName="Old"))
    # a staging name that says that the file is whole is the point of no return: it may have been acknowledged
    indexed = method not in {"_append", "_mark"} or (method == "_mark" and after)
    if method != "discard":
        _run(tmp_path, owner, method, _store_one, after)
        with Store(tmp_path) as store:
            assert list(store.verify(digest=True)) == []
            assert (store.get("1.2.1.1.2") is not None) == indexed
            assert store.get("1.2.1.1.1") == kept.instance
    _run(tmp_path, owner, method, _replace_one, after)
    with Store(tmp_path) as store:
        assert list(store.verify(digest=True)) == []
        with store.open("1.2.1.1.1") as opened:
            assert (b"New" in opened.read()) == indexed
        assert (
            put(store, instance(uid="1.2.1.1.1", PatientName="Newer"), duplicates="replace").outcome is Outcome.REPLACED
        )
    if method == "discard":
        _run(tmp_path, owner, method, _delete_one, after)
        with Store(tmp_path) as store:
            assert store.get("1.2.1.1.1") is None
            assert not list(store.blobs.iter_keys())


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("owner", "method"), [step[1:] for step in STEPS], ids=[step[0] for step in STEPS])
def test_killed_at_each_step_where_duplicates_are_rejected(
    tmp_path: Path, owner: type, method: str, after: bool
) -> None:
    with Store(tmp_path) as store:
        put(store, instance(uid="1.2.1.1.1"))
    if method != "discard":
        _run(tmp_path, owner, method, _store_unless_there, after)
        with Store(tmp_path) as store:
            assert list(store.verify(digest=True)) == []
            indexed = method == "settle" or (method == "ingest" and after)
            assert (store.get("1.2.1.1.2") is not None) == indexed


def _secure_one(store: Store) -> object:
    ingest = store.begin(CT, "1.2.1.1.2", EXPLICIT)
    ingest.write(encode(instance(uid="1.2.1.1.2", PatientName="New"), EXPLICIT))
    ingest.secure()
    return store.counts()  # whoever asks has to see it


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("after", [False, True])
def test_what_is_secured_outlives_a_kill_before_it_is_indexed(tmp_path: Path, after: bool) -> None:
    with Store(tmp_path) as store:
        put(store, instance(uid="1.2.1.1.1"))
    _run(tmp_path, SQLiteIndex, "ingest_all", _secure_one, after)
    with Store(tmp_path) as store:
        assert list(store.verify(digest=True)) == []
        assert store.get("1.2.1.1.2") is not None
        assert store.counts().instances == 2


def test_a_living_session_is_left_alone(tmp_path: Path) -> None:
    with Store(tmp_path) as one:
        ingest = one.begin(CT, "1.2.1.1.1", EXPLICIT)
        one.files.spill = 10
        ingest.write(encode(instance(), EXPLICIT))
        with Store(tmp_path):
            pass
        assert ingest.commit().outcome is Outcome.STORED
        assert list(one.verify(digest=True)) == []


def test_a_name_used_again_is_not_taken_for_the_object_that_was_deleted(tmp_path: Path) -> None:
    with Store(tmp_path) as one:
        stored = put(one, instance()).instance
        assert stored is not None
        one.index.delete("IMAGE", {"SOPInstanceUID": ["1.2.1.1.1"]}, session="dead")
        one.path(stored).unlink()  # a process died after this and before it had dropped the tombstone
        (tmp_path / "staging" / "dead.lock").touch()
        (tmp_path / "staging" / "dead").mkdir()
        writer = one.blobs.create()
        writer.write(b"new")
        writer.finish(stored.key)
        assert writer.place() == stored.key
        with Store(tmp_path):  # recovers the dead one while the new object is in flight
            pass
        assert one.path(stored).read_bytes() == b"new"
        assert one.index.retired("dead") == []
        writer.abort()


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Files end at 2 MB: a write beyond fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("spill", [1 << 24, 1000])
def test_a_full_disk_is_an_error_that_leaves_nothing(
    tmp_path: Path, spill: int, request: pytest.FixtureRequest
) -> None:
    big = instance()
    big.add_new(0x7FE00010, "OB", bytes(3_000_000))
    with Store(tmp_path) as store:
        store.files.spill = spill
        request.getfixturevalue("small_disk")
        with pytest.raises(OutOfSpace):
            put(store, big)
        assert list(store.verify()) == []
        assert not list(store.files.own.iterdir())
        assert put(store, instance()).outcome is Outcome.STORED


def test_an_index_that_is_full_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        put(store, instance(uid="1.2.1.1.1"))
        assert isinstance(store.index, SQLiteIndex)
        connection = store.index._connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        stored = 1
        with pytest.raises(OutOfSpace):  # noqa: PT012 - it is not known which one fails
            for number in range(2, 2000):
                put(store, instance(uid=f"1.2.1.1.{number}", StudyDescription="x" * 60))
                stored += 1
        assert store.counts().instances == stored
        connection.execute("PRAGMA max_page_count = 1000000")
        assert put(store, instance(uid="1.2.1.1.9999")).outcome is Outcome.STORED
        assert list(store.verify(digest=True)) == []


def test_what_is_secured_waits_for_an_index_that_is_full(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        put(store, instance(uid="1.2.1.1.1"))
        assert isinstance(store.index, SQLiteIndex)
        connection = store.index._connection
        connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
        secured = 0
        with pytest.raises(OutOfSpace):  # noqa: PT012 - it is not known which one finds the index full
            for number in range(2, 2000):
                uid = f"1.2.1.1.{number}"
                ingest = store.begin(CT, uid, EXPLICIT)
                ingest.write(encode(instance(uid=uid, StudyDescription="x" * 60), EXPLICIT))
                assert ingest.secure() is None
                secured += 1
        with pytest.raises(OutOfSpace):
            store.counts()
    with Store(tmp_path) as store:  # the next start indexes what waited
        assert store.counts().instances == 1 + secured
        assert list(store.verify(digest=True)) == []


def test_whoever_asks_sees_what_was_secured(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        questions: list[Callable[[str], bool]] = [
            lambda uid: store.get(uid) is not None,
            lambda uid: any(one.sop_instance_uid == uid for one in store.locate("IMAGE", instance_uid=uid)),
            lambda uid: store.delete("IMAGE", instance_uid=uid) == 1,
            lambda uid: store.counts().instances == 3,
        ]
        for number, ask in enumerate(questions, 1):
            uid = f"1.2.1.1.{number}"
            ingest = store.begin(CT, uid, EXPLICIT)
            ingest.write(encode(instance(uid=uid), EXPLICIT))
            assert ingest.secure() is None
            assert ask(uid)
            assert len(store.backlog) == 0
        assert list(store.verify(digest=True)) == []


def test_one_that_cannot_be_indexed_does_not_hold_up_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = SQLiteIndex.ingest_all

    def ingest_all(index: SQLiteIndex, new: Any, *, session: str) -> Any:
        if any(one.sop_instance_uid == "1.2.1.1.3" for one, _ in new):
            raise ZeroDivisionError
        return original(index, new, session=session)

    monkeypatch.setattr(SQLiteIndex, "ingest_all", ingest_all)
    with Store(tmp_path) as store:
        for number in range(1, 6):
            ingest = store.begin(CT, f"1.2.1.1.{number}", EXPLICIT)
            ingest.write(encode(instance(uid=f"1.2.1.1.{number}"), EXPLICIT))
            assert ingest.secure() is None
        assert store.counts().instances == 4
    assert "cannot be indexed" in caplog.text
    with Store(tmp_path) as store:  # it cannot be done yet, and nothing is lost over that
        assert store.counts().instances == 4
        assert [one.kind for one in store.verify()] == ["orphan"]
    monkeypatch.undo()
    with Store(tmp_path) as store:
        assert store.counts().instances == 5
        assert list(store.verify(digest=True)) == []


def test_many_that_wait_are_indexed_by_whoever_brings_another_one(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.backlog._closing = True  # its thread ends at once
        for number in range(2 * QUEUE):
            ingest = store.begin(CT, f"1.2.1.1.{number}", EXPLICIT)
            ingest.write(encode(instance(uid=f"1.2.1.1.{number}"), EXPLICIT))
            assert ingest.secure() is None
            assert len(store.backlog) <= QUEUE
        assert store.counts().instances == 2 * QUEUE


def test_one_bad_job_does_not_spoil_the_transaction_of_the_others(tmp_path: Path) -> None:
    import threading

    with Store(tmp_path) as store:
        errors: list[BaseException] = []
        inside, go = threading.Event(), threading.Event()

        def slow(batch: object) -> None:
            inside.set()
            go.wait(10)

        def bad(batch: object) -> None:
            raise ZeroDivisionError

        def run_bad() -> None:
            try:
                store.index._writer.run(bad)
            except ZeroDivisionError as error:
                errors.append(error)

        threads = [threading.Thread(target=store.index._writer.run, args=(slow,))]
        threads[0].start()
        inside.wait(10)
        threads += [threading.Thread(target=run_bad) for _ in range(3)]
        threads += [
            threading.Thread(target=put, args=(store, instance(uid=f"1.2.1.1.{number}"))) for number in range(5)
        ]
        for thread in threads[1:]:
            thread.start()
        while len(store.index._writer._queue) < 8:  # all wait for the slow one: they share a transaction
            time.sleep(0.001)
        go.set()
        for thread in threads:
            thread.join(10)
        assert len(errors) == 3
        assert store.counts().instances == 5


def test_who_is_interrupted_while_waiting_passes_the_lead_on(tmp_path: Path) -> None:
    import threading

    with Store(tmp_path) as store:
        writer = store.index._writer
        inside, go = threading.Event(), threading.Event()

        def slow(batch: object) -> None:
            inside.set()
            go.wait(10)

        def alarm(number: int, frame: object) -> None:
            raise KeyboardInterrupt

        leader = threading.Thread(target=writer.run, args=(slow,))
        leader.start()
        inside.wait(10)
        previous = signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            with pytest.raises(KeyboardInterrupt):
                writer.run(lambda batch: None)
        finally:
            signal.signal(signal.SIGALRM, previous)
        go.set()
        leader.join(10)
        assert put(store, instance()).outcome is Outcome.STORED


def test_opening_looks_at_staging_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as store:
        for number in range(50):
            put(store, instance(uid=f"1.2.1.1.{number}"))
    looked_at: list[str] = []
    original = os.scandir

    def scandir(path: str = ".") -> object:
        looked_at.append(os.fspath(path))
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with Store(tmp_path) as store:
        assert store.counts().instances == 50
    monkeypatch.undo()
    assert {Path(path).name for path in looked_at} <= {"staging"}
