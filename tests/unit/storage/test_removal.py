"""What is deleted, replaced or rejected is invisible at once, comes back while it may, and goes when it is due."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.dataset import Dataset
from pacskit.core.errors import ConfigurationError, InstanceNotFound
from pacskit.encoding import decode, encode
from pacskit.encoding.keyobjects import KEY_OBJECT_SELECTION, REJECTIONS, Reference, key_object_selection
from pacskit.storage import InstanceRejected, Outcome, Removal, Store
from pacskit.storage.blobs.memory import MemoryStore
from pacskit.storage.coercion import coerced
from pacskit.storage.errors import UnderHold
from pacskit.storage.index.removing import Why
from pacskit.storage.lifecycle import Holds
from pacskit.storage.rebuild import Rebuild
from pacskit.storage.store import unique_keys
from tests.unit.storage.objects import CT, EXPLICIT, MR, found, instance, put
from tests.unit.storage.rows import check_counters

DAY = 86400.0
LATER = datetime.now(UTC) + timedelta(days=8)


@pytest.fixture
def store(tmp_path: Path, engine: Callable[[], str | None]) -> Iterator[Store]:
    with Store(tmp_path, index=engine(), removal=Removal(grace=7 * DAY, notes=True)) as made:
        yield made


def fill(store: Store) -> None:
    for study in ("1", "2"):
        for series in ("1", "2"):
            for number in range(2):
                uids = (f"1.2.{study}", f"1.2.{study}.{series}", f"1.2.{study}.{series}.{number}")
                name = f"Doe^{'Jane' if study == '1' else 'Jörg'}"
                put(store, instance(*uids, PatientID=f"p{study}", PatientName=name, Modality="CT",
                                    SpecificCharacterSet="ISO_IR 192", StudyDescription="Head"))  # fmt: skip


def answers(store: Store) -> dict[str, list[str]]:
    """What the archive says of everything."""
    return {
        keyword: found(store, level, keyword, model)
        for level, model, keyword in (
            ("PATIENT", "PATIENT_ROOT", "PatientID"),
            ("PATIENT", "PATIENT_ROOT", "PatientName"),
            ("PATIENT", "PATIENT_ROOT", "NumberOfPatientRelatedInstances"),
            ("STUDY", "STUDY_ROOT", "StudyInstanceUID"),
            ("STUDY", "STUDY_ROOT", "ModalitiesInStudy"),
            ("STUDY", "STUDY_ROOT", "SOPClassesInStudy"),
            ("STUDY", "STUDY_ROOT", "NumberOfStudyRelatedInstances"),
        )
    } | {"instances": sorted(one.sop_instance_uid for one in store.index.instances())}


@pytest.mark.parametrize(
    ("level", "keys", "count"),
    [
        ("PATIENT", {"patient_id": "p1"}, 4),
        ("STUDY", {"study_uid": ["1.2.1", "1.2.2"]}, 8),
        ("SERIES", {"study_uid": "1.2.1", "series_uid": "1.2.1.2"}, 2),
        ("IMAGE", {"instance_uid": "1.2.1.1.0"}, 1),
    ],
)
def test_what_is_deleted_comes_back_as_it_was(store: Store, level: str, keys: dict[str, Any], count: int) -> None:
    fill(store)
    before, kept = answers(store), {one: store.files.path(one).read_bytes() for one in store.blobs.iter_keys()}
    assert store.delete(level, **keys) == count
    during = answers(store)
    assert len(during["instances"]) == 8 - count
    check_counters(store.index)
    with pytest.raises(InstanceNotFound):
        store.open("1.2.1.1.0" if level != "SERIES" else "1.2.1.2.0")
    assert list(store.verify(digest=True)) == []
    listed = list(store.removals.listed())
    assert [one.kind for one in listed] == ["deleted"] * count
    assert {one.sop_instance_uid for one in listed} == set(before["instances"]) - set(during["instances"])
    assert store.removals.sweep().instances == 0
    assert store.removals.restore(level, unique_keys(**{"patient_id": (), "study_uid": (), "series_uid": (),
                                                       "instance_uid": ()} | keys)) == count  # fmt: skip
    assert answers(store) == before
    check_counters(store.index)
    assert {one: store.files.path(one).read_bytes() for one in store.blobs.iter_keys()} == kept
    assert list(store.removals.listed()) == []
    for uid in before["instances"]:
        with store.open(uid) as opened:
            assert uid.encode() in opened.read()


def test_the_sweep_removes_what_is_due(store: Store) -> None:
    fill(store)
    store.delete("STUDY", study_uid="1.2.1")
    size = sum(one.length for one in store.removals.listed())
    assert store.removals.sweep(LATER, dry_run=True) == store.removals.sweep(LATER)
    assert size > 0
    assert store.removals.sweep(LATER).instances == 0
    assert store.removals.restore("STUDY", {"StudyInstanceUID": ["1.2.1"]}) == 0
    assert len(list(store.blobs.iter_keys())) == 4
    assert list(store.verify(digest=True)) == []
    assert store.index.retired(store.blobs.session) == []


def test_a_version_that_was_replaced_comes_back_by_its_id(store: Store) -> None:
    put(store, instance(StudyDescription="first"))
    assert put(store, instance(StudyDescription="second"), duplicates="replace").outcome is Outcome.REPLACED
    (old,) = store.removals.listed()
    assert old.kind == "replaced"
    assert store.removals.restore("IMAGE", {"SOPInstanceUID": [old.sop_instance_uid]}) == 0
    assert store.removals.restore("ALL", None, old.id) == 1
    with store.open("1.2.1.1.1") as opened:
        assert b"first" in opened.read()
    (new,) = store.removals.listed()
    assert (new.kind, new.id != old.id) == ("replaced", True)
    assert store.counts().instances == 1
    check_counters(store.index)
    assert store.removals.sweep(LATER).instances == 1
    assert list(store.verify()) == []


def test_what_was_deleted_may_come_again(store: Store) -> None:
    first = put(store, instance(StudyDescription="first")).instance
    store.delete("IMAGE", instance_uid="1.2.1.1.1")
    second = put(store, instance(StudyDescription="second"))
    assert first is not None
    assert second.instance is not None
    assert second.outcome is Outcome.STORED
    assert second.instance.key != first.key
    assert store.removals.restore("IMAGE", {"SOPInstanceUID": ["1.2.1.1.1"]}) == 0  # the newer one stays
    assert store.removals.sweep(LATER).instances == 1
    with store.open("1.2.1.1.1") as opened:
        assert b"second" in opened.read()
    assert list(store.verify()) == []


def test_with_no_grace_it_goes_at_once(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        fill(store)
        store.delete("PATIENT", patient_id="p1")
        assert list(store.removals.listed()) == []
        assert len(list(store.blobs.iter_keys())) == 4


def test_restoring_needs_a_name(store: Store) -> None:
    with pytest.raises(ConfigurationError):
        store.removals.restore()


def test_two_stores_delete_and_restore(tmp_path: Path, engine: Callable[[], str | None]) -> None:
    index, removal = engine(), Removal(grace=DAY)
    with Store(tmp_path, index=index, removal=removal) as one, Store(tmp_path, index=index, removal=removal) as two:
        fill(one)
        assert two.delete("STUDY", study_uid="1.2.1") == 4
        put(one, instance("1.2.1", "1.2.1.1", "1.2.1.1.9", PatientID="p1"))  # its cache names a series that is gone
        assert one.removals.restore("STUDY", {"StudyInstanceUID": ["1.2.1"]}) == 4
        assert found(two, "STUDY", "NumberOfStudyRelatedInstances", StudyInstanceUID="1.2.1") == ["5"]
        check_counters(two.index)


def test_what_a_hold_is_on_stays(store: Store) -> None:
    fill(store)
    holds = Holds(store.index)
    store.delete("STUDY", study_uid="1.2.1")
    holds.put(patient_id="p1")
    holds.put(study_uid="1.2.2")
    with pytest.raises(UnderHold):
        store.delete("IMAGE", instance_uid="1.2.2.1.0")
    put(store, note(["1.2.2.1.0"], "113039", study="1.2.2"))  # hides it, and that is all
    put(store, instance("1.2.2", "1.2.2.1", "1.2.2.1.1", PatientID="p2"), duplicates="replace")
    assert [one.kind for one in store.removals.listed()] == ["deleted"] * 4 + ["rejected", "replaced"]
    assert store.removals.sweep(LATER, dry_run=True).instances == 0
    assert store.removals.sweep(LATER).instances == 0
    holds.release(patient_id="p1")
    assert store.removals.sweep(LATER).instances == 4
    holds.release(study_uid="1.2.2")
    assert store.removals.sweep(LATER).instances == 2


def test_in_a_blob_store(tmp_path: Path, engine: Callable[[], str | None]) -> None:
    with Store(tmp_path, index=engine(), blobs=MemoryStore(), removal=Removal(grace=DAY)) as store:
        fill(store)
        before = answers(store)
        store.delete("STUDY", study_uid="1.2.1")
        assert store.removals.restore("STUDY", {"StudyInstanceUID": ["1.2.1"]}) == 4
        assert answers(store) == before
        store.corrections.merge("p1", "p2")
        for whole in (True, False):
            with coerced(store, store.open("1.2.1.1.0", whole=whole)) as opened:
                assert decode(opened.read(), EXPLICIT).PatientID == "p2"
        store.delete("STUDY", study_uid="1.2.1")
        assert store.removals.sweep(LATER).instances == 4
        assert len(list(store.blobs.iter_keys())) == 4
        # a process that ended after the transaction left its tombstones: any other one removes what they name
        keys = [one.key for one in store.locate("STUDY", study_uid="1.2.2")][:2]
        with store.index.reader() as connection:
            rows = connection.execute("SELECT pk FROM instance ORDER BY pk LIMIT 2").fetchall()

        def long_ago(batch: Any) -> None:
            batch.removal = Removal()
            batch.take_away([pk for (pk,) in rows], "dead", Why("deleted"))
            batch.execute("UPDATE retired SET moment = '20200101'")

        store.index.run_alone(long_ago)
        assert store.removals.sweep().instances == 0
        assert set(store.blobs.iter_keys()).isdisjoint(keys)
        assert store.index.retired("dead") == []
        assert list(store.verify()) == []


def test_an_index_that_is_made_anew_knows_it_all(tmp_path: Path) -> None:
    removal = Removal(grace=DAY, notes=True)
    with Store(tmp_path, removal=removal) as store:
        fill(store)
        put(store, note(["1.2.1.1.0"], "113037"))
        store.delete("IMAGE", instance_uid="1.2.1.1.1")
        made = store.corrections.merge("p2", "p1", who="admin")
        before, removed = answers(store), list(store.removals.listed())
    Rebuild(tmp_path).run()
    with Store(tmp_path, removal=removal) as store:
        assert answers(store) == before
        assert list(store.removals.listed()) == removed
        check_counters(store.index)
        assert store.corrections.undo(made).studies == ("1.2.2",)
        assert found(store, "PATIENT", "PatientID", "PATIENT_ROOT") == ["p1", "p2"]
    (tmp_path / "index.sqlite").unlink()
    Rebuild(tmp_path).run()  # of the objects alone: what notes say they still say
    with Store(tmp_path, removal=removal) as store:
        assert store.get("1.2.1.1.0") is None
        assert store.get("1.2.1.1.1") is not None
        assert store.removals.restore("IMAGE", {"SOPInstanceUID": ["1.2.1.1.0"]}) == 1
        check_counters(store.index)


# crashes

_CHILD = """
import os, sys
from datetime import UTC, datetime, timedelta
from pacskit.storage import Removal, Store
where, step, index = sys.argv[1:]
store = Store(where, index=index or None, removal=Removal(grace=60.0))
def end(*_): os._exit(9)
if step == "before the transaction": store.index.run_alone = end
elif step == "before the first file": store.blobs.remove = end
elif step == "between files":
    remove = store.blobs.remove
    def some(keys): remove(list(keys)[:2]); end()
    store.blobs.remove = some
