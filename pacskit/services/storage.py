"""Storage: C-STORE (PS3.4 annex B), into an archive's store or to a handler."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pacskit.core.errors import DimseError
from pacskit.core.status import Status
from pacskit.network.dimse import CStoreRequest
from pacskit.network.flow import Call, Effect, Flow, Request, Send
from pacskit.network.sink import Sink, SpooledSink
from pacskit.services.base import failure, require_scp
from pacskit.services.extended import ARCHIVE_STORAGE
from pacskit.services.sop_classes import STORAGE, STORAGE_SYNTAXES
from pacskit.storage import Ingest, Outcome, Store, Stored

if TYPE_CHECKING:
    from pacskit.network.negotiation import AssociationInfo

__all__ = ["ReceivingService", "StorageService"]


class _IngestSink:
    """Writes a data set into the store's staging area as it arrives; gives the `Ingest`."""

    __slots__ = ("_ingest",)
    first = Ingest.FIRST

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def write(self, chunk: Any) -> None:
        try:
            self._ingest.write(chunk)
        except Exception as error:
            raise failure(error) from error

    def descriptor(self) -> int:
        return self._ingest.descriptor()

    def wrote(self, count: int, error: OSError | None) -> None:
        try:
            self._ingest.wrote(count, error)
        except Exception as exc:
            raise failure(exc) from exc

    def close(self) -> Ingest:
        return self._ingest

    def abort(self) -> None:
        self._ingest.abort()


class StorageService:
    """Keeps what it is sent in a `Store`, byte for byte, and answers once it is as safe as the store promises."""

    transfer_syntaxes: tuple[str, ...] = STORAGE_SYNTAXES
    operations: ClassVar = (CStoreRequest,)

    def __init__(
        self,
        store: Store,
        *,
        sop_classes: Sequence[str] = STORAGE,
        on_stored: Callable[[Stored, AssociationInfo], object] | None = None,
    ) -> None:
        self.sop_classes = tuple(sop_classes)
        self._store = store
        self._on_stored = on_stored

    def extended(self, sop_class: str, information: bytes) -> bytes:
        """Say that everything is kept as it came (level 2, PS3.4 B.3.1)."""
        return ARCHIVE_STORAGE.encode()

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        """Open a staging file before the first byte arrives."""
        require_scp(request)
        command: CStoreRequest = request.command
        try:
            ingest = self._store.begin(
                command.affected_sop_class_uid,
                command.affected_sop_instance_uid,
                request.context.transfer_syntax,
                source_ae=association.calling,
                receiving_ae=association.called,
                source_host=association.peer[0],
            )
        except Exception as error:
            raise failure(error) from error
        return _IngestSink(ingest)

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        """Commit, then answer (PS3.4 B.2.3)."""
        ingest = request.data
        if ingest is None:
            raise DimseError(Status.CANNOT_UNDERSTAND, "the data set is missing")
        try:
            # a handler is told what became of the instance, so the index has to say first
            stored = yield from self._keep(ingest.secure if self._on_stored is None else ingest.commit)
            if self._on_stored is not None and stored is not None:
                yield Call(self._on_stored, stored, association)
            yield Send(request.command.response())
            yield Call(ingest.follow_up)
        finally:
            ingest.abort()

    def _keep(self, keep: Callable[[], Stored | None]) -> Generator[Effect, Any, Stored | None]:
        try:
            stored: Stored | None = yield Call(keep)
        except Exception as error:
            raise failure(error) from error
        if stored is not None and stored.outcome is Outcome.REJECTED:
            raise DimseError(Status.DUPLICATE_INSTANCE, "the SOP instance is stored already")
        return stored


@dataclass(slots=True)
class ReceivingService:
    """Hands what it is sent to ``handler(request, association)``, which returns the status of the answer.

    ``request.data`` is bytes for a small data set, an open binary file for a large one; it is closed afterwards.
    A handler that returns None, or no handler, is success.
    """

    handler: Callable[[Request, AssociationInfo], Any] | None = None
    sop_classes: tuple[str, ...] = STORAGE
    transfer_syntaxes: tuple[str, ...] = STORAGE_SYNTAXES
    memory: int = 1 << 20
    operations: ClassVar = (CStoreRequest,)

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        require_scp(request)
        return SpooledSink(self.memory)

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        data = request.data
        if data is None:
            raise DimseError(Status.CANNOT_UNDERSTAND, "the data set is missing")
        try:
            status = None if self.handler is None else (yield Call(self.handler, request, association))
        finally:
            if not isinstance(data, bytes):
                data.close()
        yield Send(request.command.response(Status.SUCCESS if status is None else status))
