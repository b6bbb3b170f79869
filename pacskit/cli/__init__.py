"""The ``pacskit`` command. Each command imports what it needs when it runs, so that ``--help`` is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from pacskit.cli.parser import build_parser

__all__ = ["main"]

OK, FAILED, USAGE, NETWORK, DATA = 0, 1, 2, 3, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return the exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
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
