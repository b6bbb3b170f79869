"""An embeddable PACS: DICOM files, network and archive behind one import.

Names are imported when they are first used (PEP 562), so that importing the package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pacskit._version import __version__

if TYPE_CHECKING:
    from pacskit import images as images
    from pacskit import pixels as pixels
    from pacskit.core.compare import Change, ChangeKind, Conflict, MergeConflict
    from pacskit.core.config import ReadOptions, Strictness
    from pacskit.core.dataset import Dataset
    from pacskit.core.diagnostics import Diagnostic, DiagnosticKind
    from pacskit.core.element import DataElement
    from pacskit.core.enums import Level, Priority
    from pacskit.core.errors import (
        AssociationAborted,
        AssociationRejected,
        AssociationReleased,
        ConfigurationError,
        ConnectError,
        DeadlineExceeded,
        DecodeError,
        DimseError,
        DuplicateInstance,
        EncodeError,
        InstanceNotFound,
        LimitError,
        NetworkError,
        NoPresentationContext,
        PacsError,
        ProtocolError,
        SourceError,
        StorageError,
        TlsError,
        TranscodeError,
        TruncatedError,
    )
    from pacskit.core.filemeta import FileMeta
    from pacskit.core.sequence import Sequence
    from pacskit.core.status import Status, StatusCategory
    from pacskit.core.tag import Tag
    from pacskit.core.types import RangeSource
    from pacskit.core.uid import UID
    from pacskit.core.values import DA, DS, DT, IS, TM, MultiValue, PersonName
    from pacskit.core.vr import VR
    from pacskit.encoding import FileSet, TransferSyntax, dcmopen, dcmread, dcmwrite
    from pacskit.encoding.scan import scan
    from pacskit.encoding.transcoding import transcode_file as transcode_file
    from pacskit.facade import SCP, Archive, ArchiveSettings, Peer, between, connect, echo
    from pacskit.network.address import Address
    from pacskit.network.admission import Admission
    from pacskit.network.config import Limits, Timeouts
    from pacskit.network.identity import Identified, IdentityEvent, IdentityType
    from pacskit.network.pdu import UserIdentity
    from pacskit.security.context import TlsContext, tls_context
    from pacskit.security.profiles import TlsProfile
    from pacskit.security.settings import TlsSettings
    from pacskit.services.events import EchoEvent, FindEvent, StoreEvent
    from pacskit.services.normalized import (
        ActionEvent,
        CreateEvent,
        DeleteEvent,
        GetEvent,
        NotificationEvent,
        Reply,
        SetEvent,
    )
    from pacskit.services.normalized_scu import Answer
    from pacskit.services.scu import Progress, Sent
    from pacskit.storage import DuplicatePolicy

__all__ = [
    "DA",
    "DS",
    "DT",
    "IS",
    "SCP",
    "TM",
    "UID",
    "VR",
    "ActionEvent",
    "Address",
    "Admission",
    "Answer",
    "Archive",
    "ArchiveSettings",
    "AssociationAborted",
    "AssociationRejected",
    "AssociationReleased",
    "Change",
    "ChangeKind",
    "ConfigurationError",
    "Conflict",
    "ConnectError",
    "CreateEvent",
    "DataElement",
    "Dataset",
    "DeadlineExceeded",
    "DecodeError",
    "DeleteEvent",
    "Diagnostic",
    "DiagnosticKind",
    "DimseError",
    "DuplicateInstance",
    "DuplicatePolicy",
    "EchoEvent",
    "EncodeError",
    "FileMeta",
    "FileSet",
    "FindEvent",
    "GetEvent",
    "Identified",
    "IdentityEvent",
    "IdentityType",
    "InstanceNotFound",
    "Level",
    "LimitError",
    "Limits",
    "MergeConflict",
    "MultiValue",
    "NetworkError",
    "NoPresentationContext",
    "NotificationEvent",
    "PacsError",
    "Peer",
    "PersonName",
    "Priority",
    "Progress",
    "ProtocolError",
    "RangeSource",
    "ReadOptions",
    "Reply",
    "Sent",
    "Sequence",
    "SetEvent",
    "SourceError",
    "Status",
    "StatusCategory",
    "StorageError",
    "StoreEvent",
    "Strictness",
    "Tag",
    "Timeouts",
    "TlsContext",
    "TlsError",
    "TlsProfile",
    "TlsSettings",
    "TranscodeError",
    "TransferSyntax",
    "TruncatedError",
    "UserIdentity",
    "__version__",
    "between",
    "connect",
    "dcmopen",
    "dcmread",
    "dcmwrite",
    "echo",
    "scan",
    "tls_context",
]

_WHERE: Final = {
    "core.compare": "Change ChangeKind Conflict MergeConflict",
    "core.config": "ReadOptions Strictness",
    "core.dataset": "Dataset",
    "core.diagnostics": "Diagnostic DiagnosticKind",
    "core.element": "DataElement",
    "core.enums": "Level Priority",
    "core.errors": (
        "AssociationAborted AssociationRejected AssociationReleased ConfigurationError ConnectError DeadlineExceeded "
        "DecodeError DimseError DuplicateInstance EncodeError InstanceNotFound LimitError NetworkError "
        "NoPresentationContext PacsError ProtocolError SourceError StorageError TlsError TranscodeError TruncatedError"
    ),
    "core.filemeta": "FileMeta",
    "core.sequence": "Sequence",
    "core.status": "Status StatusCategory",
    "core.tag": "Tag",
    "core.types": "RangeSource",
    "core.uid": "UID",
    "core.values": "DA DS DT IS TM MultiValue PersonName",
    "core.vr": "VR",
    "encoding": "FileSet TransferSyntax dcmopen dcmread dcmwrite",
    "encoding.scan": "scan",
    "facade": "SCP Archive ArchiveSettings Peer between connect echo",
    "network.address": "Address",
    "network.admission": "Admission",
    "network.config": "Limits Timeouts",
    "network.identity": "Identified IdentityEvent IdentityType",
    "network.pdu": "UserIdentity",
    "security.context": "TlsContext tls_context",
    "security.profiles": "TlsProfile",
    "security.settings": "TlsSettings",
    "services.events": "EchoEvent FindEvent StoreEvent",
    "services.normalized": "ActionEvent CreateEvent DeleteEvent GetEvent NotificationEvent Reply SetEvent",
    "services.normalized_scu": "Answer",
    "services.scu": "Progress Sent",
    "storage": "DuplicatePolicy",
}
_MODULES: Final = frozenset({"images", "pixels"})  # which bring numpy along, so that they are no names for ``import *``
_HEAVY: Final = {"transcode_file": "encoding.transcoding"}  # and so does this function
_MODULE_OF: Final = {name: module for module, names in _WHERE.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"pacskit.{name}")
    module = _MODULE_OF.get(name) or _HEAVY.get(name)
    if module is None:
        raise AttributeError(f"module 'pacskit' has no attribute {name!r}")
    if name == "Dataset":
        import_module("pacskit.encoding")  # binds its methods that write
    value = getattr(import_module(f"pacskit.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES, *_HEAVY})
