"""Every schema that was ever released becomes today's, with its rows, or stays what it was."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pacskit.client.jobs.engines import open_queue
from pacskit.core.dataset import Dataset
from pacskit.core.errors import StorageError
from pacskit.storage import Counts, DuplicatePolicy, Removal, Store
from pacskit.storage.attributes import parents_of
from pacskit.storage.blobs import MemoryStore, TieredStore
from pacskit.storage.blobs.frametable import FrameTable
from pacskit.storage.entities import WorklistItem
from pacskit.storage.index import open_index
from pacskit.storage.index.collection import Collection
from pacskit.storage.index.correcting import list_corrections
from pacskit.storage.index.dialect import Dialect
from pacskit.storage.index.postgres import PostgresIndex
from pacskit.storage.index.removing import list_removed, put_back
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.schema import MIGRATIONS, Migration
from pacskit.storage.index.schema import migrate as migrate_any
from pacskit.storage.index.sqlite import bring_up_to_date as migrate
from pacskit.storage.index.tables import PostgresTables, SQLiteTables, Tables
from pacskit.storage.records import Parents
from tests.unit.storage.objects import identifier, instance, put
from tests.unit.storage.rows import check_counters, new_instance
from tests.unit.storage.schema_rows import ROWS


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


def _rows(version: int) -> Iterator[str]:
    """The rows that an index of a version may have, those first that others refer to."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(OLD)
        order = ["patient", "study", "series", "instance", "study_sop_class", "retired"]
        columns = {
            name: ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({name})")) for name in order
        }
    lines = [line for line in OLD.splitlines() if line.startswith("INSERT INTO")]
    for line in sorted(lines, key=lambda one: order.index(one.split('"')[1])):
        name = line.split('"')[1]
        yield line.replace(f'"{name}" VALUES', f"{name} ({columns[name]}) VALUES", 1).rstrip(";")
    for number in range(2, version + 1):
        yield from ROWS.get(number, ())


def _load(engine: Callable[[], str | None], tmp_path: Path, version: int = 1) -> str:
    """Make an index as a release of a version left it, with rows in all its tables; return its address."""
    url = engine()
    if url is None:
        with closing(sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)) as connection:
            if version == 1:
                connection.executescript(OLD)
            else:
                migrate(connection, MIGRATIONS[:version])
                for line in _rows(version):
                    connection.execute(line)
        return f"sqlite://{tmp_path}/index.sqlite"
    import psycopg

    with psycopg.connect(url, autocommit=True) as first:
        migrate_any(first.execute, 0, Dialect.POSTGRESQL, MIGRATIONS[:version])
        for line in _rows(version):
            first.execute(line.replace("X'", "'\\x").encode())
        for table in ("patient", "study", "series", "instance"):
            first.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'pk'), (SELECT max(pk) FROM {table}))")
        first.execute("CREATE TABLE pacskit_schema (version bigint NOT NULL)")
        first.execute("INSERT INTO pacskit_schema VALUES (%s)", (version,))
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


def _contents(url: str, columns: dict[str, list[str]] | None = None) -> dict[str, tuple[list[str], set[Any]]]:
    """All rows of all tables, the columns being those that are there or those that are asked for."""
    import psycopg

    is_file = url.startswith("sqlite")
    connection: Any = sqlite3.connect(url.removeprefix("sqlite://")) if is_file else psycopg.connect(url)
    with closing(connection):
        tables: Tables = SQLiteTables(connection) if is_file else PostgresTables(connection)
        wanted = columns or tables.columns()
        return {name: (some, set(tables.read(name, some))) for name, some in wanted.items()}


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_an_index_of_any_release_becomes_todays(engine: Callable[[], str | None], tmp_path: Path, version: int) -> None:
    url = _load(engine, tmp_path, version)
    before = _contents(url)
    assert [name for name, (_, rows) in before.items() if not rows] == []
    index = open_index(url)
    try:
        before.pop("pacskit_schema", None)
        after = _contents(url, {name: some for name, (some, _) in before.items()})
        assert {name: rows - after[name][1] for name, (_, rows) in before.items() if rows - after[name][1]} == {}
        assert index.counts() == Counts(3, 3, 3, 4)
        check_counters(index)
        for key, expected in (({"PatientName": "*oe^ja*"}, "1.2.1"), ({"ReferringPhysicianName": "*LLER*"}, "1.2.2")):
            (match,) = index.find("STUDY", "STUDY_ROOT", identifier(**key))
            assert match.dataset(Dataset).StudyInstanceUID == expected
        for first, check in _CHECKS:
            if version >= first:
                check(index)
        assert index.ingest(new_instance("1.2.8.1.1"), DuplicatePolicy.REJECT, session="s")[0] == "stored"
        check_counters(index)
    finally:
        index.close()


