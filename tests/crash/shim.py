"""The library that is put before libc in a process under test: built when it is first wanted, and how it is told."""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Point", "marker", "preloaded"]

_SOURCE = Path(__file__).with_name("shim.c")


@dataclass(frozen=True)
class Point:
    """A call of a process at which it ends: the ``count``-th ``op`` on a path that matches, before or after it.

    ``half`` is in the middle of a write.
    """

    op: str
    path: str
    moment: str = "before"
    count: int = 1

    def __str__(self) -> str:
        return f"{self.op}|{self.path}|{self.count}|{self.moment}"


@cache
def _library() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="pacskit-crash-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = folder / "shim.so"
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", str(made), str(_SOURCE), "-ldl", "-lpthread"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return made


def preloaded(
    root: Path, *, point: Point | None = None, journal: Path | None = None, faults: Path | None = None
) -> dict[str, str]:
    """The environment of a process whose calls below ``root`` are watched."""
    told = {"CRASH_POINT": point, "CRASH_JOURNAL": journal, "CRASH_FAULTS": faults}
    return {
        **os.environ,
        "LD_PRELOAD": str(_library()),
        "CRASH_ROOT": str(root.resolve()),
        **{name: str(value) for name, value in told.items() if value is not None},
    }


def marker() -> ctypes._NamedFuncPointer:
    """In a process that is watched: what puts a text between its calls in the journal."""
    mark = ctypes.CDLL(None).crash_mark
    mark.argtypes, mark.restype = [ctypes.c_char_p, ctypes.c_size_t], None
    return mark
