"""``import pynetdicom`` gives ``pacskit.compat.pynetdicom`` in the process in which `install` is called.

The applications in ``pynetdicom.apps`` stay those of the installed wheel. ``pynetdicom._handlers``, which one of them
patches to log less, is an empty module: nothing of a data set is logged anyway.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

TARGET = "pacskit.compat.pynetdicom"


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, wheel: Path) -> None:
        self._wheel = wheel

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "pynetdicom" and not name.startswith("pynetdicom."):
            return None
        if name.startswith("pynetdicom.apps"):
            where = self._wheel.joinpath(*name.split(".")[1:])
            if where.is_dir():
                return importlib.util.spec_from_file_location(
                    name, where / "__init__.py", submodule_search_locations=[str(where)]
                )
            return importlib.util.spec_from_file_location(name, where.with_suffix(".py"))
        return importlib.machinery.ModuleSpec(name, self, is_package=name == "pynetdicom")

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        if spec.name == "pynetdicom._handlers":
            return ModuleType(spec.name)
        module = importlib.import_module(TARGET + spec.name.removeprefix("pynetdicom"))
        alias = ModuleType(spec.name)
        alias.__dict__.update({key: value for key, value in vars(module).items() if not key.startswith("__")})
        alias.__dict__["__getattr__"] = lambda name: getattr(module, name)
        return alias

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == "pynetdicom":
            importlib.import_module("pynetdicom._handlers")


def install() -> None:
    """Redirect the imports of this process; call it before pynetdicom is imported."""
    spec = importlib.util.find_spec("pynetdicom")
    if spec is None or spec.origin is None or "pynetdicom" in sys.modules:
        raise RuntimeError("pynetdicom is not installed, or was imported already")
    sys.meta_path.insert(0, _Finder(Path(spec.origin).parent))
