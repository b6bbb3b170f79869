"""The ``pacskit`` command. Each command imports what it needs when it runs, so that ``--help`` is quick."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from pacskit.cli.parser import build_parser

__all__ = ["main", "parse"]

OK, FAILED, USAGE, NETWORK, DATA = 0, 1, 2, 3, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return the exit code."""
    options = parse(arguments)
    module, _, name = options.run.partition(":")
    try:
        run = getattr(import_module(f"pacskit.cli.{module}"), name)
        code: int = run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever reads our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        code = _code_of(error)
        print(f"pacskit {options.command}: {error}", file=sys.stderr)
        return code


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line. Words after an option still belong to the list before it, which argparse does not see."""
    parser = build_parser()
    options, rest = parser.parse_known_args(arguments)
    words = next((getattr(options, name) for name in ("keys", "what", "files") if hasattr(options, name)), None)
    if rest and (words is None or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if words is not None:
        words += rest
    return options


def _code_of(error: Exception) -> int:
    """Return the exit code for ``error``; raise it again where it is our mistake."""
    from pacskit.core.errors import ConfigurationError, DimseError, NetworkError, PacsError

    if isinstance(error, DimseError):
        return FAILED
    if isinstance(error, NetworkError):
        return NETWORK
    if isinstance(error, ConfigurationError):
        return USAGE
    if isinstance(error, (PacsError, OSError)):
        return DATA
    raise error
