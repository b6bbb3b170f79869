"""Key Object Selection documents (PS3.3 A.35.4, C.17.6; PS3.16 TID 2010): what they name, and new ones.

Rejection notes are such documents, by their titles (IHE RAD Imaging Object Change Management).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from pacskit._version import __version__
from pacskit.core.dataset import Dataset
from pacskit.core.errors import EncodeError
from pacskit.core.uid import UID, generate_uid

__all__ = ["KEY_OBJECT_SELECTION", "REJECTIONS", "Reference", "key_object_selection", "references_of", "title_of"]

KEY_OBJECT_SELECTION: Final = "1.2.840.10008.5.1.4.1.1.88.59"

REJECTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "113001": "Rejected for Quality Reasons",
        "113037": "Rejected for Patient Safety Reasons",
        "113038": "Incorrect Modality Worklist Entry",
        "113039": "Data Retention Policy Expired",
    }
)
"""The titles of rejection notes, by their codes of DCM (PS3.16 CID 7010)."""

_OF_STUDY: Final = (  # the patient and general study modules (PS3.3 C.7.1.1, C.7.2.1)
    "SpecificCharacterSet", "StudyDate", "StudyTime", "AccessionNumber", "IssuerOfAccessionNumberSequence",
    "ReferringPhysicianName", "StudyDescription", "PatientName", "PatientID", "IssuerOfPatientID", "TypeOfPatientID",
    "IssuerOfPatientIDQualifiersSequence", "PatientBirthDate", "PatientSex", "PatientBirthTime", "OtherPatientIDs",
    "OtherPatientIDsSequence", "StudyInstanceUID", "StudyID",
)  # fmt: skip
_EMPTY: Final = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "PatientName", "PatientID",
    "PatientBirthDate", "PatientSex", "StudyID",
)  # fmt: skip


class Reference(NamedTuple):
    """An instance that a document names."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def title_of(dataset: Dataset) -> tuple[str, str]:
    """Return code value and coding scheme of a document's title; two empty texts where it has none."""
    for item in dataset.get("ConceptNameCodeSequence") or ():
        return str(item.get("CodeValue") or ""), str(item.get("CodingSchemeDesignator") or "")
    return "", ""


def references_of(dataset: Dataset) -> list[Reference]:
    """Return what a document names in its Current Requested Procedure Evidence Sequence (PS3.3 C.17.6.2.1)."""
    found = []
    for study in dataset.get("CurrentRequestedProcedureEvidenceSequence") or ():
        for series in study.get("ReferencedSeriesSequence") or ():
            for one in series.get("ReferencedSOPSequence") or ():
                found.append(
                    Reference(
                        str(study.get("StudyInstanceUID") or ""),
                        str(series.get("SeriesInstanceUID") or ""),
                        str(one.get("ReferencedSOPClassUID") or ""),
                        str(one.get("ReferencedSOPInstanceUID") or ""),
                    )
                )
    return found


def key_object_selection(
    study: Dataset,
    references: Iterable[Reference],
    title: tuple[str, str, str],
    *,
    description: str = "",
    manufacturer: str = "pacskit",
) -> Dataset:
    """Return a document about instances of one study.

    Parameters
    ----------
    study
        Any object of the study; its patient and study attributes are taken over.
    references
        The instances, all of that study.
    title
        Code value, coding scheme designator and meaning, as CID 7010 has them.
    description
        What is said of them, the Key Object Description.

    Raises EncodeError where there is nothing to name, or something of another study.
    """
    named = list(dict.fromkeys(references))
    own = str(study.get("StudyInstanceUID") or "")
    if not named or any(one.study_instance_uid != own for one in named):
        raise EncodeError("a key object selection names instances of the study that it belongs to")
    now = datetime.now().astimezone()  # local, as the study's own date and time are
    made = Dataset()
    for keyword in _OF_STUDY:
        if keyword in study:
            made.add(study[keyword])
    for keyword in _EMPTY:
        if keyword not in made:
            setattr(made, keyword, "")
    if not description.isascii():
        made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = KEY_OBJECT_SELECTION
    made.SOPInstanceUID = generate_uid()
    made.Modality = "KO"
    made.SeriesInstanceUID = generate_uid()
    made.SeriesNumber = "1"
    made.InstanceNumber = "1"
    made.ReferencedPerformedProcedureStepSequence = []
    made.Manufacturer = manufacturer
    made.SoftwareVersions = __version__
    made.ContentDate = f"{now:%Y%m%d}"
    made.ContentTime = f"{now:%H%M%S.%f}"
    made.ValueType = "CONTAINER"
    made.ConceptNameCodeSequence = [_code(*title)]
    made.ContinuityOfContent = "SEPARATE"
    made.ContentTemplateSequence = [Dataset(MappingResource="DCMR", TemplateIdentifier="2010")]
    made.CurrentRequestedProcedureEvidenceSequence = [_evidence(named)]
    made.ContentSequence = _content(named, description)
    return made


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return Dataset(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _evidence(named: list[Reference]) -> Dataset:
    series: dict[str, list[Dataset]] = {}
    for one in named:
        series.setdefault(one.series_instance_uid, []).append(_reference(one))
    return Dataset(
        ReferencedSeriesSequence=[
            Dataset(ReferencedSOPSequence=items, SeriesInstanceUID=uid) for uid, items in series.items()
        ],
        StudyInstanceUID=named[0].study_instance_uid,
    )


def _reference(one: Reference) -> Dataset:
    return Dataset(ReferencedSOPClassUID=one.sop_class_uid, ReferencedSOPInstanceUID=one.sop_instance_uid)


def _content(named: list[Reference], description: str) -> list[Dataset]:
    """Return the content items of TID 2010: what is said, and then the references."""
    items = []
    if description:
        items.append(
            Dataset(
                RelationshipType="CONTAINS",
                ValueType="TEXT",
                ConceptNameCodeSequence=[_code("113012", "DCM", "Key Object Description")],
                TextValue=description,
            )
        )
    for one in named:
        items.append(
            Dataset(
                RelationshipType="CONTAINS",
                ValueType=_value_type(one.sop_class_uid),
                ReferencedSOPSequence=[_reference(one)],
            )
        )
    return items


def _value_type(sop_class_uid: str) -> str:
    """Return as what a class is referred to (PS3.3 C.17.3.2.1): image, waveform, or any other composite object."""
    name = UID(sop_class_uid).name
    if "Waveform Storage" in name or name.endswith("ECG Storage"):
        return "WAVEFORM"
    return "IMAGE" if "Image Storage" in name else "COMPOSITE"
