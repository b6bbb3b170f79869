"""What the commands look like that change what is stored. Nothing heavy is imported here."""

from __future__ import annotations

import argparse
from typing import Final

from pacskit.cli.arguments import Commands, add_json, command_for

__all__ = ["add_removing"]

_LEVELS: Final = ("PATIENT", "STUDY", "SERIES", "IMAGE")
_REASONS: Final = ("quality", "patient-safety", "worklist", "retention")


def _add_archive(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dir", required=True, help="the directory of the archive, which may be serving meanwhile")
    command.add_argument("--config", metavar="FILE", help="its settings in TOML")


def _add_what(command: argparse.ArgumentParser, count: str = "+") -> None:
    command.add_argument(
        "--level", type=str.upper, choices=_LEVELS, default="STUDY", help="what is named (default: %(default)s)"
    )
    command.add_argument(
        "what", nargs=count, metavar="UID", help="UIDs (or the patient ID); KEYWORD=UID for those above"
    )


def _add_who(command: argparse.ArgumentParser) -> None:
    command.add_argument("--who", default="", metavar="NAME", help="who does it, for the record")
    command.add_argument("--reason", default="", metavar="TEXT", help="why, for the record")


def _add_dry_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dry-run", action="store_true", help="change nothing, and say what would be done")


def add_removing(commands: Commands) -> None:
    """Add ``delete``, ``undelete``, ``sweep``, ``reject``, ``merge`` and ``quarantine``."""
    command = command_for(
        commands,
        "delete",
        "removals:delete",
        "Delete patients, studies, series or instances; they can be restored for a while.",
        "  pacskit delete --dir /srv/pacs 1.2.3 --reason 'sent by mistake'\n"
        "  pacskit delete --dir /srv/pacs --level SERIES 1.2.3.4 StudyInstanceUID=1.2.3 --dry-run",
    )
    _add_archive(command)
    _add_what(command)
    _add_who(command)
    _add_dry_run(command)
    add_json(command, "an object with how many instances that were")
    _undelete(commands)
    _sweep(commands)
    _reject(commands)
    _merge(commands)
    _quarantine(commands)


def _undelete(commands: Commands) -> None:
    command = command_for(
        commands,
        "undelete",
        "removals:undelete",
        "Restore what was deleted, replaced or rejected, or list it.",
        "  pacskit undelete --dir /srv/pacs --list\n"
        "  pacskit undelete --dir /srv/pacs 1.2.3\n"
        "  pacskit undelete --dir /srv/pacs --id 17",
    )
    _add_archive(command)
    _add_what(command, "*")
    command.add_argument(
        "--id", type=int, action="append", default=[], metavar="N", help="a version, by its number in the list"
    )
    command.add_argument("--list", action="store_true", help="list what can be restored")
    add_json(command, "an object for each instance in the list, or one with how many were restored")


def _sweep(commands: Commands) -> None:
    command = command_for(
        commands,
        "sweep",
        "removals:sweep",
        "Remove for good what was deleted and is due.",
        "  pacskit sweep --dir /srv/pacs --dry-run\n  pacskit sweep --dir /srv/pacs --config pacs.toml",
    )
    _add_archive(command)
    _add_dry_run(command)
    add_json(command, "an object with instances and bytes")


def _reject(commands: Commands) -> None:
    command = command_for(
        commands,
        "reject",
        "removals:reject",
        "Make rejection notes (IHE IOCM) about what is stored, which hide it.",
        "  pacskit reject --dir /srv/pacs 1.2.3 --because worklist --description 'wrong patient'\n"
        "  pacskit reject --dir /srv/pacs --level IMAGE 1.2.3.4.5 --because quality",
    )
    _add_archive(command)
    _add_what(command)
    command.add_argument("--because", choices=_REASONS, required=True, help="what the note's title says")
    command.add_argument("--description", default="", metavar="TEXT", help="what the note says besides")
    _add_dry_run(command)
    add_json(command, "an object with the UIDs of the notes")


def _merge(commands: Commands) -> None:
    command = command_for(
        commands,
        "merge",
        "removals:merge",
        "Merge a patient into another one, or give studies to one; list and undo that.",
        "  pacskit merge --dir /srv/pacs OLD --into NEW --who admin --reason 'registered twice'\n"
        "  pacskit merge --dir /srv/pacs --study 1.2.3 --into NEW\n"
        "  pacskit merge --dir /srv/pacs --study 1.2.3 --into 77 PatientName='DOE^JANE' PatientSex=F\n"
        "  pacskit merge --dir /srv/pacs --undo 4",
    )
    _add_archive(command)
    command.add_argument("what", nargs="*", metavar="ID", help="the patient to merge; KEYWORD=VALUE of a new one")
    command.add_argument("--into", metavar="ID", help="the patient who has the studies then")
    command.add_argument("--study", action="append", default=[], metavar="UID", help="only this study, and not others")
    command.add_argument("--issuer", metavar="NAME", help="whose ID the one to merge is")
    command.add_argument("--into-issuer", metavar="NAME", help="whose ID the other one is")
    command.add_argument("--list", action="store_true", help="list what was merged and moved")
    command.add_argument("--undo", type=int, metavar="N", help="take a correction back, by its number in the list")
    _add_who(command)
    _add_dry_run(command)
    add_json(command, "an object for each correction")


def _quarantine(commands: Commands) -> None:
    command = command_for(
        commands,
        "quarantine",
        "removals:quarantine",
        "List what was sent and could not be taken; export it, try it again, or remove it.",
        "  pacskit quarantine --dir /srv/pacs\n"
        "  pacskit quarantine --dir /srv/pacs --export /tmp/broken 20260101120000000000-ab12cd34\n"
        "  pacskit quarantine --dir /srv/pacs --retry",
    )
    _add_archive(command)
    command.add_argument("what", nargs="*", metavar="ID", help="entries, by their ids in the list")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--retry", action="store_true", help="store them again: all, where none are named")
    form.add_argument("--export", metavar="FOLDER", help="copy what is named, with its File Meta Information")
    form.add_argument("--remove", action="store_true", help="remove what is named")
    add_json(command, "an object for each entry")
