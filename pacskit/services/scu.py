"""The services as SCU, on an association that somebody else opens: echo, store, move, get. (`find` is in query.)"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Priority
from pacskit.core.errors import DecodeError, DimseError, EncodeError, NetworkError, NoPresentationContext
from pacskit.core.status import Status
from pacskit.core.uids import Verification
from pacskit.encoding import TransferSyntax, decode, encode
from pacskit.encoding.head import FileHead, read_head
from pacskit.network.association import Association
from pacskit.network.dimse import (
    CEchoRequest,
    CGetRequest,
    CMoveRequest,
    CStoreRequest,
    RequestMessage,
    ResponseMessage,
)
from pacskit.network.flow import Request
from pacskit.network.negotiation import AssociationInfo, ContextProposal, PresentationContext
from pacskit.services.events import StoreEvent
from pacskit.services.outgoing import SpooledSource, Transcode, batches, choose, dataset_payload, payload
from pacskit.services.storage import ReceivingService

__all__ = ["Progress", "Sent", "Source", "echo", "get", "move", "store"]

Source = str | Path | Dataset

_AT_ONCE: Final = 2000  # files whose heads are read before the first of them goes out


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an instance: the peer's ``status``, or ``error`` and a status that fits where it was not sent."""

    source: Source
    status: Status
    sop_instance_uid: str | None = None
    size: int = 0
    error: Exception | None = None

    @property
    def dataset_path(self) -> Path | None:
        """The file, None for a data set that was in memory."""
        return None if isinstance(self.source, Dataset) else Path(self.source)


@dataclass(frozen=True, slots=True)
class Progress:
    """The counts of a C-MOVE or C-GET after a response; ``remaining`` is None in the final one."""

    status: Status
    remaining: int | None
    completed: int
    failed: int
    warning: int
    failed_uids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Item:
    source: Source
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    head: FileHead | None

    @property
    def kind(self) -> tuple[str, str]:
        return self.sop_class_uid, self.transfer_syntax


Lease = Callable[[list[ContextProposal]], AbstractContextManager[Association]]


def echo(association: Association) -> Status:
    """Verify (C-ECHO); raise DimseError unless the peer answers with success."""
    response = association.perform(CEchoRequest(affected_sop_class_uid=Verification))
    return _checked(response, None, association)


def _checked(response: ResponseMessage, service: str | None, association: Association) -> Status:
    status = Status(response.status)
    if status.is_failure:
        raise DimseError(status, response.error_comment or status.describe(service), peer=association.info.peer_name)
    return status


# Store


def store(
    lease: Lease,
    sources: Iterable[Source],
    *,
    priority: int = Priority.MEDIUM,
    transcode: Transcode = Transcode.LOSSLESS,
) -> Generator[Sent, None, None]:
    """Send instances, files as they are on disk where the peer takes them so; iterate over the outcomes.

    They are in the order of the sources where one association does for them. An outcome that is a failure does not end
    the iteration, a lost association does.
    """
    policy = Transcode(transcode)
    pending = iter(sources)
    while window := list(islice(pending, _AT_ONCE)):
        items: list[_Item] = []
        for source in window:
            found = _examine(source)
            if isinstance(found, Sent):
                yield found
            else:
                items.append(found)
        for batch in batches(items, lambda item: item.kind, policy):
            with lease(batch.contexts) as association:
                for item in batch.items:
                    yield _send(association, item, priority, policy)


def _examine(source: Source) -> _Item | Sent:
    if isinstance(source, Dataset):
        syntax = source.file_meta.get("TransferSyntaxUID") or source.transfer_syntax
        sop_class, instance = (str(source.get(keyword) or "") for keyword in ("SOPClassUID", "SOPInstanceUID"))
        if not (sop_class and instance):
            missing = DecodeError("the data set has no SOP class or instance UID")
            return Sent(source, Status.DOES_NOT_MATCH_CLASS, error=missing)
        return _Item(source, sop_class, instance, str(syntax or TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN), None)
    try:
        head = read_head(source)
    except (DecodeError, OSError) as error:
        return Sent(source, Status.CANNOT_UNDERSTAND, error=error)
    return _Item(source, str(head.sop_class_uid), str(head.sop_instance_uid), str(head.transfer_syntax), head)


