"""A progress bar on standard error, when that is a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import Self, TextIO

__all__ = ["Bar"]

_EVERY = 0.1  # seconds between two drawings


class Bar:
    """Counts steps, and bytes where they are known; draws nothing where nobody looks."""

    def __init__(self, label: str, *, stream: TextIO | None = None) -> None:
        self._label = label
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._began = time.monotonic()
        self._drawn = 0.0
        self.done = 0
        self.total: int | None = None
        self.bytes = 0

    def step(self, done: int | None = None, *, total: int | None = None, size: int = 0) -> None:
        """Count one more step, or say how many there have been."""
        self.done = self.done + 1 if done is None else done
        self.total = self.total if total is None else total
        self.bytes += size
        now = time.monotonic()
        if self._shown and now - self._drawn >= _EVERY:
            self._drawn = now
            self._draw(now)

    def _draw(self, now: float) -> None:
        room = max(20, shutil.get_terminal_size().columns - 1)
        rate = f" {self.bytes / max(now - self._began, 1e-9) / 1e6:.1f} MB/s" if self.bytes else ""
        count = f" {self.done}/{self.total}" if self.total else f" {self.done}"
        width = max(0, min(40, room - len(self._label) - len(count) - len(rate) - 4))
        bar = ""
        if self.total and width:
            full = width * min(self.done, self.total) // self.total
            bar = f" [{'#' * full}{'.' * (width - full)}]"
        self._stream.write(f"\r{(self._label + bar + count + rate)[:room]:<{room}}")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown and self.done:
            self._draw(time.monotonic())
            self._stream.write("\n")
            self._stream.flush()
