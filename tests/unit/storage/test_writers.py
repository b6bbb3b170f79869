"""Several processes write one index; a server goes away and comes back."""

from __future__ import annotations

import multiprocessing
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.errors import ConfigurationError, StorageError
from pacskit.encoding import encode
from pacskit.storage import Outcome, Store
from pacskit.storage.errors import OutcomeUnknown
from pacskit.storage.index import check_index, open_index, postgres
from pacskit.storage.index.postgres import _LOCK, PostgresIndex
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.records import DuplicatePolicy
from tests.unit.storage.objects import EXPLICIT, MR, instance, put
from tests.unit.storage.rows import check_counters, new_instance

MODALITIES = ("CT", "MR", "PT", "US")


@pytest.fixture
def url(engine: Callable[[], str | None], tmp_path: Path) -> str:
    return engine() or f"sqlite://{tmp_path}/index.sqlite"


def _uids(draw: random.Random, count: int) -> list[str]:
    return [f"1.2.{draw.randrange(4)}.{draw.randrange(5)}.{draw.randrange(40)}" for _ in range(count)]


def _write(url: str, writer: int, results: Any) -> None:
    """Store, replace and delete instances that other processes want too; report what was stored and replaced."""
    draw = random.Random(writer)
    index = open_index(url)
    stored, replaced, deleted = 0, 0, 0
    for turn in range(25):
        policy = draw.choice(list(DuplicatePolicy))
        new = [
            new_instance(uid, f"{writer}/{turn}/{at}", PatientID=f"p{uid.split('.')[2]}",
                         Modality=MODALITIES[int(uid.split(".")[3]) % 4],
                         SOPClassUID=draw.choice(["1.2.840.10008.5.1.4.1.1.2", MR]))
            for at, uid in enumerate(_uids(draw, 12))
        ]  # fmt: skip
        outcomes = [one for one, _ in index.ingest_all([(one, policy) for one in new], session=str(writer))]
        stored += outcomes.count(Outcome.STORED)
        replaced += outcomes.count(Outcome.REPLACED)
        if turn % 5 == 4:
            deletion = index.delete("SERIES", {"SeriesInstanceUID": [f"1.2.{writer}.{turn % 4}"]}, session="d")
            deleted += deletion.instances
    index.close()
    results.put((stored, replaced, deleted))


def test_processes_that_write_the_same_instances_agree(url: str) -> None:
    index = open_index(url)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    children = [context.Process(target=_write, args=(url, writer, results)) for writer in range(3)]
    for child in children:
        child.start()
    reports = [results.get(timeout=100) for _ in children]
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    stored, replaced, deleted = (sum(one) for one in zip(*reports, strict=True))
    assert index.counts().instances == stored - deleted
    assert len(list(index.instances())) == stored - deleted
    assert sum(len(index.retired(str(writer))) for writer in range(3)) == replaced
    check_counters(index)
    index.close()


