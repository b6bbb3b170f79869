"""Storing, finding again, replacing and deleting."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, InstanceNotFound, StorageError
from pacskit.encoding import dcmread, encode
from pacskit.storage import DuplicatePolicy, Ingest, InvalidIdentifier, InvalidInstance, Outcome, Store
from tests.unit.storage.objects import CT, EXPLICIT, MR, found, instance, put

DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
SYNTAXES = ["1.2.840.10008.1.2", EXPLICIT, "1.2.840.10008.1.2.2", DEFLATED]


@pytest.fixture
def store(tmp_path: Path, engine: Callable[[], str | None]) -> Iterator[Store]:
    with Store(tmp_path, index=engine()) as made:
        yield made
        assert list(made.verify(digest=True)) == []


def staged(store: Store) -> list[str]:
    """The objects in staging; files made ahead are empty."""
    return [path.name for path in store.files.own.iterdir() if path.stat().st_size]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("commit", ["os", "group", "object"])
def test_a_data_set_is_kept_as_it_came(tmp_path: Path, syntax: str, commit: str) -> None:
    dataset = instance(PatientID="7", PatientName="Doe^Jane", InstanceNumber=3)
    data = encode(dataset, syntax)
    with Store(tmp_path, commit=commit) as store:  # type: ignore[arg-type]
        with store.begin(CT, dataset.SOPInstanceUID, syntax, source_ae="MODALITY") as ingest:
            for at in range(0, len(data), 7):
                ingest.write(memoryview(data)[at : at + 7])
            stored = ingest.commit().instance
        assert stored is not None
        assert stored == store.get(dataset.SOPInstanceUID)
        assert stored.sha256 == hashlib.sha256(data).digest()
        with store.open(stored) as opened:
            assert opened.instance == stored
            assert opened.read() == data
        assert len(data) == stored.length
        assert not staged(store)
        read = pydicom.dcmread(store.path(stored))  # the judge of the head is not ours
        assert str(read.file_meta.TransferSyntaxUID) == syntax
        assert read.file_meta.MediaStorageSOPClassUID == CT
        assert read.file_meta.MediaStorageSOPInstanceUID == str(dataset.SOPInstanceUID)
        assert read.file_meta.SourceApplicationEntityTitle == "MODALITY"
        assert read.PatientName == "Doe^Jane"
        assert store.path(stored).relative_to(tmp_path).as_posix() == "objects/1.2.1/1.2.1.1/1.2.1.1.1.dcm"


def test_a_large_object_goes_through_a_file(tmp_path: Path) -> None:
    dataset = instance(PatientID="7")
    dataset.add_new(0x7FE00010, "OW", bytes(3 << 20))
    data = encode(dataset, EXPLICIT)
    with Store(tmp_path) as store:
        store.files.spill = 1 << 16
        ingest = store.begin(CT, dataset.SOPInstanceUID, EXPLICIT)
        for at in range(0, len(data), 100_000):
            ingest.write(data[at : at + 100_000])
        assert len(staged(store)) == 1
        stored = ingest.commit().instance
        assert stored is not None
        with store.open(stored) as opened:
            assert opened.read() == data
        assert not staged(store)
        assert store.counts().instances == 1


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pydicoms_files_come_back_bit_exact(store: Store, pydicom_files: tuple[Path, ...]) -> None:
    kept = 0
    for path in pydicom_files:
        try:
            read = pydicom.dcmread(path, stop_before_pixels=True)
            syntax = str(read.file_meta.TransferSyntaxUID)
            uids = str(read.SOPClassUID), str(read.SOPInstanceUID)
            complete = read.StudyInstanceUID and read.SeriesInstanceUID
        except (AttributeError, pydicom.errors.InvalidDicomError):
            continue
        raw = path.read_bytes()
        if raw[128:132] != b"DICM" or not complete or store.get(uids[1]):
            continue
        length = 132 + 12 + int.from_bytes(raw[140:144], "little")
        ingest = store.begin(*uids, syntax)
        ingest.write(raw[length:])
        try:
            stored = ingest.commit().instance
        except DecodeError:
            continue  # a file made to be broken
        assert stored is not None
        with store.open(stored) as opened:
            assert opened.read() == raw[length:], path.name
        kept += 1
    assert kept > 30


def test_policies_for_duplicates(store: Store) -> None:
    first = put(store, instance(StudyDescription="first"))
    assert put(store, instance(StudyDescription="x"), duplicates="ignore").outcome is Outcome.IGNORED
    assert put(store, instance(StudyDescription="x"), duplicates="reject").outcome is Outcome.REJECTED
    assert store.get("1.2.1.1.1") == first.instance
    second = put(store, instance(StudyDescription="second", SOPClassUID=MR), duplicates="replace")
    assert second.outcome is Outcome.REPLACED
    assert second.instance is not None
    assert first.instance is not None
    assert second.instance.key != first.instance.key
    assert not store.path(first.instance).exists()
    assert store.counts().instances == 1
    assert found(store, "STUDY", "SOPClassesInStudy") == [MR]
    assert found(store, "STUDY", "NumberOfStudyRelatedInstances") == ["1"]
    with store.open(first.instance) as opened:  # located before it was replaced
        assert opened.instance == second.instance
        assert b"second" in opened.read()
        store.delete("IMAGE", instance_uid="1.2.1.1.1")
        assert b"second" in opened.read()
    with pytest.raises(InstanceNotFound):
        store.open(first.instance)


def test_a_replacement_may_belong_elsewhere(store: Store) -> None:
    put(store, instance(PatientID="a", Modality="CT"))
    put(store, instance(study="1.2.2", series="1.2.2.1", PatientID="b", Modality="MR"), duplicates="replace")
    assert found(store, "STUDY", "StudyInstanceUID") == ["1.2.2"]
    assert found(store, "PATIENT", "PatientID", "PATIENT_ROOT") == ["b"]
    counts = store.counts()
    assert (counts.patients, counts.studies, counts.series, counts.instances) == (1, 1, 1, 1)


@pytest.mark.parametrize("policy", list(DuplicatePolicy))
def test_eight_threads_store_the_same_instances(store: Store, policy: DuplicatePolicy) -> None:
    numbers = range(25)
    outcomes: list[Outcome] = []
    ready = threading.Barrier(8)

    def work() -> None:
        for number in numbers:
            ready.wait()
            outcomes.append(put(store, instance(uid=f"1.2.1.1.{number}"), duplicates=policy).outcome)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8 * len(numbers)
    assert outcomes.count(Outcome.STORED) == len(numbers)
    other = {"reject": Outcome.REJECTED, "ignore": Outcome.IGNORED, "replace": Outcome.REPLACED}[policy]
    assert outcomes.count(other) == 7 * len(numbers)
    assert store.counts().instances == len(numbers)
    assert not staged(store)
    assert len(list(store.blobs.iter_keys())) == len(numbers)


def test_what_cannot_be_filed_leaves_nothing(store: Store) -> None:
    for dataset, keyword in (
        (instance(study=""), "StudyInstanceUID"),
        (instance(series=""), "SeriesInstanceUID"),
        (instance(uid="1.9"), "SOPInstanceUID"),
        (instance(SOPClassUID=MR), "SOPClassUID"),
    ):
        ingest = store.begin(CT, "1.2.1.1.1", EXPLICIT)
        ingest.write(encode(dataset, EXPLICIT))
        with pytest.raises(InvalidInstance) as caught:
            ingest.commit()
        assert caught.value.keyword == keyword
    ingest = store.begin(CT, "1.2.1.1.1", EXPLICIT)
    ingest.write(encode(instance(PatientName="Doe"), EXPLICIT)[:-3])
    with pytest.raises(DecodeError):
        ingest.commit()
    with pytest.raises(StorageError):
        ingest.write(b"more")
    with store.begin(CT, "1.2.1.1.1", EXPLICIT) as ingest:
        ingest.write(b"half")
    assert store.counts().instances == 0
    assert not staged(store)
    assert not list(store.blobs.iter_keys())
    with pytest.raises(InstanceNotFound):
        store.open("1.2.1.1.1")


def test_hostile_uids_stay_inside(store: Store, tmp_path: Path) -> None:
    hostile = ["../../../x", "/etc/passwd", "..", ".", "a/b", "C:evil", "~1", "%s'\";--", "1" * 200]
    for number, uid in enumerate(hostile):
        put(store, instance(study=uid, series=uid, uid=f"{uid}{number}"))
    files = set(tmp_path.rglob("*.dcm"))
    assert len(files) == len(hostile)
    assert all(path.resolve().is_relative_to(tmp_path / "objects") for path in files)
    with pytest.raises(InvalidInstance):
        store.begin(CT, "1.2.é", EXPLICIT)


def test_counters_follow_what_is_stored_and_deleted(store: Store) -> None:
    for study in ("1", "2"):
        for series, modality in (("1", "CT"), ("2", "SR")):
            for number in range(3):
                uids = (f"1.2.{study}", f"1.2.{study}.{series}", f"1.2.{study}.{series}.{number}")
                put(store, instance(*uids, PatientID="p", Modality=modality, SOPClassUID=CT if series == "1" else MR))

    def patient() -> list[int]:
        keys = ["NumberOfPatientRelatedStudies", "NumberOfPatientRelatedSeries", "NumberOfPatientRelatedInstances"]
        answer = next(store.find("PATIENT", "PATIENT_ROOT", Dataset(PatientID="p", **dict.fromkeys(keys, None))))
        return [int(answer.dataset(Dataset)[key].value) for key in keys]

    assert patient() == [2, 4, 12]
    assert found(store, "STUDY", "NumberOfStudyRelatedInstances") == ["6", "6"]
    assert found(store, "STUDY", "StudyInstanceUID", ModalitiesInStudy="SR") == ["1.2.1", "1.2.2"]
    assert store.delete("SERIES", study_uid="1.2.1", series_uid="1.2.1.2") == 3
    assert patient() == [2, 3, 9]
    assert found(store, "STUDY", "StudyInstanceUID", ModalitiesInStudy="SR") == ["1.2.2"]
    assert found(store, "STUDY", "StudyInstanceUID", SOPClassesInStudy=MR) == ["1.2.2"]
    assert store.delete("IMAGE", instance_uid="1.2.1.1.0") == 1
    assert patient() == [2, 3, 8]
    put(store, instance("1.2.1", "1.2.1.1", "1.2.1.1.0", PatientID="p", Modality="CT"))
    assert patient() == [2, 3, 9]
    assert store.delete("STUDY", study_uid="1.2.1") == 3
    assert patient() == [1, 2, 6]
    assert store.delete("PATIENT", patient_id="p") == 6
    counts = store.counts()
    assert (counts.patients, counts.studies, counts.series, counts.instances) == (0, 0, 0, 0)
    assert not list(store.files.root.iterdir())
    assert store.index.retired(store.blobs.session) == []


def test_who_is_a_patient(store: Store) -> None:
    put(store, instance("1.1", "1.1.1", "1.1.1.1", PatientID="7", PatientName="A"))
    put(store, instance("1.2", "1.2.1", "1.2.1.1", PatientID="7", IssuerOfPatientID="OTHER", PatientName="B"))
    put(store, instance("1.3", "1.3.1", "1.3.1.1", PatientID=" 7 ", PatientName="A"))
    put(store, instance("1.4", "1.4.1", "1.4.1.1", PatientID="", PatientName="NN"))
    put(store, instance("1.5", "1.5.1", "1.5.1.1", PatientName="NN"))
    assert found(store, "PATIENT", "PatientName", "PATIENT_ROOT", PatientID="7") == ["A", "B"]
    assert found(store, "PATIENT", "NumberOfPatientRelatedStudies", "PATIENT_ROOT") == ["1", "1", "1", "2"]


def test_a_later_series_fills_in_what_the_first_left_empty(store: Store) -> None:
    put(store, instance("1.1", "1.1.1", "1.1.1.1", PatientID="7", StudyDescription="", Occupation="miner"))
    put(
        store,
        instance("1.1", "1.1.2", "1.1.2.1", PatientID="7", StudyDescription="Head", Occupation="x", PatientAge="043Y"),
    )
    study = next(store.find("STUDY", "STUDY_ROOT", Dataset(StudyDescription="", Occupation="", PatientAge="")))
    answer = study.dataset(Dataset)
    assert (answer.StudyDescription, answer.Occupation, answer.PatientAge) == ("Head", "miner", "043Y")


def test_locating_by_unique_keys(store: Store) -> None:
    for study in range(3):
        for series in range(2):
            for number in range(300 if study == 0 and series == 0 else 2):
                uids = (f"1.{study}", f"1.{study}.{series}", f"1.{study}.{series}.{number}")
                put(store, instance(*uids, PatientID=f"p{study // 2}"))

    def located(level: str, **keys: str | list[str]) -> list[str]:
        return [one.sop_instance_uid for one in store.locate(level, **keys)]

    assert len(located("PATIENT", patient_id="p0")) == 306
    assert len(located("STUDY", study_uid="1.0")) == 302
    assert len(located("STUDY", study_uid=["1.0", "1.2", "9"])) == 306
    assert len(located("STUDY", patient_id="p1", study_uid=["1.0", "1.2"])) == 4
    assert len(located("SERIES", study_uid="1.0", series_uid="1.0.0")) == 300
    assert located("SERIES", study_uid="1.1", series_uid="1.0.0") == []
    every = [f"1.0.0.{number}" for number in range(300)]
    assert sorted(located("IMAGE", study_uid="1.0", series_uid="1.0.0", instance_uid=every)) == sorted(every)
    assert len(located("IMAGE", instance_uid=every)) == 300
    assert located("IMAGE", study_uid="1.1", instance_uid="1.0.0.1") == []
    assert located("STUDY", study_uid="x' OR '1'='1") == []
    for level in ("STUDY", "NONSENSE"):
        with pytest.raises(InvalidIdentifier):
            located(level, patient_id="p0")
    every_one = store.locate("STUDY", study_uid="1.0")  # nothing is held between two of them
    first = next(every_one)
    put(store, instance("1.7", "1.7.1", "1.7.1.1"))
    assert first.patient_id == "p0"
    assert len(list(every_one)) == 301


def test_verify_finds_what_is_wrong(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for number in range(4):
            put(store, instance(uid=f"1.2.1.1.{number}"))
        paths = [store.path(one) for one in store.locate("STUDY", study_uid="1.2.1")]
        paths[0].unlink()
        paths[1].write_bytes(paths[1].read_bytes()[:-1])
        changed = bytearray(paths[2].read_bytes())
        changed[-1] ^= 1
        paths[2].write_bytes(changed)
        paths[3].with_name("stray.dcm").write_bytes(b"x")
        assert sorted(one.kind for one in store.verify()) == ["damaged", "missing", "orphan"]
        assert sorted(one.kind for one in store.verify(digest=True)) == ["damaged", "damaged", "missing", "orphan"]


def test_two_stores_share_a_directory(tmp_path: Path, engine: Callable[[], str | None]) -> None:
    index = engine()
    with Store(tmp_path, index=index) as one, Store(tmp_path, index=index) as two:
        for number in range(20):
            put(one if number % 2 else two, instance(uid=f"1.2.1.1.{number}"))
        one.delete("STUDY", study_uid="1.2.1")
        put(two, instance(uid="1.2.1.1.1"))  # its cache names a series that is gone
        put(one, instance(uid="1.2.1.1.2"))
        assert one.counts() == two.counts()
        assert found(two, "STUDY", "NumberOfStudyRelatedInstances") == ["2"]
        assert list(one.verify(digest=True)) == []


def test_a_file_is_never_read_as_another_instance(store: Store) -> None:
    first = put(store, instance(PatientName="Old"), source_ae="A").instance
    assert first is not None
    store.delete("IMAGE", instance_uid="1.2.1.1.1")
    second = put(store, instance(PatientName="New"), "1.2.840.10008.1.2.2", source_ae="LONGER_TITLE").instance
    assert second is not None
    assert second.key == first.key
    with store.open(first) as opened:
        assert opened.instance == second
        assert opened.read() == encode(instance(PatientName="New"), "1.2.840.10008.1.2.2")
    store.path(second).unlink()
    with pytest.raises(StorageError, match="is missing"):
        store.open(second)
    store.delete("IMAGE", instance_uid="1.2.1.1.1")


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
def test_what_may_be_acknowledged_can_be_indexed(tmp_path: Path, syntax: str) -> None:
    """Of a big object only what it takes to file it is read before the answer; the rest must not fail afterwards."""
    dataset = dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.SOPInstanceUID = "1.2.1.1.1"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.RequestAttributesSequence = [Dataset(ScheduledProcedureStepID="1", RequestedProcedureID="\u00e9")]
    dataset.PatientName = "D\u00f6e^Jane=\u5c71\u7530"
    dataset.add_new(0x7FE00010, "OW", bytes(70_000))
    data = encode(dataset, syntax)
    draw = random.Random(3)
    filed = 0
    with Store(tmp_path, digest=False) as store:
        for _ in range(1500):
            mutated = bytearray(data)
            for _ in range(draw.randint(1, 4)):
                mutated[draw.randrange(6000 if draw.random() < 0.2 else len(data) - 70_000)] = draw.randrange(256)
            with store.begin(CT, "1.2.1.1.1", syntax) as ingest:
                ingest.write(memoryview(mutated)[: Ingest.FIRST])
                if ingest._facts is not None:
                    filed += 1
                    assert isinstance(ingest._facts.row()[1], str)
                    assert ingest._facts.parents().patient
    assert filed > 500
