"""The index made anew is the index as it was."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.errors import StorageError
from pacskit.storage import Removal, Store
from pacskit.storage.blobs import MemoryStore
from pacskit.storage.entities import WorklistItem
from pacskit.storage.index import open_index
from pacskit.storage.index.collection import Collection
from pacskit.storage.rebuild import Rebuild
from tests.unit.storage.objects import found, instance, put
from tests.unit.storage.rows import check_counters
from tests.unit.storage.upkeep import contents

Engine = Callable[[], "str | None"]


def fill(directory: Path, *, count: int = 40) -> list[dict[str, Any]]:
    with Store(directory, duplicates="replace") as store:
        for number in range(count):
            study = f"1.2.{number % 5}"
            put(
                store,
                instance(
                    study, f"{study}.{number % 3}", f"{study}.1.{number}", PatientID=f"p{number % 5}",
                    PatientName="Yamada^Tarou=山田^太郎", SpecificCharacterSet="ISO_IR 192", Modality="CT",
                    InstanceNumber=number, ImageType=["ORIGINAL", "PRIMARY"], StudyDate="20260101",
                ),
            )  # fmt: skip
        put(store, instance("1.2.1", "1.2.1.1", "1.2.1.1.1", PatientID="p1", InstanceNumber=77))  # a second generation
        store.delete("IMAGE", instance_uid="1.2.2.1.2")
        Collection(store.index, WorklistItem).put(WorklistItem("step", patient_id="p1"))
        store.index.add_tag("ImageType")
        assert store.index.wait_for_tags(60)
        return contents(store.index)


def test_it_is_as_it_was(tmp_path: Path) -> None:
    before = fill(tmp_path)
    report = Rebuild(tmp_path).run()
    assert (report.objects, report.indexed, report.left_out, report.old_index) == (39, 39, [], "read")
    with Store(tmp_path) as store:
        assert contents(store.index) == before
        check_counters(store.index)
        assert list(store.verify(digest=True)) == []
        assert Collection(store.index, WorklistItem).get("step") is not None
        assert store.index.wait_for_tags(60)
        assert len(found(store, "IMAGE", "SOPInstanceUID", ImageType="ORIGINAL", StudyInstanceUID="1.2.1",
                         SeriesInstanceUID="1.2.1.0")) == 3  # fmt: skip
    assert (tmp_path / "index.sqlite.old").exists()
    assert not list(tmp_path.glob("*.rebuild*"))


def test_without_an_index_or_with_a_broken_one(tmp_path: Path) -> None:
    before = fill(tmp_path)
    (tmp_path / "index.sqlite").unlink()
    objects = tmp_path / "objects"
    old, new = objects / "1.2.3/1.2.3.0/older.dcm", objects / "1.2.3/1.2.3.0/newer.dcm"
    with Store(tmp_path / "other") as other:
        paths = [
            other.path(put(other, instance("1.2.3", "1.2.3.0", uid, PatientID="p3")).instance)  # type: ignore[arg-type]
            for uid in ("1.2.3.1.3", "1.2.3.1.18")
        ]
        paths[0].rename(old)
        paths[1].rename(new)
    os.utime(old, (1, 1))
    os.utime(new, (2_000_000_000, 2_000_000_000))
    (objects / "1.2.3" / "garbage.dcm").write_bytes(b"garbage")
    report = Rebuild(tmp_path).run()
    left = {(one.kind, one.key) for one in report.left_out}
    names = {one["6 blob_key"] for one in before}
    (superseded,) = (key for kind, key in left if kind == "superseded" and key in names)
    assert superseded.endswith("1.2.3.1.18.dcm")
    assert left == {
        ("damaged", "1.2.3/garbage.dcm"),
        ("superseded", "1.2.3/1.2.3.0/older.dcm"),
        ("superseded", superseded),
    }
    with Store(tmp_path) as store:
        assert {one["2 sop_instance_uid"] for one in contents(store.index)} == {
            one["2 sop_instance_uid"] for one in before
        }
        check_counters(store.index)
        newest = store.get("1.2.3.1.18")
        assert newest is not None
        assert newest.key == "1.2.3/1.2.3.0/newer.dcm"
        everything = contents(store.index)

    with open(tmp_path / "index.sqlite", "r+b") as file:
        file.write(b"\0" * 5000)
    report = Rebuild(tmp_path).run()
    assert report.old_index.startswith("cannot be read")
    with Store(tmp_path) as store:
        assert contents(store.index) == everything


class Enough(Exception):
    """The run is broken off."""


def test_it_goes_on_where_it_was_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacskit.storage.rebuild._PIECE", 2)
    monkeypatch.setattr("pacskit.storage.rebuild._TOGETHER", 2)
    before = fill(tmp_path)

    def breaks(done: int, total: int | None, size: int) -> None:
        if done > 10:
            raise Enough

    with pytest.raises(Enough):
        Rebuild(tmp_path, progress=breaks).run()
    with Store(tmp_path) as store:  # the old one is in its place
        assert contents(store.index) == before
        put(store, instance("1.0.1", "1.0.1.1", "1.0.1.1.1", PatientID="early"))  # its name comes before the others'
        before = contents(store.index)
    report = Rebuild(tmp_path).run()
    assert report.resumed
    assert report.objects == 40
    with Store(tmp_path) as store:
        assert contents(store.index) == before
        assert list(store.verify(digest=True)) == []


def test_nobody_else_may_have_it_open(tmp_path: Path) -> None:
    fill(tmp_path, count=3)
    with Store(tmp_path), pytest.raises(StorageError, match="another process"):
        Rebuild(tmp_path).run()
    with pytest.raises(StorageError, match="no archive"):
        Rebuild(tmp_path / "nowhere")


def test_what_has_a_tombstone_stays_away(tmp_path: Path) -> None:
    fill(tmp_path, count=10)
    with closing(sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)) as connection:
        key, pk = connection.execute("SELECT blob_key, pk FROM instance").fetchone()
        connection.execute("DELETE FROM instance WHERE pk = ?", (pk,))
        connection.execute("INSERT INTO retired (blob_key, session) VALUES (?, 'gone')", (key,))
    Rebuild(tmp_path).run()
    with Store(tmp_path) as store:
        assert not store.index.has_key(key)
        assert store.index.is_retired(key)


def test_into_another_database(tmp_path: Path, postgres_schema: Callable[[], str]) -> None:
    before = fill(tmp_path)
    url = postgres_schema()
    Rebuild(tmp_path, index=url).run()
    with closing(open_index(url)) as index:
        assert contents(index) == before
        check_counters(index)
    with Store(tmp_path, index=url) as store:
        assert list(store.verify(digest=True)) == []
        put(store, instance("1.2.9", "1.2.9.1", "1.2.9.1.1"))
        assert Collection(store.index, WorklistItem).get("step") is not None
    with pytest.raises(StorageError, match="not empty"):
        Rebuild(tmp_path, index=url).run()


def test_objects_in_a_blob_store(tmp_path: Path) -> None:
    with MemoryStore() as blobs:
        with Store(tmp_path, blobs=blobs, duplicates="replace") as store:
            for number in range(8):
                put(store, instance(uid=f"1.2.1.1.{number}", PatientID="1"))
            put(store, instance(uid="1.2.1.1.3", PatientID="1", InstanceNumber=3))
            before = contents(store.index, without=("received",))
        (tmp_path / "index.sqlite").unlink()
        assert Rebuild(tmp_path, blobs=blobs).run().indexed == 8
        with Store(tmp_path, blobs=blobs) as store:
            assert contents(store.index, without=("received",)) == before
            assert list(store.verify(digest=True)) == []


def test_what_was_taken_away_and_corrected_stays_so(tmp_path: Path) -> None:
    with Store(tmp_path, removal=Removal(grace=1000)) as store:
        for number in range(8):
            study = f"1.2.{number % 2}"
            put(store, instance(study, f"{study}.1", f"{study}.1.{number}", PatientID=f"p{number % 2}"))
        store.delete("IMAGE", instance_uid="1.2.0.1.4")
        before = contents(store.index)
    Rebuild(tmp_path).run()
    with Store(tmp_path, removal=Removal(grace=1000)) as store:
        assert contents(store.index) == before
        assert list(store.verify(digest=True)) == []
        assert store.removals.restore("IMAGE", {"SOPInstanceUID": ["1.2.0.1.4"]}) == 1
        assert store.counts().instances == 8
        assert list(store.verify(digest=True)) == []
