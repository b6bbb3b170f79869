"""From unique keys to the instances below them (PS3.4 C.4.2, C.4.3): SQL texts that are read page by page."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from pacskit.storage.errors import InvalidIdentifier

__all__ = ["locate_pages"]

_COLUMNS = """
SELECT i.pk, p.patient_id, s.study_instance_uid, e.series_instance_uid, i.sop_instance_uid, i.sop_class_uid,
    i.transfer_syntax_uid, i.blob_key, i.data_offset, i.data_length, i.sha256
FROM instance i CROSS JOIN series e ON e.pk = i.series CROSS JOIN study s ON s.pk = e.study
    CROSS JOIN patient p ON p.pk = s.patient
"""
_ALL = _COLUMNS + " WHERE i.pk > ? ORDER BY i.pk LIMIT ?"
_OF_SERIES = _COLUMNS + " WHERE i.series = ? AND i.pk > ? ORDER BY i.pk LIMIT ?"
_OF_UIDS = (
    _COLUMNS
    + " WHERE i.sop_instance_uid IN (SELECT value FROM json_each(?)) AND i.series IN (SELECT value FROM json_each(?))"
    " AND i.pk > ? ORDER BY i.pk LIMIT ?"
)
_OF_ANY_UIDS = (
    _COLUMNS + " WHERE i.sop_instance_uid IN (SELECT value FROM json_each(?)) AND i.pk > ? ORDER BY i.pk LIMIT ?"
)
_UIDS = 256

# each names series; what is given above a level narrows it
_SERIES_BY = {
    "PatientID": """
        SELECT e.pk FROM patient p CROSS JOIN study s ON s.patient = p.pk CROSS JOIN series e ON e.study = s.pk
        WHERE p.patient_id IN (SELECT value FROM json_each(?1)) AND ?2 IS ?2 AND ?3 IS ?3
        ORDER BY s.pk, e.pk
    """,
    "StudyInstanceUID": """
        SELECT e.pk FROM study s CROSS JOIN patient p ON p.pk = s.patient CROSS JOIN series e ON e.study = s.pk
        WHERE s.study_instance_uid IN (SELECT value FROM json_each(?2))
            AND (?1 IS NULL OR p.patient_id IN (SELECT value FROM json_each(?1))) AND ?3 IS ?3
        ORDER BY s.pk, e.pk
    """,
    "SeriesInstanceUID": """
        SELECT e.pk FROM series e CROSS JOIN study s ON s.pk = e.study CROSS JOIN patient p ON p.pk = s.patient
        WHERE e.series_instance_uid IN (SELECT value FROM json_each(?3))
            AND (?2 IS NULL OR s.study_instance_uid IN (SELECT value FROM json_each(?2)))
            AND (?1 IS NULL OR p.patient_id IN (SELECT value FROM json_each(?1)))
        ORDER BY s.pk, e.pk
    """,
}
_UNIQUE = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}

Borrow = Callable[[], AbstractContextManager[sqlite3.Connection]]


def locate_pages(borrow: Borrow, level: str, unique: dict[str, Sequence[str]]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Return statements that list the instances; each takes the last key seen and a page size too."""
    if level == "ALL":
        yield _ALL, ()
        return
    key = _UNIQUE.get(level)
    wanted = list(unique.get(key or "", ()))
    if key is None or not wanted or not all(wanted):
        raise InvalidIdentifier(f"a retrieval at level {level} needs values of {key}", keyword=key)
    above = {name: json.dumps(list(unique[name])) if unique.get(name) else None for name in list(_UNIQUE.values())[:3]}
    if level == "IMAGE":
        yield from _of_images(borrow, wanted, above)
        return
    with borrow() as connection:
        series = [pk for (pk,) in connection.execute(_SERIES_BY[key], tuple(above.values()))]
    for pk in series:
        yield _OF_SERIES, (pk,)


def _of_images(
    borrow: Borrow, wanted: list[str], above: dict[str, str | None]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    narrowest = next((name for name in ("SeriesInstanceUID", "StudyInstanceUID", "PatientID") if above[name]), None)
    series = None
    if narrowest is not None:
        with borrow() as connection:
            series = json.dumps([pk for (pk,) in connection.execute(_SERIES_BY[narrowest], tuple(above.values()))])
    for start in range(0, len(wanted), _UIDS):
        uids = json.dumps(wanted[start : start + _UIDS])
        yield (_OF_UIDS, (uids, series)) if series is not None else (_OF_ANY_UIDS, (uids,))