elif step == "before the tombstones go": store.index.forget_retired = end
store.removals.sweep(datetime.now(UTC) + timedelta(hours=1))
end()
"""


@pytest.mark.parametrize(
    "step", ["before the transaction", "before the first file", "between files", "before the tombstones go", "after"]
)
def test_a_sweep_that_is_killed_is_made_up_for(tmp_path: Path, engine: Callable[[], str | None], step: str) -> None:
    index, removal = engine(), Removal(grace=60.0)
    with Store(tmp_path, index=index, removal=removal) as store:
        fill(store)
        store.delete("STUDY", study_uid="1.2.1")
    child = subprocess.run([sys.executable, "-c", _CHILD, str(tmp_path), step, index or ""], check=False, timeout=120)
    assert child.returncode == 9
    with Store(tmp_path, index=index, removal=removal) as store:
        store.removals.sweep(LATER)
        assert len(list(store.blobs.iter_keys())) == 4
        assert list(store.verify(digest=True)) == []
        assert store.counts().instances == 4
        with store.index.reader() as connection:
            assert connection.execute("SELECT count(*) FROM retired").fetchone()[0] == 0


# rejection notes


def note(uids: list[str], code: str = "113001", study: str = "1.2.1", scheme: str = "DCM") -> Dataset:
    named = [Reference(study, one.rpartition(".")[0], CT, one) for one in uids]
    whose = instance(study, PatientID="p1", PatientName="Doe^Jane")
    return key_object_selection(whose, named, (code, scheme, REJECTIONS.get(code, "Of Interest")))


@pytest.mark.parametrize("code", list(REJECTIONS))
def test_what_a_note_rejects_is_hidden(store: Store, code: str) -> None:
    fill(store)
    kept = note(["1.2.1.1.0", "1.2.1.2.1"], code)
    assert put(store, kept).outcome is Outcome.STORED
    left = [one.sop_instance_uid for one in store.locate("STUDY", study_uid="1.2.1")]
    assert sorted(left) == sorted(["1.2.1.1.1", "1.2.1.2.0", kept.SOPInstanceUID])
    check_counters(store.index)
    listed = list(store.removals.listed())
    assert {(one.kind, one.who) for one in listed} == {("rejected", kept.SOPInstanceUID)}
    assert [one.due != "" for one in listed] == [code == "113039"] * 2
    assert store.removals.sweep(LATER).instances == (2 if code == "113039" else 0)
    assert list(store.verify()) == []


@pytest.mark.parametrize(
    ("code", "refused"), [("113001", False), ("113037", True), ("113038", True), ("113039", False)]
)
def test_what_is_rejected_comes_again(store: Store, code: str, refused: bool) -> None:
    fill(store)
    put(store, note(["1.2.1.1.0", "7.7"], code))
    for again in (instance("1.2.1", "1.2.1.1", "1.2.1.1.0"), instance("7", "7.1", "7.7")):  # the second never was here
        if refused:
            with pytest.raises(InstanceRejected):
                put(store, again)
        else:
            assert put(store, again).outcome is Outcome.STORED
            assert store.get(again.SOPInstanceUID) is not None


def test_a_note_of_another_process_hides_what_had_been_acknowledged(
    tmp_path: Path, engine: Callable[[], str | None]
) -> None:
    index, removal = engine(), Removal(grace=DAY, notes=True)
    with Store(tmp_path, index=index, removal=removal) as one, Store(tmp_path, index=index, removal=removal) as two:
        late = instance("1.2.1", "1.2.1.1", "1.2.1.1.0")
        fill(two)
        two.delete("IMAGE", instance_uid="1.2.1.1.0")
        with one.begin(CT, "1.2.1.1.0", EXPLICIT) as ingest:  # begun before, ends after
            ingest.write(encode(late, EXPLICIT))
            put(two, note(["1.2.1.1.0"], "113037"))
            ingest.commit()
        assert one.get("1.2.1.1.0") is None
        assert {each.kind for each in two.removals.listed()} == {"deleted", "rejected"}


def test_notes_may_be_ignored(tmp_path: Path) -> None:
    with Store(tmp_path, removal=Removal(grace=DAY)) as store:
        fill(store)
        put(store, note(["1.2.1.1.0"], "113037"))
        assert store.get("1.2.1.1.0") is not None
        put(store, instance("1.2.1", "1.2.1.1", "1.2.1.1.7"))
        assert store.counts().instances == 10


def test_other_documents_reject_nothing(store: Store) -> None:
    fill(store)
    put(store, note(["1.2.1.1.0"], "113000"))
    put(store, note(["1.2.1.1.0"], "113001", scheme="99X"))
    spoiled = note(["1.2.1.1.0"])
    spoiled.CurrentRequestedProcedureEvidenceSequence = []
    put(store, spoiled)
    assert store.get("1.2.1.1.0") is not None


def test_restoring_revokes_a_rejection(store: Store) -> None:
    fill(store)
    put(store, note(["1.2.1.1.0"], "113037"))
    assert store.removals.restore("IMAGE", {"SOPInstanceUID": ["1.2.1.1.0"]}) == 1
    assert store.get("1.2.1.1.0") is not None
    store.delete("IMAGE", instance_uid="1.2.1.1.0")
    assert put(store, instance("1.2.1", "1.2.1.1", "1.2.1.1.0")).outcome is Outcome.STORED


def test_hidden_objects_may_have_an_end(tmp_path: Path) -> None:
    with Store(tmp_path, removal=Removal(grace=DAY, notes=True, hidden=30 * DAY)) as store:
        fill(store)
        put(store, note(["1.2.1.1.0"], "113037"))
        assert store.removals.sweep(LATER).instances == 0
        assert store.removals.sweep(LATER + timedelta(days=30)).instances == 1


def test_a_note_of_ours_is_one_that_others_read(store: Store, tmp_path: Path) -> None:
    fill(store)
    put(store, instance("1.2.2", "1.2.2.3", "1.2.2.3.1", SOPClassUID=MR, PatientID="p2", PatientName="Doe^Jörg",
                        SpecificCharacterSet="ISO_IR 100"))  # fmt: skip
    located = [*store.locate("STUDY", study_uid="1.2.1"), *store.locate("SERIES", series_uid="1.2.2.3")]
    made = store.removals.reject(located, "worklist", "falscher Auftrag: Größe")
    assert [one.sop_instance_uid for one in store.index.instances() if one.study_instance_uid == "1.2.1"] == [
        one.instance.sop_instance_uid for one in made if one.instance and one.instance.study_instance_uid == "1.2.1"
    ]
    pydicom = pytest.importorskip("pydicom")
    for one in made:
        assert one.instance is not None
        path = store.files.path(one.instance.key)
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        assert "Error" not in done.stderr + done.stdout, done.stderr
        read = subprocess.run(["dsrdump", str(path)], capture_output=True, text=True, check=False)
        assert "Incorrect Modality Worklist Entry" in read.stdout
        theirs = pydicom.dcmread(path)
        assert theirs.SOPClassUID == KEY_OBJECT_SELECTION
        assert theirs.ConceptNameCodeSequence[0].CodeValue == "113038"
        assert theirs.ContentSequence[0].TextValue == "falscher Auftrag: Größe"
        named = [
            str(item.ReferencedSOPInstanceUID)
            for series in theirs.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
            for item in series.ReferencedSOPSequence
        ]
        assert sorted(named) == sorted(
            each.sop_instance_uid for each in located if each.study_instance_uid == theirs.StudyInstanceUID
        )
        if theirs.StudyInstanceUID == "1.2.2":
            assert theirs.PatientName == "Doe^Jörg"
    with pytest.raises(InstanceNotFound):
        store.removals.reject([], "quality")
    with pytest.raises(ConfigurationError):
        store.removals.reject(located, "113000")
