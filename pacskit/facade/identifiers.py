"""Identifiers of queries and retrievals, from keyword arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any, Final

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level
from pacskit.core.errors import ConfigurationError

__all__ = ["RETURN_KEYS", "UNIQUE_KEYS", "between", "query_identifier", "retrieve_identifier"]

UNIQUE_KEYS: Final = {
    Level.PATIENT: "PatientID",
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}
_PATIENT: Final = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
# What is asked for besides the keys that were given: the required keys of PS3.4 C.6 and what people look for.
RETURN_KEYS: Final = {
    Level.PATIENT: _PATIENT,
    Level.STUDY: (
        *_PATIENT,
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyID",
        "StudyDescription",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: (
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "Modality",
        "SeriesNumber",
        "SeriesDescription",
        "NumberOfSeriesRelatedInstances",
    ),
    Level.IMAGE: ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber"),
}


def between(start: date | time | str | None, end: date | time | str | None) -> str:
    """Return the range of dates, times or datetimes from ``start`` to ``end``, None for an open end (PS3.4 C.2.2.2.5).

    >>> between(date(2026, 1, 1), None)
    '20260101-'
    """
    if not start and not end:
        raise ConfigurationError("a range has at least one end")
    return f"{_moment(start)}-{_moment(end)}"


def _moment(value: date | time | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y%m%d%H%M%S}" + (f".{value.microsecond:06d}" if value.microsecond else "")
    if isinstance(value, date):
        return f"{value:%Y%m%d}"
    if isinstance(value, time):
        return f"{value:%H%M%S}" + (f".{value.microsecond:06d}" if value.microsecond else "")
    return value


def _key(value: Any) -> Any:
    if isinstance(value, (date, time)):
        return _moment(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_key(one) for one in value]
    return "" if value is None else value


def query_identifier(level: Level, keys: Mapping[str, Any], return_keys: Iterable[str] | None) -> Dataset:
    """Return the identifier of a C-FIND; ``return_keys`` are asked for without matching (None: the usual ones)."""
    identifier = Dataset(QueryRetrieveLevel=level)
    for keyword in RETURN_KEYS[level] if return_keys is None else return_keys:
        if keyword not in keys:
            setattr(identifier, keyword, None)
    needs_charset = False
    for keyword, value in keys.items():
        value = _key(value)
        setattr(identifier, keyword, value)
        needs_charset = needs_charset or not str(value).isascii()
    if needs_charset and "SpecificCharacterSet" not in keys:
        identifier.SpecificCharacterSet = "ISO_IR 192"
    return identifier


def retrieve_identifier(level: Level, uid: str | Iterable[str], keys: Mapping[str, Any]) -> Dataset:
    """Return the identifier of a C-MOVE or C-GET: the unique keys of ``level``, and any above it."""
    identifier = Dataset(QueryRetrieveLevel=level)
    setattr(identifier, UNIQUE_KEYS[level], uid if isinstance(uid, str) else list(uid))
    for keyword, value in keys.items():
        setattr(identifier, keyword, _key(value))
    return identifier
