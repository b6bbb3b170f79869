"""The long runs of ``make churn`` and ``make soak``, for seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*options: str) -> str:
    """Run in a process of its own, whose threads and descriptors are nobody else's."""
    command = [sys.executable, "-m", "tests.soak", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_associations_come_and_go_and_leave_nothing() -> None:
    """Memory and time are for the long run to judge: in a short one what is kept is not filled yet."""
    said = run("churn", "--count", "300", "--tolerance", "1")
    assert " 0 failures" in said


def test_everything_at_once_leaves_nothing_and_loses_nothing() -> None:
    said = run("mixed", "--minutes", "1", "--most", "25", "--tolerance", "1", "--stop-within", "60")
    assert " 0 failures" in said
    assert "acknowledged and checked at the end" in said
