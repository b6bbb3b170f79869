"""pynetdicom's constants."""

from __future__ import annotations

from typing import Final

from pacskit.compat.pydicom.uid import UID
from pacskit.core import uids

__all__ = [
    "ALL_TRANSFER_SYNTAXES",
    "APPLICATION_CONTEXT_NAME",
    "DEFAULT_MAX_LENGTH",
    "DEFAULT_TRANSFER_SYNTAXES",
    "MODE_ACCEPTOR",
    "MODE_REQUESTOR",
    "STATUS_CANCEL",
    "STATUS_FAILURE",
    "STATUS_PENDING",
    "STATUS_SUCCESS",
    "STATUS_UNKNOWN",
    "STATUS_WARNING",
]

DEFAULT_MAX_LENGTH: Final = 16382
APPLICATION_CONTEXT_NAME: Final = "1.2.840.10008.3.1.1.1"
MODE_REQUESTOR: Final = "requestor"
MODE_ACCEPTOR: Final = "acceptor"
STATUS_SUCCESS: Final = "Success"
STATUS_FAILURE: Final = "Failure"
STATUS_WARNING: Final = "Warning"
STATUS_CANCEL: Final = "Cancel"
STATUS_PENDING: Final = "Pending"
STATUS_UNKNOWN: Final = "Unknown"

# Lists, as in pynetdicom: scripts copy and reorder them.
DEFAULT_TRANSFER_SYNTAXES: list[str] = [
    uids.ImplicitVRLittleEndian,
    uids.ExplicitVRLittleEndian,
    uids.DeflatedExplicitVRLittleEndian,
    uids.ExplicitVRBigEndian,
]
"""The transfer syntaxes of a context for which none are given."""

# Beside what is retired: without pixels or never met in an association, or not of the standard.
_LEFT_OUT: Final = ("Papyrus", "RFC", "XML", "GEPrivate", "Encapsulated")


def _all_syntaxes() -> list[str]:
    found = [uid for uid in uids.TRANSFER_SYNTAXES if not UID(uid).is_retired]
    kept = [uid for uid in found if not any(UID(uid).keyword.startswith(name) for name in _LEFT_OUT)]
    in_order = sorted(kept, key=lambda uid: [int(part) for part in uid.split(".")])
    return list(dict.fromkeys([*DEFAULT_TRANSFER_SYNTAXES, *in_order]))


ALL_TRANSFER_SYNTAXES: list[str] = _all_syntaxes()
"""Every transfer syntax of the standard that is in use, and Explicit VR Big Endian."""
