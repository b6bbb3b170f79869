"""Blob stores on a real S3 server (SeaweedFS): through ours, beside obstore called bare; and what a frame costs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from tempfile import TemporaryDirectory
from typing import Any

from asv_bench.compare.processes import child, need
from asv_bench.compare.rows import Missing, Row, Scale, Subject

__all__ = ["ROWS", "memory"]

_CT = 512 << 10
_LARGE = 64 << 20
_THREADS = 8
_WARM = 64
_MIB = 1 << 20


@dataclass(frozen=True)
class _Both:
    """The same bucket through our store and through obstore's."""

    ours: Any
    bare: Any
    address: str
    secrets: tuple[str, str]
    port: int
    options: Any


def _server(stack: ExitStack) -> _Both:
    need("obstore")
    import obstore.store

    from pacskit.core.errors import ConfigurationError
    from pacskit.storage.blobs import open_store
    from pacskit.testing import SeaweedFS

    try:
        server = stack.enter_context(SeaweedFS())
    except ConfigurationError as error:
        raise Missing(str(error)) from None
    keys = server.options.credentials
    bare = obstore.store.S3Store(
        "compare",
        endpoint=server.endpoint,
        region="us-east-1",
        client_options={"allow_http": True},
        access_key_id=keys["access_key_id"],
        secret_access_key=keys["secret_access_key"],
    )
    address = server.address("compare")
    ours = stack.enter_context(open_store(address, server.options))
    return _Both(ours, bare, address, (keys["access_key_id"], keys["secret_access_key"]), server.port, server.options)


def _rate(work: Callable[[int], object], number: int) -> float:
    """How many a second, by several threads."""
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(work, range(_WARM)))  # threads and connections are there, the server is done with others' work
        began = time.perf_counter()
        list(pool.map(work, range(_WARM, _WARM + number)))
        return number / (time.perf_counter() - began)


def _put_small(scale: Scale, stack: ExitStack) -> list[Subject]:
    import obstore

    both, number, data, runs = _server(stack), scale(50, 400), os.urandom(_CT), count(1)

    def ours() -> float:
        run = next(runs)
        return _rate(lambda at: both.ours.put_stream(f"{run}/{at}", data), number)

    def bare() -> float:
        run = next(runs)
        return _rate(lambda at: obstore.put(both.bare, f"{run}/{at}", data, mode="create"), number)

    return [Subject("pacskit", ours), Subject("obstore", bare)]


def _get_small(scale: Scale, stack: ExitStack) -> list[Subject]:
    import obstore

    both, number, data = _server(stack), scale(200, 3000), os.urandom(_CT)
    for at in range(64):
        both.ours.put_stream(f"{at}", data)
    return [
        Subject("pacskit", lambda: _rate(lambda at: both.ours.get(str(at % 64)).read(), number)),
        Subject("obstore", lambda: _rate(lambda at: obstore.get(both.bare, str(at % 64)).bytes().to_bytes(), number)),
    ]


def _pieces(data: bytes) -> Iterator[memoryview]:
    view = memoryview(data)
    return (view[at : at + _MIB] for at in range(0, len(data), _MIB))


def _put_large(scale: Scale, stack: ExitStack) -> list[Subject]:
    import obstore

    both, number, data, runs = _server(stack), scale(1, 4), os.urandom(_LARGE), count(1)

    def timed(put: Callable[[str], object]) -> float:
        began = time.perf_counter()
        for _ in range(number):
            put(f"large/{next(runs)}")
        return number * _LARGE / _MIB / (time.perf_counter() - began)

    def bare(key: str) -> object:
        return obstore.put(both.bare, key, _pieces(data), max_concurrency=2)

    return [
        Subject("pacskit", lambda: timed(lambda key: both.ours.put_stream(key, _pieces(data)))),
        Subject("obstore", lambda: timed(bare)),
    ]


