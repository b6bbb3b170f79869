"""What the index takes from an instance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.encoding.keyobjects import KEY_OBJECT_SELECTION, REJECTIONS, references_of, title_of
from pacskit.storage.attributes import check_uid, instance_row, parents_of, text_of
from pacskit.storage.errors import InvalidInstance
from pacskit.storage.layout import Layout
from pacskit.storage.records import NewInstance, Note, Parents

__all__ = ["Facts", "describe", "facts_of"]

_KEYWORDS = ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID")
_TAGS = (0x00080018, 0x00080016, 0x0020000D, 0x0020000E, 0x00100020)


class Facts(NamedTuple):
    """What is read from a data set: what it takes to file it, and functions for what only the index needs.

    ``row`` gives the instance number and the encoded attributes, ``parents`` what is above the instance; the latter is
    called only when its series is not known yet. Both read values leniently, so that they do not fail.
    """

    sop_class_uid: str
    sop_instance_uid: str
    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    key: str
    row: Callable[[], tuple[int | None, str]]
    parents: Callable[[], Parents]
    note: Note | None = None
    source: str = ""


def facts_of(dataset: Dataset, sop_class_uid: str, sop_instance_uid: str, layout: Layout) -> Facts:
    """Read what the index needs; raise InvalidInstance where the data set is not the instance that it should be."""
    texts = [
        text_of(dataset, keyword) if text is None else text
        for keyword, text in zip(_KEYWORDS, dataset.plain_texts(_TAGS), strict=True)
    ]
    for keyword, uid in zip(_KEYWORDS[:4], texts, strict=False):
        check_uid(keyword, uid)
    for keyword, uid, expected in zip(_KEYWORDS, texts, (sop_instance_uid, sop_class_uid), strict=False):
        if uid != expected:
            raise InvalidInstance(f"{keyword} of the data set is not the command's", keyword=keyword)
    _, _, study, series, patient_id = texts
    return Facts(
        sop_class_uid,
        sop_instance_uid,
        patient_id,
        study,
        series,
        layout(study, series, sop_instance_uid),
        lambda: instance_row(dataset),
        lambda: parents_of(dataset),
        _note_of(dataset) if sop_class_uid == KEY_OBJECT_SELECTION else None,
    )


def _note_of(dataset: Dataset) -> Note | None:
    """Return what a document rejects; None where its title says nothing of the kind (IHE RAD TF-3 4.66)."""
    try:
        code, scheme = title_of(dataset)
        if scheme != "DCM" or code not in REJECTIONS:
            return None
        return Note(code, tuple(one.sop_instance_uid for one in references_of(dataset) if one.sop_instance_uid))
    except (DecodeError, AttributeError):  # it is kept as what it is, and rejects nothing
        return None


def describe(facts: Facts, transfer_syntax: str, offset: int, length: int, digest: bytes | None) -> NewInstance:
    """Return the record of an instance whose data set is ``length`` bytes from ``offset`` of its file."""
    number, attributes = facts.row()
    return NewInstance(
        patient_id=facts.patient_id,
        study_instance_uid=facts.study_instance_uid,
        series_instance_uid=facts.series_instance_uid,
        sop_instance_uid=facts.sop_instance_uid,
        sop_class_uid=facts.sop_class_uid,
        transfer_syntax_uid=transfer_syntax,
        instance_number=number,
        attributes=attributes,
        key=facts.key,
        offset=offset,
        length=length,
        sha256=digest,
        received=f"{datetime.now(UTC):%Y%m%d%H%M%S.%f}",
        parents=facts.parents,
        source=facts.source,
        note=facts.note,
    )
