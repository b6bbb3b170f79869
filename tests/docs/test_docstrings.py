"""The examples in docstrings hold."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from tests.architecture.source import files, lines, module_name

WITH_EXAMPLES = [
    path
    for path in files(["pacskit", "pacskit_ext"], ".py", ".pyx")
    if any(line.lstrip().startswith(">>> ") for line in lines(path))
]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=str)
def test_the_examples_of_a_module_hold(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(module_name(path))
    tests = doctest.DocTestFinder(exclude_empty=True).find(module)
    assert any(test.examples for test in tests), "the examples stand where doctest does not look"
    runner = doctest.DocTestRunner()
    assert [test.name for test in tests if runner.run(test).failed] == []
