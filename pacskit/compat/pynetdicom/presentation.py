"""pynetdicom's presentation contexts, and the lists of them that it has ready."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from pacskit.compat.pydicom.uid import UID
from pacskit.compat.pynetdicom import _globals
from pacskit.compat.pynetdicom import sop_class as classes
from pacskit.compat.pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pacskit.core import uids
from pacskit.network.negotiation import PresentationContext as Agreed

__all__ = [
    "PresentationContext",
    "PresentationContextTuple",
    "build_context",
    "build_role",
]

_STATUS: Final = {
    None: "Pending",
    0: "Accepted",
    1: "User Rejected",
    2: "Provider Rejected",
    3: "Abstract Syntax Not Supported",
    4: "Transfer Syntax(es) Not Supported",
}


def checked_uid(value: Any, name: str) -> UID:
    """A UID from text or bytes; ValueError for what is none."""
    if isinstance(value, bytes):
        value = value.decode("ascii")
    if not isinstance(value, str):
        raise TypeError(f"'{name}' must be str, bytes or UID, not '{type(value).__name__}'")
    uid = UID(value, validation_mode=0)
    if not 0 < len(uid) <= 64:
        raise ValueError(f"Invalid '{name}' value: a UID has 1 to 64 characters")
    return uid


class PresentationContextTuple(NamedTuple):
    """The context of a request, as handlers see it."""

    context_id: int
    abstract_syntax: UID
    transfer_syntax: UID


class PresentationContext:
    """A SOP class with transfer syntaxes, proposed, supported or agreed."""

    def __init__(self) -> None:
        self._context_id: int | None = None
        self._abstract_syntax: UID | None = None
        self._transfer_syntax: list[UID] = []
        self._scu_role: bool | None = None
        self._scp_role: bool | None = None
        self._as_scu: bool | None = None
        self._as_scp: bool | None = None
        self.result: int | None = None

    @classmethod
    def of(cls, agreed: Agreed) -> PresentationContext:
        """What was agreed about a context."""
        made = cls()
        made._context_id, made.result = agreed.id, agreed.result
        made._abstract_syntax = checked_uid(agreed.abstract_syntax, "abstract_syntax")
        syntax = agreed.transfer_syntax or next(iter(agreed.proposed), "")
        made._transfer_syntax = [checked_uid(syntax, "transfer_syntax")] if syntax else []
        made._as_scu, made._as_scp = agreed.as_scu, agreed.as_scp
        return made

    @property
    def abstract_syntax(self) -> UID | None:
        """The SOP class."""
        return self._abstract_syntax

    @abstract_syntax.setter
    def abstract_syntax(self, value: Any) -> None:
        self._abstract_syntax = checked_uid(value, "abstract_syntax")

    @property
    def transfer_syntax(self) -> list[UID]:
        """The transfer syntaxes; one, where the context has been agreed."""
        return self._transfer_syntax

    @transfer_syntax.setter
    def transfer_syntax(self, syntaxes: Any) -> None:
        if isinstance(syntaxes, (str, bytes)) or not isinstance(syntaxes, Iterable):
            raise TypeError("'transfer_syntax' must be a list")
        self._transfer_syntax = []
        for syntax in syntaxes:
            self.add_transfer_syntax(syntax)

    def add_transfer_syntax(self, syntax: Any) -> None:
        """Add one, unless it is there already."""
        if syntax is None:
            return
        uid = checked_uid(syntax, "transfer_syntax")
        if uid not in self._transfer_syntax:
            self._transfer_syntax.append(uid)

    @property
    def as_scu(self) -> bool | None:
        """Whether we are SCU in it; None before it is agreed."""
        return self._as_scu

    @property
    def as_scp(self) -> bool | None:
        """Whether we are SCP in it; None before it is agreed."""
        return self._as_scp

    @property
    def as_tuple(self) -> PresentationContextTuple:
        """The context as handlers see it."""
        if self._context_id is None or self._abstract_syntax is None:
            raise ValueError("the presentation context is not complete")
        return PresentationContextTuple(self._context_id, self._abstract_syntax, self._transfer_syntax[0])

    @property
    def context_id(self) -> int | None:
        """Its number in an association."""
        return self._context_id

    @context_id.setter
    def context_id(self, value: int | None) -> None:
        if value is not None and (not 1 <= value <= 255 or value % 2 == 0):
            raise ValueError("'context_id' is an odd number from 1 to 255")
        self._context_id = value

    @property
    def scu_role(self) -> bool | None:
        """As a supported context: whether the requestor may be SCU. None: no answer to role selection."""
        return self._scu_role

    @scu_role.setter
    def scu_role(self, value: bool | None) -> None:
        self._scu_role = checked_role("scu_role", value)

    @property
    def scp_role(self) -> bool | None:
        """As a supported context: whether the requestor may be SCP. None: no answer to role selection."""
        return self._scp_role

    @scp_role.setter
    def scp_role(self, value: bool | None) -> None:
        self._scp_role = checked_role("scp_role", value)

    @property
    def status(self) -> str:
        """What became of it, in words."""
        return _STATUS.get(self.result, "Unknown")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PresentationContext):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((self._abstract_syntax, self._context_id, tuple(self._transfer_syntax), self._as_scp, self._as_scu))

    def __repr__(self) -> str:
        return "" if self._abstract_syntax is None else self._abstract_syntax.name

    def __str__(self) -> str:
        lines = [f"ID: {self._context_id}"] if self._context_id is not None else []
        if self._abstract_syntax is not None:
            lines.append(f"Abstract Syntax: {self._abstract_syntax.name}")
        lines.append("Transfer Syntax(es):")
        lines += [f"    ={syntax.name}" for syntax in self._transfer_syntax]
        if self.result is not None:
            lines.append(f"Result: {self.status}")
        return "\n".join(lines)


def checked_role(name: str, value: Any) -> bool | None:
    """A role, or None; TypeError for anything else."""
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"'{name}' must be None or bool")
    return value


def syntax_list(transfer_syntax: Any) -> list[UID]:
    """Transfer syntaxes as they are given: none for the defaults, one, or several."""
    if transfer_syntax is None:
        transfer_syntax = _globals.DEFAULT_TRANSFER_SYNTAXES
    if isinstance(transfer_syntax, (str, bytes)):
        transfer_syntax = [transfer_syntax]
    return [checked_uid(syntax, "transfer_syntax") for syntax in transfer_syntax]


def build_context(abstract_syntax: str | UID, transfer_syntax: Any = None) -> PresentationContext:
    """A context for a SOP class, with the default transfer syntaxes where none are given."""
    context = PresentationContext()
    context.abstract_syntax = abstract_syntax
    context.transfer_syntax = syntax_list(transfer_syntax)
    return context


def build_role(uid: str | UID, scu_role: bool = False, scp_role: bool = False) -> SCP_SCU_RoleSelectionNegotiation:
    """A role selection item for a SOP class."""
    return SCP_SCU_RoleSelectionNegotiation(checked_uid(uid, "uid"), scu_role, scp_role)


# The 120 SOP classes that leave room for eight others in one association: the current ones without these...
_NOT_SELECTED: Final = frozenset(
    (
        "AcquisitionContextSRStorage",
        "AdvancedBlendingPresentationStateStorage",
        "BodyPositionWaveformStorage",
        "BreastProjectionXRayImageStorageForPresentation",
        "BreastProjectionXRayImageStorageForProcessing",
        "CArmPhotonElectronRadiationRecordStorage",
        "CArmPhotonElectronRadiationStorage",
        "CTPerformedProcedureProtocolStorage",
        "CompositingPlanarMPRVolumetricPresentationStateStorage",
        "ConfocalMicroscopyImageStorage",
        "ConfocalMicroscopyTiledPyramidalImageStorage",
        "ContentAssessmentResultsStorage",
        "CornealTopographyMapStorage",
        "DermoscopicPhotographyImageStorage",
        "ElectromyogramWaveformStorage",
        "ElectrooculogramWaveformStorage",
        "EncapsulatedMTLStorage",
        "EncapsulatedOBJStorage",
        "EncapsulatedSTLStorage",
        "EnhancedContinuousRTImageStorage",
        "EnhancedRTImageStorage",
        "EnhancedXRayRadiationDoseSRStorage",
        "ExtensibleSRStorage",
        "General32bitECGWaveformStorage",
        "GrayscalePlanarMPRVolumetricPresentationStateStorage",
        "HeightMapSegmentationStorage",
        "LabelMapSegmentationStorage",
        "MicroscopyBulkSimpleAnnotationsStorage",
        "MultichannelRespiratoryWaveformStorage",
        "MultipleVolumeRenderingVolumetricPresentationStateStorage",
        "OphthalmicOpticalCoherenceTomographyBscanVolumeAnalysisStorage",
        "OphthalmicOpticalCoherenceTomographyEnFaceImageStorage",
        "ParametricMapStorage",
        "PatientRadiationDoseSRStorage",
        "PerformedImagingAgentAdministrationSRStorage",
        "PhotoacousticImageStorage",
        "PlannedImagingAgentAdministrationSRStorage",
        "RTBrachyApplicationSetupDeliveryInstructionStorage",
        "RTPatientPositionAcquisitionInstructionStorage",
        "RTPhysicianIntentStorage",
        "RTRadiationRecordSetStorage",
        "RTRadiationSalvageRecordStorage",
        "RTRadiationSetDeliveryInstructionStorage",
        "RTRadiationSetStorage",
        "RTSegmentAnnotationStorage",
        "RTTreatmentPreparationStorage",
        "RadiopharmaceuticalRadiationDoseSRStorage",
        "RoboticArmRadiationStorage",
        "RoboticRadiationRecordStorage",
        "RoutineScalpElectroencephalogramWaveformStorage",
        "SegmentedVolumeRenderingVolumetricPresentationStateStorage",
        "SimplifiedAdultEchoSRStorage",
        "SleepElectroencephalogramWaveformStorage",
        "TomotherapeuticRadiationRecordStorage",
        "TomotherapeuticRadiationStorage",
        "TractographyResultsStorage",
        "VariableModalityLUTSoftcopyPresentationStateStorage",
        "VolumeRenderingVolumetricPresentationStateStorage",
        "WaveformAcquisitionPresentationStateStorage",
        "WaveformAnnotationSRStorage",
        "WaveformPresentationStateStorage",
        "WideFieldOphthalmicPhotography3DCoordinatesImageStorage",
        "WideFieldOphthalmicPhotographyStereographicProjectionImageStorage",
        "XAPerformedProcedureProtocolStorage",
    )
)


# ... and these, which are retired and still met.
_RETIRED: Final = (
    "HardcopyColorImageStorage",
    "HardcopyGrayscaleImageStorage",
    "NuclearMedicineImageStorageRetired",
    "StandaloneCurveStorage",
    "StandaloneModalityLUTStorage",
    "StandaloneOverlayStorage",
    "StandalonePETCurveStorage",
    "StandaloneVOILUTStorage",
    "StoredPrintStorage",
    "UltrasoundImageStorageRetired",
    "UltrasoundMultiFrameImageStorageRetired",
    "VLImageStorageTrial",
    "VLMultiFrameImageStorageTrial",
    "XRayAngiographicBiPlaneImageStorage",
)


def _contexts(sop_classes: Iterable[str]) -> list[PresentationContext]:
    return [build_context(uid) for uid in sorted(sop_classes)]


def _group(name: str) -> list[PresentationContext]:
    return _contexts(str(getattr(uids, keyword)) for keyword in classes.GROUPS[name])


ApplicationEventLoggingPresentationContexts = _group("ApplicationEventLogging")
BasicWorklistManagementPresentationContexts = _group("BasicWorklistManagement")
ColorPalettePresentationContexts = _group("ColorPalette")
DefinedProcedureProtocolPresentationContexts = _group("DefinedProcedureProtocol")
DisplaySystemPresentationContexts = _group("DisplaySystem")
HangingProtocolPresentationContexts = _group("HangingProtocol")
ImplantTemplatePresentationContexts = _group("ImplantTemplate")
InstanceAvailabilityPresentationContexts = _group("InstanceAvailability")
MediaCreationManagementPresentationContexts = _group("MediaCreationManagement")
MediaStoragePresentationContexts = _group("MediaStorage")
ModalityPerformedPresentationContexts = _group("ModalityPerformed")
NonPatientObjectPresentationContexts = _group("NonPatientObject")
PrintManagementPresentationContexts = _group("PrintManagement")
ProcedureStepPresentationContexts = _group("ModalityPerformed")
ProtocolApprovalPresentationContexts = _group("ProtocolApproval")
QueryRetrievePresentationContexts = _group("QueryRetrieve")
RelevantPatientInformationPresentationContexts = _group("RelevantPatientInformation")
RTMachineVerificationPresentationContexts = _group("RTMachineVerification")
StorageCommitmentPresentationContexts = _group("StorageCommitment")
SubstanceAdministrationPresentationContexts = _group("SubstanceAdministration")
UnifiedProcedurePresentationContexts = _group("UnifiedProcedure")
VerificationPresentationContexts = _group("Verification")
AllStoragePresentationContexts = _contexts(classes.STORAGE)
StoragePresentationContexts = _contexts(
    [
        *(uid for uid in classes.STORAGE if UID(uid).keyword not in _NOT_SELECTED),
        *(str(getattr(uids, keyword)) for keyword in _RETIRED),
    ]
)
