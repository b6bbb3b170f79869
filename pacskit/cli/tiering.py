"""What ``pacskit tier`` looks like on the command line. Nothing heavy is imported here."""

from __future__ import annotations

from pacskit.cli.arguments import Commands, add_json, command_for

__all__ = ["add_tier"]

_ACTIONS = ("status", "run", "recall", "hold", "release", "holds")


def add_tier(commands: Commands) -> None:
    """Add the command to the parser."""
    command = command_for(
        commands,
        "tier",
        "tier:tier",
        "Show the tiers of an archive, do what its policies say, recall studies, put legal holds on.",
        "  pacskit tier status --dir /srv/pacs --config pacs.toml\n"
        "  pacskit tier run --dir /srv/pacs --config pacs.toml --dry-run\n"
        "  pacskit tier recall --study 1.2.3 --dir /srv/pacs --config pacs.toml\n"
        "  pacskit tier hold --patient 4711 --reason 'a claim' --dir /srv/pacs",
    )
    command.add_argument(
        "action",
        choices=_ACTIONS,
        help="status: how much is in each tier; run: a cycle of all policies; recall: back to the"
        " first tier; hold, release: keep a study or a patient from being deleted, or not; holds: list them",
    )
    command.add_argument("--dir", default=".", help="the directory of the archive (default: here)")
    command.add_argument("--config", metavar="FILE", help="settings in TOML (default: those of the environment)")
    command.add_argument("--study", action="append", default=[], metavar="UID", help="what to recall, hold or release")
    command.add_argument("--patient", action="append", default=[], metavar="ID", help="the same, by Patient ID")
    command.add_argument("--series", action="append", default=[], metavar="UID", help="what to recall")
    command.add_argument("--reason", default="", help="why it is held")
    command.add_argument("--by", default="", metavar="WHO", help="who says so")
    command.add_argument("--dry-run", action="store_true", help="only say what run or recall would do")
    add_json(command, "a line of JSON for each tier, action or hold")
