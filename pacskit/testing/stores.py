"""What a blob store must do, as tests that a subclass inherits."""

from __future__ import annotations

import hashlib
import io
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import Random
from typing import Any

from pacskit.storage.blobs import (
    BlobDamaged,
    BlobError,
    BlobExists,
    BlobNotFound,
    BlobRefused,
    BlobSource,
    BlobStore,
    InvalidKey,
)

__all__ = ["StoreTests"]

_MIB = 1 << 20
_BAD_KEYS = (
    "", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".a", "a/.b", "a.", "a./b", "a b", "a\\b", "a\0", "ä", "a\n",
    "x" * 201, "/".join(["x" * 170] * 4),
)  # fmt: skip


class StoreTests:
    """Subclass it as ``Test…`` under pytest, and return a store from ``store``.

    Overridable:

    - ``store``: the store, empty, another one (or another prefix) each time; each test closes it;
    - ``large``: the size of the blobs that are to need several parts or pieces;
    - ``settle``: for a store that is at work when nobody asks for anything;
    - ``many``: how many blobs are listed;
    - ``signs``: whether the store makes addresses that anybody may use.
    """

    large = 12 * _MIB + 5
    many = 30
    signs = False

    def store(self) -> BlobStore:
        """Return the store to test."""
        raise NotImplementedError("return the store to test")

    def settle(self, store: BlobStore) -> None:
        """Wait until nothing is under way, where the order of a list depends on that."""

    # -- the tests -----------------------------------------------------------------------------------------------------

    def test_it_follows_the_protocol(self) -> None:
        with self.store() as store:
            _check(isinstance(store, BlobStore), "it lacks something that pacskit.storage.blobs.BlobStore names")
            _check(list(store.list()) == [], "a new store is not empty")

    def test_what_is_put_comes_back(self) -> None:
        with self.store() as store:
            for size in (0, 1, _MIB - 1, _MIB, _MIB + 1, self.large):
                key, data = f"1.2/{size}.dcm", _bytes(size)
                before = datetime.now(UTC)
                info = store.put_stream(key, data)
                _check((info.key, info.size) == (key, size), f"{size}: what put_stream returns is of another blob")
                found = store.head(key)
                _check((found.key, found.size) == (key, size), f"{size}: head is of another blob")
                _check(abs((found.modified - before).total_seconds()) < 3600, f"{size}: modified is not the time")
                with store.get(key) as reader:
                    _check(reader.info.size == size, f"{size}: the reader's info is of another blob")
                    _check(reader.read() == data, f"{size}: other bytes come back")

    def test_a_source_may_come_in_any_pieces(self) -> None:
        data = _bytes(self.large)
        with self.store() as store:
            for number, cut in enumerate((7919, _MIB, 3 * _MIB + 1, self.large)):
                store.put_stream(f"cut/{number}", _reused(data, cut), size=len(data))
                _check(store.get(f"cut/{number}").read() == data, f"pieces of {cut}: other bytes come back")
            sources: list[Any] = [bytearray(b"abcd"), memoryview(b"abcd").cast("H"), [b"", b"ab", b"", b"cd"]]
            sources += [io.BytesIO(b"abcd"), iter([b"abc", b"d"])]
            for number, source in enumerate(sources):
                store.put_stream(f"kind/{number}", source)
                _check(store.get(f"kind/{number}").read() == b"abcd", f"source {number}: other bytes come back")

    def test_a_blob_is_not_replaced_unless_told(self) -> None:
        with self.store() as store:
            for size in (3, self.large):
                key = f"r/{size}"
                store.put_stream(key, _bytes(size))
                first = store.head(key)
                _raises(BlobExists, store.put_stream, key, _bytes(size, 2))
                _check(store.get(key).read() == _bytes(size), "a put that was refused has changed the blob")
                store.put_stream(key, _bytes(size, 2), replace=True)
                _check(store.get(key).read() == _bytes(size, 2), "replace does not replace")
                _check(store.head(key).version != first.version, "the version stays when the bytes change")
                store.put_stream(f"new/{size}", _bytes(size), replace=True)
                _check(store.get(f"new/{size}").read() == _bytes(size), "replace needs something to replace")

    def test_of_several_who_put_one_key_one_succeeds(self) -> None:
        with self.store() as store:
            for size in (100, self.large):
                together = threading.Barrier(4)

                def put(number: int, size: int = size, together: threading.Barrier = together) -> int | None:
                    together.wait(60)
                    try:
                        store.put_stream(f"one/{size}", _bytes(size, number))
                    except BlobExists:
                        return None
                    return number

                with ThreadPoolExecutor(4) as pool:
                    won = [number for number in pool.map(put, range(4)) if number is not None]
                _check(len(won) == 1, f"{size}: {len(won)} of 4 have put the same key")
                _check(store.get(f"one/{size}").read() == _bytes(size, won[0]), f"{size}: the blob is not the winner's")

    def test_a_source_that_fails_leaves_nothing(self) -> None:
        class Mine(OSError):
            pass

        def fails(size: int) -> Iterator[bytes]:
            yield _bytes(size)
            raise Mine("the source")

        with self.store() as store:
            for size in (10, self.large):
                _raises(Mine, store.put_stream, "f/new", fails(size))
                _raises(BlobNotFound, store.head, "f/new")
                store.put_stream("f/old", b"old", replace=True)
                _raises(Mine, store.put_stream, "f/old", fails(size), replace=True)
                _check(store.get("f/old").read() == b"old", "a put that failed has changed the blob")
            _check([info.key for info in store.list()] == ["f/old"], "something is left of puts that failed")

    def test_bytes_that_are_not_as_announced_are_refused(self) -> None:
        with self.store() as store:
            for size in (10, self.large):
                data = _bytes(size)
                digest = hashlib.sha256(data).digest()
                for options in ({"size": size - 1}, {"size": size + 1}, {"sha256": bytes(32)}):
                    _raises(BlobDamaged, store.put_stream, "d/new", data, **options)
                    _raises(BlobNotFound, store.head, "d/new")
                store.put_stream(f"d/{size}", data, size=size, sha256=digest)
                _check(store.get(f"d/{size}", sha256=digest).read() == data, "other bytes come back")
                _raises(BlobDamaged, store.get(f"d/{size}", sha256=bytes(32)).read)

    def test_ranges_are_those_of_the_bytes(self) -> None:
        random, size = Random(1), 3 * _MIB
        data = _bytes(size)
        with self.store() as store:
            store.put_stream("r", data)
            wanted = [(random.randrange(size), random.randrange(70_000)) for _ in range(20)]
            wanted += [(0, 0), (0, 1), (size - 1, 1), (size - 1, 9), (size, 1), (size + 5, 9), (5, 0), (0, size + 9)]
            for start, length in wanted:
                _check(
                    store.get_range("r", start, length) == data[start : start + length],
                    f"{start}, {length}: other bytes",
                )
            for some in (wanted, wanted[:3], wanted[-3:], [(0, 4), (4, 4), (2, 4)], []):
                found = store.get_ranges("r", some)
                _check(found == [data[start : start + length] for start, length in some], "get_ranges: other bytes")
            for start, stop in ((0, None), (1, None), (5, 5), (5, _MIB + 12), (size - 3, size + 6), (size, None)):
                reader = store.get("r", start=start, length=None if stop is None else stop - start)
                _check(reader.read() == data[start:stop], f"{start} to {stop}: other bytes")
            for start, length in ((-1, 4), (0, -1)):
                _raises(ValueError, store.get_range, "r", start, length)
                _raises(ValueError, store.get_ranges, "r", [(start, length)])
                _raises(ValueError, store.get, "r", start=start, length=length)

    def test_an_empty_blob_has_empty_ranges(self) -> None:
        with self.store() as store:
            store.put_stream("e", b"")
            _check(store.get_range("e", 0, 10) == b"", "there are bytes in an empty blob")
            _check(store.get_ranges("e", [(0, 0), (3, 4)]) == [b"", b""], "there are bytes in an empty blob")
            _check(store.get("e", length=5).read() == b"", "there are bytes in an empty blob")

    def test_what_is_not_there_is_not_found(self) -> None:
        with self.store() as store:
            store.put_stream("a/b/c", b"1")
            for key in ("n", "a", "a/b", "a/b/c/d", "a/b/cc"):
                _raises(BlobNotFound, store.head, key)
                _raises(BlobNotFound, store.get, key)
                _raises(BlobNotFound, store.get_range, key, 0, 1)
                _raises(BlobNotFound, store.get_range, key, 0, 0)
                _raises(BlobNotFound, store.get_ranges, key, [(0, 1), (5, 1)])
                store.delete(key)
            _check(store.get("a/b/c").read() == b"1", "another blob went")

    def test_lists_have_every_blob_once_and_go_on_where_they_ended(self) -> None:
        odd = ["a/b", "a/b-c/d", "a-b", "a.b", "a/b.c", "ab/c", "z"]
        keys = sorted([*odd, *(f"s/{number:04}.dcm" for number in range(self.many))])
        with self.store() as store:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda key: store.put_stream(key, key.encode()), keys))
            self.settle(store)
            found = list(store.list())
            order = [info.key for info in found]
            _check(sorted(order) == keys, "the list is not every key once")
            _check(all(info.size == len(info.key) for info in found), "the list has other sizes")
            for prefix in ("a", "a/", "a/b", "a/b-c", "s", "s/0001", "q"):
                below = [key for key in order if key.startswith(prefix.rstrip("/") + "/")]
                _check([info.key for info in store.list(prefix)] == below, f"{prefix!r}: other keys")
                for after in (below[:1], below[len(below) // 2 :][:1], below[-1:]):
                    for key in after:
                        later = below[below.index(key) + 1 :]
                        _check(
                            [info.key for info in store.list(prefix, after=key)] == later, f"after {key}: other keys"
                        )
            for index in (0, 1, 2, 3, len(order) // 2, len(order) - 2, len(order) - 1):
                found = list(store.list(after=order[index]))
                _check([info.key for info in found] == order[index + 1 :], f"after {order[index]}: other keys")

    def test_what_is_deleted_is_gone(self) -> None:
        with self.store() as store:
            keys = [f"x/{number}/y" for number in range(20)]
            for key in keys:
                store.put_stream(key, b"1")
            store.delete(keys[0])
            store.delete(keys[0])
            store.delete(key for key in [*keys[:5], "never/there"])
            _raises(BlobNotFound, store.head, keys[2])
            _raises(BlobNotFound, store.get_range, keys[2], 0, 1)
            _check(sorted(info.key for info in store.list()) == sorted(keys[5:]), "other keys are left")
            store.delete(keys)
            store.delete([])
            _check(list(store.list()) == [], "something is left")
            store.put_stream(keys[0], b"2")
            _check(store.get(keys[0]).read() == b"2", "the old blob is back")

    def test_keys_that_lead_elsewhere_are_refused(self) -> None:
        with self.store() as store:
            for key in _BAD_KEYS:
                _raises(InvalidKey, store.put_stream, key, b"1")
                _raises(InvalidKey, store.get, key)
                _raises(InvalidKey, store.get_range, key, 0, 1)
                _raises(InvalidKey, store.get_ranges, key, [(0, 1)])
                _raises(InvalidKey, store.head, key)
                _raises(InvalidKey, store.delete, key)
                _raises(InvalidKey, store.delete, [key])
                _raises(InvalidKey, store.sign, key, seconds=60)
                if key and not key.endswith("a/"):
                    _raises(InvalidKey, store.list, key)
            _check(list(store.list()) == [], "something was put under a key that is none")

    def test_what_is_on_its_way_is_not_seen(self) -> None:
        with self.store() as store:
            seen: list[str] = []

            def source() -> Iterator[bytes]:
                for _ in range(0, self.large, _MIB):
                    yield bytes(_MIB)
                    seen.extend(info.key for info in store.list())
                    _raises(BlobNotFound, store.head, "way")

            store.put_stream("way", source())
            _check(seen == [], "a blob is listed before all of it is there")
            _check([info.key for info in store.list()] == ["way"], "something else is listed")

    def test_a_reader_never_mixes_two_blobs(self) -> None:
        with self.store() as store:
            data = _bytes(self.large)
            for change in ("replace", "delete", "nothing"):
                store.put_stream("m", data, replace=True)
                with store.get("m") as reader:
                    parts = [bytes(next(reader))]
                    if change == "replace":
                        store.put_stream("m", _bytes(self.large, 7), replace=True)
                    elif change == "delete":
                        store.delete("m")
                    try:
                        parts.extend(bytes(part) for part in reader)
                    except BlobError:
                        continue
                _check(b"".join(parts) == data, f"{change}: the reader has bytes of another blob")
            store.put_stream("c", data)
            with store.get("c") as reader:
                next(reader)
            _check(store.get("c").read() == data, "a reader that was closed disturbs the next one")

    def test_threads_do_not_disturb_each_other(self) -> None:
        with self.store() as store:

            def work(number: int) -> bool:
                data = _bytes(200_000 + number, number)
                store.put_stream(f"t/{number % 3}/{number}", data)
                same = store.get(f"t/{number % 3}/{number}").read() == data
                same &= store.get_range(f"t/{number % 3}/{number}", 1000, 5000) == data[1000:6000]
                if number % 2:
                    store.delete(f"t/{number % 3}/{number}")
                return same

            with ThreadPoolExecutor(8) as pool:
                _check(all(pool.map(work, range(32))), "threads get other bytes")
            left = sorted(f"t/{number % 3}/{number}" for number in range(0, 32, 2))
            _check(sorted(info.key for info in store.list()) == left, "other keys are left")

    def test_it_is_a_source_of_ranges(self) -> None:
        data = _bytes(100_000)
        with self.store() as store:
            store.put_stream("s", data)
            source = BlobSource(store, "s")
            _check(source.size == len(data), "another size")
            for start, length in ((0, 10), (32_000, 2_000), (40_000, 10), (99_990, 50), (100_000, 1)):
                _check(source.read_at(start, length) == data[start : start + length], f"{start}: other bytes")

    def test_addresses_are_signed_or_refused(self) -> None:
        with self.store() as store:
            store.put_stream("s/1", b"signed")
            if not self.signs:
                _raises(BlobRefused, store.sign, "s/1", seconds=60)
                return
            address = store.sign("s/1", seconds=600)
            with urllib.request.urlopen(address, timeout=60) as answer:
                _check(answer.read() == b"signed", "another blob is at the address")
            changed = address.replace("s/1", "s/2", 1)
            store.put_stream("s/2", b"other")
            try:
                urllib.request.urlopen(changed, timeout=60).close()
            except urllib.error.HTTPError as error:
                with error:
                    _check(error.code in (401, 403), f"an address that was changed is answered with {error.code}")
            else:
                raise AssertionError("an address is good for another blob")


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _raises(kind: type[Exception], call: Callable[..., Any], *args: Any, **options: Any) -> None:
    try:
        call(*args, **options)
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}: {args!r} {options!r}"[:200])


def _bytes(size: int, seed: int = 0) -> bytes:
    return Random(seed).randbytes(size)


def _reused(data: bytes, size: int) -> Iterator[memoryview]:
    """The data in pieces that are all in the same memory, one after the other."""
    buffer = bytearray(size)
    for start in range(0, len(data), size):
        part = data[start : start + size]
        buffer[: len(part)] = part
        yield memoryview(buffer)[: len(part)]
