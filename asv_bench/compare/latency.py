"""C-STORE over a long line: a proxy that delays both ways, the asynchronous operations window (PS3.7 D.3.3.3)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from asv_bench.benchmarks import inputs
from asv_bench.compare.rows import Row, Scale, Subject
from pacskit import SCP
from pacskit.network.association import Association
from pacskit.network.dimse import CStoreRequest
from pacskit.testing import Delay, FaultProxy

__all__ = ["ROWS"]

_LATENCY = 0.005
_SIZE = 39_000


def _requests(count: int) -> Iterator[CStoreRequest]:
    data = bytes(_SIZE)
    for number in range(count):
        uid = inputs.instance_uid(number)
        yield CStoreRequest(affected_sop_class_uid=inputs.CT_STORAGE, affected_sop_instance_uid=uid, data=data)


def _store(address: str, window: int, count: int) -> float:
    with Association.request(address, [inputs.CT_STORAGE], calling="BENCH", window=window) as association:
        began = time.perf_counter()
        done = sum(1 for _ in association.perform_all(_requests(count)))
        return done / (time.perf_counter() - began)


def _windows(scale: Scale, stack: ExitStack) -> list[Subject]:
    scp = SCP("BENCH")
    scp.on_store(lambda event: None)
    address = str(stack.enter_context(FaultProxy(stack.enter_context(scp).address, Delay(_LATENCY))).address)
    few, many = scale(20, 100), scale(100, 800)
    return [
        Subject("window 8", lambda: _store(address, 8, many)),
        Subject("window 1", lambda: _store(address, 1, few)),
        Subject("window 16", lambda: _store(address, 16, many)),
    ]


ROWS = [
    Row(
        "async-window",
        "C-STORE of 39 kB, 5 ms each way",
        "/s",
        _windows,
        6,
        "window 1",
        known="pynetdicom, DCMTK, Orthanc: window 1",
    )
]
