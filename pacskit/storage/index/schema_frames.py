"""Where the frames of an object are in its blob, beside its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pacskit.storage.index.schema import Migration

__all__ = ["FRAMES"]

# ``blob_key`` says of which bytes the table is: an instance whose object is another one by now has none
FRAMES: Final[Migration] = (
    "CREATE TABLE frame_table (instance INTEGER PRIMARY KEY REFERENCES instance (pk) ON DELETE CASCADE,"
    " blob_key TEXT NOT NULL, data BLOB NOT NULL) STRICT",
)
