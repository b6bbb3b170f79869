"""Directory records by type: their keys (PS3.3 F.5), where they may stand (F.4), which one an instance gets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from pacskit.core.dataset import Dataset
from pacskit.core.errors import EncodeError
from pacskit.core.uid import UID
from pacskit.encoding.dicomdir.problems import MissingKeyError
from pacskit.encoding.reader import decode
from pacskit.encoding.transfer_syntax import EXPLICIT_LITTLE
from pacskit.encoding.writer import encode

__all__ = [
    "CHILDREN",
    "KEYS",
    "LINKS",
    "PREFIXES",
    "RANKS",
    "Key",
    "is_allowed",
    "make_record",
    "rank",
    "record_type_for",
]


class Key(NamedTuple):
    """A key of a directory record and its type (PS3.5 7.4): 1, 1C, 2 or 3."""

    keyword: str
    type: str


def _keys(text: str) -> tuple[Key, ...]:
    words = text.split()
    return tuple(Key(keyword, kind) for keyword, kind in zip(words[::2], words[1::2], strict=True))


_CONTENT = "ContentDate 1 ContentTime 1 InstanceNumber 1"
_LABELLED = _CONTENT + " ContentLabel 1 ContentDescription 2 ContentCreatorName 2"

KEYS: Final[dict[str, tuple[Key, ...]]] = {
    "PATIENT": _keys("PatientName 2 PatientID 1"),
    "STUDY": _keys("StudyDate 1 StudyTime 1 StudyDescription 2 StudyInstanceUID 1C StudyID 1 AccessionNumber 2"),
    "SERIES": _keys("Modality 1 SeriesInstanceUID 1 SeriesNumber 1 IconImageSequence 3"),
    "IMAGE": _keys("InstanceNumber 1 IconImageSequence 3"),
    "RT DOSE": _keys("InstanceNumber 1 DoseSummationType 1 IconImageSequence 3"),
    "RT STRUCTURE SET": _keys("InstanceNumber 1 StructureSetLabel 1 StructureSetDate 2 StructureSetTime 2"),
    "RT PLAN": _keys("InstanceNumber 1 RTPlanLabel 1 RTPlanDate 2 RTPlanTime 2"),
    "RT TREAT RECORD": _keys("InstanceNumber 1 TreatmentDate 2 TreatmentTime 2"),
    "PRESENTATION": _keys(
        "PresentationCreationDate 1 PresentationCreationTime 1 InstanceNumber 1 ContentLabel 1 ContentDescription 2 "
        "ContentCreatorName 2 ReferencedSeriesSequence 1C BlendingSequence 1C"
    ),
    "WAVEFORM": _keys("InstanceNumber 1 ContentDate 1 ContentTime 1"),
    "SR DOCUMENT": _keys(
        "InstanceNumber 1 CompletionFlag 1 VerificationFlag 1 ContentDate 1 ContentTime 1 VerificationDateTime 1C "
        "ConceptNameCodeSequence 1 ContentSequence 1C"
    ),
    "KEY OBJECT DOC": _keys(_CONTENT + " ConceptNameCodeSequence 1 ContentSequence 1C"),
    "SPECTROSCOPY": _keys(
        "ImageType 1 ContentDate 1 ContentTime 1 ReferencedImageEvidenceSequence 1C InstanceNumber 1 "
        "NumberOfFrames 1 Rows 1 Columns 1 DataPointRows 1 DataPointColumns 1 IconImageSequence 3"
    ),
    "RAW DATA": _keys("ContentDate 1 ContentTime 1 InstanceNumber 2 IconImageSequence 3"),
    "REGISTRATION": _keys(_LABELLED),
    "FIDUCIAL": _keys(_LABELLED),
    "HANGING PROTOCOL": _keys(
        "HangingProtocolName 1 HangingProtocolDescription 1 HangingProtocolLevel 1 HangingProtocolCreator 1 "
        "HangingProtocolCreationDateTime 1 HangingProtocolDefinitionSequence 1 NumberOfPriorsReferenced 1 "
        "HangingProtocolUserIdentificationCodeSequence 2"
    ),
    "ENCAP DOC": _keys(
        "ContentDate 2 ContentTime 2 InstanceNumber 1 DocumentTitle 2 HL7InstanceIdentifier 1C "
        "ConceptNameCodeSequence 2 MIMETypeOfEncapsulatedDocument 1"
    ),
    "VALUE MAP": _keys(_LABELLED),
    "STEREOMETRIC": (),
    "PALETTE": _keys("ContentLabel 1 ContentDescription 2"),
    "IMPLANT": _keys("Manufacturer 1 ImplantName 1 ImplantSize 1C ImplantPartNumber 1"),
    "IMPLANT GROUP": _keys("ImplantTemplateGroupName 1 ImplantTemplateGroupIssuer 1"),
    "IMPLANT ASSY": _keys("ImplantAssemblyTemplateName 1 Manufacturer 1 ProcedureTypeCodeSequence 1"),
    "PLAN": (),
    "MEASUREMENT": _keys(_LABELLED),
    "SURFACE": _keys(_LABELLED),
    "SURFACE SCAN": _keys("ContentDate 1 ContentTime 1"),
    "TRACT": _keys(_LABELLED),
    "ASSESSMENT": _keys("InstanceNumber 1 InstanceCreationDate 1 InstanceCreationTime 2"),
    "RADIOTHERAPY": _keys(
        "InstanceNumber 1 UserContentLabel 1C UserContentLongLabel 1C ContentDescription 2 ContentCreatorName 2"
    ),
    "ANNOTATION": _keys(_LABELLED),
    "INVENTORY": _keys("ContentDate 1 ContentTime 1 InventoryInstanceDescription 2 InventoryPurpose 3"),
    "PRIVATE": _keys("PrivateRecordUID 1"),
}
"""The keys of each record type besides those that all have (F.3.2.2)."""

_TOP = ("PATIENT", "HANGING PROTOCOL", "PALETTE", "IMPLANT", "IMPLANT GROUP", "IMPLANT ASSY", "INVENTORY", "PRIVATE")
RANKS: Final = {"PATIENT": 0, "STUDY": 1, "SERIES": 2}
CHILDREN: Final[dict[str, frozenset[str]]] = {
    "ROOT": frozenset(_TOP),
    "PATIENT": frozenset({"STUDY", "PRIVATE"}),
    "STUDY": frozenset({"SERIES", "PRIVATE"}),
    "SERIES": frozenset(KEYS) - set(_TOP) - set(RANKS) | {"PRIVATE"},
}
"""Which record types may stand under which (table F.4-1); private ones may have anything below them."""

LINKS: Final = (0x00041400, 0x00041410, 0x00041420)

PREFIXES: Final = {
    "PATIENT": "PT", "STUDY": "ST", "SERIES": "SE", "IMAGE": "IM", "RT DOSE": "RD", "RT STRUCTURE SET": "RS",
    "RT PLAN": "RP", "RT TREAT RECORD": "RX", "PRESENTATION": "PR", "WAVEFORM": "WV", "SR DOCUMENT": "SR",
    "KEY OBJECT DOC": "KY", "SPECTROSCOPY": "SP", "RAW DATA": "RW", "REGISTRATION": "RE", "FIDUCIAL": "FD",
    "HANGING PROTOCOL": "HG", "ENCAP DOC": "ED", "VALUE MAP": "VM", "STEREOMETRIC": "SX", "PALETTE": "PA",
    "IMPLANT": "IP", "IMPLANT GROUP": "IG", "IMPLANT ASSY": "IA", "PLAN": "PN", "MEASUREMENT": "MS",
    "SURFACE": "SF", "SURFACE SCAN": "SS", "TRACT": "TR", "ASSESSMENT": "AS", "RADIOTHERAPY": "RT",
    "ANNOTATION": "AN", "INVENTORY": "IV", "PRIVATE": "PV",
}  # fmt: skip
"""How the names of new files begin."""

_BY_KEYWORD: Final = {
    "HangingProtocolStorage": "HANGING PROTOCOL",
    "ColorPaletteStorage": "PALETTE",
    "GenericImplantTemplateStorage": "IMPLANT",
    "ImplantAssemblyTemplateStorage": "IMPLANT ASSY",
    "ImplantTemplateGroupStorage": "IMPLANT GROUP",
    "InventoryStorage": "INVENTORY",
    "RTDoseStorage": "RT DOSE",
    "RTStructureSetStorage": "RT STRUCTURE SET",
    "RTPlanStorage": "RT PLAN",
    "RTIonPlanStorage": "RT PLAN",
    "RTBeamsTreatmentRecordStorage": "RT TREAT RECORD",
    "RTBrachyTreatmentRecordStorage": "RT TREAT RECORD",
    "RTTreatmentSummaryRecordStorage": "RT TREAT RECORD",
    "RTIonBeamsTreatmentRecordStorage": "RT TREAT RECORD",
    "RTBeamsDeliveryInstructionStorage": "PLAN",
    "RTBrachyApplicationSetupDeliveryInstructionStorage": "PLAN",
    "BasicStructuredDisplayStorage": "PRESENTATION",
    "MacularGridThicknessAndVolumeReportStorage": "SR DOCUMENT",
    "SpectaclePrescriptionReportStorage": "SR DOCUMENT",
    "ProcedureLogStorage": "SR DOCUMENT",
    "KeyObjectSelectionDocumentStorage": "KEY OBJECT DOC",
    "MRSpectroscopyStorage": "SPECTROSCOPY",
    "RawDataStorage": "RAW DATA",
    "SpatialRegistrationStorage": "REGISTRATION",
    "DeformableSpatialRegistrationStorage": "REGISTRATION",
    "SpatialFiducialsStorage": "FIDUCIAL",
    "RealWorldValueMappingStorage": "VALUE MAP",
    "StereometricRelationshipStorage": "STEREOMETRIC",
    "IntraocularLensCalculationsStorage": "MEASUREMENT",
    "SurfaceSegmentationStorage": "SURFACE",
    "SurfaceScanMeshStorage": "SURFACE SCAN",
    "SurfaceScanPointCloudStorage": "SURFACE SCAN",
    "TractographyResultsStorage": "TRACT",
    "ContentAssessmentResultsStorage": "ASSESSMENT",
    "MicroscopyBulkSimpleAnnotationsStorage": "ANNOTATION",
    "EnhancedUSVolumeStorage": "IMAGE",
    "OphthalmicOpticalCoherenceTomographyBscanVolumeAnalysisStorage": "IMAGE",
}
_BY_PATTERN: Final = (  # the first that fits the keyword of the SOP class
    (re.compile(r"Image|ParametricMap|Segmentation|ThicknessMap|TopographyMap|OphthalmicPhotography"), "IMAGE"),
    (re.compile(r"Encapsulated"), "ENCAP DOC"),
    (re.compile(r"PresentationState"), "PRESENTATION"),
    (re.compile(r"WaveformStorage"), "WAVEFORM"),
    (re.compile(r"SRStorage"), "SR DOCUMENT"),
    (re.compile(r"MeasurementsStorage"), "MEASUREMENT"),
    (re.compile(r"RT(?:PhysicianIntent|SegmentAnnotation|Radiation|TreatmentPreparation|PatientPosition)"
                r"|Radiation(?:Record)?Storage"), "RADIOTHERAPY"),
)  # fmt: skip


def record_type_for(sop_class: str) -> str:
    """The Directory Record Type for instances of a SOP class; PRIVATE where the standard has none.

    >>> record_type_for("1.2.840.10008.5.1.4.1.1.2"), record_type_for("1.2.3.4")
    ('IMAGE', 'PRIVATE')
    """
    keyword = UID(sop_class).keyword or ""
    named = _BY_KEYWORD.get(keyword)
    if named is not None:
        return named
    if "Storage" not in keyword:
        return "PRIVATE"
    return next((kind for pattern, kind in _BY_PATTERN if pattern.search(keyword)), "PRIVATE")


def rank(record_type: str) -> int:
    """How deep a record type stands: 0 for PATIENT, 3 for what refers to instances."""
    return RANKS.get(record_type, 3)


def is_allowed(parent: str, child: str) -> bool:
    """Whether a record of type ``child`` may stand under one of type ``parent``, or under ``ROOT``."""
    return parent == "PRIVATE" or child in CHILDREN.get(parent, ())


# ---- making records ---------------------------------------------------------------------------------

Invent = Callable[[str], Any]
_OLD_FORM = re.compile(r"(\d{4})\.(\d\d)\.(\d\d) *|(\d\d):(\d\d):(\d\d(?:\.\d+)?) *")  # dates and times before 1993
_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "InstanceCreationDate")


def _verified(dataset: Dataset) -> Any:
    """When a document was verified last (F.5, SR DOCUMENT): what the observers say."""
    if dataset.get("VerificationFlag") != "VERIFIED":
        return None
    times = [one.get("VerificationDateTime") for one in dataset.get("VerifyingObserverSequence") or ()]
    return max((time for time in times if time), key=str, default=None)


def _modifiers(dataset: Dataset) -> list[Dataset]:
    """The content items that modify the title of a document (F.5, SR DOCUMENT)."""
    items = dataset.get("ContentSequence") or ()
    return [item for item in items if item.get("RelationshipType") == "HAS CONCEPT MOD"]


def _icon(dataset: Dataset) -> Any:
    """The icon of the instance, unless it is compressed, which a DICOMDIR cannot hold (PS3.10 8.6)."""
    icons = dataset.get("IconImageSequence") or ()
    return [icon for icon in icons if "PixelData" in icon and not icon["PixelData"].is_undefined_length]


def _value(dataset: Dataset, record_type: str, keyword: str) -> Any:
    if record_type in {"SR DOCUMENT", "KEY OBJECT DOC"}:
        if keyword == "VerificationDateTime":
            return _verified(dataset)
        if keyword == "ContentSequence":
            return _modifiers(dataset)
    if keyword == "IconImageSequence":
        return None if record_type == "SERIES" else _icon(dataset)
    value = dataset.get(keyword)
    if keyword.endswith(("Date", "Time")) and isinstance(value, str) and (old := _OLD_FORM.fullmatch(value)):
        return "".join(filter(None, old.groups()))
    return value


def _invented(dataset: Dataset, keyword: str, number: int) -> Any:
    """A value where the instance has none, as media writers make them; None where that would mislead."""
    if keyword.endswith("DateTime"):
        return None
    if keyword.endswith("Date"):
        return next((value for name in _DATES if (value := dataset.get(name))), "19000101")
    if keyword.endswith("Time"):
        return next((value for name in _DATES if (value := dataset.get(name.replace("Date", "Time")))), "000000")
    fixed = {"Modality": "OT", "CompletionFlag": "PARTIAL", "VerificationFlag": "UNVERIFIED", "ContentLabel": "UNNAMED"}
    if keyword in {"InstanceNumber", "SeriesNumber", "StudyID"}:
        return str(number)
    return f"UNKNOWN{number}" if keyword == "PatientID" else fixed.get(keyword)


def _is_empty(value: Any) -> bool:
    return value is None or (not isinstance(value, (int, float)) and len(value) == 0)


def make_record(
    dataset: Dataset,
    record_type: str,
    *,
    number: int | None = None,
    reference: Dataset | None = None,
    more: Iterable[str] = (),
) -> Dataset:
    """Make the data set of a directory record of an instance.

    ``number`` is what values that must be there and are not are made with; without it MissingKeyError is raised.
    ``reference`` has the elements that refer to the file, ``more`` names other attributes that the record gets.
    """
    record = Dataset(reference) if reference is not None else Dataset()
    record.OffsetOfTheNextDirectoryRecord = 0
    record.RecordInUseFlag = 0xFFFF
    record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.DirectoryRecordType = record_type
    if dataset.get("SpecificCharacterSet"):
        record.SpecificCharacterSet = dataset.SpecificCharacterSet
    taken: list[str] = []
    for keyword, kind in (*KEYS[record_type], *(Key(keyword, "3") for keyword in more)):
        if keyword in record:
            continue
        value = _value(dataset, record_type, keyword)
        if _is_empty(value) and (kind == "1" or keyword == "StudyInstanceUID"):
            value = None if number is None else _invented(dataset, keyword, number)
            if value is None:
                raise MissingKeyError(record_type, keyword)
        if not _is_empty(value):
            setattr(record, keyword, value)
            taken.append(keyword)
        elif kind == "2":
            setattr(record, keyword, [] if keyword.endswith("Sequence") else None)
    # By way of bytes, so that the record holds nothing of the instance and surely can be written.
    try:
        return decode(encode(record, EXPLICIT_LITTLE), EXPLICIT_LITTLE)
    except EncodeError:  # text that is not in the character set the instance names: its very bytes, then
        for keyword in taken:
            if keyword in dataset and dataset[keyword].value == record.get(keyword):
                record.add(dataset[keyword])
        return decode(encode(record, EXPLICIT_LITTLE), EXPLICIT_LITTLE)
