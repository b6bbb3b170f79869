"""What was removed and may come back outlives a scrub, a rebuild, and a backup that is restored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pacskit.storage import Removal, Store
from pacskit.storage.backup import Backup
from pacskit.storage.blobs import MemoryStore
from pacskit.storage.rebuild import Rebuild
from pacskit.storage.restore import Restore
from pacskit.storage.scrub import Scrub
from tests.unit.storage.objects import instance, put

GRACE = Removal(grace=86400.0)


def fill(store: Store) -> None:
    """Ten instances of two studies; one study is deleted, one instance of the other replaced."""
    for number in range(10):
        study = f"1.2.{number % 2}"
        put(store, instance(study, f"{study}.1", f"{study}.1.{number}", PatientID="p"), duplicates="replace")
    put(store, instance("1.2.1", "1.2.1.1", "1.2.1.1.1", PatientID="p", PatientComments="new"), duplicates="replace")
    assert store.delete("STUDY", study_uid="1.2.0") == 5


def check(directory: Path) -> None:
    with Store(directory, removal=GRACE) as store:
        assert list(Scrub(store, read=True)) == []
        assert store.counts().instances == 5
        assert sorted(one.kind for one in store.removals.listed()) == ["deleted"] * 5 + ["replaced"]
        assert store.removals.restore("STUDY", {"StudyInstanceUID": ["1.2.0"]}) == 5
        assert list(store.verify(digest=True)) == []
        assert store.counts().instances == 10


def test_a_rebuild_keeps_them_removed_and_restorable(tmp_path: Path) -> None:
    with Store(tmp_path, removal=GRACE) as store:
        fill(store)
    report = Rebuild(tmp_path).run()
    assert (report.indexed, report.left_out) == (5, [])
    check(tmp_path)


def test_a_backup_has_them(tmp_path: Path, engine: Callable[[], str | None]) -> None:
    with Store(tmp_path / "archive", index=engine(), removal=GRACE) as store, MemoryStore() as target:
        fill(store)
        assert list(Scrub(store, read=True)) == []
        report = Backup(store, target).run()
        assert (report.objects, report.problems, report.removed_meanwhile) == (11, [], 0)
        assert Restore(target, tmp_path / "again").run().problems == []
    check(tmp_path / "again")


def test_what_is_restored_or_swept_while_a_backup_is_made(tmp_path: Path) -> None:
    """It is in the backup as it was, or not at all: never a row without its object."""
    with Store(tmp_path / "archive", removal=GRACE) as store, MemoryStore() as target:
        fill(store)
        done = False

        def change(count: int, total: int | None, size: int) -> None:
            nonlocal done
            if not done:
                done = True
                assert store.removals.restore("STUDY", {"StudyInstanceUID": ["1.2.0"]}) == 5
                store.index.removal = Removal()
                assert store.delete("SERIES", series_uid="1.2.1.1") == 5

        Backup(store, target, workers=1, progress=change).run()
        assert done
        assert Restore(target, tmp_path / "again").run().problems == []
    with Store(tmp_path / "again") as restored:
        assert list(restored.verify(digest=True)) == []
        assert list(Scrub(restored, read=True)) == []
