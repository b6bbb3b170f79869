"""What can be wrong with a file-set: errors that are raised, and problems that are reported."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pacskit.core.errors import PacsError

__all__ = ["FileIDError", "FileSetError", "MissingKeyError", "Problem", "ProblemKind", "UnsafePathError"]


class FileSetError(PacsError, ValueError):
    """A file-set cannot be read, changed or written as asked."""


class FileIDError(FileSetError):
    """A file-ID that PS3.10 8.2 does not allow, or one that is taken."""


class UnsafePathError(FileSetError):
    """A file-ID that leads out of the file-set's directory; ``file_id`` is what stood there."""

    def __init__(self, message: str, file_id: str) -> None:
        super().__init__(message)
        self.file_id = file_id


class MissingKeyError(FileSetError):
    """An instance lacks what its directory record must have (PS3.3 F.5)."""

    def __init__(self, record_type: str, keyword: str) -> None:
        super().__init__(f"a {record_type} record needs a value of {keyword}, which the instance has not")
        self.record_type = record_type
        self.keyword = keyword


class ProblemKind(StrEnum):
    """Kinds of problems that a file-set can have."""

    MISSING_FILE = "missing file"
    UNREFERENCED_FILE = "unreferenced file"
    UNREADABLE_FILE = "unreadable file"
    CLASS_MISMATCH = "SOP class mismatch"
    UID_MISMATCH = "SOP instance mismatch"
    SYNTAX_MISMATCH = "transfer syntax mismatch"
    WRONG_PARENT = "wrong parent"
    DUPLICATE_INSTANCE = "duplicate instance"
    DUPLICATE_FILE_ID = "duplicate file-ID"
    BAD_FILE_ID = "bad file-ID"
    UNSAFE_PATH = "unsafe path"
    BROKEN_OFFSET = "broken offset"
    NO_OFFSETS = "no offsets"
    ORPHAN_RECORD = "orphan record"
    TRUNCATED = "truncated"
    BAD_HIERARCHY = "bad hierarchy"
    UNKNOWN_RECORD = "unknown record type"
    MISSING_KEY = "missing key"
    WRONG_ENCODING = "wrong encoding"
    INCONSISTENT = "inconsistent"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file-set.

    ``file_id`` is the file it is about with its components joined by slashes, ``offset`` the record's place in the
    DICOMDIR; None where there is no such thing.
    """

    kind: ProblemKind
    message: str
    file_id: str | None = None
    offset: int | None = None

    def __str__(self) -> str:
        where = f" [{self.file_id}]" if self.file_id else f" [record at {self.offset}]" if self.offset else ""
        return f"{self.kind}: {self.message}{where}"
