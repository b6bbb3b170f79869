"""House rules that no linter knows: length, public names, state, print and assert, what files may speak of."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, files, lines, module_name, tree

LONGEST = 500
LONGER: dict[str, int] = {}  # modules that still have to be divided, each with its own ceiling
SHIPPED = files(["pacskit", "pacskit_ext"], ".py", ".pyx", ".pxd", ".pyi")
PYTHON = files(["pacskit"], ".py")
PUBLIC = [path for path in PYTHON if not any(part.startswith("_") and part != "__init__.py" for part in path.parts)]

# Module-level objects that change while a program runs, with the reason; registries only.
STATE: dict[str, str] = {}

CONTAINERS = {"dict", "list", "set", "bytearray", "defaultdict", "deque", "OrderedDict", "Counter", "WeakSet"}
CONTAINERS |= {"WeakKeyDictionary", "WeakValueDictionary"}
MUTATORS = {"append", "add", "update", "setdefault", "pop", "popitem", "clear", "extend", "insert", "remove", "discard"}


@pytest.mark.parametrize("path", [*SHIPPED, *files(["tests", "asv_bench", "examples"], ".py")], ids=str)
def test_a_module_is_short(path: Path) -> None:
    assert len(lines(path)) <= LONGER.get(path.as_posix(), LONGEST)


@pytest.mark.parametrize("path", [path for path in SHIPPED if path.suffix == ".pyx"], ids=str)
def test_native_code_neither_prints_nor_asserts(path: Path) -> None:
    wrong = [n for n, line in enumerate(lines(path), 1) if re.match(r"\s*(assert\b|print\()", line)]
    assert wrong == []


def containers(module: ast.Module) -> dict[str, int]:
    """Module-level names that are bound to something mutable, with the line."""
    found: dict[str, int] = {}
    for node in module.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        call = value.func if isinstance(value, ast.Call) else None
        named = call.id if isinstance(call, ast.Name) else call.attr if isinstance(call, ast.Attribute) else ""
        mutable = isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp)
        if mutable or named in CONTAINERS:
            found |= {target.id: node.lineno for target in targets if isinstance(target, ast.Name)}
    return found


def changed(module: ast.Module) -> set[str]:
    """Names that some statement changes in place."""
    found = set()
    for node in ast.walk(module):
        target: ast.expr | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            target = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            target = node.func.value
        if isinstance(target, ast.Name):
            found.add(target.id)
    return found


@pytest.mark.parametrize("path", PYTHON, ids=str)
def test_a_module_keeps_no_state(path: Path) -> None:
    module = tree(path)
    held = containers(module)
    constants = {name for name in held if name.lstrip("_").isupper() or name == "__all__"}
    state = (set(held) - constants) | (constants & changed(module))
    state |= {name for node in ast.walk(module) if isinstance(node, ast.Global) for name in node.names}
    assert {f"{module_name(path)}.{name}" for name in state} <= set(STATE)


@pytest.mark.parametrize("path", PUBLIC, ids=str)
def test_a_public_module_lists_its_names(path: Path) -> None:
    if not [node for node in tree(path).body if not isinstance(node, ast.Expr)]:
        return  # a package of which only the docstring is there
    module = importlib.import_module(module_name(path))
    names = module.__all__
    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(module, name)] == []


def tracked() -> list[Path]:
    """Every text file that git would commit; all files where this is no git checkout."""
    answer = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    if answer.returncode:
        return files(["."], ".py", ".pyx", ".pxd", ".pyi", ".md", ".toml", ".json")
    return [Path(name) for name in answer.stdout.splitlines() if (ROOT / name).is_file()]


def test_no_file_speaks_of_a_machine() -> None:
    folders = re.compile(rb"(?<![\w.])/(?:work|root|home|Users)/\w")
    hosts = re.compile(rb"pypi\.(?:org|python)|pythonhosted|registry\.npmjs|deb\.debian\.org|proxy\.golang")
    wrong = []
    for path in tracked():
        data = (ROOT / path).read_bytes()
        if path.name != Path(__file__).name and (folders.search(data) or hosts.search(data)):
            wrong.append(str(path))
    assert wrong == []
