"""What was removed and may come back outlives a scrub, a rebuild, and a backup that is restored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

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


def test_a_scrub_finds_what_of_them_is_missing_or_damaged(tmp_path: Path, engine: Callable[[], str | None]) -> None:
    with Store(tmp_path, index=engine(), removal=GRACE) as store:
        fill(store)
        with store.index.reader() as connection:
            rows = connection.execute("SELECT blob_key, kind, sop_instance_uid FROM removed ORDER BY pk").fetchall()
        keys = [key for key, kind, _ in rows if kind == "deleted"]
        (replaced,) = (key for key, kind, _ in rows if kind == "replaced")
        uids = {key: uid for key, _, uid in rows}
        paths = [store.files.path(key) for key in keys]
        paths[0].unlink()
        paths[1].write_bytes(paths[1].read_bytes()[:-2])
        for path in (paths[2], store.files.path(replaced)):
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(data)
        quick = {(keys[0], "missing"), (keys[1], "damaged")}
        for read, expected in ((False, quick), (True, {*quick, (keys[2], "damaged"), (replaced, "damaged")})):
            scrub = Scrub(store, read=read)
            problems = list(scrub)
            assert {(one.key, one.kind) for one in problems} == expected
            assert len(problems) == len(expected)
            assert all(one.reason.startswith("it was removed and may come back: ") for one in problems)
            assert all(one.sop_instance_uid == uids[one.key] for one in problems)
            assert (scrub.report.instances, scrub.report.clean) == (11, False)


def test_what_comes_back_or_goes_for_good_during_a_scrub_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path, removal=GRACE) as store:
        fill(store)
        with store.index.reader() as connection:
            removed = {key for (key,) in connection.execute("SELECT blob_key FROM removed").fetchall()}
        original = store.blobs.size
        done: list[str] = []

        def size(key: str) -> int | None:
            if key in removed and not done:
                done.append(key)
                assert store.removals.restore("IMAGE", {"SOPInstanceUID": ["1.2.0.1.2"]}) == 1
                assert store.removals.sweep(datetime.now(UTC) + timedelta(days=2)).instances == 5
            return original(key)

        monkeypatch.setattr(store.blobs, "size", size)
        assert list(Scrub(store, read=False)) == []
        assert done
        assert store.counts().instances == 6
        assert list(Scrub(store)) == []


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
