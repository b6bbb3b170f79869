"""What the parsers of all commands share. Nothing heavy is imported here."""

from __future__ import annotations

import argparse
from typing import TypeAlias

__all__ = ["EXIT_CODES", "Commands", "add_json", "command_for"]

EXIT_CODES = """\
exit codes: 0 done; 1 the peer refused or failed, or only part of it was done; 2 the command line is wrong;
3 no connection or association; 4 a file or its data is wrong
"""

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def command_for(commands: Commands, name: str, run: str, summary: str, examples: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary[0].lower() + summary[1:].rstrip("."),
        description=summary,
        epilog=f"examples:\n{examples}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(run=run)
    return made


def add_json(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--json", action="store_true", help=f"print {what}")
