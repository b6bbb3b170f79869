"""The tables of the SQLite index, and how an older file becomes a newer one.

``PRAGMA user_version`` counts the migrations that a file has had. sqlite-utils does the schema work and is imported
only when there is some. A migration never changes once it has been released; what must be different is a new one at
the end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.errors import StorageError

if TYPE_CHECKING:
    from sqlite_utils import Database

__all__ = ["MIGRATIONS", "migrate"]

Migration = Callable[["Database"], None]


def _table(
    db: Database,
    name: str,
    columns: dict[str, type],
    *,
    pk: str | tuple[str, ...] = "pk",
    nullable: Sequence[str] = (),
    parent: tuple[str, str] | None = None,
) -> Any:
    """Create a STRICT table; text is '' and a number 0 unless the column is named nullable."""
    keys = {pk} if isinstance(pk, str) else set(pk)
    filled = [one for one in columns if one not in keys and one not in nullable]
    link = parent[0] if parent else None
    empty: dict[type, Any] = {str: "", int: 0}
    return db.table(name).create(
        columns,
        pk=pk,
        not_null=filled,
        defaults={one: empty[columns[one]] for one in filled if columns[one] in empty and one != link},
        foreign_keys=[(parent[0], parent[1], "pk")] if parent else None,
        strict=True,
    )


def _name(column: str) -> dict[str, type]:
    return dict.fromkeys((column, f"{column}_alphabetic", f"{column}_ideographic", f"{column}_phonetic"), str)


def _v1(db: Database) -> None:
    """Create patients, studies, series, instances, SOP classes of a study, and tombstones of blobs."""
    patient = _table(
        db,
        "patient",
        {"pk": int, "patient_id": str, "issuer_of_patient_id": str, "anchor": str}
        | _name("patient_name")
        | dict.fromkeys(("patient_birth_date", "patient_birth_time", "patient_birth_time_key", "patient_sex"), str)
        | dict.fromkeys(("study_count", "series_count", "instance_count"), int)
        | {"attributes": str},
    )
    patient.create_index(["patient_id", "issuer_of_patient_id", "anchor"], index_name="patient_identity", unique=True)
    patient.create_index(["patient_birth_date"], index_name="patient_birth_date")
    study = _table(
        db,
        "study",
        {"pk": int, "patient": int}
        | dict.fromkeys(("study_instance_uid", "study_date", "study_time", "study_time_key", "accession_number"), str)
        | dict.fromkeys(("study_id", "study_description"), str)
        | _name("referring_physician_name")
        | dict.fromkeys(("modalities_in_study", "sop_classes_in_study"), str)
        | dict.fromkeys(("series_count", "instance_count"), int)
        | {"updated": str, "attributes": str},
        parent=("patient", "patient"),
    )
    study.create_index(["study_instance_uid"], index_name="study_uid", unique=True)
    study.create_index(["patient"], index_name="study_patient")
    study.create_index(["study_date", "study_time_key"], index_name="study_moment")
    for column in ("study_time_key", "accession_number", "study_id", "study_description"):
        study.create_index([column], index_name=f"study_by_{column}")
    for table, column in ((patient, "patient_name"), (study, "referring_physician_name")):
        for group in ("alphabetic", "ideographic", "phonetic"):
            table.create_index([f"{column}_{group}"], index_name=f"{column}_{group}")
    series = _table(
        db,
        "series",
        {"pk": int, "study": int, "series_instance_uid": str, "modality": str, "series_number": int}
        | dict.fromkeys(
            ("series_description", "body_part_examined", "series_date", "series_time", "series_time_key"), str
        )
        | dict.fromkeys(("performed_procedure_step_start_date", "performed_procedure_step_start_time"), str)
        | {"performed_procedure_step_start_time_key": str, "instance_count": int, "attributes": str},
        nullable=["series_number"],
        parent=("study", "study"),
    )
    series.create_index(["study", "series_instance_uid"], index_name="series_identity", unique=True)
    series.create_index(["series_instance_uid"], index_name="series_uid")
    series.create_index(["study", "modality"], index_name="series_modality")
    instance = _table(
        db,
        "instance",
        {"pk": int, "series": int, "sop_instance_uid": str, "sop_class_uid": str, "transfer_syntax_uid": str}
        | {"instance_number": int, "blob_key": str, "data_offset": int, "data_length": int, "sha256": bytes}
        | {"received": str, "attributes": str},
        nullable=["instance_number", "sha256"],
        parent=("series", "series"),
    )
    instance.create_index(["sop_instance_uid"], index_name="instance_uid", unique=True)
    instance.create_index(["blob_key"], index_name="instance_blob", unique=True)
    instance.create_index(["series"], index_name="instance_series")
    classes = _table(
        db,
        "study_sop_class",
        {"study": int, "sop_class_uid": str},
        pk=("study", "sop_class_uid"),
        parent=("study", "study"),
    )
    classes.create_index(["sop_class_uid"], index_name="study_by_sop_class")
    _table(db, "retired", {"blob_key": str, "session": str}, pk="blob_key")


MIGRATIONS: Final[tuple[Migration, ...]] = (_v1,)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Bring a file up to date, all or nothing; return how many migrations it took."""
    if _version(connection, migrations) == len(migrations):
        return 0
    from sqlite_utils import Database

    connection.execute("BEGIN IMMEDIATE")  # another process may be at it
    try:
        version = _version(connection, migrations)
        database = Database(connection)
        for migration in migrations[version:]:
            migration(database)
        connection.execute(_SET_VERSION[len(migrations)])
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return len(migrations) - version


# PRAGMA takes no parameter
_SET_VERSION: Final = tuple("PRAGMA user_version = " + str(one) for one in range(100))


def _version(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(migrations):
        raise StorageError(f"the index has schema {version}; this release knows {len(migrations)}")
    return version
