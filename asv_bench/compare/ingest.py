"""Storing by many associations at once: what each commit policy costs, and Orthanc."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import TypeAlias

from asv_bench.compare.associations import orthanc
from asv_bench.compare.processes import Server, archive, run_clients
from asv_bench.compare.rows import Row, Scale, Subject

__all__ = ["ROWS"]

_SMALL, _PIXELS = 34_398, 512 * 1024
_MANY = 8

Begin: TypeAlias = "Callable[[], AbstractContextManager[Server]]"


def _stored(server: Begin, each: int, size: int) -> float:
    with server() as found:
        words = [(number * (each + 1), each, size) for number in range(_MANY)]
        return _MANY * each / run_clients("store:wire", found, words)


def _by_policy(size: int, each: int) -> list[Subject]:
    return [
        Subject(f"archive, commit={commit}", lambda begin=partial(archive, commit=commit): _stored(begin, each, size))
        for commit in ("group", "os", "object")
    ]


def _small(scale: Scale, stack: ExitStack) -> list[Subject]:
    each, few = scale(100, 1000), scale(30, 250)
    tuned = partial(orthanc, nodelay=True, threads=_MANY, StoreMD5ForAttachments=False, SyncStorageArea=False)
    syncing = partial(orthanc, nodelay=True, threads=_MANY, StoreMD5ForAttachments=False)
    return [
        *_by_policy(_SMALL, each),
        Subject(_ORTHANC, lambda: _stored(tuned, few, _SMALL)),
        Subject("Orthanc, tuned, files synced", lambda: _stored(syncing, few, _SMALL)),
    ]


def _large(scale: Scale, stack: ExitStack) -> list[Subject]:
    return _by_policy(_PIXELS, scale(20, 150))


_ORTHANC = "Orthanc, tuned, nothing synced"
_OS = "archive, commit=os"
ROWS = [
    Row("ingest-group", "C-STORE 39 kB, 8 associations", "/s", _small, 0.6, _OS, also=((2, _ORTHANC),)),
    Row("ingest-large", "C-STORE 512 KiB, 8 associations", "/s", _large),
]
