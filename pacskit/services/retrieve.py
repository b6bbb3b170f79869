"""Retrieve: C-MOVE and C-GET (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level
from pacskit.core.errors import (
    DimseError,
    NetworkError,
    NoPresentationContext,
    PacsError,
)
from pacskit.core.status import Status
from pacskit.core.uid import UID
from pacskit.encoding import encode
from pacskit.network.address import Address
from pacskit.network.dimse import CGetRequest, CMoveRequest, CStoreRequest, ResponseMessage
from pacskit.network.flow import Call, Cancelled, Close, Effect, Flow, Open, Outcome, Peer, Request, Send, Start, Wait
from pacskit.services.base import IdentifierService, failure, level_of, read_identifier
from pacskit.services.extended import ARCHIVE_RETRIEVE, RetrieveNegotiation
from pacskit.services.outgoing import Batch, SpooledSource, Transcode, batches, choose, payload
from pacskit.services.slots import Slots
from pacskit.services.sop_classes import MODEL_OF, MODELS, STORAGE
from pacskit.storage import Model, Opened, Store, StoredInstance

if TYPE_CHECKING:
    from pacskit.network.negotiation import AssociationInfo

__all__ = ["WINDOW", "GetService", "MoveService"]

_log = logging.getLogger("pacskit.services")

WINDOW: Final = 8  # sub-operations that are under way at most; each may hold a megabyte
# What is wrong with one instance and does not end the others.
_ITS_OWN: Final = (PacsError, OSError, ValueError, EOFError, MemoryError)
_COMMENT: Final = 64  # characters of Error Comment, an LO
_MAX_LIST: Final = 65_000  # bytes: an explicit UI has a length of 16 bits
_KEYS: Final = {
    Level.PATIENT: ("PatientID", "patient_id"),
    Level.STUDY: ("StudyInstanceUID", "study_uid"),
    Level.SERIES: ("SeriesInstanceUID", "series_uid"),
    Level.IMAGE: ("SOPInstanceUID", "instance_uid"),
}


@dataclass(slots=True)
class _Retrieval:
    """A retrieval under way: what is to be sent, and what has become of it."""

    request: Request
    association: AssociationInfo
    instances: list[StoredInstance]
    remaining: int = 0
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)
    why: str | None = None

    def __post_init__(self) -> None:
        self.remaining = len(self.instances)

    def count(self, instance: StoredInstance, status: int) -> None:
        """Count the outcome of one sub-operation."""
        self.remaining -= 1
        result = Status(status)
        if result.is_success:
            self.completed += 1
        elif result.is_warning:
            self.warning += 1
        else:
            self.failed.append(instance.sop_instance_uid)

    def fail(self, instances: Sequence[StoredInstance], why: str | None = None) -> None:
        """Count what cannot be sent at all."""
        self.why = why or self.why
        for instance in instances:
            self.count(instance, Status.OUT_OF_RESOURCES)

    def response(self, status: int, comment: str | None = None) -> ResponseMessage:
        """Return a response with the counts; those that are final list what failed (PS3.4 C.4.2.1.8, C.4.2.3.1)."""
        listed = self.failed and status != Status.PENDING
        counts = {
            "number_of_completed_suboperations": self.completed,
            "number_of_failed_suboperations": len(self.failed),
            "number_of_warning_suboperations": self.warning,
        }
        if status in (Status.PENDING, Status.CANCEL):
            counts["number_of_remaining_suboperations"] = self.remaining
        message: ResponseMessage = self.request.command.response(
            status, data=self._failed_list() if listed else None, error_comment=comment, **counts
        )
        return message

    def _failed_list(self) -> bytes:
        room, listed = _MAX_LIST, []
        for uid in self.failed:
            room -= len(uid) + 1
            if room < 0:
                break
            listed.append(uid)
        answer = Dataset()
        answer.FailedSOPInstanceUIDList = listed
        return encode(answer, self.request.context.transfer_syntax)

    def final(self) -> ResponseMessage:
        """Return the last response."""
        if not self.failed:
            return self.response(Status.SUB_OPERATIONS_WARNING if self.warning else Status.SUCCESS)
        if self.completed or self.warning:
            return self.response(Status.SUB_OPERATIONS_WARNING)
        return self.response(
            Status.OUT_OF_RESOURCES_SUB_OPERATIONS, (self.why or "no sub-operation could be performed")[:_COMMENT]
        )


class _RetrieveService(IdentifierService):
    def __init__(self, store: Store, *, transcode: Transcode = Transcode.LOSSLESS) -> None:
        self._store = store
        self._policy = Transcode(transcode)

    def extended(self, sop_class: str, information: bytes) -> bytes:
        """Agree to relational retrieval, which is what is done always (PS3.4 C.5.2.1)."""
        return RetrieveNegotiation.decode(information).agreed(ARCHIVE_RETRIEVE).encode()

    def _locate(self, request: Request) -> list[StoredInstance]:
        """Return what the unique keys of the identifier name; keys above the level narrow it (PS3.4 C.4.2.2.1)."""
        identifier = read_identifier(request)
        model = MODEL_OF[request.command.affected_sop_class_uid]
        level = level_of(identifier, model.levels)
        levels = model.levels if model.name == Model.PATIENT_ROOT else (*_KEYS,)
        keys = {}
        for above in levels[: levels.index(level) + 1]:
            keyword, name = _KEYS[above]
            values = _values(identifier, keyword)
            if values:
                keys[name] = values
        if _KEYS[level][1] not in keys:
            raise DimseError(Status.DOES_NOT_MATCH_CLASS, f"{_KEYS[level][0]} is missing")
        try:
            return list(self._store.locate(level, **keys))
        except Exception as error:
            raise failure(error) from error

    def _perform(
        self,
        retrieval: _Retrieval,
        instances: Sequence[StoredInstance],
        info: AssociationInfo,
        originator: dict[str, Any],
        peer: Peer | None = None,
    ) -> Generator[Effect, Any, bool]:
        """Send instances on an association; return whether that was cancelled, which is answered then.

        As many are under way as its other end has granted, and the next one is read meanwhile.
        """
        work = _SubOperations(self, retrieval, info, originator, peer)
        cancelled = yield from work.perform(instances)
        if cancelled:
            yield Send(retrieval.response(Status.CANCEL))
        return cancelled

    def read(
        self, instance: StoredInstance, info: AssociationInfo, priority: int, originator: dict[str, Any]
    ) -> _Ready:
        """Make the request that sends an instance; what it needs is open until `_Ready.close`."""
        opened: Opened = self._store.open(instance)
        try:
            instance = opened.instance  # a newer one, where it has been replaced since it was located
            syntax = instance.transfer_syntax_uid
            context = choose(info, instance.sop_class_uid, syntax, self._policy)
            data = payload(opened.file, instance.offset, instance.length, syntax, context)
            request = CStoreRequest(
                affected_sop_class_uid=instance.sop_class_uid,
                affected_sop_instance_uid=_uid_of(data) or instance.sop_instance_uid,
                priority=priority,
                context=context,
                data=data,
                **originator,
            )
        except BaseException:
            opened.file.close()
            raise
        return _Ready(instance, request, opened)

    def why(self, instance: StoredInstance, error: Exception) -> tuple[int, str]:
        """Return the status of an instance that cannot be sent, and the reason in words."""
        if isinstance(error, NoPresentationContext):
            _log.info("SOP instance %s: %s", instance.sop_instance_uid, error)
            name = UID(instance.transfer_syntax_uid).name[:28].rstrip()
            return Status.DOES_NOT_MATCH_CLASS, f"{name} not accepted; transcode={self._policy}"
        _log.error("SOP instance %s cannot be sent: %s", instance.sop_instance_uid, type(error).__name__)
        return Status.UNABLE_TO_PROCESS, f"an instance cannot be sent: {type(error).__name__}"


@dataclass(slots=True)
class _Ready:
    """An instance that can be sent at once."""

    instance: StoredInstance
    request: CStoreRequest
    opened: Opened

    def close(self) -> None:
        """Let its files go; it has been sent, or will not be."""
        self.opened.file.close()
        if isinstance(self.request.data, SpooledSource):
            self.request.data.close()
        self.request.data = None


class _Gone(Exception):
    """The association to a destination has ended."""


class _SubOperations:
    """The C-STOREs of a retrieval on one association; without ``peer`` it is the one that the retrieval came by."""

    __slots__ = ("_info", "_originator", "_peer", "_retrieval", "_service", "_under_way", "_waiting")

    def __init__(
        self,
        service: _RetrieveService,
        retrieval: _Retrieval,
        info: AssociationInfo,
        originator: dict[str, Any],
        peer: Peer | None,
    ) -> None:
        self._service = service
        self._retrieval = retrieval
        self._info = info
        self._originator = originator
        self._peer = peer
        self._under_way: dict[int, StoredInstance] = {}
        self._waiting: Iterator[StoredInstance] = iter(())

    def perform(self, instances: Sequence[StoredInstance]) -> Generator[Effect, Any, bool]:
        """Send them; return whether there was a C-CANCEL. What is under way then is waited for, and counts."""
        self._waiting = iter(instances)
        window = min(self._info.max_invoked or WINDOW, WINDOW)
        ready: _Ready | None = None
        cancelled = False
        try:
            ready = yield from self._next()
            while ready is not None or self._under_way:
                if not cancelled and (yield Cancelled(self._retrieval.request.command.message_id)):
                    cancelled = True
                    if ready is not None:
                        ready.close()
                        ready = None
                elif ready is not None and len(self._under_way) < window:
                    yield from self._start(ready)
                    ready = None if cancelled else (yield from self._next())
                elif self._under_way:
                    yield from self._finish(last=cancelled)
        except _Gone as gone:
            _log.warning("C-MOVE: the association with %s ended: %s", self._info.peer_name, gone)
            yield from self._give_up([] if ready is None else [ready.instance])
        finally:
            if ready is not None:
                ready.close()
        return cancelled and self._retrieval.remaining > 0

    def _next(self) -> Generator[Effect, Any, _Ready | None]:
        """Read the next instance that can be sent; those before it are done with."""
        priority = self._retrieval.request.command.priority
        for instance in self._waiting:
            try:
                ready: _Ready = yield Call(self._service.read, instance, self._info, priority, self._originator)
            except _ITS_OWN as error:
                yield from self._count(instance, *self._service.why(instance, error))
            else:
                return ready
        return None

    def _start(self, ready: _Ready) -> Generator[Effect, Any, None]:
        try:
            self._under_way[(yield Start(ready.request, self._peer))] = ready.instance
        except NetworkError as error:
            raise self._gone(error) from error
        except _ITS_OWN as error:
            yield from self._count(ready.instance, *self._service.why(ready.instance, error))
        finally:
            ready.close()

    def _finish(self, *, last: bool) -> Generator[Effect, Any, None]:
        """Wait for one of those under way; the last ones of a retrieval that was cancelled are not reported singly."""
        try:
            response: ResponseMessage = yield Outcome(self._under_way.keys(), self._peer)
        except NetworkError as error:
            raise self._gone(error) from error
        if response.is_pending:
            return  # which C-STORE does not have
        instance = self._under_way.pop(response.message_id_being_responded_to)
        if last:
            self._retrieval.count(instance, response.status)
        else:
            yield from self._count(instance, response.status)

    def _gone(self, error: NetworkError) -> Exception:
        """The end of the association to a destination is not the end of the one that the retrieval came by."""
        return error if self._peer is None else _Gone(str(error))

    def _count(self, instance: StoredInstance, status: int, why: str | None = None) -> Generator[Effect, Any, None]:
        self._retrieval.count(instance, status)
        self._retrieval.why = why or self._retrieval.why
        if self._retrieval.remaining:
            yield Send(self._retrieval.response(Status.PENDING))

    def _give_up(self, others: list[StoredInstance]) -> Generator[Effect, Any, None]:
        """Count what the end of the association leaves unsent or unanswered."""
        for instance in (*self._under_way.values(), *others, *self._waiting):
            yield from self._count(instance, Status.OUT_OF_RESOURCES)
        self._under_way.clear()


def _uid_of(data: Any) -> str | None:
    """The SOP Instance UID of what was converted."""
    return data.sop_instance_uid if isinstance(data, SpooledSource) else None


def _values(identifier: Dataset, keyword: str) -> list[str]:
    value = identifier.get(keyword)
    values = [value] if isinstance(value, str) else list(value or ())
    return [text for one in values for text in str(one).split("\\") if text]


class MoveService(_RetrieveService):
    """Answers C-MOVE: sends instances to the AE that ``resolve`` finds for the move destination.

    ``window`` is how many it may be asked to take before it has answered the first one (PS3.7 D.3.3.3),
    ``per_destination`` how many associations it gets at a time: other retrievals wait then, those of high priority
    before those of low priority.
    """

    sop_classes = tuple(str(model.move) for model in MODELS)
    operations = (CMoveRequest,)

    def __init__(
        self,
        store: Store,
        *,
        ae: str,
        resolve: Callable[[str], Address | None],
        transcode: Transcode = Transcode.LOSSLESS,
        window: int = WINDOW,
        per_destination: int | None = None,
    ) -> None:
        super().__init__(store, transcode=transcode)
        self._slots = None if per_destination is None else Slots(per_destination)
        self._ae = ae
        self._resolve = resolve
        self._window = min(window, WINDOW)

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        command = request.command
        address: Address | None = yield Call(self._resolve, command.move_destination)
        if address is None:
            raise DimseError(Status.MOVE_DESTINATION_UNKNOWN, "the move destination is not known here")
        instances = yield Call(self._locate, request)
        retrieval = _Retrieval(request, association, instances)
        originator = {"move_originator_ae": association.calling, "move_originator_message_id": command.message_id}
        for batch in batches(instances, _kind, self._policy):
            if (yield from self._deliver(retrieval, batch, address, originator)):
                return
        yield Send(retrieval.final())

    def _deliver(
        self, retrieval: _Retrieval, batch: Batch[StoredInstance], address: Address, originator: dict[str, Any]
    ) -> Generator[Effect, Any, bool]:
        """Send what one association carries, when its turn has come; return whether the move was cancelled."""
        if self._slots is None:
            return (yield from self._send(retrieval, batch, address, originator))
        turn = self._slots.take(str(address), retrieval.request.command.priority)
        try:
            yield Wait(turn.ready)
            return (yield from self._send(retrieval, batch, address, originator))
        except TimeoutError:
            _log.warning("C-MOVE to %s: it is busy with others", address)
            retrieval.fail(batch.items, "the move destination is busy with others")
            return False
        finally:
            self._slots.give(turn)

    def _send(
        self, retrieval: _Retrieval, batch: Batch[StoredInstance], address: Address, originator: dict[str, Any]
    ) -> Generator[Effect, Any, bool]:
        try:
            peer: Peer = yield Open(address, batch.contexts, self._ae, window=self._window)
        except NetworkError as error:
            _log.warning("C-MOVE to %s: %s", address, error)
            retrieval.fail(batch.items)
            return False
        try:
            return (yield from self._perform(retrieval, batch.items, peer.info, originator, peer))
        finally:
            yield Close(peer)


class GetService(_RetrieveService):
    """Answers C-GET: sends instances on the association that asked, in contexts whose SCP role the peer took."""

    sop_classes = tuple(str(model.get) for model in MODELS)
    operations = (CGetRequest,)

    def __init__(
        self, store: Store, *, storage: tuple[str, ...] = STORAGE, transcode: Transcode = Transcode.LOSSLESS
    ) -> None:
        super().__init__(store, transcode=transcode)
        self.scu_sop_classes = storage

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        instances = yield Call(self._locate, request)
        retrieval = _Retrieval(request, association, instances)
        if not (yield from self._perform(retrieval, instances, association, {})):
            yield Send(retrieval.final())


def _kind(instance: StoredInstance) -> tuple[str, str]:
    return instance.sop_class_uid, instance.transfer_syntax_uid
