"""The feed tells what the index became, in that order, and nobody who goes on reading it misses anything."""

from __future__ import annotations

import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.errors import ConfigurationError, StorageError
from pacskit.storage import Store
from pacskit.storage.backup import Backup
from pacskit.storage.blobs import MemoryStore
from pacskit.storage.errors import ChangesExpired
from pacskit.storage.index import open_index
from pacskit.storage.index.changes import Change, Retention
from pacskit.storage.index.pipes import directory_of
from pacskit.storage.index.postgres import PostgresIndex
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.schema import MIGRATIONS
from pacskit.storage.index.sqlite import SQLiteIndex, bring_up_to_date
from pacskit.storage.records import DuplicatePolicy
from pacskit.storage.restore import Restore
from tests.unit.storage.objects import instance, put
from tests.unit.storage.rows import new_instance
from tests.unit.storage.test_writers import _write

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 100
REPLACE, IGNORE = DuplicatePolicy.REPLACE, DuplicatePolicy.IGNORE


@pytest.fixture
def url(engine: Callable[[], str | None], tmp_path: Path) -> str:
    return engine() or f"sqlite://{tmp_path}/index.sqlite"


@pytest.fixture
def index(url: str) -> Iterator[SqlIndex]:
    made = open_index(url)
    yield made
    made.close()


def told(changes: list[Change]) -> list[str]:
    """A change as a word: its kind, and the UID or patient that it is about."""
    return [
        f"{one.kind} {one.sop_instance_uid or one.series_instance_uid or one.study_instance_uid or one.patient_id}"
        for one in changes
    ]


def keep(index: SqlIndex, *uids: str, policy: DuplicatePolicy = IGNORE, key: str = "", **attributes: Any) -> None:
    new = [(new_instance(uid, f"{key}{uid}", PatientID="p", **attributes), policy) for uid in uids]
    index.ingest_all(new, session="s")


def test_each_kind_of_change_is_told_in_order(index: SqlIndex) -> None:
    keep(index, "1.1.1.1", "1.1.1.2", "1.1.2.1", Modality="CT", IssuerOfPatientID="i")
    keep(index, "1.1.1.3", "1.1.1.1", key="a", PatientName="late", Modality="CT", IssuerOfPatientID="i")
    keep(index, "1.1.1.1", policy=REPLACE, key="b", IssuerOfPatientID="i")
    index.delete("SERIES", {"SeriesInstanceUID": ["1.1.2"]}, session="s")
    index.delete("STUDY", {"StudyInstanceUID": ["1.1"]}, session="s")
    changes = list(index.changes())
    assert told(changes) == [
        "patient.new p", "study.new 1.1", "series.new 1.1.1", "series.new 1.1.2",
        "instance.stored 1.1.1.1", "instance.stored 1.1.1.2", "instance.stored 1.1.2.1", "study.changed 1.1",
        "instance.stored 1.1.1.3", "study.changed 1.1",
        "instance.replaced 1.1.1.1", "study.changed 1.1",
        "instance.deleted 1.1.2.1", "series.deleted 1.1.2", "study.changed 1.1",
        "instance.deleted 1.1.1.2", "instance.deleted 1.1.1.3", "instance.deleted 1.1.1.1",
        "series.deleted 1.1.1", "study.deleted 1.1", "patient.deleted p",
    ]  # fmt: skip
    assert [one.number for one in changes] == list(range(1, len(changes) + 1))
    assert {(one.study_instance_uid, one.series_instance_uid) for one in changes if one.kind == "series.new"} == {
        ("1.1", "1.1.1"), ("1.1", "1.1.2"),
    }  # fmt: skip
    assert {one.detail["modality"] for one in changes if one.kind == "series.new"} == {"CT"}
    assert {(one.patient_id, one.issuer_of_patient_id) for one in changes if one.patient_id} == {("p", "i")}
    assert all(len(one.moment) == 21 for one in changes)


def test_what_did_not_come_about_is_not_told(index: SqlIndex) -> None:
    keep(index, "1.1.1.1")
    last = index.last_change()
    keep(index, "1.1.1.1", key="a")  # ignored
    index.ingest(new_instance("1.1.1.1", "b"), DuplicatePolicy.REJECT, session="s")

    def work(batch: Any) -> None:
        batch.ingest([(new_instance("1.9.1.1"), IGNORE)], "s")
        batch.changes.note("moved", study="1.9", detail={"to": "tape"})
        batch.write_counters()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        index.run(work)
    assert index.last_change() == last


