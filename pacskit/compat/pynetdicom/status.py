"""pynetdicom's helpers for statuses."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

from pacskit.compat.pynetdicom import _globals
from pacskit.compat.pynetdicom.datasets import library
from pacskit.core._generated.statuses import MEANINGS

__all__ = ["Status", "code_to_category", "code_to_status"]

_FAILURES: Final = frozenset(
    code
    for first, last in ((0x0105, 0x0106), (0x0110, 0x0115), (0x0117, 0x0119), (0x0120, 0x0124), (0x0210, 0x0213))
    for code in range(first, last + 1)
)
_WARNINGS: Final = frozenset({0x0001, 0x0107, 0x0116})


class Status(IntEnum):
    """The statuses that have a name in pynetdicom."""

    SUCCESS = 0x0000
    CANCEL = 0xFE00
    PENDING = 0xFF00
    MOVE_DESTINATION_UNKNOWN = 0xA801


def _checked(code: Any) -> int:
    if not isinstance(code, int) or code < 0:
        raise ValueError("'code' must be a positive integer.")
    return code


def code_to_status(code: int) -> Any:
    """A data set with the status."""
    status = library().dataset()
    status.Status = _checked(code)
    return status


def code_to_category(code: int) -> str:
    """The category of a code; ``Unknown`` for one that the standard has not."""
    code = _checked(code)
    category = _globals.STATUS_UNKNOWN
    if code == 0:
        category = _globals.STATUS_SUCCESS
    elif code in {0xFF00, 0xFF01}:
        category = _globals.STATUS_PENDING
    elif code == 0xFE00:
        category = _globals.STATUS_CANCEL
    elif code in _FAILURES or code >> 12 in {0xA, 0xC}:
        category = _globals.STATUS_FAILURE
    elif code in _WARNINGS or code >> 12 == 0xB:
        category = _globals.STATUS_WARNING
    return category


def _table(service: str) -> dict[int, tuple[str, str]]:
    rows = (*MEANINGS["general"], *MEANINGS[service])
    return {code: (code_to_category(code), text) for first, last, text in rows for code in range(first, last + 1)}


# The names of pynetdicom's tables, and ours.
_TABLES: Final = {
    "GENERAL_STATUS": "general",
    "VERIFICATION_SERVICE_CLASS_STATUS": "general",
    "STORAGE_SERVICE_CLASS_STATUS": "storage",
    "QR_FIND_SERVICE_CLASS_STATUS": "qr_find",
    "QR_MOVE_SERVICE_CLASS_STATUS": "qr_move",
    "QR_GET_SERVICE_CLASS_STATUS": "qr_get",
}


def __getattr__(name: str) -> dict[int, tuple[str, str]]:
    if name not in _TABLES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _table(_TABLES[name])
