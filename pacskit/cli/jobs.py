"""``pacskit jobs``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pacskit.cli.output import line
from pacskit.client.jobs import Job, JobError, JobQueue, open_queue
from pacskit.core.errors import ConfigurationError
from pacskit.facade.settings import ArchiveSettings
from pacskit.storage.index import open_index
from pacskit.storage.index.sqlite import SQLiteIndex

__all__ = ["jobs"]

_FIELDS = (
    "id", "kind", "state", "priority", "payload", "run_at", "created", "started", "updated", "ended", "eta", "attempts",
    "max_attempts", "done", "total", "note", "worker", "lease_until", "asked", "dedup_key", "error", "result",
)  # fmt: skip
_HEAD = ("id", "kind", "state", "priority", "attempts", "progress", "when", "error")


@contextmanager
def _queue(options: argparse.Namespace) -> Iterator[JobQueue]:
    """Open the queue of an archive, of which nothing else is touched."""
    settings = ArchiveSettings.from_toml(options.config) if options.config else ArchiveSettings()
    if settings.index is None:
        path = Path(options.dir) / "index.sqlite"
        if not path.is_file():
            raise ConfigurationError(f"there is no archive in {options.dir}")
        index: Any = SQLiteIndex(path)
    else:
        index = open_index(settings.index)
    with closing(index):
        yield open_queue(index, settings.jobs)


def jobs(options: argparse.Namespace) -> int:
    """List jobs, show some, or change them."""
    action, ids = options.action, options.ids
    if (action == "list") == bool(ids) and action not in {"pause", "resume"}:
        raise ConfigurationError("list takes no ID" if ids else f"{action} takes IDs of jobs")
    with _queue(options) as queue:
        if action == "list":
            _list(queue, options)
            return 0
        if not ids:
            (queue.pause_queue if action == "pause" else queue.resume_queue)(options.kind)
            return 0
        change = {"show": queue.get, "retry": queue.retry, "cancel": queue.cancel}
        change |= {"pause": queue.pause, "resume": queue.resume}
        failed = 0
        for id in ids:
            try:
                job = change[action](id)
            except JobError as error:
                failed = 1
                print(f"pacskit: {error}", file=sys.stderr)
                continue
            _show(job, options.json, whole=action == "show")
        return failed


def _list(queue: JobQueue, options: argparse.Namespace) -> None:
    found = queue.list(state=options.state, kind=options.kind, limit=options.limit)
    if options.json:
        for job in found:
            line(_plain(job))
        return
    _columns([_HEAD, *(_row(job) for job in found)])
    paused = sorted(kind or "everything" for kind in queue.paused_kinds())
    counts = ", ".join(f"{number} {state}" for state, number in queue.counts().items() if number)
    print((counts or "no jobs") + (f"; paused: {', '.join(paused)}" if paused else ""))


def _show(job: Job, as_json: bool, *, whole: bool) -> None:
    if as_json:
        line(_plain(job))
    elif whole:
        for name, value in _plain(job).items():
            if value not in (None, ""):
                print(f"{name:13} {value}")
    else:
        asked = f", asked to {job.asked}" if job.asked else ""
        print(f"{job.id} {job.kind}: {job.state}{asked}")


def _plain(job: Job) -> dict[str, Any]:
    found = {name: getattr(job, name) for name in _FIELDS}
    found["priority"] = job.priority.name.lower()
    return {name: one.isoformat() if isinstance(one, datetime) else one for name, one in found.items()}


def _row(job: Job) -> tuple[str, ...]:
    when = job.ended or job.started or job.run_at
    progress = f"{job.done}/{job.total or '?'}" if job.done else ""
    return (
        str(job.id), job.kind, job.state, job.priority.name.lower(), f"{job.attempts}/{job.max_attempts}", progress,
        f"{when:%Y-%m-%d %H:%M:%S}", job.error.partition("\n")[0][:60],
    )  # fmt: skip


def _columns(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
