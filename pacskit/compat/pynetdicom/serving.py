"""Requests of the peer, answered by handlers: C-ECHO, C-STORE, C-FIND and DIMSE-N by pynetdicom's rules."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pacskit.compat.pynetdicom import events as evt
from pacskit.compat.pynetdicom.datasets import encoded, is_dataset
from pacskit.compat.pynetdicom.dimse_primitives import FIELDS, primitive_of
from pacskit.compat.pynetdicom.presentation import PresentationContext
from pacskit.compat.pynetdicom.retrieving import results_of, serve_get, serve_move
from pacskit.compat.pynetdicom.status import code_to_category
from pacskit.core.errors import DimseError
from pacskit.core.status import Status
from pacskit.network.dimse import (
    CEchoRequest,
    CFindRequest,
    CGetRequest,
    CMoveRequest,
    CStoreRequest,
    NActionRequest,
    NCreateRequest,
    NDeleteRequest,
    NEventReportRequest,
    NGetRequest,
    NSetRequest,
    RequestMessage,
    ResponseMessage,
)

if TYPE_CHECKING:
    from pacskit.compat.pynetdicom.association import Association

__all__ = ["Answers", "serve"]

_log = logging.getLogger("pacskit.compat.pynetdicom")

# What pynetdicom answers where a handler raises, or returns what is no status.
_STORE_FAILED: Final = 0xC211
_FIND_FAILED: Final = 0xC311
_NOT_ENCODED: Final = 0xC312
_NO_STATUS: Final = 0xC001
_NOT_A_STATUS: Final = 0xC002

_EVENTS: Final[dict[type[RequestMessage], evt.InterventionEvent]] = {
    CEchoRequest: evt.EVT_C_ECHO,
    CStoreRequest: evt.EVT_C_STORE,
    CFindRequest: evt.EVT_C_FIND,
    CGetRequest: evt.EVT_C_GET,
    CMoveRequest: evt.EVT_C_MOVE,
    NEventReportRequest: evt.EVT_N_EVENT_REPORT,
    NGetRequest: evt.EVT_N_GET,
    NSetRequest: evt.EVT_N_SET,
    NActionRequest: evt.EVT_N_ACTION,
    NCreateRequest: evt.EVT_N_CREATE,
    NDeleteRequest: evt.EVT_N_DELETE,
}
# What has no data set of its own in a status, or is not for a handler to say.
_NOT_SAID: Final = frozenset({"Status", "MessageIDBeingRespondedTo"})


class Answers:
    """The answers to one request."""

    def __init__(self, assoc: Association, request: RequestMessage) -> None:
        context = request.context
        if context is None:
            raise RuntimeError("a request without a presentation context")
        self.assoc = assoc
        self.request = request
        self.context = PresentationContext.of(context)
        self.syntax = str(context.transfer_syntax)

    @property
    def goes_on(self) -> bool:
        """Whether an answer can still be sent."""
        return self.assoc.is_established

    def ask(self) -> Any:
        """What the handler of the request's event answers."""
        line, request = self.assoc.line, self.request
        return self.assoc.handlers.ask(
            self.assoc,
            _EVENTS[type(request)],
            lambda: line.connection.is_cancelled(request.message_id),
            request=primitive_of(request),
            context=self.context.as_tuple,
        )

    def response(self, status: Any, data: bytes | None = None, **values: Any) -> ResponseMessage:
        """The response for what a handler gave as status: a number, or a data set with one."""
        if is_dataset(status):
            said = {str(element.keyword): element.value for element in status}
            code = int(said["Status"]) if "Status" in said else _NO_STATUS
        elif isinstance(status, int):
            said, code = {}, int(status)
        else:
            said, code = {}, _NOT_A_STATUS
        if code in {_NO_STATUS, _NOT_A_STATUS}:
            _log.error("a handler of %s gave no status", _EVENTS[type(self.request)].name)
        response = self.request.response(Status(code), data=data, **values)
        for keyword, value in said.items():
            field = FIELDS.get(keyword)
            if keyword not in _NOT_SAID and field is not None and hasattr(response, field):
                setattr(response, field, _plain(value))
        return response

    def send(self, status: Any, data: bytes | None = None, **values: Any) -> None:
        """Send a response."""
        self.assoc.line.send(self.response(status, data, **values))

    def failed(self, error: Exception) -> None:
        """Log that a handler raised."""
        name = _EVENTS[type(self.request)].name
        _log.error("the handler of %s failed: %s", name, type(error).__name__)
        _log.debug("the failure", exc_info=error)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    return [int(one) for one in value] if hasattr(value, "__iter__") else value


