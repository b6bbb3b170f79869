"""A backup of an archive in use has all that it names, and what is restored from it is the archive."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.errors import StorageError
from pacskit.storage import Removal, Store
from pacskit.storage.backup import Backup
from pacskit.storage.backups import list_backups
from pacskit.storage.blobs import BlobDamaged, LocalStore, MemoryStore
from pacskit.storage.entities import WorklistItem
from pacskit.storage.index import open_index
from pacskit.storage.index.collection import Collection
from pacskit.storage.lifecycle.opening import Tier, open_tiers
from pacskit.storage.restore import Restore
from tests.unit.storage.objects import instance, put
from tests.unit.storage.rows import check_counters
from tests.unit.storage.upkeep import contents

Engine = Callable[[], "str | None"]


def fill(store: Store, numbers: range, note: str = "") -> None:
    for number in numbers:
        study = f"1.2.{number % 5}"
        made = instance(study, f"{study}.{number % 3}", f"{study}.1.{number}", PatientID=f"p{number % 5}",
                        PatientName="Müller^Jörg", SpecificCharacterSet="ISO_IR 192", PatientComments=note)  # fmt: skip
        put(store, made, duplicates="replace")


def objects(directory: Path) -> dict[str, str]:
    """The digest of each object below a directory, by its key."""
    root = directory / "objects"
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and ".incoming" not in path.parts
    }


@pytest.mark.parametrize("link", [True, False])
def test_what_is_restored_is_the_archive(tmp_path: Path, engine: Engine, link: bool) -> None:
    archive, place, again = tmp_path / "archive", tmp_path / "backups", tmp_path / "again"
    with Store(archive, index=engine(), duplicates="replace") as store, LocalStore(place) as target:
        fill(store, range(30))
        Collection(store.index, WorklistItem).put(WorklistItem("step", patient_id="p1"))
        first = Backup(store, target, link=link).run()
        assert (first.objects, first.linked, first.copied, first.problems) == (30, 30 * link, 30 * (not link), [])
        one, once = contents(store.index), objects(archive)

        # the same names for other objects, some removed, some new
        store.delete("STUDY", study_uid="1.2.1")
        fill(store, range(1, 30, 5), "another")
        store.delete("STUDY", study_uid="1.2.2")
        fill(store, range(30, 40))
        second = Backup(store, target, link=link).run()
        assert second.objects == 6 + 18 + 10
        assert second.linked + second.copied == 6 + 10
        other, twice = contents(store.index), objects(archive)
        assert [found.name for found in list_backups(target)] == sorted([first.name, second.name])

        for name, index, files in ((second.name, other, twice), (first.name, one, once)):
            where = again / name
            report = Restore(target, where, name=name).run()
            assert (report.problems, report.objects) == ([], len(files))
            assert objects(where) == files
            with Store(where) as restored:
                assert contents(restored.index) == index
                check_counters(restored.index)
                assert list(restored.verify(digest=True)) == []
                assert Collection(restored.index, WorklistItem).get("step") is not None
                fill(restored, range(50, 52))
        assert objects(archive) == twice


def test_what_goes_or_is_replaced_meanwhile(tmp_path: Path, engine: Engine) -> None:
    with Store(tmp_path / "archive", index=engine(), duplicates="replace") as store, MemoryStore() as target:
        fill(store, range(200))
        changed = False

        def change(done: int, total: int | None, size: int) -> None:
            nonlocal changed
            if not changed:
                changed = True
                for number in range(150, 160):
                    store.delete("IMAGE", instance_uid=f"1.2.{number % 5}.1.{number}")
                fill(store, range(160, 170), "replaced")
                for number in range(170, 175):  # under the same name, another object
                    store.delete("IMAGE", instance_uid=f"1.2.{number % 5}.1.{number}")
                fill(store, range(170, 175), "another")
                fill(store, range(300, 310))  # later than the backup

        report = Backup(store, target, workers=1, progress=change).run()
        assert changed
        assert (report.removed_meanwhile, report.replaced_meanwhile, report.problems) == (10, 15, [])
        now = {one["2 sop_instance_uid"]: one for one in contents(store.index)}
        Restore(target, tmp_path / "again").run()
        with Store(tmp_path / "again") as restored:
            assert list(restored.verify(digest=True)) == []
            check_counters(restored.index)
            kept = {one["2 sop_instance_uid"]: one for one in contents(restored.index)}
        wanted = {uid for uid in now if int(uid.rpartition(".")[2]) < 300}
        assert kept.keys() == wanted
        counters = {name for name in next(iter(now.values())) if name.endswith("_count")}
        for uid in wanted:
            assert kept[uid].items() - now[uid].items() <= {(name, kept[uid][name]) for name in counters}


def test_damage_is_found_in_the_archive_and_in_the_backup(tmp_path: Path) -> None:
    archive, place = tmp_path / "archive", tmp_path / "backups"
    with Store(archive) as store, LocalStore(place) as target:
        fill(store, range(6))
        paths = sorted((archive / "objects").rglob("*.dcm"))
        data = bytearray(paths[0].read_bytes())
        data[-1] ^= 1
        paths[0].write_bytes(data)
        paths[1].unlink()
        paths[2].write_bytes(paths[2].read_bytes()[:-3])
        report = Backup(store, target, link=False).run()
        assert sorted(one.kind for one in report.problems) == ["damaged", "damaged", "missing"]
        assert list_backups(target)[0].problems == 3

        copies = sorted((place / "objects").rglob("*.dcm"))
        assert len(copies) == 4
        data = bytearray(copies[1].read_bytes())
        data[20] ^= 1
        copies[1].write_bytes(data)
        copies[2].unlink()
        problems = Restore(target, tmp_path / "again").run().problems
        assert sorted(one.kind for one in problems) == ["damaged", "missing"]
        assert Backup(store, target, link=False).run().copied == 1  # what is not there any more comes again

        name = list_backups(target)[-1].name
        index = place / "backups" / name / "index.sqlite"
        index.write_bytes(index.read_bytes()[:-1] + b"x")
        with pytest.raises(BlobDamaged):
            Restore(target, tmp_path / "third").run()
        assert not (tmp_path / "third").exists()


class Enough(Exception):
    """It is broken off."""


def test_what_was_broken_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacskit.storage.backup._PAGE", 2)
    monkeypatch.setattr("pacskit.storage.restore._PAGE", 2)

    def breaks(done: int, total: int | None, size: int) -> None:
        if done > 4:
            raise Enough

    again = tmp_path / "again"
    with Store(tmp_path / "archive") as store, LocalStore(tmp_path / "backups") as target:
        fill(store, range(12))
        for link in (True, False):
            with pytest.raises(Enough):
                Backup(store, target, link=link, progress=breaks, workers=1).run()
            assert list_backups(target) == []
        with pytest.raises(StorageError, match="no backup"):
            Restore(target, again).run()
        again.rmdir() if again.exists() else None
        assert Backup(store, target, link=False).run().objects == 12
        with pytest.raises(Enough):
            Restore(target, again, progress=breaks, workers=1).run()
        assert not again.exists()
        half = sorted((tmp_path / "again.restoring" / "objects").rglob("*.dcm"))
        half[0].write_bytes(b"half")
        report = Restore(target, again).run()
        assert (report.objects, report.resumed) == (12, len(half) - 1)
        assert objects(again) == objects(tmp_path / "archive")
        with pytest.raises(StorageError, match="empty directory"):
            Restore(target, again).run()


def test_from_one_engine_to_the_other(tmp_path: Path, postgres_schema: Callable[[], str]) -> None:
    def restored(source: Any, name: str) -> str:
        url = postgres_schema()
        Restore(source, tmp_path / name, index=url).run()
        return url

    with Store(tmp_path / "archive") as store, MemoryStore() as target:
        fill(store, range(12))
        store.index.add_tag("PatientComments")
        Backup(store, target).run()
        expected = contents(store.index)
        url = restored(target, "one")
        assert not (tmp_path / "one" / "index.sqlite").exists()
        with Store(tmp_path / "one", index=url) as moved:
            assert contents(moved.index) == expected
            fill(moved, range(20, 25))  # rows go on behind those that came
            check_counters(moved.index)
            assert list(moved.verify(digest=True)) == []
            with MemoryStore() as back:
                Backup(moved, back).run()
                Restore(back, tmp_path / "two").run()
                with Store(tmp_path / "two") as last:
                    assert contents(last.index) == contents(moved.index)
                    check_counters(last.index)
        with pytest.raises(StorageError, match="not empty"), closing(open_index(url)):
            Restore(target, tmp_path / "three", index=url).run()


def test_from_a_blob_store_into_another(tmp_path: Path) -> None:
    place = tmp_path / "store"
    with MemoryStore() as blobs, MemoryStore() as target:
        with Store(tmp_path / "archive", blobs=blobs) as store:
            fill(store, range(12))
            report = Backup(store, target).run()
            assert (report.objects, report.copied, report.problems) == (12, 12, [])
            expected = contents(store.index)
        Restore(target, tmp_path / "again", blobs=str(place)).run()
        Restore(target, tmp_path / "files").run()  # of objects in a store, an archive in files
    for store in (Store(tmp_path / "again", blobs=str(place)), Store(tmp_path / "files")):
        with store:
            assert contents(store.index) == expected
            assert list(store.verify(digest=True)) == []


def test_what_may_come_back_can_be_had_back_from_a_backup(tmp_path: Path, engine: Engine) -> None:
    removal = Removal(grace=1000)
    with Store(tmp_path / "archive", index=engine(), removal=removal) as store, MemoryStore() as target:
        fill(store, range(10))
        store.delete("IMAGE", instance_uid="1.2.3.1.3")
        changed = False

        def change(done: int, total: int | None, size: int) -> None:
            nonlocal changed
            if not changed:
                changed = True
                store.delete("IMAGE", instance_uid="1.2.4.1.4")  # it was there when the backup began, and still is

        expected = contents(store.index)
        report = Backup(store, target, workers=1, progress=change).run()
        assert (report.objects, report.removed_meanwhile, report.problems) == (10, 0, [])
        Restore(target, tmp_path / "again").run()
    with Store(tmp_path / "again", removal=removal) as store:
        assert contents(store.index) == expected
        assert list(store.verify(digest=True)) == []
        assert store.removals.restore("IMAGE", {"SOPInstanceUID": ["1.2.3.1.3"]}) == 1
        assert store.counts().instances == 10
        assert list(store.verify(digest=True)) == []


def content(store: Store) -> dict[str, bytes]:
    """The data set of each instance."""
    found = {}
    for one in store.index.instances():
        with store.open(one, whole=True) as opened:
            found[one.sop_instance_uid] = opened.read()
    return found


def test_what_is_restored_of_tiers_is_all_in_one_place(tmp_path: Path, engine: Engine) -> None:
    def tiers(name: str) -> tuple[Tier, Tier]:
        hot, cold = (Tier(name=one, store=str(tmp_path / f"{name} {one}")) for one in ("hot", "cold"))
        return hot, cold

    removal = Removal(grace=1000)
    index = engine() or f"sqlite://{tmp_path}/index.sqlite"
    with (
        open_tiers(tiers("one"), index) as objects,
        Store(tmp_path / "archive", index=index, blobs=objects, removal=removal, duplicates="replace") as store,
        LocalStore(tmp_path / "backups") as target,
    ):
        fill(store, range(20))
        store.delete("STUDY", study_uid="1.2.4")
        keys = [one.key for one in objects.list()]
        assert len(keys) == 20
        for key in keys[::2]:
            objects.move(key, "cold")
        moved = False

        def move(done: int, total: int | None, size: int) -> None:
            nonlocal moved
            if not moved:
                moved = True
                objects.move(keys[-1], "cold")
                objects.move(keys[0], "hot")

        assert list(store.verify(digest=True)) == []
        expected = contents(store.index)
        data = content(store)
        report = Backup(store, target, workers=1, progress=move).run()
        assert (moved, report.objects, report.problems) == (True, 20, [])
        Restore(target, tmp_path / "files").run()  # without tiers
        hot, _ = tiers("again")
        again = engine() or f"sqlite://{tmp_path}/again.sqlite"
        if again.startswith("sqlite"):
            Restore(target, tmp_path / "again", blobs=hot.store).run()
            again = f"sqlite://{tmp_path}/again/index.sqlite"
        else:
            Restore(target, tmp_path / "again", blobs=hot.store, index=again).run()

    def check(restored: Store) -> None:
        assert contents(restored.index) == expected
        assert list(restored.verify(digest=True)) == []
        assert content(restored) == data
        assert restored.removals.restore("STUDY", {"StudyInstanceUID": ["1.2.4"]}) == 4
        assert list(restored.verify(digest=True)) == []

    with Store(tmp_path / "files", removal=removal) as restored:
        check(restored)
    with open_tiers(tiers("again"), again) as objects:
        assert {objects.tier(key) for key in keys} == {"hot"}
        with Store(tmp_path / "again", index=again, blobs=objects, removal=removal) as restored:
            check(restored)
            objects.move(keys[3], "cold")
            assert list(restored.verify(digest=True)) == []
