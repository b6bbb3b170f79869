"""``pacskit extract``."""

from __future__ import annotations

import argparse
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from pacskit.cli.output import line
from pacskit.cli.progress import Bar
from pacskit.core.errors import ConfigurationError, DecodeError, PacsError
from pacskit.encoding.images.export import without_frame
from pacskit.encoding.images.names import plain
from pacskit.encoding.part10 import dcmopen
from pacskit.images import ExportOptions, export_frames, export_payload, payload_of

__all__ = ["extract"]

_PREFIX_AT = 128
_ENDINGS = {".dcm", ".dicom", ".ima"}
_AHEAD = 4  # files in work for each worker


class _Job(NamedTuple):
    """A file, its path below the folder that was named, and whether it was found there rather than named itself."""

    path: Path
    place: Path
    is_found: bool


class _Done(NamedTuple):
    job: _Job
    made: list[Path]
    kind: str | None
    error: str | None


def extract(options: argparse.Namespace) -> int:
    made = ExportOptions(
        format=options.format,
        rendered=not options.raw,
        window=_window(options.window),
        bits=options.bits,
        overlays=not options.no_overlays,
        srgb=options.srgb,
        quality=options.quality,
        rate=options.rate,
        overwrite=options.overwrite,
    )
    ranges = None if options.frames is None else _ranges(options.frames)
    jobs = list(_jobs(options.files))
    failed: list[_Done] = []

    def work(job: _Job) -> _Done:
        try:
            return _extract(job, options, made, ranges)
        except (PacsError, OSError, IndexError, ValueError, MemoryError) as error:
            return _Done(job, [], None, f"{type(error).__name__}: {error}")

    with Bar("extract") as bar, closing(_in_parallel(work, jobs, options.workers)) as results:
        bar.total = len(jobs)
        for done in results:
            bar.step()
            if options.json:
                line(_as_json(done))
            elif done.error is None:
                for path in done.made:
                    print(path)
            if done.error is not None:
                failed.append(done)
    for done in failed:
        print(f"{done.job.path}: {done.error}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(jobs)} files failed", file=sys.stderr)
    if not jobs:
        print("no DICOM files", file=sys.stderr)
    return 0 if jobs and not failed else 4 if len(jobs) == len(failed) == 1 else 1


def _window(text: str) -> str | int | tuple[float, float]:
    """A window of the command line: a word, a number from 1, or CENTER,WIDTH."""
    center, comma, width = text.partition(",")
    try:
        if comma:
            return float(center), float(width)
        return int(text) - 1
    except ValueError:
        if comma:
            raise ConfigurationError(f"{text!r} is no window: CENTER,WIDTH") from None
        return text


def _ranges(text: str) -> list[tuple[int, int | None]]:
    """``1-5,8,20-``: pairs of first and last, from 0; None for the last there is."""
    found: list[tuple[int, int | None]] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            start = int(first)
            end = None if dash and not last else int(last or first)
        except ValueError:
            start, end = 0, None
        if start < 1 or (end is not None and end < start):
            raise ConfigurationError(f"{part!r} is no range of frames: 1-5,8,20-")
        found.append((start - 1, None if end is None else end - 1))
    return found


def _numbers(ranges: list[tuple[int, int | None]] | None, count: int) -> list[int] | None:
    if ranges is None:
        return None
    found: dict[int, None] = {}
    for first, last in ranges:
        if first >= count or (last is not None and last >= count):
            raise IndexError(f"there are {count} frames")
        found |= dict.fromkeys(range(first, count if last is None else last + 1))
    return list(found)


def _jobs(names: list[str]) -> Iterator[_Job]:
    """The files, and in folders those that have the prefix of a DICOM file (PS3.10 7.1)."""
    for name in names:
        path = Path(name)
        if not path.is_dir():
            yield _Job(path, Path(path.name), False)
            continue
        for found in sorted(path.rglob("*")):
            if found.is_file() and _has_prefix(found):
                yield _Job(found, found.relative_to(path), True)


def _has_prefix(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(_PREFIX_AT + 4)[_PREFIX_AT:] == b"DICM"
    except OSError:
        return False


def _in_parallel(work: Callable[[_Job], _Done], jobs: list[_Job], workers: int | None) -> Generator[_Done]:
    """The results in the order of the jobs, a few of which are under way."""
    count = workers if workers and workers > 0 else _processors()
    waiting: deque[Future[_Done]] = deque()
    with ThreadPoolExecutor(count, "extract") as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job))
                if len(waiting) > _AHEAD * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _processors() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _extract(
    job: _Job, options: argparse.Namespace, made: ExportOptions, ranges: list[tuple[int, int | None]] | None
) -> _Done:
    with dcmopen(job.path, force=options.force) as ds:
        kind = payload_of(ds)
        if kind is None:
            if not job.is_found:
                raise DecodeError("neither frames, a video nor a document")
            return _Done(job, [], None, None)
        name = options.name or _mirrored(job.place)
        if kind != "frames" and not (kind == "video" and options.decode_video):
            path = export_payload(ds, options.into, name=without_frame(name), overwrite=options.overwrite)
            return _Done(job, [path], kind, None)
        count = int(ds.get("NumberOfFrames") or 1)
        if not options.name and count > 1:
            name += "-{frame}"
        return _Done(
            job,
            export_frames(ds, options.into, made, name=name, frames=_numbers(ranges, count), threads=1),
            kind,
            None,
        )


def _mirrored(place: Path) -> str:
    """The names of the folders and the file, as they may be used for others."""
    last = place.stem if place.suffix.lower() in _ENDINGS else place.name
    return "/".join(plain(part) for part in (*place.parts[:-1], last))


def _as_json(done: _Done) -> dict[str, Any]:
    found: dict[str, Any] = {
        "file": str(done.job.path),
        "kind": done.kind,
        "written": [str(path) for path in done.made],
        "error": done.error,
    }
    return found
