"""Which objects and series policies mean, asked of the index."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pacskit.storage.index.dialect import Dialect, Glob, like_pattern
from pacskit.storage.index.holds import HELD
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.lifecycle.policies import RecompressPolicy, RetentionPolicy, Selection

__all__ = [
    "Candidate",
    "Series",
    "Where",
    "bytes_at",
    "candidates",
    "series_to_delete",
    "study_of",
    "tier_totals",
    "to_recompress",
]

_READ: Final = "CASE WHEN b.accessed > i.received THEN b.accessed ELSE i.received END"
_JOINED: Final = (
    " FROM instance i JOIN series e ON e.pk = i.series JOIN study s ON s.pk = e.study"
    " LEFT JOIN tier_blob b ON b.blob_key = i.blob_key"
)
_SIZE: Final = "(i.data_offset + i.data_length)"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that a policy means."""

    pk: int
    key: str
    uid: str
    offset: int
    size: int
    digest: bytes | None
    read: str


@dataclass(frozen=True, slots=True)
class Series:
    """A series that a policy means."""

    pk: int
    study_uid: str
    uid: str
    instances: int
    size: int
    read: str


class Where:
    """Conditions and their parameters."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.parameters: list[Any] = []

    def add(self, condition: str, *parameters: Any) -> None:
        self.conditions.append(condition)
        self.parameters += parameters

    def sql(self, word: str) -> str:
        return f" {word} {' AND '.join(self.conditions)}" if self.conditions else ""


def moment_before(now: datetime, days: float) -> str:
    """Return the moment so many days before now, as the index has it."""
    return f"{now.astimezone(UTC) - timedelta(days=days):%Y%m%d%H%M%S.%f}"


def _common(selection: Selection, now: datetime) -> Where:
    where = Where()
    if selection.study_age_days is not None:
        where.add("s.study_date <> '' AND s.study_date <= ?", moment_before(now, selection.study_age_days)[:8])
    if selection.modalities:
        where.add("e.modality IN (SELECT value FROM json_each(?))", json.dumps(selection.modalities))
    return where


def candidates(
    index: SqlIndex, source: str, home: str, selection: Selection, now: datetime, page: int
) -> Iterator[Candidate]:
    """Iterate over the objects of a tier that are meant, those first that were received and read longest ago."""
    where = _of_objects(selection, now)
    where.add("(b.tier IS NULL OR b.tier = ?)" if source == home else "b.tier = ?", source)
    return _candidates(index, where, page)


def _of_objects(selection: Selection, now: datetime) -> Where:
    where = _common(selection, now)
    if selection.age_days is not None:
        where.add("i.received <= ?", moment_before(now, selection.age_days))
    if selection.idle_days is not None:
        before = moment_before(now, selection.idle_days)
        where.add(f"i.received <= ? AND {_READ} <= ?", before, before)
    if selection.min_bytes:
        where.add(f"{_SIZE} >= ?", selection.min_bytes)
    if selection.max_bytes is not None:
        where.add(f"{_SIZE} <= ?", selection.max_bytes)
    return where


def _candidates(index: SqlIndex, where: Where, page: int) -> Iterator[Candidate]:
    sql = (
        f"SELECT i.pk, i.blob_key, i.sop_instance_uid, i.data_offset, {_SIZE}, i.sha256, {_READ}{_JOINED}"
        f"{where.sql('WHERE')} AND ({_READ}, i.pk) > (?, ?) ORDER BY {_READ}, i.pk LIMIT {page:d}"
    )
    after: tuple[str, int] = ("", 0)
    while True:
        with index.reader() as connection:
            rows = connection.execute(sql, (*where.parameters, *after)).fetchall()
        found = [Candidate(*row) for row in rows]
        yield from found
        if len(found) < page:
            return
        after = (found[-1].read, found[-1].pk)


def to_recompress(index: SqlIndex, policy: RecompressPolicy, now: datetime, page: int) -> Iterator[Candidate]:
    """Iterate over the objects that are to be written anew, without those of which it is known that they stay."""
    where = _of_objects(policy, now)
    where.add("i.transfer_syntax_uid IN (SELECT value FROM json_each(?))", json.dumps(policy.sources))
    where.add(
        "NOT EXISTS (SELECT 1 FROM record r JOIN record_value v ON v.kind = r.kind AND v.key = r.key"
        " AND v.name = 'syntax' AND v.value = ? WHERE r.kind = 'not recompressed' AND r.key = i.sop_instance_uid)",
        policy.syntax,
    )
    return _candidates(index, where, page)


def series_to_delete(
    index: SqlIndex, policy: RetentionPolicy | None, now: datetime, page: int, home: str | None = None
) -> Iterator[Series]:
    """Iterate over the series that are meant and not held, those first that were read longest ago.

    Without a policy all are meant; with ``home`` those that have an object there.
    """
    where, having = (Where() if policy is None else _common(policy, now)), Where()
    where.add(f"NOT {HELD}")
    if policy is not None:
        _of_patients(index, where, policy.patients)
        if policy.age_days is not None:
            having.add("max(i.received) <= ?", moment_before(now, policy.age_days))
        if policy.idle_days is not None:
            having.add(f"max({_READ}) <= ?", moment_before(now, policy.idle_days))
    if home is not None:
        having.add("count(CASE WHEN b.tier <> ? THEN NULL ELSE 1 END) > 0", home)
    having.add(f"(max({_READ}), e.pk) > (?, ?)")
    sql = (
        f"SELECT e.pk, s.study_instance_uid, e.series_instance_uid, count(*), sum({_SIZE}), max({_READ})"
        f"{_JOINED} JOIN patient p ON p.pk = s.patient{where.sql('WHERE')}"
        f" GROUP BY e.pk, s.study_instance_uid, e.series_instance_uid{having.sql('HAVING')}"
        f" ORDER BY max({_READ}), e.pk LIMIT {page:d}"
    )
    after: tuple[str, int] = ("", 0)
    while True:
        with index.reader() as connection:
            rows = connection.execute(sql, (*where.parameters, *having.parameters, *after)).fetchall()
        found = [Series(pk, study, uid, int(count), int(size), read) for pk, study, uid, count, size, read in rows]
        yield from found
        if len(found) < page:
            return
        after = (found[-1].read, found[-1].pk)


def _of_patients(index: SqlIndex, where: Where, patterns: Sequence[str]) -> None:
    globs = [Glob(one.replace("[", "[[]")) for one in patterns]
    if globs:
        given = [like_pattern(one) for one in globs] if index.dialect == Dialect.POSTGRESQL else globs
        where.add(f"({' OR '.join('p.patient_id GLOB ?' for _ in globs)})", *given)


def study_of(index: SqlIndex, keys: Sequence[str], home: str) -> list[str]:
    """Return the keys of all objects of the studies of some that are not at home."""
    sql = (
        "SELECT DISTINCT b.blob_key FROM instance i JOIN series e ON e.pk = i.series"
        " JOIN series f ON f.study = e.study JOIN instance j ON j.series = f.pk"
        " JOIN tier_blob b ON b.blob_key = j.blob_key"
        " WHERE i.blob_key IN (SELECT value FROM json_each(?)) AND b.tier <> ? ORDER BY b.blob_key"
    )
    with index.reader() as connection:
        return [key for (key,) in connection.execute(sql, (json.dumps(list(keys)), home)).fetchall()]


def tier_totals(index: SqlIndex, home: str) -> dict[str, tuple[int, int, int]]:
    """Return how many instances there are in each tier, how many bytes, and how many are wanted at home."""
    sql = (
        f"SELECT b.tier, count(*), sum({_SIZE}), count(CASE WHEN b.wanted <> '' THEN 1 END)"
        " FROM instance i LEFT JOIN tier_blob b ON b.blob_key = i.blob_key GROUP BY b.tier"
    )
    found: dict[str, tuple[int, int, int]] = {}
    with index.reader() as connection:
        for tier, count, size, wanted in connection.execute(sql).fetchall():
            had = found.get(tier or home, (0, 0, 0))
            found[tier or home] = (had[0] + int(count), had[1] + int(size), had[2] + int(wanted))
    return found


def bytes_at(index: SqlIndex, home: str | None, after: int = 0) -> tuple[int, int]:
    """Return the bytes of instances that came after one, those at home, and which one came last."""
    at = "" if home is None else " AND (b.tier IS NULL OR b.tier = ?)"
    sql = (
        f"SELECT coalesce(sum({_SIZE}), 0), coalesce(max(i.pk), 0) FROM instance i"
        f" LEFT JOIN tier_blob b ON b.blob_key = i.blob_key WHERE i.pk > ?{at}"
    )
    with index.reader() as connection:
        size, last = connection.execute(sql, (after, *(() if home is None else (home,)))).fetchone()
    return int(size), max(int(last), after)
