"""The change feed: what happened to the archive, in the order in which it became true.

Each transaction of the index writes its changes as its last act, together with what they tell of. In SQLite no other
one is under way then. In PostgreSQL, where transactions run side by side, their numbers come from a row that stays
locked until the transaction has ended: the next one gets later numbers, and is seen later. So whoever has seen a number
has missed none before it. The numbers are consecutive.

Many changes share a row: a transaction with 200 instances of a series costs one of some kilobytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.errors import ConfigurationError
from pacskit.storage.errors import ChangesExpired
from pacskit.storage.index.dialect import Borrow, Connection, Dialect
from pacskit.storage.index.listening import CHANNEL

if TYPE_CHECKING:
    from pacskit.storage.records import NewInstance

__all__ = [
    "CHANGES_TOPIC",
    "INSTANCE_DELETED",
    "INSTANCE_REPLACED",
    "INSTANCE_STORED",
    "PATIENT_CHANGED",
    "PATIENT_DELETED",
    "PATIENT_NEW",
    "SERIES_DELETED",
    "SERIES_NEW",
    "STUDY_CHANGED",
    "STUDY_DELETED",
    "STUDY_MOVED",
    "STUDY_NEW",
    "Change",
    "Changes",
    "Retention",
    "break_feed",
    "last_change",
    "read_changes",
]

PATIENT_NEW: Final = "patient.new"
PATIENT_CHANGED: Final = "patient.changed"
PATIENT_DELETED: Final = "patient.deleted"
STUDY_NEW: Final = "study.new"
STUDY_CHANGED: Final = "study.changed"
"""Instances came to a study or left it, or its attributes changed: once for each transaction that did so."""
STUDY_MOVED: Final = "study.moved"
"""A study hangs below another patient, who is named: it has been moved, or its patient merged, or that taken back."""
STUDY_DELETED: Final = "study.deleted"
SERIES_NEW: Final = "series.new"
SERIES_DELETED: Final = "series.deleted"
INSTANCE_STORED: Final = "instance.stored"
INSTANCE_REPLACED: Final = "instance.replaced"
INSTANCE_DELETED: Final = "instance.deleted"

CHANGES_TOPIC: Final = "changes"

_MOST: Final = 256  # changes in a row
_PAGE: Final = 16  # rows at a time
_EVERY: Final = 1024  # changes after which the oldest are looked at
_AT_ONCE: Final = 4096  # rows that go at a time
_A_SECOND: Final = 20  # bits of the changes that no archive has in one

_APPEND: Final = MappingProxyType(
    {
        Dialect.SQLITE: (
            "INSERT INTO change (last, size, moment, body)"
            " SELECT newest + :size, :size, :moment, :body FROM (SELECT max(last) AS newest FROM change) RETURNING last"
        ),
        Dialect.POSTGRESQL: (
            "WITH counter AS (UPDATE state SET value = value + :size WHERE name = 'change' RETURNING value), written AS"
            " (INSERT INTO change (last, size, moment, body) SELECT value, :size, :moment, :body FROM counter)"
            f" SELECT value, pg_notify({CHANNEL}, '{CHANGES_TOPIC}') FROM counter"
        ),
    }
)
_READ: Final = f"SELECT last, size, moment, body FROM change WHERE last > ? ORDER BY last LIMIT {_PAGE:d}"


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened; what it happened to is named as far as its kind goes.

    ``number`` is where to go on (``after=change.number``); ``moment`` is when it was written, in UTC, as DICOM has it
    (``YYYYMMDDHHMMSS.ffffff``), by the clock of the process that wrote it.
    """

    number: int
    kind: str
    moment: str
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of the feed is kept: so many changes, and of those the ones that are not older than so many days."""

    changes: int = 1_000_000
    days: float | None = None

    def __post_init__(self) -> None:
        if self.changes < _EVERY:
            raise ConfigurationError(f"at least {_EVERY} changes are kept, not {self.changes!r}")
        if self.days is not None and not self.days > 0:
            raise ConfigurationError(f"changes are kept for more than {self.days!r} days")


# kind, patient ID, issuer, study, series, instances, detail
_Group = tuple[str, str, str, str, str, list[str], Mapping[str, Any]]


class Changes:
    """The changes of one transaction, before it has ended."""

    __slots__ = ("_changed", "_groups", "_open")

    def __init__(self) -> None:
        self._groups: list[_Group] = []
        self._open: dict[tuple[str, str], list[str]] = {}  # where more instances of a series go
        self._changed: dict[str, None] = {}  # studies

    def clear(self) -> None:
        """Forget what has been noted."""
        self._groups, self._open, self._changed = [], {}, {}

    def note(
        self,
        kind: str,
        *,
        patient: tuple[str, str] = ("", ""),
        study: str = "",
        series: str = "",
        instances: Sequence[str] = (),
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Note a change, or one of each instance; ``patient`` is an ID and its issuer."""
        self._open.clear()
        if instances and not detail and self._groups and self._groups[-1][:5] == (kind, *patient, study, series):
            self._groups[-1][5].extend(instances)
        else:
            self._groups.append((kind, *patient, study, series, list(instances), detail or {}))

    def stored(self, new: Sequence[NewInstance]) -> None:
        """Note that instances have been stored."""
        last, uids = ("", ""), list[str]()
        for one in new:
            key = (one.study_instance_uid, one.series_instance_uid)
            if key != last:
                last = key
                uids = self._open.get(key) or self._begin(key)
            uids.append(one.sop_instance_uid)

    def _begin(self, key: tuple[str, str]) -> list[str]:
        study, series = key
        uids: list[str] = []
        self._open[key] = uids
        self._groups.append((INSTANCE_STORED, "", "", study, series, uids, {}))
        self._changed[study] = None
        return uids

    def study_changed(self, study: str) -> None:
        """Note it once, at the end."""
        self._changed[study] = None

    def study_deleted(self, study: str, patient: tuple[str, str]) -> None:
        """Note that a study has gone; that it has changed does not matter any more."""
        self._changed.pop(study, None)
        self.note(STUDY_DELETED, patient=patient, study=study)

    def write(self, connection: Connection, dialect: Dialect, retention: Retention) -> bool:
        """Write what has been noted, at the end of a transaction; return whether there was any."""
        for study in self._changed:
            self.note(STUDY_CHANGED, study=study)
        if not self._groups:
            return False
        moment, total, last = _text(datetime.now(UTC)), 0, 0
        for size, groups in _rows(self._groups):
            row = {"size": size, "moment": moment, "body": json.dumps(groups, separators=(",", ":"))}
            last = int(connection.execute(_APPEND[dialect], row).fetchone()[0])
            total += size
        if last // _EVERY != (last - total) // _EVERY:
            _prune(connection, retention, last)
        self.clear()
        return True


