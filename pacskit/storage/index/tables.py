"""The tables of an index as they are: listed, and copied from one to another, of either engine.

Both engines have the same tables with the same columns, so what is copied out of one goes into the other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

__all__ = ["DERIVED", "PostgresTables", "SQLiteTables", "Tables", "copy_tables"]

ROWS: Final = 1000

DERIVED: Final = frozenset(
    {
        "patient",
        "study",
        "series",
        "instance",
        "study_sop_class",
        "tag_value",
        "tag_todo",
        "frame_table",
    }
)
"""What a rebuild makes from the objects."""


class Tables(Protocol):
    """The tables behind a connection."""

    def columns(self) -> dict[str, list[str]]: ...
    def read(self, table: str, columns: Sequence[str]) -> Iterator[Sequence[Any]]: ...
    def write(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None: ...
    def clear(self, tables: Iterable[str]) -> None: ...


def copy_tables(source: Tables, target: Tables, *, without: Collection[str] = ()) -> dict[str, int]:
    """Replace what is in the tables of ``target`` by what is in those of ``source``; return how many rows came.

    Tables that only one of them has are left out, and so are columns: those have their defaults then.
    """
    here, there = source.columns(), target.columns()
    names = [name for name in there if name in here and name not in without]
    target.clear(reversed(names))
    copied: dict[str, int] = {}
    for name in names:  # in the order in which they were made: what others refer to comes first
        columns = [one for one in there[name] if one in here[name]]
        counted = _Counted(source.read(name, columns))
        target.write(name, columns, counted)
        copied[name] = counted.count
    return copied


class _Counted:
    """Rows as they pass."""

    def __init__(self, rows: Iterator[Sequence[Any]]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for row in self._rows:
            self.count += 1
            yield row


class SQLiteTables:
    """The tables of an SQLite file, but for those that a search by trigrams keeps for itself."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def columns(self) -> dict[str, list[str]]:
        """Return the columns of each table, in the order in which the tables were made."""
        execute = self._connection.execute
        found = execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall()
        virtual = tuple(name for name, sql in found if (sql or "").upper().startswith("CREATE VIRTUAL"))
        names = [
            name
            for name, _ in found
            if name not in virtual and not name.startswith(("sqlite_", *(f"{one}_" for one in virtual)))
        ]
        return {
            name: [row[0] for row in execute("SELECT name FROM pragma_table_info(?) ORDER BY cid", (name,))]
            for name in names
        }

    def read(self, table: str, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
        """Iterate over the rows of a table, in their order."""
        cursor = self._connection.execute(f"SELECT {_names(columns)} FROM {_name(table)}")
        while rows := cursor.fetchmany(ROWS):
            yield from rows

    def write(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows."""
        values = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {_name(table)} ({_names(columns)}) VALUES ({values})"
        self._connection.executemany(sql, rows)

    def clear(self, tables: Iterable[str]) -> None:
        """Remove all rows."""
        for table in tables:
            self._connection.execute(f"DELETE FROM {_name(table)}")


class PostgresTables:
    """The tables of the current schema of a PostgreSQL database."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def columns(self) -> dict[str, list[str]]:
        """Return the columns of each table, in the order in which the tables were made."""
        found: dict[str, list[str]] = {}
        rows = self._connection.execute(
            "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace"
            " AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND NOT c.relispartition"
            " ORDER BY c.oid, a.attnum"
        )
        for table, column in rows:
            found.setdefault(table, []).append(column)
        return found

    def read(self, table: str, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
        """Iterate over the rows of a table."""
        with self._connection.cursor() as cursor:
            yield from cursor.stream(f"SELECT {_names(columns)} FROM {_name(table)}", size=ROWS)

    def write(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows; numbers that are made go on behind the highest of them."""
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {_name(table)} ({_names(columns)}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)
        for column in columns:
            sequence = self._connection.execute("SELECT pg_get_serial_sequence(%s, %s)", (table, column)).fetchone()[0]
            if sequence is not None:
                self._connection.execute(
                    f"SELECT setval(%s, coalesce(max({_name(column)}), 0) + 1, false) FROM {_name(table)}",
                    (sequence,),
                )

    def clear(self, tables: Iterable[str]) -> None:
        """Remove all rows."""
        for table in tables:
            self._connection.execute(f"DELETE FROM {_name(table)}")


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(_name, names))
