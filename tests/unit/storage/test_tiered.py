"""Tiers: the conformance suite, moves, what a process that was killed leaves, and readers meanwhile."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.errors import ConfigurationError
from pacskit.storage.blobs import (
    BlobDamaged,
    BlobExists,
    BlobNotFound,
    BlobStore,
    BlobUnavailable,
    LocalStore,
    MemoryStore,
    TieredStore,
)
from pacskit.storage.index import open_index
from pacskit.storage.index.repository import SqlIndex
from pacskit.testing import StoreTests

ROOT = Path(__file__).resolve().parents[3]


class _Tiered(StoreTests):
    """Blobs at home and elsewhere: after each put every second one is moved, so that both are asked."""

    index: SqlIndex

    def store(self) -> BlobStore:
        return _Moving(self.index, {"hot": MemoryStore(), "cold": MemoryStore()}, grain=timedelta(0))


class _Moving(TieredStore):
    """Moves every second blob away when it has been put."""

    def put_stream(self, key: str, *args: Any, **options: Any) -> Any:
        super().put_stream(key, *args, **options)
        if hashlib.sha256(key.encode()).digest()[0] % 2:
            self.move(key, "cold")
        return self.head(key)


class TestTiered(_Tiered):
    @pytest.fixture(autouse=True)
    def _index(self, tmp_path: Path) -> Iterator[None]:
        self.index = open_index(f"sqlite://{tmp_path}/index.sqlite")
        yield
        self.index.close()


class TestTieredOnPostgreSQL(_Tiered):
    @pytest.fixture(autouse=True)
    def _index(self, postgres_schema: Callable[[], str]) -> Iterator[None]:
        self.index = open_index(postgres_schema())
        yield
        self.index.close()


class TestTieredUnmoved(StoreTests):
    @pytest.fixture(autouse=True)
    def _index(self, tmp_path: Path) -> Iterator[None]:
        self.folder = tmp_path
        self.index = open_index(f"sqlite://{tmp_path}/index.sqlite")
        yield
        self.index.close()

    def store(self) -> BlobStore:
        return TieredStore(self.index, {"hot": LocalStore(self.folder / "hot", sync="none")}, recall="now")


KEY = "1.2/1.3/1.4.dcm"
DATA = bytes(range(256)) * 20_000


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqlIndex]:
    made = open_index(f"sqlite://{tmp_path}/index.sqlite")
    yield made
    made.close()


class _Counting(MemoryStore):
    """Says what it is asked for, and fails where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: set[str] = set()
        self.before: Callable[[str, str], None] = lambda what, key: None

    def _asked(self, what: str, key: str) -> None:
        self.before(what, key)
        if what in self.fails:
            raise BlobUnavailable("the store does not answer", key=key)

    def put_stream(self, key: str, *args: Any, **options: Any) -> Any:
        self._asked("put", key)
        return super().put_stream(key, *args, **options)

    def get(self, key: str, **options: Any) -> Any:
        self._asked("get", key)
        return super().get(key, **options)

    def delete(self, keys: Any) -> None:
        self._asked("delete", keys)
        super().delete(keys)


def _trash(index: SqlIndex) -> int:
    with index.reader() as connection:
        return int(connection.execute("SELECT count(*) FROM tier_trash WHERE done = ''").fetchone()[0])


def test_what_was_moved_is_found_by_the_next_process(index: SqlIndex, tmp_path: Path) -> None:
    tiers = {"hot": LocalStore(tmp_path / "hot"), "cold": LocalStore(tmp_path / "cold")}
    with TieredStore(index, tiers) as store:
        store.put_stream(KEY, DATA)
        assert store.move(KEY, "cold") == len(DATA)
        assert store.move(KEY, "cold") is None
    assert not tiers["hot"].path(KEY).exists()
    assert tiers["cold"].path(KEY).read_bytes() == DATA
    with TieredStore(index, tiers) as store:
        assert store.tier(KEY) == "cold"
        assert store.path_of(KEY).sha256 == hashlib.sha256(DATA).digest()
        assert store.get(KEY, sha256=hashlib.sha256(DATA).digest()).read() == DATA
        with pytest.raises(BlobExists):
            store.put_stream(KEY, b"another")
        assert store.move(KEY, "hot") == len(DATA)
        assert [info.key for info in store.list()] == [KEY]
    assert sum(1 for tier in tiers.values() for _ in tier.list()) == 1
    with pytest.raises(ConfigurationError, match="blobs are put into the tier 'hot'"):
        TieredStore(index, {"cold": tiers["cold"], "hot": tiers["hot"]})
    with TieredStore(index, tiers) as store:
        store.move(KEY, "cold")
    with pytest.raises(ConfigurationError, match="no store is given"):
        TieredStore(index, {"hot": tiers["hot"]})