def test_a_reader_goes_on_where_it_was_and_takes_what_it_wants(index: SqlIndex) -> None:
    """Rows hold up to 256 changes: a number within one is as good a place as any."""
    keep(index, *(f"1.1.{number % 3}.{number}" for number in range(700)))

    def others(batch: Any) -> None:
        batch.changes.note("study.moved", study="1.1", detail={"to": "tape", "copies": 2})

    index.run(others)
    whole = list(index.changes())
    assert [one.number for one in whole] == list(range(1, 708))
    assert whole[-1].detail == {"to": "tape", "copies": 2}
    for after in (0, 1, 5, 255, 256, 257, 700, 706, 707):
        assert list(index.changes(after)) == whole[after:]
    read: list[Change] = []
    while some := list(index.changes(read[-1].number if read else None, limit=100)):
        read += some
    assert read == whole
    assert told(list(index.changes(kinds=["study.*"]))) == ["study.new 1.1", "study.changed 1.1", "study.moved 1.1"]
    assert [one.kind for one in index.changes(kinds=["patient.new", "*.moved"], limit=2)] == [
        "patient.new", "study.moved",
    ]  # fmt: skip


def replay(changes: Iterator[Change]) -> tuple[set[str], set[str], set[str]]:
    """What there is, by the word of the feed: instances, series and studies."""
    there: dict[str, set[str]] = {"instance": set(), "series": set(), "study": set(), "patient": set()}
    for expected, one in enumerate(changes, 1):
        assert one.number == expected
        level, _, what = one.kind.partition(".")
        name = one.sop_instance_uid or one.series_instance_uid or one.study_instance_uid or one.patient_id
        if what in {"stored", "new"}:
            assert name not in there[level], one
            there[level].add(name)
        elif what == "deleted":
            there[level].remove(name)
        else:
            assert name in there[level], one
        if level == "instance" and what != "deleted":
            assert one.series_instance_uid in there["series"]
            assert one.study_instance_uid in there["study"]
    return there["instance"], there["series"], there["study"]


def test_processes_that_store_and_delete_the_same_tell_one_story(url: str) -> None:
    """Who follows the feed while three processes write has seen each change once, and knows what there is."""
    index = open_index(url)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    children = [context.Process(target=_write, args=(url, writer, results)) for writer in range(3)]
    followed: list[Change] = []

    def follow() -> None:
        for one in index.follow_changes():
            followed.append(one)
            if one.kind == "the end":
                return

    follower = threading.Thread(target=follow)
    follower.start()
    for child in children:
        child.start()
    for _ in children:
        results.get(timeout=PATIENCE)
    for child in children:
        child.join(PATIENCE)
        assert child.exitcode == 0
    index.run(lambda batch: batch.changes.note("the end"))
    follower.join(PATIENCE)
    assert followed == list(index.changes())
    instances, series, studies = replay(iter(followed[:-1]))
    stored = list(index.instances())
    assert instances == {one.sop_instance_uid for one in stored}
    assert series == {one.series_instance_uid for one in stored}
    assert studies == {one.study_instance_uid for one in stored}
    index.close()


def in_thread(work: Callable[[], Any]) -> Future[Any]:
    done: Future[Any] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done


def test_a_transaction_that_began_first_and_ends_last_is_told_last(postgres_schema: Callable[[], str]) -> None:
    """Its changes have no number while others may still be seen before it."""
    url = postgres_schema()
    slow, quick = open_index(url), open_index(url)
    begun, go_on = threading.Event(), threading.Event()

    def work(batch: Any) -> None:
        batch.ingest([(new_instance("1.1.1.1"), IGNORE)], "s")
        begun.set()
        assert go_on.wait(PATIENCE)

    first = in_thread(lambda: slow.run(work))
    assert begun.wait(PATIENCE)
    keep(quick, "1.2.1.1")
    seen = list(quick.changes())
    assert "instance.stored 1.2.1.1" in told(seen)
    go_on.set()
    first.result(PATIENCE)
    assert "instance.stored 1.1.1.1" in told(list(quick.changes(seen[-1].number)))
    assert [one.number for one in quick.changes()] == list(range(1, quick.last_change() + 1))
    slow.close()
    quick.close()


