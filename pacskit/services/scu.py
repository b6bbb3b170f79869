"""The services as SCU, on an association that somebody else opens: echo, store, move, get. (`find` is in query.)

They are coroutines that wait for nothing but their `Link`, so that one text serves both drivers: over a blocking link
they never suspend (see `pacskit.services.link`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Priority
from pacskit.core.errors import DecodeError, DimseError, EncodeError, NoPresentationContext
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
from pacskit.services.outgoing import SpooledSource, Transcode, batches, choose, dataset_payload, payload
from pacskit.services.storage import ReceivingService

__all__ = ["Progress", "Sent", "Source", "echo", "examine", "get", "move", "store"]

Source = str | Path | Dataset

# What is wrong with one instance and does not end the others.
_ITS_OWN: Final = (NoPresentationContext, EncodeError, DecodeError, OSError, EOFError)
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
    """The counts of a C-MOVE or C-GET after a response; ``remaining`` is None in the final one.

    ``comment`` is what the peer says of it: in the final one of ours, why instances were not sent.
    """

    status: Status
    remaining: int | None
    completed: int
    failed: int
    warning: int
    failed_uids: tuple[str, ...] = ()
    comment: str = ""


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
    port: Port,
    sources: Iterable[Source],
    *,
    priority: int = Priority.MEDIUM,
    transcode: Transcode = Transcode.LOSSLESS,
    window: int = 1,
) -> AsyncGenerator[Sent, None]:
    """Send instances, files as they are on disk where the peer takes them so; iterate over the outcomes.

    They are in the order of the sources where one association does for them and one at a time is under way, else as
    they complete. An outcome that is a failure does not end the iteration, a lost association does.
    """
    policy = Transcode(transcode)
    pending = iter(sources)
    while some := list(islice(pending, _AT_ONCE)):
        items: list[_Item] = []
        for found in await port.call(_examine_all, some):
            if isinstance(found, Sent):
                yield found
            else:
                items.append(found)
        for batch in batches(items, lambda item: item.kind, policy):
            async with (
                port.lease(batch.contexts, window=window) as link,
                aclosing(_Sending(port, link, priority, policy).send(batch.items, window)) as outcomes,
            ):
                async for sent in outcomes:
                    yield sent


def _examine_all(sources: list[Source]) -> list[_Item | Sent]:
    return [examine(source) for source in sources]


def examine(source: Source) -> _Item | Sent:
    """Look at what is to be sent: its SOP class, UID and transfer syntax, or why it cannot be."""
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


class _Sending:
    """Instances on their way on one association."""

    def __init__(self, port: Port, link: Link, priority: int, policy: Transcode) -> None:
        self._port = port
        self._link = link
        self._priority = priority
        self._policy = policy
        self._under_way: dict[int, tuple[_Item, int, str]] = {}
        self._unsent: deque[Sent] = deque()

    async def send(self, items: list[_Item], window: int) -> AsyncGenerator[Sent, None]:
        """Yield what becomes of ``items``; those that could not be sent in their place."""
        async with (
            aclosing(self._requests(items)) as requests,
            aclosing(self._link.perform_all(requests, window=window)) as outcomes,
        ):
            async for request, outcome in outcomes:
                if isinstance(outcome, ResponseMessage) and outcome.is_pending:
                    continue  # which C-STORE does not have
                while self._unsent:
                    yield self._unsent.popleft()
                item, size, uid = self._under_way.pop(id(request))
                if isinstance(outcome, ResponseMessage):
                    yield Sent(item.source, Status(outcome.status), uid, size)
                elif isinstance(outcome, _ITS_OWN):
                    yield _unsent(item, outcome)
                else:
                    raise outcome
        for sent in self._unsent:
            yield sent

    async def _requests(self, items: list[_Item]) -> AsyncGenerator[CStoreRequest, None]:
        """Yield the requests, each with its file open until the next one is asked for."""
        for item in items:
            try:
                context = choose(self._link.info, item.sop_class_uid, item.transfer_syntax, self._policy)
                with await self._port.call(_Outgoing, item, context) as outgoing:
                    request = CStoreRequest(
                        affected_sop_class_uid=item.sop_class_uid,
                        affected_sop_instance_uid=outgoing.uid,
                        priority=self._priority,
                        context=context,
                        data=outgoing.data,
                    )
                    self._under_way[id(request)] = item, outgoing.size, outgoing.uid
                    yield request
            except _ITS_OWN as error:
                self._unsent.append(_unsent(item, error))


class _Outgoing:
    """A data set as it goes out in a context, its length and its UID then; a file is open until it is closed."""

    __slots__ = ("_open", "data", "size", "uid")

    def __init__(self, item: _Item, context: PresentationContext) -> None:
        with ExitStack() as stack:
            self.data, self.size, self.uid = _payload(item, context, stack)
            self._open = stack.pop_all()

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _unsent(item: _Item, error: Exception) -> Sent:
    refused = isinstance(error, NoPresentationContext)
    status = Status.CLASS_NOT_SUPPORTED if refused else Status.CANNOT_UNDERSTAND
    return Sent(item.source, status, item.sop_instance_uid, error=error)


def _payload(item: _Item, context: PresentationContext, stack: ExitStack) -> tuple[Any, int, str]:
    """Return the data set as it goes out in ``context``, its length and its UID then; ``stack`` closes the file."""
    if isinstance(item.source, Dataset):
        data, uid = dataset_payload(item.source, context)
        return data, len(data), uid
    head = item.head
    if head is None:
        raise EOFError("there is no file")
    file = stack.enter_context(open(head.path, "rb", buffering=0))  # noqa: SIM115 - closed by the stack
    data = payload(file, head.offset, head.length, head.transfer_syntax, context)
    if not isinstance(data, SpooledSource):
        return data, head.length, item.sop_instance_uid
    stack.callback(data.close)
    return data, data.length or 0, data.sop_instance_uid or item.sop_instance_uid


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
        response.error_comment or "",
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
