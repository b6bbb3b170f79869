"""Records of every kind, on both engines."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.errors import StorageError
from pacskit.storage import entities
from pacskit.storage.entities import AuditRecord, RouteRule, User, WorklistItem
from pacskit.storage.errors import RecordConflict
from pacskit.storage.index import open_index
from pacskit.storage.index.collection import Collection
from pacskit.storage.index.repository import SqlIndex

KINDS = [getattr(entities, name) for name in entities.__all__]


@pytest.fixture
def index(engine: Callable[[], str | None], tmp_path: Path) -> Iterator[SqlIndex]:
    made = open_index(engine() or f"sqlite://{tmp_path}/index.sqlite")
    yield made
    made.close()


def sample(kind: Any, number: int) -> Any:
    """A record with something in every field."""
    values: dict[str, Any] = {}
    for one in dataclasses.fields(kind):
        made: dict[str, Any] = {
            "str": f"{one.name} {number}\u00e9'\"\\", "int": number - 3, "bool": number % 2 == 1, "float": number / 4,
            "tuple[str, ...]": (f"a{number}", "b"), "Mapping[str, Any]": {"k": [number, None, {"x": 1.5}]},
            "tuple[Mapping[str, Any], ...]": ({"uid": f"1.{number}"},),
        }  # fmt: skip
        values[one.name] = made[str(one.type)]
    return kind(**values)


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: str(one.__name__))
def test_each_kind_comes_back_as_it_was(index: SqlIndex, kind: Any) -> None:
    assert kind.KEY in {one.name for one in dataclasses.fields(kind)}
    assert len({one.KIND for one in KINDS}) == len(KINDS)
    records: Collection[Any] = Collection(index, kind)
    made = [sample(kind, number) for number in range(4)]
    for one in made:
        assert records.put(one) == 1
    assert [one.record for one in records.list()] == made
    kept = records.get(getattr(made[2], kind.KEY))
    assert kept is not None
    assert (kept.record, kept.version) == (made[2], 1)
    for name in kind.INDEXED:
        wanted = getattr(made[1], name)
        expected = [one for one in made if getattr(one, name) == wanted]
        assert [one.record for one in records.query(**{name: wanted})] == expected
        assert [one.record for one in records.query(limit=9, after="", **dict[str, Any]({name: (wanted, None)}))] == [
            one for one in made if getattr(one, name) >= wanted
        ]
    assert records.delete(getattr(made[2], kind.KEY))
    assert not records.delete(getattr(made[2], kind.KEY))
    assert [one.record for one in records.list()] == [made[0], made[1], made[3]]


def test_versions_are_optimistic(index: SqlIndex) -> None:
    rules: Collection[RouteRule] = Collection(index, RouteRule)
    assert rules.put(RouteRule("a"), version=0) == 1
    with pytest.raises(RecordConflict):
        rules.put(RouteRule("a", priority=9), version=0)
    assert rules.put(RouteRule("a", priority=1), version=1) == 2
    with pytest.raises(RecordConflict):
        rules.put(RouteRule("a", priority=9), version=1)
    assert rules.put(RouteRule("a", priority=2)) == 3
    with pytest.raises(RecordConflict):
        rules.delete("a", version=2)
    assert rules.query(priority=1) == []
    assert [one.record.priority for one in rules.query(priority=(None, 5), enabled=True)] == [2]
    assert rules.delete("a", version=3)
    assert not rules.delete("a", version=3)


def test_one_of_many_that_change_the_same_version_succeeds(index: SqlIndex) -> None:
    rules: Collection[RouteRule] = Collection(index, RouteRule)
    rules.put(RouteRule("1"))
    outcomes: list[str] = []

    def count() -> None:
        for _ in range(10):
            while True:
                kept = rules.get("1")
                assert kept is not None
                try:
                    rules.put(dataclasses.replace(kept.record, priority=kept.record.priority + 1), version=kept.version)
                except RecordConflict:
                    continue
                outcomes.append("done")
                break

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    kept = rules.get("1")
    assert kept is not None
    assert (kept.record.priority, kept.version, len(outcomes)) == (40, 41, 40)


def test_pages_ranges_and_long_values(index: SqlIndex) -> None:
    audit: Collection[AuditRecord] = Collection(index, AuditRecord)
    long = "x" * 500

    def work(batch: Any) -> None:  # all of them in one transaction of the index
        for number in range(30):
            record = AuditRecord(f"{number:03}", f"202601{number + 1:02}", "query", user=f"{long}{number % 3}")
            audit.put(record, batch=batch)

    index.run(work)
    days = audit.query(time=("20260105", "20260110"))
    assert [one.record.id for one in days] == [f"{number:03}" for number in range(4, 10)]
    assert len(audit.query(user=f"{long}1", limit=4)) == 4
    assert len(audit.query(user=f"{long}1")) == 10
    seen: list[str] = []
    while page := audit.list(limit=7, after=seen[-1] if seen else ""):
        seen += [one.record.id for one in page]
    assert seen == [f"{number:03}" for number in range(30)]
    with pytest.raises(StorageError):
        audit.query(detail="x")
    for key in ("", "x" * 201, "a\0"):
        with pytest.raises(StorageError):
            audit.put(AuditRecord(key, "", ""))


def test_a_record_of_another_release_is_read(index: SqlIndex) -> None:
    users: Collection[User] = Collection(index, User)
    users.put(User("anne", roles=("admin",), credential="scrypt$secret"))
    body = '{"name": "bob", "shoe_size": 43}'
    sql = "INSERT INTO record (kind, key, version, updated, body) VALUES ('user', 'bob', 1, '', ?)"
    index.run(lambda batch: batch.execute(sql, (body,)).rowcount)
    kept = users.get("bob")
    assert kept is not None
    assert kept.record == User("bob")
    assert "secret" not in repr(users.get("anne"))
    assert Collection(index, WorklistItem).get("bob") is None
