"""``THIRD_PARTY.md``: what an installation brings with it, and under which licences."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

__all__ = ["page"]

_ROOT = Path(__file__).resolve().parents[2]
_TABLE = Path(__file__).parent / "tables" / "third_party.json"
_HEAD = """\
# Third-party software

Written by pacskit_ext/codegen from pyproject.toml; never edited by hand.

pacskit itself contains no code of others; LICENSES has the terms of data that it carries. What it depends on is
installed beside it, under licences of its own, and the wheels of some have libraries within them. A test compares this
page with what is installed.

The runtime libraries of GCC within numpy and imagecodecs may be linked by programs under any licence (libgfortran,
libgomp: GCC Runtime Library Exception) or replaced (libquadmath, LGPL).
"""


def page() -> str:
    """The page; ValueError where a dependency is not in the table, or the reverse."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    table: dict[str, Any] = json.loads(_TABLE.read_text("utf-8"))
    core = _names(project["dependencies"])
    extras = {extra: _names(wanted) for extra, wanted in sorted(project["optional-dependencies"].items())}
    used = {*core, *(name for names in extras.values() for name in names)}
    if used != set(table):
        raise ValueError(f"third_party.json and pyproject.toml differ in {sorted(used ^ set(table))}")
    parts = [_HEAD, "## Always installed\n", _section(core, table)]
    for extra, names in extras.items():
        parts += [f"## With `pacskit[{extra}]`\n", _section(names, table)]
    return "\n".join(parts)


def _names(requirements: list[str]) -> list[str]:
    found = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return [match[0] for match in found if match]


def _section(names: list[str], table: dict[str, Any]) -> str:
    lines = ["| Package | Licence | For |", "|---|---|---|"]
    lines += [f"| {name} | {table[name]['licence']} | {table[name]['for']} |" for name in names]
    for name in names:
        bundles = table[name].get("bundles", {})
        if bundles:
            within = ", ".join(f"{one} ({licence})" for one, licence in bundles.items())
            lines += ["", f"Within {name}: {within}."]
    return "\n".join(lines) + "\n"
