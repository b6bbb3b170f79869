"""The two sides of an association, as ``assoc.requestor`` and ``assoc.acceptor`` show them."""

from __future__ import annotations

from typing import Any

from pacskit.compat.pydicom.uid import UID
from pacskit.compat.pynetdicom import _globals
from pacskit.compat.pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    NegotiationItem,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pacskit.compat.pynetdicom.presentation import PresentationContext, build_context
from pacskit.network.pdu import AssociateAccept, AssociateReject, AssociateRequest

__all__ = ["ServiceUser"]

_NEGOTIATED = (
    SCP_SCU_RoleSelectionNegotiation,
    AsynchronousOperationsWindowNegotiation,
    UserIdentityNegotiation,
    SOPClassExtendedNegotiation,
    SOPClassCommonExtendedNegotiation,
)


class ServiceUser:
    """The requestor or the acceptor: who it is and what it said; writeable until it has said it."""

    def __init__(self, assoc: Any, mode: str) -> None:
        self.assoc = assoc
        self.mode = mode
        self.ae_title = ""
        self.primitive: A_ASSOCIATE | None = None
        self.where: tuple[str, int] | None = None
        self.contexts: list[PresentationContext] = []
        self._proposed: list[PresentationContext] = []
        self._items: list[NegotiationItem] = []

    def said(self, pdu: AssociateRequest | AssociateAccept | AssociateReject) -> None:
        """Take note of what it said."""
        self.primitive = A_ASSOCIATE.of(pdu)
        if isinstance(pdu, AssociateRequest):
            for item in pdu.contexts:
                context = build_context(item.abstract_syntax, list(item.transfer_syntaxes))
                context.context_id = item.id
                self._proposed.append(context)

    @property
    def writeable(self) -> bool:
        """Whether it has not said anything yet."""
        return self.primitive is None

    @property
    def is_requestor(self) -> bool:
        """Whether it asked for the association."""
        return self.mode == _globals.MODE_REQUESTOR

    @property
    def is_acceptor(self) -> bool:
        """Whether it was asked."""
        return not self.is_requestor

    @property
    def address(self) -> str:
        """Its address."""
        if self.where is None:
            raise ValueError("No address information has been set")
        return self.where[0]

    @property
    def port(self) -> int:
        """Its port."""
        if self.where is None:
            raise ValueError("No address information has been set")
        return self.where[1]

    @property
    def info(self) -> dict[str, Any]:
        """Who it is, in a dictionary."""
        where = self.where or (None, None)
        info = {"ae_title": self.ae_title, "address": where[0], "port": where[1], "mode": self.mode}
        return info if self.writeable else {**info, "pdv_size": self.maximum_length}

    # What it says

    @property
    def user_information(self) -> list[NegotiationItem]:
        """All its items."""
        return self._items if self.primitive is None else self.primitive.user_information

    @property
    def extended_negotiation(self) -> list[NegotiationItem]:
        """The items that negotiate something."""
        return [item for item in self.user_information if isinstance(item, _NEGOTIATED)]

    def _check(self) -> None:
        if not self.writeable:
            raise RuntimeError("negotiation items cannot be changed once negotiation has started")

    def add_negotiation_item(self, item: NegotiationItem) -> None:
        """Add one, before negotiation."""
        self._check()
        if not isinstance(item, _NEGOTIATED):
            raise TypeError("'item' is not a valid extended negotiation item")
        self._items.append(item)

    def remove_negotiation_item(self, item: NegotiationItem) -> None:
        """Take one away, before negotiation."""
        self._check()
        if item in self._items:
            self._items.remove(item)

    def reset_negotiation_items(self) -> None:
        """Take all away, before negotiation."""
        self._check()
        self._items.clear()

    @property
    def requested_contexts(self) -> list[PresentationContext]:
        """The contexts that the requestor proposed, or will."""
        return self._proposed or self.contexts

    @requested_contexts.setter
    def requested_contexts(self, contexts: list[PresentationContext]) -> None:
        self._check()
        if not self.is_requestor:
            raise AttributeError("'requested_contexts' can only be set for the association requestor")
        self.contexts = contexts

    @property
    def supported_contexts(self) -> list[PresentationContext]:
        """The contexts that the acceptor supports."""
        return self.contexts

    @supported_contexts.setter
    def supported_contexts(self, contexts: list[PresentationContext]) -> None:
        self._check()
        if not self.is_acceptor:
            raise AttributeError("'supported_contexts' can only be set for the association acceptor")
        self.contexts = contexts

    def _of(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.user_information if isinstance(item, kind)]

    @property
    def role_selection(self) -> dict[UID, SCP_SCU_RoleSelectionNegotiation]:
        """Its role selection items by SOP class."""
        return {item.sop_class_uid: item for item in self._of(SCP_SCU_RoleSelectionNegotiation)}

    @property
    def sop_class_extended(self) -> dict[UID, bytes]:
        """What it said in SOP class extended negotiation."""
        found = self._of(SOPClassExtendedNegotiation)
        return {item.sop_class_uid: item.service_class_application_information for item in found}

    @property
    def sop_class_common_extended(self) -> dict[UID, SOPClassCommonExtendedNegotiation]:
        """What it said in SOP class common extended negotiation."""
        return {item.sop_class_uid: item for item in self._of(SOPClassCommonExtendedNegotiation)}

    @property
    def user_identity(self) -> UserIdentityNegotiation | None:
        """Who its user is, or what was answered to that."""
        return next(iter(self._of(UserIdentityNegotiation)), None)

    @property
    def asynchronous_operations(self) -> tuple[int, int]:
        """Its window: invoked, performed."""
        for item in self._of(AsynchronousOperationsWindowNegotiation):
            return item.maximum_number_operations_invoked, item.maximum_number_operations_performed
        return 1, 1

    @property
    def maximum_length(self) -> int:
        """The longest P-DATA-TF PDU that it takes; 0 for any."""
        for item in self._of(MaximumLengthNotification):
            return int(item.maximum_length_received)
        return int(self.assoc.ae.maximum_pdu_size)

    @property
    def implementation_class_uid(self) -> UID | None:
        """Its implementation."""
        for item in self._of(ImplementationClassUIDNotification):
            return UID(item.implementation_class_uid)
        return None

    @property
    def implementation_version_name(self) -> str | None:
        """The version of its implementation."""
        for item in self._of(ImplementationVersionNameNotification):
            return str(item.implementation_version_name)
        return None
