"""``pacskit convert``."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, fields
from math import isfinite
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from pacskit.cli.output import line
from pacskit.cli.progress import Bar
from pacskit.core.errors import ConfigurationError, PacsError
from pacskit.core.uid import UID
from pacskit.encoding import dcmread
from pacskit.encoding.codecs import EncodeOptions
from pacskit.encoding.transcoding import SYNTAX_NAMES, Transcoded, syntax_named, transcode_file
from pacskit.encoding.transcoding.conversion import Settings, prepare
from pacskit.encoding.transfer_syntax import grammar

__all__ = ["Outcome", "convert"]

_PREFIX_AT: Final = 128
_PIXELS: Final = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_DICOMDIR: Final = "1.2.840.10008.1.3.10"
_AHEAD: Final = 4  # files a worker


@dataclass(frozen=True, slots=True)
class _Job:
    """A file, where it goes, and how."""

    source: Path
    target: Path
    syntax: str
    options: EncodeOptions
    new_uid: Any
    threads: int
    verify: bool
    overwrite: bool
    dry: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file: ``converted``, ``unchanged`` (of that syntax), ``copied`` (no pixels), ``failed``."""

    source: str
    target: str
    what: str
    size_before: int = 0
    size_after: int = 0
    error: str | None = None
    result: Transcoded | None = None


def convert(options: argparse.Namespace) -> int:
    if options.list:
        for name, uid in SYNTAX_NAMES.items():
            print(f"{name:<17} {uid:<24} {uid.name}")
        return 0
    if not options.files or not options.to or bool(options.into) == options.in_place:
        raise ConfigurationError("files, --to and either --into or --in-place are needed")
    jobs, clashes = _jobs(options)
    counts: dict[str, int] = {}
    failures: list[Outcome] = []
    before = after = 0
    with Bar("convert") as bar:
        bar.total = len(jobs) + len(clashes)
        for outcome in _outcomes(jobs, clashes, options.workers):
            counts[outcome.what] = counts.get(outcome.what, 0) + 1
            before, after = before + outcome.size_before, after + outcome.size_after
            if outcome.what == "failed":
                failures.append(outcome)
            if options.json:
                line(_facts(outcome))
            elif options.verify and outcome.result is not None and outcome.result.difference is not None:
                print(_compared(outcome))
            bar.step(size=outcome.size_before)
    _report(counts, failures, before, after, options)
    return 1 if failures else 0


# -- which files -------------------------------------------------------------------------------------------------------


def _jobs(options: argparse.Namespace) -> tuple[list[_Job], list[Outcome]]:
    """What is to be done, and what cannot be: two files with one target, targets that are there."""
    syntax = syntax_named(options.to)
    given = {field.name: getattr(options, field.name, None) for field in fields(EncodeOptions)}
    encoding = EncodeOptions(**given)
    taken: set[Path] = set()
    jobs: list[_Job] = []
    clashes: list[Outcome] = []
    for source, inside in _found(options.files):
        target = source if options.in_place else Path(options.into) / inside
        if target in taken:
            clashes.append(Outcome(str(source), str(target), "failed", error="another file goes there"))
            continue
        taken.add(target)
        overwrite = options.force or options.in_place
        if not overwrite and target.exists():
            clashes.append(Outcome(str(source), str(target), "failed", error="the target exists: --force replaces it"))
            continue
        jobs.append(
            _Job(
                source, target, syntax, encoding, options.new_uid, options.threads,
                options.verify, overwrite, options.dry_run,
            )
        )  # fmt: skip
    return jobs, clashes


def _found(names: Iterable[str]) -> Iterator[tuple[Path, Path]]:
    """Files with the path that they get below the target folder; of folders those with the prefix of a DICOM file."""
    for name in names:
        path = Path(name)
        if not path.is_dir():
            yield path, Path(path.name)
            continue
        for found in sorted(path.rglob("*")):
            if found.is_file() and not found.name.endswith(".part") and _has_prefix(found):
                yield found, found.relative_to(path)


