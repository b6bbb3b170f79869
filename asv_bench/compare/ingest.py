"""Storing by many associations at once: what each commit policy costs, and Orthanc."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any, TypeAlias

from asv_bench.compare.finding import orthanc
from asv_bench.compare.processes import Server, archive, folder, run_clients
from asv_bench.compare.rows import Row, Scale, Subject

__all__ = ["ROWS"]

_SMALL, _PIXELS = 34_398, 512 * 1024
_MANY = 8

Begin: TypeAlias = "Callable[[], AbstractContextManager[Server]]"


@contextmanager
def _orthanc(**more: Any) -> Iterator[Server]:
    with folder() as made, orthanc(made, DicomThreadsCount=_MANY, **more) as found:
        yield found


def _stored(server: Begin, each: int, size: int) -> float:
    with server() as found:
        words = [(number * (each + 1), each, size) for number in range(_MANY)]
        return _MANY * each / run_clients("store:wire", found, words)


def _by_policy(size: int, each: int) -> list[Subject]:
    return [
        Subject(f"archive, commit={commit}", partial(_stored, partial(archive, commit=commit), each, size))
        for commit in ("group", "os", "object")
    ]


def _small(scale: Scale, stack: ExitStack) -> list[Subject]:
    each, few = scale(100, 1000), scale(30, 250)
    two = partial(archive, "--processes", "2", commit="group")
    tuned, syncing = partial(_orthanc, SyncStorageArea=False), partial(_orthanc, SyncStorageArea=True)
    return [
        *_by_policy(_SMALL, each),
        Subject("archive of 2 processes, commit=group", lambda: _stored(two, each, _SMALL)),
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
