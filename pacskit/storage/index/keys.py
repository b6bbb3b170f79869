"""Which attributes the index keeps, at which level, and where (PS3.4 C.6, PS3.3 C.7).

Unique and required keys and the common optional ones have a column; the others of a level live in the row's encoded
attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["ATTRIBUTES", "BY_TAG", "LEVELS", "Attribute", "Kind", "attributes_of"]

LEVELS: Final = ("PATIENT", "STUDY", "SERIES", "IMAGE")


class Kind:
    """How a column holds its attribute."""

    TEXT: Final = "text"
    UID: Final = "uid"
    DATE: Final = "date"
    TIME: Final = "time"  # the column as written, and beside it a padded key for comparison
    STAMP: Final = "stamp"
    NAME: Final = "name"  # the column as written, and three folded ones
    NUMBER: Final = "number"
    MODALITIES: Final = "modalities"
    SOP_CLASSES: Final = "sop classes"
    ATTRIBUTES: Final = "attributes"  # no column


class Attribute(NamedTuple):
    """An attribute the index knows: ``column`` is what SQL calls it, where it has one."""

    keyword: str
    tag: int
    vr: str
    level: str
    kind: str
    column: str | None
    creator: str = ""  # of a private one

    @property
    def key(self) -> str:
        """What encoded attributes call it: a private one by its creator, wherever its block is (PS3.5 7.8.1)."""
        if self.tag >> 16 & 1:
            return f"{self.tag & 0xFFFF00FF | 0x1000:08X} {self.creator}".rstrip()
        return f"{self.tag:08X}"

    @property
    def from_index(self) -> bool:
        """Whether its value is computed here and never read from an object."""
        return self.keyword in _COMPUTED


_COMPUTED: Final = frozenset(
    {
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
        "ModalitiesInStudy",
        "SOPClassesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "StudyUpdateDateTime",
        "NumberOfSeriesRelatedInstances",
        "AvailableTransferSyntaxUID",
    }
)

_COLUMNS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "PatientID": (Kind.TEXT, "p.patient_id"),
        "IssuerOfPatientID": (Kind.TEXT, "p.issuer_of_patient_id"),
        "PatientName": (Kind.NAME, "p.patient_name"),
        "PatientBirthDate": (Kind.DATE, "p.patient_birth_date"),
        "PatientBirthTime": (Kind.TIME, "p.patient_birth_time"),
        "PatientSex": (Kind.TEXT, "p.patient_sex"),
        "NumberOfPatientRelatedStudies": (Kind.NUMBER, "p.study_count"),
        "NumberOfPatientRelatedSeries": (Kind.NUMBER, "p.series_count"),
        "NumberOfPatientRelatedInstances": (Kind.NUMBER, "p.instance_count"),
        "StudyInstanceUID": (Kind.UID, "s.study_instance_uid"),
        "StudyDate": (Kind.DATE, "s.study_date"),
        "StudyTime": (Kind.TIME, "s.study_time"),
        "AccessionNumber": (Kind.TEXT, "s.accession_number"),
        "StudyID": (Kind.TEXT, "s.study_id"),
        "StudyDescription": (Kind.TEXT, "s.study_description"),
        "ReferringPhysicianName": (Kind.NAME, "s.referring_physician_name"),
        "ModalitiesInStudy": (Kind.MODALITIES, "s.modalities_in_study"),
        "SOPClassesInStudy": (Kind.SOP_CLASSES, "s.sop_classes_in_study"),
        "NumberOfStudyRelatedSeries": (Kind.NUMBER, "s.series_count"),
        "NumberOfStudyRelatedInstances": (Kind.NUMBER, "s.instance_count"),
        "StudyUpdateDateTime": (Kind.STAMP, "s.updated"),
        "SeriesInstanceUID": (Kind.UID, "e.series_instance_uid"),
        "Modality": (Kind.TEXT, "e.modality"),
        "SeriesNumber": (Kind.NUMBER, "e.series_number"),
        "SeriesDescription": (Kind.TEXT, "e.series_description"),
        "BodyPartExamined": (Kind.TEXT, "e.body_part_examined"),
        "SeriesDate": (Kind.DATE, "e.series_date"),
        "SeriesTime": (Kind.TIME, "e.series_time"),
        "PerformedProcedureStepStartDate": (Kind.DATE, "e.performed_procedure_step_start_date"),
        "PerformedProcedureStepStartTime": (Kind.TIME, "e.performed_procedure_step_start_time"),
        "NumberOfSeriesRelatedInstances": (Kind.NUMBER, "e.instance_count"),
        "SOPInstanceUID": (Kind.UID, "i.sop_instance_uid"),
        "SOPClassUID": (Kind.UID, "i.sop_class_uid"),
        "InstanceNumber": (Kind.NUMBER, "i.instance_number"),
        "AvailableTransferSyntaxUID": (Kind.UID, "i.transfer_syntax_uid"),
    }
)

_PATIENT: Final = (
    ("ReferencedPatientSequence", 0x00081120, "SQ"),
    ("PatientName", 0x00100010, "PN"),
    ("PatientID", 0x00100020, "LO"),
    ("IssuerOfPatientID", 0x00100021, "LO"),
    ("TypeOfPatientID", 0x00100022, "CS"),
    ("IssuerOfPatientIDQualifiersSequence", 0x00100024, "SQ"),
    ("SourcePatientGroupIdentificationSequence", 0x00100026, "SQ"),
    ("GroupOfPatientsIdentificationSequence", 0x00100027, "SQ"),
    ("PatientBirthDate", 0x00100030, "DA"),
    ("PatientBirthTime", 0x00100032, "TM"),
    ("PatientBirthDateInAlternativeCalendar", 0x00100033, "LO"),
    ("PatientDeathDateInAlternativeCalendar", 0x00100034, "LO"),
    ("PatientAlternativeCalendar", 0x00100035, "CS"),
    ("PatientSex", 0x00100040, "CS"),
    ("QualityControlSubject", 0x00100200, "CS"),
    ("StrainDescription", 0x00100212, "UC"),
    ("StrainNomenclature", 0x00100213, "LO"),
    ("StrainStockSequence", 0x00100216, "SQ"),
    ("StrainAdditionalInformation", 0x00100218, "UT"),
    ("StrainCodeSequence", 0x00100219, "SQ"),
    ("GeneticModificationsSequence", 0x00100221, "SQ"),
    ("OtherPatientIDs", 0x00101000, "LO"),
    ("OtherPatientNames", 0x00101001, "PN"),
    ("OtherPatientIDsSequence", 0x00101002, "SQ"),
    ("ReferencedPatientPhotoSequence", 0x00101100, "SQ"),
    ("EthnicGroup", 0x00102160, "SH"),
    ("EthnicGroupCodeSequence", 0x00102161, "SQ"),
    ("EthnicGroups", 0x00102162, "UC"),
    ("PatientSpeciesDescription", 0x00102201, "LO"),
    ("PatientSpeciesCodeSequence", 0x00102202, "SQ"),
    ("PatientBreedDescription", 0x00102292, "LO"),
    ("PatientBreedCodeSequence", 0x00102293, "SQ"),
    ("BreedRegistrationSequence", 0x00102294, "SQ"),
    ("ResponsiblePerson", 0x00102297, "PN"),
    ("ResponsiblePersonRole", 0x00102298, "CS"),
    ("ResponsibleOrganization", 0x00102299, "LO"),
    ("PatientComments", 0x00104000, "LT"),
    ("PatientIdentityRemoved", 0x00120062, "CS"),
    ("DeidentificationMethod", 0x00120063, "LO"),
    ("DeidentificationMethodCodeSequence", 0x00120064, "SQ"),
    ("NumberOfPatientRelatedStudies", 0x00201200, "IS"),
    ("NumberOfPatientRelatedSeries", 0x00201202, "IS"),
    ("NumberOfPatientRelatedInstances", 0x00201204, "IS"),
)
_STUDY: Final = (
    ("StudyDate", 0x00080020, "DA"),
    ("StudyTime", 0x00080030, "TM"),
    ("AccessionNumber", 0x00080050, "SH"),
    ("IssuerOfAccessionNumberSequence", 0x00080051, "SQ"),
    ("ModalitiesInStudy", 0x00080061, "CS"),
    ("SOPClassesInStudy", 0x00080062, "UI"),
    ("AnatomicRegionsInStudyCodeSequence", 0x00080063, "SQ"),
    ("ReferringPhysicianName", 0x00080090, "PN"),
    ("ReferringPhysicianIdentificationSequence", 0x00080096, "SQ"),
    ("ConsultingPhysicianName", 0x0008009C, "PN"),
    ("ConsultingPhysicianIdentificationSequence", 0x0008009D, "SQ"),
    ("StudyUpdateDateTime", 0x0008041F, "DT"),
    ("StudyDescription", 0x00081030, "LO"),
    ("ProcedureCodeSequence", 0x00081032, "SQ"),
    ("PhysiciansOfRecord", 0x00081048, "PN"),
    ("PhysiciansOfRecordIdentificationSequence", 0x00081049, "SQ"),
    ("NameOfPhysiciansReadingStudy", 0x00081060, "PN"),
    ("PhysiciansReadingStudyIdentificationSequence", 0x00081062, "SQ"),
    ("AdmittingDiagnosesDescription", 0x00081080, "LO"),
    ("AdmittingDiagnosesCodeSequence", 0x00081084, "SQ"),
    ("ReferencedStudySequence", 0x00081110, "SQ"),
    ("PatientAge", 0x00101010, "AS"),
    ("PatientSize", 0x00101020, "DS"),
    ("PatientSizeCodeSequence", 0x00101021, "SQ"),
    ("PatientBodyMassIndex", 0x00101022, "DS"),
    ("MeasuredAPDimension", 0x00101023, "DS"),
    ("MeasuredLateralDimension", 0x00101024, "DS"),
    ("PatientWeight", 0x00101030, "DS"),
    ("MedicalAlerts", 0x00102000, "LO"),
    ("Allergies", 0x00102110, "LO"),
    ("Occupation", 0x00102180, "SH"),
    ("SmokingStatus", 0x001021A0, "CS"),
    ("AdditionalPatientHistory", 0x001021B0, "LT"),
    ("PregnancyStatus", 0x001021C0, "US"),
    ("LastMenstrualDate", 0x001021D0, "DA"),
    ("PatientSexNeutered", 0x00102203, "CS"),
    ("StudyInstanceUID", 0x0020000D, "UI"),
    ("StudyID", 0x00200010, "SH"),
    ("OtherStudyNumbers", 0x00201070, "IS"),
    ("NumberOfStudyRelatedSeries", 0x00201206, "IS"),
    ("NumberOfStudyRelatedInstances", 0x00201208, "IS"),
    ("RequestingService", 0x00321033, "LO"),
    ("RequestingServiceCodeSequence", 0x00321034, "SQ"),
    ("ReasonForVisit", 0x00321066, "UT"),
    ("ReasonForVisitCodeSequence", 0x00321067, "SQ"),
    ("AdmissionID", 0x00380010, "LO"),
    ("IssuerOfAdmissionIDSequence", 0x00380014, "SQ"),
    ("ServiceEpisodeID", 0x00380060, "LO"),
    ("ServiceEpisodeDescription", 0x00380062, "LO"),
    ("IssuerOfServiceEpisodeIDSequence", 0x00380064, "SQ"),
    ("PatientState", 0x00380500, "LO"),
    ("ReasonForPerformedProcedureCodeSequence", 0x00401012, "SQ"),
)
_SERIES: Final = (
    ("SeriesDate", 0x00080021, "DA"),
    ("SeriesTime", 0x00080031, "TM"),
    ("Modality", 0x00080060, "CS"),
    ("Manufacturer", 0x00080070, "LO"),
    ("InstitutionName", 0x00080080, "LO"),
    ("InstitutionAddress", 0x00080081, "ST"),
    ("StationName", 0x00081010, "SH"),
    ("SeriesDescription", 0x0008103E, "LO"),
    ("SeriesDescriptionCodeSequence", 0x0008103F, "SQ"),
    ("InstitutionalDepartmentName", 0x00081040, "LO"),
    ("InstitutionalDepartmentTypeCodeSequence", 0x00081041, "SQ"),
    ("PerformingPhysicianName", 0x00081050, "PN"),
    ("PerformingPhysicianIdentificationSequence", 0x00081052, "SQ"),
    ("OperatorsName", 0x00081070, "PN"),
    ("OperatorIdentificationSequence", 0x00081072, "SQ"),
    ("ManufacturerModelName", 0x00081090, "LO"),
    ("ReferencedPerformedProcedureStepSequence", 0x00081111, "SQ"),
    ("RelatedSeriesSequence", 0x00081250, "SQ"),
    ("AnatomicalOrientationType", 0x00102210, "CS"),
    ("BodyPartExamined", 0x00180015, "CS"),
    ("DeviceSerialNumber", 0x00181000, "LO"),
    ("DeviceUID", 0x00181002, "UI"),
    ("GantryID", 0x00181008, "LO"),
    ("UDISequence", 0x0018100A, "SQ"),
    ("ManufacturerDeviceClassUID", 0x0018100B, "UI"),
    ("SoftwareVersions", 0x00181020, "LO"),
    ("ProtocolName", 0x00181030, "LO"),
    ("SpatialResolution", 0x00181050, "DS"),
    ("DateOfLastCalibration", 0x00181200, "DA"),
    ("TimeOfLastCalibration", 0x00181201, "TM"),
    ("DateOfManufacture", 0x00181204, "DA"),
    ("DateOfInstallation", 0x00181205, "DA"),
    ("PatientPosition", 0x00185100, "CS"),
    ("SeriesInstanceUID", 0x0020000E, "UI"),
    ("SeriesNumber", 0x00200011, "IS"),
    ("FrameOfReferenceUID", 0x00200052, "UI"),
    ("Laterality", 0x00200060, "CS"),
    ("PositionReferenceIndicator", 0x00201040, "LO"),
    ("NumberOfSeriesRelatedInstances", 0x00201209, "IS"),
    ("PerformedProcedureStepStartDate", 0x00400244, "DA"),
    ("PerformedProcedureStepStartTime", 0x00400245, "TM"),
    ("PerformedProcedureStepEndDate", 0x00400250, "DA"),
    ("PerformedProcedureStepEndTime", 0x00400251, "TM"),
    ("PerformedProcedureStepID", 0x00400253, "SH"),
    ("PerformedProcedureStepDescription", 0x00400254, "LO"),
    ("PerformedProtocolCodeSequence", 0x00400260, "SQ"),
    ("RequestAttributesSequence", 0x00400275, "SQ"),
    ("CommentsOnThePerformedProcedureStep", 0x00400280, "ST"),
    ("TreatmentSessionUID", 0x300A0700, "UI"),
)
_IMAGE: Final = (
    ("ImageType", 0x00080008, "CS"),
    ("InstanceCreationDate", 0x00080012, "DA"),
    ("InstanceCreationTime", 0x00080013, "TM"),
    ("SOPClassUID", 0x00080016, "UI"),
    ("SOPInstanceUID", 0x00080018, "UI"),
    ("RelatedGeneralSOPClassUID", 0x0008001A, "UI"),
    ("AcquisitionDate", 0x00080022, "DA"),
    ("ContentDate", 0x00080023, "DA"),
    ("AcquisitionDateTime", 0x0008002A, "DT"),
    ("AcquisitionTime", 0x00080032, "TM"),
    ("ContentTime", 0x00080033, "TM"),
    ("TimezoneOffsetFromUTC", 0x00080201, "SH"),
    ("ReferencedSeriesSequence", 0x00081115, "SQ"),
    ("DerivationDescription", 0x00082111, "ST"),
    ("AlternateRepresentationSequence", 0x00083001, "SQ"),
    ("AvailableTransferSyntaxUID", 0x00083002, "UI"),
    ("ContrastBolusAgent", 0x00180010, "LO"),
    ("SliceThickness", 0x00180050, "DS"),
    ("KVP", 0x00180060, "DS"),
    ("RepetitionTime", 0x00180080, "DS"),
    ("EchoTime", 0x00180081, "DS"),
    ("SpacingBetweenSlices", 0x00180088, "DS"),
    ("ViewPosition", 0x00185101, "CS"),
    ("AcquisitionNumber", 0x00200012, "IS"),
    ("InstanceNumber", 0x00200013, "IS"),
    ("ImagePositionPatient", 0x00200032, "DS"),
    ("ImageOrientationPatient", 0x00200037, "DS"),
    ("ImageLaterality", 0x00200062, "CS"),
    ("SliceLocation", 0x00201041, "DS"),
    ("ImageComments", 0x00204000, "LT"),
    ("TemporalPositionIndex", 0x00209128, "UL"),
    ("SamplesPerPixel", 0x00280002, "US"),
    ("PhotometricInterpretation", 0x00280004, "CS"),
    ("NumberOfFrames", 0x00280008, "IS"),
    ("Rows", 0x00280010, "US"),
    ("Columns", 0x00280011, "US"),
    ("PixelSpacing", 0x00280030, "DS"),
    ("BitsAllocated", 0x00280100, "US"),
    ("BitsStored", 0x00280101, "US"),
    ("QualityControlImage", 0x00280300, "CS"),
    ("BurnedInAnnotation", 0x00280301, "CS"),
    ("WindowCenter", 0x00281050, "DS"),
    ("WindowWidth", 0x00281051, "DS"),
    ("LossyImageCompression", 0x00282110, "CS"),
    ("ContainerIdentifier", 0x00400512, "LO"),
    ("SpecimenDescriptionSequence", 0x00400560, "SQ"),
    ("ConceptNameCodeSequence", 0x0040A043, "SQ"),
    ("CompletionFlag", 0x0040A491, "CS"),
    ("VerificationFlag", 0x0040A493, "CS"),
    ("ContentTemplateSequence", 0x0040A504, "SQ"),
    ("DocumentTitle", 0x00420010, "ST"),
    ("MIMETypeOfEncapsulatedDocument", 0x00420012, "LO"),
    ("ContentLabel", 0x00700080, "CS"),
    ("ContentDescription", 0x00700081, "LO"),
    ("PresentationCreationDate", 0x00700082, "DA"),
    ("PresentationCreationTime", 0x00700083, "TM"),
    ("ContentCreatorName", 0x00700084, "PN"),
    ("InstanceOriginStatus", 0x04000600, "CS"),
    ("StructureSetLabel", 0x30060002, "SH"),
    ("RTPlanLabel", 0x300A0002, "SH"),
    ("RTPlanDate", 0x300A0006, "DA"),
    ("RTPlanTime", 0x300A0007, "TM"),
)


def _build() -> dict[str, Attribute]:
    table: dict[str, Attribute] = {}
    for level, rows in zip(LEVELS, (_PATIENT, _STUDY, _SERIES, _IMAGE), strict=True):
        for keyword, tag, vr in rows:
            kind, column = _COLUMNS.get(keyword, (Kind.ATTRIBUTES, None))
            table[keyword] = Attribute(keyword, tag, vr, level, kind, column)
    return table


ATTRIBUTES: Final[Mapping[str, Attribute]] = MappingProxyType(_build())
BY_TAG: Final[Mapping[int, Attribute]] = MappingProxyType({one.tag: one for one in ATTRIBUTES.values()})


_OF_LEVEL: Final[Mapping[str, tuple[Attribute, ...]]] = MappingProxyType(
    {level: tuple(one for one in ATTRIBUTES.values() if one.level == level and not one.from_index) for level in LEVELS}
)


def attributes_of(level: str) -> tuple[Attribute, ...]:
    """Return what an object is asked for at a level, computed ones left out."""
    return _OF_LEVEL[level]
