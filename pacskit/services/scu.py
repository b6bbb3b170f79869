"""The services as SCU, on an association that somebody else opens: echo, store, move, get. (`find` is in query.)

They are coroutines that wait for nothing but their `Link`, so that one text serves both drivers: over a blocking link
they never suspend (see `pacskit.services.link`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Self

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Priority
from pacskit.core.errors import DecodeError, DimseError, EncodeError, NetworkError, NoPresentationContext
from pacskit.core.status import Status
from pacskit.core.uids import Verification
from pacskit.encoding import TransferSyntax, decode, encode
from pacskit.encoding.head import FileHead, read_head
from pacskit.network.dimse import (
    CEchoRequest,
    CGetRequest,
    CMoveRequest,
    CStoreRequest,
    ResponseMessage,
)
from pacskit.network.flow import Request
from pacskit.network.negotiation import PresentationContext
from pacskit.services.events import StoreEvent
from pacskit.services.link import Link, Port
from pacskit.services.outgoing import batches, choose, payload
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


async def echo(link: Link) -> Status:
    """Verify (C-ECHO); raise DimseError unless the peer answers with success."""
    response = await link.perform(CEchoRequest(affected_sop_class_uid=Verification))
    return _checked(response, None, link)


def _checked(response: ResponseMessage, service: str | None, link: Link) -> Status:
    status = Status(response.status)
    if status.is_failure:
        raise DimseError(status, response.error_comment or status.describe(service), peer=link.info.peer_name)
    return status


# Store


async def store(
    port: Port, sources: Iterable[Source], *, priority: int = Priority.MEDIUM
) -> AsyncGenerator[Sent, None]:
    """Send instances, files as they are on disk; iterate over the outcomes, in the order of the sources where one
    association does for them. An outcome that is a failure does not end the iteration, a lost association does."""
    pending = iter(sources)
    while window := list(islice(pending, _AT_ONCE)):
        items: list[_Item] = []
        for found in await port.call(_examine_all, window):
            if isinstance(found, Sent):
                yield found
            else:
                items.append(found)
        for batch in batches(items, lambda item: item.kind):
            async with port.lease(batch.contexts) as link:
                for item in batch.items:
                    yield await _send(port, link, item, priority)


def _examine_all(sources: list[Source]) -> list[_Item | Sent]:
    return [_examine(source) for source in sources]


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


async def _send(port: Port, link: Link, item: _Item, priority: int) -> Sent:
    def unsent(status: Status, error: Exception) -> Sent:
        return Sent(item.source, status, item.sop_instance_uid, error=error)

    try:
        context = choose(link.info, item.sop_class_uid, item.transfer_syntax)
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
            data = await port.call(encode, item.source, context.transfer_syntax)
            response, size = await link.perform(request, data), len(data)
        else:
            with await port.call(_Outgoing, item, context) as outgoing:
                response, size = await link.perform(request, outgoing.data), outgoing.size
    except NetworkError:
        raise
    except (EncodeError, DecodeError, OSError, EOFError) as error:
        if not link.is_open:  # half of it was out
            raise
        return unsent(Status.CANNOT_UNDERSTAND, error)
    return Sent(item.source, Status(response.status), item.sop_instance_uid, size)


class _Outgoing:
    """The data set of a file that is open for as long as it is sent."""

    __slots__ = ("_file", "data", "size")

    def __init__(self, item: _Item, context: PresentationContext) -> None:
        head = item.head
        if head is None:
            raise EOFError("there is no file")
        self.size = head.length
        self._file = open(head.path, "rb", buffering=0)  # noqa: SIM115 - closed by close()
        try:
            self.data = payload(self._file, head.offset, head.length, head.transfer_syntax, context)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


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


async def move(
    link: Link, sop_class: str, identifier: Dataset, *, to: str, priority: int = Priority.MEDIUM
) -> AsyncGenerator[Progress, None]:
    """Ask the peer to send to the AE ``to``; iterate over the progress, the final counts last.

    Leaving the iteration early cancels the move. Raises DimseError after the last step when it is a failure.
    """
    context = link.info.context_for(sop_class)
    request = CMoveRequest(affected_sop_class_uid=sop_class, move_destination=to, priority=priority, context=context)
    data = encode(identifier, context.transfer_syntax)
    async with aclosing(link.exchange(request, data)) as messages:
        async for message in messages:
            if isinstance(message, ResponseMessage):
                yield _progress(message, context.transfer_syntax)
                _checked(message, "qr_move", link)


async def get(
    link: Link,
    sop_class: str,
    identifier: Dataset,
    *,
    priority: int = Priority.MEDIUM,
    on_progress: Callable[[Progress], object] = lambda progress: None,
) -> AsyncGenerator[StoreEvent, None]:
    """Retrieve on this association; iterate over the instances. Each is answered when the next one is asked for.

    Leaving the iteration early cancels the retrieval. Raises DimseError when it fails.
    """
    context = link.info.context_for(sop_class)
    request = CGetRequest(affected_sop_class_uid=sop_class, priority=priority, context=context)
    service = ReceivingService()
    data = encode(identifier, context.transfer_syntax)
    async with aclosing(link.exchange(request, data, service=service)) as messages:
        async for message in messages:
            if isinstance(message, ResponseMessage):
                on_progress(_progress(message, context.transfer_syntax))
                _checked(message, "qr_get", link)
            elif isinstance(message, CStoreRequest) and message.context is not None and message.data is not None:
                yield StoreEvent(Request(message, message.context, message.data), link.info)
