"""The project's own source files, for the tests that read them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = "_generated"


def files(folders: list[str], *suffixes: str) -> list[Path]:
    """Hand-written files of the folders, as paths relative to the project."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes)
    return sorted(path.relative_to(ROOT) for path in found if GENERATED not in str(path.relative_to(ROOT)))


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse((ROOT / path).read_text("utf-8"), filename=str(path))


def lines(path: Path) -> list[str]:
    return (ROOT / path).read_text("utf-8").splitlines()


def module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
