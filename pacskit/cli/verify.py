"""``pacskit verify``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from pacskit.cli.output import line
from pacskit.cli.progress import Bar
from pacskit.core.errors import ConfigurationError
from pacskit.encoding.deferred import size_in_bytes
from pacskit.facade.settings import ArchiveSettings
from pacskit.facade.tiers import open_archive_tiers
from pacskit.storage import Scrub, ScrubReport, Store
from pacskit.storage.quarantine import quarantine_in

__all__ = ["open_store", "rate_of", "settings_of", "verify"]


@contextmanager
def open_store(options: argparse.Namespace) -> Iterator[Store]:
    """Open an archive that is there, beside the servers that may have it open."""
    settings = settings_of(options)
    with ExitStack() as opened:
        tiers = open_archive_tiers(options.dir, settings, unnoticed=True)
        if tiers is not None:
            opened.enter_context(tiers)
        elif settings.blobs is None and not Path(options.dir, "objects").is_dir():
            raise ConfigurationError(f"{options.dir} holds no archive")
        yield opened.enter_context(
            Store(
                options.dir,
                index=settings.index,
                digest=settings.digest,
                duplicates=settings.duplicates,
                removal=settings.removal,
                blobs=settings.blobs if tiers is None else tiers,
                blob_options=settings.blob_store,
                commit=settings.commit,
                quarantine=quarantine_in(options.dir, size=settings.quarantine_bytes, days=settings.quarantine_days),
            )
        )


def settings_of(options: argparse.Namespace) -> ArchiveSettings:
    """Return the settings of an archive: those of the file, and over them those of the command line."""
    settings = ArchiveSettings.from_toml(options.config) if options.config else ArchiveSettings()
    given = {name: getattr(options, name) for name in ("index", "blobs") if getattr(options, name, None)}
    return replace(settings, **given)


def rate_of(text: str | None) -> float | None:
    """Return a size a second as bytes."""
    if text is None:
        return None
    try:
        rate = size_in_bytes(text.removesuffix("/s"))
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    if rate < 1:
        raise ConfigurationError("a rate is at least a byte a second")
    return float(rate)


def verify(options: argparse.Namespace) -> int:
    with open_store(options) as store, Bar("verify") as bar:
        scrub = Scrub(
            store,
            read=not options.quick,
            workers=options.workers,
            rate=rate_of(options.rate),
            resume="restart" if options.restart else "resume",
            repair=options.repair,
            progress=lambda done, total, size: bar.step(done, total=total, size=size),
        )
        for problem in scrub:
            if options.json:
                line(asdict(problem))
            else:
                state = "repaired" if problem.repaired else problem.kind
                print(f"{state:<10} {problem.key}: {problem.reason}", flush=True)
    report = scrub.report
    if options.json:
        line({**asdict(report), "problems": len(report.problems), "clean": report.clean})
    else:
        _tell(report)
    return 0 if report.clean else 1


def _tell(report: ScrubReport) -> None:
    repaired = [one.repaired for one in report.problems]
    left = repaired.count(False)
    mended = f", {repaired.count(True)} repaired" if any(repaired) else ""
    found = f"{left} problem{'s' * (left != 1)}{mended}" if repaired else "no problems"
    unread = f", {report.unread} could not be read now" if report.unread else ""
    print(
        f"{report.instances} instances and {report.files} objects checked, {report.bytes / 1e6:.1f} MB read:"
        f" {found}{unread}"
    )
