"""A process that changes a file-set and dies at a step: python -m tests.unit.encoding.dying DIRECTORY SOURCE STEP."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

from pacskit.encoding import FileSet

_STEPS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir"}  # what changes names or bytes on disk


def die_at(step: int) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that ends the process, without any cleaning up, before the step."""
    steps = count()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STEPS and (event != "open" or "part" in str(arguments[0])) and next(steps) == step:
            os._exit(9)

    return hook


if __name__ == "__main__":
    fs = FileSet(sys.argv[1])
    fs.remove(fs.series[0])
    fs.add(sys.argv[2])
    sys.addaudithook(die_at(int(sys.argv[3])))
    fs.write()
