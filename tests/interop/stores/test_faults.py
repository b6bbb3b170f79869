"""What becomes of a put and a read when the network or the service has a fault: all of it, or an error that says so."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

import pytest

from pacskit.storage.blobs import (
    BlobDamaged,
    BlobExists,
    BlobNotFound,
    BlobRefused,
    BlobStore,
    BlobTimeout,
    BlobUnavailable,
    CachedStore,
    StoreOptions,
    open_store,
)
from pacskit.storage.errors import OutOfSpace
from pacskit.testing import TO_CLIENT, TO_SERVER, Close, FaultProxy, Feed, Reset, SeaweedFS, Stall
from pacskit.testing.faults import Direction, Fault, Passing

pytestmark = pytest.mark.interop

NUMBERS = count(1)
MIB = 1 << 20
DATA = random.Random(1).randbytes(8 * MIB)

Through = Callable[..., BlobStore]


@pytest.fixture
def proxy(seaweedfs: SeaweedFS) -> Iterator[FaultProxy]:
    seaweedfs.make_bucket("faults")
    with FaultProxy(f"S3@127.0.0.1:{seaweedfs.port}") as proxy:
        yield proxy


@pytest.fixture
def run() -> str:
    return f"faults/run-{next(NUMBERS)}"


@pytest.fixture
def direct(seaweedfs: SeaweedFS, run: str, proxy: FaultProxy) -> Iterator[BlobStore]:
    with open_store(seaweedfs.address(run), seaweedfs.options) as store:
        yield store


@pytest.fixture
def through(seaweedfs: SeaweedFS, run: str, proxy: FaultProxy) -> Through:
    def make(fault: Fault | None, **options: float) -> BlobStore:
        proxy.fault = fault
        endpoint = f"http://127.0.0.1:{proxy.address.port}"
        chosen = replace(seaweedfs.options, **options)  # type: ignore[arg-type]
        return open_store(seaweedfs.address(run, endpoint=endpoint), chosen)

    return make


@dataclass
class Answers:
    """``times`` answers of the service after ``skip`` are replaced by ``instead``; with None they are lost."""

    times: float
    instead: bytes | None = None
    where: Direction | None = TO_CLIENT
    skip: int = 0
    given: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def apply(self, passing: Passing, data: bytes) -> Iterator[Feed]:
        with self.lock:
            self.given += 1
            mine = self.skip < self.given <= self.skip + self.times
        if not mine:
            yield Feed(data)
        elif self.instead is None:
            yield Feed(b"", then="reset")
        else:
            yield Feed(self.instead, then="close")


def answer(status: str, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status.encode(), len(body), body)


def test_a_transfer_that_breaks_off_is_taken_up_again(through: Through, direct: BlobStore, proxy: FaultProxy) -> None:
    direct.put_stream("a", DATA)
    with through(Close(3 * MIB, TO_CLIENT)) as store:
        assert store.get("a").read() == DATA
        assert proxy.connections >= 3
        assert store.get("a", start=100, length=5 * MIB).read() == DATA[100 : 5 * MIB + 100]
        assert store.get_range("a", 3, 2 * MIB) == DATA[3 : 2 * MIB + 3]


def test_a_blob_that_is_replaced_while_it_breaks_off_is_not_mixed(through: Through, direct: BlobStore) -> None:
    direct.put_stream("a", DATA)
    with through(Close(3 * MIB, TO_CLIENT)) as store, store.get("a") as reader:
        next(reader)
        direct.put_stream("a", DATA[::-1], replace=True)
        with pytest.raises(BlobDamaged):
            reader.read()


@pytest.mark.parametrize("fault", [Reset(3 * MIB, TO_SERVER), Stall(3 * MIB, TO_SERVER)], ids=["reset", "stall"])
def test_a_put_that_cannot_end_leaves_nothing(through: Through, direct: BlobStore, fault: Fault) -> None:
    with through(fault, timeout=1.0, deadline=2.0) as store:
        for replaces in (False, True):
            with pytest.raises(BlobUnavailable):
                store.put_stream("a", DATA, replace=replaces)
            with pytest.raises(BlobNotFound):
                direct.head("a")
    assert list(direct.list()) == []
    direct.put_stream("b", DATA)


@pytest.mark.parametrize("lost", range(1, 10))
def test_any_answer_to_a_put_in_parts_may_be_lost(through: Through, direct: BlobStore, lost: int) -> None:
    with through(Answers(1, skip=lost - 1)) as store:
        try:
            assert store.put_stream("a", DATA).size == len(DATA)
        except BlobUnavailable:
            with pytest.raises(BlobNotFound):
                direct.head("a")
            store.put_stream("a", DATA)
    assert direct.get("a").read() == DATA


def test_no_answer_is_a_timeout(through: Through, direct: BlobStore) -> None:
    direct.put_stream("a", DATA)
    with through(Stall(0, TO_CLIENT), timeout=0.4, deadline=0.8) as store:
        for call in (
            lambda: store.head("a"),
            lambda: store.get_range("a", 0, 5),
            lambda: store.get("a"),
            lambda: store.put_stream("b", b"1"),
            lambda: list(store.list()),
        ):
            with pytest.raises(BlobTimeout) as caught:
                call()
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.is_transient
    with through(Stall(2 * MIB, TO_CLIENT), timeout=0.4, deadline=0.8) as store, pytest.raises(BlobUnavailable):
        store.get_range("a", 0, 6 * MIB)


def test_faults_of_the_service_are_waited_for(through: Through, direct: BlobStore) -> None:
    direct.put_stream("a", DATA[:100])
    for status in ("500 Internal Server Error", "503 Slow Down", "429 Too Many Requests"):
        with through(Answers(2, answer(status))) as store:
            assert store.get_range("a", 0, 100) == DATA[:100]
        for size in (1, 6 * MIB):
            with through(Answers(2, answer(status))) as store:
                store.put_stream(f"p/{status[:3]}/{size}", DATA[:size])
            assert direct.get(f"p/{status[:3]}/{size}").read() == DATA[:size]
    with through(Answers(float("inf"), answer("503 Slow Down")), timeout=5.0, deadline=7.0) as store:
        with pytest.raises(BlobUnavailable) as caught:
            store.head("a")
        assert caught.value.status == 503
        with pytest.raises(BlobUnavailable):
            store.put_stream("never", b"1")


def test_a_put_whose_answer_is_lost_is_ours(through: Through, direct: BlobStore) -> None:
    with through(Answers(1)) as store:
        assert store.put_stream("a", b"ours").size == 4
    assert direct.get("a").read() == b"ours"
    assert [info.key for info in direct.list()] == ["a"]
    with through(Answers(1)) as store, pytest.raises(BlobExists):
        store.put_stream("a", b"another's")
    assert direct.get("a").read() == b"ours"


def test_what_is_refused_is_not_tried_again(
    through: Through, direct: BlobStore, seaweedfs: SeaweedFS, proxy: FaultProxy, run: str
) -> None:
    direct.put_stream("a", b"1")
    wrong = StoreOptions(credentials={"access_key_id": "pacskit", "secret_access_key": "hunter2hunter2"})
    with open_store(seaweedfs.address(run), wrong) as store:
        for call in (lambda: store.get("a"), lambda: store.put_stream("b", b"1"), lambda: list(store.list())):
            with pytest.raises(BlobRefused) as caught:
                call()
            assert not caught.value.is_transient
            text = f"{caught.value!r} {caught.value} {store!r} {wrong!r}"
            assert "hunter2" not in text
            assert run not in text
            assert caught.value.__cause__ is None
    with open_store(seaweedfs.address("no-such-bucket"), seaweedfs.options) as store, pytest.raises(BlobRefused):
        store.get("a")


def test_a_service_that_is_full_says_so(through: Through) -> None:
    full = Answers(float("inf"), answer("507 Insufficient Storage"))
    with through(full, timeout=5.0, deadline=5.4) as store, pytest.raises(OutOfSpace):
        store.put_stream("c", b"1")


def test_a_cache_goes_on_when_the_service_is_away_and_comes_back(
    through: Through, direct: BlobStore, proxy: FaultProxy, tmp_path: object
) -> None:
    away = Answers(float("inf"))
    with through(away, timeout=2.0, deadline=3.0) as store, CachedStore(store, str(tmp_path)) as cached:
        with pytest.raises(BlobUnavailable):
            cached.head("a")
        for number in range(10):
            cached.put_stream(f"a/{number}", DATA[: number * 1000])
        assert cached.status.waiting == 10
        assert cached.get("a/5").read() == DATA[:5000]
        away.times = 0
        assert cached.flush(90)
    assert [direct.get(f"a/{number}").read() for number in range(10)] == [DATA[: number * 1000] for number in range(10)]
