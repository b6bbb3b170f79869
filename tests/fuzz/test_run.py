"""The search itself: it finds what is planted, keeps the input, and finds nothing where nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import run
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize(
    ("name", "kind", "trace"),
    [
        ("CRASH", "crash", "Segmentation fault"),
        ("HANG", "hang", "planted.py"),
        pytest.param(
            "MEMORY", "MemoryError", "planted.py",
            marks=pytest.mark.skipif(run.SANITIZED, reason="the sanitizer has a limit of its own"),
        ),
        ("ERROR", "ValueError", "a fault"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found_and_its_input_kept(
    name: str, kind: str, trace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "FOUND", tmp_path)
    options = run.parse(["--seconds", "1", "--hang", "0.3"])
    monkeypatch.setenv("PACSKIT_FUZZ_FOUND", str(tmp_path))
    report = run.watch(options, f"tests.fuzz.planted:{name}")
    assert report.executions > 0
    finding = report.findings[0]
    assert finding.startswith(f"{name}-{kind}-")
    assert b"!" in (tmp_path / finding).read_bytes()
    assert trace in (tmp_path / finding).with_suffix(".txt").read_text()


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_runs_on_its_seeds(name: str) -> None:
    report = run.watch(run.parse(["--seconds", "0.6", "--seed", "7"]), name)
    assert report.findings == []
    assert report.executions > 10
