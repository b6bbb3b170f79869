"""The long runs of ``make crash``, for seconds: each named point once, a few kills at any moment, a few power cuts."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from pacskit.storage.records import Commit
from tests.crash.disk import Disk, Op, Record, Taste
from tests.crash.kills import POINTS, Archive
from tests.crash.powercut import Trial, record

COMMITS = get_args(Commit)
INDEXES = ("sqlite", "postgresql")


@pytest.fixture
def index(request: pytest.FixtureRequest) -> str | None:
    """The address of a new index; None stands for the file in the archive's directory."""
    if request.param == "sqlite":
        return None
    schema: Callable[[], str] = request.getfixturevalue("postgres_schema")
    return schema()


def _points() -> list[tuple[str, str, str]]:
    """Each point with one of the indexes and policies, so that each of these has its share of every part."""
    return [
        (name, kind or INDEXES[number // 3 % 2], COMMITS[number % len(COMMITS)])
        for number, (name, (_, kind)) in enumerate(POINTS.items())
    ]


@pytest.mark.parametrize(("name", "index", "commit"), _points(), indirect=["index"])
def test_killed_at_a_named_point(tmp_path: Path, name: str, index: str | None, commit: str) -> None:
    archive = Archive(tmp_path, commit, index, seed=len(name))
    done = archive.kill_at_point(name, random.Random(name))
    assert done.problems == []
    assert done.killed


@pytest.mark.parametrize(("index", "commit"), [("sqlite", "group"), ("postgresql", "os")], indirect=["index"])
def test_killed_at_any_moment(tmp_path: Path, index: str | None, commit: str) -> None:
    archive, chance = Archive(tmp_path, commit, index, grace=0.1), random.Random(11)
    rounds = [archive.kill_after(chance.uniform(0.05, 0.4)), archive.kill_as_it_starts(chance.uniform(0.2, 0.6))]
    rounds.append(archive.kill_after(chance.uniform(0.05, 0.4)))
    assert [problem for one in rounds for problem in one.problems] == []


@pytest.mark.parametrize("commit", COMMITS)
def test_the_power_is_cut(tmp_path: Path, commit: str) -> None:
    records = record(tmp_path, commit, seed=3, count=64)
    done = Trial(tmp_path, commit, seed=4, again=12).cut(records, 14)
    assert done.problems == []
    assert done.cuts > 14
    assert done.acknowledged == 64
    if commit != "os":
        assert Trial(tmp_path, commit, seed=4, syncs=False).cut(records, 8).lost > 0


# the disk itself

NOTHING = Taste(0.0, 0.0)


def _call(
    op: Op, path: str = "", other: str = "", *, descriptor: int = -1, number: int = 0, data: bytes = b""
) -> Record:
    return Record(op, descriptor, number, path and f"/d/{path}", other and f"/d/{other}", data)


def _left(tmp_path: Path, calls: list[Record], taste: Taste = NOTHING) -> set[frozenset[tuple[str, bytes]]]:
    """What power cuts may leave, as many as there are within some tries."""
    tmp_path.mkdir()
    disk = Disk("/d")
    for one in calls:
        disk.play(one)
    found = set()
    for number in range(40):
        folder = tmp_path / str(number)
        disk.leave(folder, random.Random(number), taste)
        files = [path for path in folder.rglob("*") if path.is_file()]
        found.add(frozenset((path.relative_to(folder).as_posix(), path.read_bytes()) for path in files))
    return found


CREATED = _call(Op.OPEN, "a", descriptor=3, number=0o101)  # O_CREAT | O_WRONLY
WRITTEN = _call(Op.WRITE, descriptor=3, data=b"xy")
SYNCED = _call(Op.FSYNC, descriptor=3)
KEPT = [Record(Op.OPEN, 4, 0, "/d", "", b""), _call(Op.FSYNC, descriptor=4)]


def test_a_disk_forgets_what_was_not_synced(tmp_path: Path) -> None:
    nothing: frozenset[tuple[str, bytes]] = frozenset()
    assert _left(tmp_path / "1", [CREATED, WRITTEN]) == {nothing}
    assert _left(tmp_path / "2", [CREATED, WRITTEN, SYNCED]) == {nothing}  # its entry was not
    half = {frozenset({("a", b"")}), frozenset({("a", b"\0\0")}), frozenset({("a", b"xy")})}
    assert _left(tmp_path / "3", [CREATED, WRITTEN, *KEPT]) == half
    assert _left(tmp_path / "4", [CREATED, WRITTEN, SYNCED, *KEPT]) == {frozenset({("a", b"xy")})}
    either = {nothing, frozenset({("a", b"xy")})}
    assert _left(tmp_path / "5", [CREATED, WRITTEN, SYNCED], Taste(0.0, 0.5)) == either


def test_a_disk_renames_as_a_whole_and_keeps_links_apart(tmp_path: Path) -> None:
    begun = [CREATED, WRITTEN, SYNCED, *KEPT]
    a, b = ("a", b"xy"), ("b", b"xy")
    renamed, linked, removed = _call(Op.RENAME, "a", "b"), _call(Op.LINK, "a", "b"), _call(Op.UNLINK, "a")
    assert _left(tmp_path / "1", [*begun, renamed], Taste(0.0, 0.5)) == {frozenset({a}), frozenset({b})}
    every = {frozenset({a}), frozenset({b}), frozenset({a, b}), frozenset()}
    assert _left(tmp_path / "2", [*begun, linked, removed], Taste(0.0, 0.5)) == every
    assert _left(tmp_path / "3", [*begun, linked, removed, *KEPT[1:]]) == {frozenset({b})}
    assert _left(tmp_path / "4", [CREATED, WRITTEN, renamed, Record(Op.SYNCFS, 3, 0, "", "", b"")]) == {frozenset({b})}
