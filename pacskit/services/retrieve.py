"""Retrieve: C-MOVE and C-GET (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level
from pacskit.core.errors import AssociationRejected, DimseError, NetworkError, StorageError
from pacskit.core.events import EventBus
from pacskit.core.status import Status
from pacskit.core.uid import UID
from pacskit.network.address import Address
from pacskit.network.dimse import CGetRequest, CMoveRequest, CStoreRequest
from pacskit.network.flow import Call, Close, Effect, Flow, Open, Peer, Request, Send, Wait
from pacskit.services.base import IdentifierService, failure, level_of, read_identifier
from pacskit.services.extended import ARCHIVE_RETRIEVE, RetrieveNegotiation
from pacskit.services.outgoing import Batch, Decision, SpooledSource, Transcode, batches, decide, payload
from pacskit.services.slots import Slots
from pacskit.services.sop_classes import MODEL_OF, MODELS, STORAGE
from pacskit.services.suboperations import ITS_OWN, WINDOW, Gone, Ready, Result, Retrieval, SubOperations, unable
from pacskit.storage import Model, Opened, Store, StoredInstance
from pacskit.storage.coercion import coerced
from pacskit.storage.provenance import Derivation, derive

if TYPE_CHECKING:
    from pacskit.network.negotiation import AssociationInfo, PresentationContext

__all__ = ["WINDOW", "GetService", "MoveService"]

_log = logging.getLogger("pacskit.services")

_KEYS: Final = {
    Level.PATIENT: ("PatientID", "patient_id"),
    Level.STUDY: ("StudyInstanceUID", "study_uid"),
    Level.SERIES: ("SeriesInstanceUID", "series_uid"),
    Level.IMAGE: ("SOPInstanceUID", "instance_uid"),
}


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

    def _perform(
        self,
        retrieval: Retrieval,
        instances: Sequence[StoredInstance],
        info: AssociationInfo,
        originator: dict[str, Any],
        peer: Peer | None = None,
    ) -> Generator[Effect, Any, bool]:
        """Send instances on an association; return whether that was cancelled, which is answered then.

        As many are under way as its other end has granted, and the next one is read meanwhile.
        """
        try:
            cancelled = yield from SubOperations(self._read, retrieval, info, originator, peer).perform(instances)
        except Gone as gone:
            _log.warning("C-MOVE: the association with %s ended: %s", info.peer_name, gone)
            return False
        if cancelled:
            yield Send(retrieval.response(Status.CANCEL))
        return cancelled

    def _read(
        self, instance: StoredInstance, info: AssociationInfo, priority: int, originator: dict[str, Any]
    ) -> Ready | Result:
        """Make the request that sends an instance; what it needs is open until `Ready.close`."""
        decision: Decision | None = None
        try:
            opened: Opened = self._store.open(instance, whole=True)
            try:
                opened = coerced(self._store, opened)
                instance = opened.instance  # a newer one, where it has been replaced since it was located
                decision = decide(info, instance.sop_class_uid, instance.transfer_syntax_uid, self._policy)
                if decision.context is None:
                    _log.info("SOP instance %s: %s", instance.sop_instance_uid, decision)
                    opened.file.close()
                    return Result(Status.DOES_NOT_MATCH_CLASS, decision, _refused(decision))
                request = _request(opened, decision.context, priority, originator)
                if request.affected_sop_instance_uid != instance.sop_instance_uid:
                    self._record(request, instance, info)
            except BaseException:
                opened.file.close()
                raise
        except ITS_OWN as error:
            _log.error("SOP instance %s cannot be sent: %s", instance.sop_instance_uid, type(error).__name__)
            return unable(error, decision)
        return Ready(instance, request, opened, decision)

    def _record(self, request: CStoreRequest, instance: StoredInstance, info: AssociationInfo) -> None:
        """Record that a new instance was made of another one, which lost something on its way."""
        parameters = {
            "from": instance.transfer_syntax_uid,
            "to": "" if request.context is None else request.context.transfer_syntax,
            "for": info.peer_name,
        }
        uid = str(request.affected_sop_instance_uid)
        try:
            derive(self._store, Derivation(uid, instance.sop_instance_uid, "transcoded", parameters=parameters))
        except StorageError as error:
            _log.error("what was made of an instance is not on record: %s", error)


def _request(opened: Opened, context: PresentationContext, priority: int, originator: dict[str, Any]) -> CStoreRequest:
    instance = opened.instance
    data = payload(opened.file, instance.offset, instance.length, instance.transfer_syntax_uid, context)
    converted = data.sop_instance_uid if isinstance(data, SpooledSource) else None
    return CStoreRequest(
        affected_sop_class_uid=instance.sop_class_uid,
        affected_sop_instance_uid=converted or instance.sop_instance_uid,
        priority=priority,
        context=context,
        data=data,
        **originator,
    )


def _refused(decision: Decision) -> str:
    """Say why an instance was not sent in the room of an Error Comment."""
    if not decision.accepted:
        return f"{UID(decision.sop_class_uid).name[:49].rstrip()} not accepted"
    name = UID(decision.source).name[:28].rstrip()
    return f"{name} not accepted; " + (
        f"transcode={decision.policy}" if decision.by_policy else "nothing to convert to"
    )


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
        events: EventBus | None = None,
        window: int = WINDOW,
        per_destination: int | None = None,
    ) -> None:
        super().__init__(store, transcode=transcode, events=events)
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
        retrieval = Retrieval(request, association, instances, self._events)
        originator = {"move_originator_ae": association.calling, "move_originator_message_id": command.message_id}
        for batch in batches(instances, _kind, self._policy):
            if (yield from self._deliver(retrieval, batch, address, originator)):
                return
        yield Send(retrieval.final())

    def _deliver(
        self, retrieval: Retrieval, batch: Batch[StoredInstance], address: Address, originator: dict[str, Any]
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
            retrieval.fail(batch.items, "the move destination is busy with others", str(address))
            return False
        finally:
            self._slots.give(turn)

    def _send(
        self, retrieval: Retrieval, batch: Batch[StoredInstance], address: Address, originator: dict[str, Any]
    ) -> Generator[Effect, Any, bool]:
        try:
            peer: Peer = yield Open(address, batch.contexts, self._ae, window=self._window)
        except NetworkError as error:
            _log.warning("C-MOVE to %s: %s", address, error)
            rejected = isinstance(error, AssociationRejected)
            why = f"{address.ae}: association {'rejected' if rejected else 'not possible'}"
            retrieval.fail(batch.items, why, str(address))
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
        retrieval = Retrieval(request, association, instances, self._events)
        if not (yield from self._perform(retrieval, instances, association, {})):
            yield Send(retrieval.final())


def _kind(instance: StoredInstance) -> tuple[str, str]:
    return instance.sop_class_uid, instance.transfer_syntax_uid
