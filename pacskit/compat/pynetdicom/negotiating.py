"""Asking for associations, and deciding on those that others ask for, by pynetdicom's rules (PS3.8 7.1, PS3.7 D.3)."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pacskit.compat.pynetdicom import events as evt
from pacskit.compat.pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pacskit.compat.pynetdicom.presentation import PresentationContext
from pacskit.network.config import Limits, Timeouts
from pacskit.network.identity import NOT_IDENTIFIED, Identified
from pacskit.network.negotiation import (
    AcceptorPolicy,
    AssociationInfo,
    ContextProposal,
    Role,
    accept,
    propose,
)
from pacskit.network.pdu import (
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    CommonExtendedItem,
    RoleItem,
)
from pacskit.network.secure import AnyTransport, SecureTransport
from pacskit.network.transport import Transport
from pacskit.security.channel import TlsChannel

if TYPE_CHECKING:
    from pacskit.compat.pynetdicom.association import Association
    from pacskit.security.channel import TlsInfo

__all__ = ["answer_to", "connect", "limits_for", "proposal_of", "refusal_of", "timeouts_for"]

_log = logging.getLogger("pacskit.compat.pynetdicom")

_FOR_EVER: Final = 10.0 * 365 * 86400  # what None means in pynetdicom
_RELEASE: Final = 5.0
_MAX_OBJECT: Final = 1 << 30
_CALLING_NOT_KNOWN: Final = AssociateReject(1, 1, 3)


def _seconds(value: float | None) -> float:
    return _FOR_EVER if value is None else max(float(value), 0.001)


def timeouts_for(assoc: Association) -> Timeouts:
    """The deadlines of an association; that of an idle one is kept where it is waited for."""
    acse = _seconds(assoc.acse_timeout)
    return Timeouts(
        connect=_seconds(assoc.connection_timeout),
        handshake=acse,
        acse=acse,
        dimse=_seconds(assoc.dimse_timeout),
        idle=None,
        release=min(acse, _RELEASE),
    )


def limits_for(max_pdu: int) -> Limits:
    """The budgets of an association: one operation at a time, and data sets in memory."""
    return Limits(max_pdu=max_pdu, max_async_ops=1, max_memory=_MAX_OBJECT)


# The requestor


def connect(
    assoc: Association, where: tuple[str, int], bind: tuple[Any, ...] | None, tls: tuple[Any, str | None] | None
) -> tuple[socket.socket, AnyTransport, TlsInfo | None]:
    """Open the connection, with TLS where it is wanted; OSError where there is none."""
    sock = socket.create_connection(where, timeout=assoc.connection_timeout, source_address=bind)
    try:
        plain = Transport(sock)
        if tls is None:
            return sock, plain, None
        channel = TlsChannel(tls[0], server_side=False, server_hostname=tls[1] or None)
        secure = SecureTransport(plain, channel)
        return sock, secure, secure.handshake(_seconds(assoc.acse_timeout), f"{where[0]}:{where[1]}")
    except BaseException:
        sock.close()
        raise


def proposal_of(assoc: Association, max_pdu: int) -> AssociateRequest:
    """The A-ASSOCIATE-RQ; ValueError for what cannot be proposed."""
    requestor, ae = assoc.requestor, assoc.ae
    items = requestor.extended_negotiation
    identity = requestor.user_identity
    window = next((one for one in items if isinstance(one, AsynchronousOperationsWindowNegotiation)), None)
    proposal = propose(
        assoc.acceptor.ae_title,
        requestor.ae_title,
        [ContextProposal(str(one.abstract_syntax), tuple(map(str, one.transfer_syntax))) for one in requestor.contexts],
        limits=limits_for(max_pdu),
        roles=_roles(one for one in items if isinstance(one, SCP_SCU_RoleSelectionNegotiation)),
        extended=[one.as_item() for one in items if isinstance(one, SOPClassExtendedNegotiation)],
        common_extended=[one.as_item() for one in items if isinstance(one, SOPClassCommonExtendedNegotiation)],
        identity=None if identity is None else identity.as_item(),
        window=None if window is None else window.as_item(),
    )
    version = ae.implementation_version_name or ""
    user = replace(
        proposal.user, implementation_class_uid=str(ae.implementation_class_uid), implementation_version=version
    )
    return replace(proposal, user=user)


def _roles(items: Iterable[SCP_SCU_RoleSelectionNegotiation]) -> dict[str, Role]:
    found = [item.as_item() for item in items]
    return {one.sop_class_uid: Role(one.scu, one.scp) for one in found}


# The acceptor


def refusal_of(assoc: Association, request: AssociateRequest) -> tuple[AssociateReject | None, Identified | None]:
    """The reject that a request gets, if it gets one, and who its user is."""
    ae = assoc.ae
    called = (assoc.acceptor.ae_title.strip(),) if ae.require_called_aet else ()
    reject = AcceptorPolicy(serves=lambda uid: None, called=called).refuse(request)
    calling = [title.strip() for title in ae.require_calling_aet]
    if reject is None and calling and request.calling not in calling:
        reject = _CALLING_NOT_KNOWN
    if reject is not None or request.user.identity is None:
        return reject, None
    return _identified(assoc, assoc.requestor.user_identity)


def _identified(
    assoc: Association, identity: UserIdentityNegotiation | None
) -> tuple[AssociateReject | None, Identified | None]:
    if identity is None or not assoc.handlers.of(evt.EVT_USER_ID):
        return None, None  # nobody asks who the user is
    try:
        verified, response = assoc.handlers.ask(
            assoc,
            evt.EVT_USER_ID,
            user_id_type=identity.user_identity_type,
            primary_field=identity.primary_field,
            secondary_field=identity.secondary_field,
        )
    except Exception as error:  # what it says may hold a secret
        _log.error("the handler of EVT_USER_ID failed: %s", type(error).__name__)
        verified, response = False, None
    return (None, Identified("", response or b"")) if verified else (NOT_IDENTIFIED, None)


def answer_to(
    assoc: Association,
    request: AssociateRequest,
    peer: tuple[str, int],
    *,
    tls: TlsInfo | None,
    identity: Identified | None,
) -> tuple[AssociateAccept, AssociationInfo]:
    """Decide on each context and item, and answer."""
    supported = {str(one.abstract_syntax): one for one in assoc.acceptor.contexts}
    extended = _extended(assoc)
    user = replace(
        request.user,
        roles=tuple(role for role in (_allowed(item, supported) for item in request.user.roles) if role),
        common_extended=_common(assoc),
        async_window=request.user.async_window if _wants_window(assoc, request) else None,
    )

    def serves(uid: str) -> list[str] | None:
        context = supported.get(uid)
        return None if context is None else [str(syntax) for syntax in context.transfer_syntax]

    policy = AcceptorPolicy(
        serves=serves,
        uses=lambda uid: uid in supported and supported[uid].scp_role is True,
        extend=lambda uid, information: extended.get(uid),
    )
    answer, info = accept(
        replace(request, user=user), policy, limits_for(assoc.ae.maximum_pdu_size), peer, tls=tls, identity=identity
    )
    ae = assoc.ae
    said = replace(
        answer.user,
        implementation_class_uid=str(ae.implementation_class_uid),
        implementation_version=ae.implementation_version_name or "",
    )
    return replace(answer, user=said), info


def _allowed(item: RoleItem, supported: dict[str, PresentationContext]) -> RoleItem | None:
    """The roles of a proposal that our context allows; None where it says nothing about roles."""
    context = supported.get(item.sop_class_uid)
    if context is None or context.scu_role is None or context.scp_role is None:
        return None
    return RoleItem(item.sop_class_uid, item.scu and context.scu_role, item.scp and context.scp_role)


def _wants_window(assoc: Association, request: AssociateRequest) -> bool:
    window = request.user.async_window
    if window is None or not assoc.handlers.of(evt.EVT_ASYNC_OPS):
        return False
    try:
        assoc.handlers.ask(assoc, evt.EVT_ASYNC_OPS, nr_invoked=window.invoked, nr_performed=window.performed)
    except Exception as error:
        _failed("EVT_ASYNC_OPS", error)
    return True


def _extended(assoc: Association) -> dict[str, bytes]:
    if not assoc.handlers.of(evt.EVT_SOP_EXTENDED):
        return {}
    try:
        answer = assoc.handlers.ask(assoc, evt.EVT_SOP_EXTENDED, app_info=assoc.requestor.sop_class_extended)
        return {str(uid): bytes(information) for uid, information in (answer or {}).items()}
    except Exception as error:
        _failed("EVT_SOP_EXTENDED", error)
        return {}


def _common(assoc: Association) -> tuple[CommonExtendedItem, ...]:
    if not assoc.handlers.of(evt.EVT_SOP_COMMON):
        return ()
    try:
        answer = assoc.handlers.ask(assoc, evt.EVT_SOP_COMMON, items=assoc.requestor.sop_class_common_extended)
        return tuple(item.as_item() for item in (answer or {}).values())
    except Exception as error:
        _failed("EVT_SOP_COMMON", error)
        return ()


def _failed(name: str, error: Exception) -> None:
    _log.error("the handler of %s failed: %s", name, type(error).__name__)
    _log.debug("the failure", exc_info=error)
