"""DIMSE-N as SCP: N-CREATE, N-SET, N-GET, N-ACTION, N-DELETE and N-EVENT-REPORT to handlers (PS3.7 10.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from pacskit.core.dataset import Dataset
from pacskit.core.errors import ConfigurationError, DecodeError, DimseError, NetworkError
from pacskit.core.status import Status
from pacskit.core.tag import Tag
from pacskit.core.uid import UID, generate_uid
from pacskit.encoding import decode, encode
from pacskit.network.dimse import (
    NActionRequest,
    NCreateRequest,
    NDeleteRequest,
    NEventReportRequest,
    NGetRequest,
    NSetRequest,
    RequestMessage,
    ResponseMessage,
)
from pacskit.network.flow import Call, Effect, Flow, Perform, Request, Send
from pacskit.network.sink import MemorySink, Sink
from pacskit.services.base import MAX_IDENTIFIER, failure, require_scp

if TYPE_CHECKING:
    from pacskit.network.negotiation import AssociationInfo

__all__ = [
    "ActionEvent",
    "CreateEvent",
    "DeleteEvent",
    "GetEvent",
    "NormalizedEvent",
    "NormalizedService",
    "NotificationEvent",
    "Reply",
    "Returned",
    "SetEvent",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a handler answers where a status alone, or a data set alone, does not say it.

    ``sop_instance_uid`` is for N-CREATE without one in the request; ``attributes`` is the attribute identifier list,
    ``offending`` the tags at fault (PS3.7 C.4).
    """

    status: Status | int = Status.SUCCESS
    dataset: Dataset | None = None
    sop_instance_uid: str | None = None
    attributes: tuple[int, ...] = ()
    offending: tuple[int, ...] = ()
    comment: str | None = None
    error_id: int | None = None


Returned: TypeAlias = Reply | Dataset | Status | int | None
"""What a handler may return: None is success."""


@dataclass(slots=True)
class _Report:
    command: NEventReportRequest
    dataset: Dataset | None
    then: Callable[[Status | NetworkError], object] | None


class NormalizedEvent:
    """A DIMSE-N request, as its handler sees it."""

    __slots__ = ("_dataset", "_reports", "_request", "association")

    def __init__(self, request: Request, association: AssociationInfo) -> None:
        self.association = association
        self._request = request
        self._dataset: Dataset | None = None
        self._reports: list[_Report] = []

    @property
    def sop_class_uid(self) -> UID:
        """The SOP class of the command; with a meta SOP class, not that of the presentation context."""
        return UID(self._request.command.sop_class_uid)

    @property
    def sop_instance_uid(self) -> UID | None:
        """The instance; None in an N-CREATE that leaves the choice to us."""
        uid = self._request.command.sop_instance_uid
        return None if uid is None else UID(uid)

    @property
    def dataset(self) -> Dataset:
        """The data set of the request, empty where there is none; decoded on first touch."""
        if self._dataset is None:
            data = self._request.data
            try:
                self._dataset = Dataset() if data is None else decode(data, self._request.context.transfer_syntax)
            except DecodeError as error:
                raise DimseError(Status.PROCESSING_FAILURE, "the data set cannot be decoded") from error
        return self._dataset

    def report(
        self,
        event_type: int,
        dataset: Dataset | None = None,
        *,
        sop_class: str | None = None,
        sop_instance: str | None = None,
        then: Callable[[Status | NetworkError], object] | None = None,
    ) -> None:
        """Send an N-EVENT-REPORT on this association once the answer is out (PS3.7 10.1.1).

        The SOP class and instance are those of the request where they are not given. ``then`` is told the status of
        the peer's answer, or the error if it could not be had (the peer may have left: use another association then).
        """
        instance = sop_instance or self._request.command.sop_instance_uid
        if not instance:
            raise ConfigurationError("a notification is about a SOP instance")
        command = NEventReportRequest(
            affected_sop_class_uid=sop_class or str(self.sop_class_uid),
            affected_sop_instance_uid=instance,
            event_type_id=event_type,
            context=self._request.context,
        )
        self._reports.append(_Report(command, dataset, then))


class CreateEvent(NormalizedEvent):
    """An N-CREATE; returns the created instance's attributes, or nothing when they are those asked for."""

    __slots__ = ()


class SetEvent(NormalizedEvent):
    """An N-SET: ``dataset`` is the modification list."""

    __slots__ = ()


class GetEvent(NormalizedEvent):
    """An N-GET (not a C-GET): ``attributes`` are the tags that are wanted, empty for all."""

    __slots__ = ()

    @property
    def attributes(self) -> tuple[Tag, ...]:
        return tuple(map(Tag, self._request.command.attribute_identifier_list or ()))


class ActionEvent(NormalizedEvent):
    """An N-ACTION: ``dataset`` is the action information, the data set that is returned the action reply."""

    __slots__ = ()

    @property
    def action_type(self) -> int:
        return int(self._request.command.action_type_id)


class DeleteEvent(NormalizedEvent):
    """An N-DELETE."""

    __slots__ = ()


