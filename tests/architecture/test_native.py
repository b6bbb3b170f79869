"""The native ring knows bytes only: import-linter does not read Cython, so this does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.source import files, lines

NATIVE = [path for path in files(["pacskit_ext"], ".pyx", ".pxd", ".pyi") if "codegen" not in path.parts]
IMPORT = re.compile(r"^\s*(?:from\s+(?P<source>[\w.]+)\s+c?import\b|c?import\s+(?P<names>[\w., ]+))")
POLICY = {"asyncio", "logging", "os", "pathlib", "select", "selectors", "socket", "sqlite3", "ssl", "threading", "time"}


def imported(path: Path) -> list[tuple[int, str]]:
    """Each imported or cimported module with its line."""
    found = []
    for number, line in enumerate(lines(path), 1):
        match = IMPORT.match(line)
        if match:
            names = match["source"] or match["names"]
            found += [(number, name.strip().split(" as ")[0]) for name in names.split(",")]
    return found


@pytest.mark.parametrize("path", NATIVE, ids=str)
def test_the_native_ring_never_imports_the_typed_ring(path: Path) -> None:
    wrong = [f"{path}:{number}: {name}" for number, name in imported(path) if name.split(".")[0] == "pacskit"]
    assert wrong == []


@pytest.mark.parametrize("path", NATIVE, ids=str)
def test_the_native_ring_has_no_sockets_files_or_logging(path: Path) -> None:
    wrong = [f"{path}:{number}: {name}" for number, name in imported(path) if name.split(".")[0] in POLICY]
    assert wrong == []


def test_every_native_module_has_its_stub() -> None:
    modules = {path.with_suffix("") for path in NATIVE if path.suffix == ".pyx"}
    assert modules
    assert {path.with_suffix("") for path in NATIVE if path.suffix == ".pyi"} == modules


def test_the_scan_sees_every_form_of_import(tmp_path: Path) -> None:
    source = tmp_path / "sample.pyx"
    source.write_text(
        "from pacskit.core cimport x\nimport pacskit\ncimport a, pacskit as p\n    from pacskit import y\n# import z\n"
    )
    assert [name for _, name in imported(source)] == ["pacskit.core", "pacskit", "a", "pacskit", "pacskit"]
