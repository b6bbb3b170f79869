"""Folders that are taken into an archive: nothing is lost, nothing is taken twice, and what is not DICOM is named."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from pacskit.core.errors import ConfigurationError
from pacskit.encoding import dcmread, dcmwrite
from pacskit.storage import Store
from pacskit.storage.backup import Backup
from pacskit.storage.blobs import LocalStore, MemoryStore
from pacskit.storage.importing import How, Import
from pacskit.storage.rebuild import Rebuild
from tests.interop.files import wheel_file
from tests.unit.storage.objects import instance
from tests.unit.storage.rows import check_counters

HOWS: tuple[How, ...] = get_args(How)


def write(path: Path, uid: str, number: int = 1) -> bytes:
    """Write a file as others would, and return its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = instance("1.2.5", "1.2.5.1", uid, PatientID="1", InstanceNumber=number)
    made.add_new(0x7FE00010, "OB", bytes(300))
    dcmwrite(path, made, transfer_syntax="1.2.840.10008.1.2.1")
    return path.read_bytes()


def compressed(data: bytes) -> bytes:
    """What Orthanc makes of an attachment with StorageCompression."""
    return len(data).to_bytes(8, "little") + zlib.compress(data, 1)


def folder(root: Path) -> Path:
    """A folder with one of each."""
    for number in range(20):
        write(root / f"a{number % 3}" / f"no suffix {number}", f"1.2.5.1.{number}")
    write(root / "b" / "again.dcm", "1.2.5.1.3", 99)
    (root / "b" / "zipped").write_bytes(compressed(write(root / "b" / "other.dcm", "1.2.5.1.100")))
    (root / "b" / "other.dcm").unlink()
    (root / "b" / "metadata").write_bytes(compressed(b'{"0008,0005": {}}' * 20))
    (root / "b" / "metadata.json").write_text('{"0008,0005": {}}')
    (root / "b" / "empty").write_bytes(b"")
    bare = write(root / "b" / "bare", "1.2.5.1.101")[132:]
    (root / "b" / "bare").write_bytes(bare)
    cut = write(root / "b" / "cut.dcm", "1.2.5.1.102")
    (root / "b" / "cut.dcm").write_bytes(cut[:-10])
    (root / "DICOMDIR").write_bytes(Path(wheel_file("DICOMDIR")).read_bytes())
    (root / "b" / "broken.dcm").write_bytes(bytes(128) + b"DICM" + b"\xff" * 300)
    return root


def state(root: Path) -> dict[str, tuple[str, int]]:
    return {
        path.relative_to(root).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("how", HOWS)
def test_each_file_is_taken_or_named(tmp_path: Path, how: How) -> None:
    source = folder(tmp_path / "source")
    before = state(source)
    with Store(tmp_path / "archive") as store:
        report = Import(store, source, how=how).run()
        kinds = Counter(one.kind for one in report.skipped)
        assert report.files == 29
        assert report.stored == 22
        assert kinds == {"other": 3, "damaged": 2, "directory": 1, "duplicate": 1, "salvaged": 1,
                         **({} if how == "copy" else {"copied": 1})}  # fmt: skip
        assert {Path(one.path).name for one in report.skipped if one.kind == "damaged"} == {"cut.dcm", "broken.dcm"}
        assert store.counts().instances == 22
        check_counters(store.index)
        assert list(store.verify(digest=True)) == []
        with store.open("1.2.5.1.7") as opened:
            original = dcmread(source / "a1" / "no suffix 7")
            assert opened.instance.sha256 == hashlib.sha256(opened.read()).digest()
            assert dcmread(store.path(opened.instance)) == original
        links = [path for path in (tmp_path / "archive" / "objects").rglob("*") if path.is_symlink()]
        assert len(links) == (20 if how == "in-place" else 0)
        linked = [path for path in source.rglob("*") if path.is_file() and path.stat().st_nlink > 1]
        assert len(linked) == (20 if how == "link" else 0)

        again = Import(store, source, how=how).run()
        assert (again.stored, again.duplicates) == (0, 23)
        assert list(store.verify(digest=True)) == []
        with LocalStore(tmp_path / "backups") as target:
            assert Backup(store, target).run().problems == []
    Rebuild(tmp_path / "archive").run()
    with Store(tmp_path / "archive") as store:
        assert store.counts().instances == 22
        store.delete("STUDY", study_uid="1.2.5")
        assert list(store.verify()) == []
    assert [path for path in (tmp_path / "archive" / "objects").rglob("*") if not path.is_dir()] == []
    assert state(source) == before  # whoever owns the files keeps them


@pytest.mark.parametrize("how", HOWS)
def test_a_duplicate_takes_the_place_where_it_may(tmp_path: Path, how: How) -> None:
    write(tmp_path / "one" / "a", "1.2.5.1.1", 1)
    write(tmp_path / "two" / "a", "1.2.5.1.1", 2)
    with Store(tmp_path / "archive") as store:
        assert Import(store, tmp_path / "one", how=how).run().stored == 1
        report = Import(store, tmp_path / "two", how=how, duplicates="replace").run()
        assert report.skipped == []
        found = store.get("1.2.5.1.1")
        assert found is not None
        assert dcmread(store.path(found)).InstanceNumber == 2
        assert list(store.verify(digest=True)) == []
        assert store.counts().instances == 1


class Enough(Exception):
    """It is broken off."""


@pytest.mark.parametrize("how", HOWS)
def test_it_goes_on_where_it_was_broken_off(tmp_path: Path, how: How, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacskit.storage.importing._PIECE", 2)
    monkeypatch.setattr("pacskit.storage.tasks._EVERY", 0.0)
    source = folder(tmp_path / "source")

    def breaks(done: int, total: int | None, size: int) -> None:
        if done > 8:
            raise Enough

    with Store(tmp_path / "archive") as store:
        with pytest.raises(Enough):
            Import(store, source, how=how, progress=breaks).run()
        report = Import(store, source, how=how).run()
        assert report.resumed
        assert report.files == 29
        assert report.stored + report.duplicates < 22  # some were not offered again; how many, their threads decide
        assert store.counts().instances == 22
        assert list(store.verify(digest=True)) == []


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with MemoryStore() as blobs, Store(tmp_path / "archive", blobs=blobs) as store:
        write(tmp_path / "one" / "a", "1.2.5.1.1")
        for how in ("link", "in-place"):
            with pytest.raises(ConfigurationError):
                Import(store, tmp_path / "one", how=how)
        assert Import(store, tmp_path / "one").run().stored == 1
        with pytest.raises(ConfigurationError):
            Import(store, tmp_path / "nowhere")
        assert list(store.verify(digest=True)) == []


def test_a_file_that_went_or_changed_is_found(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for number in range(3):
        write(source / f"{number}", f"1.2.5.1.{number}")
    with Store(tmp_path / "archive") as store:
        Import(store, source, how="in-place").run()
        (source / "0").unlink()
        data = bytearray((source / "1").read_bytes())
        data[-1] ^= 1
        (source / "1").write_bytes(data)
        assert sorted(one.kind for one in store.verify(digest=True)) == ["damaged", "missing"]
