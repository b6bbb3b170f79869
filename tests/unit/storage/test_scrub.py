"""The scrub: it finds what is wrong, repairs what it may, and takes nothing for wrong that is on its way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pacskit.storage import Problem, Removal, Scrub, Store
from pacskit.storage.blobs import MemoryStore
from pacskit.storage.filesystem import FileStore
from pacskit.storage.parallel import Pace
from tests.unit.storage.objects import instance, put
from tests.unit.storage.rows import check_counters
from tests.unit.storage.upkeep import contents

Engine = Callable[[], "str | None"]


def kinds(found: list[Problem]) -> list[tuple[str, str, bool]]:
    return sorted((one.kind, one.key.rpartition("/")[2], one.repaired) for one in found)


def spoil(store: Store) -> None:
    """Do to an archive what must not happen: one thing of each kind."""
    for number in range(12):
        put(store, instance(uid=f"1.2.1.1.{number}", series=f"1.2.1.{number % 3}", PatientID="1", Modality="CT"))
    keys = [one.key for one in sorted(store.index.instances(), key=lambda one: int(one.key.split(".")[-2]))]
    assert isinstance(store.blobs, FileStore)
    paths = [store.blobs.path(key) for key in keys]
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:-1])
    data = bytearray(paths[2].read_bytes())
    data[-1] ^= 1
    paths[2].write_bytes(data)
    data = bytearray(paths[3].read_bytes())
    data[130] ^= 1  # within the prefix, which no digest covers
    paths[3].write_bytes(data)
    paths[4].with_name("garbage.dcm").write_bytes(b"x" * 500)
    other = paths[4].with_name("other.dcm")
    other.write_bytes(paths[5].read_bytes())

    def forget(batch: object) -> None:
        batch.execute("DELETE FROM instance WHERE sop_instance_uid = ?", ("1.2.1.1.6",))  # type: ignore[attr-defined]

    store.index.run(forget)


def test_everything_is_found_and_repaired_as_far_as_may_be(tmp_path: Path, engine: Engine) -> None:
    with Store(tmp_path, index=engine()) as store:
        spoil(store)
        lost = [
            ("damaged", "1.2.1.1.1.dcm", False),
            ("damaged", "1.2.1.1.2.dcm", False),
            ("damaged", "1.2.1.1.3.dcm", False),
            ("missing", "1.2.1.1.0.dcm", False),
            ("orphan", "garbage.dcm", False),
            ("orphan", "other.dcm", False),
        ]
        with store.index.reader() as connection:
            (series,) = connection.execute("SELECT pk FROM series WHERE series_instance_uid = '1.2.1.0'").fetchone()
            (study,) = connection.execute("SELECT pk FROM study").fetchone()
            (patient,) = connection.execute("SELECT pk FROM patient").fetchone()
        rows = [f"{series}", f"{study}", f"{patient}"]
        found = list(Scrub(store))
        assert kinds(found) == sorted(
            [*lost, ("orphan", "1.2.1.1.6.dcm", False), *(("miscounted", one, False) for one in rows)]
        )
        assert next(one.reason for one in found if one.key.endswith("1.1.3.dcm")).startswith("DecodeError")
        assert len(list(Scrub(store, read=False))) == len(found) - 2

        repaired = Scrub(store, repair=True)
        left = [one for one in repaired if not one.repaired]
        assert kinds(left) == lost
        assert not repaired.report.clean
        assert repaired.report.instances == 11
        check_counters(store.index)
        assert store.counts().instances == 12
        assert kinds(list(Scrub(store))) == lost


def test_counters_of_what_is_empty_and_modalities(tmp_path: Path, engine: Engine) -> None:
    with Store(tmp_path, index=engine()) as store:
        put(store, instance(Modality="CT"))
        put(store, instance("1.2.2", "1.2.2.1", "1.2.2.1.1", PatientID="2", Modality="MR"))
        store.index.run(lambda batch: batch.execute("DELETE FROM instance WHERE sop_instance_uid = '1.2.1.1.1'"))
        store.index.run(lambda batch: batch.execute("UPDATE study SET modalities_in_study = 'US', series_count = 9"))
        store.index.run(lambda batch: batch.execute("DELETE FROM study_sop_class"))
        before = {(one.kind, one.key.partition("/")[0]) for one in store.verify()}
        assert before == {("orphan", "1.2.1"), *(("miscounted", one) for one in ("patient", "study", "series"))}
        list(Scrub(store, read=False, repair=True))
        assert list(store.verify(digest=True)) == []
        check_counters(store.index)
        assert store.counts().instances == 2


def test_a_scrub_that_was_broken_off_goes_on(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacskit.storage.scrub._PAGE", 2)
    monkeypatch.setattr("pacskit.storage.tasks._EVERY", 0.0)
    index = engine()
    with Store(tmp_path, index=index) as store:
        spoil(store)
        whole = list(Scrub(store, resume="restart"))
    for steps in range(1, len(whole)):
        with Store(tmp_path, index=index) as store:
            broken = Scrub(store, resume="restart", workers=1)
            first = [one for one, _ in zip(broken, range(steps), strict=False)]
            again = Scrub(store, resume="resume")
            rest = list(again)
            assert again.report.resumed
            assert again.report.complete
            # the page that it was in the middle of is looked at again
            assert {one.key for one in again.report.problems} == {one.key for one in whole}
            assert {one.key for one in [*first, *rest]} == {one.key for one in whole}
            assert not Scrub(store, resume="resume").report.resumed
            assert len(list(Scrub(store, resume="resume"))) == len(whole)


def test_what_is_on_its_way_is_no_orphan(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        other = Store(tmp_path)
        writer = other.blobs.create()
        writer.write(b"something")
        writer.finish("1.2/1.2.3.dcm")
        assert writer.place() == "1.2/1.2.3.dcm"
        assert list(store.verify()) == []
        other.blobs.close()  # its process has ended, and its lock is gone
        assert [one.key for one in store.verify()] == ["1.2/1.2.3.dcm"]
        other.close()


def test_beside_those_who_store_and_remove_nothing_is_wrong(tmp_path: Path, engine: Engine) -> None:
    index = engine()
    ended = threading.Event()

    def work(thread: int) -> None:
        with Store(tmp_path, index=index, duplicates="replace") as store:
            for number in range(60):
                uid = f"1.2.1.{thread}.{number % 20}"
                put(store, instance(series=f"1.2.1.{thread}", uid=uid, PatientID="1", InstanceNumber=number))
                if number % 7 == 3:
                    store.delete("IMAGE", instance_uid=f"1.2.1.{thread}.{number % 13}")

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(2)]
    with Store(tmp_path, index=index) as store:
        for thread in threads:
            thread.start()
        while not ended.is_set():
            ended.set() if not any(thread.is_alive() for thread in threads) else None
            assert list(Scrub(store, repair=True)) == []
        for thread in threads:
            thread.join()
        assert contents(store.index)


def test_no_faster_than_it_may(tmp_path: Path) -> None:
    pace = Pace(10_000)
    began = time.monotonic()
    for _ in range(5):
        pace.take(1000)
    assert time.monotonic() - began >= 0.4
    pace.stop()
    pace.take(1 << 40)


def test_objects_in_a_blob_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MemoryStore() as blobs, Store(tmp_path, blobs=blobs) as store:
        for number in range(5):
            put(store, instance(uid=f"1.2.1.1.{number}"))
        keys = sorted(one.key for one in store.index.instances())
        whole = blobs.get(keys[2]).read()
        blobs.delete(keys[0])
        blobs.put_stream(keys[1], whole, replace=True)
        blobs.put_stream(keys[2], whole[:-1] + b"x", replace=True)
        blobs.put_stream("1.2/garbage.dcm", b"garbage")
        blobs.put_stream("1.2/other.dcm", blobs.get(keys[4]).read())
        store.index.run(lambda batch: batch.execute("DELETE FROM instance WHERE blob_key = ?", (keys[3],)))
        rows = {"damaged", "missing", "miscounted"}
        assert {one.kind for one in Scrub(store)} == rows  # somebody may be about to write the others' rows
        monkeypatch.setattr("pacskit.storage.objects.remote.ON_ITS_WAY", -60.0)
        expected = [("damaged", keys[1]), ("damaged", keys[2]), ("missing", keys[0]), ("orphan", "1.2/garbage.dcm"),
                    ("orphan", "1.2/other.dcm")]  # fmt: skip
        found = [one for one in Scrub(store, repair=True) if not one.repaired]
        assert sorted((one.kind, one.key) for one in found) == expected
        assert store.counts().instances == 5
        assert sorted((one.kind, one.key) for one in Scrub(store)) == expected


def test_what_may_come_back_is_no_orphan(tmp_path: Path, engine: Engine) -> None:
    with Store(tmp_path, index=engine(), removal=Removal(grace=1000)) as store:
        for number in range(4):
            put(store, instance(uid=f"1.2.1.1.{number}"))
        store.delete("IMAGE", instance_uid="1.2.1.1.2")
        assert list(Scrub(store, repair=True)) == []
        assert store.counts().instances == 3
