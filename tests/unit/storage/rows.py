"""Rows for the index without objects, and what must be true of every index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pacskit.storage.attributes import parents_of
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.records import NewInstance
from tests.unit.storage.objects import CT, EXPLICIT, instance

__all__ = ["check_counters", "new_instance"]


def new_instance(uid: str = "1.2.1.1.1", key: str | None = None, **attributes: Any) -> NewInstance:
    """Return an instance whose study and series are the beginning of its UID."""
    study, series = uid.rsplit(".", 2)[0], uid.rsplit(".", 1)[0]
    dataset = instance(study, series, uid, **attributes)
    return NewInstance(
        str(attributes.get("PatientID", "")), study, series, uid, attributes.get("SOPClassUID", CT), EXPLICIT, None,
        "{}", key or f"{uid}/{len(attributes)}", 400, 1000, None, "20260101120000.000000", lambda: parents_of(dataset),
    )  # fmt: skip


_SAME: dict[str, tuple[str, str]] = {
    "instances of series": (
        "SELECT pk, instance_count FROM series",
        "SELECT series, count(*) FROM instance GROUP BY series",
    ),
    "instances of studies": (
        "SELECT pk, instance_count FROM study",
        "SELECT e.study, count(*) FROM instance i JOIN series e ON e.pk = i.series GROUP BY e.study",
    ),
    "series of studies": (
        "SELECT pk, series_count FROM study", "SELECT study, count(*) FROM series GROUP BY study",
    ),
    "studies of patients": (
        "SELECT pk, study_count FROM patient", "SELECT patient, count(*) FROM study GROUP BY patient",
    ),
    "series of patients": (
        "SELECT pk, series_count FROM patient",
        "SELECT s.patient, count(*) FROM series e JOIN study s ON s.pk = e.study GROUP BY s.patient",
    ),
    "instances of patients": (
        "SELECT pk, instance_count FROM patient",
        "SELECT s.patient, count(*) FROM instance i JOIN series e ON e.pk = i.series JOIN study s ON s.pk = e.study"
        " GROUP BY s.patient",
    ),
}  # fmt: skip


def _split(rows: list[tuple[int, str]]) -> dict[int, list[str]]:
    return {pk: sorted(text.split("\\")) if text else [] for pk, text in rows}


def _grouped(rows: list[tuple[int, str]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for pk, text in rows:
        found.setdefault(pk, []).append(text)
    return {pk: sorted(texts) for pk, texts in found.items()}


def check_counters(index: SqlIndex) -> None:
    """Count everything again: counters, modalities and SOP classes are what the rows say."""
    with index.reader() as connection:
        rows: Callable[[str], list[Any]] = lambda sql: list(connection.execute(sql).fetchall())  # noqa: E731
        for what, (kept, counted) in _SAME.items():
            assert dict(rows(kept)) == dict(rows(counted)), what
        modalities = "SELECT DISTINCT study, modality FROM series WHERE modality <> ''"
        assert {pk: one for pk, one in _split(rows("SELECT pk, modalities_in_study FROM study")).items() if one} == (
            _grouped(rows(modalities))
        )
        classes = "SELECT DISTINCT e.study, i.sop_class_uid FROM instance i JOIN series e ON e.pk = i.series"
        assert _split(rows("SELECT pk, sop_classes_in_study FROM study")) == _grouped(rows(classes))
        assert _grouped(rows("SELECT study, sop_class_uid FROM study_sop_class")) == _grouped(rows(classes))
