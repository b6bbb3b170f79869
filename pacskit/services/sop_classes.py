"""The SOP classes and transfer syntaxes that the services speak of, as tables."""

from __future__ import annotations

from typing import Final, NamedTuple

from pacskit.core import uids
from pacskit.core.enums import Level
from pacskit.core.uid import UID
from pacskit.encoding import UNCOMPRESSED, TransferSyntax
from pacskit.storage import Model

__all__ = [
    "IMAGE_STORAGE_SYNTAXES",
    "MODELS",
    "MODEL_OF",
    "STORAGE",
    "STORAGE_SYNTAXES",
    "QueryModel",
    "is_storage",
    "is_unknown",
]

STORAGE: Final[tuple[UID, ...]] = uids.STORAGE_SOP_CLASSES
"""Every storage SOP class of PS3.6 whose instances belong to a patient."""

_NOT_STORED: Final = frozenset(
    {
        uids.RFC2557MIMEEncapsulation,
        uids.XMLEncoding,
        uids.SMPTEST211020UncompressedProgressiveActiveVideo,
        uids.SMPTEST211020UncompressedInterlacedActiveVideo,
        uids.SMPTEST211030PCMDigitalAudio,
    }
)

_KNOWN: Final = tuple(dict.fromkeys((*uids.TRANSFER_SYNTAXES, TransferSyntax.DEFLATED_IMAGE_FRAME)))

IMAGE_STORAGE_SYNTAXES: Final[tuple[UID, ...]] = tuple(
    sorted(
        (uid for uid in _KNOWN if uid not in UNCOMPRESSED and uid not in _NOT_STORED),
        key=lambda uid: uid.is_retired or "private" in uid.name or "JPIP" in uid.name,
    )
)
"""The transfer syntaxes that compress the pixel data, in the order of PS3.6, those that are seldom met last."""

STORAGE_SYNTAXES: Final[tuple[UID, ...]] = (*UNCOMPRESSED, *IMAGE_STORAGE_SYNTAXES)
"""What a storage SCP takes, best first: what every peer can be given later comes before what is compressed."""


class QueryModel(NamedTuple):
    """An information model (PS3.4 C.6): its SOP classes and the levels it has."""

    name: Model
    find: UID
    move: UID
    get: UID
    levels: tuple[Level, ...]


MODELS: Final[tuple[QueryModel, ...]] = (
    QueryModel(
        Model.STUDY_ROOT,
        uids.StudyRootQueryRetrieveInformationModelFind,
        uids.StudyRootQueryRetrieveInformationModelMove,
        uids.StudyRootQueryRetrieveInformationModelGet,
        (Level.STUDY, Level.SERIES, Level.IMAGE),
    ),
    QueryModel(
        Model.PATIENT_ROOT,
        uids.PatientRootQueryRetrieveInformationModelFind,
        uids.PatientRootQueryRetrieveInformationModelMove,
        uids.PatientRootQueryRetrieveInformationModelGet,
        (Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE),
    ),
    QueryModel(
        Model.PATIENT_STUDY_ONLY,
        uids.PatientStudyOnlyQueryRetrieveInformationModelFind,
        uids.PatientStudyOnlyQueryRetrieveInformationModelMove,
        uids.PatientStudyOnlyQueryRetrieveInformationModelGet,
        (Level.PATIENT, Level.STUDY),
    ),
)

MODEL_OF: Final[dict[str, QueryModel]] = {
    str(uid): model for model in MODELS for uid in (model.find, model.move, model.get)
}
_STORAGE_SET: Final = frozenset(map(str, (*uids.STORAGE_SOP_CLASSES, *uids.NON_PATIENT_STORAGE_SOP_CLASSES)))


def is_storage(sop_class: str) -> bool:
    """Whether PS3.6 lists ``sop_class`` as a storage class."""
    return sop_class in _STORAGE_SET


def is_unknown(sop_class: str) -> bool:
    """Whether PS3.6 does not know ``sop_class``: a private storage class, or one newer than the tables.

    >>> is_unknown("1.2.840.10008.1.1"), is_unknown("1.3.12.2.1107.5.9.1")
    (False, True)
    """
    return not UID(sop_class).type
