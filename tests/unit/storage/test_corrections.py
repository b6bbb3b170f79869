"""Patients merged and studies moved: the index follows at once and whole, the objects stay as they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

from pacskit.core.dataset import Dataset
from pacskit.core.errors import ConfigurationError, StorageError
from pacskit.encoding import TransferSyntax, encode
from pacskit.storage import Removal, Store
from pacskit.storage.coercion import coerced
from tests.unit.storage.objects import found, identifier, instance, put
from tests.unit.storage.rows import check_counters

A: dict[str, Any] = {"PatientID": "A", "PatientName": "Meier^Anna", "PatientBirthDate": "19600101", "PatientSex": "F"}
B: dict[str, Any] = {
    "PatientID": "B",
    "PatientName": "Müller^Änne=山田^花子",
    "PatientSex": "F",
    "PatientComments": "allergic",
}


@pytest.fixture
def store(tmp_path: Path, engine: Callable[[], str | None]) -> Iterator[Store]:
    with Store(tmp_path, index=engine(), removal=Removal(grace=86400.0)) as made:
        for number, who in ((1, A), (2, A), (3, B)):
            for one in range(2):
                charset = "ISO_IR 192" if who is B else "ISO_IR 100"
                more: dict[str, Any] = {"OtherPatientNames": "Huber^Anna"} if who is A else {}
                more |= {"Modality": "CT", "SpecificCharacterSet": charset, "StudyDescription": "Schädel"}
                put(made, instance(f"1.{number}", f"1.{number}.1", f"1.{number}.1.{one}", **who, **more))
        yield made


def studies_of(store: Store, patient: str) -> list[str]:
    return found(store, "STUDY", "StudyInstanceUID", PatientID=patient)


def patients(store: Store) -> list[str]:
    return found(store, "PATIENT", "PatientID", "PATIENT_ROOT")


def sent(store: Store, uid: str) -> pydicom.Dataset:
    """What would be sent of an instance, read by pydicom."""
    with coerced(store, store.open(uid)) as opened:
        opened.file.seek(opened.instance.offset)
        data = opened.file.read(opened.instance.length)
    dataset = pydicom.dcmread(_part10(data, opened.instance.transfer_syntax_uid))
    dataset.decode()
    return dataset


def _part10(data: bytes, syntax: str) -> Any:
    import io

    from pacskit.encoding import file_meta_bytes

    return io.BytesIO(file_meta_bytes("1.2.840.10008.5.1.4.1.1.2", "1.2", syntax) + data)


def everything(store: Store) -> dict[str, bytes]:
    return {key: store.files.path(key).read_bytes() for key in store.blobs.iter_keys()}


def rows(store: Store) -> list[Any]:
    """The patients and whose studies are, without their keys."""
    with store.index.reader() as connection:
        return sorted(
            connection.execute(
                "SELECT p.patient_id, p.patient_name, p.attributes, p.study_count, p.instance_count,"
                " s.study_instance_uid, s.correction FROM patient p JOIN study s ON s.patient = p.pk"
            ).fetchall()
        )


def test_merged_patients_are_one(store: Store) -> None:
    before, objects = rows(store), everything(store)
    made = store.corrections.merge("A", "B", who="admin", reason="same person")
    assert patients(store) == ["B"]
    assert studies_of(store, "B") == ["1.1", "1.2", "1.3"]
    assert studies_of(store, "A") == []
    assert found(store, "PATIENT", "NumberOfPatientRelatedInstances", "PATIENT_ROOT") == ["6"]
    for name in ("Müller*", "*üller*", "=*花子*", "muller^anne"):
        assert found(store, "STUDY", "StudyInstanceUID", PatientName=name) == ["1.1", "1.2", "1.3"], name
    assert found(store, "STUDY", "StudyInstanceUID", PatientName="*eier*") == []
    assert len(list(store.locate("PATIENT", patient_id="B"))) == 6
    check_counters(store.index)
    assert everything(store) == objects
    put(store, instance("1.4", "1.4.1", "1.4.1.1", **A))  # a new study, and a new series of an old one
    put(store, instance("1.1", "1.1.2", "1.1.2.1", **A))
    assert patients(store) == ["B"]
    assert studies_of(store, "B") == ["1.1", "1.2", "1.3", "1.4"]
    assert sent(store, "1.4.1.1").PatientID == "B"
    check_counters(store.index)
    (listed,) = store.corrections.listed("1.1")
    assert (listed.id, listed.kind, listed.who, listed.reason) == (made, "merge", "admin", "same person")
    store.delete("STUDY", study_uid="1.4")
    store.delete("SERIES", series_uid="1.1.2")
    store.corrections.undo(made, who="admin")
    assert rows(store) == before
    check_counters(store.index)
    assert "admin" in store.corrections.listed()[0].undone
    assert store.removals.restore("STUDY", {"StudyInstanceUID": ["1.4"]}) == 1
    assert studies_of(store, "A") == ["1.1", "1.2", "1.4"]
    with pytest.raises(StorageError, match="can be undone"):
        store.corrections.undo(made)


def test_what_is_sent_says_what_the_index_does(store: Store) -> None:
    store.corrections.merge("A", "B", who="admin")
    one = sent(store, "1.1.1.0")
    assert (one.PatientID, str(one.PatientName)) == ("B", "Müller^Änne=山田^花子")
    assert one.PatientComments == "allergic"
    assert one.PatientBirthDate == ""
    assert "OtherPatientNames" not in one
    assert (one.StudyDescription, one.SpecificCharacterSet) == ("Schädel", "ISO_IR 192")
    (item,) = one.OriginalAttributesSequence
    assert item.ReasonForTheAttributeModification == "COERCE"
    assert item.AttributeModificationDateTime
    assert item.ModifyingSystem
    (old,) = item.ModifiedAttributesSequence
    assert (old.PatientID, str(old.PatientName), old.PatientBirthDate) == ("A", "Meier^Anna", "19600101")
    assert str(old.OtherPatientNames) == "Huber^Anna"
    assert old.PatientComments == ""
    assert "PatientSex" not in old  # which was the same
    untouched = sent(store, "1.3.1.0")
    assert "OriginalAttributesSequence" not in untouched


def test_other_syntaxes_and_items_that_were_there(store: Store) -> None:
    earlier = Dataset(
        SourceOfPreviousValues="X", AttributeModificationDateTime="20200101", ModifyingSystem="Y",
        ReasonForTheAttributeModification="CORRECT", ModifiedAttributesSequence=[Dataset(PatientID="0")],
    )  # fmt: skip
    for number, syntax in enumerate(
        (TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN, TransferSyntax.EXPLICIT_VR_BIG_ENDIAN, "1.2.840.10008.1.2.1.99")
    ):
        made = instance("1.5", "1.5.1", f"1.5.1.{number}", **A, OriginalAttributesSequence=[earlier])
        made.add_new("PixelData", "OW", bytes(range(256)) * 8192)
        put(store, made, str(syntax))
    store.corrections.move("1.5", "B")
    for number in range(3):
        one = sent(store, f"1.5.1.{number}")
        assert one.PatientID == "B"
        assert [item.ModifiedAttributesSequence[0].PatientID for item in one.OriginalAttributesSequence] == ["0", "A"]
        assert len(one.PixelData) == 2 << 20


def test_a_study_is_moved_and_moved_again(store: Store) -> None:
    before = rows(store)
    first = store.corrections.move("1.1", "B", reason="wrong worklist entry")
    assert (studies_of(store, "A"), studies_of(store, "B")) == (["1.2"], ["1.1", "1.3"])
    second = store.corrections.move(["1.1", "1.2"], {"PatientID": "C", "PatientName": "New^One"})
    assert patients(store) == ["B", "C"]
    assert sent(store, "1.1.1.0").PatientName == "New^One"
    assert sent(store, "1.1.1.0").OriginalAttributesSequence[0].ReasonForTheAttributeModification == "CORRECT"
    check_counters(store.index)
    with pytest.raises(StorageError, match="later correction"):
        store.corrections.undo(first)
    store.corrections.undo(second)
    assert (studies_of(store, "A"), studies_of(store, "B")) == (["1.2"], ["1.1", "1.3"])
    assert sent(store, "1.1.1.0").PatientID == "B"
    store.corrections.undo(first)
    assert rows(store) == before
    assert "OriginalAttributesSequence" not in sent(store, "1.1.1.0")
    check_counters(store.index)


def test_merges_follow_each_other(store: Store) -> None:
    put(store, instance("1.5", "1.5.1", "1.5.1.1", PatientID="C"))
    store.corrections.merge("A", "B")
    store.corrections.merge("B", "C")
    put(store, instance("1.6", "1.6.1", "1.6.1.1", **A))
    assert patients(store) == ["C"]
    assert len(studies_of(store, "C")) == 5
    check_counters(store.index)
    store.corrections.merge("C", {"PatientID": "A", "PatientName": "Back^Again"})  # and round it goes
    put(store, instance("1.7", "1.7.1", "1.7.1.1", SpecificCharacterSet="ISO_IR 192", **B))
    assert patients(store) == ["A"]
    check_counters(store.index)


def test_a_moved_study_that_is_deleted_comes_back_to_where_it_was(store: Store) -> None:
    store.corrections.move("1.1", {"PatientID": "C", "PatientName": "New^One"})
    store.delete("PATIENT", patient_id="C")
    assert patients(store) == ["A", "B"]
    assert [one.patient_id for one in store.removals.listed()] == ["C", "C"]
    assert store.removals.restore("PATIENT", {"PatientID": ["C"]}) == 2
    assert studies_of(store, "C") == ["1.1"]
    assert sent(store, "1.1.1.0").PatientID == "C"
    check_counters(store.index)


def test_a_study_of_nobody_is_given_to_somebody_and_back(store: Store) -> None:
    put(store, instance("1.5", "1.5.1", "1.5.1.1", PatientName="NN"))
    before = rows(store)
    made = store.corrections.move("1.5", "A")
    assert studies_of(store, "A") == ["1.1", "1.2", "1.5"]
    store.corrections.undo(made)
    assert rows(store) == before


def test_what_cannot_be_done(store: Store) -> None:
    put(store, instance("1.5", "1.5.1", "1.5.1.1", PatientID="A", IssuerOfPatientID="OTHER"))
    before = rows(store)
    impossible: tuple[Callable[[], object], ...] = (
        lambda: store.corrections.merge("A", "B"),  # there are two
        lambda: store.corrections.merge("nobody", "B"),
        lambda: store.corrections.merge("B", "B"),
        lambda: store.corrections.merge("B", "nobody"),
        lambda: store.corrections.move("9.9", "B"),
        lambda: store.corrections.move(["1.1", "9.9"], "B"),
        lambda: store.corrections.undo(7),
    )
    for wrong in impossible:
        with pytest.raises(StorageError):
            wrong()
    strange: tuple[Callable[[], object], ...] = (
        lambda: store.corrections.move([], "B"),
        lambda: store.corrections.move("1.1", {"PatientSex": "F"}),
    )
    for wrong in strange:
        with pytest.raises(ConfigurationError):
            wrong()
    assert rows(store) == before
    store.corrections.merge(("A", "OTHER"), "B")
    assert studies_of(store, "B") == ["1.3", "1.5"]


def test_two_stores_see_a_merge(tmp_path: Path, engine: Callable[[], str | None]) -> None:
    index = engine()
    with Store(tmp_path, index=index) as one, Store(tmp_path, index=index) as two:
        put(one, instance("1.1", "1.1.1", "1.1.1.1", **A))
        put(two, instance("1.3", "1.3.1", "1.3.1.1", SpecificCharacterSet="ISO_IR 192", **B))
        two.corrections.merge("A", "B")
        put(one, instance("1.1", "1.1.1", "1.1.1.2", **A))  # its cache names a patient who is gone
        put(one, instance("1.2", "1.2.1", "1.2.1.1", **A))
        assert patients(one) == patients(two) == ["B"]
        check_counters(two.index)


def test_added_tags_of_patients_follow(store: Store) -> None:
    store.index.add_tag("PatientComments")
    assert store.index.wait_for_tags(60)
    store.corrections.merge("A", "B")
    assert store.index.wait_for_tags(60)
    matches = store.find("STUDY", "STUDY_ROOT", identifier(PatientComments="allergic", StudyInstanceUID=""))
    assert sorted(one.dataset(Dataset).StudyInstanceUID for one in matches) == ["1.1", "1.2", "1.3"]


def test_encoding_is_by_the_library(store: Store) -> None:
    """An object of which nothing differs goes out as it is."""
    store.corrections.move("1.3", "A")
    store.corrections.move("1.3", "B" if "B" in patients(store) else B)
    with coerced(store, store.open("1.3.1.0")) as opened:
        assert opened.instance.offset > 0
        assert opened.read() == encode(
            instance("1.3", "1.3.1", "1.3.1.0", Modality="CT", SpecificCharacterSet="ISO_IR 192",
                     StudyDescription="Schädel", **B), "1.2.840.10008.1.2.1"
        )  # fmt: skip
