"""From unique keys to the instances below them (PS3.4 C.4.2, C.4.3): SQL texts that are read page by page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pacskit.storage.errors import InvalidIdentifier
from pacskit.storage.index.dialect import Borrow, Connection
from pacskit.storage.text import clean

__all__ = ["locate_pages"]

_COLUMNS = """
SELECT i.pk, p.patient_id, s.study_instance_uid, e.series_instance_uid, i.sop_instance_uid, i.sop_class_uid,
    i.transfer_syntax_uid, i.blob_key, i.data_offset, i.data_length, i.sha256, s.correction
FROM instance i CROSS JOIN series e ON e.pk = i.series CROSS JOIN study s ON s.pk = e.study
    CROSS JOIN patient p ON p.pk = s.patient
"""
_ALL = _COLUMNS + " WHERE i.pk > ? ORDER BY i.pk LIMIT ?"
_OF_SERIES = _COLUMNS + " WHERE i.series = ? AND i.pk > ? ORDER BY i.pk LIMIT ?"
_OF_UIDS = (
    _COLUMNS + " WHERE i.sop_instance_uid IN (SELECT value FROM json_each(?))"
    " AND i.series IN (SELECT CAST(value AS bigint) FROM json_each(?))"
    " AND i.pk > ? ORDER BY i.pk LIMIT ?"
)
_OF_ANY_UIDS = (
    _COLUMNS + " WHERE i.sop_instance_uid IN (SELECT value FROM json_each(?)) AND i.pk > ? ORDER BY i.pk LIMIT ?"
)
_UIDS = 256

# of each level: where to begin when its unique key is the narrowest one, and the column of that key
_SERIES_FROM = {
    "PatientID": (
        "SELECT e.pk FROM patient p CROSS JOIN study s ON s.patient = p.pk CROSS JOIN series e ON e.study = s.pk",
        "p.patient_id",
    ),
    "StudyInstanceUID": (
        "SELECT e.pk FROM study s CROSS JOIN patient p ON p.pk = s.patient CROSS JOIN series e ON e.study = s.pk",
        "s.study_instance_uid",
    ),
    "SeriesInstanceUID": (
        "SELECT e.pk FROM series e CROSS JOIN study s ON s.pk = e.study CROSS JOIN patient p ON p.pk = s.patient",
        "e.series_instance_uid",
    ),
}
_UNIQUE = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}


def locate_pages(borrow: Borrow, level: str, unique: dict[str, Sequence[str]]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Return statements that list the instances; each takes the last key seen and a page size too."""
    if level == "ALL":
        yield _ALL, ()
        return
    key = _UNIQUE.get(level)
    wanted = [clean(one) for one in unique.get(key or "", ())]
    if key is None or not wanted or not all(wanted):
        raise InvalidIdentifier(f"a retrieval at level {level} needs values of {key}", keyword=key)
    if level != "IMAGE":
        with borrow() as connection:
            series = _series(connection, unique)
        for pk in series:
            yield _OF_SERIES, (pk,)
        return
    within = None
    if any(unique.get(name) for name in _SERIES_FROM):
        with borrow() as connection:
            within = json.dumps(_series(connection, unique))
    for start in range(0, len(wanted), _UIDS):
        uids = json.dumps(wanted[start : start + _UIDS])
        yield (_OF_UIDS, (uids, within)) if within is not None else (_OF_ANY_UIDS, (uids,))


def _series(connection: Connection, unique: dict[str, Sequence[str]]) -> list[int]:
    """Return the keys of the series below what is named above the level of instances."""
    given = [name for name in _SERIES_FROM if unique.get(name)]
    conditions = [f"{_SERIES_FROM[name][1]} IN (SELECT value FROM json_each(?))" for name in given]
    sql = f"{_SERIES_FROM[given[-1]][0]} WHERE {' AND '.join(conditions)} ORDER BY s.pk, e.pk"
    values = tuple(json.dumps([clean(one) for one in unique[name]]) for name in given)
    return [pk for (pk,) in connection.execute(sql, values)]
