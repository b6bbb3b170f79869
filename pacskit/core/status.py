"""DIMSE statuses (PS3.7 annex C, and the service classes of PS3.4)."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Final

__all__ = ["Status", "StatusCategory"]


class StatusCategory(StrEnum):
    """What a status means for the operation (PS3.7 C.1)."""

    SUCCESS = "Success"
    PENDING = "Pending"
    WARNING = "Warning"
    FAILURE = "Failure"
    CANCEL = "Cancel"


_PENDING: Final = frozenset({0xFF00, 0xFF01})
_WARNING: Final = frozenset({0x0001, 0x0107, 0x0116})


class Status(int):
    """The status of a DIMSE response: a number of 16 bits that knows its category.

    >>> Status(0xB000).category
    <StatusCategory.WARNING: 'Warning'>
    """

    __slots__ = ()

    SUCCESS: ClassVar[Status]
    CANCEL: ClassVar[Status]
    PENDING: ClassVar[Status]
    PENDING_WARNING: ClassVar[Status]
    """Pending; an optional key is not supported for matching (PS3.4 C.4.1)."""

    ATTRIBUTE_LIST_ERROR: ClassVar[Status]
    ATTRIBUTE_OUT_OF_RANGE: ClassVar[Status]
    COERCED: ClassVar[Status]
    """Stored, with data elements changed (PS3.4 B.2.3)."""
    ELEMENTS_DISCARDED: ClassVar[Status]
    DOES_NOT_MATCH_WARNING: ClassVar[Status]
    """Stored, though the data set does not match its SOP class (PS3.4 B.2.3)."""
    SUB_OPERATIONS_WARNING: ClassVar[Status]
    """C-MOVE and C-GET are complete, and a sub-operation failed or warned (PS3.4 C.4.2)."""

    NO_SUCH_ATTRIBUTE: ClassVar[Status]
    INVALID_ATTRIBUTE_VALUE: ClassVar[Status]
    PROCESSING_FAILURE: ClassVar[Status]
    DUPLICATE_INSTANCE: ClassVar[Status]
    NO_SUCH_INSTANCE: ClassVar[Status]
    NO_SUCH_EVENT_TYPE: ClassVar[Status]
    NO_SUCH_ARGUMENT: ClassVar[Status]
    INVALID_ARGUMENT: ClassVar[Status]
    INVALID_INSTANCE: ClassVar[Status]
    NO_SUCH_CLASS: ClassVar[Status]
    CLASS_INSTANCE_CONFLICT: ClassVar[Status]
    MISSING_ATTRIBUTE: ClassVar[Status]
    MISSING_ATTRIBUTE_VALUE: ClassVar[Status]
    CLASS_NOT_SUPPORTED: ClassVar[Status]
    NO_SUCH_ACTION: ClassVar[Status]
    NOT_AUTHORIZED: ClassVar[Status]
    DUPLICATE_INVOCATION: ClassVar[Status]
    UNRECOGNIZED_OPERATION: ClassVar[Status]
    MISTYPED_ARGUMENT: ClassVar[Status]
    RESOURCE_LIMITATION: ClassVar[Status]

    OUT_OF_RESOURCES: ClassVar[Status]
    OUT_OF_RESOURCES_MATCHES: ClassVar[Status]
    """C-MOVE and C-GET cannot count the matches (PS3.4 C.4.2)."""
    OUT_OF_RESOURCES_SUB_OPERATIONS: ClassVar[Status]
    MOVE_DESTINATION_UNKNOWN: ClassVar[Status]
    DOES_NOT_MATCH_CLASS: ClassVar[Status]
    """The data set, or the identifier, does not match the SOP class."""
    CANNOT_UNDERSTAND: ClassVar[Status]
    """C-STORE cannot understand the data set; C-FIND, C-MOVE and C-GET are unable to process."""
    UNABLE_TO_PROCESS: ClassVar[Status]

    def __new__(cls, code: int) -> Status:
        """Take any code of 16 bits."""
        if not 0 <= code <= 0xFFFF:
            raise ValueError(f"a status has 16 bits, {code:#x} has more")
        return super().__new__(cls, code)

    @property
    def category(self) -> StatusCategory:
        """The category; a code that no service class defines counts as a failure."""
        if self == 0x0000:
            return StatusCategory.SUCCESS
        if self in _PENDING:
            return StatusCategory.PENDING
        if self == 0xFE00:
            return StatusCategory.CANCEL
        if self in _WARNING or self >> 12 == 0xB:
            return StatusCategory.WARNING
        return StatusCategory.FAILURE

    @property
    def is_success(self) -> bool:
        """Whether the operation is done, without a warning."""
        return self == 0

    @property
    def is_pending(self) -> bool:
        """Whether more responses follow."""
        return self in _PENDING

    @property
    def is_warning(self) -> bool:
        """Whether the operation is done, with a warning."""
        return self.category is StatusCategory.WARNING

    @property
    def is_failure(self) -> bool:
        """Whether the operation was refused or failed."""
        return self.category is StatusCategory.FAILURE

    @property
    def is_cancel(self) -> bool:
        """Whether the operation ended because it was cancelled."""
        return self == 0xFE00

    def describe(self, service: str | None = None) -> str:
        """Say what the code means, in a service class where it is given.

        ``service`` is the name in the tables: ``storage``, ``qr_find``, ``qr_move``, ``qr_get``,
        ``modality_worklist``, ``storage_commitment``, ``unified_procedure_step``, ...

        >>> Status(0xA900).describe("storage")
        'Data Set Does Not Match SOP Class'
        """
        from pacskit.core._generated.statuses import MEANINGS

        for table in ("general",) if service is None else (service, "general"):
            for first, last, text in MEANINGS[table]:
                if first <= self <= last:
                    return text or str(self.category)
        return str(self.category)

    def __repr__(self) -> str:
        return f"Status(0x{self:04X})"

    def __str__(self) -> str:
        return f"0x{self:04X} ({self.category})"


for _name, _code in {
    "SUCCESS": 0x0000,
    "CANCEL": 0xFE00,
    "PENDING": 0xFF00,
    "PENDING_WARNING": 0xFF01,
    "ATTRIBUTE_LIST_ERROR": 0x0107,
    "ATTRIBUTE_OUT_OF_RANGE": 0x0116,
    "COERCED": 0xB000,
    "ELEMENTS_DISCARDED": 0xB006,
    "DOES_NOT_MATCH_WARNING": 0xB007,
    "SUB_OPERATIONS_WARNING": 0xB000,
    "NO_SUCH_ATTRIBUTE": 0x0105,
    "INVALID_ATTRIBUTE_VALUE": 0x0106,
    "PROCESSING_FAILURE": 0x0110,
    "DUPLICATE_INSTANCE": 0x0111,
    "NO_SUCH_INSTANCE": 0x0112,
    "NO_SUCH_EVENT_TYPE": 0x0113,
    "NO_SUCH_ARGUMENT": 0x0114,
    "INVALID_ARGUMENT": 0x0115,
    "INVALID_INSTANCE": 0x0117,
    "NO_SUCH_CLASS": 0x0118,
    "CLASS_INSTANCE_CONFLICT": 0x0119,
    "MISSING_ATTRIBUTE": 0x0120,
    "MISSING_ATTRIBUTE_VALUE": 0x0121,
    "CLASS_NOT_SUPPORTED": 0x0122,
    "NO_SUCH_ACTION": 0x0123,
    "NOT_AUTHORIZED": 0x0124,
    "DUPLICATE_INVOCATION": 0x0210,
    "UNRECOGNIZED_OPERATION": 0x0211,
    "MISTYPED_ARGUMENT": 0x0212,
    "RESOURCE_LIMITATION": 0x0213,
    "OUT_OF_RESOURCES": 0xA700,
    "OUT_OF_RESOURCES_MATCHES": 0xA701,
    "OUT_OF_RESOURCES_SUB_OPERATIONS": 0xA702,
    "MOVE_DESTINATION_UNKNOWN": 0xA801,
    "DOES_NOT_MATCH_CLASS": 0xA900,
    "CANNOT_UNDERSTAND": 0xC000,
    "UNABLE_TO_PROCESS": 0xC000,
}.items():
    setattr(Status, _name, Status(_code))
