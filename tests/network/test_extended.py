"""Extended negotiation does what it says: relational queries, and storage classes by their general class."""

from __future__ import annotations

from pathlib import Path

import pytest

import pacskit
from pacskit.network.dimse import CStoreRequest
from pacskit.network.pdu import CommonExtendedItem, ExtendedItem
from pacskit.services.extended import QueryNegotiation, RetrieveNegotiation, StorageNegotiation
from pacskit.services.sop_classes import MODELS
from tests.interop.files import examine, wheel_file
from tests.network.drivers import Driver
from tests.network.peers import CT

FILES = [wheel_file("CT_small.dcm"), wheel_file("MR_small.dcm")]
RELATIONAL = QueryNegotiation(relational=True, combined_datetime=True, fuzzy_names=True, timezone=True)


@pytest.mark.parametrize(
    ("negotiation", "wire"),
    [
        (QueryNegotiation(relational=True, fuzzy_names=True), b"\1\0\1\0\0"),
        (QueryNegotiation(combined_datetime=True, timezone=True, enhanced_conversion=True), b"\0\1\0\1\1"),
        (RetrieveNegotiation(relational=True), b"\1\0"),
        (StorageNegotiation(level=2, signatures=1, coercion=0), b"\2\0\1\0\0\0"),
    ],
)
def test_the_bytes(negotiation: QueryNegotiation | RetrieveNegotiation | StorageNegotiation, wire: bytes) -> None:
    assert negotiation.encode() == wire
    assert type(negotiation).decode(wire) == negotiation
    assert type(negotiation).decode(wire + b"\1\1") == negotiation  # what a later edition adds


def test_relational_queries_where_they_were_agreed(tmp_path: Path, driver: Driver) -> None:
    with driver.archive(tmp_path / "archive") as archive:
        for file in FILES:
            archive.store(file)
        archive.serve(port=0)
        with driver.peer(archive.address) as peer:
            with pytest.raises(pacskit.DimseError) as refused:  # hierarchical: the study is missing
                list(peer.find("SERIES", Modality="MR"))
            assert refused.value.status == 0xA900
            found = list(peer.find("SERIES", Modality="MR", negotiate=RELATIONAL))
            explained = peer.explain()
        assert [str(one.SeriesInstanceUID) for one in found] == [examine(FILES[1]).series_uid]
        assert explained is not None
        assert explained.query == QueryNegotiation(relational=True, combined_datetime=True, fuzzy_names=True)


def test_fuzzy_names_where_they_were_agreed(tmp_path: Path) -> None:
    with pacskit.Archive(tmp_path / "archive") as archive:
        for file in FILES:
            archive.store(file)
        archive.serve(port=0)
        with pacskit.connect(archive.address) as peer:
            fuzzy = QueryNegotiation(fuzzy_names=True)
            asked = "ct1 compresedsampels"  # CompressedSamples^CT1
            assert list(peer.find(PatientName=asked)) == []
            (answer,) = peer.find(PatientName=asked, negotiate=fuzzy)
            assert str(answer.PatientName) == "CompressedSamples^CT1"
            assert list(peer.find(PatientName=asked)) == []  # another association, as it was not agreed on that one


def test_what_the_archive_answers(tmp_path: Path, driver: Driver) -> None:
    study = MODELS[0]
    asked = [
        ExtendedItem(str(study.move), b"\1\1"),
        ExtendedItem(str(study.get), b"\0"),
        ExtendedItem(CT, b"\3"),
        ExtendedItem("1.2.3", b"\1"),
    ]
    with driver.archive(tmp_path / "archive") as archive:
        archive.serve(port=0)
        contexts = [str(study.move), str(study.get), CT, "1.2.3"]
        with driver.request(archive.address, contexts, calling="X", extended=asked) as association:
            assert association.info.extended == {
                str(study.move): b"\1\0",
                str(study.get): b"\0\0",
                CT: b"\2\0\0\0\0\0",
            }


def test_a_storage_class_by_its_general_class(tmp_path: Path, driver: Driver) -> None:
    """PS3.4 B.3.1: a specialization that nobody knows is taken where it names what it specializes."""
    special, storage = "1.2.3.4.5", "1.2.840.10008.4.2"
    items = [
        CommonExtendedItem(special, storage, ("1.2.3.4", CT)),
        CommonExtendedItem("1.2.3.4.6", storage, ("1.2.3.4",)),
        CommonExtendedItem("1.2.3.4.7", "1.2.840.10008.4.1", (CT,)),
    ]
    ds = pacskit.dcmread(FILES[0])
    ds.SOPClassUID, ds.SOPInstanceUID = special, "1.2.9"
    from pacskit.encoding import encode

    with driver.archive(tmp_path / "archive") as archive:
        archive.serve(port=0)
        contexts = [special, "1.2.3.4.6", "1.2.3.4.7"]
        with driver.request(archive.address, contexts, calling="X", common_extended=items) as association:
            assert [one.result for one in association.info.contexts] == [0, 3, 3]
            request = CStoreRequest(affected_sop_class_uid=special, affected_sop_instance_uid="1.2.9")
            assert association.perform(request, encode(ds, association.accepted[0].transfer_syntax)).status == 0
        assert archive.counts().instances == 1
