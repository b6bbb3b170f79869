"""Whose object it is: patient, study, series and equipment, of keywords, a template or another object (PS3.3 C.7)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from pacskit._version import __version__
from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import tag_for
from pacskit.core.element import DataElement
from pacskit.core.errors import ConfigurationError, EncodeError
from pacskit.core.paths import parse
from pacskit.core.tag import Tag
from pacskit.core.uid import generate_uid
from pacskit.encoding.images.classes import ObjectClass
from pacskit.encoding.images.options import BuildOptions
from pacskit.encoding.part10 import dcmopen

__all__ = ["begin", "default", "finish", "missing", "secondary_capture", "transplanted"]


def _tags(words: str) -> frozenset[int]:
    return frozenset(tag for tag in map(tag_for, words.split()) if tag is not None)


_PATIENT: Final = _tags(
    "PatientName PatientID IssuerOfPatientID TypeOfPatientID IssuerOfPatientIDQualifiersSequence PatientBirthDate "
    "PatientBirthTime PatientBirthDateInAlternativeCalendar PatientAlternativeCalendar PatientSex OtherPatientIDs "
    "OtherPatientIDsSequence OtherPatientNames EthnicGroup PatientComments QualityControlSubject "
    "PatientSpeciesDescription PatientSpeciesCodeSequence PatientBreedDescription PatientBreedCodeSequence "
    "BreedRegistrationSequence ResponsiblePerson ResponsiblePersonRole ResponsibleOrganization "
    "ReferencedPatientSequence PatientIdentityRemoved DeidentificationMethod DeidentificationMethodCodeSequence "
    "ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName ClinicalTrialSiteID "
    "ClinicalTrialSiteName ClinicalTrialSubjectID ClinicalTrialSubjectReadingID"
)
_STUDY: Final = _tags(
    "StudyInstanceUID StudyDate StudyTime ReferringPhysicianName ReferringPhysicianIdentificationSequence "
    "ConsultingPhysicianName ConsultingPhysicianIdentificationSequence StudyID AccessionNumber "
    "IssuerOfAccessionNumberSequence StudyDescription PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence "
    "NameOfPhysiciansReadingStudy PhysiciansReadingStudyIdentificationSequence RequestingService "
    "ReferencedStudySequence ProcedureCodeSequence ReasonForPerformedProcedureCodeSequence "
    "AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence PatientAge PatientSize PatientWeight "
    "MedicalAlerts Allergies SmokingStatus PregnancyStatus LastMenstrualDate PatientState Occupation "
    "AdditionalPatientHistory AdmissionID PatientSexNeutered ServiceEpisodeID ServiceEpisodeDescription "
    "ClinicalTrialTimePointID ClinicalTrialTimePointDescription"
)
_SERIES: Final = _tags(
    "Modality SeriesInstanceUID SeriesNumber SeriesDate SeriesTime Laterality SeriesDescription "
    "SeriesDescriptionCodeSequence PerformingPhysicianName PerformingPhysicianIdentificationSequence "
    "OperatorsName OperatorIdentificationSequence ProtocolName BodyPartExamined RequestAttributesSequence "
    "PerformedProcedureStepID PerformedProcedureStepStartDate PerformedProcedureStepStartTime "
    "PerformedProcedureStepDescription ReferencedPerformedProcedureStepSequence FrameOfReferenceUID "
    "PositionReferenceIndicator SynchronizationFrameOfReferenceUID SynchronizationTrigger "
    "AcquisitionTimeSynchronized Manufacturer InstitutionName InstitutionAddress InstitutionalDepartmentName "
    "StationName ManufacturerModelName DeviceSerialNumber SoftwareVersions"
)
_OF_ONE: Final = _tags(  # study, series or instance
    "SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality FrameOfReferenceUID SpecificCharacterSet "
    "SynchronizationFrameOfReferenceUID InstanceNumber InstanceCreationDate InstanceCreationTime InstanceCreatorUID "
    "EncapsulatedDocument EncapsulatedDocumentLength MIMETypeOfEncapsulatedDocument HL7InstanceIdentifier "
    "NumberOfFrames FrameIncrementPointer FrameTime FrameTimeVector PixelDataProviderURL DigitalSignaturesSequence "
    "MACParametersSequence IconImageSequence ReferencedInstanceSequence ReferencedSeriesSequence "
    "ReferencedImageSequence SourceImageSequence SourceInstanceSequence DimensionIndexSequence "
    "DimensionOrganizationSequence ContentSequence"
)
_FREE: Final = _tags(  # of group 0028: what says nothing of how pixels are stored
    "BurnedInAnnotation RecognizableVisualFeatures PixelSpacing PixelSpacingCalibrationType "
    "PixelSpacingCalibrationDescription PixelAspectRatio WindowCenter WindowWidth WindowCenterWidthExplanation "
    "VOILUTFunction LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod QualityControlImage "
    "PresentationLUTShape ICCProfile ColorSpace"
)

_OF_TEMPLATE: Final = _tags("BurnedInAnnotation RecognizableVisualFeatures QualityControlImage")


def _describes_pixels(tag: int) -> bool:
    group = tag >> 16
    return (group == 0x0028 and tag not in _FREE) or group >= 0x7FE0 or (group & 0xFF00) == 0x6000


def _is_for_all(tag: int) -> bool:
    """Whether an attribute of a template fits objects with other pixels."""
    return (
        tag not in _OF_ONE
        and not _describes_pixels(tag)
        and tag >> 16 < 0x5000
        and (tag >> 16 != 0x0028 or tag in _OF_TEMPLATE)
    )


def transplanted(element: DataElement) -> DataElement:
    """An element for a data set in another character set: its values, not its bytes."""
    if element.VR == "SQ":
        items = []
        for item in element.value:
            twin = Dataset()
            for inner in item:
                if int(inner.tag) != 0x00080005:
                    twin.add(transplanted(inner))
            items.append(twin)
        return DataElement(element.tag, "SQ", items)
    return DataElement(element.tag, str(element.VR), element.value)


def _take(ds: Dataset, source: Dataset | str | os.PathLike[str], wanted: Iterable[int] | None) -> None:
    if not isinstance(source, Dataset):
        with dcmopen(source) as opened:
            _take(ds, opened, wanted)
        return
    chosen = None if wanted is None else frozenset(wanted)
    for tag in source.tags():
        if tag in chosen if chosen is not None else _is_for_all(tag):
            ds.add(transplanted(source[tag]))


def default(ds: Dataset, **values: Any) -> None:
    """Set attributes that are absent."""
    for keyword, value in values.items():
        if keyword not in ds:
            setattr(ds, keyword, value)


def _assign(ds: Dataset, attributes: Mapping[str, Any]) -> None:
    for path, value in attributes.items():
        try:
            first = int(parse(path)[0].tag)
        except ValueError as error:
            raise ConfigurationError(f"{path!r} is no attribute") from error
        if first == 0x00080016:
            raise ConfigurationError("the SOP class is an option, not an attribute")
        if first == 0x00080005 or first >> 16 == 0x0002 or _describes_pixels(first):
            raise ConfigurationError(f"{path} follows from what the object is made of")
        try:
            ds.assign(path, value)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise ConfigurationError(f"{path} cannot be {value!r}: {error}") from error


def begin(kind: ObjectClass, options: BuildOptions, attributes: Mapping[str, Any]) -> Dataset:
    """Return a data set that says whose object it is, with what the caller has set.

    An attribute of the caller's wins over one of ``like``, and that over one of the template. UIDs that nothing gives
    are made; what type 2 asks for and nothing gives is empty.
    """
    ds = Dataset(SpecificCharacterSet="ISO_IR 192")
    if options.template is not None:
        _take(ds, options.template, None)
    if options.like is not None:
        wanted = {"patient": _PATIENT, "study": _PATIENT | _STUDY, "series": _PATIENT | _STUDY | _SERIES}
        _take(ds, options.like, wanted[options.same])
        if options.same != "patient" and not ds.get("StudyInstanceUID"):
            raise ConfigurationError("the object that is to be followed has no Study Instance UID")
    _assign(ds, attributes)
    now = datetime.now()  # local, as dates of DICOM are
    date, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S.%f")
    is_new_study = not ds.get("StudyInstanceUID")
    default(
        ds,
        InstanceCreationDate=date,
        InstanceCreationTime=time,
        PatientName="",
        PatientID="",
        PatientBirthDate="",
        PatientSex="",
        StudyDate=date if is_new_study else "",
        StudyTime=time if is_new_study else "",
        ReferringPhysicianName="",
        StudyID="",
        AccessionNumber="",
        Manufacturer="",
        ContentDate=date,
        ContentTime=time,
    )
    for keyword, value in (
        ("SOPInstanceUID", generate_uid()),
        ("StudyInstanceUID", generate_uid()),
        ("SeriesInstanceUID", generate_uid()),
        ("Modality", kind.modality),
        ("SeriesNumber", 1),
        ("InstanceNumber", 1),
    ):
        if not ds.get(keyword):  # these may not be empty
            setattr(ds, keyword, value)
    if not kind.any_modality and ds.Modality != kind.modality:
        raise EncodeError(f"objects of {kind.uid.name} have the modality {kind.modality}, not {ds.Modality}")
    ds.SOPClassUID = kind.uid
    return ds


def secondary_capture(ds: Dataset, *, needed: bool = True) -> None:
    """The SC Equipment module (PS3.3 C.8.6.1): what made the object of something else."""
    if needed:
        default(ds, ConversionType="WSD")
    default(ds, SecondaryCaptureDeviceManufacturer="pacskit", SecondaryCaptureDeviceSoftwareVersions=__version__)


def finish(ds: Dataset, syntax: str) -> Dataset:
    """Give the data set its transfer syntax and meta; it can be saved then."""
    meta = ds.file_meta
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    if "TransferSyntaxUID" not in meta:
        meta.TransferSyntaxUID = syntax
    return ds


def missing(ds: Dataset, keywords: Iterable[str], why: str) -> None:
    """Raise EncodeError for attributes that only the caller can know and has not given."""
    absent = [keyword for keyword in keywords if not ds.get(keyword)]
    if absent:
        tag = tag_for(absent[0])
        raise EncodeError(f"{why}: give {', '.join(absent)}", tag=None if tag is None else int(Tag(tag)))
