"""What it costs to begin: imports in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from typing import ClassVar

from .common import Benchmark, environment


class ImportTime(Benchmark):
    """A new process that imports a module and leaves; ``nothing`` is the interpreter alone."""

    params: ClassVar[list[str]] = ["nothing", "pacskit", "pacskit.core.uids", "pydicom"]
    param_names: ClassVar[list[str]] = ["module"]

    def setup(self, module: str) -> None:
        self.environment = environment()

    def time_import(self, module: str) -> None:
        code = "pass" if module == "nothing" else f"import {module}"
        subprocess.run([sys.executable, "-c", code], check=True, env=self.environment)