def test_a_process_that_is_killed_at_any_step_leaves_a_whole_copy_and_a_true_record(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.storage.tiers_child", str(tmp_path)]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300).stdout
    found: dict[str, list[str]] = {}
    for line in lines.splitlines():
        _, _, kind, *rest = line.split(" ", 3)
        found.setdefault(kind.rstrip(":"), []).append(rest[0])
    whole = "1 copies; then"
    for kind, before, after in (
        ("move", "hot old", "cold old"), ("recall", "cold old", "hot old"), ("replace", "cold old", "hot new"),
    ):  # fmt: skip
        end = f"{after.split()[0]} {len(DATA)}"
        assert set(found[kind]) == {f"{before}; {whole} {end}", f"{after}; {whole} {end}"}
        assert sorted(found[kind], key=lambda line: line.startswith(after)) == found[kind]
    assert set(found["delete"]) == {f"cold old; {whole} gone", "gone; 0 copies; then gone"}
    assert {kind: len(lines) for kind, lines in found.items()} == {"move": 8, "recall": 8, "replace": 6, "delete": 5}


@pytest.mark.parametrize("what", ["put", "get", "damage"])
def test_a_copy_that_fails_leaves_the_blob_where_it_is(index: SqlIndex, what: str) -> None:
    cold = _Counting()
    with TieredStore(index, {"hot": MemoryStore(), "cold": cold}) as store:
        store.put_stream(KEY, DATA)
        if what == "damage":
            cold.before = lambda asked, key: (
                cold._blobs.update({key: (DATA[:-1] + b"x", cold.head(key))}) if asked == "get" else None
            )
        else:
            cold.fails = {what}
        with pytest.raises(BlobDamaged if what == "damage" else BlobUnavailable):
            store.move(KEY, "cold")
        assert store.tier(KEY) == "hot"
        assert store.get(KEY).read() == DATA
        assert _trash(index) == 0
        assert list(cold.list()) == []
        cold.fails, cold.before = set(), lambda asked, key: None
        assert store.move(KEY, "cold") == len(DATA)
        assert store.get(KEY).read() == DATA


def test_what_is_damaged_already_stays_where_it_is(index: SqlIndex) -> None:
    with TieredStore(index, {"hot": MemoryStore(), "cold": MemoryStore()}) as store:
        store.put_stream(KEY, DATA)
        with pytest.raises(BlobDamaged):
            store.move(KEY, "cold", offset=100, digest=bytes(32))
        assert store.tier(KEY) == "hot"
        assert store.move(KEY, "cold", offset=100, digest=hashlib.sha256(DATA[100:]).digest()) == len(DATA)
        store.tiers["cold"].put_stream(store.path_of(KEY).place, b"x" * len(DATA), replace=True)
        with pytest.raises(BlobDamaged):
            store.move(KEY, "hot")
        assert store.tier(KEY) == "cold"


def test_a_source_that_cannot_be_removed_goes_with_the_next_sweep(index: SqlIndex) -> None:
    hot = _Counting()
    with TieredStore(index, {"hot": hot, "cold": MemoryStore()}) as store:
        store.put_stream(KEY, DATA)
        hot.fails = {"delete"}
        assert store.move(KEY, "cold") == len(DATA)
        assert [info.key for info in hot.list()] == [KEY]
        assert [info.key for info in store.list()] == [KEY]
        assert store.sweep() == 0
        hot.fails = set()
        assert store.sweep() == 1
        assert list(hot.list()) == []
        store.delete(KEY)
        store.put_stream(KEY, b"new")  # under another name: the old one may be about to be removed once more
        hot.delete(KEY)
        assert store.get(KEY).read() == b"new"


@pytest.mark.parametrize("when", ["put", "get"])
@pytest.mark.parametrize("what", ["delete", "replace", "move"])
def test_what_happens_to_a_blob_while_it_is_moved_wins(index: SqlIndex, what: str, when: str) -> None:
    cold = _Counting()
    with TieredStore(index, {"hot": MemoryStore(), "cold": cold, "warm": MemoryStore()}) as store:
        store.put_stream(KEY, DATA)

        def meanwhile(asked: str, key: str) -> None:
            if asked == when:
                cold.before = lambda asked, key: None
                if what == "delete":
                    store.delete(KEY)
                elif what == "replace":
                    store.put_stream(KEY, b"new", replace=True)
                else:
                    assert store.move(KEY, "warm") == len(DATA)

        cold.before = meanwhile
        assert store.move(KEY, "cold") is None
        if what == "delete":
            with pytest.raises(BlobNotFound):
                store.get(KEY)
        else:
            assert store.get(KEY).read() == (b"new" if what == "replace" else DATA)
            assert store.tier(KEY) == ("hot" if what == "replace" else "warm")
        assert list(cold.list()) == []
        assert _trash(index) == 0


def test_who_comes_too_late_to_move_a_blob_leaves_it_alone(index: SqlIndex) -> None:
    with TieredStore(index, {"hot": MemoryStore(), "cold": MemoryStore()}) as store:
        store.put_stream(KEY, DATA)
        begin = store.state.begin

        def late(*args: Any, **options: Any) -> Any:
            store.state.begin = begin  # type: ignore[method-assign]
            assert store.move(KEY, "cold") == len(DATA)
            return begin(*args, **options)

        store.state.begin = late  # type: ignore[method-assign]
        assert store.move(KEY, "cold") is None
        assert _trash(index) == 0
        store.sweep()
        assert store.get(KEY).read() == DATA


def test_a_source_that_somebody_else_has_moved_is_no_error(index: SqlIndex) -> None:
    hot = _Counting()
    with TieredStore(index, {"hot": hot, "cold": MemoryStore(), "warm": MemoryStore()}) as store:
        store.put_stream(KEY, DATA)

        def meanwhile(asked: str, key: str) -> None:
            hot.before = lambda asked, key: None
            assert store.move(KEY, "cold") == len(DATA)

        hot.before = meanwhile
        assert store.move(KEY, "cold") is None
        assert store.move(KEY, "hot") == len(DATA)
        hot.before = meanwhile
        assert store.move(KEY, "warm") == len(DATA)
        assert (store.tier(KEY), store.get(KEY).read()) == ("warm", DATA)
        assert _trash(index) == 0


def test_a_reader_goes_on_where_the_blob_went(index: SqlIndex) -> None:
    class Breaking(MemoryStore):
        """A store whose readers notice that a blob has gone, as those of a cloud do between two requests."""

        def get(self, key: str, *, start: int = 0, length: int | None = None, sha256: bytes | None = None) -> Any:
            reader = super().get(key, start=start, length=length)

            def parts() -> Iterator[Any]:
                for part in reader._parts:
                    self.head(key)
                    yield part

            return type(reader)(reader.info, parts(), sha256=sha256)

    with TieredStore(index, {"hot": Breaking(), "cold": MemoryStore()}) as store:
        store.put_stream(KEY, DATA)
        with store.get(KEY, start=5, sha256=hashlib.sha256(DATA[5:]).digest()) as reader:
            first = bytes(next(reader))
            assert store.move(KEY, "cold") == len(DATA)
            assert first + reader.read() == DATA[5:]
        store.move(KEY, "hot")
        with store.get(KEY) as reader:
            next(reader)
            store.put_stream(KEY, DATA[::-1], replace=True)
            with pytest.raises(BlobNotFound):
                reader.read()


def test_reads_bring_a_blob_home_where_that_is_wanted(index: SqlIndex) -> None:
    tiers: dict[str, Any] = {"hot": _Counting(), "cold": MemoryStore()}
    with TieredStore(index, tiers, recall="now") as store:
        store.put_stream(KEY, DATA)
        store.move(KEY, "cold")
        tiers["hot"].fails = {"put"}
        assert store.get_range(KEY, 1, 2) == DATA[1:3]  # it is read from where it is
        assert store.tier(KEY) == "cold"
        tiers["hot"].fails = set()
        assert store.get_range(KEY, 1, 2) == DATA[1:3]
        assert store.tier(KEY) == "hot"
        store.move(KEY, "cold")
    with TieredStore(index, tiers, recall="never") as store:
        assert store.get(KEY).read() == DATA
        store.flush()
        assert store.state.wanted(10) == []
    with TieredStore(index, tiers, recall="later") as store:
        assert store.get(KEY).read() == DATA
        store.flush()
        assert store.state.wanted(10) == [KEY]
        store.move(KEY, "hot")
        assert store.state.wanted(10) == []


def test_an_index_that_was_lost_finds_the_other_tiers_again(tmp_path: Path) -> None:
    tiers = {name: MemoryStore() for name in ("hot", "cold")}
    first = open_index(f"sqlite://{tmp_path}/first.sqlite")
    with TieredStore(first, tiers) as store:
        for number in range(6):
            store.put_stream(f"k/{number}", b"%d" % number)
            if number % 2:
                store.move(f"k/{number}", "cold")
        store.put_stream("k/0", b"new", replace=True)
        store.move("k/1", "hot")
    first.close()
    second = open_index(f"sqlite://{tmp_path}/second.sqlite")
    with TieredStore(second, tiers) as store:
        assert store.get("k/3").read() == b"3"  # nobody has said yet where it is
        with pytest.raises(BlobNotFound):
            store.get("k/9")
        assert store.adopt() == 3
        assert store.adopt() == 0
        assert {info.key: store.get(info.key).read() for info in store.list()} == {
            "k/0": b"new", "k/1": b"1", "k/2": b"2", "k/3": b"3", "k/4": b"4", "k/5": b"5",
        }  # fmt: skip
    second.close()


class _Crowd:
    """Threads that read, move, put and delete by two stores over the same tiers."""

    def __init__(self, stores: list[TieredStore], data: dict[str, bytes]) -> None:
        self.stores = stores
        self.data = data
        self.errors: list[BaseException] = []
        self.ended = threading.Event()

    def run(self) -> None:
        readers = [threading.Thread(target=self.guarded, args=(self.read,)) for _ in range(2)]
        others = [threading.Thread(target=self.guarded, args=(self.move, store)) for store in self.stores]
        others.append(threading.Thread(target=self.guarded, args=(self.come_and_go,)))
        for thread in readers + others:
            thread.start()
        for thread in others:
            thread.join()
        self.ended.set()
        for thread in readers:
            thread.join()

    def guarded(self, work: Callable[..., None], *args: Any) -> None:
        try:
            work(*args)
        except BaseException as error:
            self.errors.append(error)

    def read(self) -> None:
        number = 0
        while not self.ended.is_set():
            for key, content in self.data.items():
                number += 1
                assert self.stores[number % 2].get(key).read() == content
                assert self.stores[number % 2].get_range(key, 7, 5) == content[7:12]

    def move(self, store: TieredStore) -> None:
        for number in range(10):
            for key in self.data:
                store.move(key, ("cold", "hot")[number % 2])

    def come_and_go(self) -> None:
        for number in range(15):
            key = f"t/{number % 2}"
            self.stores[0].put_stream(key, b"%d" % number)
            self.stores[1].move(key, "cold")
            assert self.stores[0].get(key).read() == b"%d" % number
            self.stores[number % 2].delete(key)
            with pytest.raises(BlobNotFound):
                self.stores[1].get(key)


def test_readers_writers_movers_and_deleters_of_two_processes_meet(
    engine: Callable[[], str | None], tmp_path: Path
) -> None:
    """What is there throughout is read right at every moment; what was deleted does not come back."""
    url = engine() or f"sqlite://{tmp_path}/both.sqlite"
    tiers = {name: LocalStore(tmp_path / name, sync="none") for name in ("hot", "cold")}
    indexes = [open_index(url), open_index(url)]
    stores = [TieredStore(one, tiers, recall="never") for one in indexes]
    data = {f"s/{number}": bytes([number]) * (40_000 + number) for number in range(6)}
    for key, content in data.items():
        stores[0].put_stream(key, content)
    crowd = _Crowd(stores, data)
    crowd.run()
    assert crowd.errors == []
    stores[0].sweep()
    assert sorted(info.key for info in stores[1].list()) == sorted(data)
    assert sum(1 for tier in tiers.values() for _ in tier.list()) == len(data)
    for store, made in zip(stores, indexes, strict=True):
        store.close()
        made.close()
