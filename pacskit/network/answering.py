"""How a request is answered, as a flow around the service's own: the rules that hold under every driver."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from pacskit.core.errors import DimseError, LimitError
from pacskit.core.status import Status
from pacskit.network.dimse import CFindRequest, CGetRequest, CMoveRequest, Message, RequestMessage
from pacskit.network.flow import Flow, Request, Send, Service
from pacskit.network.negotiation import AssociationInfo
from pacskit.network.sink import Sink

__all__ = ["Answerer", "ServiceFor", "answering", "sink_for"]

_log = logging.getLogger("pacskit.network")

ServiceFor = Callable[[str], Service | None]

# PS3.4 gives these services a failure of their own; for the others PS3.7 annex C's general one holds.
_FAILURES: dict[type[RequestMessage], Status] = {
    CFindRequest: Status.UNABLE_TO_PROCESS,
    CGetRequest: Status.UNABLE_TO_PROCESS,
    CMoveRequest: Status.UNABLE_TO_PROCESS,
}


class Answerer(Protocol):
    """What a driver tells these rules: ``answered`` is set when it has sent a response that is final."""

    answered: bool

    @property
    def is_open(self) -> bool: ...

    @property
    def info(self) -> AssociationInfo | None: ...


def sink_for(message: Message, info: AssociationInfo | None, service_for: ServiceFor) -> Sink | None:
    """Ask the service where the data set of ``message`` goes; None for memory."""
    if not isinstance(message, RequestMessage) or info is None or message.context is None:
        return None
    service = service_for(message.sop_class_uid or "")
    return None if service is None else service.sink(Request(message, message.context), info)


def answering(message: RequestMessage, driver: Answerer, service_for: ServiceFor) -> Flow:
    """Serve ``message``; what goes wrong becomes a status, unless the association itself is gone."""
    comment: str | None = None
    try:
        if message.error is not None:
            raise message.error
        yield from _serving(message, driver.info, service_for)
        status = _FAILURES.get(type(message), Status.PROCESSING_FAILURE)
        if not driver.answered:
            _log.error("a service ended without an answer to %s", type(message).__name__)
    except DimseError as exc:
        status, comment = Status(exc.status), exc.comment
    except LimitError as exc:
        status, comment = Status.OUT_OF_RESOURCES, str(exc)
    except Exception as exc:
        if not driver.is_open:
            raise
        status = _FAILURES.get(type(message), Status.PROCESSING_FAILURE)
        _log.info("%s failed: %s", type(message).__name__, type(exc).__name__)
        _log.debug("the failure", exc_info=exc)
    if not driver.answered:
        yield Send(message.response(status, error_comment=comment))


def _serving(message: RequestMessage, info: AssociationInfo | None, service_for: ServiceFor) -> Flow:
    context = message.context
    if info is None or context is None:
        raise DimseError(Status.PROCESSING_FAILURE)
    service = service_for(message.sop_class_uid or "")
    if service is None or not context.as_scp:
        raise DimseError(Status.CLASS_NOT_SUPPORTED, "SOP class not supported here")
    return service.serve(Request(message, context, message.data), info)
