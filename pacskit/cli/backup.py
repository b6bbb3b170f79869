"""``pacskit backup | restore``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pacskit.cli.output import line
from pacskit.cli.progress import Bar
from pacskit.cli.verify import open_store, rate_of
from pacskit.core.errors import ConfigurationError
from pacskit.storage import Problem, blobs
from pacskit.storage.backup import Backup, BackupReport
from pacskit.storage.backups import list_backups
from pacskit.storage.restore import Restore, RestoreReport

__all__ = ["backup", "restore"]


def backup(options: argparse.Namespace) -> int:
    if options.list:
        return _list(options)
    if options.target is None:
        raise ConfigurationError("where the backup goes is missing")
    with open_store(options) as store, blobs.open_store(options.target) as target, Bar("backup") as bar:
        report = Backup(
            store,
            target,
            link=not options.copy,
            workers=options.workers,
            rate=rate_of(options.rate),
            progress=lambda done, total, size: bar.step(done, total=total, size=size),
        ).run()
    return _report(
        options,
        report,
        f"backup {report.name}: {report.objects} objects, {report.bytes / 1e6:.1f} MB;"
        f" {report.copied} copied, {report.linked} linked",
    )


def _list(options: argparse.Namespace) -> int:
    with _existing(options.dir) as source:
        for one in list_backups(source):
            if options.json:
                line(asdict(one))
            else:
                print(f"{one.name}  {one.objects} objects, {one.bytes / 1e6:.1f} MB, {one.problems} problems")
    return 0


def _existing(address: str) -> blobs.BlobStore:
    if "://" not in address and not Path(address).is_dir():
        raise ConfigurationError(f"there is no directory {address}")
    return blobs.open_store(address)


def restore(options: argparse.Namespace) -> int:
    with _existing(options.source) as source, Bar("restore") as bar:
        report = Restore(
            source,
            options.dir,
            name=options.name,
            index=options.index,
            blobs=options.blobs,
            workers=options.workers,
            progress=lambda done, total, size: bar.step(done, total=total, size=size),
        ).run()
    return _report(
        options,
        report,
        f"backup {report.name} restored: {report.objects} objects, {report.bytes / 1e6:.1f} MB, all as their digests",
    )


def _report(options: argparse.Namespace, report: BackupReport | RestoreReport, text: str) -> int:
    problems: Sequence[Problem] = report.problems
    for one in problems:
        if options.json:
            line(asdict(one))
        else:
            print(f"{one.kind:<10} {one.key}: {one.reason}")
    if options.json:
        line({**asdict(report), "problems": len(problems)})
    else:
        print(text + (f"; {len(problems)} problems" if problems else ""))
    return 1 if problems else 0
