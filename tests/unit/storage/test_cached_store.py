"""The cache before a store: what waits is never lost, what was read is read there again, and neither grows for ever."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.errors import ConfigurationError
from pacskit.storage.blobs import (
    BlobDamaged,
    BlobExists,
    BlobInfo,
    BlobReader,
    BlobTimeout,
    BlobUnavailable,
    CachedStore,
    LocalStore,
    MemoryStore,
)
from pacskit.storage.blobs import cache as cache_module
from tests.unit.storage.cache_child import data_of

ROOT = Path(__file__).resolve().parents[3]
LONG = 60.0


class Behind(MemoryStore):
    """A store in memory that says what it was asked for, and can be made to wait or to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []
        self.open = threading.Event()
        self.open.set()
        self.error: Exception | None = None
        self.failed = threading.Event()

    def put_stream(self, key: str, source: Any, **options: Any) -> BlobInfo:
        self.open.wait(LONG)
        if self.error is not None:
            self.failed.set()
            raise self.error
        return super().put_stream(key, source, **options)

    def head(self, key: str) -> BlobInfo:
        if self.error is not None:
            raise self.error
        return super().head(key)

    def get(self, key: str, **options: Any) -> BlobReader:
        self.asked.append(key)
        return super().get(key, **options)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.asked.append((key, list(ranges)))
        return super().get_ranges(key, ranges)


@pytest.fixture
def behind() -> Behind:
    return Behind()


def test_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    draw = random.Random(3)
    acknowledged: set[str] = set()
    for kill in range(6):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.storage.cache_child", str(tmp_path), str(kill * 100_000)],
            cwd=ROOT, stdout=subprocess.PIPE,
        )  # fmt: skip
        with child, child.stdout as lines:  # type: ignore[union-attr]
            assert lines.readline() == b"ready\n"
            acknowledged |= {next(lines).decode().strip() for _ in range(draw.randrange(1, 60))}
            child.send_signal(signal.SIGKILL)
            acknowledged |= {line.decode().strip() for line in lines}
    assert len(acknowledged) > 50
    with LocalStore(tmp_path / "behind") as store, CachedStore(store, tmp_path / "cache") as cached:
        visible = {info.key for info in cached.list()}
        assert acknowledged <= visible
        assert cached.flush(LONG)
        assert (cached.status.waiting, cached.status.conflicts, cached.status.error) == (0, 0, None)
        assert {info.key for info in store.list()} == visible
        for key in visible:  # those too that nobody was told about: whole or not at all
            assert store.get(key).read() == cached.get(key).read() == data_of(key)
    assert list((tmp_path / "cache" / "queue").rglob("*.dcm")) == []


