"""pynetdicom 3's names over our network: ``from pacskit.compat.pynetdicom import AE, evt``.

pynetdicom itself is neither needed nor imported. What differs is listed in the guide "Come from pynetdicom".
"""

from __future__ import annotations

import logging
import sys
from typing import Final

from pacskit.compat.pydicom.uid import UID
from pacskit.compat.pynetdicom import _config, presentation, sop_class
from pacskit.compat.pynetdicom import events as evt
from pacskit.compat.pynetdicom._globals import ALL_TRANSFER_SYNTAXES, DEFAULT_TRANSFER_SYNTAXES
from pacskit.compat.pynetdicom.ae import ApplicationEntity as AE
from pacskit.compat.pynetdicom.association import Association
from pacskit.compat.pynetdicom.errors import Unsupported
from pacskit.compat.pynetdicom.presentation import (
    AllStoragePresentationContexts,
    ApplicationEventLoggingPresentationContexts,
    BasicWorklistManagementPresentationContexts,
    ColorPalettePresentationContexts,
    DefinedProcedureProtocolPresentationContexts,
    DisplaySystemPresentationContexts,
    HangingProtocolPresentationContexts,
    ImplantTemplatePresentationContexts,
    InstanceAvailabilityPresentationContexts,
    MediaCreationManagementPresentationContexts,
    MediaStoragePresentationContexts,
    ModalityPerformedPresentationContexts,
    NonPatientObjectPresentationContexts,
    PrintManagementPresentationContexts,
    ProcedureStepPresentationContexts,
    ProtocolApprovalPresentationContexts,
    QueryRetrievePresentationContexts,
    RelevantPatientInformationPresentationContexts,
    RTMachineVerificationPresentationContexts,
    StorageCommitmentPresentationContexts,
    StoragePresentationContexts,
    SubstanceAdministrationPresentationContexts,
    UnifiedProcedurePresentationContexts,
    VerificationPresentationContexts,
    build_context,
    build_role,
)
from pacskit.compat.pynetdicom.sop_class import register_uid
from pacskit.network.negotiation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION

__all__ = [
    "AE",
    "ALL_TRANSFER_SYNTAXES",
    "DEFAULT_TRANSFER_SYNTAXES",
    "PYNETDICOM_IMPLEMENTATION_UID",
    "PYNETDICOM_IMPLEMENTATION_VERSION",
    "PYNETDICOM_UID_PREFIX",
    "AllStoragePresentationContexts",
    "ApplicationEventLoggingPresentationContexts",
    "Association",
    "BasicWorklistManagementPresentationContexts",
    "ColorPalettePresentationContexts",
    "DefinedProcedureProtocolPresentationContexts",
    "DisplaySystemPresentationContexts",
    "HangingProtocolPresentationContexts",
    "ImplantTemplatePresentationContexts",
    "InstanceAvailabilityPresentationContexts",
    "MediaCreationManagementPresentationContexts",
    "MediaStoragePresentationContexts",
    "ModalityPerformedPresentationContexts",
    "NonPatientObjectPresentationContexts",
    "PrintManagementPresentationContexts",
    "ProcedureStepPresentationContexts",
    "ProtocolApprovalPresentationContexts",
    "QueryRetrievePresentationContexts",
    "RTMachineVerificationPresentationContexts",
    "RelevantPatientInformationPresentationContexts",
    "StorageCommitmentPresentationContexts",
    "StoragePresentationContexts",
    "SubstanceAdministrationPresentationContexts",
    "UnifiedProcedurePresentationContexts",
    "Unsupported",
    "VerificationPresentationContexts",
    "_config",
    "build_context",
    "build_role",
    "debug_logger",
    "evt",
    "presentation",
    "register_uid",
    "sop_class",
]

__version__ = "3.0.4"

PYNETDICOM_UID_PREFIX: Final = "1.2.826.0.1.3680043.9.3811."
"""Named for scripts that make UIDs under it."""
PYNETDICOM_IMPLEMENTATION_UID: Final = UID(IMPLEMENTATION_CLASS_UID)
"""The implementation that associations name unless told otherwise: pacskit."""
PYNETDICOM_IMPLEMENTATION_VERSION: Final = IMPLEMENTATION_VERSION


def debug_logger() -> None:
    """Log to standard error what passes on associations from now on: each message and PDU, and no data sets."""
    logger = logging.getLogger(__name__)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname).1s: %(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG)