def _has_prefix(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(_PREFIX_AT + 4)[_PREFIX_AT:] == b"DICM"
    except OSError:
        return False


# -- doing it ----------------------------------------------------------------------------------------------------------


def _outcomes(jobs: list[_Job], clashes: list[Outcome], workers: int | None) -> Iterator[Outcome]:
    yield from clashes
    wanted = min(workers or _processors(), max(1, len(jobs)))
    yield from map(_one, jobs) if wanted == 1 else _in_processes(_one, jobs, wanted)


def _in_processes(work: Callable[[_Job], Outcome], jobs: list[_Job], workers: int) -> Iterator[Outcome]:
    """Outcomes in order, from processes: decoding and encoding leave little to wait for."""
    waiting: deque[Future[Outcome]] = deque()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job))
                if len(waiting) >= _AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _one(job: _Job) -> Outcome:
    """Convert one file; what is wrong with it is its outcome."""
    source, target = str(job.source), str(job.target)
    try:
        size = job.source.stat().st_size
        head = dcmread(job.source, defer_size=1 << 16)
        if head.transfer_syntax == job.syntax:
            return _kept(job, "unchanged", size)
        is_dicomdir = head.file_meta.get("MediaStorageSOPClassUID") == _DICOMDIR  # of one syntax only (PS3.10 8.6)
        if is_dicomdir or (grammar(job.syntax).encapsulated and not any(tag in head for tag in _PIXELS)):
            return _kept(job, "copied", size)
        if job.dry:
            prepare(head, job.syntax, Settings(options=job.options))
            return Outcome(source, target, "converted", size)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        made = transcode_file(
            job.source, job.target, job.syntax, job.options,
            new_uid=job.new_uid, threads=job.threads, verify=job.verify, overwrite=job.overwrite,
        )  # fmt: skip
        return Outcome(source, target, "converted", size, made.size_after, result=made)
    except (PacsError, OSError, ValueError) as error:
        return Outcome(source, target, "failed", error=f"{type(error).__name__}: {error}")


def _kept(job: _Job, what: str, size: int) -> Outcome:
    """A file that needs no change is copied, byte for byte."""
    if not job.dry and job.source != job.target:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        staging = job.target.with_name(f".{job.target.name}.{os.urandom(4).hex()}.part")
        try:
            shutil.copyfile(job.source, staging)
            staging.replace(job.target)
        except BaseException:
            staging.unlink(missing_ok=True)
            raise
    return Outcome(str(job.source), str(job.target), what, size, size)


# -- telling it --------------------------------------------------------------------------------------------------------


def _facts(outcome: Outcome) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "source": outcome.source,
        "target": outcome.target,
        "outcome": outcome.what,
        "error": outcome.error,
        "size_before": outcome.size_before,
        "size_after": outcome.size_after,
    }
    made = outcome.result
    if made is not None:
        facts |= {
            "from": made.source,
            "to": made.target,
            "step": str(made.step),
            "frames": made.frames,
            "lossy": made.lossy,
            "sop_instance_uid": made.sop_instance_uid,
        }
        if made.difference is not None:
            psnr = made.difference.psnr
            facts |= {"largest_difference": made.difference.largest, "psnr": psnr if isfinite(psnr) else None}
    return facts


def _compared(outcome: Outcome) -> str:
    made = outcome.result
    if made is None or made.difference is None:
        return outcome.source
    if made.difference.is_equal:
        return f"{outcome.source}: pixels are equal"
    return f"{outcome.source}: differs by up to {made.difference.largest:g}, PSNR {made.difference.psnr:.1f} dB"


def _report(
    counts: dict[str, int], failures: list[Outcome], before: int, after: int, options: argparse.Namespace
) -> None:
    for outcome in failures:
        print(f"{outcome.source}: {outcome.error}", file=sys.stderr)
    if options.json:
        return
    told = ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "no files"
    size = "" if options.dry_run or not before else f"; {before / 1e6:.1f} MB became {after / 1e6:.1f} MB"
    print(f"{told} to {UID(syntax_named(options.to)).name}{size}{' (dry run)' if options.dry_run else ''}")
