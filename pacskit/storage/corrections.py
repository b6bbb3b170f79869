"""Patients merged, studies given to another patient: the index says so, the objects stay as they were received."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pacskit.core.dataset import Dataset
from pacskit.core.errors import ConfigurationError, StorageError
from pacskit.storage.attributes import level_row
from pacskit.storage.index.correcting import (
    PATIENT_COLUMNS,
    Correction,
    find_correction,
    list_corrections,
    merge_patients,
    move_studies,
    patients_of,
    undo,
)

if TYPE_CHECKING:
    from pacskit.storage.index.dialect import Connection
    from pacskit.storage.store import Store

__all__ = ["Corrections", "Patient"]

Patient = str | tuple[str, str] | Mapping[str, Any]
"""A patient: an ID, an ID and its issuer, or the attributes of one who need not be known yet."""


class Corrections:
    """The corrections of a store. Calls may come from many threads and processes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def merge(self, source: str | tuple[str, str], into: Patient, *, who: str = "", reason: str = "") -> int:
        """Give all studies of a patient to another one, those that come later too; return the correction's number.

        Raises StorageError where an ID names nobody, or several.
        """
        self._store.catch_up()
        named = _named(source)
        return int(
            self._store.index.run_alone(
                lambda batch: merge_patients(batch, named, _row(batch.connection, into), who, reason)
            )
        )

    def move(self, studies: str | Sequence[str], to: Patient, *, who: str = "", reason: str = "") -> int:
        """Give studies to a patient; return the correction's number. Raises StorageError."""
        self._store.catch_up()
        uids = [studies] if isinstance(studies, str) else list(dict.fromkeys(studies))
        if not uids:
            raise ConfigurationError("no study is named")
        return int(
            self._store.index.run_alone(
                lambda batch: move_studies(batch, uids, _row(batch.connection, to), who, reason)
            )
        )

    def undo(self, correction: int, *, who: str = "") -> Correction:
        """Take a correction back. Raises StorageError where that was done, or a later one is in the way."""
        self._store.catch_up()
        made: Correction = self._store.index.run_alone(lambda batch: undo(batch, correction, who))
        return made

    def get(self, correction: int) -> Correction:
        """Return a correction. Raises StorageError."""
        with self._store.index.reader() as connection:
            return find_correction(connection, correction)

    def listed(self, study_uid: str | None = None) -> list[Correction]:
        """Return the corrections, the last one first; with ``study_uid`` those of a study."""
        with self._store.index.reader() as connection:
            return list_corrections(connection, study_uid)


def _named(patient: str | tuple[str, str]) -> tuple[str, str | None]:
    return (patient, None) if isinstance(patient, str) else (patient[0], patient[1])


def _row(connection: Connection, patient: Patient) -> dict[str, Any]:
    """Return the row of a patient; the one that is there, where there is one of that ID."""
    if isinstance(patient, Mapping):
        made = Dataset(**patient)
        if not made.get("PatientID"):
            raise ConfigurationError("a patient has a PatientID")
        row = level_row(made, "PATIENT")
        known = patients_of(connection, str(row["patient_id"]), str(row["issuer_of_patient_id"]))
        return known[0][1] if known else {name: row[name] for name in PATIENT_COLUMNS}
    named = _named(patient)
    found = patients_of(connection, *named)
    if len(found) != 1:
        raise StorageError(
            f"there are {len(found)} patients of that ID: the issuer says which, attributes make a new one"
        )
    return found[0][1]
