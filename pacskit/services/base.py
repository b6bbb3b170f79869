"""What the services share: identifiers in and out, and the statuses of what goes wrong."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level
from pacskit.core.errors import DecodeError, DimseError, StorageError
from pacskit.core.status import Status
from pacskit.encoding import decode
from pacskit.network.sink import MemorySink, Sink
from pacskit.storage import InstanceRejected, InvalidIdentifier, InvalidInstance, OutOfSpace

if TYPE_CHECKING:
    from pacskit.network.flow import Request

__all__ = ["IdentifierService", "failure", "level_of", "read_identifier", "require_scp"]

_log = logging.getLogger("pacskit.services")

MAX_IDENTIFIER = 4 << 20  # bytes; some 60,000 UIDs
_IDENTIFIER = ReadOptions(max_depth=16, max_elements=100_000, max_inflated=MAX_IDENTIFIER)
_MAX_COMMENT = 64  # LO (PS3.7 E.1)


def failure(error: Exception) -> DimseError:
    """Return what a peer is told of ``error`` (PS3.4 B.2.3, C.4.1.1.4); never values, only what was wrong with them."""
    if isinstance(error, DimseError):
        return error
    comment = str(error)[:_MAX_COMMENT]
    if isinstance(error, OutOfSpace):
        return DimseError(Status.OUT_OF_RESOURCES, comment)
    if isinstance(error, InstanceRejected):
        return DimseError(Status.NOT_AUTHORIZED, comment)
    if isinstance(error, (InvalidInstance, InvalidIdentifier)):
        return DimseError(Status.DOES_NOT_MATCH_CLASS, comment)
    if isinstance(error, DecodeError):
        return DimseError(Status.CANNOT_UNDERSTAND, comment)
    _log.error("%s: %s", type(error).__name__, error if isinstance(error, StorageError) else "")
    if isinstance(error, (StorageError, OSError)):
        return DimseError(Status.OUT_OF_RESOURCES, comment if isinstance(error, StorageError) else None)
    return DimseError(Status.UNABLE_TO_PROCESS)


def require_scp(request: Request) -> None:
    """Refuse a request in a context in which the peer is not the SCU; before anything is received for it."""
    if not request.context.as_scp:
        raise DimseError(Status.CLASS_NOT_SUPPORTED, "we are not SCP in this presentation context")


def read_identifier(request: Request) -> Dataset:
    """Return the identifier of a query or retrieval."""
    if request.data is None:
        raise DimseError(Status.DOES_NOT_MATCH_CLASS, "the identifier is missing")
    try:
        return decode(request.data, request.context.transfer_syntax, options=_IDENTIFIER)
    except DecodeError as error:
        raise failure(error) from error


def level_of(identifier: Dataset, levels: tuple[Level, ...]) -> Level:
    """Return the query/retrieve level, which must be one that the information model has."""
    try:
        value = str(identifier.get("QueryRetrieveLevel") or "").strip()
    except DecodeError as error:
        raise failure(error) from error
    found = next((level for level in levels if level == value), None)
    if found is None:
        what = "is missing" if not value else "is none of this model's"
        raise DimseError(Status.DOES_NOT_MATCH_CLASS, f"QueryRetrieveLevel {what}")
    return found


class IdentifierService:
    """A service whose requests carry a small data set, the identifier."""

    sop_classes: tuple[str, ...] = ()

    def sink(self, request: Request, association: object) -> Sink | None:
        require_scp(request)
        return MemorySink(MAX_IDENTIFIER)
