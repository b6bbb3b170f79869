"""What an index says, in a form that can be compared with what another one says."""

from __future__ import annotations

from typing import Any

from pacskit.storage.index.repository import SqlIndex

_NUMBERS = {
    "pk",
    "patient",
    "study",
    "series",
    "updated",
}  # others in another index of the same objects


def contents(index: SqlIndex, *, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Each instance with all that the index has of it and of what is above it, in the order of their UIDs."""
    found = []
    with index.reader() as connection:
        cursor: Any = connection.execute(
            "SELECT i.*, e.*, s.*, p.* FROM instance i JOIN series e ON e.pk = i.series JOIN study s ON s.pk = e.study"
            " JOIN patient p ON p.pk = s.patient ORDER BY i.sop_instance_uid"
        )
        names = [column[0] for column in cursor.description]
        for row in cursor.fetchall():
            fields = zip(range(len(names)), names, row, strict=True)
            found.append({f"{at} {name}": one for at, name, one in fields if name not in {*_NUMBERS, *without}})
    return found
