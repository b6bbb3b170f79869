"""Corrections: what the index says of a study's patient when that is no more what its objects say.

A correction is a row with who, when and why, and all that it takes to undo it. ``moved_study`` and ``merged_patient``
say what becomes of objects of the same study or patient that come later; ``study.correction`` names the last one, so
that whoever sends an object knows that it has to say something else than it does (see `pacskit.storage.coercion`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.errors import StorageError
from pacskit.storage.index.changes import PATIENT_DELETED, STUDY_MOVED
from pacskit.storage.index.removing import moment
from pacskit.storage.index.rows import PRUNE, RECOUNT
from pacskit.storage.index.tags import note_new
from pacskit.storage.text import clean

if TYPE_CHECKING:
    from pacskit.storage.index.dialect import Connection
    from pacskit.storage.index.writing import Transaction

__all__ = [
    "PATIENT_COLUMNS",
    "Correction",
    "find_correction",
    "list_corrections",
    "merge_patients",
    "merged_into",
    "move_studies",
    "patient_row",
    "patients_of",
    "undo",
]

PATIENT_COLUMNS: Final = (
    "patient_id",
    "issuer_of_patient_id",
    "patient_name",
    "patient_name_alphabetic",
    "patient_name_ideographic",
    "patient_name_phonetic",
    "patient_birth_date",
    "patient_birth_time",
    "patient_birth_time_key",
    "patient_sex",
    "attributes",
)
_SELECT: Final = "SELECT p.pk, " + ", ".join(f"p.{one}" for one in PATIENT_COLUMNS) + " FROM patient p"
_CORRECTIONS: Final = "SELECT pk, kind, who, reason, moment, undone, body FROM correction"
_LONGEST_CHAIN: Final = 100  # of merges, each into the next

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction that was made: ``kind`` is ``merge`` or ``move``; ``undone`` is when it was taken back, or ''."""

    id: int
    kind: str
    who: str
    reason: str
    moment: str
    undone: str
    studies: tuple[str, ...]


def _identity(row: Row) -> str:
    text = json.dumps([row["patient_id"], row["issuer_of_patient_id"]])
    return hashlib.sha256(text.encode()).hexdigest()