KEY = "1.2.1/1.2.1.1/1.2.1.1.1.dcm"


def _searchable(index: SqlIndex) -> None:
    for name, expected in (("S1", ["1.2.1.1"]), ("S2", [])):
        keys = identifier(StudyInstanceUID="1.2.1", SeriesInstanceUID="", StationName=name)
        found = [one.dataset(Dataset) for one in index.find("SERIES", "STUDY_ROOT", keys)]
        assert [one.SeriesInstanceUID for one in found] == expected


def _records(index: SqlIndex) -> None:
    steps = Collection(index, WorklistItem)
    kept = steps.get("step")
    assert kept is not None
    assert (kept.version, kept.record.patient_id) == (3, "p1")
    assert steps.put(kept.record, version=3) == 4


def _feed(index: SqlIndex) -> None:
    assert [(one.number, one.kind, one.sop_instance_uid) for one in index.changes()] == [
        (1, "study.new", ""), (2, "instance.stored", "1.2.1.1.1"), (3, "instance.stored", "1.2.1.1.2"),
    ]  # fmt: skip
    assert index.ingest(new_instance("1.2.6.1.1"), DuplicatePolicy.REJECT, session="s")[0] == "stored"
    later = [one.number for one in index.changes(3)]
    assert later == list(range(4, 4 + len(later)))
    assert "1.2.6.1.1" in {one.sop_instance_uid for one in index.changes(3)}


def _parents(key: str) -> Callable[[], Parents]:
    """What the removed object says of its patient, study and series."""
    return lambda: parents_of(instance("1.2.1", "1.2.1.1", "1.2.1.1.3", PatientID="p1", PatientName="Doe^Jane"))


def _removals(index: SqlIndex) -> None:
    with index.reader() as connection:
        (one,) = list_removed(connection, "ALL", {})
        (made,) = list_corrections(connection, None)
    assert (one.sop_instance_uid, one.due, one.who, one.reason) == ("1.2.1.1.3", "", "me", "sent twice")
    assert (made.id, made.kind, made.studies) == (1, "move", ("1.2.7",))
    uid: dict[str, Sequence[str]] = {"SOPInstanceUID": ["1.2.1.1.3"]}
    back = index.run_alone(lambda batch: put_back(batch, "IMAGE", uid, (), _parents, "s"))
    assert back == ["stored"]
    table = index.frames("1.2.1.1.3", "1.2.1/1.2.1.1/1.2.1.1.3.dcm")
    assert table is not None
    assert FrameTable.from_bytes(table)[1] == ((118, 12), (138, 4))
    index.removal = Removal(notes=True)
    assert index.refuses("1.2.9.9.9")
    index.ingest(new_instance("1.2.7.1.1", PatientID="another"), DuplicatePolicy.REJECT, session="s")
    moved = index.get("1.2.7.1.1")
    assert moved is not None
    assert (moved.patient_id, moved.correction) == ("p2", 1)


def _jobs(index: SqlIndex) -> None:
    queue = open_queue(index)
    job = queue.get(1)
    assert (job.kind, job.payload, job.state, job.dedup_key) == ("send", {"study": "1.2.1"}, "queued", "once")
    assert queue.pause(1).state == "paused"
    assert queue.paused_kinds() == {"slow"}
    assert [one.name for one in queue.schedules()] == ["nightly"]


def _tiers(index: SqlIndex) -> None:
    with TieredStore(index, {"hot": MemoryStore(), "cold": MemoryStore()}) as tiers:
        assert (tiers.path_of(KEY).tier, tiers.path_of(KEY).place) == ("cold", "a/b")


def _frames(index: SqlIndex) -> None:
    table = index.frames("1.2.1.1.1", KEY)
    assert table is not None
    assert FrameTable.from_bytes(table)[0] == ((100, 10),)


_CHECKS: tuple[tuple[int, Callable[[SqlIndex], None]], ...] = (
    (4, _searchable), (5, _records), (6, _feed), (7, _removals), (8, _jobs), (9, _tiers), (10, _frames),
)  # fmt: skip


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
