"""How far a long task has come, kept in the index, so that it goes on where it was broken off."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pacskit.storage.index.collection import Collection
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.writing import Transaction

__all__ = ["Journal", "Task"]

_EVERY = 2.0  # seconds between two entries


@dataclass(frozen=True, slots=True)
class Task:
    """A task over all objects: which phase it is in, behind which object, and what it has found."""

    KIND: ClassVar[str] = "task"
    KEY: ClassVar[str] = "name"
    INDEXED: ClassVar[tuple[str, ...]] = ()

    name: str
    phase: str = ""
    cursor: str = ""
    done: int = 0
    size: int = 0
    found: tuple[Mapping[str, Any], ...] = ()


class Journal:
    """The entry of one task. ``keep=False``: nothing is read or written."""

    def __init__(self, index: SqlIndex, name: str, *, keep: bool = True) -> None:
        self._tasks = Collection(index, Task)
        self._keep = keep
        self._written = time.monotonic()
        self.task = Task(name)

    def resume(self) -> bool:
        """Take up what an earlier run has left; return whether there was something."""
        kept = self._tasks.get(self.task.name) if self._keep else None
        if kept is not None:
            self.task = kept.record
        return kept is not None

    def note(self, *, now: bool = False, batch: Transaction | None = None, **changes: Any) -> None:
        """Note how far it has come; every two seconds, at once, or as part of a transaction, that is written."""
        self.task = replace(self.task, **changes)
        moment = time.monotonic()
        if self._keep and (now or batch is not None or moment - self._written >= _EVERY):
            self._written = moment
            self._tasks.put(self.task, batch=batch)

    def end(self) -> None:
        """Forget it: it is done."""
        if self._keep:
            self._tasks.delete(self.task.name)