def test_what_waits_is_there_for_readers_and_goes_when_the_store_is_back(tmp_path: Path, behind: Behind) -> None:
    behind.error = BlobUnavailable("down")
    with CachedStore(behind, tmp_path) as cached:
        for number in range(5):
            cached.put_stream(f"a/{number}", b"%d" % number)
        assert [cached.get(f"a/{number}").read() for number in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
        assert sorted(info.key for info in cached.list("a")) == [f"a/{number}" for number in range(5)]
        with pytest.raises(BlobExists):
            cached.put_stream("a/1", b"again")
        cached.delete("a/3")
        assert cached.status.waiting == 4
        assert not behind.asked
    behind.error = None
    with CachedStore(behind, tmp_path) as cached:
        assert cached.flush(LONG)
        assert [info.key for info in behind.list()] == ["a/0", "a/1", "a/2", "a/4"]
        assert cached.status.error is None


def test_a_failure_is_tried_again_without_being_asked(tmp_path: Path, behind: Behind) -> None:
    behind.error = BlobUnavailable("down")
    with CachedStore(behind, tmp_path, uploaders=1) as cached:
        cached.put_stream("a", b"1")
        assert behind.failed.wait(LONG)
        behind.error = None
        assert cached.flush(LONG)
    assert behind.get("a").read() == b"1"


def test_the_queue_is_bounded(tmp_path: Path, behind: Behind) -> None:
    behind.open.clear()
    with CachedStore(behind, tmp_path, queue_bytes=1000, timeout=0.1) as cached:
        cached.put_stream("a", bytes(999))
        cached.put_stream("b", bytes(1))
        with pytest.raises(BlobTimeout):
            cached.put_stream("c", b"1")
        cached.timeout = LONG
        waiter = threading.Thread(target=cached.put_stream, args=("d", b"1"))
        waiter.start()
        behind.open.set()
        waiter.join(LONG)
        assert cached.flush(LONG)
    assert [info.key for info in behind.list()] == ["a", "b", "d"]


def test_what_was_read_is_read_from_the_disk(tmp_path: Path, behind: Behind) -> None:
    data = random.Random(1).randbytes(3_000_000)
    behind.put_stream("big", data)
    behind.put_stream("whole", data[:9])
    for _ in range(2):
        with CachedStore(behind, tmp_path) as cached:
            assert cached.get_range("big", 1000, 5000) == data[1000:6000]
            assert cached.get_range("big", 2000, 100) == data[2000:2100]
            wanted = [(1000, 10), (9000, 10), (5990, 10)]
            assert cached.get_ranges("big", wanted) == [data[at : at + size] for at, size in wanted]
            assert cached.get("whole").read() == data[:9]
            assert cached.get_range("whole", 2, 50) == data[2:9]
            assert cached.get("whole", start=3, length=2).read() == data[3:5]
            with cached.get("big") as reader:
                next(reader)  # and no more: not kept
    assert behind.asked == [("big", [(1000, 5000)]), ("big", [(9000, 10)]), "whole", "big", "big"]


def test_what_goes_through_the_queue_is_kept(tmp_path: Path, behind: Behind) -> None:
    with CachedStore(behind, tmp_path) as cached:
        cached.put_stream("a/b", b"12345")
        assert cached.flush(LONG)
        assert cached.get("a/b").read() == b"12345"
        cached.put_stream("a/b", b"67", replace=True)
        assert cached.get("a/b").read() == b"67"
        cached.delete("a/b")
        with pytest.raises(LookupError):
            cached.get("a/b")
        assert cached.status.cached_bytes == 0
    assert behind.asked == ["a/b", "a/b"]


def test_the_disk_holds_so_much_and_the_least_used_goes(tmp_path: Path, behind: Behind) -> None:
    for name in "abcd":
        behind.put_stream(name, name.encode() * 300)
    with CachedStore(behind, tmp_path, max_bytes=1000) as cached:
        for name in "abc":
            cached.get_range(name, 0, 300)
        cached.get_range("a", 0, 10)
        cached.get_range("d", 0, 300)  # b was not used for longest
        assert cached.status.cached_bytes == 900
        behind.asked.clear()
        for name in "acd":
            assert cached.get_range(name, 0, 300) == name.encode() * 300
        assert behind.asked == []
        assert cached.get_range("b", 0, 300) == b"b" * 300
        behind.put_stream("large", bytes(2000))
        cached.get_range("large", 0, 2000)
        assert cached.status.cached_bytes <= 1000
    files = list((tmp_path / "cache").glob("??/*/*"))
    assert sum(path.stat().st_size for path in files) == 900


def test_what_is_old_goes(tmp_path: Path, behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(cache_module, "now", lambda: now)
    behind.put_stream("a", b"1")
    with CachedStore(behind, tmp_path, max_age=100) as cached:
        for later in (0, 90, 90, 101):
            now += later
            cached.get_range("a", 0, 1)
    assert len(behind.asked) == 2


@pytest.mark.parametrize("boot", ["the same", "another"])
def test_the_disk_is_believed_until_the_next_boot(tmp_path: Path, behind: Behind, boot: str) -> None:
    behind.put_stream("a", b"123")
    for time_ in range(2):
        with CachedStore(behind, tmp_path) as cached:
            cached.get_range("a", 0, 3)
        if boot == "another" and not time_:
            (tmp_path / "cache" / "boot").write_text("another")
    assert len(behind.asked) == (1 if boot == "the same" else 2)


def test_damage_on_the_disk_is_found_and_read_again(tmp_path: Path, behind: Behind) -> None:
    digest = hashlib.sha256(b"123").digest()
    behind.put_stream("a", b"123")
    with CachedStore(behind, tmp_path) as cached:
        assert cached.get("a", sha256=digest).read() == b"123"
        (kept,) = (tmp_path / "cache").glob("??/*/*")
        kept.write_bytes(b"124")
        with pytest.raises(BlobDamaged):
            cached.get("a", sha256=digest).read()
        assert cached.get("a", sha256=digest).read() == b"123"
        (kept,) = (tmp_path / "cache").glob("??/*/*")
        kept.write_bytes(b"1")
        assert cached.get_range("a", 0, 3) == b"123"


def test_a_blob_that_came_from_elsewhere_meanwhile_is_not_overwritten(tmp_path: Path, behind: Behind) -> None:
    behind.open.clear()
    with CachedStore(behind, tmp_path) as cached:
        cached.put_stream("a", b"ours")
        cached.put_stream("b", b"same")
        MemoryStore.put_stream(behind, "a", b"theirs")
        MemoryStore.put_stream(behind, "b", b"same")
        behind.open.set()
        assert cached.flush(LONG)
        assert cached.status.conflicts == 1
        assert cached.get("a").read() == b"theirs"
    assert (tmp_path / "conflicts" / "a").read_bytes() == b"ours"


def test_one_process_has_the_directory(tmp_path: Path, behind: Behind) -> None:
    with CachedStore(behind, tmp_path), pytest.raises(ConfigurationError):
        CachedStore(behind, tmp_path)
    CachedStore(behind, tmp_path).close()


def test_a_source_that_fails_leaves_no_claim(tmp_path: Path, behind: Behind) -> None:
    def fails() -> Iterator[bytes]:
        yield b"1"
        raise ValueError("mine")

    with CachedStore(behind, tmp_path, timeout=1.0) as cached:
        for _ in range(2):
            with pytest.raises(ValueError, match="mine"):
                cached.put_stream("a", fails())
        cached.put_stream("a", b"1")
        assert cached.flush(LONG)
