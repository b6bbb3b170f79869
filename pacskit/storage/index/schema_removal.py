"""Migration: what has been taken away and may come back, what notes have rejected, corrections, and provenance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pacskit.storage.index.dialect import Each

if TYPE_CHECKING:
    from pacskit.storage.index.schema import Migration

__all__ = ["REMOVAL"]


def _texts(*names: str) -> str:
    return "".join(f"{name} TEXT NOT NULL DEFAULT '', " for name in names)


def _numbered(sql: str) -> Each:
    """Make a table whose keys are told to people, and so never used again."""
    return Each((sql.replace("PRIMARY KEY", "PRIMARY KEY AUTOINCREMENT", 1),), (sql,))


# instances that no query sees, with all that it takes to have them back; ``due`` is when they go, '' for never
_REMOVED: Final = (
    "CREATE TABLE removed (pk INTEGER PRIMARY KEY, "
    + _texts("kind", "patient_id", "study_instance_uid", "series_instance_uid", "sop_instance_uid", "sop_class_uid")
    + _texts("transfer_syntax_uid")
    + "instance_number INTEGER, "
    + _texts("blob_key")
    + "data_offset INTEGER NOT NULL, data_length INTEGER NOT NULL, sha256 BLOB, "
    + _texts("received", "source", "moment", "due", "who")
    + "reason TEXT NOT NULL DEFAULT '', attributes TEXT NOT NULL DEFAULT '', frames BLOB) STRICT"
)

# what has been corrected: by whom, when and why
_CORRECTION: Final = (
    "CREATE TABLE correction (pk INTEGER PRIMARY KEY, "
    + _texts("kind", "who", "reason", "moment", "undone")
    + "body TEXT NOT NULL) STRICT"
)

REMOVAL: Final[Migration] = (
    _numbered(_REMOVED),
    "CREATE UNIQUE INDEX removed_blob ON removed (blob_key)",
    "CREATE INDEX removed_uid ON removed (sop_instance_uid)",
    "CREATE INDEX removed_series ON removed (series_instance_uid)",
    "CREATE INDEX removed_study ON removed (study_instance_uid)",
    "CREATE INDEX removed_patient ON removed /* any length */ (patient_id)",
    "CREATE INDEX removed_due ON removed (due)",
    # what rejection notes name, whether it is here or not
    "CREATE TABLE rejection (sop_instance_uid TEXT NOT NULL, note TEXT NOT NULL, code TEXT NOT NULL,"
    " moment TEXT NOT NULL, PRIMARY KEY (sop_instance_uid, note)) STRICT",
    # and what corrections mean for studies and patients to come
    _numbered(_CORRECTION),
    "CREATE TABLE moved_study (study_instance_uid TEXT PRIMARY KEY, correction INTEGER NOT NULL,"
    " patient TEXT NOT NULL) STRICT",
    "CREATE TABLE merged_patient (identity TEXT PRIMARY KEY, correction INTEGER NOT NULL, patient TEXT NOT NULL)"
    " STRICT",
    "ALTER TABLE study ADD COLUMN correction INTEGER NOT NULL DEFAULT 0",
    # where instances came from, and what was made of them
    "ALTER TABLE instance ADD COLUMN source TEXT NOT NULL DEFAULT ''",
    "CREATE TABLE derivation (pk INTEGER PRIMARY KEY, "
    + _texts("sop_instance_uid", "parent_uid", "kind", "moment", "who")
    + "parameters TEXT NOT NULL DEFAULT '{}') STRICT",
    "CREATE INDEX derivation_child ON derivation (sop_instance_uid)",
    "CREATE INDEX derivation_parent ON derivation (parent_uid)",
    "ALTER TABLE retired ADD COLUMN moment TEXT NOT NULL DEFAULT ''",
)