def _get_large(scale: Scale, stack: ExitStack) -> list[Subject]:
    import obstore

    both, number = _server(stack), scale(3, 20)
    both.ours.put_stream("large", os.urandom(_LARGE))

    def timed(get: Callable[[], Any]) -> float:
        began = time.perf_counter()
        for _ in range(number):
            if sum(len(memoryview(part)) for part in get()) != _LARGE:
                raise Missing("not all bytes came")
        return number * _LARGE / _MIB / (time.perf_counter() - began)

    return [
        Subject("pacskit", lambda: timed(lambda: both.ours.get("large"))),
        Subject("obstore", lambda: timed(lambda: obstore.get(both.bare, "large").stream(min_chunk_size=_MIB))),
    ]


def memory(address: str, access: str, secret: str, size: str) -> None:
    """Print by how many MB a process has grown in putting a stream and reading it."""
    from pacskit.storage.blobs import StoreOptions, open_store

    def peak() -> int:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) << 10

    keys = {"access_key_id": access, "secret_access_key": secret}
    with open_store(address, StoreOptions(credentials=keys)) as store:
        store.put_stream("warm", b"1", replace=True)
        before = peak()
        store.put_stream("grown", (bytes(_MIB) for _ in range(int(size))), replace=True)
        with store.get("grown") as reader:
            seen = sum(len(part) for part in reader)
    print((peak() - before) / _MIB if seen == int(size) * _MIB else -1.0, flush=True)


def _memory(scale: Scale, stack: ExitStack) -> list[Subject]:
    both, size = _server(stack), scale(64, 500)
    call = f"import sys; from {__name__} import memory; memory(*sys.argv[1:])"

    def grown() -> float:
        with child([sys.executable, "-c", call, both.address, *both.secrets, str(size)]) as made:
            return float(made.line("a stream"))

    return [Subject("pacskit", grown)]


@dataclass
class _Counter:
    """Counts requests and the bytes of answers that pass a proxy."""

    requests: int = 0
    received: int = 0
    where: None = None

    def apply(self, passing: Any, data: bytes) -> Iterator[Any]:
        from pacskit.testing import TO_SERVER, Feed

        if passing.direction == TO_SERVER:
            self.requests += data.count(b"GET /") + data.count(b"HEAD /")
        else:
            self.received += len(data)
        yield Feed(data)


def _frame(figure: Callable[[_Counter], float]) -> Callable[[Scale, ExitStack], list[Subject]]:
    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        from pacskit import Archive, ArchiveSettings, Dataset
        from pacskit.encoding.frames import set_frames
        from pacskit.testing import FaultProxy

        both, frames = _server(stack), scale(100, 1000)
        dataset = Dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.7.4", SOPInstanceUID="1.2.3", Rows=512, Columns=512)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", "1.2.1"
        set_frames(dataset, [os.urandom(_CT) for _ in range(frames)], "1.2.840.10008.1.2.4.90")
        counter = _Counter()
        proxy = stack.enter_context(FaultProxy(f"S3@127.0.0.1:{both.port}", counter))
        settings = ArchiveSettings(
            blobs=both.address.replace(str(both.port), str(proxy.address.port)), blob_store=both.options
        )
        directory = stack.enter_context(TemporaryDirectory(prefix="pacskit-compare-"))
        archive = stack.enter_context(Archive(directory, settings=settings))
        archive.store(dataset)

        def run() -> float:
            counter.requests = counter.received = 0
            (frame,) = archive.frames("1.2.3", [frames // 2])
            if len(frame) != _CT:
                raise Missing("another frame came")
            return figure(counter)

        return [Subject("pacskit", run)]

    return build


ROWS = [
    Row("store-put", "S3: put 512 KiB, 8 threads", "objects/s", _put_small, at_least=0.95, against="obstore"),
    Row("store-get", "S3: get 512 KiB, 8 threads", "objects/s", _get_small, at_least=0.95, against="obstore"),
    Row("store-put-large", "S3: put 64 MiB in parts", "MiB/s", _put_large, at_least=0.95, against="obstore"),
    Row("store-get-large", "S3: get 64 MiB", "MiB/s", _get_large, at_least=0.95, against="obstore"),
    Row("store-memory", "S3: growth by a stream of 500 MiB, in and out", "MiB", _memory, below=32),
    Row("store-frame", "S3: a frame of 500 MiB, requests", "requests", _frame(lambda seen: seen.requests), below=3.5),
    Row("store-frame-bytes", "S3: bytes for it, over its own", "x", _frame(lambda n: n.received / _CT), below=1.1),
]