def merged_into(batch: Transaction, study_uid: str, row: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return whose a new study is whose objects say ``row`` of the patient, and by which correction (0: by none)."""
    correction = 0
    found = batch.execute(
        "SELECT correction, patient FROM moved_study WHERE study_instance_uid = ?", (study_uid,)
    ).fetchone()
    if found is not None:
        correction, row = found[0], json.loads(found[1])
    for _ in range(_LONGEST_CHAIN):
        if not row["patient_id"]:
            break
        found = batch.execute(
            "SELECT correction, patient FROM merged_patient WHERE identity = ?", (_identity(row),)
        ).fetchone()
        if found is None:
            break
        correction, row = found[0], json.loads(found[1])
        _remember(batch, study_uid, correction, row)
    return correction, row


def _remember(batch: Transaction, study_uid: str, correction: int, row: Row) -> None:
    batch.execute(
        "INSERT INTO moved_study (study_instance_uid, correction, patient) VALUES (?, ?, ?)"
        " ON CONFLICT (study_instance_uid) DO UPDATE SET correction = excluded.correction, patient = excluded.patient",
        (study_uid, correction, json.dumps(dict(row))),
    )


def patients_of(connection: Connection, patient_id: str, issuer: str | None) -> list[tuple[int, dict[str, Any]]]:
    """Return the patients of an ID, those of one issuer or of any."""
    sql, parameters = f"{_SELECT} WHERE p.patient_id = ?", [clean(patient_id)]
    if issuer is not None:
        sql, parameters = f"{sql} AND p.issuer_of_patient_id = ?", [*parameters, clean(issuer)]
    rows = connection.execute(sql, parameters).fetchall()
    return [(row[0], dict(zip(PATIENT_COLUMNS, row[1:], strict=True))) for row in rows]


def patient_row(connection: Connection, study_uid: str) -> tuple[dict[str, Any], Correction] | None:
    """Return what a corrected study says of its patient, and the correction; None where there is none."""
    row = connection.execute(
        f"{_SELECT} JOIN study s ON s.patient = p.pk WHERE s.study_instance_uid = ? AND s.correction <> 0", (study_uid,)
    ).fetchone()
    if row is None:
        return None
    made = connection.execute(
        "SELECT c.pk, c.kind, c.who, c.reason, c.moment, c.undone, c.body FROM correction c"
        " JOIN study s ON s.correction = c.pk WHERE s.study_instance_uid = ?",
        (study_uid,),
    ).fetchone()
    return dict(zip(PATIENT_COLUMNS, row[1:], strict=True)), _correction(made)


def _correction(row: Sequence[Any]) -> Correction:
    pk, kind, who, reason, when, undone, body = row
    return Correction(pk, kind, who, reason, when, undone, tuple(json.loads(body)["studies"]))


def find_correction(connection: Connection, correction: int) -> Correction:
    """Return a correction by its number."""
    row = connection.execute(f"{_CORRECTIONS} WHERE pk = ?", (correction,)).fetchone()
    if row is None:
        raise StorageError(f"there is no correction {correction}")
    return _correction(row)


def list_corrections(connection: Connection, study_uid: str | None = None) -> list[Correction]:
    """Return the corrections, the last one first; those of one study, where that is said."""
    rows = connection.execute(f"{_CORRECTIONS} ORDER BY pk DESC").fetchall()
    made = [_correction(row) for row in rows]
    return [one for one in made if study_uid is None or study_uid in one.studies]


# making them


def merge_patients(batch: Transaction, source: tuple[str, str | None], target: Row, who: str, reason: str) -> int:
    """Give the studies of one patient to another, those that come later too; return the correction's number."""
    batch.forget_known()
    found = patients_of(batch.connection, *source)
    if len(found) != 1:
        raise StorageError(f"there are {len(found)} patients of that ID: the issuer says which")
    pk, row = found[0]
    if _identity(row) == _identity(target):
        raise StorageError("a patient is not merged into itself")
    batch.execute("DELETE FROM merged_patient WHERE identity = ?", (_identity(target),))
    studies = batch.execute("SELECT study_instance_uid FROM study WHERE patient = ?", (pk,)).fetchall()
    made = _move(batch, [uid for (uid,) in studies], target, ("merge", who, reason), row)
    batch.execute(
        "INSERT INTO merged_patient (identity, correction, patient) VALUES (?, ?, ?)",
        (_identity(row), made, json.dumps(dict(target))),
    )
    return made


def move_studies(batch: Transaction, studies: Sequence[str], target: Row, who: str, reason: str) -> int:
    """Give studies to a patient, who need not be known yet; return the correction's number."""
    batch.forget_known()
    return _move(batch, studies, target, ("move", who, reason), None)


def _move(
    batch: Transaction, studies: Sequence[str], target: Row, what: tuple[str, str, str], source: Row | None
) -> int:
    if not target["patient_id"]:
        raise StorageError("a study is given to a patient who has an ID")
    before = {uid: _before(batch, uid) for uid in studies}
    if missing := [uid for uid, found in before.items() if found is None]:
        raise StorageError(f"there is no study {missing[0]}")
    body = json.dumps({"studies": before, "source": None if source is None else dict(source), "target": dict(target)})
    batch.correcting = True
    kind, who, reason = what
    made = batch.execute(
        "INSERT INTO correction (kind, who, reason, moment, body) VALUES (?, ?, ?, ?, ?) RETURNING pk",
        (kind, clean(who), clean(reason), moment(), body),
    ).fetchone()[0]
    for uid in studies:
        _remember(batch, uid, made, target)
        _give(batch, uid, target, made)
    return int(made)


def _before(batch: Transaction, uid: str) -> dict[str, Any] | None:
    """Return whose a study is, and by which corrections."""
    row = batch.execute(f"{_SELECT} JOIN study s ON s.patient = p.pk WHERE s.study_instance_uid = ?", (uid,)).fetchone()
    if row is None:
        return None
    found = batch.execute("SELECT correction, patient FROM moved_study WHERE study_instance_uid = ?", (uid,)).fetchone()
    patient = dict(zip(PATIENT_COLUMNS, row[1:], strict=True))
    return {"patient": patient, "moved": None if found is None else [found[0], json.loads(found[1])]}


def _give(batch: Transaction, study_uid: str, target: Row, correction: int) -> None:
    """Hang a study below a patient; the patient whose last study it was goes."""
    found = batch.execute("SELECT pk, patient FROM study WHERE study_instance_uid = ?", (study_uid,)).fetchone()
    if found is None:
        return
    study, old = found
    new = batch.patient(study_uid, dict(target))
    batch.execute(
        "UPDATE study SET patient = ?, correction = ?, updated = ? WHERE pk = ?", (new, correction, moment(), study)
    )
    batch.execute("UPDATE removed SET patient_id = ? WHERE study_instance_uid = ?", (target["patient_id"], study_uid))
    identity = (str(target["patient_id"]), str(target["issuer_of_patient_id"]))
    batch.changes.note(STUDY_MOVED, patient=identity, study=study_uid)
    batch.changes.study_changed(study_uid)
    for patient in sorted({old, new}):
        batch.execute(RECOUNT["patient"], (patient,))
        for gone in batch.execute(PRUNE["patient"], (patient,)).fetchall():
            batch.changes.note(PATIENT_DELETED, patient=tuple(gone))
    if batch.tagged:
        uids = "SELECT i.sop_instance_uid FROM instance i JOIN series e ON e.pk = i.series WHERE e.study = ? LIMIT 1"
        note_new(batch, [uid for (uid,) in batch.execute(uids, (study,)).fetchall()])


def undo(batch: Transaction, correction: int, who: str) -> Correction:
    """Take a correction back; those that were made of its studies later have to be taken back before."""
    batch.forget_known()
    row = batch.execute(f"{_CORRECTIONS} WHERE pk = ?", (correction,)).fetchone()
    if row is None or row[5]:
        raise StorageError(f"there is no correction {correction} that can be undone")
    body = json.loads(row[6])
    rows = batch.execute("SELECT study_instance_uid FROM moved_study WHERE correction = ?", (correction,)).fetchall()
    mine = {uid for (uid,) in rows}
    if body["studies"].keys() - mine:
        raise StorageError("a later correction of the same studies has to be undone before")
    for uid in sorted(mine):
        before = body["studies"].get(uid) or {"patient": body["source"], "moved": None}
        if before["moved"] is None:
            batch.execute("DELETE FROM moved_study WHERE study_instance_uid = ?", (uid,))
        else:
            _remember(batch, uid, *before["moved"])
        _give(batch, uid, before["patient"], before["moved"][0] if before["moved"] else 0)
    batch.execute("DELETE FROM merged_patient WHERE correction = ?", (correction,))
    undone = f"{moment()} {clean(who)}".rstrip()
    batch.execute("UPDATE correction SET undone = ? WHERE pk = ?", (undone, correction))
    return _correction((*row[:5], undone, row[6]))
