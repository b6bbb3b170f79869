"""Typed DIMSE messages (PS3.7 9.3 and 10.3): one small class each, coded by templates derived from their fields.

A field without a default is mandatory when the message is decoded. A new message is a new class in `_MESSAGES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pacskit.core.status import Status
from pacskit_ext._dimse import Template

if TYPE_CHECKING:
    from pacskit.core.errors import DimseError
    from pacskit.network.negotiation import PresentationContext

__all__ = [
    "TEMPLATES",
    "CCancelRequest",
    "CEchoRequest",
    "CEchoResponse",
    "CFindRequest",
    "CFindResponse",
    "CGetRequest",
    "CGetResponse",
    "CMoveRequest",
    "CMoveResponse",
    "CStoreRequest",
    "CStoreResponse",
    "Message",
    "NActionRequest",
    "NActionResponse",
    "NCreateRequest",
    "NCreateResponse",
    "NDeleteRequest",
    "NDeleteResponse",
    "NEventReportRequest",
    "NEventReportResponse",
    "NGetRequest",
    "NGetResponse",
    "NSetRequest",
    "NSetResponse",
    "RequestMessage",
    "ResponseMessage",
    "encode_message",
]


@dataclass(slots=True, kw_only=True)
class Message:
    """A command set and, where there is one, its data set.

    ``data`` is what goes out (bytes-like, a list of buffers or a `FileSource`) or what the sink made of what came in.
    ``context`` is the presentation context; left None it is chosen when the message is sent. ``error`` is why the
    data set of a received message was not kept, None in the ordinary case.
    """

    COMMAND_FIELD: ClassVar[int] = -1
    context: PresentationContext | None = field(default=None, compare=False, repr=False)
    data: Any = field(default=None, compare=False, repr=False)
    error: Exception | None = field(default=None, compare=False, repr=False)

    @property
    def sop_class_uid(self) -> str | None:
        """The affected or the requested SOP class, whichever this message has."""
        uid = getattr(self, "affected_sop_class_uid", None) or getattr(self, "requested_sop_class_uid", None)
        return uid if uid is None else str(uid)

    @property
    def sop_instance_uid(self) -> str | None:
        """The affected or the requested SOP instance, whichever this message has."""
        uid = getattr(self, "affected_sop_instance_uid", None) or getattr(self, "requested_sop_instance_uid", None)
        return uid if uid is None else str(uid)


@dataclass(slots=True, kw_only=True)
class RequestMessage(Message):
    """What asks for an operation or a notification; a message ID of 0 is filled in when it is sent."""

    message_id: int = 0

    def response(self, status: int = Status.SUCCESS, *, data: Any = None, **values: Any) -> ResponseMessage:
        """Return the response to this request, with the IDs and UIDs copied and ``values`` set on top."""
        cls, copied = _RESPONSES[type(self)]
        for name in copied:
            values.setdefault(name, self.sop_instance_uid if name == _INSTANCE else getattr(self, name))
        return cls(
            context=self.context,
            data=data,
            message_id_being_responded_to=self.message_id,
            affected_sop_class_uid=self.sop_class_uid,
            status=Status(status),
            **values,
        )

    def refusal(self, error: DimseError) -> ResponseMessage:
        """Return the response that says why: the status with its related fields (PS3.7 C.4)."""
        values: dict[str, Any] = {"error_comment": error.comment, "error_id": error.error_id}
        if error.offending:
            values["offending_element"] = error.offending
        if error.attributes and "attribute_identifier_list" in _RESPONSES[type(self)][0].__dataclass_fields__:
            values["attribute_identifier_list"] = error.attributes
        return self.response(error.status, **values)


@dataclass(slots=True, kw_only=True)
class ResponseMessage(Message):
    """What answers a request."""

    message_id_being_responded_to: int
    status: Status
    affected_sop_class_uid: str | None = None
    offending_element: Sequence[int] | None = None
    error_comment: str | None = None
    error_id: int | None = None

    def __post_init__(self) -> None:
        if type(self.status) is not Status:  # a plain number, from the wire or from a caller
            self.status = Status(self.status)

    @property
    def is_pending(self) -> bool:
        """Whether more responses follow (PS3.7 C.1.6)."""
        return self.status.is_pending


@dataclass(slots=True, kw_only=True)
class _SubOperations(ResponseMessage):
    """A response that counts sub-operations (PS3.7 9.1.3, 9.1.4)."""

    number_of_remaining_suboperations: int | None = None
    number_of_completed_suboperations: int | None = None
    number_of_failed_suboperations: int | None = None
    number_of_warning_suboperations: int | None = None


@dataclass(slots=True, kw_only=True)
class CStoreRequest(RequestMessage):
    COMMAND_FIELD: ClassVar[int] = 0x0001
    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    priority: int = 0
    move_originator_ae: str | None = None
    move_originator_message_id: int | None = None


@dataclass(slots=True, kw_only=True)
class CStoreResponse(ResponseMessage):
    COMMAND_FIELD: ClassVar[int] = 0x8001
    affected_sop_instance_uid: str | None = None


@dataclass(slots=True, kw_only=True)
class CGetRequest(RequestMessage):
    COMMAND_FIELD: ClassVar[int] = 0x0010
    affected_sop_class_uid: str
    priority: int = 0


@dataclass(slots=True, kw_only=True)
class CGetResponse(_SubOperations):
    COMMAND_FIELD: ClassVar[int] = 0x8010


@dataclass(slots=True, kw_only=True)
class CFindRequest(RequestMessage):
    COMMAND_FIELD: ClassVar[int] = 0x0020
    affected_sop_class_uid: str
    priority: int = 0


@dataclass(slots=True, kw_only=True)
class CFindResponse(ResponseMessage):
    COMMAND_FIELD: ClassVar[int] = 0x8020


@dataclass(slots=True, kw_only=True)
class CMoveRequest(RequestMessage):
    COMMAND_FIELD: ClassVar[int] = 0x0021
    affected_sop_class_uid: str
    move_destination: str
    priority: int = 0


@dataclass(slots=True, kw_only=True)
class CMoveResponse(_SubOperations):
    COMMAND_FIELD: ClassVar[int] = 0x8021


@dataclass(slots=True, kw_only=True)
class CEchoRequest(RequestMessage):
    COMMAND_FIELD: ClassVar[int] = 0x0030
    affected_sop_class_uid: str = "1.2.840.10008.1.1"


@dataclass(slots=True, kw_only=True)
class CEchoResponse(ResponseMessage):
    COMMAND_FIELD: ClassVar[int] = 0x8030


@dataclass(slots=True, kw_only=True)
class CCancelRequest(Message):
    """C-CANCEL has no message ID of its own and no response (PS3.7 9.3.2.3)."""

    COMMAND_FIELD: ClassVar[int] = 0x0FFF
    message_id_being_responded_to: int


@dataclass(slots=True, kw_only=True)
class NEventReportRequest(RequestMessage):
    COMMAND_FIELD: ClassVar[int] = 0x0100
    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    event_type_id: int


@dataclass(slots=True, kw_only=True)
class NEventReportResponse(ResponseMessage):
    COMMAND_FIELD: ClassVar[int] = 0x8100
    affected_sop_instance_uid: str | None = None
    event_type_id: int | None = None


@dataclass(slots=True, kw_only=True)
class NGetRequest(RequestMessage):
    COMMAND_FIELD: ClassVar[int] = 0x0110
    requested_sop_class_uid: str
    requested_sop_instance_uid: str
    attribute_identifier_list: Sequence[int] | None = None


@dataclass(slots=True, kw_only=True)
class NGetResponse(ResponseMessage):
    COMMAND_FIELD: ClassVar[int] = 0x8110
    affected_sop_instance_uid: str | None = None
    attribute_identifier_list: Sequence[int] | None = None


@dataclass(slots=True, kw_only=True)
class NSetRequest(RequestMessage):
    COMMAND_FIELD: ClassVar[int] = 0x0120
    requested_sop_class_uid: str
    requested_sop_instance_uid: str


@dataclass(slots=True, kw_only=True)
class NSetResponse(ResponseMessage):
    COMMAND_FIELD: ClassVar[int] = 0x8120
    affected_sop_instance_uid: str | None = None
    attribute_identifier_list: Sequence[int] | None = None


@dataclass(slots=True, kw_only=True)
class NActionRequest(RequestMessage):
    COMMAND_FIELD: ClassVar[int] = 0x0130
    requested_sop_class_uid: str
    requested_sop_instance_uid: str
    action_type_id: int


@dataclass(slots=True, kw_only=True)
class NActionResponse(ResponseMessage):
    COMMAND_FIELD: ClassVar[int] = 0x8130
    affected_sop_instance_uid: str | None = None
    action_type_id: int | None = None


@dataclass(slots=True, kw_only=True)
class NCreateRequest(RequestMessage):
    COMMAND_FIELD: ClassVar[int] = 0x0140
    affected_sop_class_uid: str
    affected_sop_instance_uid: str | None = None


@dataclass(slots=True, kw_only=True)
class NCreateResponse(ResponseMessage):
    COMMAND_FIELD: ClassVar[int] = 0x8140
    affected_sop_instance_uid: str | None = None
    attribute_identifier_list: Sequence[int] | None = None


@dataclass(slots=True, kw_only=True)
class NDeleteRequest(RequestMessage):
    COMMAND_FIELD: ClassVar[int] = 0x0150
    requested_sop_class_uid: str
    requested_sop_instance_uid: str


@dataclass(slots=True, kw_only=True)
class NDeleteResponse(ResponseMessage):
    COMMAND_FIELD: ClassVar[int] = 0x8150
    affected_sop_instance_uid: str | None = None


_PAIRS: tuple[tuple[type[RequestMessage], type[ResponseMessage]], ...] = (
    (CStoreRequest, CStoreResponse),
    (CGetRequest, CGetResponse),
    (CFindRequest, CFindResponse),
    (CMoveRequest, CMoveResponse),
    (CEchoRequest, CEchoResponse),
    (NEventReportRequest, NEventReportResponse),
    (NGetRequest, NGetResponse),
    (NSetRequest, NSetResponse),
    (NActionRequest, NActionResponse),
    (NCreateRequest, NCreateResponse),
    (NDeleteRequest, NDeleteResponse),
)
_MESSAGES: tuple[type[Message], ...] = (*(cls for pair in _PAIRS for cls in pair), CCancelRequest)
_INSTANCE = "affected_sop_instance_uid"
_NOT_CODED = frozenset({"context", "data", "error"})
# Mandatory on the wire although they have a default here, because sending fills them in.
_FILLED_IN = frozenset({"message_id"})

_T = TypeVar("_T", bound=type[Message])


def _template(cls: type[Message]) -> Template:
    coded = [f for f in fields(cls) if f.name not in _NOT_CODED]
    return Template(
        cls.COMMAND_FIELD, cls, tuple((f.name, f.default is MISSING or f.name in _FILLED_IN) for f in coded)
    )


# What a response repeats of its request: PS3.7 10.1 makes the type IDs mandatory with a reply, and allows them always.
_COPIED = (_INSTANCE, "event_type_id", "action_type_id")
_RESPONSES = {
    request: (response, tuple(f.name for f in fields(response) if f.name in _COPIED)) for request, response in _PAIRS
}
TEMPLATES: dict[int, Template] = {cls.COMMAND_FIELD: _template(cls) for cls in _MESSAGES}


def encode_message(message: Message) -> bytes:
    """Return the command set of ``message``; the data set type follows from whether it has data."""
    return TEMPLATES[message.COMMAND_FIELD].encode(message, message.data is not None)
