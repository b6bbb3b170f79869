"""CI may not skip what it must run: PACSKIT_REQUIRE turns skips into failures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT


def run(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The tests of the peers in a process of its own, where there is no corpus."""
    nowhere = {**os.environ, "PACSKIT_CORPUS": str(tmp_path), **environment}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, env=nowhere, capture_output=True, text=True, check=False, timeout=100)


PEERS = "tests/architecture/test_peers.py"


def test_a_skip_is_a_skip_where_nothing_is_required(tmp_path: Path) -> None:
    done = run(tmp_path, PEERS, "-k", "corpus", PACSKIT_REQUIRE="")
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout


@pytest.mark.parametrize(("required", "code"), [("corpus", 1), ("interop,corpus", 1), ("interop", 0)])
def test_a_required_skip_fails_and_says_why(tmp_path: Path, required: str, code: int) -> None:
    done = run(tmp_path, PEERS, "-k", "corpus", PACSKIT_REQUIRE=required)
    assert done.returncode == code, done.stdout
    assert ("must run (PACSKIT_REQUIRE) and was skipped: " in done.stdout) == bool(code)
    assert "no corpus" in done.stdout


def test_a_whole_run_without_a_required_test_fails(tmp_path: Path) -> None:
    done = run(tmp_path, "tests", "--deselect", "tests", PACSKIT_REQUIRE="interop")
    assert done.returncode != 0
    assert "no test is marked interop" in done.stdout + done.stderr
