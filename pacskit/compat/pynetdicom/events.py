"""pynetdicom's events (``evt``): what handlers are bound to, and what they are given."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from io import BytesIO
from typing import Any, Final, NamedTuple, TypeAlias

from pacskit.compat.pydicom.dataset import FileMetaDataset
from pacskit.compat.pydicom.filewriter import write_file_meta_info
from pacskit.compat.pynetdicom.datasets import file_meta_of
from pacskit.compat.pynetdicom.errors import Unsupported

__all__ = ["Event", "EventHandlerType", "EventType", "Handlers", "InterventionEvent", "NotificationEvent"]

_log = logging.getLogger("pacskit.compat.pynetdicom")


class NotificationEvent(NamedTuple):
    """Something that happened; any number of handlers, whose results count for nothing."""

    name: str
    description: str
    is_intervention: bool = False
    is_notification: bool = True

    def __str__(self) -> str:
        return self.name


class InterventionEvent(NamedTuple):
    """Something that is asked; one handler, whose result is the answer."""

    name: str
    description: str
    is_intervention: bool = True
    is_notification: bool = False

    def __str__(self) -> str:
        return self.name


EventType: TypeAlias = NotificationEvent | InterventionEvent
EventHandlerType: TypeAlias = "tuple[EventType, Callable[..., Any]] | tuple[EventType, Callable[..., Any], list[Any]]"

EVT_ABORTED = NotificationEvent("EVT_ABORTED", "the association was aborted")
EVT_ACCEPTED = NotificationEvent("EVT_ACCEPTED", "the association was accepted")
EVT_ACSE_RECV = NotificationEvent("EVT_ACSE_RECV", "an association control primitive was received")
EVT_ACSE_SENT = NotificationEvent("EVT_ACSE_SENT", "an association control primitive was sent")
EVT_CONN_CLOSE = NotificationEvent("EVT_CONN_CLOSE", "the connection was closed")
EVT_CONN_OPEN = NotificationEvent("EVT_CONN_OPEN", "the connection was opened")
EVT_DATA_RECV = NotificationEvent("EVT_DATA_RECV", "the bytes of a PDU were received")
EVT_DATA_SENT = NotificationEvent("EVT_DATA_SENT", "the bytes of a PDU were sent")
EVT_DIMSE_RECV = NotificationEvent("EVT_DIMSE_RECV", "a DIMSE message was received")
EVT_DIMSE_SENT = NotificationEvent("EVT_DIMSE_SENT", "a DIMSE message was sent")
EVT_ESTABLISHED = NotificationEvent("EVT_ESTABLISHED", "the association is established")
EVT_FSM_TRANSITION = NotificationEvent("EVT_FSM_TRANSITION", "the state machine changes its state")
EVT_PDU_RECV = NotificationEvent("EVT_PDU_RECV", "a PDU was received")
EVT_PDU_SENT = NotificationEvent("EVT_PDU_SENT", "a PDU was sent")
EVT_REJECTED = NotificationEvent("EVT_REJECTED", "the association was rejected")
EVT_RELEASED = NotificationEvent("EVT_RELEASED", "the association was released")
EVT_REQUESTED = NotificationEvent("EVT_REQUESTED", "an association was requested")

EVT_ASYNC_OPS = InterventionEvent("EVT_ASYNC_OPS", "an asynchronous operations window is proposed")
EVT_SOP_COMMON = InterventionEvent("EVT_SOP_COMMON", "SOP class common extended negotiation is proposed")
EVT_SOP_EXTENDED = InterventionEvent("EVT_SOP_EXTENDED", "SOP class extended negotiation is proposed")
EVT_USER_ID = InterventionEvent("EVT_USER_ID", "the requestor says who its user is")
EVT_C_ECHO = InterventionEvent("EVT_C_ECHO", "a C-ECHO request was received")
EVT_C_FIND = InterventionEvent("EVT_C_FIND", "a C-FIND request was received")
EVT_C_GET = InterventionEvent("EVT_C_GET", "a C-GET request was received")
EVT_C_MOVE = InterventionEvent("EVT_C_MOVE", "a C-MOVE request was received")
EVT_C_STORE = InterventionEvent("EVT_C_STORE", "a C-STORE request was received")
EVT_N_ACTION = InterventionEvent("EVT_N_ACTION", "an N-ACTION request was received")
EVT_N_CREATE = InterventionEvent("EVT_N_CREATE", "an N-CREATE request was received")
EVT_N_DELETE = InterventionEvent("EVT_N_DELETE", "an N-DELETE request was received")
EVT_N_EVENT_REPORT = InterventionEvent("EVT_N_EVENT_REPORT", "an N-EVENT-REPORT request was received")
EVT_N_GET = InterventionEvent("EVT_N_GET", "an N-GET request was received")
EVT_N_SET = InterventionEvent("EVT_N_SET", "an N-SET request was received")

_REFUSED: Final = {
    EVT_FSM_TRANSITION: "the state machine here has no hooks; EVT_PDU_RECV and EVT_PDU_SENT tell what moves it",
}


class Event:
    """What a handler is given. Attributes that an event does not have raise AttributeError."""

    request: Any
    context: Any

    def __init__(self, assoc: Any, event: EventType, attributes: dict[str, Any] | None = None) -> None:
        self.assoc = assoc
        self.timestamp = datetime.now()
        self._event = event
        self._decoded: Any = None
        self._cancelled: Callable[[], bool] | None = None
        for name, value in (attributes or {}).items():
            setattr(self, name, value)

    @property
    def event(self) -> EventType:
        """Which event it is."""
        return self._event

    def _of_request(self, name: str) -> Any:
        request = self.__dict__.get("request")
        try:
            return getattr(request, name)
        except AttributeError:
            raise AttributeError(f"{self._event.name} has no {name!r}") from None

    def _data(self, name: str) -> Any:
        stream = self._of_request(name)
        if self._decoded is None:
            data = b"" if stream is None else stream.getvalue()
            self._decoded = self.assoc.library.decoded(data, self.context.transfer_syntax)
        return self._decoded

    @property
    def dataset(self) -> Any:
        """The data set of a C-STORE."""
        return self._data("DataSet")

    @property
    def identifier(self) -> Any:
        """The identifier of a C-FIND, C-GET or C-MOVE."""
        return self._data("Identifier")

    @property
    def attribute_list(self) -> Any:
        """The attribute list of an N-CREATE."""
        return self._data("AttributeList")

    @property
    def modification_list(self) -> Any:
        """The modification list of an N-SET."""
        return self._data("ModificationList")

    @property
    def action_information(self) -> Any:
        """The action information of an N-ACTION."""
        return self._data("ActionInformation")

    @property
    def event_information(self) -> Any:
        """The event information of an N-EVENT-REPORT."""
        return self._data("EventInformation")

    @property
    def attribute_identifiers(self) -> list[Any]:
        """The attributes that an N-GET asks for; none for all."""
        return self._of_request("AttributeIdentifierList") or []

    @property
    def action_type(self) -> int:
        """The action type of an N-ACTION."""
        return int(self._of_request("ActionTypeID"))

    @property
    def event_type(self) -> int:
        """The event type of an N-EVENT-REPORT."""
        return int(self._of_request("EventTypeID"))

    @property
    def message_id(self) -> int:
        """The message ID of a request."""
        return int(self._of_request("MessageID"))

    @property
    def move_destination(self) -> str:
        """The AE title that a C-MOVE wants the instances sent to."""
        return str(self._of_request("MoveDestination")).strip()

    @property
    def is_cancelled(self) -> bool:
        """Whether a C-CANCEL for this C-FIND, C-GET or C-MOVE has arrived."""
        return self._cancelled is not None and self._cancelled()

    @property
    def file_meta(self) -> Any:
        """The File Meta Information for the data set of a C-STORE."""
        return self._filled(self.assoc.library.file_meta())

    def _filled(self, meta: Any) -> Any:
        self._of_request("DataSet")
        return file_meta_of(
            meta,
            sop_class_uid=self.request.AffectedSOPClassUID,
            sop_instance_uid=self.request.AffectedSOPInstanceUID,
            transfer_syntax=self.context.transfer_syntax,
        )

    def encoded_dataset(self, include_meta: bool = True) -> bytes:
        """The data set of a C-STORE as it came, as a whole file or by itself."""
        stream = self._of_request("DataSet")
        data = b"" if stream is None else bytes(stream.getvalue())
        if not include_meta:
            return data
        head = BytesIO()
        write_file_meta_info(head, self._filled(FileMetaDataset()))
        return b"".join((bytes(128), b"DICM", head.getvalue(), data))

    @property
    def dataset_path(self) -> Any:
        """Refused: there is no setting that leaves data sets in files."""
        raise Unsupported("event.dataset_path: received data sets are in memory; use event.encoded_dataset()")


_Bound: TypeAlias = "tuple[Callable[..., Any], list[Any] | None]"


class Handlers:
    """Who is told what. Any number of threads use one."""

    def __init__(self, given: Iterable[Any] = ()) -> None:
        self._lock = threading.Lock()
        self._bound: dict[EventType, tuple[_Bound, ...]] = {}
        for one in given:
            self.bind(*one)

    def bind(self, event: EventType, handler: Callable[..., Any], args: list[Any] | None = None) -> None:
        """Bind a handler; that of an intervention event takes the place of an earlier one."""
        if event in _REFUSED:
            raise Unsupported(f"{event.name}: {_REFUSED[event]}")
        if not isinstance(event, (NotificationEvent, InterventionEvent)):
            raise TypeError("'event' must be one of evt's events")
        with self._lock:
            earlier = () if event.is_intervention else self._bound.get(event, ())
            if (handler, args) not in earlier:
                self._bound[event] = (*earlier, (handler, args))

    def unbind(self, event: EventType, handler: Callable[..., Any]) -> None:
        """Take a handler away; nothing happens where it is not bound."""
        with self._lock:
            left = tuple(one for one in self._bound.get(event, ()) if one[0] != handler)
            if left:
                self._bound[event] = left
            else:
                self._bound.pop(event, None)

    def of(self, event: EventType) -> tuple[_Bound, ...]:
        """What is bound to an event."""
        return self._bound.get(event, ())

    def all(self) -> list[tuple[EventType, Callable[..., Any], list[Any] | None]]:
        """Every binding."""
        with self._lock:
            return [(event, *one) for event, bound in self._bound.items() for one in bound]

    def events(self) -> list[EventType]:
        """The events with a handler, by name."""
        return sorted(self._bound, key=lambda event: event.name)

    def get(self, event: EventType) -> Any:
        """The handlers of an event in pynetdicom's shape."""
        bound = self.of(event)
        if event.is_intervention:
            return bound[0] if bound else (None, None)
        return list(bound)

    def notify(self, assoc: Any, event: NotificationEvent, **attributes: Any) -> None:
        """Tell the handlers of a notification event; one that raises is logged, and harms nobody."""
        bound = self.of(event)
        if not bound:
            return
        told = Event(assoc, event, attributes)
        for handler, args in bound:
            try:
                handler(told, *(args or ()))
            except Exception as error:
                _log.error("a handler of %s failed: %s", event.name, type(error).__name__)
                _log.debug("the failure", exc_info=error)

    def ask(
        self, assoc: Any, event: InterventionEvent, cancelled: Callable[[], bool] | None = None, **attributes: Any
    ) -> Any:
        """Return what the handler of an intervention event answers; NotImplementedError where there is none."""
        bound = self.of(event)
        if not bound:
            raise NotImplementedError(f"no handler is bound to {event.name}")
        asked = Event(assoc, event, attributes)
        asked._cancelled = cancelled
        handler, args = bound[0]
        return handler(asked, *(args or ()))
