"""No state of the process in the native ring, no claim to free threading, and a word on threads for each class."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import pacskit
from tests.architecture.source import ROOT, files

# Native module-level containers that change while a program runs, with the reason; caches only.
CACHES = {
    "pacskit_ext/_values.pyx:_TAGS": "keyword to tag, at most as many as the dictionary has; writes are idempotent"
}
NATIVE = files(["pacskit_ext"], ".pyx")
BOUND = re.compile(r"^(?:cdef\s+\w+\s+)?(\w+)\s*(?::[^=]+)?=", re.MULTILINE)
MUTATORS = "append|add|update|setdefault|pop|popitem|clear|extend|insert|remove|discard"


def changed(text: str) -> set[str]:
    """Module-level names of a Cython module that something changes in place or binds anew."""
    found = set()
    for name in set(BOUND.findall(text)):
        inplace = rf"^\s+.*\b{name}(?:\[[^\]=]*\]\s*=[^=]|\.(?:{MUTATORS})\()|^\s+del {name}\[|^\s+global\b.*\b{name}\b"
        if re.search(inplace, text, re.MULTILINE):
            found.add(name)
    return found


@pytest.mark.parametrize("path", NATIVE, ids=str)
def test_a_native_module_keeps_no_state(path: Path) -> None:
    state = {f"{path.as_posix()}:{name}" for name in changed((ROOT / path).read_text("utf-8"))}
    assert state <= set(CACHES)


def test_the_search_for_state_finds_it() -> None:
    text = "cdef dict A = {}\nB = []\nC = {}\ncdef f():\n    A[1] = 2\n    B.append(1)\n    C == 1\n    x = C[1]\n"
    assert changed(text) == {"A", "B"}
    assert f"pacskit_ext/_values.pyx:{'_TAGS'}" in CACHES
    assert changed((ROOT / "pacskit_ext/_values.pyx").read_text("utf-8")) == {"_TAGS"}


def test_free_threading_is_not_claimed() -> None:
    for path in [Path("setup.py"), Path("pyproject.toml"), *NATIVE]:
        assert "freethreading_compatible" not in (ROOT / path).read_text("utf-8")


def test_the_page_on_threads_has_every_class() -> None:
    page = (ROOT / "docs/explanation/threads-and-processes.md").read_text("utf-8")
    classes = [getattr(pacskit, name) for name in pacskit.__all__]
    names = [one.__name__ for one in classes if inspect.isclass(one) and not issubclass(one, Exception)]
    assert [name for name in names if f"`{name}`" not in page] == []
