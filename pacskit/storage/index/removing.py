"""Instances that are taken away: their rows wait in ``removed`` until their time is over, or somebody wants them back.

Nothing here is seen by a query: what has been removed is in no other table. When its time is over its object gets a
tombstone (``retired``) in the transaction that drops the row, and the object goes after that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pacskit.storage.errors import InvalidIdentifier
from pacskit.storage.index.holds import HELD
from pacskit.storage.records import DuplicatePolicy, NewInstance, Note, Outcome, Parents
from pacskit.storage.text import clean

if TYPE_CHECKING:
    from pacskit.storage.index.dialect import Connection
    from pacskit.storage.index.writing import Transaction

__all__ = [
    "DELETED",
    "REPLACED",
    "RETENTION_EXPIRED",
    "Removal",
    "Removed",
    "Why",
    "bytes_waiting",
    "count_due",
    "list_removed",
    "moment",
    "note_rejections",
    "put_back",
    "rejected",
    "set_aside",
    "stale_tombstones",
    "take_due",
]

RETENTION_EXPIRED: Final = "113039"
_REFUSED: Final = frozenset({"113037", "113038"})  # not accepted again (IHE RAD TF-3 4.66.4.2.3.1, 4.66.4.3.3)
_PAGE: Final = 500


def moment(seconds: float = 0.0, *, now: datetime | None = None) -> str:
    """Return a moment, so many seconds from ``now``, as texts that sort."""
    return f"{(now or datetime.now(UTC)).astimezone(UTC) + timedelta(seconds=seconds):%Y%m%d%H%M%S.%f}"


@dataclass(frozen=True, slots=True)
class Why:
    """Why an instance is taken away: ``deleted``, ``replaced`` or ``rejected``; by whom, and what was said."""

    kind: str
    who: str = ""
    reason: str = ""
    code: str = ""


DELETED: Final = Why("deleted")
REPLACED: Final = Why("replaced")


@dataclass(frozen=True, slots=True)
class Removal:
    """For how many seconds what has been taken away can come back, and whether rejection notes are obeyed.

    ``hidden`` is how long an object stays whose note wants it hidden, None for ever; ``refuse`` whether those are not
    taken again that must not be by the profile.
    """

    grace: float = 0.0
    notes: bool = False
    refuse: bool = True
    hidden: float | None = None

    def due(self, why: Why) -> str | None:
        """Return when an object goes that is taken away now: '' for never, None for at once.

        What a note rejects waits for a sweep in any case: nobody waits for its object to be removed.
        """
        if why.kind != "rejected":
            return moment(self.grace) if self.grace > 0 else None
        seconds = self.grace if why.code == RETENTION_EXPIRED else self.hidden
        return "" if seconds is None else moment(seconds)


@dataclass(frozen=True, slots=True)
class Removed:
    """An instance that is there no more, and can be had back until ``due`` ('' for no end)."""

    id: int
    kind: str
    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    length: int
    moment: str
    due: str
    who: str
    reason: str


_instance: Callable[..., NewInstance] = NewInstance  # of a row

_SET_ASIDE: Final = """
INSERT INTO removed (kind, patient_id, study_instance_uid, series_instance_uid, sop_instance_uid, sop_class_uid,
    transfer_syntax_uid, instance_number, blob_key, data_offset, data_length, sha256, received, source, moment, due,
    who, reason, attributes, frames)
SELECT ?, p.patient_id, s.study_instance_uid, e.series_instance_uid, i.sop_instance_uid, i.sop_class_uid,
    i.transfer_syntax_uid, i.instance_number, i.blob_key, i.data_offset, i.data_length, i.sha256, i.received, i.source,
    ?, ?, ?, ?, i.attributes, f.data
FROM instance i JOIN series e ON e.pk = i.series JOIN study s ON s.pk = e.study JOIN patient p ON p.pk = s.patient
    LEFT JOIN frame_table f ON f.instance = i.pk AND f.blob_key = i.blob_key
WHERE i.pk = ?
"""
_LISTED: Final = """
SELECT pk, kind, patient_id, study_instance_uid, series_instance_uid, sop_instance_uid, sop_class_uid, data_length,
    moment, due, who, reason
FROM removed
"""
_WHOLE: Final = """
SELECT pk, patient_id, study_instance_uid, series_instance_uid, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
    instance_number, attributes, blob_key, data_offset, data_length, sha256, received, source, frames
