"""Cycles: which objects policies mean, what is moved and deleted within the limits, holds and quotas."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacskit.core.errors import ConfigurationError, StorageError
from pacskit.storage import DuplicatePolicy, OutOfSpace, Store
from pacskit.storage.blobs import MemoryStore, TieredStore
from pacskit.storage.blobs.tierstate import moment
from pacskit.storage.errors import UnderHold
from pacskit.storage.index import open_index
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.schema import MIGRATIONS
from pacskit.storage.index.schema_lifecycle import LIFECYCLE
from pacskit.storage.index.sqlite import bring_up_to_date as migrate
from pacskit.storage.lifecycle import (
    CycleLimits,
    Holds,
    Lifecycle,
    MovePolicy,
    Policies,
    Quota,
    RecompressPolicy,
    RetentionPolicy,
)
from tests.unit.storage.objects import instance, put
from tests.unit.storage.rows import check_counters, new_instance

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def index(engine: Callable[[], str | None], tmp_path: Path) -> Iterator[SqlIndex]:
    made = open_index(engine() or f"sqlite://{tmp_path}/index.sqlite")
    yield made
    made.close()


def days(number: float) -> str:
    return moment(NOW - timedelta(days=number))


def add(
    index: SqlIndex, store: TieredStore, uid: str, *, age: float = 0, size: int = 100, key: str = "", **attributes: Any
) -> str:
    """Put an object that was received so many days ago, and index it; return its key."""
    new = new_instance(uid, key=key or f"k/{uid}", **attributes)
    new = replace(new, offset=10, length=size - 10, received=days(age))
    store.put_stream(new.key, uid.encode().ljust(size, b"\0"))
    index.ingest(new, DuplicatePolicy.REJECT, session="s")
    return new.key


def tiers_of(*names: str) -> dict[str, Any]:
    return {name: MemoryStore() for name in names}


def deleter(index: SqlIndex, store: TieredStore | None = None) -> Callable[..., int]:
    def delete(level: str, /, *, study_uid: str, series_uid: str) -> int:
        unique: dict[str, Sequence[str]] = {"StudyInstanceUID": [study_uid], "SeriesInstanceUID": [series_uid]}
        deletion = index.delete(level, unique, session="s")
        if store is not None:
            store.delete(deletion.keys)
        index.forget_retired(deletion.keys)
        return deletion.instances

    return delete


def test_what_nobody_has_read_moves_on_and_comes_back_when_it_is(index: SqlIndex) -> None:
    tiers = tiers_of("hot", "warm", "cold")
    moves = (
        MovePolicy(source="hot", target="warm", idle_days=30),
        MovePolicy(source="warm", target="cold", idle_days=365),
    )
    with TieredStore(index, tiers) as store:
        keys = {age: add(index, store, f"1.2.{age}.1.1", age=age) for age in (1, 40, 400)}
        assert store.get_range(add(index, store, "1.2.50.1.1", age=50), 0, 1)  # read now
        cycle = Lifecycle(index, store, Policies(moves=moves))
        planned = cycle.run(now=NOW, dry_run=True)
        assert {one.outcome for one in planned.actions} == {"planned"}
        assert str(planned) == "2 instances of 200 bytes would be moved"
        assert {key: store.tier(key) for key in keys.values()} == dict.fromkeys(keys.values(), "hot")
        assert [one.uid for one in planned.actions] == ["1.2.400.1.1", "1.2.40.1.1"]

        done = cycle.run(now=NOW)
        assert str(done) == "3 instances of 300 bytes moved"  # the oldest one twice
        assert {age: store.tier(key) for age, key in keys.items()} == {1: "hot", 40: "warm", 400: "cold"}
        assert store.tier("k/1.2.50.1.1") == "hot"
        assert [(one.name, one.instances, one.bytes) for one in cycle.status()] == [
            ("hot", 2, 200), ("warm", 1, 100), ("cold", 1, 100),
        ]  # fmt: skip
        assert cycle.run(now=NOW).actions == ()

        assert store.get(keys[400]).read().startswith(b"1.2.400")
        assert [one.wanted for one in cycle.status()] == [0, 0, 1]
        assert str(cycle.run(now=NOW)) == "1 instances of 100 bytes recalled"
        assert store.tier(keys[400]) == "hot"
        assert cycle.run(now=NOW).actions == ()  # it has been read
    assert [one.name for one in Lifecycle(index).status()] == []


def test_all_of_a_study_comes_back_where_that_is_wanted(index: SqlIndex) -> None:
    with TieredStore(index, tiers_of("hot", "cold")) as store:
        keys = [add(index, store, f"1.2.1.{series}.{number}", age=9) for series in (1, 2) for number in (1, 2)]
        other = add(index, store, "1.2.2.1.1", age=9)
        moves = (MovePolicy(source="hot", target="cold", idle_days=5),)
        cycle = Lifecycle(index, store, Policies(moves=moves, recall_study=True))
        assert cycle.run(now=NOW).count() == (5, 500)
        store.get_range(keys[0], 0, 1)
        assert cycle.run(now=NOW).count("recall") == (4, 400)
        assert {store.tier(key) for key in keys} == {"hot"}
        assert store.tier(other) == "cold"
        assert cycle.recall([other, keys[0], "not/there"]).count("recall") == (1, 100)
        assert store.tier(other) == "hot"


def test_a_cycle_keeps_to_its_limits_and_goes_past_what_fails(index: SqlIndex) -> None:
    with TieredStore(index, tiers_of("hot", "cold")) as store:
        keys = [add(index, store, f"1.2.1.1.{number}", age=100 - number) for number in range(12)]
        moves = (MovePolicy(source="hot", target="cold", age_days=1),)
        first = Lifecycle(index, store, Policies(moves=moves, limits=CycleLimits(instances=3, parallel=2))).run(now=NOW)
        assert [one.uid for one in first.actions] == ["1.2.1.1.0", "1.2.1.1.1", "1.2.1.1.2"]
        second = Lifecycle(index, store, Policies(moves=moves, limits=CycleLimits(bytes=250, parallel=4))).run(now=NOW)
        assert [one.uid for one in second.actions] == ["1.2.1.1.3", "1.2.1.1.4", "1.2.1.1.5"]
        store.tiers["hot"].delete(keys[6])
        digest = "UPDATE instance SET sha256 = ? WHERE blob_key = ?"
        index.run(lambda batch: batch.execute(digest, (bytes(32), keys[7])).rowcount)
        third = Lifecycle(index, store, Policies(moves=moves, limits=CycleLimits(instances=2, parallel=1))).run(now=NOW)
        assert [(one.outcome, one.error) for one in third.actions] == [
            ("failed", "BlobNotFound"), ("failed", "BlobDamaged"), ("done", ""), ("done", ""),
        ]  # fmt: skip
        assert store.tier(keys[7]) == "hot"
        assert str(third) == "2 instances of 200 bytes moved; 2 actions failed"


_DAYS = st.none() | st.integers(0, 5)
_OBJECTS = st.lists(
    st.tuples(
        st.integers(0, 5), st.integers(0, 5), st.sampled_from(["CT", "MR", ""]),
        st.sampled_from(["", *(f"{NOW - timedelta(days=one):%Y%m%d}" for one in range(5))]), st.integers(20, 60),
    ),
    max_size=8,
)  # fmt: skip


@settings(max_examples=40)
@given(
    objects=_OBJECTS,
    chosen=st.tuples(_DAYS, _DAYS, _DAYS, st.sampled_from([(), ("CT",), ("CT", "MR")]), st.sampled_from([0, 40])),
)
def test_a_policy_means_those_to_which_all_of_it_applies(objects: Any, chosen: Any, tmp_path_factory: Any) -> None:
    age, idle, study, modalities, least = chosen
    index = open_index(f"sqlite://{tmp_path_factory.mktemp('policy')}/index.sqlite")
    policy = MovePolicy(
        source="hot", target="cold", age_days=age, idle_days=idle, study_age_days=study, modalities=modalities,
        min_bytes=least, max_bytes=55 if least else None,
    )  # fmt: skip
    expected = set()
    with TieredStore(index, tiers_of("hot", "cold")) as store:
        for number, (received, read, modality, date, size) in enumerate(objects):
            uid = f"1.2.{number}.1.1"
            key = add(index, store, uid, age=received, size=size, Modality=modality, StudyDate=date)
            store.state.note({key: days(read)}, {})
            if (
                (age is None or received >= age)
                and (idle is None or min(received, read) >= idle)
                and (study is None or (date and date <= f"{NOW - timedelta(days=study):%Y%m%d}"))
                and (not modalities or modality in modalities)
                and (not least or least <= size <= 55)
            ):
                expected.add(uid)
        found = Lifecycle(index, store, Policies(moves=(policy,))).run(now=NOW, dry_run=True)
    index.close()
    assert {one.uid for one in found.actions} == expected


def test_series_that_are_old_are_deleted_except_where_a_hold_is(index: SqlIndex) -> None:
    holds = Holds(index)
    with TieredStore(index, tiers_of("hot", "cold")) as store:
        for number_of_study, patient in ((1, "A1"), (2, "A2"), (3, "B[3"), (4, "A4")):
            for series, modality in ((1, "CT"), (2, "SR")):
                for number in (1, 2):
                    add(
                        index, store, f"1.2.{number_of_study}.{series}.{number}", age=50 - number, PatientID=patient,
                        Modality=modality,
                    )  # fmt: skip
        add(index, store, "1.2.1.1.9", age=2, PatientID="A1", Modality="CT")  # so the series is not old
        holds.put(study_uid="1.2.2", reason="a claim", by="records office")
        holds.put(patient_id="A4")
        policy = RetentionPolicy(name="old CT", age_days=30, modalities=("CT",), patients=("A*", "B[*"))
        cycle = Lifecycle(index, store, Policies(retention=(policy,)), delete=deleter(index, store))
        planned = cycle.run(now=NOW, dry_run=True)
        assert [(one.uid, one.instances) for one in planned.actions] == [("1.2.3.1", 2)]
        assert str(cycle.run(now=NOW)) == "2 instances of 200 bytes deleted"
        assert index.counts().instances == 15
        assert cycle.run(now=NOW).actions == ()
        check_counters(index)
        assert [one.study_uid or one.patient_id for one in holds] == ["A4", "1.2.2"]
        for study in ("1.2.2", "1.2.4"):
            with pytest.raises(UnderHold):
                index.delete("STUDY", {"StudyInstanceUID": [study]}, session="s")
        assert holds.release(study_uid="1.2.2")
        assert not holds.release(study_uid="1.2.2")
        assert [one.uid for one in cycle.run(now=NOW).actions] == ["1.2.2.1"]
        with pytest.raises(ConfigurationError):
            holds.put()


def test_what_is_replaced_under_a_hold_is_set_aside(tmp_path: Path) -> None:
    with Store(tmp_path, duplicates="replace") as store:
        first = put(store, instance(PatientID="7", InstanceNumber=1))
        holds = Holds(store.index)
        holds.put(patient_id="7")
        second = put(store, instance(PatientID="7", InstanceNumber=2))
        put(store, instance(uid="1.2.1.1.2", PatientID="7"))
        with pytest.raises(UnderHold):
            store.delete("PATIENT", patient_id="7")
        assert second.instance == store.get("1.2.1.1.1") != first.instance
        assert [one.kind for one in store.removals.listed()] == ["replaced"]
        assert store.removals.sweep().instances == 0
        holds.release(patient_id="7")
        assert store.removals.sweep().instances == 1
        assert list(store.verify(digest=True)) == []
        holds.release(patient_id="7")
        assert str(put(store, instance(PatientID="7", InstanceNumber=2)).outcome) == "replaced"
        assert store.delete("PATIENT", patient_id="7") == 2


@pytest.mark.parametrize("target", ["cold", None])
def test_room_is_made_from_the_high_mark_to_the_low_one(index: SqlIndex, target: str | None) -> None:
    quota = Quota(bytes=1000, high=0.8, low=0.5, hard=0.9, target=target)
    with TieredStore(index, tiers_of("hot", "cold")) as store:
        cycle = Lifecycle(
            index,
            store,
            Policies(quota=quota, limits=CycleLimits(instances=1, parallel=1)),
            delete=deleter(index, store),
        )
        gate = cycle.gate
        assert gate is not None
        for number in range(8):
            add(index, store, f"1.2.{number}.1.1", age=10 - number)
            gate.check()
        assert cycle.run(now=NOW).actions == ()  # it is at the mark, not above it
        store.get_range("k/1.2.0.1.1", 0, 1)
        add(index, store, "1.2.8.1.1")
        with pytest.raises(OutOfSpace):
            gate.check()
        done = cycle.run(now=NOW)
        assert [one.uid for one in done.actions] == [
            f"1.2.{number}.1.1" if target else f"1.2.{number}.1" for number in (1, 2, 3, 4)
        ]
        assert gate.usage() == (500, 1000)
        gate.check()
        assert index.counts().instances == (9 if target else 5)


def test_a_quota_of_the_disk_is_measured_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as store:
        put(store, instance())
        cycle = Lifecycle(store.index, None, Policies(quota=Quota()), delete=store.delete, disk=tmp_path)
        assert cycle.gate is not None
        used, total = cycle.gate.usage()
        assert 0 < used < total
        low = Quota(high=1e-9, low=1e-9, hard=1e-9)
        full = Lifecycle(store.index, None, Policies(quota=low), delete=store.delete, disk=tmp_path)
        assert full.gate is not None
        with pytest.raises(OutOfSpace):
            full.gate.check()
        assert full.run().count("delete")[0] == 1
        assert store.counts().instances == 0
        gone = Lifecycle(store.index, None, Policies(quota=low), delete=store.delete, disk=tmp_path / "not there")
        with pytest.raises(StorageError):
            gone.run()


@pytest.mark.parametrize(
    "make",
    [
        lambda: MovePolicy(source="hot", target="hot"),
        lambda: MovePolicy(source="hot", target="cold", idle_days=-1),
        lambda: MovePolicy(source="hot", target="cold", modalities="CT"),  # type: ignore[arg-type]
        lambda: MovePolicy(source="hot", target="cold", min_bytes=9, max_bytes=8),
        lambda: RetentionPolicy(name="all"),
        lambda: RetentionPolicy(name="", age_days=3),
        lambda: RetentionPolicy(name="small", age_days=3, min_bytes=7),
        lambda: CycleLimits(instances=0),
        lambda: Quota(high=0.5, low=0.6),
        lambda: Quota(bytes=0),
        lambda: RecompressPolicy(syntax="1.2.840.10008.1.2.4.50"),
        lambda: RecompressPolicy(syntax="rle", sources=("1.2.840.10008.1.2.5",)),
        lambda: RecompressPolicy(syntax="rle", sources=("1.2.840.10008.1.2.4.50",)),
        lambda: RecompressPolicy(syntax="rle", at_most=1.5),
        lambda: Policies(moves=("hot to cold",)),  # type: ignore[arg-type]
        lambda: Policies(moves=({"source": "hot", "to": "cold"},)),  # type: ignore[arg-type]
        lambda: Policies(recall="soon"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_meant_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigurationError):
        make()


def test_a_cycle_knows_its_tiers(index: SqlIndex) -> None:
    with TieredStore(index, tiers_of("hot")) as store:
        for policies in (
            Policies(moves=(MovePolicy(source="hot", target="cold"),)),
            Policies(quota=Quota(target="cold")),
            Policies(retention=(RetentionPolicy(name="old", age_days=1),)),
        ):
            with pytest.raises(ConfigurationError):
                Lifecycle(index, store, policies)
        with pytest.raises(ConfigurationError):
            Lifecycle(index).recall(["k"])


def test_an_index_of_before_the_tiers_moves_what_it_has(tmp_path: Path) -> None:
    earlier = MIGRATIONS[: MIGRATIONS.index(LIFECYCLE)]
    path = tmp_path / "index.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert migrate(connection, earlier) == len(earlier)
        connection.execute("INSERT INTO patient (patient_id) VALUES ('7')")
        connection.execute("INSERT INTO study (patient, study_instance_uid) VALUES (1, '1.2')")
        connection.execute("INSERT INTO series (study, series_instance_uid) VALUES (1, '1.2.3')")
        connection.execute(
            "INSERT INTO instance (series, sop_instance_uid, blob_key, data_offset, data_length, received)"
            " VALUES (1, '1.2.3.4', 'k/1', 0, 3, '20260101120000.000000')"
        )
    index = open_index(f"sqlite://{path}")
    tiers = tiers_of("hot", "cold")
    tiers["hot"].put_stream("k/1", b"abc")
    with TieredStore(index, tiers) as store:
        moves = (MovePolicy(source="hot", target="cold", age_days=30),)
        assert Lifecycle(index, store, Policies(moves=moves)).run(now=NOW).count("move") == (1, 3)
        assert (store.tier("k/1"), store.get("k/1").read()) == ("cold", b"abc")
    index.close()
