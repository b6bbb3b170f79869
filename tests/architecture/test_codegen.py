"""The generated files are what the generator writes now."""

from __future__ import annotations

from pathlib import Path

from pacskit_ext.codegen.__main__ import outputs

ROOT = Path(__file__).parents[2]


def test_generated_files_are_fresh() -> None:
    stale = [name for name, text in outputs().items() if (ROOT / name).read_text("ascii") != text]
    assert stale == [], "run: python -m pacskit_ext.codegen"
