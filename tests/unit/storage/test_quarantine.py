"""What cannot be taken is kept, within bounds, with why; and where instances come from is on record."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import pacskit
from pacskit.core.errors import DecodeError, InstanceNotFound
from pacskit.encoding import encode, file_meta_bytes
from pacskit.storage import InvalidInstance, Store
from pacskit.storage.importing import Import
from pacskit.storage.index.sqlite import SQLiteIndex
from pacskit.storage.quarantine import Quarantine, quarantine_in
from tests.unit.storage.objects import CT, EXPLICIT, instance, put

BROKEN = encode(instance(), EXPLICIT)[:-3] + b"\x10\x00\x10\x00PN\xff\xff"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as made:
        made.quarantine = Quarantine(made, tmp_path / "quarantine", size=100_000, days=3)
        yield made


def kept(store: Store) -> Quarantine:
    assert store.quarantine is not None
    return store.quarantine


def send(store: Store, data: bytes, uid: str = "1.2.1.1.1") -> None:
    with store.begin(CT, uid, EXPLICIT, source_ae="MOD", receiving_ae="PACS", source_host="10.0.0.1") as ingest:
        ingest.write(data)
        ingest.commit()


def test_what_cannot_be_taken_is_kept(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DecodeError):
        send(store, BROKEN)
    with pytest.raises(InvalidInstance):
        send(store, encode(instance(study=""), EXPLICIT))
    first, second = kept(store).list()
    assert (first.sop_class_uid, first.sop_instance_uid, first.transfer_syntax_uid) == (CT, "1.2.1.1.1", EXPLICIT)
    assert first.source == "MOD\\PACS\\10.0.0.1"
    assert (second.kind, "StudyInstanceUID" in second.reason) == ("InvalidInstance", True)
    content = kept(store).path(first.id).read_bytes()
    assert content.endswith(BROKEN)
    assert (first.size, first.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert kept(store).export(first.id, tmp_path).read_bytes() == content
    assert store.counts().instances == 0
    assert not list(store.files.root.rglob("*.dcm"))
    assert [one.stored for one in kept(store).retry()] == [None, None]
    assert len(list(kept(store).list())) == 2
    assert kept(store).remove([first.id, "nothing"]) == 1
    assert [one.id for one in kept(store).list()] == [second.id]


def test_what_can_be_taken_later_is_stored(store: Store) -> None:
    """A record is mended by hand, or a newer release reads what this one could not."""
    with pytest.raises(DecodeError):
        send(store, BROKEN)
    (one,) = kept(store).list()
    path = kept(store).path(one.id)
    path.write_bytes(path.read_bytes()[: -len(BROKEN)] + encode(instance(), EXPLICIT))
    (done,) = kept(store).retry([one.id])
    assert done.stored is not None
    assert str(done.stored.outcome) == "stored"
    assert list(kept(store).list()) == []
    assert os.listdir(kept(store).directory) == []
    assert store.get("1.2.1.1.1") is not None


def test_the_quarantine_has_bounds(store: Store) -> None:
    quarantine = kept(store)
    for number in range(5):
        quarantine.keep(bytes([number]) * 30_000, ValueError("x"))
    entries = list(quarantine.list())
    assert [quarantine.path(one.id).read_bytes()[0] for one in entries] == [2, 3, 4]
    assert quarantine.keep(bytes(100_001), ValueError("x")) is None
    assert len(list(quarantine.list())) == 3
    record = quarantine.directory / f"{entries[0].id}.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"moment": "20200101000000.000000"}))
    orphan = quarantine.directory / "orphan.dcm"
    orphan.write_bytes(b"x")
    assert store.removals.sweep(dry_run=True).instances == 0
    store.removals.sweep()
    assert [one.id for one in quarantine.list()] == [one.id for one in entries[1:]]
    assert orphan.exists()  # it may be somebody's who has not written the record yet
    long_ago = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    os.utime(orphan, (long_ago, long_ago))
    quarantine.expire()
    assert not orphan.exists()


def test_names_lead_nowhere_else(store: Store) -> None:
    for name in ("../index", "/etc/passwd", "", "a.b"):
        with pytest.raises(InstanceNotFound):
            kept(store).path(name)
    kept(store).keep(b"x", ValueError("y"))
    (kept(store).directory / "spoiled.json").write_text("[")
    assert len(list(kept(store).list())) == 1


def test_a_quarantine_that_cannot_be_written_hides_no_error(store: Store, tmp_path: Path) -> None:
    (tmp_path / "quarantine").write_text("a file")
    with pytest.raises(DecodeError):
        send(store, BROKEN)


def test_files_are_taken_too(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(bytes(70_000))
    name = kept(store).keep(path, ValueError("from an import"))
    assert name is not None
    assert kept(store).path(name).read_bytes() == path.read_bytes()


def test_what_an_import_cannot_take_is_kept_once(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    whole = file_meta_bytes(CT, "1.2.1.1.1", EXPLICIT)
    (folder / "good.dcm").write_bytes(whole + encode(instance(uid="1.2.1.1.1"), EXPLICIT))
    (folder / "broken.dcm").write_bytes(whole + BROKEN)
    (folder / "nowhere.dcm").write_bytes(whole + encode(instance(study=""), EXPLICIT))
    (folder / "notes.txt").write_text("no DICOM")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for _ in range(2):
        report = Import(store, folder, restart=True).run()
        assert sorted(one.kind for one in report.skipped if one.kind != "duplicate") == ["damaged", "damaged", "other"]
        entries = {Path(one.source): one for one in kept(store).list()}
        assert sorted(path.name for path in entries) == ["broken.dcm", "nowhere.dcm"]
        assert len(list(kept(store).list())) == 2
        assert entries[folder / "nowhere.dcm"].kind == "InvalidInstance"
        for path, one in entries.items():
            assert kept(store).path(one.id).read_bytes() == before[path]
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "broken.dcm").write_bytes(whole + BROKEN[:-1])  # another one of that name
    Import(store, folder, restart=True).run()
    assert len(list(kept(store).list())) == 3
    with Store(tmp_path / "there", quarantine=quarantine_in(tmp_path / "there", size=100_000, days=3)) as there:
        assert len([one for one in Import(there, folder, how="in-place").run().skipped if one.kind == "damaged"]) == 2
        assert list(kept(there).list()) == []


def test_what_an_earlier_process_left_is_kept_where_it_does_not_parse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object that was cut off, and one that says something else by now; neither is dropped."""

    def fails(index: SQLiteIndex, new: Any, *, session: str) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(SQLiteIndex, "ingest_all", fails)
    with Store(tmp_path) as store:
        for number in (1, 2, 3):
            ingest = store.begin(CT, f"1.2.1.1.{number}", EXPLICIT)
            ingest.write(encode(instance(uid=f"1.2.1.1.{number}"), EXPLICIT))
            assert ingest.secure() is None
        store.catch_up()
    monkeypatch.undo()
    paths = sorted((tmp_path / "objects").rglob("*.dcm"))
    whole = [path.read_bytes() for path in paths]
    os.truncate(paths[0], len(whole[0]) - 5)
    paths[1].write_bytes(whole[1].replace(b"UI\x06\x001.2.1\0", b"UI\x06\x001\\2.1\0"))  # two studies
    for _ in range(2):
        with Store(tmp_path, quarantine=quarantine_in(tmp_path, size=100_000, days=3)) as store:
            assert store.counts().instances == 1
            entries = {one.source: one for one in kept(store).list()}
            assert {name: one.kind for name, one in entries.items()} == {
                "objects/1.2.1/1.2.1.1/1.2.1.1.1.dcm": "TruncatedError",
                "objects/1.2.1/1.2.1.1/1.2.1.1.2.dcm": "InvalidInstance",
            }
            assert len(list(kept(store).list())) == 2
            for name, one in entries.items():
                assert kept(store).path(one.id).read_bytes() == (tmp_path / name).read_bytes()
            assert sorted(one.kind for one in store.verify()) == ["orphan", "orphan"]
    for path, data in zip(paths, whole, strict=True):
        path.write_bytes(data)
    with Store(tmp_path) as store:
        assert store.counts().instances == 3
        assert list(store.verify(digest=True)) == []


