"""Depth, lengths and compression that are made to exhaust a reader end in a typed error, soon and in little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.hostile import GROUPS
from tests.fuzz.run import SANITIZED

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("group", GROUPS)
def test_what_would_exhaust_a_reader_is_refused(group: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.hostile", group],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if not SANITIZED:  # what a sanitizer puts aside is no use of ours
        assert int(done.stdout) < 100_000  # KiB of the whole process, the interpreter and the input included
