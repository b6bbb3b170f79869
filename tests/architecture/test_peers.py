"""The corpus and the foreign peers are what the other tests take them for."""

from __future__ import annotations

import csv
import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Dcmtk


@pytest.mark.corpus
def test_the_corpus_is_complete_and_unchanged(corpus: Path) -> None:
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) > 400
    changed = [
        row["file"] for row in rows if hashlib.sha256((corpus / row["file"]).read_bytes()).hexdigest() != row["sha256"]
    ]
    assert changed == []


@pytest.mark.interop
@pytest.mark.parametrize(
    "name",
    ["dcmdump", "dcmqrscp", "dump2dcm", "echoscu", "findscu", "getscu", "movescu", "storescp", "storescu"],
)
def test_the_commands_are_dcmtks(dcmtk: Dcmtk, name: str) -> None:
    answer = subprocess.run([dcmtk.tool(name), "--version"], capture_output=True, timeout=20, check=True).stdout
    assert answer.startswith(f"$dcmtk: {name} v3.".encode())
