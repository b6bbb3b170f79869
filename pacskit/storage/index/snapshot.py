"""The index as it is at one moment, in a file of its own: SQLite's form, whichever engine keeps the index."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from pacskit.core.errors import StorageError
from pacskit.storage.index.checking import count_on
from pacskit.storage.index.dialect import Dialect
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.sqlite import SQLiteIndex
from pacskit.storage.index.tables import SQLiteTables, copy_tables

__all__ = ["settle", "take_snapshot", "take_up"]


def take_snapshot(index: SqlIndex, path: str | os.PathLike[str]) -> None:
    """Write what is in the index at one moment into a new file; those who write to it do not wait. StorageError."""
    with index.translated("copying the index"):
        if index.dialect is Dialect.SQLITE:
            with index.reader() as reader, closing(sqlite3.connect(path, isolation_level=None)) as copy:
                if not isinstance(reader, sqlite3.Connection):
                    raise StorageError("this is no index in SQLite")
                reader.backup(copy)  # in one step, so that no writer makes it begin again
        else:
            with closing(SQLiteIndex(path)) as made, index.tables() as tables, made.tables(write=True) as copy_of:
                copy_tables(tables, copy_of)
    settle(path)


def settle(path: str | os.PathLike[str]) -> None:
    """Have all of an index that nobody has open in the one file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()


def take_up(path: Path, index: SqlIndex) -> None:
    """Fill an empty index with what a snapshot has; the file is brought up to date for that."""
    if index.counts().instances:
        raise StorageError("the index is not empty")
    SQLiteIndex(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as snapshot, index.tables(write=True) as tables:
        copy_tables(SQLiteTables(snapshot), tables)
    count_on(index)
