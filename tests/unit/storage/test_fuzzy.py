"""Fuzzy names (PS3.4 C.2.2.2.1): what is written about them, and that the index finds what looking at all would."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacskit.core.dataset import Dataset
from pacskit.storage import FindOptions, Store
from pacskit.storage.fuzzy import MAX_WORDS, matches_fuzzily
from pacskit.storage.index.query import plan
from pacskit.storage.text import name_groups
from tests.unit.storage.objects import found, identifier, instance, put

FUZZY = FindOptions(fuzzy_names=True)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("john smith", "Smith^John"),
        ("SMYTH", "Smith^John"),
        ("Jonson", "Johnson^Ann"),
        ("Katherine Miller", "Miller^Catherine"),
        ("Müller", "Mueller^Hans"),
        ("mueller", "Müller^Hans"),
        ("Schmitt^K", "Schmidt^Klaus"),
        ("Meyer", "Maier^Eva"),
        ("obrien", "O'Brien^Pat"),
        ("O’Brien, Pat", "OBRIEN^PATRICIA"),
        ("Garcia Lopez", "López-García^Ana"),
        ("Thompson^R", "Thomson^Robert^James"),
        ("Smith^James", "Smith^J"),
        ("Philips", "Fillips^X"),
        ("Aleksandrovic", "Aleksandrowicz^Ivan"),
        ("Yamada Tarou", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("山田", "Yamada^Tarou=山田^太郎"),
    ],
)
def test_names_that_are_meant(asked: str, name: str) -> None:
    assert matches_fuzzily(asked, *name_groups(name))


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("Jane Smith", "Smith^John"),
        ("Lee", "Les^X"),  # three letters have to be right
        ("Alexandrovich", "Aleksandrowitsch^Ivan"),  # three letters are too many
        ("Smith", "Jones^Smith"),  # none of the words is the first one
        ("Walker", "Talker^X"),
        ("", "Smith^John"),
        ("^", "Smith^John"),
    ],
)
def test_names_that_are_not(asked: str, name: str) -> None:
    assert not matches_fuzzily(asked, *name_groups(name))


FAMILIES = ["Smith", "Smyth", "Schmidt", "Schmitt", "Müller", "Mueller", "Miller", "Katz", "Cats", "Quast", "Zimmer"]
FAMILIES += ["Simmer", "Yilmaz", "Jilmas", "Wagner", "Vagner", "Philips", "Fillips", "O'Neill", "Oneil", "Øster", "李"]
GIVEN = ["John", "Jon", "Anna", "Ana", "Katherine", "Catherine", "Hans", "J", ""]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("fuzzy")) as made:
        for number, (family, given) in enumerate((f, g) for f in FAMILIES for g in GIVEN):
            uid = f"1.2.{number}"
            put(made, instance(uid, f"{uid}.1", f"{uid}.1.1", PatientID=str(number), PatientName=f"{family}^{given}",
                               ReferringPhysicianName=f"{given}^{family}", SpecificCharacterSet="ISO_IR 192",
                               PerformingPhysicianName=f"{family}^{given}"))  # fmt: skip
        yield made


def test_the_index_finds_what_looking_at_every_name_finds(store: Store) -> None:
    names = [f"{family}^{given}" for family in FAMILIES for given in GIVEN]
    draw = random.Random(5)
    pairs = [[draw.choice(FAMILIES), draw.choice(GIVEN[:-1])] for _ in range(60)]
    asked = [" ".join(draw.sample(pair, draw.choice((1, 2)))) for pair in pairs]
    asked += ["smi", "k", "q", "c", "ph", "z x", "李", "' - ^", "mul*", "*ann*"]
    for one in asked:
        exact = set(found(store, "PATIENT", "PatientID", "PATIENT_ROOT", None, PatientName=one))
        want = {str(n) for n, name in enumerate(names) if matches_fuzzily(one, *name_groups(name))} | exact
        if one.strip("'- ^"):
            assert set(found(store, "PATIENT", "PatientID", "PATIENT_ROOT", FUZZY, PatientName=one)) == want, one


def test_it_looks_at_those_only_that_begin_so(store: Store) -> None:
    made = plan("PATIENT", "PATIENT_ROOT", identifier(PatientName="smith john"), FUZZY)
    with store.index.reader() as connection:
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {made.sql}", made.parameters)]
    assert not [step for step in steps if step.startswith("SCAN")]


def test_every_name_is_matched_so_and_nothing_unless_agreed(store: Store) -> None:
    for keyword in ("ReferringPhysicianName", "PatientName"):
        assert not found(store, "STUDY", "StudyInstanceUID", **{keyword: "jon shmith"})
        assert len(found(store, "STUDY", "StudyInstanceUID", options=FUZZY, **{keyword: "jon smith"})) >= 2
    keys = {"StudyInstanceUID": "1.2.0", "PerformingPhysicianName": "smyth john"}
    assert found(store, "SERIES", "SeriesInstanceUID", **keys) == []
    assert found(store, "SERIES", "SeriesInstanceUID", options=FUZZY, **keys) == ["1.2.0.1"]


def test_long_names_take_no_longer_than_they_may() -> None:
    long = " ".join(["smithsonian" * 400] * 500)
    assert matches_fuzzily(long, long)
    assert not matches_fuzzily(" ".join("abcdefghijklmnop"[:MAX_WORDS]), "abcdefgh " * 500)


def test_a_query_of_a_hundred_words_is_one_statement(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        put(store, instance(PatientID="1", PatientName="Smith^John"))
        many = Dataset(PatientName=["\\".join(f"smith{n} x{n} c{n} f{n}" for n in range(50))], PatientID="")
        assert list(store.find("PATIENT", "PATIENT_ROOT", many, FUZZY)) == []
