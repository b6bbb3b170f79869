"""Every schema that was ever released becomes today's, with its rows, or stays what it was."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.dataset import Dataset
from pacskit.core.errors import StorageError
from pacskit.storage import Counts, DuplicatePolicy, Store
from pacskit.storage.index import open_index
from pacskit.storage.index.dialect import Dialect
from pacskit.storage.index.postgres import PostgresIndex
from pacskit.storage.index.schema import MIGRATIONS, Migration
from pacskit.storage.index.schema import migrate as migrate_any
from pacskit.storage.index.sqlite import bring_up_to_date as migrate
from tests.unit.storage.objects import identifier, instance, put
from tests.unit.storage.rows import check_counters, new_instance


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)) as made:
        yield made


def schema(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()


def test_the_tables_are_strict_and_refer_to_each_other(connection: sqlite3.Connection) -> None:
    assert migrate(connection) == len(MIGRATIONS)
    assert migrate(connection) == 0
    tables = {
        name: sql
        for kind, name, sql in schema(connection)
        if kind == "table" and "_search" not in name and name != "sqlite_sequence"
    }
    assert tables.keys() == {
        "patient", "study", "series", "instance", "study_sop_class", "retired",
        "state", "tag", "tag_value", "tag_todo", "record", "record_value", "change", "frame_table",
        "removed", "rejection", "correction", "moved_study", "merged_patient", "derivation",
        "job", "job_pause", "job_schedule",
        "tier_blob", "tier_trash", "tier_home",
    }  # fmt: skip
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


OLD = (Path(__file__).parent / "schema_v1.sql").read_text("utf-8")


def _columns(connection: sqlite3.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """What each table and index is made of, however its SQL was written."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%STRICT'").fetchall()
    found: dict[str, list[tuple[Any, ...]]] = {}
    for (name,) in names:
        found[name] = connection.execute(f"PRAGMA table_xinfo({name})").fetchall()
        found[f"{name} refers"] = connection.execute(f"PRAGMA foreign_key_list({name})").fetchall()
        for _, index, *kind in connection.execute(f"PRAGMA index_list({name})").fetchall():
            found[index] = [*connection.execute(f"PRAGMA index_xinfo({index})").fetchall(), tuple(kind)]
    return found


def _load(engine: Callable[[], str | None], tmp_path: Path) -> str:
    """Make an index as the first release left it, with rows; return its address."""
    url = engine()
    if url is None:
        with closing(sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)) as connection:
            connection.executescript(OLD)
        return f"sqlite://{tmp_path}/index.sqlite"
    import psycopg

    rows = [line for line in OLD.splitlines() if line.startswith("INSERT INTO")]
    with psycopg.connect(url, autocommit=True) as first:
        migrate_any(first.execute, 0, Dialect.POSTGRESQL, MIGRATIONS[:1])
        order = ["patient", "study", "series", "instance", "study_sop_class", "retired"]
        for line in sorted(rows, key=lambda one: order.index(one.split('"')[1])):
            first.execute(line.replace("X'", "'\\x").encode())
        for table in order[:4]:
            first.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'pk'), (SELECT max(pk) FROM {table}))")
        first.execute("CREATE TABLE pacskit_schema (version bigint NOT NULL)")
        first.execute("INSERT INTO pacskit_schema VALUES (1)")
    return url


def test_an_index_of_the_first_release_becomes_todays(engine: Callable[[], str | None], tmp_path: Path) -> None:
    url = _load(engine, tmp_path)
    index = open_index(url)
    try:
        assert index.counts() == Counts(3, 3, 3, 4)
        check_counters(index)
        assert index.retired("gone") == ["1.2.2/1.2.2.2/1.2.2.2.1.dcm"]
        for key, expected in (
            ({"PatientName": "*oe^ja*"}, "1.2.1"),
            ({"PatientName": "=*田^太*"}, "1.2.2"),
            ({"ReferringPhysicianName": "*LLER*"}, "1.2.2"),
            ({"StudyDescription": "it's*100 %"}, "1.2.2"),
            ({"PatientName": "Nobody*"}, "1.2.3"),
        ):
            (match,) = index.find("STUDY", "STUDY_ROOT", identifier(**key))
            assert match.dataset(Dataset).StudyInstanceUID == expected
        assert (
            index.ingest(new_instance("1.2.2.1.2", PatientID="p2"), DuplicatePolicy.REJECT, session="s")[0] == "stored"
        )
        assert index.ingest(new_instance("1.2.2.1.1"), DuplicatePolicy.REJECT, session="s")[0] == "rejected"
        check_counters(index)
    finally:
        index.close()


def test_a_new_file_is_as_one_that_grew(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old", isolation_level=None)) as old:
        old.executescript(OLD)
        with closing(sqlite3.connect(tmp_path / "new", isolation_level=None)) as new:
            migrate(new, MIGRATIONS[:1])
            assert _columns(new) == _columns(old)
            migrate(new)
            assert migrate(old) == len(MIGRATIONS) - 1
            assert _columns(new) == _columns(old)


def test_a_migration_of_postgresql_that_fails_changes_nothing(postgres_schema: Callable[[], str]) -> None:
    index = open_index(postgres_schema())
    assert isinstance(index, PostgresIndex)
    assert index.bring_up_to_date() == 0
    later: list[Migration] = [*MIGRATIONS, ("ALTER TABLE patient ADD COLUMN species TEXT", "SELECT nothing")]
    with pytest.raises(StorageError), index.translated("migrating"):
        index.bring_up_to_date(later)
    with index.reader() as connection:
        columns = "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        assert ("species",) not in connection.execute(columns).fetchall()
    assert index.bring_up_to_date([*MIGRATIONS, later[-1][:1]]) == 1
    url = index._url
    index.close()
    with pytest.raises(StorageError, match="this release knows"):
        open_index(url)


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
