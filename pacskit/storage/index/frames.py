"""The frame tables of instances: written with their rows, asked for by their objects' keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from pacskit.storage.index.dialect import Borrow, Connection

if TYPE_CHECKING:
    from pacskit.storage.records import NewInstance

__all__ = ["find_frames", "keep_frames"]

_INSERT: Final = (
    "INSERT INTO frame_table (instance, blob_key, data) SELECT pk, blob_key, ? FROM instance"
    " WHERE sop_instance_uid = ? AND blob_key = ? ON CONFLICT DO NOTHING"
)
_FIND: Final = (
    "SELECT f.data FROM instance i JOIN frame_table f ON f.instance = i.pk AND f.blob_key = i.blob_key"
    " WHERE i.sop_instance_uid = ? AND i.blob_key = ?"
)


def keep_frames(connection: Connection, new: Iterable[NewInstance]) -> None:
    """Keep the tables of those instances that have one and whose rows are there, in the caller's transaction."""
    rows = [(one.frames, one.sop_instance_uid, one.key) for one in new if one.frames is not None]
    if rows:
        connection.executemany(_INSERT, rows)


def find_frames(borrow: Borrow, sop_instance_uid: str, key: str) -> bytes | None:
    """Return the packed table of an instance's object; None where none is kept."""
    with borrow() as connection:
        row = connection.execute(_FIND, (sop_instance_uid, key)).fetchone()
    return bytes(row[0]) if row else None
