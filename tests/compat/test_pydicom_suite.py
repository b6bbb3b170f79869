"""pydicom's own tests through the compatibility package: no fewer pass than the tracked file says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


def _runner() -> Any:
    spec = importlib.util.spec_from_file_location("run_pydicom_tests", HERE / "run_pydicom_tests.py")
    if spec is None or spec.loader is None:
        raise ImportError("run_pydicom_tests.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_failing_group_has_a_reason() -> None:
    tracked = json.loads((HERE / "pydicom_results.json").read_text())
    assert tracked["passed"] >= 700
    assert sum(group["count"] for group in tracked["failing"]) == tracked["failed"]
    assert all(group["reason"] for group in tracked["failing"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_as_many_pass_as_are_tracked() -> None:
    runner = _runner()
    try:
        tests = runner.fetch()
    except runner.Offline as error:
        pytest.skip(f"pydicom's sdist cannot be fetched: {error}")
    tracked = json.loads((HERE / "pydicom_results.json").read_text())
    found = runner.summary({module: runner.run(tests, module) for module in runner.MODULES})
    fewer = {
        name: (counts["passed"], tracked["files"][name]["passed"])
        for name, counts in found["files"].items()
        if counts["passed"] < tracked["files"][name]["passed"]
    }
    assert not fewer
    assert found["passed"] >= max(700, tracked["passed"])
