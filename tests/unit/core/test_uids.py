"""UID constants, families of SOP classes, and new UIDs."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit.core import uids
from pacskit.core.uid import UID, generate_uid
from pacskit_ext._uid import iter_uids

TABLES = Path(__file__).parents[3] / "pacskit_ext/codegen/tables"


def test_there_is_a_constant_for_each_keyword() -> None:
    constants = {name: getattr(uids, name) for name in uids.__all__ if isinstance(getattr(uids, name), UID)}
    assert constants == {uid.keyword: uid for uid in iter_uids() if uid.keyword}


def test_storage_holds_every_class_of_the_service_and_no_other() -> None:
    services = json.loads((TABLES / "service_sop_classes.json").read_text("ascii"))
    storage = set(uids.STORAGE_SOP_CLASSES)
    assert set(services["storage"]) <= storage
    for service, classes in services.items():
        if service != "storage":
            assert storage.isdisjoint(classes), service
    assert all(uid.type == "SOP Class" for uid in storage)
    retired = storage - set(services["storage"])
    # What the service's table leaves out: retired classes, and those of DICONDE and DICOS.
    assert all(uid.is_retired or "DICOS" in uid.name or "Eddy Current" in uid.name for uid in retired)
    assert uids.UltrasoundImageStorageRetired in storage
    assert uids.MediaStorageDirectoryStorage not in storage
    assert uids.StorageCommitmentPushModel not in storage


def test_every_registered_class_named_storage_is_in_one_family() -> None:
    named = {uid for uid in iter_uids() if uid.type == "SOP Class" and uid.keyword.endswith("Storage")}
    families = {*uids.STORAGE_SOP_CLASSES, *uids.NON_PATIENT_STORAGE_SOP_CLASSES}
    assert named - families == {uids.MediaStorageDirectoryStorage}


def test_query_retrieve_holds_the_models_of_all_three_roots() -> None:
    assert {uids.PatientRootQueryRetrieveInformationModelFind, uids.StudyRootQueryRetrieveInformationModelGet} <= set(
        uids.QUERY_RETRIEVE_SOP_CLASSES
    )
    assert all("Retrieve" in uid.keyword for uid in uids.QUERY_RETRIEVE_SOP_CLASSES)


def test_a_new_uid_is_a_random_uuid() -> None:
    uid = generate_uid()
    assert uid.is_valid
    assert uid.startswith("2.25.")
    assert uuid.UUID(int=int(uid[5:])).version == 4
    assert generate_uid() != uid


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_entropy_decides_the_uid(first: list[str], second: list[str]) -> None:
    same = generate_uid(entropy=first) == generate_uid(entropy=second)
    assert same == (first == second)
    assert generate_uid(entropy=first).is_valid


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=6))
def test_a_new_uid_keeps_the_prefix_and_the_length(parts: list[int]) -> None:
    prefix = "".join(f"{part}." for part in parts)
    if len(prefix) <= 63:
        uid = generate_uid(prefix)
        assert uid.startswith(prefix)
        assert uid.is_valid


@pytest.mark.parametrize("prefix", ["", "1.2", "01.", "1..", "a.", ".1.", "1." * 32])
def test_a_bad_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="cannot begin a UID"):
        generate_uid(prefix)
