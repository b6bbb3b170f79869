"""Every schema that was ever released becomes today's, with its rows, or stays what it was."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pacskit.core.errors import StorageError
from pacskit.storage import Store
from pacskit.storage.index.schema import MIGRATIONS, Migration
from pacskit.storage.index.sqlite import bring_up_to_date as migrate
from tests.unit.storage.objects import instance, put


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)) as made:
        yield made


def schema(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()


def test_the_tables_are_strict_and_refer_to_each_other(connection: sqlite3.Connection) -> None:
    assert migrate(connection) == len(MIGRATIONS)
    assert migrate(connection) == 0
    tables = {name: sql for kind, name, sql in schema(connection) if kind == "table"}
    assert tables.keys() == {"patient", "study", "series", "instance", "study_sop_class", "retired", "state"}
    assert all(sql.endswith("STRICT") for sql in tables.values())
    parents = [
        connection.execute(f"PRAGMA foreign_key_list({name})").fetchall() for name in ("study", "series", "instance")
    ]
    assert [rows[0][2] for rows in parents] == ["patient", "study", "series"]
    connection.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO study (patient, study_instance_uid) VALUES (1, '1.2')")


def test_each_migration_goes_forward_and_keeps_rows(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        put(store, instance(PatientID="7"))

    more: Migration = ("ALTER TABLE patient ADD COLUMN species TEXT",)

    with closing(sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)) as connection:
        assert migrate(connection, [*MIGRATIONS, more]) == 1
        assert connection.execute("SELECT patient_id, species FROM patient").fetchall() == [("7", None)]
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    with pytest.raises(StorageError, match="this release knows"):
        Store(tmp_path)


def test_a_migration_that_fails_changes_nothing(connection: sqlite3.Connection) -> None:
    migrate(connection)
    before = schema(connection)

    later: list[Migration] = [*MIGRATIONS, ("ALTER TABLE patient ADD COLUMN species TEXT", "SELECT nothing")]
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, later)
    assert schema(connection) == before
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def _open(directory: Path) -> None:
    with Store(directory) as store:
        put(store, instance(), duplicates="ignore")


def test_several_processes_may_create_the_archive_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_open, args=(tmp_path,)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    with Store(tmp_path) as store:
        assert store.counts().instances == 1
        assert list(store.verify(digest=True)) == []
