"""The index answers as the slow matcher of tests/oracles does, whatever is stored and asked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacskit.core.dataset import Dataset
from pacskit.encoding import decode, encode
from pacskit.storage import Store
from tests.oracles import matching as oracle
from tests.unit.storage.objects import EXPLICIT, found, instance, put

ALPHABET = ["a", "A", "b", "B", "ä", "Ä", "é", "山", "が", "%", "_", "'", '"', "[", "]", "{", "-", ";", " ", ".", "1"]
TEXTS = ["PatientID", "AccessionNumber", "StudyID", "StudyDescription", "PatientSex", "IssuerOfPatientID"]
OTHERS = ["Occupation", "PatientComments", "AdmittingDiagnosesDescription", "AdditionalPatientHistory"]
NAMES = ["PatientName", "ReferringPhysicianName", "NameOfPhysiciansReadingStudy", "OtherPatientNames"]
DATES = ["StudyDate", "PatientBirthDate", "LastMenstrualDate"]
TIMES = ["StudyTime", "PatientBirthTime"]
DAYS = ["20200101", "20200131", "20200229", "19991231", "20210615", "2020.01.31"]
MOMENTS = ["101010", "10", "1010", "235959.5", "000000", "101010.000001", "10:10:59", "12"]


def _text(draw: random.Random) -> str:
    return "".join(draw.choice(ALPHABET) for _ in range(draw.randint(0, 4))).strip()


def _name(draw: random.Random) -> str:
    groups = ["^".join(_text(draw) for _ in range(draw.randint(0, 3))) for _ in range(draw.choice((1, 1, 2, 3)))]
    return "=".join(groups)


def _study(draw: random.Random, number: int) -> Dataset:
    attributes: dict[str, Any] = {keyword: _text(draw) for keyword in TEXTS + OTHERS if draw.random() < 0.8}
    attributes |= {keyword: _name(draw) for keyword in NAMES if draw.random() < 0.8}
    attributes |= {keyword: draw.choice(DAYS) for keyword in DATES if draw.random() < 0.8}
    attributes |= {keyword: draw.choice(MOMENTS) for keyword in TIMES if draw.random() < 0.8}
    attributes["PatientSex"] = attributes.get("PatientSex", "").encode("ascii", "ignore").decode()  # CS
    attributes["PatientID"] = (
        f"{attributes.get('PatientID', '')}{number}"  # one patient, one study: the oracle is simple
    )
    attributes["AdmittingDiagnosesDescription"] = [_text(draw) for _ in range(draw.randint(0, 3))]
    codes = [
        Dataset(CodeValue=_text(draw), CodingSchemeDesignator=draw.choice("AB"), CodeMeaning=_text(draw))
        for _ in range(draw.randint(0, 3))
    ]
    made = instance(f"1.2.{number}", f"1.2.{number}.1", f"1.2.{number}.1.1", SpecificCharacterSet="ISO_IR 192")
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    made.ProcedureCodeSequence = codes
    made.PatientWeight = draw.choice(["70", "70.0", "81.5", ""])
    return made


class Archive:
    """A store and what is in it."""

    def __init__(self, store: Store, studies: list[Dataset]) -> None:
        self.store, self.studies = store, studies


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    draw = random.Random(20)
    studies = [decode(encode(_study(draw, number), EXPLICIT), EXPLICIT) for number in range(250)]
    with Store(tmp_path_factory.mktemp("matching")) as store:
        for one in studies:
            put(store, one)
        yield Archive(store, studies)


pieces = st.lists(st.sampled_from([*ALPHABET, "*", "*", "?", "?"]), max_size=4).map("".join).map(str.strip)
name_keys = st.lists(st.lists(pieces, min_size=1, max_size=3).map("^".join), min_size=1, max_size=3).map("=".join)
days = st.sampled_from([*DAYS, "20200615", "19000101"])
moments = st.sampled_from([*MOMENTS, "11", "2359", "101010.5"])


def ranges(one: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        one, one.map(lambda a: a + "-"), one.map(lambda a: "-" + a), st.tuples(one, one).map("-".join), st.just("-")
    )


def keys_of(keyword: str) -> st.SearchStrategy[Any]:
    if keyword in NAMES:
        return name_keys
    if keyword in DATES:
        return ranges(days)
    if keyword in TIMES:
        return ranges(moments)
    return pieces


@st.composite
def identifiers(draw: st.DrawFn) -> Dataset:
    made = Dataset()
    for keyword in draw(st.lists(st.sampled_from(TEXTS + OTHERS + NAMES + DATES + TIMES), max_size=3, unique=True)):
        setattr(made, keyword, draw(keys_of(keyword)))
    if draw(st.booleans()):
        item = Dataset()
        for keyword in draw(st.sets(st.sampled_from(["CodeValue", "CodingSchemeDesignator", "CodeMeaning"]))):
            setattr(item, keyword, draw(pieces))
        made.ProcedureCodeSequence = [item]
    if draw(st.integers(0, 5)) == 0:
        made.PatientWeight = draw(st.sampled_from(["70", "81.50", "1"]))
    return made


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(keys=identifiers())
def test_sql_and_the_slow_matcher_agree(archive: Archive, keys: Dataset) -> None:
    store, studies = archive.store, archive.studies
    expected = sorted(
        str(one.StudyInstanceUID)
        for one in studies
        if all(oracle.matches(key, oracle.get(one, key.tag)) for key in keys)
    )
    asked = {element.keyword: element.value for element in keys}
    assert found(store, "STUDY", "StudyInstanceUID", **asked) == expected


@settings(max_examples=100)
@given(which=st.lists(st.integers(0, 260), max_size=30))
def test_a_list_of_uids_finds_those(archive: Archive, which: list[int]) -> None:
    store, studies = archive.store, archive.studies
    asked = [f"1.2.{number}" for number in which]
    expected = {f"1.2.{number}" for number in which if number < len(studies)} if which else {None}
    answers = {
        str(one.dataset(Dataset).StudyInstanceUID)
        for one in store.find("STUDY", "STUDY_ROOT", Dataset(StudyInstanceUID=asked))
    }
    assert answers == expected if which else len(answers) == len(studies)
