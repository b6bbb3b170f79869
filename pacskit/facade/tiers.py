"""Tiers and policies of an archive, from its settings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pacskit.core.errors import ConfigurationError
from pacskit.storage.errors import storage_error

if TYPE_CHECKING:
    from pacskit.client.jobs import JobContext, Jobs
    from pacskit.facade.settings import ArchiveSettings
    from pacskit.storage import Store
    from pacskit.storage.blobs.tiered import TieredStore
    from pacskit.storage.lifecycle import Lifecycle, Report

__all__ = [
    "add_lifecycle_jobs",
    "all_tiers",
    "has_lifecycle",
    "lifecycle_of",
    "open_archive_tiers",
    "schedule_cycles",
]

_CYCLE: Final = "lifecycle"
_UIDS: Final = ("patient_id", "study_uid", "series_uid", "instance_uid")


def open_archive_tiers(
    directory: str | os.PathLike[str], settings: ArchiveSettings, *, unnoticed: bool = False
) -> TieredStore | None:
    """Open the tiers of an archive, None where it has none; ``unnoticed``: for who only checks or copies."""
    if not settings.tiers:
        return None
    from pacskit.storage.lifecycle.opening import open_tiers

    path = Path(directory).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, "making the directory of the archive") from error
    index = settings.index or f"sqlite://{quote(str(path / 'index.sqlite'))}"
    recall = settings.lifecycle.recall
    return open_tiers(settings.tiers, index, recall=recall, commit=settings.commit, unnoticed=unnoticed)


@contextmanager
def all_tiers(
    directory: str | os.PathLike[str], settings: ArchiveSettings, index: str | None
) -> Iterator[TieredStore | None]:
    """Give all that the tiers hold, whatever an index says; the one that is there afterwards knows where it is."""
    if not settings.tiers:
        yield None
        return
    from pacskit.storage.lifecycle.opening import open_tiers

    with (
        tempfile.TemporaryDirectory(prefix="pacskit-") as folder,
        open_tiers(settings.tiers, f"sqlite://{folder}/tiers.sqlite", commit="os", unnoticed=True) as found,
    ):
        found.adopt()
        yield found
    known = open_archive_tiers(directory, replace(settings, index=index))
    if known is not None:
        with known:
            known.adopt()


def lifecycle_of(
    store: Store, tiers: TieredStore | None, directory: str | os.PathLike[str], settings: ArchiveSettings
) -> Lifecycle:
    """Return what does what the policies of an archive say; its quota is asked before each object from now on."""
    from pacskit.storage.blobs.local import LocalStore
    from pacskit.storage.lifecycle import Lifecycle, Recompressed, recompress

    def delete(level: str, /, *, study_uid: str, series_uid: str) -> int:
        return store.delete(level, study_uid=study_uid, series_uid=series_uid)

    def rewrite(uid: str, syntax: str, /, *, at_most: float) -> Recompressed:
        return recompress(store, uid, syntax, at_most=at_most)

    home = None if tiers is None else tiers.tiers[tiers.home]
    disk = home.root if isinstance(home, LocalStore) else Path(directory)
    quota = settings.lifecycle.quota
    if quota is not None and quota.bytes is None and home is not None and not isinstance(home, LocalStore):
        raise ConfigurationError("a quota of a tier that is not on a disk has bytes")
    made = Lifecycle(store.index, tiers, settings.lifecycle, delete=delete, recompress=rewrite, disk=disk)
    if made.gate is not None:
        store.admit = made.gate.check
    return made


def has_lifecycle(settings: ArchiveSettings) -> bool:
    """Whether there is anything to do in a cycle."""
    policies = settings.lifecycle
    return bool(settings.tiers or policies.retention or policies.quota or policies.recompress)


def add_lifecycle_jobs(jobs: Jobs, store: Store, lifecycle: Lifecycle, recall: Callable[..., Report]) -> None:
    """Have jobs done of the kinds ``lifecycle`` (a cycle), ``recall`` (unique keys) and ``recompress`` (instances)."""
    from pacskit.client.jobs import JobRejected
    from pacskit.storage.lifecycle import recompress

    @jobs.handler(_CYCLE)
    def cycle(job: JobContext) -> dict[str, int]:
        return _summary(lifecycle.run())

    @jobs.handler("recall")
    def bring(job: JobContext) -> dict[str, int]:
        unknown = sorted(set(job.payload) - set(_UIDS))
        if unknown:
            raise JobRejected(f"a recall has no {unknown[0]!r}")
        return _summary(recall(**job.payload))

    @jobs.handler("recompress")
    def rewrite(job: JobContext) -> dict[str, int]:
        named, syntax = job.payload.get("instances"), job.payload.get("syntax")
        if not isinstance(named, list) or not isinstance(syntax, str):
            raise JobRejected("recompression is of instances, to a syntax")
        done = 0
        for number, uid in enumerate(named):
            job.progress(number, len(named))
            done += recompress(store, str(uid), syntax).done
        return {"recompressed": done, "kept": len(named) - done}


def _summary(report: Report) -> dict[str, int]:
    """Return how many instances were recalled, moved …, and what failed."""
    counts = {what: report.count(what)[0] for what in ("recall", "move", "recompress", "delete")}
    return {**counts, "failed": len(report.failed), "swept": report.swept}


def schedule_cycles(jobs: Jobs, every: str) -> None:
    """Have a cycle at the times of a line of cron; none where there is no line."""
    if every:
        jobs.schedule(_CYCLE, every, _CYCLE)
    else:
        jobs.queue.unschedule(_CYCLE)
