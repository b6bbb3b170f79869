"""Queries: the rules of the information models, what answers contain, and that indexes serve them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pydicom
import pytest

import pacskit_ext
from pacskit.core.dataset import Dataset
from pacskit.storage import FindOptions, InvalidIdentifier, Store
from pacskit.storage.base import Index, ObjectFiles
from pacskit.storage.index import open_index
from pacskit.storage.index.keys import ATTRIBUTES, BY_TAG
from pacskit.storage.index.postgres import PostgresIndex
from pacskit.storage.index.query import plan
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.sqlite import SQLiteIndex
from pacskit.storage.matching import key_of, matches
from pacskit.storage.records import DuplicatePolicy
from tests.unit.storage.objects import CT, MR, found, identifier, instance, put
from tests.unit.storage.rows import new_instance

TABLE = json.loads((Path(str(pacskit_ext.__file__)).parent / "codegen/tables/qr_keys.json").read_text())
KEYS = [
    (model.upper(), level, keyword)
    for model in ("patient_root", "study_root", "patient_study_only")
    for level, keys in TABLE[model]["levels"].items()
    for keyword in keys
]
ABOVE = {
    "PATIENT_ROOT": ["PatientID", "StudyInstanceUID", "SeriesInstanceUID"],
    "STUDY_ROOT": ["StudyInstanceUID", "SeriesInstanceUID"],
    "PATIENT_STUDY_ONLY": ["PatientID"],
}
LEVELS = {"PATIENT_ROOT": ["PATIENT", "STUDY", "SERIES", "IMAGE"], "STUDY_ROOT": ["STUDY", "SERIES", "IMAGE"]}
HOSTILE = [
    "'",
    "' OR '1'='1",
    '"',
    "%",
    "_",
    "\\'",
    "a';DROP TABLE instance;--",
    "[",
    "]*",
    "?)",
    ":x",
    "x\0*",
    "ä'*",
    "1-'",
    "[a-z]*",
    "''",
]
VALUES = {"PatientID": "p", "StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.1.1"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, engine: Callable[[], str | None]) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("query"), index=engine()) as made:
        put(
            made, instance(PatientID="p", PatientName="Doe^Jane", StudyDate="20200131", StudyTime="2330", Modality="CT")
        )
        put(made, instance(uid="1.2.1.1.2", PatientID="p", InstanceNumber=2, NumberOfFrames=7))
        put(made, instance("1.2.2", "1.2.2.1", "1.2.2.1.1", PatientID="q", StudyDate="20200201", StudyTime="0030",
                           Modality="MR", SOPClassUID=MR, SpecificCharacterSet="ISO_IR 192",
                           PatientName="Müller^Jürgen"))  # fmt: skip
        yield made


def with_above(model: str, level: str, **keys: Any) -> Dataset:
    levels = LEVELS.get(model, ["PATIENT", "STUDY"])
    return identifier(**{key: VALUES[key] for key in ABOVE[model][: levels.index(level)]} | keys)


@pytest.mark.parametrize(("model", "level", "keyword"), KEYS)
def test_every_key_is_known_and_takes_hostile_values_as_data(
    store: Store, model: str, level: str, keyword: str
) -> None:
    attribute = ATTRIBUTES[keyword]
    universal = with_above(model, level)
    everything = len(list(store.find(level, model, universal)))
    assert everything
    empty: Any = [] if attribute.vr == "SQ" else ""
    unset = [*(one for one in universal if one.tag != attribute.tag), _Raw(attribute.tag, attribute.vr, empty)]
    if keyword not in ABOVE[model]:
        answers = [one.dataset(Dataset) for one in store.find(level, model, unset)]
        assert len(answers) == everything
        assert all(attribute.tag in one for one in answers)
    before = store.counts()
    for value in HOSTILE:
        asked: Any = [Dataset(CodeMeaning=value)] if attribute.vr == "SQ" else value
        matched = list(store.find(level, model, [*unset[:-1], _Raw(attribute.tag, attribute.vr, asked)]))
        assert matched == [], value
    assert store.counts() == before


class _Raw:
    """An element whose value no data set would take."""

    def __init__(self, tag: int, vr: str, value: Any) -> None:
        self.tag, self.vr, self.value = tag, vr, value


def test_tags_and_vrs_are_the_dictionarys() -> None:
    for one in ATTRIBUTES.values():
        if one.keyword != "EthnicGroups":  # newer than the dictionary
            assert pydicom.datadict.tag_for_keyword(one.keyword) == one.tag
            assert pydicom.datadict.dictionary_VR(one.tag) == one.vr
    assert len(BY_TAG) == len(ATTRIBUTES)


@pytest.mark.parametrize("model", LEVELS)
def test_unique_keys_above_the_level_are_required(store: Store, model: str) -> None:
    for level in LEVELS[model][1:]:
        for wrong in ([], [""], ["1.2.1", "1.2.2"]):
            keys = with_above(model, level)
            keyword = ABOVE[model][LEVELS[model].index(level) - 1]
            setattr(keys, keyword, wrong)
            with pytest.raises(InvalidIdentifier) as caught:
                store.find(level, model, keys)
            assert caught.value.keyword == keyword
        keys = with_above(model, level)
        assert len(list(store.find(level, model, keys))) >= 1
        assert len(list(store.find(level, model, Dataset(), FindOptions(relational=True)))) >= 2
    for level, wrong_model in (("PATIENT", "STUDY_ROOT"), ("SERIES", "PATIENT_STUDY_ONLY"), ("FRAME", "STUDY_ROOT")):
        with pytest.raises(InvalidIdentifier):
            store.find(level, wrong_model, Dataset())


def test_what_an_answer_contains(store: Store) -> None:
    options = FindOptions(retrieve_ae_title="PACSKIT", instance_availability="ONLINE")
    keys = identifier(
        PatientName="doe*", StudyDate="", ModalitiesInStudy="", StudyDescription="", ProcedureCodeSequence=[]
    )
    keys.SeriesDescription = "below the level"
    keys.add_new(0x00091001, "LO", "private")
    (match,) = store.find("STUDY", "STUDY_ROOT", keys, options)
    answer = match.dataset(Dataset)
    assert {element.keyword: element.value for element in answer if element.VR != "SQ"} == {
        "StudyDate": "20200131",
        "QueryRetrieveLevel": "STUDY",
        "RetrieveAETitle": "PACSKIT",
        "InstanceAvailability": "ONLINE",
        "ModalitiesInStudy": "CT",
        "StudyDescription": "",
        "PatientName": "Doe^Jane",
        "StudyInstanceUID": "1.2.1",
    }
    assert list(answer.ProcedureCodeSequence) == []
    tags = [element.tag for element in match.elements()]
    assert tags == sorted(tags)
    (match,) = store.find("STUDY", "STUDY_ROOT", identifier(PatientName="MULLER*"))
    assert match.elements()[0] == (0x00080005, "CS", "ISO_IR 192")
    assert match.dataset(Dataset).PatientName == "Müller^Jürgen"


def test_image_level(store: Store) -> None:
    keys = {"StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.1.1"}
    assert found(store, "IMAGE", "SOPInstanceUID", **keys) == ["1.2.1.1.1", "1.2.1.1.2"]
    assert found(store, "IMAGE", "SOPInstanceUID", **keys, InstanceNumber="2") == ["1.2.1.1.2"]
    assert found(store, "IMAGE", "SOPInstanceUID", **keys, NumberOfFrames="7") == ["1.2.1.1.2"]
    assert found(store, "IMAGE", "SOPInstanceUID", **keys, SOPClassUID=[CT, MR]) == ["1.2.1.1.1", "1.2.1.1.2"]
    assert found(store, "IMAGE", "SOPInstanceUID", **keys, SOPClassUID=MR) == []
    assert found(store, "IMAGE", "AvailableTransferSyntaxUID", **keys, InstanceNumber="2") == ["1.2.840.10008.1.2.1"]
    # a key of a level above is ignored, and answered
    assert found(store, "IMAGE", "PatientName", **keys, InstanceNumber="2") == ["Doe^Jane"]


def test_date_and_time_are_one_moment_only_when_negotiated(store: Store) -> None:
    keys = {"StudyDate": "20200131-20200201", "StudyTime": "2300-0100"}
    assert found(store, "STUDY", "StudyInstanceUID", **keys) == []
    combined = FindOptions(combined_datetime=True)
    assert found(store, "STUDY", "StudyInstanceUID", options=combined, **keys) == ["1.2.1", "1.2.2"]
    keys = {"StudyDate": "20200131-20200131", "StudyTime": "2340-2350"}
    assert found(store, "STUDY", "StudyInstanceUID", options=combined, **keys) == []
    keys = {"StudyDate": "20200201-", "StudyTime": "0000-"}
    assert found(store, "STUDY", "StudyInstanceUID", options=combined, **keys) == ["1.2.2"]


def test_items_that_match_come_back_with_what_was_asked(tmp_path: Path, engine: Callable[[], str | None]) -> None:
    with Store(tmp_path, index=engine()) as store:
        codes = [Dataset(CodeValue=one, CodingSchemeDesignator="L", CodeMeaning=f"meaning {one}") for one in "abc"]
        dataset = instance(ProcedureCodeSequence=codes)
        inner = Dataset(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID="1.9")
        dataset.ReferencedStudySequence = [inner]
        put(store, dataset)
        asked = [Dataset(CodeValue="b", CodeMeaning="")]
        (match,) = store.find(
            "STUDY", "STUDY_ROOT", identifier(ProcedureCodeSequence=asked, ReferencedStudySequence=[])
        )
        answer = match.dataset(Dataset)
        (item,) = answer.ProcedureCodeSequence
        assert {element.keyword: element.value for element in item} == {"CodeValue": "b", "CodeMeaning": "meaning b"}
        assert answer.ReferencedStudySequence[0].ReferencedSOPInstanceUID == "1.9"
        nothing = identifier(ProcedureCodeSequence=[Dataset(CodeValue="b", CodeMeaning="meaning c")])
        assert list(store.find("STUDY", "STUDY_ROOT", nothing)) == []


def test_reading_does_not_stop_writing(tmp_path: Path, engine: Callable[[], str | None]) -> None:
    with Store(tmp_path, index=engine()) as store:
        for number in range(300):
            put(store, instance(f"1.{number}", f"1.{number}.1", f"1.{number}.1.1"))
        answers = store.find("STUDY", "STUDY_ROOT", Dataset(StudyInstanceUID=None))
        next(answers)
        put(store, instance("2.1", "2.1.1", "2.1.1.1"))
        store.delete("STUDY", study_uid="1.299")
        assert len(list(answers)) == 299  # one snapshot
        abandoned = store.find("STUDY", "STUDY_ROOT", Dataset())
        next(abandoned)
        del abandoned
        index = store.index
        assert isinstance(index, SQLiteIndex | PostgresIndex)
        assert len(index._idle) == len({id(one) for one in index._idle}) >= 1


def test_an_answer_in_json_is_what_pydicom_makes_of_it(tmp_path: Path, engine: Callable[[], str | None]) -> None:
    with Store(tmp_path, index=engine()) as store:
        dataset = instance(
            PatientID="p",
            SpecificCharacterSet="ISO_IR 192",
            PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
            StudyDescription='say "\t"',
            PatientWeight="70.5",
            OtherPatientIDs=["a", "", "b"],
            ImageType=["ORIGINAL", "PRIMARY"],
            ImagePositionPatient=["-1.5", "0", "1e3"],
            Rows=512,
            InstanceNumber=3,
            Modality="CT",
        )
        dataset.ProcedureCodeSequence = [Dataset(CodeValue="c", CodeMeaning="ß"), Dataset()]
        put(store, dataset)
        words = (
            "PatientName StudyDescription PatientWeight OtherPatientIDs ImageType ImagePositionPatient InstanceNumber"
        )
        words += " Modality ModalitiesInStudy NumberOfStudyRelatedInstances PatientAge StudyDate NumberOfFrames"
        asked = identifier(**dict.fromkeys(words.split(), ""), Rows=None, ProcedureCodeSequence=[])
        (match,) = store.find("IMAGE", "PATIENT_ROOT", asked, FindOptions(relational=True))
        made = json.loads(match.to_json())
        theirs = pydicom.Dataset.from_json(match.to_json()).to_json_dict()
        theirs["00101000"]["Value"][1] = None  # F.2.5: an empty value among others is null
        assert {tag: one.get("Value") for tag, one in made.items()} == {
            tag: one.get("Value") for tag, one in theirs.items()
        }
        ours = json.loads(match.dataset(Dataset).to_json())
        assert made == ours
        assert made["00100010"]["Value"][0]["Ideographic"] == "山田^太郎"
        assert made["00200032"]["Value"] == [-1.5, 0, 1000]


INDEXED = [
    ("STUDY", {"PatientName": "DOE*"}, "patient_name_alphabetic"),
    ("STUDY", {"PatientName": "DOE^JANE"}, "patient_name_alphabetic"),
    ("STUDY", {"PatientName": "D?E*"}, "patient_name_alphabetic"),
    ("STUDY", {"PatientName": "=山*"}, "patient_name_ideographic"),
    ("STUDY", {"PatientID": "p"}, "patient_identity"),
    ("STUDY", {"PatientID": "p*"}, "patient_identity"),
    ("STUDY", {"PatientBirthDate": "19700101"}, "patient_birth_date"),
    ("STUDY", {"AccessionNumber": "A1"}, "study_by_accession_number"),
    ("STUDY", {"AccessionNumber": "A1*"}, "study_by_accession_number"),
    ("STUDY", {"StudyID": "7"}, "study_by_study_id"),
    ("STUDY", {"StudyDescription": "Head*"}, "study_by_study_description"),
    ("STUDY", {"StudyDate": "20200101-20200131"}, "study_moment"),
    ("STUDY", {"StudyDate": "20200101-"}, "study_moment"),
    ("STUDY", {"StudyDate": "-20200101"}, "study_moment"),
    ("STUDY", {"StudyDate": "20200101", "StudyTime": "10-12"}, "study_moment"),
    ("STUDY", {"StudyTime": "1000-1100"}, "study_by_study_time_key"),
    ("STUDY", {"ReferringPhysicianName": "House*"}, "referring_physician_name_alphabetic"),
    ("STUDY", {"StudyInstanceUID": "1.2"}, "study_uid"),
    ("STUDY", {"StudyInstanceUID": ["1.2", "1.3"]}, "study_uid"),
    ("STUDY", {"SOPClassesInStudy": CT}, "study_by_sop_class"),
    ("STUDY", {"StudyDate": "20200101-20200107", "ModalitiesInStudy": "CT"}, "series_modality"),
    ("STUDY", {"StudyDate": "20200101-20200107", "PatientName": "D*"}, "study_moment"),
    ("STUDY", {"StudyDate": "20100101-20200107", "PatientName": "DOE^J*"}, "patient_name_alphabetic"),
    ("STUDY", {"StudyDate": "20200101-20200107", "PatientName": "*JANE*"}, "study_moment"),
    ("SERIES", {"StudyInstanceUID": "1.2", "Modality": "CT"}, "series_modality"),
    ("SERIES", {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3"}, "series_identity"),
    ("IMAGE", {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3", "SOPInstanceUID": "1"}, "instance_uid"),
    ("IMAGE", {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3", "InstanceNumber": "1"}, "instance_series"),
]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("empty") / "index.sqlite"
    SQLiteIndex(path).close()
    with closing(sqlite3.connect(path)) as connection:
        yield connection


@pytest.mark.parametrize(("level", "keys", "index"), INDEXED, ids=str)
def test_an_index_serves(empty: sqlite3.Connection, level: str, keys: dict[str, Any], index: str) -> None:
    made = plan(level, "STUDY_ROOT", identifier(**keys), FindOptions())
    with closing(empty.cursor()) as connection:
        steps = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + made.sql, made.parameters)]
    assert any(f"INDEX {index} " in step for step in steps), steps
    assert not [step for step in steps if step.startswith("SCAN") and "json_each" not in step], steps


def test_keys_of_any_size_are_answered_or_refused(store: Store) -> None:
    assert found(store, "STUDY", "StudyInstanceUID", StudyInstanceUID=[f"1.2.{n}" for n in range(5000)]) == [
        "1.2.1",
        "1.2.2",
    ]
    for keyword in ("StudyDescription", "PatientName", "PatientComments", "ModalitiesInStudy"):
        attribute = ATTRIBUTES[keyword]
        for value in ("x" * 200_000, "*x" * 100_000, "[" * 40_000 + "*", "?" * 9_000):
            assert list(store.find("STUDY", "STUDY_ROOT", [_Raw(attribute.tag, attribute.vr, value)])) == []
    many = [_Raw(0x00081030, "LO", "\\".join(f"{n}*" for n in range(2000)))]
    with pytest.raises(InvalidIdentifier):
        store.find("STUDY", "STUDY_ROOT", many)
    item = Dataset()
    for _ in range(40):
        item = Dataset(ProcedureCodeSequence=[item])
    assert len(list(store.find("STUDY", "STUDY_ROOT", item))) == 2  # too deep a key asks for nothing


def test_the_index_and_the_files_fulfil_their_protocols(store: Store) -> None:
    index: Index = store.index
    blobs: ObjectFiles = store.blobs
    assert index.counts().instances == 3
    assert len(list(blobs.iter_keys())) == 3


NAMES = ["Doe^Anna", "Doe^Hannah^M", "Banana^Split", "Müller^Änne", "O'Brien^Ann", 'Quote"d^Annabel', "Ann", "An^Na",
         "Yamada^Tarou=山田^太郎=やまだ^たろう", "Tarou^Yamada=太郎^山田", "Doe-Anna^B^C^Dr", "Nn^A"]  # fmt: skip
PATTERNS = [
    "*anna*", "*ANN*", "*an?a*", "*oe^*nn*", "*brien^*", '*"d^a*', "*änn*", "*anna^*",
    "*=*山田^*", "*=*=*だ^たろ*", "*a*n*", "d*anna*", "*nn", "??n*", "*山田^*", "*=*太郎*=*まだ*",
    "*'brien*", "*nothing*", "*\\*ann*",
]  # fmt: skip


@pytest.fixture(scope="module")
def named(engine: Callable[[], str | None], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlIndex]:
    made = open_index(engine() or f"sqlite://{tmp_path_factory.mktemp('names')}/index.sqlite")
    offered = [
        new_instance(f"1.{number}.1.1", PatientID=f"p{number}", PatientName=name, StudyDate=f"202001{number + 1:02d}",
                     ReferringPhysicianName=NAMES[-number], SpecificCharacterSet="ISO_IR 192")
        for number, name in enumerate(NAMES)
    ]  # fmt: skip
    made.ingest_all([(one, DuplicatePolicy.REJECT) for one in offered], session="s")
    yield made
    made.close()


@pytest.mark.parametrize("keyword", ["PatientName", "ReferringPhysicianName"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_search_within_names_finds_what_a_scan_would(named: SqlIndex, pattern: str, keyword: str) -> None:
    """The rules of matching, applied to each name one by one, are the twin of the search by three letters."""
    key = [_Raw(BY_TAG[ATTRIBUTES[keyword].tag].tag, "PN", pattern)]
    answers = [one.dataset(Dataset) for one in named.find("STUDY", "STUDY_ROOT", key)]
    expected = [name for name in NAMES if matches(key_of(key[0]), ["PN", name])]
    assert sorted(str(one[keyword].value) for one in answers) == sorted(expected)
    week = [_Raw(0x00080020, "DA", "20200101-20200107"), *key]
    assert len(list(named.find("STUDY", "STUDY_ROOT", week))) <= len(expected)


def test_a_name_that_changes_is_found_as_it_is_now(engine: Callable[[], str | None], tmp_path: Path) -> None:
    index = open_index(engine() or f"sqlite://{tmp_path}/index.sqlite")
    ignore = DuplicatePolicy.IGNORE
    index.ingest(new_instance("1.1.1.1", PatientID="p"), ignore, session="s")
    index.ingest(new_instance("1.2.1.1", PatientID="p", PatientName="Late^Comer"), ignore, session="s")

    def count() -> int:
        return len(list(index.find("STUDY", "STUDY_ROOT", [_Raw(0x00100010, "PN", "*te^co*")])))

    assert count() == 2
    index.delete("STUDY", {"StudyInstanceUID": ["1.1", "1.2"]}, session="s")
    assert count() == 0
    index.ingest(new_instance("1.1.1.1", PatientID="p", PatientName="Other"), ignore, session="s")
    assert count() == 0
    index.close()


def _walk(index: SqlIndex, level: str, keys: list[Any], limit: int, newest_first: bool) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = index.page(level, "STUDY_ROOT", keys, FindOptions(relational=True), limit=limit, after=after,
                          newest_first=newest_first)  # fmt: skip
        assert len(page.matches) <= limit
        found += [str(one.dataset(Dataset).StudyInstanceUID) for one in page.matches]
        after = page.after
        if after is None:
            return found


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("limit", [1, 5, 12, 100])
def test_pages_have_everything_once(named: SqlIndex, limit: int, newest_first: bool) -> None:
    expected = [f"1.{number}" for number in range(len(NAMES))]
    for level in ("STUDY", "SERIES", "IMAGE"):
        key = _Raw(0x0020000D, "UI", "")
        assert _walk(named, level, [key], limit, newest_first) == (expected[::-1] if newest_first else expected)
    some = [_Raw(0x00100010, "PN", "*ann*"), _Raw(0x0020000D, "UI", "")]
    whole = [str(one.dataset(Dataset).StudyInstanceUID) for one in named.find("STUDY", "STUDY_ROOT", some)]
    assert sorted(_walk(named, "STUDY", some, limit, newest_first)) == sorted(whole)
    comment = [_Raw(0x00104000, "LT", "*x*")]  # matched row by row
    assert _walk(named, "STUDY", comment, limit, newest_first) == []


@pytest.mark.parametrize("token", ["", "x", "é", "W10=", "WzFd" * 80, "WyJhIl0=", "WzFlOTk5XQ=="])
def test_a_token_of_something_else_is_refused(named: SqlIndex, token: str) -> None:
    with pytest.raises(InvalidIdentifier):
        named.page("STUDY", "STUDY_ROOT", [], after=token)
    with pytest.raises(InvalidIdentifier):
        named.page("STUDY", "STUDY_ROOT", [], limit=0)
