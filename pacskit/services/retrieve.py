"""Retrieve: C-MOVE and C-GET (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level
from pacskit.core.errors import AssociationRejected, DimseError, NetworkError, PacsError
from pacskit.core.events import EventBus, Link, SubOperation
from pacskit.core.status import Status
from pacskit.core.uid import UID
from pacskit.encoding import encode
from pacskit.network.address import Address
from pacskit.network.dimse import CGetRequest, CMoveRequest, CStoreRequest, ResponseMessage
from pacskit.network.flow import Call, Cancelled, Close, Effect, Flow, Open, Peer, Perform, PerformOn, Request, Send
from pacskit.services.base import IdentifierService, failure, level_of, read_identifier
from pacskit.services.extended import ARCHIVE_RETRIEVE, RetrieveNegotiation
from pacskit.services.outgoing import Action, Decision, SpooledSource, Transcode, batches, decide, payload
from pacskit.services.sop_classes import MODEL_OF, MODELS, STORAGE
from pacskit.storage import Model, Opened, Store, StoredInstance

if TYPE_CHECKING:
    from pacskit.network.negotiation import AssociationInfo

__all__ = ["GetService", "MoveService"]

_log = logging.getLogger("pacskit.services")

_COMMENT: Final = 64  # characters of Error Comment, an LO
_MAX_LIST: Final = 65_000  # bytes: an explicit UI has a length of 16 bits
_KEYS: Final = {
    Level.PATIENT: ("PatientID", "patient_id"),
    Level.STUDY: ("StudyInstanceUID", "study_uid"),
    Level.SERIES: ("SeriesInstanceUID", "series_uid"),
    Level.IMAGE: ("SOPInstanceUID", "instance_uid"),
}


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one instance: its status, what was decided of it, and in a few words why it failed."""

    status: int
    decision: Decision | None = None
    why: str = ""
    reason: str = ""  # the same at length, where the decision does not have it


@dataclass(slots=True)
class _Retrieval:
    """A retrieval under way: what is to be sent, and what has become of it."""

    request: Request
    association: AssociationInfo
    instances: list[StoredInstance]
    events: EventBus | None = None
    remaining: int = 0
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)
    why: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.remaining = len(self.instances)

    def count(self, instance: StoredInstance, outcome: _Outcome, receiver: str) -> None:
        """Count the outcome of one sub-operation, and tell who listens."""
        self.remaining -= 1
        result = Status(outcome.status)
        if self.events is not None and self.events.wants(SubOperation):
            self.events.emit(self._event(instance, outcome, receiver))
        if result.is_success:
            self.completed += 1
        elif result.is_warning:
            self.warning += 1
        else:
            self.failed.append(instance.sop_instance_uid)
            self.why[outcome.why or f"the receiver answered 0x{outcome.status:04X}"] += 1

    def _event(self, instance: StoredInstance, outcome: _Outcome, receiver: str) -> SubOperation:
        decision, command = outcome.decision, self.request.command
        unsent = decision is None or decision.target is None or outcome.reason
        return SubOperation(
            link=self.association.link or Link(0, ("", 0), self.association.peer, False),
            at=time.time(),
            operation="C-MOVE" if isinstance(command, CMoveRequest) else "C-GET",
            message_id=command.message_id,
            peer=receiver,
            sop_class_uid=instance.sop_class_uid,
            sop_instance_uid=instance.sop_instance_uid,
            stored_as=instance.transfer_syntax_uid,
            sent_as=None if unsent or decision is None else decision.target,
            action=str(Action.REFUSE if unsent or decision is None else decision.action),
            reason=outcome.reason or ("" if decision is None else decision.reason),
            status=outcome.status,
        )

    def _comment(self) -> str | None:
        """Say in the room of an LO why instances were not sent: the reason of most, and whether there are others."""
        if not self.why:
            return None
        (reason, count), *others = self.why.most_common()
        if others:
            reason = f"{count} of {self.why.total()}: {reason}"
        return reason[:_COMMENT].rstrip()

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
            return self.response(Status.SUB_OPERATIONS_WARNING, self._comment())
        return self.response(Status.OUT_OF_RESOURCES_SUB_OPERATIONS, self._comment())


class _RetrieveService(IdentifierService):
    def __init__(
        self, store: Store, *, transcode: Transcode = Transcode.LOSSLESS, events: EventBus | None = None
    ) -> None:
        self._store = store
        self._policy = Transcode(transcode)
        self._events = events

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

    def _send(
        self,
        retrieval: _Retrieval,
        instance: StoredInstance,
        info: AssociationInfo,
        perform: Callable[[CStoreRequest], Effect],
        originator: dict[str, Any],
    ) -> Generator[Effect, Any, _Outcome]:
        """Send one instance; return what became of it. What is wrong with one does not end the others."""
        data: Any = None
        decision: Decision | None = None
        try:
            opened: Opened = yield Call(self._store.open, instance)
            with opened:
                instance = opened.instance  # a newer one, where it has been replaced since it was located
                decision = decide(info, instance.sop_class_uid, instance.transfer_syntax_uid, self._policy)
                context = decision.context
                if context is None:
                    _log.info("SOP instance %s: %s", instance.sop_instance_uid, decision)
                    return _Outcome(Status.DOES_NOT_MATCH_CLASS, decision, _refused(decision))
                data = yield Call(
                    payload, opened.file, instance.offset, instance.length, instance.transfer_syntax_uid, context
                )
                request = CStoreRequest(
                    affected_sop_class_uid=instance.sop_class_uid,
                    affected_sop_instance_uid=_uid_of(data) or instance.sop_instance_uid,
                    priority=retrieval.request.command.priority,
                    context=context,
                    data=data,
                    **originator,
                )
                response: ResponseMessage = yield perform(request)
                return _Outcome(response.status, decision)
        except NetworkError:
            raise
        except (PacsError, OSError, ValueError, EOFError, MemoryError) as error:
            _log.error("SOP instance %s cannot be sent: %s", instance.sop_instance_uid, type(error).__name__)
            return _Outcome(
                Status.UNABLE_TO_PROCESS,
                decision,
                f"an instance cannot be sent: {type(error).__name__}",
                f"it could not be read or converted: {type(error).__name__}",
            )
        finally:
            if isinstance(data, SpooledSource):
                data.close()

    def _is_cancelled(self, retrieval: _Retrieval) -> Generator[Effect, Any, bool]:
        """Look for a C-CANCEL, and give the final answer if there was one."""
        cancelled: bool = yield Cancelled(retrieval.request.command.message_id)
        if cancelled:
            yield Send(retrieval.response(Status.CANCEL))
        return cancelled


