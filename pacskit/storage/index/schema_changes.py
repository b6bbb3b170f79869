"""The change feed: rows of changes, each with the number of its last one; the counters are in ``state``."""

from __future__ import annotations

from typing import Final

__all__ = ["CHANGES"]

CHANGES: Final = (
    "CREATE TABLE change (last INTEGER PRIMARY KEY, size INTEGER NOT NULL, moment TEXT NOT NULL, body TEXT NOT NULL)"
    " STRICT",
    "INSERT INTO change (last, size, moment, body) VALUES (0, 0, '', '[]')",  # there is always a newest one
    "INSERT INTO state (name, value) VALUES ('change', 0), ('change_gone', 0)",
)
