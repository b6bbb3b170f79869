"""The tables of the index, and how an older one becomes a newer one.

A migration never changes once it has been released; what must be different is a new one at the end. Each statement is
written once (see `pacskit.storage.index.dialect`), or as a pair where the engines have nothing in common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from pacskit.core.errors import StorageError
from pacskit.storage.index.dialect import Dialect, Each, ddl_for_postgres
from pacskit.storage.index.schema_changes import CHANGES
from pacskit.storage.index.schema_frames import FRAMES
from pacskit.storage.index.schema_jobs import JOBS
from pacskit.storage.index.schema_lifecycle import LIFECYCLE
from pacskit.storage.index.schema_removal import REMOVAL

__all__ = ["MIGRATIONS", "Each", "Migration", "migrate"]


Migration: TypeAlias = "tuple[str | Each, ...]"


def _texts(*names: str) -> str:
    return "".join(f"{name} TEXT NOT NULL DEFAULT '', " for name in names)


def _numbers(*names: str) -> str:
    return "".join(f"{name} INTEGER NOT NULL DEFAULT 0, " for name in names)


def _name(column: str) -> tuple[str, ...]:
    return column, f"{column}_alphabetic", f"{column}_ideographic", f"{column}_phonetic"


_ATTRIBUTES: Final = "attributes TEXT NOT NULL DEFAULT ''"

# patients, studies, series, instances, the SOP classes of a study, and tombstones of objects
_V1: Final[Migration] = (
    "CREATE TABLE patient (pk INTEGER PRIMARY KEY, "
    + _texts("patient_id", "issuer_of_patient_id", "anchor", *_name("patient_name"))
    + _texts("patient_birth_date", "patient_birth_time", "patient_birth_time_key", "patient_sex")
    + _numbers("study_count", "series_count", "instance_count")
    + f"{_ATTRIBUTES}) STRICT",
    Each(
        ("CREATE UNIQUE INDEX patient_identity ON patient (patient_id, issuer_of_patient_id, anchor)",),
        (
            "CREATE UNIQUE INDEX patient_identity ON patient"
            " (md5(patient_id || '\\' || issuer_of_patient_id || '\\' || anchor))",
            "CREATE INDEX patient_by_id ON patient USING spgist (patient_id)",
        ),
    ),
    "CREATE INDEX patient_birth_date ON patient (patient_birth_date)",
    "CREATE TABLE study (pk INTEGER PRIMARY KEY, patient INTEGER NOT NULL REFERENCES patient (pk), "
    + _texts("study_instance_uid", "study_date", "study_time", "study_time_key", "accession_number", "study_id")
    + _texts("study_description", *_name("referring_physician_name"), "modalities_in_study", "sop_classes_in_study")
    + _numbers("series_count", "instance_count")
    + _texts("updated")
    + f"{_ATTRIBUTES}) STRICT",
    "CREATE UNIQUE INDEX study_uid ON study (study_instance_uid)",
    "CREATE INDEX study_patient ON study (patient)",
    "CREATE INDEX study_moment ON study (study_date, study_time_key)",
    "CREATE INDEX study_by_study_time_key ON study (study_time_key)",
    "CREATE INDEX study_by_accession_number ON study /* any length */ (accession_number)",
    "CREATE INDEX study_by_study_id ON study /* any length */ (study_id)",
    "CREATE INDEX study_by_study_description ON study /* any length */ (study_description)",
    *(
        f"CREATE INDEX {column}_{group} ON {table} /* any length */ ({column}_{group})"
        for table, column in (("patient", "patient_name"), ("study", "referring_physician_name"))
        for group in ("alphabetic", "ideographic", "phonetic")
    ),
    "CREATE TABLE series (pk INTEGER PRIMARY KEY, study INTEGER NOT NULL REFERENCES study (pk), "
    + _texts("series_instance_uid", "modality")
    + "series_number INTEGER, "
    + _texts("series_description", "body_part_examined", "series_date", "series_time", "series_time_key")
    + _texts("performed_procedure_step_start_date", "performed_procedure_step_start_time")
    + _texts("performed_procedure_step_start_time_key")
    + _numbers("instance_count")
    + f"{_ATTRIBUTES}) STRICT",
    "CREATE UNIQUE INDEX series_identity ON series (study, series_instance_uid)",
    "CREATE INDEX series_uid ON series (series_instance_uid)",
    Each(("CREATE INDEX series_modality ON series (study, modality)",), ()),
    "CREATE TABLE instance (pk INTEGER PRIMARY KEY, series INTEGER NOT NULL REFERENCES series (pk), "
    + _texts("sop_instance_uid", "sop_class_uid", "transfer_syntax_uid")
    + "instance_number INTEGER, "
    + _texts("blob_key")
    + _numbers("data_offset", "data_length")
    + "sha256 BLOB, "
    + _texts("received")
    + f"{_ATTRIBUTES}) STRICT",
    "CREATE UNIQUE INDEX instance_uid ON instance (sop_instance_uid)",
    "CREATE UNIQUE INDEX instance_blob ON instance (blob_key)",
    "CREATE INDEX instance_series ON instance (series)",
    "CREATE TABLE study_sop_class (study INTEGER REFERENCES study (pk), sop_class_uid TEXT,"
    " PRIMARY KEY (study, sop_class_uid)) STRICT",
    "CREATE INDEX study_by_sop_class ON study_sop_class (sop_class_uid)",
    "CREATE TABLE retired (blob_key TEXT PRIMARY KEY, session TEXT NOT NULL DEFAULT '') STRICT",
)

# what processes that share an index tell each other
_V2: Final[Migration] = (
    "CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL DEFAULT 0) STRICT",
    "INSERT INTO state (name, value) VALUES ('generation', 0)",
)


def _trigrams(table: str, column: str) -> Each:
    """Find what is within a person name by the three letters that it has in a row."""
    columns = _name(column)[1:]
    named, new, old = (", ".join(f"{prefix}{one}" for one in columns) for prefix in ("", "new.", "old."))
    search = f"{table}_search"
    remove = f"INSERT INTO {search} ({search}, rowid, {named}) VALUES ('delete', old.pk, {old});"
    insert = f"INSERT INTO {search} (rowid, {named}) VALUES (new.pk, {new});"
    differs = " OR ".join(f"old.{one} <> new.{one}" for one in columns)
    return Each(
        (
            f"CREATE VIRTUAL TABLE {search} USING fts5({named}, content='{table}', content_rowid='pk',"
            " tokenize='trigram', columnsize=0)",
            f"CREATE TRIGGER {search}_insert AFTER INSERT ON {table} BEGIN {insert} END",
            f"CREATE TRIGGER {search}_delete AFTER DELETE ON {table} BEGIN {remove} END",
            f"CREATE TRIGGER {search}_update AFTER UPDATE OF {named} ON {table} WHEN {differs}"
            f" BEGIN {remove} {insert} END",
            f"INSERT INTO {search} ({search}) VALUES ('rebuild')",
        ),
        (
            "CREATE EXTENSION IF NOT EXISTS pg_trgm",
            f"CREATE INDEX {search} ON {table} USING gin ({', '.join(f'{one} gin_trgm_ops' for one in columns)})",
        ),
    )


_V3: Final[Migration] = (_trigrams("patient", "patient_name"), _trigrams("study", "referring_physician_name"))

# attributes that have been made searchable, their values, and the instances that nobody has looked at for them
_V4: Final[Migration] = (
    "CREATE TABLE tag (pk INTEGER PRIMARY KEY, number INTEGER NOT NULL, "
    + _texts("creator", "vr", "level")
    + _numbers("position", "last", "done", "total", "ready")
    + "UNIQUE (number, creator)) STRICT",
    "CREATE TABLE tag_value (tag INTEGER NOT NULL, value TEXT NOT NULL, owner INTEGER NOT NULL,"
    " PRIMARY KEY (tag, value, owner)) STRICT",
    "CREATE INDEX tag_value_owner ON tag_value (owner, tag)",
    "CREATE TABLE tag_todo (instance INTEGER PRIMARY KEY) STRICT",
)

# records of all kinds, and what they are asked by
_V5: Final[Migration] = (
    "CREATE TABLE record (kind TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, updated TEXT NOT NULL,"
    " body TEXT NOT NULL, PRIMARY KEY (kind, key)) STRICT",
    "CREATE TABLE record_value (kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, key TEXT NOT NULL,"
    " PRIMARY KEY (kind, name, value, key)) STRICT",
    "CREATE INDEX record_value_key ON record_value (kind, key)",
)

MIGRATIONS: Final[tuple[Migration, ...]] = (_V1, _V2, _V3, _V4, _V5, CHANGES, REMOVAL, JOBS, LIFECYCLE, FRAMES)


def migrate(
    execute: Callable[[str], object],
    version: int,
    dialect: Dialect = Dialect.SQLITE,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> int:
    """Bring an index of a version up to date, in a transaction of the caller's; return the version it has then."""
    if version > len(migrations):
        raise StorageError(f"the index has schema {version}; this release knows {len(migrations)}")
    for migration in migrations[version:]:
        for statement in migration:
            if isinstance(statement, Each):
                for text in statement.sqlite if dialect == Dialect.SQLITE else statement.postgresql:
                    execute(text if dialect == Dialect.SQLITE else ddl_for_postgres(text))
            else:
                execute(statement if dialect == Dialect.SQLITE else ddl_for_postgres(statement))
    return len(migrations)
