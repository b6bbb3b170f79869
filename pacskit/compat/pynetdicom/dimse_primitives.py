"""pynetdicom's view of DIMSE messages: attributes by the keywords of PS3.6, the data set as a stream."""

from __future__ import annotations

from io import BytesIO
from typing import Any, ClassVar, Final

from pacskit.compat.pydicom.tag import Tag
from pacskit.compat.pydicom.uid import UID
from pacskit.compat.pynetdicom.datasets import library
from pacskit.network.dimse import Message, ResponseMessage, encode_message
from pacskit.network.observe import message_name

__all__ = ["FIELDS", "DIMSEMessage", "DIMSEPrimitive", "message_of", "primitive_of"]

FIELDS: Final = {
    "ActionTypeID": "action_type_id",
    "AffectedSOPClassUID": "affected_sop_class_uid",
    "AffectedSOPInstanceUID": "affected_sop_instance_uid",
    "AttributeIdentifierList": "attribute_identifier_list",
    "ErrorComment": "error_comment",
    "ErrorID": "error_id",
    "EventTypeID": "event_type_id",
    "MessageID": "message_id",
    "MessageIDBeingRespondedTo": "message_id_being_responded_to",
    "MoveDestination": "move_destination",
    "MoveOriginatorApplicationEntityTitle": "move_originator_ae",
    "MoveOriginatorMessageID": "move_originator_message_id",
    "NumberOfCompletedSuboperations": "number_of_completed_suboperations",
    "NumberOfFailedSuboperations": "number_of_failed_suboperations",
    "NumberOfRemainingSuboperations": "number_of_remaining_suboperations",
    "NumberOfWarningSuboperations": "number_of_warning_suboperations",
    "OffendingElement": "offending_element",
    "Priority": "priority",
    "RequestedSOPClassUID": "requested_sop_class_uid",
    "RequestedSOPInstanceUID": "requested_sop_instance_uid",
    "Status": "status",
}
_TAGS: Final = frozenset({"AttributeIdentifierList", "OffendingElement"})


class DIMSEPrimitive:
    """A request or response; what it has no field for is no attribute, what is not there is None."""

    DATA: ClassVar[tuple[str, ...]] = ()  # what its data set is called, in the request and in the response

    def __init__(self, message: Message) -> None:
        self._message = message
        self._stream: BytesIO | None = None

    @property
    def msg_type(self) -> str:
        """The name of the operation: ``C-STORE``."""
        return type(self).__name__.replace("_", "-")

    @property
    def is_valid_request(self) -> bool:
        """Whether it is a request: one that lacks what it must have never gets here."""
        return not isinstance(self._message, ResponseMessage)

    @property
    def is_valid_response(self) -> bool:
        """Whether it is a response."""
        return isinstance(self._message, ResponseMessage)

    def __getattr__(self, name: str) -> Any:
        if name in self.DATA:
            return self._data_set()
        field = FIELDS.get(name)
        if field is None or not hasattr(self._message, field):
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        value = getattr(self._message, field)
        if value is None:
            return None
        if name.endswith("UID"):
            return UID(str(value), validation_mode=0)
        return [Tag(int(tag)) for tag in value] if name in _TAGS else value

    def _data_set(self) -> BytesIO | None:
        if self._stream is None and self._message.data is not None:
            self._stream = BytesIO(_joined(self._message.data))
        return self._stream


def _joined(data: Any) -> bytes:
    return b"".join(map(bytes, data)) if isinstance(data, (list, tuple)) else bytes(data)


class C_ECHO(DIMSEPrimitive):
    """C-ECHO."""


class C_STORE(DIMSEPrimitive):
    """C-STORE."""

    DATA: ClassVar[tuple[str, ...]] = ("DataSet",)


class C_FIND(DIMSEPrimitive):
    """C-FIND."""

    DATA: ClassVar[tuple[str, ...]] = ("Identifier",)


class C_GET(C_FIND):
    """C-GET."""


class C_MOVE(C_FIND):
    """C-MOVE."""


class C_CANCEL(DIMSEPrimitive):
    """C-CANCEL."""


class N_EVENT_REPORT(DIMSEPrimitive):
    """N-EVENT-REPORT."""

    DATA: ClassVar[tuple[str, ...]] = ("EventInformation", "EventReply")


class N_GET(DIMSEPrimitive):
    """N-GET."""

    DATA: ClassVar[tuple[str, ...]] = ("AttributeList",)


class N_SET(DIMSEPrimitive):
    """N-SET."""

    DATA: ClassVar[tuple[str, ...]] = ("ModificationList", "AttributeList")


class N_ACTION(DIMSEPrimitive):
    """N-ACTION."""

    DATA: ClassVar[tuple[str, ...]] = ("ActionInformation", "ActionReply")


class N_CREATE(DIMSEPrimitive):
    """N-CREATE."""

    DATA: ClassVar[tuple[str, ...]] = ("AttributeList",)


class N_DELETE(DIMSEPrimitive):
    """N-DELETE."""


_CLASSES: Final = (
    C_ECHO, C_STORE, C_FIND, C_GET, C_MOVE, C_CANCEL, N_EVENT_REPORT, N_GET, N_SET, N_ACTION, N_CREATE, N_DELETE,
)  # fmt: skip
_BY_NAME: Final = {cls.__name__.replace("_", "-"): cls for cls in _CLASSES}


def primitive_of(message: Message) -> DIMSEPrimitive:
    """A message in pynetdicom's shape."""
    return _BY_NAME[message_name(message).rpartition("-")[0]](message)


class DIMSEMessage:
    """A message that passed; its class is named after it: ``C_STORE_RQ``."""

    def __init__(self, message: Message) -> None:
        self._message = message

    @property
    def command_set(self) -> Any:
        """The command set (PS3.7 6.3.1)."""
        return library().decoded(encode_message(self._message), "1.2.840.10008.1.2")

    @property
    def data_set(self) -> BytesIO:
        """The data set, encoded; empty where there is none."""
        data = self._message.data
        return BytesIO(b"" if data is None else _joined(data))

    @property
    def context_id(self) -> int | None:
        """The number of the presentation context."""
        context = self._message.context
        return None if context is None else context.id

    def message_to_primitive(self) -> DIMSEPrimitive:
        """The message as a primitive."""
        return primitive_of(self._message)


_MESSAGES: Final = {
    f"{name}-{kind}": type(f"{name}-{kind}".replace("-", "_"), (DIMSEMessage,), {"__doc__": f"{name}-{kind}."})
    for name in _BY_NAME
    for kind in ("RQ", "RSP")
}


def message_of(message: Message) -> DIMSEMessage:
    """A message that passed, in pynetdicom's shape."""
    made: DIMSEMessage = _MESSAGES[message_name(message)](message)
    return made
