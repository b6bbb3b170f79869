"""pynetdicom's negotiation items and association primitives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pacskit.compat.pydicom.uid import UID
from pacskit.network.pdu import (
    AbortPdu,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    AsyncWindow,
    CommonExtendedItem,
    ExtendedItem,
    RoleItem,
    UserIdentity,
    UserInformation,
)

__all__ = [
    "A_ABORT",
    "A_ASSOCIATE",
    "A_P_ABORT",
    "A_RELEASE",
    "AsynchronousOperationsWindowNegotiation",
    "ImplementationClassUIDNotification",
    "ImplementationVersionNameNotification",
    "MaximumLengthNotification",
    "NegotiationItem",
    "SCP_SCU_RoleSelectionNegotiation",
    "SOPClassCommonExtendedNegotiation",
    "SOPClassExtendedNegotiation",
    "UserIdentityNegotiation",
]


class _Item:
    """An item whose attributes are checked when they are set."""

    def __setattr__(self, name: str, value: Any) -> None:
        check = getattr(self, f"_check_{name}", None)
        super().__setattr__(name, value if check is None or value is None else check(value))


def _uid(value: Any) -> UID:
    if isinstance(value, bytes):
        value = value.decode("ascii")
    return UID(value)


def _bytes(name: str, value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"'{name}' must be bytes, not {type(value).__name__}")
    return value


@dataclass
class SCP_SCU_RoleSelectionNegotiation(_Item):
    """Role selection (PS3.7 D.3.3.4)."""

    sop_class_uid: UID | None = None
    scu_role: bool | None = None
    scp_role: bool | None = None

    _check_sop_class_uid = staticmethod(_uid)

    @staticmethod
    def _check_scu_role(value: Any) -> bool:
        if not isinstance(value, bool):
            raise TypeError("a role must be bool or None")
        return value

    _check_scp_role = _check_scu_role

    def as_item(self) -> RoleItem:
        """The item of the PDU."""
        if self.sop_class_uid is None:
            raise ValueError("role selection needs a SOP class UID")
        if not (self.scu_role or self.scp_role):
            raise ValueError("role selection proposes at least one role")
        return RoleItem(str(self.sop_class_uid), bool(self.scu_role), bool(self.scp_role))


@dataclass
class AsynchronousOperationsWindowNegotiation(_Item):
    """The asynchronous operations window (PS3.7 D.3.3.3)."""

    maximum_number_operations_invoked: int = 1
    maximum_number_operations_performed: int = 1

    @staticmethod
    def _check_maximum_number_operations_invoked(value: Any) -> int:
        if not isinstance(value, int):
            raise TypeError("a number of operations must be an int")
        if value < 0:
            raise ValueError("a number of operations is not negative")
        return value

    _check_maximum_number_operations_performed = _check_maximum_number_operations_invoked

    def as_item(self) -> AsyncWindow:
        """The item of the PDU."""
        return AsyncWindow(self.maximum_number_operations_invoked, self.maximum_number_operations_performed)


@dataclass
class SOPClassExtendedNegotiation(_Item):
    """SOP class extended negotiation (PS3.7 D.3.3.5)."""

    sop_class_uid: UID | None = None
    service_class_application_information: bytes | None = None

    _check_sop_class_uid = staticmethod(_uid)

    @staticmethod
    def _check_service_class_application_information(value: Any) -> bytes:
        return _bytes("service_class_application_information", value)

    def as_item(self) -> ExtendedItem:
        """The item of the PDU."""
        if self.sop_class_uid is None or self.service_class_application_information is None:
            raise ValueError("extended negotiation needs a SOP class UID and its information")
        return ExtendedItem(str(self.sop_class_uid), self.service_class_application_information)


@dataclass
class SOPClassCommonExtendedNegotiation(_Item):
    """SOP class common extended negotiation (PS3.7 D.3.3.6)."""

    sop_class_uid: UID | None = None
    service_class_uid: UID | None = None
    related_general_sop_class_identification: list[UID] = field(default_factory=list)

    _check_sop_class_uid = staticmethod(_uid)
    _check_service_class_uid = staticmethod(_uid)

    @staticmethod
    def _check_related_general_sop_class_identification(value: Any) -> list[UID]:
        return [_uid(one) for one in value]

    def as_item(self) -> CommonExtendedItem:
        """The item of the PDU."""
        if self.sop_class_uid is None or self.service_class_uid is None:
            raise ValueError("common extended negotiation needs a SOP class UID and a service class UID")
        related = tuple(str(uid) for uid in self.related_general_sop_class_identification)
        return CommonExtendedItem(str(self.sop_class_uid), str(self.service_class_uid), related)


@dataclass
class UserIdentityNegotiation(_Item):
    """User identity (PS3.7 D.3.3.7)."""

    user_identity_type: int | None = None
    positive_response_requested: bool = False
    primary_field: bytes | None = field(default=None, repr=False)
    secondary_field: bytes | None = field(default=b"", repr=False)
    server_response: bytes | None = field(default=None, repr=False)

    @staticmethod
    def _check_user_identity_type(value: Any) -> int:
        if not isinstance(value, int):
            raise TypeError("a user identity type must be an int")
        if value not in range(1, 6):
            raise ValueError("a user identity type is 1 to 5")
        return value

    @staticmethod
    def _check_primary_field(value: Any) -> bytes:
        return _bytes("primary_field", value)

    @staticmethod
    def _check_secondary_field(value: Any) -> bytes:
        return _bytes("secondary_field", value)

    @staticmethod
    def _check_server_response(value: Any) -> bytes:
        return _bytes("server_response", value)

    def as_item(self) -> UserIdentity:
        """The item of the PDU."""
        if self.user_identity_type is None or self.primary_field is None:
            raise ValueError("user identity needs a type and a primary field")
        secondary = self.secondary_field or b""
        return UserIdentity(self.user_identity_type, self.primary_field, secondary, self.positive_response_requested)


@dataclass
class MaximumLengthNotification(_Item):
    """The maximum length of a PDU (PS3.8 D.1)."""

    maximum_length_received: int = 16382


@dataclass
class ImplementationClassUIDNotification(_Item):
    """The implementation class UID (PS3.7 D.3.3.2)."""

    implementation_class_uid: UID | None = None

    _check_implementation_class_uid = staticmethod(_uid)


@dataclass
class ImplementationVersionNameNotification(_Item):
    """The implementation version name (PS3.7 D.3.3.2)."""

    implementation_version_name: str | None = None


NegotiationItem: TypeAlias = (
    SCP_SCU_RoleSelectionNegotiation
    | AsynchronousOperationsWindowNegotiation
    | SOPClassExtendedNegotiation
    | SOPClassCommonExtendedNegotiation
    | UserIdentityNegotiation
    | MaximumLengthNotification
    | ImplementationClassUIDNotification
    | ImplementationVersionNameNotification
)


def items_of(user: UserInformation) -> list[NegotiationItem]:
    """The items of a user information item, in pynetdicom's classes."""
    items: list[NegotiationItem] = [MaximumLengthNotification(user.max_length)]
    if user.implementation_class_uid:
        items.append(ImplementationClassUIDNotification(_uid(user.implementation_class_uid)))
    if user.implementation_version:
        items.append(ImplementationVersionNameNotification(user.implementation_version))
    if user.async_window is not None:
        window = user.async_window
        items.append(AsynchronousOperationsWindowNegotiation(window.invoked, window.performed))
    items += [SCP_SCU_RoleSelectionNegotiation(_uid(role.sop_class_uid), role.scu, role.scp) for role in user.roles]
    items += [SOPClassExtendedNegotiation(_uid(item.sop_class_uid), item.information) for item in user.extended]
    items += [
        SOPClassCommonExtendedNegotiation(
            _uid(item.sop_class_uid), _uid(item.service_class_uid), list(map(_uid, item.related))
        )
        for item in user.common_extended
    ]
    if user.identity is not None:
        who = user.identity
        items.append(UserIdentityNegotiation(who.type, who.response_requested, who.primary, who.secondary))
    if user.identity_response is not None:
        items.append(UserIdentityNegotiation(server_response=user.identity_response))
    return items


