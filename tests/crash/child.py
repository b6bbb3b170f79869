"""The server as a process of its own, and what its parent says to it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.crash.server import AE

__all__ = ["ROOT", "Child"]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


class Child:
    """``python -m tests.crash.server DIRECTORY OPTIONS``, behind ``prefix``."""

    def __init__(
        self,
        directory: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        command = [*prefix, sys.executable, "-m", "tests.crash.server", str(directory), *options]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._lock = threading.Lock()
        self.port = 0

    @property
    def address(self) -> str:
        """Where it serves."""
        return f"{AE}@127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """Wait for it; return whether it got so far."""
        line = self._read()
        self.port = int(line.split()[1]) if line.startswith("ready") else 0
        return self.port > 0

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def ask(self, line: str) -> str:
        """Say a line; return the answer, nothing where it is gone."""
        assert self.process.stdin is not None
        with self._lock, suppress(BrokenPipeError):
            self.process.stdin.write(f"{line}\n")
            return self._read().strip()
        return ""

    def end(self) -> int:
        """Let it end in order, where it is still there; return its exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        return code