def _refused(decision: Decision) -> str:
    """Say why an instance was not sent in the room of an Error Comment."""
    if not decision.accepted:
        return f"{UID(decision.sop_class_uid).name[:49].rstrip()} not accepted"
    name = UID(decision.source).name[:28].rstrip()
    return f"{name} not accepted; " + (
        f"transcode={decision.policy}" if decision.by_policy else "nothing to convert to"
    )


def _uid_of(data: Any) -> str | None:
    """The SOP Instance UID of what was converted."""
    return data.sop_instance_uid if isinstance(data, SpooledSource) else None


def _values(identifier: Dataset, keyword: str) -> list[str]:
    value = identifier.get(keyword)
    values = [value] if isinstance(value, str) else list(value or ())
    return [text for one in values for text in str(one).split("\\") if text]


class MoveService(_RetrieveService):
    """Answers C-MOVE: sends instances to the AE that ``resolve`` finds for the move destination."""

    sop_classes = tuple(str(model.move) for model in MODELS)
    operations = (CMoveRequest,)

    def __init__(
        self,
        store: Store,
        *,
        ae: str,
        resolve: Callable[[str], Address | None],
        transcode: Transcode = Transcode.LOSSLESS,
        events: EventBus | None = None,
    ) -> None:
        super().__init__(store, transcode=transcode, events=events)
        self._ae = ae
        self._resolve = resolve

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        command = request.command
        address: Address | None = yield Call(self._resolve, command.move_destination)
        if address is None:
            raise DimseError(Status.MOVE_DESTINATION_UNKNOWN, "the move destination is not known here")
        instances = yield Call(self._locate, request)
        retrieval = _Retrieval(request, association, instances, self._events)
        for batch in batches(instances, _kind, self._policy):
            try:
                peer: Peer = yield Open(address, batch.contexts, self._ae)
            except NetworkError as error:
                _log.warning("C-MOVE to %s: %s", address, error)
                rejected = isinstance(error, AssociationRejected)
                why = f"{address.ae}: association {'rejected' if rejected else 'not possible'}"
                for instance in batch.items:
                    retrieval.count(instance, _Outcome(Status.OUT_OF_RESOURCES, None, why, why), str(address))
                continue
            try:
                cancelled = yield from self._move(retrieval, peer, batch.items)
            finally:
                yield Close(peer)
            if cancelled:
                return
        yield Send(retrieval.final())

    def _move(self, retrieval: _Retrieval, peer: Peer, instances: list[StoredInstance]) -> Generator[Effect, Any, bool]:
        """Send what one association carries; return whether the move was cancelled."""
        command = retrieval.request.command
        originator = {
            "move_originator_ae": retrieval.association.calling,
            "move_originator_message_id": command.message_id,
        }
        gone = False
        for instance in instances:
            if (yield from self._is_cancelled(retrieval)):
                return True
            lost = "the association with the destination ended"
            outcome = _Outcome(Status.OUT_OF_RESOURCES, None, lost, lost)
            if not gone:
                try:
                    outcome = yield from self._send(
                        retrieval, instance, peer.info, lambda message: PerformOn(peer, message), originator
                    )
                except NetworkError as error:
                    gone = True
                    _log.warning("C-MOVE: the association with %s ended: %s", peer.info.peer_name, error)
            retrieval.count(instance, outcome, peer.info.peer_name)
            if retrieval.remaining:
                yield Send(retrieval.response(Status.PENDING))
        return False


class GetService(_RetrieveService):
    """Answers C-GET: sends instances on the association that asked, in contexts whose SCP role the peer took."""

    sop_classes = tuple(str(model.get) for model in MODELS)
    operations = (CGetRequest,)

    def __init__(
        self,
        store: Store,
        *,
        storage: tuple[str, ...] = STORAGE,
        transcode: Transcode = Transcode.LOSSLESS,
        events: EventBus | None = None,
    ) -> None:
        super().__init__(store, transcode=transcode, events=events)
        self.scu_sop_classes = storage

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        instances = yield Call(self._locate, request)
        retrieval = _Retrieval(request, association, instances, self._events)
        for instance in instances:
            if (yield from self._is_cancelled(retrieval)):
                return
            outcome = yield from self._send(retrieval, instance, association, Perform, {})
            retrieval.count(instance, outcome, association.peer_name)
            if retrieval.remaining:
                yield Send(retrieval.response(Status.PENDING))
        yield Send(retrieval.final())


def _kind(instance: StoredInstance) -> tuple[str, str]:
    return instance.sop_class_uid, instance.transfer_syntax_uid