@dataclass
class A_ASSOCIATE:
    """What asked for an association, or answered it (PS3.8 7.1.1)."""

    called_ae_title: str = ""
    calling_ae_title: str = ""
    application_context_name: UID | None = None
    user_information: list[NegotiationItem] = field(default_factory=list)
    result: int | None = None
    result_source: int | None = None
    diagnostic: int | None = None

    @classmethod
    def of(cls, pdu: AssociateRequest | AssociateAccept | AssociateReject) -> A_ASSOCIATE:
        """What a PDU says."""
        if isinstance(pdu, AssociateReject):
            return cls(result=pdu.result, result_source=pdu.source, diagnostic=pdu.reason)
        result = 0 if isinstance(pdu, AssociateAccept) else None
        return cls(pdu.called, pdu.calling, _uid(pdu.application_context), items_of(pdu.user), result)


@dataclass
class A_RELEASE:
    """The release of an association; ``result`` is that of the answer (PS3.8 7.2)."""

    result: str | None = None


@dataclass
class A_ABORT:
    """The abort by a service user (PS3.8 7.3)."""

    abort_source: int = 0


@dataclass
class A_P_ABORT:
    """The abort by a service provider (PS3.8 7.4)."""

    provider_reason: int = 0


def abort_of(pdu: AbortPdu) -> A_ABORT | A_P_ABORT:
    """What an A-ABORT PDU says."""
    return A_P_ABORT(pdu.reason) if pdu.source == 2 else A_ABORT(pdu.source)
