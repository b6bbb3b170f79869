"""How a request is answered, as a flow around the service's own: the rules that hold under every driver."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from pacskit.core.errors import DimseError, LimitError
from pacskit.core.status import Status
from pacskit.network.dimse import CFindRequest, CGetRequest, CMoveRequest, Message, NEventReportRequest, RequestMessage
from pacskit.network.flow import Flow, Request, Send, Service
from pacskit.network.negotiation import AssociationInfo, PresentationContext
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
    service = _find(message, message.context, service_for)
    if service is None:
        return None
    _check_operation(service, message)
    return service.sink(Request(message, message.context), info)


def _find(message: RequestMessage, context: PresentationContext, service_for: ServiceFor) -> Service | None:
    """Return the service for the SOP class, or for the context's: it may be a meta SOP class (PS3.7 10.1)."""
    service = service_for(context.served_as or message.sop_class_uid or "")
    if service is None and context.abstract_syntax != message.sop_class_uid:
        service = service_for(context.abstract_syntax)
        return service if getattr(service, "by_context", False) else None
    return service


def _check_operation(service: Service, message: RequestMessage) -> None:
    operations = getattr(service, "operations", None)
    if operations is not None and not isinstance(message, operations):
        raise DimseError(Status.UNRECOGNIZED_OPERATION, "this SOP class has no such operation here")


def answering(message: RequestMessage, driver: Answerer, service_for: ServiceFor) -> Flow:
    """Serve ``message``; what goes wrong becomes a status, unless the association itself is gone."""
    refusal: DimseError | None = None
    status = _FAILURES.get(type(message), Status.PROCESSING_FAILURE)
    try:
        if message.error is not None:
            raise message.error
        yield from _serving(message, driver.info, service_for)
        if not driver.answered:
            _log.error("a service ended without an answer to %s", type(message).__name__)
    except DimseError as exc:
        refusal = exc
    except LimitError as exc:
        refusal = DimseError(Status.OUT_OF_RESOURCES, str(exc))
    except Exception as exc:
        if not driver.is_open:
            raise
        _log.info("%s failed: %s", type(message).__name__, type(exc).__name__)
        _log.debug("the failure", exc_info=exc)
    if not driver.answered:
        yield Send(message.response(status) if refusal is None else message.refusal(refusal))


def _serving(message: RequestMessage, info: AssociationInfo | None, service_for: ServiceFor) -> Flow:
    context = message.context
    if info is None or context is None:
        raise DimseError(Status.PROCESSING_FAILURE)
    service = _find(message, context, service_for)
    # Notifications come from the SCP of the class (PS3.7 10.1.1), everything else from its SCU.
    if service is None or not (context.as_scp or isinstance(message, NEventReportRequest)):
        raise DimseError(Status.CLASS_NOT_SUPPORTED, "SOP class not supported here")
    _check_operation(service, message)
    return service.serve(Request(message, context, message.data), info)