def _send(association: Association, item: _Item, priority: int, policy: Transcode) -> Sent:
    def unsent(status: Status, error: Exception) -> Sent:
        return Sent(item.source, status, item.sop_instance_uid, error=error)

    try:
        context = choose(association.info, item.sop_class_uid, item.transfer_syntax, policy)
    except NoPresentationContext as error:
        return unsent(Status.CLASS_NOT_SUPPORTED, error)
    request = CStoreRequest(
        affected_sop_class_uid=item.sop_class_uid,
        affected_sop_instance_uid=item.sop_instance_uid,
        priority=priority,
        context=context,
    )
    try:
        if isinstance(item.source, Dataset):
            data, request.affected_sop_instance_uid = dataset_payload(item.source, context)
            response, size = association.perform(request, data), len(data)
        else:
            response, size = _send_file(association, item, request, context)
    except NetworkError:
        raise
    except (EncodeError, DecodeError, OSError, EOFError) as error:
        if not association.is_open:  # half of it was out
            raise
        return unsent(Status.CANNOT_UNDERSTAND, error)
    return Sent(item.source, Status(response.status), request.affected_sop_instance_uid, size)


def _send_file(
    association: Association, item: _Item, request: CStoreRequest, context: PresentationContext
) -> tuple[ResponseMessage, int]:
    head = item.head
    if head is None:
        raise EOFError("there is no file")
    with open(head.path, "rb", buffering=0) as file:
        data = payload(file, head.offset, head.length, head.transfer_syntax, context)
        if not isinstance(data, SpooledSource):
            return association.perform(request, data), head.length
        try:
            request.affected_sop_instance_uid = data.sop_instance_uid or item.sop_instance_uid
            return association.perform(request, data), data.length or 0
        finally:
            data.close()


# Retrieve


def _progress(response: ResponseMessage, syntax: str) -> Progress:
    def count(what: str) -> int | None:
        value: int | None = getattr(response, f"number_of_{what}_suboperations", None)
        return value

    failed: tuple[str, ...] = ()
    if response.data:
        value = decode(response.data, syntax).get("FailedSOPInstanceUIDList")
        failed = (str(value),) if isinstance(value, str) else tuple(str(uid) for uid in value or ())
    return Progress(
        Status(response.status),
        count("remaining"),
        count("completed") or 0,
        count("failed") or 0,
        count("warning") or 0,
        tuple(uid for uid in failed if uid),
    )


def move(
    association: Association, sop_class: str, identifier: Dataset, *, to: str, priority: int = Priority.MEDIUM
) -> Generator[Progress, None, None]:
    """Ask the peer to send to the AE ``to``; iterate over the progress, the final counts last.

    Leaving the iteration early cancels the move. Raises DimseError after the last step when it is a failure.
    """
    context = association.info.context_for(sop_class)
    request = CMoveRequest(affected_sop_class_uid=sop_class, move_destination=to, priority=priority, context=context)
    data = encode(identifier, context.transfer_syntax)
    with closing(association.exchange(request, data)) as messages:
        for message in messages:
            if isinstance(message, ResponseMessage):
                yield _progress(message, context.transfer_syntax)
                _checked(message, "qr_move", association)


def get(
    association: Association,
    sop_class: str,
    identifier: Dataset,
    *,
    priority: int = Priority.MEDIUM,
    on_progress: Callable[[Progress], object] = lambda progress: None,
) -> Generator[StoreEvent, None, None]:
    """Retrieve on this association; iterate over the instances. Each is answered when the next one is asked for.

    Leaving the iteration early cancels the retrieval. Raises DimseError when it fails.
    """
    context = association.info.context_for(sop_class)
    request = CGetRequest(affected_sop_class_uid=sop_class, priority=priority, context=context)
    service = ReceivingService(_accept)
    data = encode(identifier, context.transfer_syntax)
    with closing(association.exchange(request, data, service=service)) as messages:
        yield from _instances(messages, association, context, on_progress)


def _instances(
    messages: Generator[RequestMessage | ResponseMessage, None, None],
    association: Association,
    context: PresentationContext,
    on_progress: Callable[[Progress], object],
) -> Generator[StoreEvent, None, None]:
    for message in messages:
        if isinstance(message, ResponseMessage):
            on_progress(_progress(message, context.transfer_syntax))
            _checked(message, "qr_get", association)
        elif isinstance(message, CStoreRequest) and message.context is not None and message.data is not None:
            yield StoreEvent(Request(message, message.context, message.data), association.info)


def _accept(request: Request, association: AssociationInfo) -> int:
    return Status.SUCCESS