class NotificationEvent(NormalizedEvent):
    """An N-EVENT-REPORT: ``dataset`` is the event information."""

    __slots__ = ()

    @property
    def event_type(self) -> int:
        return int(self._request.command.event_type_id)


Handler: TypeAlias = Callable[[Any], Returned | Awaitable[Returned]]

_EVENTS: dict[type[RequestMessage], type[NormalizedEvent]] = {
    NCreateRequest: CreateEvent,
    NSetRequest: SetEvent,
    NGetRequest: GetEvent,
    NActionRequest: ActionEvent,
    NDeleteRequest: DeleteEvent,
    NEventReportRequest: NotificationEvent,
}


class NormalizedService:
    """Gives each request to the handler of its operation and SOP class.

    ``handlers`` maps (request class, SOP class) to handlers; ``contexts`` are the abstract syntaxes that are accepted
    for them, where those are meta SOP classes or related general ones; None: the SOP classes themselves. A SOP class of
    which notifications are taken is one that we use: the peer may take the SCP role (PS3.7 D.3.3.4).
    ``notifications`` takes the notifications of all other classes.
    """

    operations: ClassVar[tuple[type[RequestMessage], ...]] = tuple(_EVENTS)
    by_context: ClassVar[bool] = True

    def __init__(
        self,
        handlers: Mapping[tuple[type[RequestMessage], str], Handler],
        *,
        contexts: Iterable[str] | None = None,
        notifications: Handler | None = None,
    ) -> None:
        self._handlers = dict(handlers)
        self._notifications = notifications
        classes = (sop_class for _, sop_class in self._handlers) if contexts is None else contexts
        self.sop_classes = tuple(dict.fromkeys(map(str, classes)))
        noted = (sop_class for kind, sop_class in self._handlers if kind is NEventReportRequest)
        self.scu_sop_classes = tuple(dict.fromkeys(noted))

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        if not isinstance(request.command, NEventReportRequest):
            require_scp(request)
        return MemorySink(MAX_IDENTIFIER)

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        """Answer, then send what the handler wants reported on this association."""
        command = request.command
        handler = self._handler(command)
        event = _EVENTS[type(command)](request, association)
        try:
            returned: Returned = yield Call(handler, event)
            response = _response(request, returned)
        except DimseError:
            raise
        except Exception as error:
            refused = failure(error)
            # 0xC000 belongs to other services; here the general failure holds (PS3.7 C.4).
            if refused.status == Status.UNABLE_TO_PROCESS:
                raise DimseError(Status.PROCESSING_FAILURE, refused.comment) from error
            raise refused from error
        yield Send(response)
        for report in event._reports:
            yield from _notify(report)

    def _handler(self, command: RequestMessage) -> Handler:
        handler = self._handlers.get((type(command), str(command.sop_class_uid)))
        if handler is None and isinstance(command, NEventReportRequest):
            handler = self._notifications
        if handler is not None:
            return handler
        if any(uid == command.sop_class_uid for _, uid in self._handlers):
            raise DimseError(Status.UNRECOGNIZED_OPERATION, "this SOP class has no such operation here")
        raise DimseError(Status.NO_SUCH_CLASS, "no such SOP class here")


def _notify(report: _Report) -> Generator[Effect, Any, None]:
    command, then = report.command, report.then
    outcome: Status | NetworkError
    try:
        if report.dataset is not None and command.context is not None:
            command.data = encode(report.dataset, command.context.transfer_syntax) or None
        response: ResponseMessage = yield Perform(command)
        outcome = response.status
    except NetworkError as error:
        if then is not None:
            yield Call(then, error)
        raise
    if then is not None:
        yield Call(then, outcome)


def _response(request: Request, returned: Returned) -> ResponseMessage:
    """Return the response that a handler's answer stands for."""
    command = request.command
    reply = _reply(returned)
    values: dict[str, Any] = {"error_comment": reply.comment, "error_id": reply.error_id}
    if reply.offending:
        values["offending_element"] = reply.offending
    if reply.attributes:
        if not isinstance(command, (NGetRequest, NSetRequest, NCreateRequest)):
            raise ConfigurationError("only N-GET, N-SET and N-CREATE answer with an attribute identifier list")
        values["attribute_identifier_list"] = reply.attributes
    if isinstance(command, NCreateRequest) and not Status(reply.status).is_failure:
        values["affected_sop_instance_uid"] = (
            reply.sop_instance_uid or command.affected_sop_instance_uid or generate_uid()
        )
    # An empty data set is none: a PDV without a byte is no fragment to many (PS3.8 9.3.5.1).
    data = None if reply.dataset is None else encode(reply.dataset, request.context.transfer_syntax) or None
    response: ResponseMessage = command.response(reply.status, data=data, **values)
    return response


def _reply(returned: Returned) -> Reply:
    if returned is None:
        return Reply()
    if isinstance(returned, Reply):
        return returned
    if isinstance(returned, Dataset):
        return Reply(dataset=returned)
    return Reply(status=returned)
