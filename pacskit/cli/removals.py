"""``pacskit delete | undelete | sweep | reject | merge | quarantine``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pacskit.cli.output import line
from pacskit.core.enums import Level
from pacskit.core.errors import ConfigurationError
from pacskit.facade.archive import Archive
from pacskit.facade.identifiers import UNIQUE_KEYS
from pacskit.facade.settings import ArchiveSettings
from pacskit.storage.corrections import Patient
from pacskit.storage.index.correcting import Correction

__all__ = ["delete", "merge", "quarantine", "reject", "sweep", "undelete"]


def _archive(options: argparse.Namespace) -> Archive:
    settings = ArchiveSettings.from_toml(options.config) if options.config else ArchiveSettings()
    return Archive(options.dir, settings=settings)


def _what(options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """Return the UIDs that are named, and those above them."""
    above = dict(one.split("=", 1) for one in options.what if "=" in one)
    return [one for one in options.what if "=" not in one], above


def _located(archive: Archive, level: str, uids: list[str], above: dict[str, str]) -> int:
    """Count the instances that are named."""
    keys: dict[str, Sequence[str]] = {keyword: [value] for keyword, value in above.items()}
    keys[UNIQUE_KEYS[Level(level)]] = uids
    archive.counts()  # which waits for what is on its way into the index
    return len(list(archive.index.locate(level, keys)))


def _say(options: argparse.Namespace, text: str, **values: Any) -> None:
    if options.json:
        line(values)
    else:
        print(text)


def delete(options: argparse.Namespace) -> int:
    """Delete what is named."""
    uids, above = _what(options)
    with _archive(options) as archive:
        if options.dry_run:
            count = _located(archive, options.level, uids, above)
        else:
            count = archive.delete(options.level, uids, who=options.who, reason=options.reason, **above)
        days = archive.settings.grace_days
    done = "would be deleted" if options.dry_run else "deleted"
    _say(options, f"{count} instances {done}; they can be restored for {days:g} days", instances=count)
    return 0 if count else 1


def undelete(options: argparse.Namespace) -> int:
    """Restore what is named, or list what can be."""
    uids, above = _what(options)
    with _archive(options) as archive:
        if options.list:
            for one in archive.deleted(options.level if uids else None, uids, **above):
                text = f"{one.id}  {one.kind}  {one.moment[:14]}  due {one.due[:14] or 'never'}  {one.sop_instance_uid}"
                _say(options, text, **asdict(one))
            return 0
        if not uids and not options.id:
            raise ConfigurationError("name what to restore, or say --list")
        count = archive.restore(options.level if uids else None, uids, ids=options.id, **above)
    _say(options, f"{count} instances restored", instances=count)
    return 0 if count else 1


def sweep(options: argparse.Namespace) -> int:
    """Remove what is due."""
    with _archive(options) as archive:
        done = archive.sweep(dry_run=options.dry_run)
    verb = "would be removed" if options.dry_run else "removed"
    _say(options, f"{done.instances} instances ({done.bytes} bytes) {verb}", **asdict(done))
    return 0


def reject(options: argparse.Namespace) -> int:
    """Make rejection notes."""
    uids, above = _what(options)
    with _archive(options) as archive:
        count = _located(archive, options.level, uids, above)
        if options.dry_run or not count:
            _say(options, f"{count} instances would be rejected", instances=count, notes=[])
            return 0 if count else 1
        because = options.because.replace("-", " ")
        notes = archive.reject(options.level, uids, because, description=options.description, **above)
    _say(options, "\n".join(notes), instances=count, notes=notes)
    return 0


def merge(options: argparse.Namespace) -> int:
    """Merge patients, move studies, list that and undo it."""
    with _archive(options) as archive:
        if options.list:
            for one in archive.corrections():
                _tell(options, one)
            return 0
        if options.undo is not None:
            _tell(options, archive.undo(options.undo, who=options.who))
            return 0
        return _merge(options, archive)


def _merge(options: argparse.Namespace, archive: Archive) -> int:
    named = [one for one in options.what if "=" not in one]
    if not options.into or len(named) != (0 if options.study else 1):
        raise ConfigurationError("name the patient to merge or --study, and --into")
    if options.dry_run:
        level, keys = ("STUDY", options.study) if options.study else ("PATIENT", named)
        count = _located(archive, level, keys, {})
        _say(options, f"{count} instances would be {options.into}'s", instances=count)
        return 0 if count else 1
    into = _patient(options)
    who = {"who": options.who, "reason": options.reason}
    if options.study:
        done = archive.move_study(options.study, into, **who)
    else:
        source = named[0] if options.issuer is None else (named[0], options.issuer)
        done = archive.merge_patients(source, into, **who)
    _tell(options, done)
    return 0


def _patient(options: argparse.Namespace) -> Patient:
    attributes = dict(one.split("=", 1) for one in options.what if "=" in one)
    if attributes:
        issuer = {} if options.into_issuer is None else {"IssuerOfPatientID": options.into_issuer}
        return {"PatientID": options.into} | issuer | attributes
    into: str = options.into
    return into if options.into_issuer is None else (into, options.into_issuer)


def _tell(options: argparse.Namespace, one: Correction) -> None:
    state = f"undone {one.undone}" if one.undone else "in force"
    studies = f"{len(one.studies)} studies"
    _say(
        options, f"{one.id}  {one.kind}  {one.moment[:14]}  {state}  {studies}  {one.who}  {one.reason}", **asdict(one)
    )


def quarantine(options: argparse.Namespace) -> int:
    """List, export, retry or remove entries of the quarantine."""
    with _archive(options) as archive:
        kept = archive.quarantine
        if kept is None:
            raise ConfigurationError("the settings keep nothing that cannot be taken (quarantine_bytes)")
        if (options.export or options.remove) and not options.what:
            raise ConfigurationError("name the entries")
        if options.retry:
            done = kept.retry(options.what)
            for one in done:
                said = one.error or "stored"
                _say(options, f"{one.id}  {said}", id=one.id, stored=one.stored is not None, error=one.error)
            return 0 if all(one.stored is not None for one in done) else 1
        if options.remove:
            count = kept.remove(options.what)
            _say(options, f"{count} entries removed", entries=count)
            return 0 if count == len(options.what) else 1
        for entry in kept.list():
            if options.export and entry.id in options.what:
                kept.export(entry.id, options.export)
            if not options.export or entry.id in options.what:
                text = f"{entry.id}  {entry.size}  {entry.kind}  {entry.reason}  {entry.sop_instance_uid}"
                _say(options, text, **asdict(entry))
    return 0