def _rows(groups: Sequence[_Group]) -> Iterator[tuple[int, list[_Group]]]:
    """Divide what has been noted among rows; give the number of changes of each."""
    row: list[_Group] = []
    size = 0
    for group in groups:
        uids = group[5]
        while True:
            room = _MOST - size
            some, uids = uids[:room], uids[room:]
            row.append((*group[:5], some, group[6]))
            size += max(1, len(some))
            if size == _MOST:
                yield size, row
                row, size = [], 0
            if not uids:
                break
    if row:
        yield size, row


def _prune(connection: Connection, retention: Retention, last: int) -> None:
    """Drop the oldest rows that are too many or too old."""
    sql = f"SELECT last, moment FROM change ORDER BY last LIMIT {_AT_ONCE:d}"
    oldest = "" if retention.days is None else _text(datetime.now(UTC) - timedelta(days=retention.days))
    gone = 0
    for number, moment in connection.execute(sql).fetchall():
        if number == last or (number > last - retention.changes and moment >= oldest):
            break
        gone = number
    if gone:
        connection.execute("DELETE FROM change WHERE last <= ?", (gone,))
        connection.execute("UPDATE state SET value = ? WHERE name = 'change_gone'", (gone,))


def break_feed(connection: Connection, dialect: Dialect) -> int:
    """Leave a gap that nobody gets over without being told; return the number after which it goes on.

    That number is made of the time, so that it is beyond all that other copies have given, and below 2 ** 53.
    """
    now = datetime.now(UTC)
    gap = max(1, (int(now.timestamp()) << _A_SECOND) - last_change(connection))
    row = {"size": gap, "moment": _text(now), "body": "[]"}
    last = int(connection.execute(_APPEND[dialect], row).fetchone()[0])
    connection.execute("DELETE FROM change WHERE last < ?", (last,))
    connection.execute("UPDATE state SET value = ? WHERE name = 'change_gone'", (last,))
    return last


def read_changes(
    borrow: Borrow, after: int | None, limit: int | None, wanted: Callable[[str], bool]
) -> Iterator[Change]:
    """Iterate over the changes after a number, None for the oldest one; no connection is held meanwhile.

    Raises ChangesExpired.
    """
    while True:
        with borrow() as connection:
            rows = connection.execute(_READ, (after or 0,)).fetchall()
            if after is not None:  # asked afterwards: what was there when the rows were read has not gone before
                _check(connection, after, last_change(connection) if not rows else after)
        for last, size, moment, body in rows:
            for number, (kind, *rest) in enumerate(_each(json.loads(body)), last - size + 1):
                if number > (after or 0) and wanted(kind):
                    yield Change(number, kind, moment, *rest)
                    limit = None if limit is None else limit - 1
                    if limit == 0:
                        return
            after = last
        if len(rows) < _PAGE:
            return


def _each(groups: Collection[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    for kind, patient, issuer, study, series, uids, detail in groups:
        for uid in uids or ("",):
            yield kind, patient, issuer, study, series, uid, detail


def last_change(connection: Connection) -> int:
    """Return the number of the newest change; 0 where there has been none."""
    return int(connection.execute("SELECT max(last) FROM change").fetchone()[0])


def _check(connection: Connection, after: int, last: int) -> None:
    gone = int(connection.execute("SELECT value FROM state WHERE name = 'change_gone'").fetchone()[0])
    if after < gone:
        raise ChangesExpired(f"the changes after {after} are no longer kept: the oldest one is {gone + 1}", gone)
    if after > last:
        raise ChangesExpired(f"there is no change {after} yet, only {last}: the index may be an older copy", gone)


def _text(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%S.%f}"
