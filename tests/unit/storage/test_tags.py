"""Attributes made searchable afterwards, on both engines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.dataset import Dataset
from pacskit.core.errors import ConfigurationError
from pacskit.storage import Match, Store
from pacskit.storage.index import open_index
from pacskit.storage.index.tags import CHUNK
from pacskit.storage.matching import key_of, matches
from tests.unit.storage.objects import instance, put
from tests.unit.storage.rows import new_instance

PATIENCE = 60
ACME, OTHER = "ACME 1.0", "OTHER"
PRIVATE = 0x00191018


class _Raw:
    def __init__(self, tag: int, vr: str, value: Any) -> None:
        self.tag, self.vr, self.value = tag, vr, value


def an_object(number: int, **attributes: Any) -> Dataset:
    """One of three series to a study; its private block is not always at the same place."""
    study, series = f"1.{number // 6}", f"1.{number // 6}.{number // 2}"
    made = instance(study, series, f"{series}.{number}", **attributes)
    if number % 3:
        made.private_block(0x0019, OTHER, create=True).add_new(0x18, "LO", f"other {number}")
    if number % 4:
        made.private_block(0x0019, ACME, create=True).add_new(0x18, "LO", f"Value {number % 5}")
    made.ScanOptions = ["FAST", f"S{number % 3}"]
    made.StationName = f"STATION{number % 2}"
    made.SliceThickness = f"{number}.50"
    return made


@pytest.fixture
def url(engine: Callable[[], str | None], tmp_path: Path) -> str:
    return engine() or f"sqlite://{tmp_path}/other.sqlite"


@pytest.fixture
def store(tmp_path: Path, url: str) -> Iterator[Store]:
    with Store(tmp_path, index=url) as made:
        yield made


def ask(store: Store, level: str, *keys: _Raw) -> list[Match]:
    from pacskit.storage import FindOptions

    wanted = [*keys, _Raw(0x00080018, "UI", ""), _Raw(0x0020000E, "UI", "")]
    return list(store.find(level, "STUDY_ROOT", wanted, FindOptions(relational=True)))


def uids(found: list[Match], tag: int = 0x00080018) -> list[str]:
    return sorted(next(str(one.value) for one in match.elements() if one.tag == tag) for match in found)


def test_what_is_there_and_what_comes_is_found(store: Store, url: str, tmp_path: Path) -> None:
    objects = [an_object(number) for number in range(12)]
    for one in objects:
        put(store, one)
    key = [_Raw(0x00190011, "LO", ACME), _Raw(0x00191118, "LO", "value 1*"), _Raw(0x00180022, "CS", "S2")]
    assert ask(store, "IMAGE", *key)[0].has_ignored_keys
    added = store.index.add_tag(PRIVATE, creator=ACME, vr="LO")
    assert (added.total, added.attribute.level, added.attribute.vr) == (12, "IMAGE", "LO")
    store.index.add_tag("ScanOptions")
    assert store.index.wait_for_tags(PATIENCE)
    assert [(one.done, one.ready) for one in store.index.load_tags().all] == [(12, True)] * 2
    with Store(tmp_path, index=url) as other:
        for number in range(12, 20):
            objects.append(an_object(number))
            put(other if number % 2 else store, objects[-1])
        assert store.index.wait_for_tags(PATIENCE)
        assert other.index.wait_for_tags(PATIENCE)
        for which in (store, other):
            for wanted in ("Value 1", "Value 1*", "V*e ?", "other*", "*"):
                found = ask(which, "IMAGE", _Raw(0x00190011, "LO", ACME), _Raw(0x00191118, "LO", wanted))
                expected = [
                    str(one.SOPInstanceUID)
                    for number, one in enumerate(objects)
                    if wanted == "*"
                    or (number % 4 and matches(key_of(_Raw(1, "LO", wanted)), ["LO", f"Value {number % 5}"]))
                ]
                assert uids(found) == sorted(expected), wanted
                assert not any(one.has_ignored_keys for one in found)
            (option,) = {len(ask(which, "IMAGE", _Raw(0x00180022, "CS", "S2")))}
            assert option == len([number for number in range(20) if number % 3 == 2])
    (answer, *_) = ask(store, "IMAGE", _Raw(0x00190011, "LO", ACME), _Raw(0x00191118, "LO", "Value 1"))
    made = answer.dataset(Dataset)
    assert (made[0x00190011].value, made[0x00191118].value) == (ACME, "Value 1")


def test_what_the_index_has_already_is_narrowed_without_reading(store: Store) -> None:
    for number in range(12):
        put(store, an_object(number, BodyPartExamined="CHEST" if number < 6 else "HEAD", OtherPatientNames="Doe^E"))
    store.index.read_with(lambda one: pytest.fail("nothing has to be read"))
    for name in ("BodyPartExamined", "StationName", "SliceThickness", "OtherPatientNames"):
        store.index.add_tag(name)
    assert store.index.wait_for_tags(PATIENCE)
    assert all(one.ready for one in store.index.load_tags().all)
    # a series is what its first object says
    assert len(ask(store, "SERIES", _Raw(0x00180015, "CS", "CHEST"))) == 3
    assert len(ask(store, "SERIES", _Raw(0x00081010, "SH", "STATION0"))) == 6
    assert len(ask(store, "SERIES", _Raw(0x00081010, "SH", "*1"))) == 0
    assert len(ask(store, "IMAGE", _Raw(0x00180050, "DS", "3.5"))) == 1
    assert len(ask(store, "STUDY", _Raw(0x00101001, "PN", "DO*"))) == 2
    assert len(ask(store, "STUDY", _Raw(0x00101001, "PN", "do^e"))) == 0


def test_levels_above_are_read_from_their_first_object(store: Store) -> None:
    for number in range(12):
        put(store, an_object(number))
    store.index.add_tag(PRIVATE, creator=ACME, vr="LO", level="SERIES")
    assert store.index.wait_for_tags(PATIENCE)
    found = ask(store, "SERIES", _Raw(0x00190010, "LO", ACME), _Raw(0x00191018, "LO", "Value 2"))
    assert uids(found, 0x0020000E) == ["1.0.1"]
    put(store, an_object(12 + 10))  # the first of its series
    assert store.index.wait_for_tags(PATIENCE)
    found = ask(store, "SERIES", _Raw(0x00190010, "LO", ACME), _Raw(0x00191018, "LO", "Value 2"))
    assert uids(found, 0x0020000E) == ["1.0.1", "1.3.11"]


def test_gathering_goes_on_after_a_restart(url: str, tmp_path: Path) -> None:
    count = CHUNK + 10
    reached, go = threading.Event(), threading.Event()
    with Store(tmp_path, index=url) as store:
        for number in range(count):
            put(store, an_object(number))
        read, asked = store.index._builder.read, 0
        assert read is not None

        def slow(one: Any) -> Any:
            nonlocal asked
            asked += 1
            if asked == CHUNK + 5:  # in the second piece
                reached.set()
                go.wait(PATIENCE)
            return read(one)

        store.index.read_with(slow)
        store.index.add_tag("ScanOptions")
        assert reached.wait(PATIENCE)
        (half,) = store.index.load_tags().all
        assert (half.done, half.total, half.ready) == (CHUNK, count, False)
        assert ask(store, "IMAGE", _Raw(0x00180022, "CS", "S1"))  # what is there is found; nothing is promised yet
        closer = threading.Timer(0, go.set)
        store.index._builder._closing = True
        closer.start()
    with Store(tmp_path, index=url) as store:
        assert store.index.wait_for_tags(PATIENCE)
        (whole,) = store.index.load_tags().all
        assert (whole.done, whole.ready) == (count, True)
        assert len(ask(store, "IMAGE", _Raw(0x00180022, "CS", "S1"))) == len([n for n in range(count) if n % 3 == 1])


@pytest.mark.parametrize(
    ("tag", "options"),
    [
        ("NoSuchKeyword", {}),
        (PRIVATE, {}),
        (PRIVATE, {"vr": "OB"}),
        ("ReferencedImageSequence", {}),
        ("ScanOptions", {"level": "FRAME"}),
    ],
)
def test_what_cannot_be_made_searchable_is_refused(store: Store, tag: str | int, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        store.index.add_tag(tag, **options)


def test_an_index_without_objects_says_so(url: str) -> None:
    from pacskit.storage import DuplicatePolicy

    index = open_index(url)
    index.ingest(new_instance(StationName="A"), DuplicatePolicy.REJECT, session="s")
    with pytest.raises(ConfigurationError, match="here are none"):
        index.add_tag("ScanOptions")
    index.add_tag("StationName")
    assert index.wait_for_tags(PATIENCE)
    assert [one.done for one in index.load_tags().all] == [1]
    index.close()
