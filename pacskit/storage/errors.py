"""What can go wrong while storing and querying, beside the tree in :mod:`pacskit.core.errors`."""

from __future__ import annotations

import errno
import sqlite3

from pacskit.core.errors import StorageError

__all__ = [
    "ChangesExpired",
    "FrameNotFound",
    "InstanceRejected",
    "InvalidIdentifier",
    "InvalidInstance",
    "OutOfSpace",
    "OutcomeUnknown",
    "RecordConflict",
    "UnderHold",
    "storage_error",
]

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class OutOfSpace(StorageError):
    """The disk or its quota is full (a C-STORE SCP answers 0xA700, PS3.4 B.2.3)."""


class UnderHold(StorageError):
    """A legal hold is on what was to be deleted or replaced."""


class FrameNotFound(StorageError, IndexError):
    """An instance has no frame of that number."""


class InvalidInstance(StorageError):
    """The data set cannot be filed; ``keyword`` is the attribute at fault (0xA900, PS3.4 B.2.3)."""

    def __init__(self, message: str, *, keyword: str | None = None) -> None:
        super().__init__(message)
        self.keyword = keyword


class InstanceRejected(StorageError):
    """A rejection note says that this instance is not to be taken again (IHE RAD TF-3 4.66.4.2.3.1, 4.66.4.3.3)."""


class InvalidIdentifier(StorageError):
    """The identifier of a query or retrieval does not fit its SOP class (0xA900, PS3.4 C.4.1.1.4)."""

    def __init__(self, message: str, *, keyword: str | None = None) -> None:
        super().__init__(message)
        self.keyword = keyword


class OutcomeUnknown(StorageError):
    """The line to the index broke as a transaction ended, and nobody can say how: rows may be there, or not."""


class ChangesExpired(StorageError):
    """The change feed does not reach back to where somebody wants to go on; ``gone`` is the last number that it lost.

    Whoever follows it has to look at the archive itself, and goes on from there (``after=error.gone``).
    """

    def __init__(self, message: str, gone: int) -> None:
        super().__init__(message)
        self.gone = gone


class RecordConflict(StorageError):
    """Somebody else has changed a record since it was read."""


def storage_error(error: OSError | sqlite3.Error, doing: str) -> StorageError:
    """Translate what the system said; paths and values stay out of the message."""
    if isinstance(error, OSError):
        kind = OutOfSpace if error.errno in _NO_SPACE else StorageError
        return kind(f"{doing}: {errno.errorcode.get(error.errno or 0, 'OSError')}")
    code = getattr(error, "sqlite_errorcode", None)
    kind = OutOfSpace if code is not None and code & 0xFF == sqlite3.SQLITE_FULL else StorageError
    return kind(f"{doing}: {getattr(error, 'sqlite_errorname', None) or type(error).__name__}")