def test_threads_that_make_the_same_parents_agree(url: str) -> None:
    """Two indexes in one process are two writers: each new study is wanted by both at once."""
    pair = open_index(url), open_index(url)
    barrier = threading.Barrier(2)
    outcomes: list[list[Outcome]] = [[], []]

    def write(which: int) -> None:
        for turn in range(30):
            new = new_instance(f"1.2.{turn}.{which}.1", PatientID=f"p{turn // 3}", Modality=MODALITIES[which])
            shared = new_instance(f"1.2.{turn}.9.1", f"{which}/{turn}", PatientID=f"p{turn // 3}")
            barrier.wait(60)
            offered = [(new, DuplicatePolicy.IGNORE), (shared, DuplicatePolicy.REJECT)]
            outcomes[which] += [one for one, _ in pair[which].ingest_all(offered, session="s")]

    threads = [threading.Thread(target=write, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert [sum(one is Outcome.STORED for one in both) for both in zip(*outcomes, strict=True)] == [2, 1] * 30
    assert tuple(pair[0].counts().__getattribute__(one) for one in ("patients", "studies", "series", "instances")) == (
        10, 30, 90, 90,
    )  # fmt: skip
    check_counters(pair[1])
    for index in pair:
        index.close()


def test_a_batch_is_as_one_after_the_other(url: str) -> None:
    index = open_index(url)
    ignore, reject, replace = DuplicatePolicy.IGNORE, DuplicatePolicy.REJECT, DuplicatePolicy.REPLACE
    offered = [
        (new_instance("1.1.1.1", "a"), ignore),
        (new_instance("1.1.1.1", "b"), ignore),
        (new_instance("1.1.1.1", "c"), reject),
        (new_instance("1.1.1.1", "d", SOPClassUID=MR), replace),
        (new_instance("1.1.2.2", "e", Modality="MR"), reject),
        (new_instance("1.1.1.1", "f"), replace),
    ]
    assert index.ingest_all(offered, session="s") == [
        (Outcome.STORED, None), (Outcome.IGNORED, None), (Outcome.REJECTED, None), (Outcome.REPLACED, "a"),
        (Outcome.STORED, None), (Outcome.REPLACED, "d"),
    ]  # fmt: skip
    check_counters(index)
    assert sorted(index.retired("s")) == ["a", "d"]
    index.close()


# PostgreSQL alone


@pytest.fixture
def index(postgres_schema: Callable[[], str]) -> Iterator[PostgresIndex]:
    made = open_index(postgres_schema())
    assert isinstance(made, PostgresIndex)
    yield made
    made.close()


def _end_connections(index: PostgresIndex) -> None:
    """End what the server has for this index, as a restart does."""
    import psycopg

    with psycopg.connect(index._url, autocommit=True) as other:
        assert index._connection is not None
        pids = [one.raw.info.backend_pid for one in [index._connection, *index._idle]]
        for pid in pids:
            other.execute("SELECT pg_terminate_backend(%s, 30000)", (pid,))


def test_connections_that_were_lost_are_made_again(index: PostgresIndex) -> None:
    for number in range(3):
        assert index.ingest(new_instance(f"1.1.1.{number}"), DuplicatePolicy.REJECT, session="s")[0] is Outcome.STORED
        assert index.counts().instances == number + 1
        _end_connections(index)


class _Wire:
    """A connection whose line breaks as the transaction ends: before or after the server has heard of it."""

    def __init__(self, raw: Any, *, heard: bool) -> None:
        self._raw, self._heard = raw, heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def execute(self, sql: str, *rest: Any) -> Any:
        if sql != "COMMIT":
            return self._raw.execute(sql, *rest)
        if self._heard:
            self._raw.execute(sql)
        self._raw.close()
        return self._raw.execute(sql)  # raises OperationalError


@pytest.mark.parametrize("heard", [False, True])
def test_the_end_of_a_transaction_that_was_not_heard_of(index: PostgresIndex, heard: bool) -> None:
    index.ingest(new_instance("1.1.1.1"), DuplicatePolicy.IGNORE, session="s")
    assert index._connection is not None
    index._connection.raw = _Wire(index._connection.raw, heard=heard)  # type: ignore[assignment]
    assert index.ingest(new_instance("1.1.1.2"), DuplicatePolicy.IGNORE, session="s") == (Outcome.STORED, None)
    assert index.counts().instances == 2
    check_counters(index)


def test_what_may_have_been_stored_is_stored_when_it_comes_again(
    index: PostgresIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can say what became of it: the caller keeps the object and offers it again, under the same key."""
    index.ingest(new_instance("1.1.1.1"), DuplicatePolicy.IGNORE, session="s")
    assert index._connection is not None
    index._connection.raw = _Wire(index._connection.raw, heard=True)  # type: ignore[assignment]
    url = index._url
    index._url = "postgresql://localhost:1/nobody"
    with pytest.raises(StorageError):
        index.ingest(new_instance("1.1.1.2"), DuplicatePolicy.REJECT, session="s")
    index._url = url
    assert index.ingest(new_instance("1.1.1.2"), DuplicatePolicy.REJECT, session="s") == (Outcome.STORED, None)
    assert index.counts().instances == 2
    check_counters(index)


@pytest.mark.parametrize("heard", [False, True])
def test_an_object_whose_row_may_be_there_is_kept(
    tmp_path: Path, postgres_schema: Callable[[], str], heard: bool
) -> None:
    url = postgres_schema()
    with Store(tmp_path, index=url) as store:
        index = store.index
        assert isinstance(index, PostgresIndex)
        put(store, instance(uid="1.2.1.1.1"))
        assert index._connection is not None
        index._connection.raw = _Wire(index._connection.raw, heard=heard)  # type: ignore[assignment]
        index._url = "postgresql://localhost:1/nobody"
        with pytest.raises(OutcomeUnknown):
            put(store, instance(uid="1.2.1.1.2"))
    with Store(tmp_path, index=url) as store:
        assert store.counts().instances == 2
        assert list(store.verify(digest=True)) == []
        with store.open("1.2.1.1.2") as opened:
            assert opened.read() == encode(instance(uid="1.2.1.1.2"), EXPLICIT)


@contextmanager
def _locked(url: str, statement: str) -> Iterator[None]:
    """Somebody else holds a lock, and does nothing more."""
    import psycopg

    with closing(psycopg.connect(url)) as other:
        other.execute(statement.encode())
        yield
        other.rollback()


def _patience(index: SqlIndex, milliseconds: int) -> None:
    """Have the connection that writes wait for so long: no longer than a test wants, then as long as it may take."""
    assert isinstance(index, PostgresIndex)
    assert index._connection is not None
    index._connection.raw.execute(f"SET lock_timeout = {milliseconds:d}".encode())


def _held(index: SqlIndex) -> list[Any]:
    """The advisory locks of the connection that writes, and whether it is within a transaction."""
    import psycopg

    assert isinstance(index, PostgresIndex)
    assert index._connection is not None
    pid = index._connection.raw.info.backend_pid
    with psycopg.connect(index._url, autocommit=True) as other:
        locks = other.execute("SELECT mode FROM pg_locks WHERE locktype = 'advisory' AND pid = %s", (pid,)).fetchall()
        sql = "SELECT state FROM pg_stat_activity WHERE state LIKE 'idle in%%' AND pid = %s"
        return locks + other.execute(sql, (pid,)).fetchall()


LOCKED = (
    "LOCK TABLE instance IN ACCESS EXCLUSIVE MODE",
    "LOCK TABLE series IN SHARE MODE",
    "LOCK TABLE state IN ACCESS EXCLUSIVE MODE",
    f"SELECT pg_advisory_xact_lock({_LOCK})",
)


@pytest.mark.parametrize("statement", LOCKED)
def test_who_waits_too_long_for_a_lock_is_told_so(
    tmp_path: Path, postgres_schema: Callable[[], str], statement: str
) -> None:
    url = postgres_schema()
    with Store(tmp_path, index=url, commit="object") as store:
        put(store, instance(uid="1.2.1.1.1"))
        with _locked(url, statement):
            _patience(store.index, 200)
            for number in (2, 3):
                with pytest.raises(StorageError, match="55P03"):
                    put(store, instance(uid=f"1.2.1.1.{number}"))
            with pytest.raises(StorageError, match="55P03"):
                store.delete("IMAGE", instance_uid="1.2.1.1.1")
        assert _held(store.index) == []
        _patience(store.index, 30_000)
        for number in (2, 3):
            assert put(store, instance(uid=f"1.2.1.1.{number}")).outcome is Outcome.STORED
        assert store.delete("IMAGE", instance_uid="1.2.1.1.1") == 1
        assert store.counts().instances == 2
        check_counters(store.index)
        assert list(store.verify(digest=True)) == []
        assert len(list((tmp_path / "objects").rglob("*.dcm"))) == 2  # nothing is left of those that were refused


def test_a_lock_is_waited_for_once_by_all_who_write_together(
    index: PostgresIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And as long as the address says, where it does."""
    url = f"{index._url}%20-clock_timeout%3D1300"
    patient, begun = open_index(url), []
    begin = PostgresIndex.begin

    def counted(self: PostgresIndex, alone: bool, /) -> Any:
        begun.append(alone)
        return begin(self, alone)

    monkeypatch.setattr(PostgresIndex, "begin", counted)
    errors: list[StorageError] = []

    def write(number: int) -> None:
        try:
            patient.ingest(new_instance(f"1.1.1.{number}"), DuplicatePolicy.REJECT, session="s")
        except StorageError as error:
            errors.append(error)

    with patient.reader() as connection:
        assert connection.execute("SHOW lock_timeout").fetchone() == ("1300ms",)
    with index.reader() as connection:
        assert connection.execute("SHOW lock_timeout").fetchone() == ("30s",)
    with _locked(index._url, LOCKED[0]):
        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(100)
    assert len(errors) == 8
    assert all("55P03" in str(error) for error in errors)
    assert len(begun) <= 8
    _patience(patient, 30_000)
    assert patient.ingest(new_instance("1.1.1.1"), DuplicatePolicy.REJECT, session="s") == (Outcome.STORED, None)
    patient.close()


def test_the_end_of_a_transaction_that_cannot_be_asked_for(
    index: PostgresIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line breaks at the end, and whoever has the lock keeps it: nobody can say, and no lock is left over."""
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 0.2)
    index.ingest(new_instance("1.1.1.1"), DuplicatePolicy.IGNORE, session="s")
    assert index._connection is not None
    index._connection.raw = _Wire(index._connection.raw, heard=True)  # type: ignore[assignment]
    with _locked(index._url, f"SELECT pg_advisory_xact_lock_shared({_LOCK})"), pytest.raises(OutcomeUnknown):
        index.ingest(new_instance("1.1.1.2"), DuplicatePolicy.REJECT, session="s")
    assert _held(index) == []
    _patience(index, 30_000)
    assert index.ingest(new_instance("1.1.1.2"), DuplicatePolicy.REJECT, session="s") == (Outcome.STORED, None)
    assert index.counts().instances == 2
    check_counters(index)


def test_texts_of_any_length_are_kept(index: PostgresIndex) -> None:
    """A B-tree of PostgreSQL takes nothing longer than 2.7 kB; an object may say what it likes."""
    draw = random.Random(1)
    texts = ["".join(chr(draw.randrange(0x4E00, 0x9FFF)) for _ in range(9000)) for _ in range(4)]
    long = new_instance("1.1.1.1", "k", PatientID=texts[0], PatientName=texts[1], StudyDescription=texts[2],
                        Modality=texts[3])  # fmt: skip
    assert index.ingest(long, DuplicatePolicy.REJECT, session="s")[0] is Outcome.STORED
    (match,) = index.find("STUDY", "STUDY_ROOT", [_Key(0x00081030, "LO", texts[2])])
    assert {one.value for one in match.elements()} >= {texts[2], "1.1"}


class _Key:
    def __init__(self, tag: int, vr: str, value: str) -> None:
        self.tag, self.vr, self.value = tag, vr, value


def test_what_is_no_index_and_a_driver_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("mysql://host/x", "index.sqlite", "sqlite:", "sqlite:///", ""):
        with pytest.raises(ConfigurationError, match="an index is"):
            check_index(wrong)
    with pytest.raises(StorageError, match="opening the index"):
        open_index("postgresql://localhost:1/nobody")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"pacskit\[postgres\]"):
        Store(tmp_path, index="postgresql://localhost/x")
    with Store(tmp_path, index=f"sqlite://{tmp_path}/elsewhere.db") as store:
        assert store.counts().instances == 0
    assert (tmp_path / "elsewhere.db").exists()


def test_memory_is_given_back_and_everything_goes_on(engine: Callable[[], str | None], tmp_path: Path) -> None:
    index = open_index(engine() or f"sqlite://{tmp_path}/index.sqlite")
    try:
        index.ingest(new_instance("1.2.1.1.1"), DuplicatePolicy.REJECT, session="s")
        with index.reader() as lent, index.reader():
            index.release_memory()
            assert lent.execute("SELECT count(*) FROM instance").fetchone() == (1,)
        index.release_memory()
        index.ingest(new_instance("1.2.1.1.2"), DuplicatePolicy.REJECT, session="s")
        assert index.counts().instances == 2
    finally:
        index.close()