def serve(assoc: Association, request: RequestMessage) -> None:
    """Answer a request."""
    answers = Answers(assoc, request)
    context = request.context
    if isinstance(request.error, DimseError):
        assoc.line.send(request.refusal(request.error))
    elif request.error is not None:
        answers.send(Status.OUT_OF_RESOURCES)
    elif context is None or not (context.as_scp or isinstance(request, NEventReportRequest)):
        answers.send(Status.CLASS_NOT_SUPPORTED)
    else:
        _SERVED.get(type(request), _serve_normalized)(answers)


def _serve_echo(answers: Answers) -> None:
    status: Any = Status.SUCCESS
    if answers.assoc.handlers.of(evt.EVT_C_ECHO):
        try:
            status = answers.ask()
        except Exception as error:
            answers.failed(error)
    if not is_dataset(status) and not isinstance(status, int):
        status = Status.SUCCESS
    if answers.goes_on:
        answers.send(status)


def _serve_store(answers: Answers) -> None:
    try:
        status = answers.ask()
    except Exception as error:
        answers.failed(error)
        status = _STORE_FAILED
    if answers.goes_on:
        answers.send(status)


def _serve_find(answers: Answers) -> None:
    try:
        handler = answers.ask()
    except Exception as error:
        answers.failed(error)
        if answers.goes_on:
            answers.send(_FIND_FAILED)
        return
    for status, dataset in results_of(answers, iter(handler or ()), _FIND_FAILED):
        if not answers.goes_on:
            return
        category = code_to_category(int(answers.response(status).status))
        if category == "Pending":
            try:
                data = encoded(dataset, answers.syntax, "Identifier")
            except ValueError as error:
                answers.failed(error)
                answers.send(_NOT_ENCODED)
                return
            answers.send(status, data)
            continue
        answers.send(status)
        if category != "Warning":
            return
    if answers.goes_on:
        answers.send(Status.SUCCESS)


def _pair(request: RequestMessage, answer: Any) -> tuple[Any, Any]:
    """What a handler of DIMSE-N answers: a status and a data set, except for N-DELETE."""
    if isinstance(request, NDeleteRequest):
        return answer, None
    status, dataset = answer
    return status, dataset


def _serve_normalized(answers: Answers) -> None:
    request = answers.request
    try:
        answer = answers.ask()
        status, dataset = _pair(request, answer)
    except Exception as error:
        answers.failed(error)
        status, dataset = Status.PROCESSING_FAILURE, None
    if not answers.goes_on:
        return
    category = code_to_category(int(answers.response(status).status))
    if category not in {"Success", "Warning"}:
        answers.send(status)
        return
    values: dict[str, Any] = {}
    if isinstance(request, NCreateRequest) and request.affected_sop_instance_uid is None and category == "Success":
        if not is_dataset(dataset) or "AffectedSOPInstanceUID" not in dataset:
            _log.error("the handler of EVT_N_CREATE named no Affected SOP Instance UID")
            answers.send(Status.PROCESSING_FAILURE)
            return
        values["affected_sop_instance_uid"] = str(dataset.AffectedSOPInstanceUID)
        del dataset.AffectedSOPInstanceUID
    try:
        data = encoded(dataset, answers.syntax, "response") if is_dataset(dataset) and len(dataset) else None
    except ValueError as error:
        answers.failed(error)
        answers.send(Status.PROCESSING_FAILURE)
        return
    answers.send(status, data, **values)


_SERVED: Final[dict[type[RequestMessage], Callable[[Answers], None]]] = {
    CEchoRequest: _serve_echo,
    CStoreRequest: _serve_store,
    CFindRequest: _serve_find,
    CGetRequest: serve_get,
    CMoveRequest: serve_move,
}
