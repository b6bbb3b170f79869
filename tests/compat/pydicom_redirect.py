"""A pytest plug-in: ``import pydicom`` gives ``pacskit.compat.pydicom`` in the process that it is loaded into.

pydicom's test files import modules and functions of its inside that the package does not have. Each of those is an
`Absent`: it can be imported and fails when it is used, so that the tests that need it fail and the others run.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import types
from pathlib import Path
from typing import Any

TARGET = "pacskit.compat.pydicom"


class Absent:
    """A name that the package does not have."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: object, **keywords: object) -> Any:
        raise NotImplementedError(f"{self.name} is not part of the compatibility package")

    def __iter__(self) -> Any:
        return iter(())

    def is_available(self) -> bool:
        return False


def _missing(module: str) -> Any:
    def get(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return importlib.import_module(f"{module}.{name}")
        except ImportError:
            return Absent(f"{module}.{name}")

    return get


class AbsentModule(types.ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "is_available":
            return lambda: False
        return Absent(f"{self.__name__}.{name}")


class Redirect(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != "pydicom" and not fullname.startswith("pydicom."):
            return None
        known = fullname.count(".") < 2 or fullname.split(".")[1] in ("pixels", "pixel_data_handlers", "util")
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True) if known else None

    def create_module(self, spec: Any) -> types.ModuleType:
        if spec.name == "pydicom.data":
            return data_module()
        name = TARGET + spec.name.removeprefix("pydicom")
        if importlib.util.find_spec(name.rpartition(".")[0]) is None or importlib.util.find_spec(name) is None:
            return AbsentModule(spec.name)
        module = importlib.import_module(name)
        if type(module) is types.ModuleType:  # another class answers for its own names
            vars(module).setdefault("__getattr__", _missing(spec.name))
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """The module is there already."""


def data_module() -> types.ModuleType:
    """pydicom's own files, from the wheel that is installed."""
    root = Path(os.environ["PYDICOM_DATA"])
    module = types.ModuleType("pydicom.data")
    files = sorted(root.rglob("*"))

    def get_testdata_file(name: str, read: bool = False, download: bool = True) -> Any:
        for file in files:
            if file.name == Path(name).name and file.as_posix().endswith(Path(name).as_posix()) and file.is_file():
                return importlib.import_module("pydicom").dcmread(file, force=True) if read else str(file)
        return None

    def matching(base: Path, pattern: str) -> list[str]:
        return [str(file) for file in sorted(base.rglob(pattern)) if file.is_file()]

    attributes: dict[str, Any] = {
        "get_testdata_file": get_testdata_file,
        "get_testdata_files": lambda pattern="**/*": matching(root / "test_files", pattern),
        "get_charset_files": lambda pattern="*": matching(root / "charset_files", pattern),
        "DATA_ROOT": root,
    }
    vars(module).update(attributes)
    return module


sys.meta_path.insert(0, Redirect())
