"""Legal holds: what they are on may not be removed, whoever asks for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pacskit.storage.errors import UnderHold

if TYPE_CHECKING:
    from pacskit.storage.index.writing import Transaction

__all__ = ["HELD", "check_holds", "is_held"]

HELD: Final = (
    "EXISTS (SELECT 1 FROM record_value v WHERE v.kind = 'hold' AND ((v.name = 'study_uid' AND v.value <> ''"
    " AND v.value = s.study_instance_uid) OR (v.name = 'patient_id' AND v.value <> '' AND v.value = p.patient_id)))"
)
"""Whether a study ``s`` of a patient ``p`` is held."""


def is_held(batch: Transaction, pks: Sequence[int]) -> bool:
    """Whether an instance is of a study or a patient that is held."""
    if batch.execute("SELECT 1 FROM record WHERE kind = 'hold' LIMIT 1").fetchone() is None:
        return False
    found = batch.execute(
        "SELECT 1 FROM instance i JOIN series e ON e.pk = i.series JOIN study s ON s.pk = e.study"
        " JOIN patient p ON p.pk = s.patient"
        f" WHERE i.pk IN (SELECT CAST(value AS bigint) FROM json_each(?)) AND {HELD} LIMIT 1",
        (json.dumps(list(pks)),),
    ).fetchone()
    return found is not None


def check_holds(batch: Transaction, pks: Sequence[int]) -> None:
    """Raise UnderHold where an instance is of a study or a patient that is held."""
    if is_held(batch, pks):
        raise UnderHold("a legal hold is on this study or patient")