def test_where_an_instance_came_from(tmp_path: Path) -> None:
    settings = pacskit.ArchiveSettings(ae="PACS", digest=True)
    with pacskit.Archive(tmp_path, settings=settings) as archive:
        address = archive.serve(0)
        data = encode(instance(PatientID="7"), EXPLICIT)
        with pacskit.connect(str(address), calling="MODALITY") as peer:
            (sent,) = peer.store([instance(PatientID="7")])
        assert sent.status == 0
        found = archive.provenance("1.2.1.1.1")
        assert (found.calling, found.called, found.host, found.state) == ("MODALITY", "PACS", "127.0.0.1", "stored")
        assert found.sha256 == hashlib.sha256(data).hexdigest()
        assert (found.length, found.received[:4]) == (len(data), f"{datetime.now(UTC):%Y}")
        made = archive.move_study("1.2.1", {"PatientID": "8"}, who="admin")
        assert archive.derive("1.2.1.1.2", "1.2.1.1.1", "de-identified", who="me", profile="basic", dates=True)
        assert not archive.derive("1.2.1.1.2", "1.2.1.1.1", "de-identified", who="you", profile="basic", dates=True)
        archive.delete("STUDY", "1.2.1")
        again = archive.provenance("1.2.1.1.1")
        assert (again.state, again.sha256, again.corrections) == ("deleted", found.sha256, (made,))
        (child,) = again.children
        assert (child.sop_instance_uid, child.kind, child.who) == ("1.2.1.1.2", "de-identified", "me")
        assert child.parameters == {"profile": "basic", "dates": True}
        archive.restore("STUDY", "1.2.1")
        assert archive.provenance("1.2.1.1.1").host == "127.0.0.1"
        with pytest.raises(InstanceNotFound):
            archive.provenance("9.9")
        put(archive._store, instance(uid="1.2.1.1.2"))
        assert archive.provenance("1.2.1.1.2").parents[0].parent_uid == "1.2.1.1.1"
