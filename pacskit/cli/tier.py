"""``pacskit tier``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from pacskit.cli.output import line
from pacskit.core.errors import ConfigurationError
from pacskit.facade.archive import Archive
from pacskit.facade.settings import ArchiveSettings
from pacskit.storage.entities import LegalHold
from pacskit.storage.lifecycle import Report

__all__ = ["tier"]


@contextmanager
def _opened(options: argparse.Namespace) -> Iterator[Archive]:
    settings = ArchiveSettings.from_toml(options.config) if options.config else ArchiveSettings.from_env()
    if settings.index is None and not (Path(options.dir) / "index.sqlite").is_file():
        raise ConfigurationError(f"there is no archive in {options.dir}")
    with Archive(options.dir, settings=settings) as archive:
        yield archive


def tier(options: argparse.Namespace) -> int:
    """Do what the action says."""
    actions: dict[str, Callable[[Archive, argparse.Namespace], int]] = {
        "status": _status, "run": _run, "recall": _recall, "hold": _hold, "release": _release, "holds": _holds,
    }  # fmt: skip
    with _opened(options) as archive:
        return actions[options.action](archive, options)


def _status(archive: Archive, options: argparse.Namespace) -> int:
    for one in archive.lifecycle.status():
        if options.json:
            line(asdict(one))
        else:
            wanted = f", {one.wanted} of them wanted in the first one" if one.wanted else ""
            print(f"{one.name}: {one.instances} instances, {one.bytes} bytes{wanted}")
    gate = archive.lifecycle.gate
    if gate is not None:
        used, total = gate.usage()
        line({"used": used, "of": total}) if options.json else print(f"{used} of {total} bytes used")
    if gate is None and not archive.settings.tiers and not options.json:
        print("there are no tiers and no quota")
    return 0


def _run(archive: Archive, options: argparse.Namespace) -> int:
    return _said(archive.lifecycle.run(dry_run=options.dry_run), options)


def _recall(archive: Archive, options: argparse.Namespace) -> int:
    found = archive.recall(
        patient_id=options.patient, study_uid=options.study, series_uid=options.series, dry_run=options.dry_run
    )
    return _said(found, options)


def _said(report: Report, options: argparse.Namespace) -> int:
    if options.json:
        for one in report.actions:
            line(asdict(one))
    else:
        for one in report.actions:
            if report.dry_run or one.outcome == "failed":
                where = f"{one.source} to {one.target}, " if one.source else ""
                kind = f" ({one.error})" if one.error else ""
                print(f"{one.what} {one.uid}: {where}{one.instances} instances, {one.bytes} bytes, {one.outcome}{kind}")
        print(report)
    return 1 if report.failed else 0


def _named(options: argparse.Namespace) -> list[dict[str, str]]:
    named = [{"study_uid": one} for one in options.study] + [{"patient_id": one} for one in options.patient]
    if not named or options.series:
        raise ConfigurationError("a hold is on a study or on a patient: --study or --patient")
    return named


def _hold(archive: Archive, options: argparse.Namespace) -> int:
    for one in _named(options):
        _show(archive.holds.put(**one, reason=options.reason, by=options.by), options)
    return 0


def _release(archive: Archive, options: argparse.Namespace) -> int:
    missing = [one for one in _named(options) if not archive.holds.release(**one)]
    for one in missing:
        print(f"no hold on {' '.join(one.values())}")
    return 1 if missing else 0


def _holds(archive: Archive, options: argparse.Namespace) -> int:
    for one in archive.holds:
        _show(one, options)
    return 0


def _show(hold: LegalHold, options: argparse.Namespace) -> None:
    if options.json:
        line(asdict(hold))
    else:
        said = "".join(f", {text}" for text in (hold.reason, hold.by) if text)
        print(f"{hold.id}: held since {hold.since[:8]}{said}")