FROM removed
"""
_COLUMNS: Final = {
    "PATIENT": ("PatientID", "patient_id"),
    "STUDY": ("StudyInstanceUID", "study_instance_uid"),
    "SERIES": ("SeriesInstanceUID", "series_instance_uid"),
    "IMAGE": ("SOPInstanceUID", "sop_instance_uid"),
}


# what a legal hold is on stays
_DUE: Final = f" FROM removed s WHERE s.due <> '' AND s.due <= ? AND NOT {HELD.replace('p.patient_id', 's.patient_id')}"


def set_aside(batch: Transaction, pk: int, why: Why, due: str) -> None:
    """Keep the row of an instance that is about to go."""
    batch.execute(_SET_ASIDE, (why.kind, moment(), due, clean(why.who), clean(why.reason), pk))


def _where(level: str, unique: dict[str, Sequence[str]], ids: Sequence[int]) -> tuple[str, list[Any]]:
    if ids:
        return " WHERE pk IN (SELECT CAST(value AS bigint) FROM json_each(?))", [json.dumps([int(one) for one in ids])]
    if level == "ALL":
        return " WHERE 1 = 1", []
    if level not in _COLUMNS or not unique.get(_COLUMNS[level][0]):
        raise InvalidIdentifier(f"what was removed is named at level {level} by its unique key")
    sql, parameters = " WHERE 1 = 1", []
    for key, column in _COLUMNS.values():
        if unique.get(key):
            sql += f" AND {column} IN (SELECT value FROM json_each(?))"
            parameters.append(json.dumps([clean(one) for one in unique[key]]))
    return sql, parameters


def list_removed(
    connection: Connection, level: str, unique: dict[str, Sequence[str]], *, after: int = 0, limit: int = _PAGE
) -> list[Removed]:
    """Return what has been removed, in the order in which it was, those after ``after``."""
    sql, parameters = _where(level, unique, ())
    rows = connection.execute(f"{_LISTED}{sql} AND pk > ? ORDER BY pk LIMIT ?", (*parameters, after, limit)).fetchall()
    return [Removed(*row) for row in rows]


def put_back(
    batch: Transaction,
    level: str,
    unique: dict[str, Sequence[str]],
    ids: Sequence[int],
    parents: Callable[[str], Callable[[], Parents]],
    session: str,
) -> list[Outcome]:
    """Index again what has been removed; of several versions the last one.

    A version that was replaced comes back only where ``ids`` name it, and takes the place of the one that is there.
    """
    batch.must_be_alone()
    where, parameters = _where(level, unique, ids)
    named = "" if ids else " AND kind <> 'replaced'"
    found: dict[str, NewInstance] = {}
    rows: dict[str, int] = {}
    for pk, *row in batch.execute(f"{_WHOLE}{where}{named} ORDER BY pk", parameters).fetchall():
        *values, source, frames = row
        new = _instance(*values, parents=parents(row[8]), source=source, frames=frames and bytes(frames))
        found[new.sop_instance_uid], rows[new.sop_instance_uid] = new, pk
    if not ids:  # a newer one has come meanwhile: it stays
        for uid in _stored(batch, list(found)):
            del found[uid]
    policy = DuplicatePolicy.REPLACE if ids else DuplicatePolicy.IGNORE
    batch.connection.executemany("DELETE FROM removed WHERE pk = ?", [(rows[uid],) for uid in found])
    batch.connection.executemany("DELETE FROM rejection WHERE sop_instance_uid = ?", [(uid,) for uid in found])
    return [outcome for outcome, _ in batch.ingest([(new, policy) for new in found.values()], session)]


def _stored(batch: Transaction, uids: list[str]) -> list[str]:
    rows = batch.execute(
        "SELECT sop_instance_uid FROM instance WHERE sop_instance_uid IN (SELECT value FROM json_each(?))",
        (json.dumps(uids),),
    )
    return [uid for (uid,) in rows.fetchall()]


def take_due(batch: Transaction, now: str, session: str, limit: int = _PAGE) -> list[tuple[str, int]]:
    """Give what is due a tombstone instead of its row; return its keys and lengths."""
    batch.must_be_alone()
    rows = batch.execute(
        f"SELECT s.pk, s.blob_key, s.data_length{_DUE} ORDER BY s.due LIMIT ?", (now, limit)
    ).fetchall()
    for pk, key, _ in rows:
        batch.retire(key, session)
        batch.execute("DELETE FROM removed WHERE pk = ?", (pk,))
    return [(key, length) for _, key, length in rows]


def count_due(connection: Connection, now: str) -> tuple[int, int]:
    """Return how many instances are due, and how many bytes they have."""
    count, size = connection.execute(f"SELECT count(*), coalesce(sum(s.data_length), 0){_DUE}", (now,)).fetchone()
    return int(count), int(size)


def bytes_waiting(connection: Connection) -> int:
    """Return how many bytes there are of what has been removed and will go."""
    sql = "SELECT coalesce(sum(data_length), 0) FROM removed WHERE due <> ''"
    return int(connection.execute(sql).fetchone()[0])


def stale_tombstones(connection: Connection, before: str) -> list[str]:
    """Return the keys of tombstones that have been there since before a moment."""
    rows = connection.execute("SELECT blob_key FROM retired WHERE moment < ? LIMIT ?", (before, _PAGE)).fetchall()
    return [key for (key,) in rows]


# what notes reject


def note_rejections(batch: Transaction, note: Note, uid: str, when: str) -> list[int]:
    """Remember what a note rejects; return the rows of the instances that are here."""
    batch.must_be_alone()
    batch.rejecting = True
    named = [clean(one) for one in note.instances if one != uid]
    batch.connection.executemany(
        "INSERT INTO rejection (sop_instance_uid, note, code, moment) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(one, uid, note.code, when) for one in dict.fromkeys(named)],
    )
    rows = batch.execute(
        "SELECT pk FROM instance WHERE sop_instance_uid IN (SELECT value FROM json_each(?))", (json.dumps(named),)
    )
    return [pk for (pk,) in rows.fetchall()]


def rejected(
    connection: Connection, uids: Iterable[str], refuse: bool, received: dict[str, str] | None = None
) -> dict[str, tuple[str, str]]:
    """Return which of some instances a note does not let come: the note's code and UID of each.

    ``received`` says when they came: what had come before its note has to go with it.
    """
    rows = connection.execute(
        "SELECT sop_instance_uid, code, note, moment FROM rejection"
        " WHERE sop_instance_uid IN (SELECT value FROM json_each(?)) ORDER BY moment",
        (json.dumps(list(uids)),),
    ).fetchall()
    found = {}
    for uid, code, note, when in rows:
        if (refuse and code in _REFUSED) or (received is not None and received[uid] < when):
            found[uid] = (code, note)
    return found
