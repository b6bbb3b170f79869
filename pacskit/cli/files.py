"""``pacskit dump | info``."""

from __future__ import annotations

import argparse
import platform
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pacskit
from pacskit.cli.output import dataset_json, line
from pacskit.encoding import dcmread

__all__ = ["dump", "info"]


def dump(options: argparse.Namespace) -> int:
    dataset = dcmread(options.file, force=options.force)
    if options.json:
        line(dataset_json(dataset.file_meta) | dataset_json(dataset))
    else:
        print(dataset)
    return 0


def _facts() -> dict[str, Any]:
    from pacskit.encoding import UNCOMPRESSED
    from pacskit.services.sop_classes import IMAGE_STORAGE_SYNTAXES, STORAGE

    return {
        "pacskit": pacskit.__version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "platform": platform.platform(),
        "package": str(Path(pacskit.__file__).parent),
        "executable": sys.executable,
        "converted_syntaxes": {str(uid): uid.name for uid in UNCOMPRESSED},
        "stored_syntaxes": {str(uid): uid.name for uid in IMAGE_STORAGE_SYNTAXES},
        "storage_sop_classes": len(STORAGE),
    }


def info(options: argparse.Namespace) -> int:
    if options.conformance:
        from pacskit.facade.conformance import statement

        print(statement(), end="")
        return 0
    facts = _facts()
    if options.json:
        line(facts)
        return 0
    for name, value in facts.items():
        if isinstance(value, dict):
            print(f"{name.replace('_', ' ')}:")
            for uid, title in value.items():
                print(f"  {uid:<26} {title}")
        else:
            print(f"{name.replace('_', ' ')}: {value}")
    return 0
