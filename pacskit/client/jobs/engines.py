"""What can be behind a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pacskit.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pacskit.client.jobs.base import JobQueue
    from pacskit.storage.index.repository import SqlIndex

__all__ = ["ENGINES", "check_engine", "open_queue"]

ENGINES: Final = ("table", "procrastinate")


def check_engine(engine: str) -> str:
    """Return the name of an engine; raise ConfigurationError where it is none."""
    if engine not in ENGINES:
        raise ConfigurationError(f"jobs are in {' or '.join(ENGINES)}, not {engine!r}")
    return engine


def open_queue(index: SqlIndex, engine: str = "table") -> JobQueue:
    """Return the queue in the database of an index: its own table, or procrastinate's (PostgreSQL only)."""
    if check_engine(engine) == "table":
        from pacskit.client.jobs.table import TableQueue

        return TableQueue(index)
    from pacskit.client.jobs.procrastinate import ProcrastinateQueue

    return ProcrastinateQueue(index)