def test_a_number_that_is_given_is_seen_before_the_next_one(
    postgres_schema: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its changes and its COMMIT a transaction has numbers that nobody sees: nobody gets later ones then."""
    url = postgres_schema()
    slow, quick = open_index(url), open_index(url)
    keep(quick, "1.9.1.1")
    last = quick.last_change()
    numbered, go_on = threading.Event(), threading.Event()
    commit = slow.commit

    def late() -> None:
        numbered.set()
        assert go_on.wait(PATIENCE)
        commit()

    monkeypatch.setattr(slow, "commit", late)
    first = in_thread(lambda: keep(slow, "1.1.1.1"))
    assert numbered.wait(PATIENCE)
    second = in_thread(lambda: keep(quick, "1.2.1.1"))
    with pytest.raises(TimeoutError):
        second.result(0.2)  # it cannot end, however long this is
    assert list(quick.changes(last)) == []
    go_on.set()
    first.result(PATIENCE)
    second.result(PATIENCE)
    stored = [one for one in told(list(quick.changes(last))) if one.startswith("instance")]
    assert stored == ["instance.stored 1.1.1.1", "instance.stored 1.2.1.1"]
    slow.close()
    quick.close()


# waiting


def test_who_waits_is_woken_by_this_process_and_by_the_end(index: SqlIndex) -> None:
    assert not index.wait_for_changes(0, timeout=0)
    waiting = in_thread(lambda: index.wait_for_changes(0))
    keep(index, "1.1.1.1")
    assert waiting.result(PATIENCE)
    assert index.wait_for_changes(0)
    followed = in_thread(lambda: list(index.follow_changes()))
    index.close()
    assert "instance.stored 1.1.1.1" in told(followed.result(PATIENCE))


CHILD = """
import os, sys
from pacskit.storage.index import open_index
from tests.unit.storage.test_changes import keep
index = open_index(sys.argv[1])
if sys.argv[2] == "dies":
    index.news.tell = lambda topics: os.kill(os.getpid(), 9)  # after COMMIT, before it could say so
    write = os.write
    os.write = lambda file, data: os.kill(os.getpid(), 9) if data == b"\\n" else write(file, data)
for line in sys.stdin:
    keep(index, line.strip())
"""


@pytest.mark.parametrize("end", ["goes on", "dies"])
def test_who_waits_is_woken_by_another_process(index: SqlIndex, url: str, end: str) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD, url, end], stdin=subprocess.PIPE, cwd=ROOT, text=True) as child:
        assert child.stdin is not None
        for turn in range(1 if end == "dies" else 5):
            last = index.last_change()
            waiting = in_thread(partial(index.wait_for_changes, last))
            child.stdin.write(f"1.1.1.{turn}\n")
            child.stdin.flush()
            assert waiting.result(PATIENCE)
        child.stdin.close()
        assert child.wait(PATIENCE) == (-9 if end == "dies" else 0)
    assert len(list(index.changes(kinds=["instance.stored"]))) == (1 if end == "dies" else 5)


def test_pipes_of_processes_that_are_gone_are_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    one, other = SQLiteIndex(path), SQLiteIndex(path)
    folder = Path(directory_of(str(path)))
    keep(one, "1.1.1.1")
    assert not folder.exists()
    one.listener.start()
    other.listener.start()
    os.mkfifo(folder / "1.0.pipe")  # nobody reads it
    for turn in range(3):
        last = one.last_change()
        keep(other, f"1.1.1.2{turn}")
        assert one.wait_for_changes(last, PATIENCE)
    assert len(list(folder.iterdir())) == 2
    one.close()
    other.close()
    assert not folder.exists()


def test_a_line_that_is_lost_is_made_again_and_nothing_is_missed(postgres_schema: Callable[[], str]) -> None:
    import psycopg

    url = postgres_schema()
    reader, writer = open_index(url), open_index(url)
    followed: list[Change] = []
    enough = threading.Semaphore(0)

    def follow() -> None:
        for one in reader.follow_changes(kinds=["instance.*"]):
            followed.append(one)
            enough.release()

    thread = threading.Thread(target=follow)
    thread.start()
    for turn in range(4):
        keep(writer, f"1.1.1.{turn}")
        assert enough.acquire(timeout=PATIENCE)
        with psycopg.connect(url, autocommit=True) as other:
            sql = (
                "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity"
                " WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
            )
            other.execute(sql)
    reader.close()
    thread.join(PATIENCE)
    writer.close()
    assert told(followed) == [f"instance.stored 1.1.1.{turn}" for turn in range(4)]


def test_attributes_made_searchable_are_known_to_other_processes(url: str) -> None:
    """A query narrows by an attribute that another process has made searchable."""
    one, other = open_index(url), open_index(url)
    keep(one, "1.1.1.1")
    assert not other.fresh_tags()
    one.add_tag("StudyDescription")
    assert one.wait_for_tags(PATIENCE)

    def knows() -> bool:
        found = other.fresh_tags().get(0x00081030)
        return found is not None and found.ready

    assert other.news.wait_for(knows, "tags", timeout=PATIENCE) if isinstance(other, PostgresIndex) else knows()
    one.close()
    other.close()


# how much is kept


def test_the_oldest_changes_go_and_who_needs_them_is_told(index: SqlIndex) -> None:
    index.retention = Retention(changes=1024)
    for batch in range(30):
        keep(index, *(f"1.1.1.{batch}.{number}" for number in range(100)))
    last = index.last_change()
    kept = list(index.changes())
    assert 1024 <= len(kept) <= 1024 + 1024 + 256
    assert [one.number for one in kept] == list(range(kept[0].number, last + 1))
    with pytest.raises(ChangesExpired, match="no longer kept") as caught:
        next(index.changes(0))
    assert list(index.changes(caught.value.gone)) == kept
    assert list(index.changes(last)) == []
    with pytest.raises(ChangesExpired, match="older copy"):
        next(index.changes(last + 1))
    for wrong in ({"changes": 10}, {"days": 0}):
        with pytest.raises(ConfigurationError):
            Retention(**wrong)


def test_old_changes_go_by_their_age(index: SqlIndex) -> None:
    index.retention = Retention(days=2)
    keep(index, *(f"1.1.1.{number}" for number in range(300)))
    index.run(lambda batch: batch.execute("UPDATE change SET moment = '20200101000000.000000'").rowcount)
    old = index.last_change()
    keep(index, *(f"1.1.2.{number}" for number in range(900)))
    assert index.changes().__next__().number == old + 1
    with pytest.raises(ChangesExpired):
        next(index.changes(old - 1))
    assert index.last_change() > old


def test_a_copy_that_is_put_back_does_not_pass_for_what_was_lost(index: SqlIndex) -> None:
    keep(index, "1.1.1.1")
    seen = index.last_change() + 7  # what had been seen of the index that was lost
    last = index.break_changes()
    for number in (0, 3, seen):
        with pytest.raises(ChangesExpired, match="no longer kept"):
            next(index.changes(number))
    keep(index, "1.1.1.2")
    assert (
        told(list(index.changes(last)))
        == told(list(index.changes()))
        == ["instance.stored 1.1.1.2", "study.changed 1.1"]
    )
    assert index.last_change() == last + 2


def test_who_followed_an_archive_that_is_restored_is_told(tmp_path: Path, engine: Callable[[], str | None]) -> None:
    with Store(tmp_path / "lost", index=engine()) as store, MemoryStore() as target:
        put(store, instance(uid="1.2.1.1.1"))
        Backup(store, target).run()
        put(store, instance(uid="1.2.1.1.2"))
        seen = store.index.last_change()
        url = engine()
        Restore(target, tmp_path / "again", index=url).run()
    with Store(tmp_path / "again", index=url) as store:
        put(store, instance(uid="1.2.1.1.3"))
        with pytest.raises(ChangesExpired) as caught:
            next(store.index.changes(seen))
        assert "instance.stored 1.2.1.1.3" in told(list(store.index.changes(caught.value.gone)))
        assert store.index.last_change() < 1 << 53


def test_an_index_without_a_feed_gets_one(tmp_path: Path) -> None:
    """Of what was there before, nothing is told."""
    with closing(sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)) as connection:
        bring_up_to_date(connection, MIGRATIONS[:5])
        connection.execute("INSERT INTO patient (pk, patient_id, attributes) VALUES (1, '7', '{}')")
        connection.execute(
            "INSERT INTO study (pk, patient, study_instance_uid, attributes) VALUES (1, 1, '1.2.1', '{}')"
        )
        connection.execute("INSERT INTO series (study, series_instance_uid, attributes) VALUES (1, '1.2.1.1', '{}')")
    with Store(tmp_path) as store:
        assert list(store.index.changes()) == []
        put(store, instance(uid="1.2.1.1.2"))
        assert told(list(store.index.changes(0))) == ["instance.stored 1.2.1.1.2", "study.changed 1.2.1"]


def test_draws_of_numbers_do_not_depend_on_the_size_of_transactions(index: SqlIndex) -> None:
    draw = random.Random(7)
    expected: list[str] = []
    for turn in range(12):
        uids = [f"1.1.1.{turn}.{number}" for number in range(draw.choice([1, 2, 255, 256, 257, 600]))]
        keep(index, *uids)
        expected += [f"instance.stored {uid}" for uid in uids]
    assert told(list(index.changes(kinds=["instance.*"]))) == expected
    assert index.last_change() == len(list(index.changes()))


def test_listening_that_fails_says_so(tmp_path: Path) -> None:
    index = SQLiteIndex(tmp_path / "index.sqlite")
    (tmp_path / "index.sqlite-listening").write_text("in the way")
    with pytest.raises(StorageError, match="listening"):
        index.wait_for_changes(0)
    index.close()
