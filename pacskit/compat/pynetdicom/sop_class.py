"""pynetdicom's names of SOP classes and well-known instances: the keywords of PS3.6, and its own spellings.

>>> from pacskit.compat.pynetdicom.sop_class import CTImageStorage
>>> CTImageStorage.name
'CT Image Storage'
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from pacskit.compat.pydicom.uid import UID
from pacskit.compat.pynetdicom.errors import Unsupported
from pacskit.core import uids

__all__ = ["GROUPS", "STORAGE", "SOPClass", "register_uid", "uid_to_sop_class"]

SOPClass = UID

# What pynetdicom spells in another way than PS3.6.
_OTHERWISE: Final = {
    "ColorPaletteInformationModelFind": "ColorPaletteQueryRetrieveInformationModelFind",
    "ColorPaletteInformationModelGet": "ColorPaletteQueryRetrieveInformationModelGet",
    "ColorPaletteInformationModelMove": "ColorPaletteQueryRetrieveInformationModelMove",
    "ModalityWorklistInformationFind": "ModalityWorklistInformationModelFind",
    "OphthlamicOpticalCoherenceTomographyBscanVolumeAnalysisStorage": (
        "OphthalmicOpticalCoherenceTomographyBscanVolumeAnalysisStorage"
    ),
    "PseudoColorSoftcopyPresentationStageStorage": "PseudoColorSoftcopyPresentationStateStorage",
    "RTBrachyApplicationSetupDeliveryInstructionsStorage": "RTBrachyApplicationSetupDeliveryInstructionStorage",
    "RoboticArmRadiationRecordStorage": "RoboticRadiationRecordStorage",
    "VariableModalityLUTSoftcopyPresentationStageStorage": "VariableModalityLUTSoftcopyPresentationStateStorage",
}

_FIND_MOVE_GET: Final = ("Find", "Move", "Get")


def _models(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}{operation}" for name in names for operation in _FIND_MOVE_GET)


# The service classes of PS3.4 and their SOP classes.
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "ApplicationEventLogging": ("ProceduralEventLogging", "SubstanceAdministrationLogging"),
    "BasicWorklistManagement": ("ModalityWorklistInformationModelFind",),
    "ColorPalette": _models("ColorPaletteQueryRetrieveInformationModel"),
    "DefinedProcedureProtocol": _models("DefinedProcedureProtocolInformationModel"),
    "DisplaySystem": ("DisplaySystem",),
    "HangingProtocol": _models("HangingProtocolInformationModel"),
    "ImplantTemplate": _models(
        "GenericImplantTemplateInformationModel",
        "ImplantAssemblyTemplateInformationModel",
        "ImplantTemplateGroupInformationModel",
    ),
    "InstanceAvailability": ("InstanceAvailabilityNotification",),
    "MediaCreationManagement": ("MediaCreationManagement",),
    "MediaStorage": ("MediaStorageDirectoryStorage",),
    "ModalityPerformed": (
        "ModalityPerformedProcedureStep",
        "ModalityPerformedProcedureStepRetrieve",
        "ModalityPerformedProcedureStepNotification",
    ),
    "NonPatientObject": (
        "HangingProtocolStorage",
        "ColorPaletteStorage",
        "GenericImplantTemplateStorage",
        "ImplantAssemblyTemplateStorage",
        "ImplantTemplateGroupStorage",
        "CTDefinedProcedureProtocolStorage",
        "ProtocolApprovalStorage",
        "XADefinedProcedureProtocolStorage",
        "InventoryStorage",
    ),
    "PrintManagement": (
        "BasicFilmSession",
        "BasicFilmBox",
        "BasicGrayscaleImageBox",
        "BasicColorImageBox",
        "PrintJob",
        "BasicAnnotationBox",
        "Printer",
        "PrinterConfigurationRetrieval",
        "PresentationLUT",
        "BasicGrayscalePrintManagementMeta",
        "BasicColorPrintManagementMeta",
    ),
    "ProtocolApproval": _models("ProtocolApprovalInformationModel"),
    "QueryRetrieve": (
        *_models(
            "PatientRootQueryRetrieveInformationModel",
            "StudyRootQueryRetrieveInformationModel",
            "PatientStudyOnlyQueryRetrieveInformationModel",
        ),
        "CompositeInstanceRootRetrieveMove",
        "CompositeInstanceRootRetrieveGet",
        "CompositeInstanceRetrieveWithoutBulkDataGet",
        "RepositoryQuery",
    ),
    "RelevantPatientInformation": (
        "GeneralRelevantPatientInformationQuery",
        "BreastImagingRelevantPatientInformationQuery",
        "CardiacRelevantPatientInformationQuery",
    ),
    "RTMachineVerification": ("RTConventionalMachineVerification", "RTIonMachineVerification"),
    "StorageCommitment": ("StorageCommitmentPushModel",),
    "SubstanceAdministration": ("ProductCharacteristicsQuery", "SubstanceApprovalQuery"),
    "UnifiedProcedure": (
        "UnifiedProcedureStepPush",
        "UnifiedProcedureStepWatch",
        "UnifiedProcedureStepPull",
        "UnifiedProcedureStepEvent",
        "UnifiedProcedureStepQuery",
    ),
    "Verification": ("Verification",),
}

_OTHER_STANDARDS: Final = ("DICOS", "EddyCurrent")  # security screening and non-destructive testing


def _is_current(uid: str) -> bool:
    known = UID(uid)
    return not known.is_retired and not known.keyword.startswith(_OTHER_STANDARDS)


STORAGE: Final = tuple(str(uid) for uid in uids.STORAGE_SOP_CLASSES if _is_current(uid))
"""The storage SOP classes of the standard that are in use."""


def __getattr__(name: str) -> UID:
    uid = getattr(uids, _OTHERWISE.get(name, name), None)
    if name.startswith("_") or not isinstance(uid, str):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return UID(uid)


def __dir__() -> list[str]:
    return sorted({*__all__, *_OTHERWISE, *(name for name in uids.__all__ if isinstance(getattr(uids, name), str))})


def uid_to_sop_class(uid: str) -> UID:
    """The SOP class of a UID."""
    return UID(uid)


def register_uid(uid: str, keyword: str, service_class: Any = None, dimse_msg_type: str = "") -> NoReturn:
    """Refused, because nothing needs it: a request is served for every SOP class whose context was accepted."""
    del service_class, dimse_msg_type
    raise Unsupported(
        f"register_uid() is not needed: add a context for {uid!r} and use the UID itself instead of sop_class.{keyword}"
    )
