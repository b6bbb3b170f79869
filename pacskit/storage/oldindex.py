"""What an index says that is about to be replaced, as far as it can be read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from pacskit.storage.index.checking import count_on, gather_again
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.tables import DERIVED, SQLiteTables, copy_tables

__all__ = ["OldIndex", "Remembered"]

_REMEMBERED: Final = "SELECT * FROM instance WHERE blob_key IN (SELECT value FROM json_each(?))"
_STATE: Final = "INSERT INTO state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"

_DECIDING: Final = frozenset({"removed", "rejection", "correction", "moved_study", "merged_patient"})


class Remembered(NamedTuple):
    """What no object says of itself: the digest that it had when it came, and when that was."""

    sha256: bytes | None
    received: str
    source: str


class OldIndex:
    """An index in a file, read and not written; ``state`` says in words what it is good for."""

    def __init__(self, path: Path) -> None:
        self.state = "there was none"
        self._connection: sqlite3.Connection | None = None
        self._gone: set[str] = set()
        if not path.exists():
            return
        try:
            connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._gone = {key for (key,) in connection.execute("SELECT blob_key FROM retired")}
            if "removed" in SQLiteTables(connection).columns():
                self._gone |= {key for (key,) in connection.execute("SELECT blob_key FROM removed")}
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._connection = connection
            self.state = "read"
        except sqlite3.Error as error:
            self._lose(error)

    def _lose(self, error: sqlite3.Error) -> None:
        self.state = f"cannot be read: {getattr(error, 'sqlite_errorname', None) or type(error).__name__}"

    @property
    def is_read(self) -> bool:
        """Whether it could be read up to now."""
        return self._connection is not None and self.state == "read"

    def is_gone(self, key: str) -> bool:
        """Whether an object has been removed, and only its file is still there."""
        return key in self._gone

    def remembered(self, keys: Sequence[str]) -> dict[str, Remembered]:
        """Return what is known of objects."""
        if self._connection is None or self.state != "read":
            return {}
        try:
            cursor = self._connection.execute(_REMEMBERED, (json.dumps(list(keys)),))
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
        except sqlite3.Error as error:
            self._lose(error)
            return {}
        return {row["blob_key"]: Remembered(row["sha256"], row["received"], row.get("source", "")) for row in rows}

    def has_key(self, key: str) -> bool:
        """Whether this object is the one that counts of its instance."""
        return key in self.remembered([key])

    def prepare(self, index: SqlIndex) -> None:
        """Copy what decides what becomes of objects: what has been removed, rejected and corrected."""
        if self._connection is not None and self.state == "read":
            with index.tables(write=True) as tables:
                others = tables.columns().keys() - _DECIDING
                copy_tables(SQLiteTables(self._connection), tables, without=others)
            index.refresh()

    def copy_into(self, index: SqlIndex) -> None:
        """Copy what else is not made from objects: records, tombstones, attributes that have been made searchable."""
        if self._connection is None or self.state != "read":
            index.break_changes()  # who has followed the old one has seen numbers that nobody knows any more
            return
        with index.tables(write=True) as tables:
            copy_tables(SQLiteTables(self._connection), tables, without=DERIVED | _DECIDING | {"state"})
        has_state = "state" in SQLiteTables(self._connection).columns()
        rows = self._connection.execute("SELECT name, value FROM state").fetchall() if has_state else []
        index.run(lambda batch: batch.connection.executemany(_STATE, rows).rowcount)
        count_on(index)
        gather_again(index)

    def close(self) -> None:
        """Let go of it."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
