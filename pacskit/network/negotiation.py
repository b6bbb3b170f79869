"""Who accepts what: presentation contexts, roles, rejects (PS3.8 7.1.1, PS3.7 D.3.3.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeAlias

from pacskit._version import __version__
from pacskit.core.errors import ConfigurationError, NoPresentationContext
from pacskit.core.uid import UID
from pacskit.network.address import check_ae_title
from pacskit.network.config import Limits
from pacskit.network.identity import Identified, response_to
from pacskit.network.pdu import (
    APPLICATION_CONTEXT,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    AsyncWindow,
    CommonExtendedItem,
    ContextItem,
    ContextResult,
    ExtendedItem,
    RoleItem,
    UserIdentity,
    UserInformation,
)
from pacskit.security.bindings import AeBinding, allows, binds

if TYPE_CHECKING:
    from pacskit.core.events import Link
    from pacskit.security.channel import TlsInfo

__all__ = [
    "DEFAULT_TRANSFER_SYNTAXES",
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION",
    "AcceptorPolicy",
    "AssociationInfo",
    "ContextProposal",
    "PresentationContext",
    "Proposals",
    "Role",
    "accept",
    "confirm",
    "propose",
    "window_for",
]

# A UUID-derived root (PS3.5 B.2), generated once for this project.
IMPLEMENTATION_CLASS_UID = "2.25.190658178698426771825766872701001605096"
IMPLEMENTATION_VERSION = f"PACSKIT_{__version__.replace('.', '')}"[:16]

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
DEFAULT_TRANSFER_SYNTAXES: tuple[str, ...] = (
    "1.2.840.10008.1.2.1",
    IMPLICIT_LITTLE,
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
)
STORAGE_SERVICE_CLASS = "1.2.840.10008.4.2"
MIN_PDU = 7  # a fragment of one byte and its header
MAX_CONTEXTS = 128  # ids are the odd numbers of one byte

_RESULTS = {
    -1: "not proposed yet",
    0: "accepted",
    1: "rejected by the user",
    2: "rejected, no reason given",
    3: "abstract syntax not supported",
    4: "transfer syntaxes not supported",
}


@dataclass(frozen=True, slots=True)
class Role:
    """The roles that the association requestor wants for a SOP class."""

    scu: bool = True
    scp: bool = False


@dataclass(frozen=True, slots=True)
class ContextProposal:
    """A presentation context to propose: a SOP class and the transfer syntaxes that will do, best first."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...] = DEFAULT_TRANSFER_SYNTAXES


Proposals: TypeAlias = Sequence[ContextProposal | tuple[str, Sequence[str]] | str]


@dataclass(frozen=True, slots=True)
class PresentationContext:
    """A negotiated presentation context, seen from our side: ``as_scu`` and ``as_scp`` are our roles."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    result: int = 0
    as_scu: bool = True
    as_scp: bool = False
    proposed: tuple[str, ...] = ()
    note: str = ""
    """What was irregular about the answer."""
    served_as: str = ""
    """The related general SOP class that it was accepted for, where it is not known itself (PS3.7 D.3.3.6)."""

    @property
    def is_accepted(self) -> bool:
        return self.result == 0

    @property
    def decided_by(self) -> str:
        """Who rejected it, in words: the peer's user or provider (PS3.8 9.3.3.2), or we for what it answered."""
        if self.note:
            return "we"
        return "the peer" if self.result == 1 else "the peer's software"

    @property
    def reason(self) -> str:
        """Why it was accepted or not, in words."""
        return self.note or _RESULTS.get(self.result, f"result {self.result}")


@dataclass(frozen=True, slots=True)
class AssociationInfo:
    """What was agreed, and with whom. ``contexts`` has the rejected ones too.

    ``tls`` says what TLS came to, None without; ``identity`` who the authenticator found the user to be.
    """

    calling: str
    called: str
    peer: tuple[str, int]
    is_requestor: bool
    contexts: tuple[PresentationContext, ...]
    max_pdu: int
    peer_user: UserInformation
    async_window: AsyncWindow = field(default_factory=AsyncWindow)
    tls: TlsInfo | None = None
    identity: Identified | None = None
    extended: Mapping[str, bytes] = field(default_factory=dict, hash=False)
    """What the acceptor answered to SOP class extended negotiation (PS3.7 D.3.3.5)."""
    link: Link | None = field(default=None, compare=False)
    """The connection as its events name it, where somebody listens to them."""

    @property
    def peer_name(self) -> str:
        """The peer as ``AE@host:port``, for messages and logs."""
        return f"{self.called if self.is_requestor else self.calling}@{self.peer[0]}:{self.peer[1]}"

    @property
    def max_invoked(self) -> int:
        """How many of our requests may be without an answer at a time (PS3.7 D.3.3.3); 0 for any number."""
        return self.async_window.invoked if self.is_requestor else self.async_window.performed

    @property
    def max_performed(self) -> int:
        """How many of the peer's requests may be without an answer at a time; 0 for any number."""
        return self.async_window.performed if self.is_requestor else self.async_window.invoked

    @property
    def accepted(self) -> tuple[PresentationContext, ...]:
        return tuple(c for c in self.contexts if c.is_accepted)

    @property
    def rejected(self) -> tuple[PresentationContext, ...]:
        return tuple(c for c in self.contexts if not c.is_accepted)

    def contexts_for(self, sop_class: str, *, as_scp: bool = False) -> tuple[PresentationContext, ...]:
        """Return the accepted contexts for ``sop_class`` in which we are SCU (or SCP)."""
        return tuple(
            c
            for c in self.contexts
            if c.abstract_syntax == sop_class and c.is_accepted and (c.as_scp if as_scp else c.as_scu)
        )

    def context_for(
        self, sop_class: str, transfer_syntax: str | None = None, *, as_scp: bool = False
    ) -> PresentationContext:
        """Return an accepted context for ``sop_class``, in ``transfer_syntax`` if that is given."""
        found = self.contexts_for(sop_class, as_scp=as_scp)
        for context in found:
            if transfer_syntax is None or context.transfer_syntax == transfer_syntax:
                return context
        proposed = [c for c in self.contexts if c.abstract_syntax == sop_class]
        why = "; ".join(
            f"context {c.id}: {c.reason}" + (f" in {named(c.transfer_syntax)}" if c.is_accepted else "")
            for c in proposed
        )
        raise NoPresentationContext(
            f"no presentation context for {named(sop_class)}"
            + (f" in {named(transfer_syntax)}" if transfer_syntax else "")
            + f" ({why or 'not proposed'})",
            peer=self.peer_name,
        )


def named(uid: str) -> str:
    """Return a UID with its name, for messages."""
    name = UID(uid).name
    return f"{name} ({uid})" if name and name != uid else uid


def propose(  # noqa: PLR0913 - keyword-only options
    called: str,
    calling: str,
    contexts: Proposals,
    *,
    limits: Limits,
    roles: Mapping[str, Role] | None = None,
    extended: Iterable[ExtendedItem] = (),
    common_extended: Iterable[CommonExtendedItem] = (),
    identity: UserIdentity | None = None,
    window: AsyncWindow | int | None = None,
) -> AssociateRequest:
    """Build the A-ASSOCIATE-RQ for ``contexts``; ``window`` may be a number of requests to have under way."""
    if isinstance(window, int):
        window = None if window == 1 else AsyncWindow(window, 1)
    if not contexts:
        raise ConfigurationError("an association needs at least one presentation context")
    if len(contexts) > MAX_CONTEXTS:
        raise ConfigurationError(
            f"{len(contexts)} presentation contexts proposed; one association holds {MAX_CONTEXTS}: use several"
        )
    items = []
    for index, proposal in enumerate(contexts):
        if isinstance(proposal, str):
            proposal = ContextProposal(proposal)
        elif not isinstance(proposal, ContextProposal):
            proposal = ContextProposal(proposal[0], tuple(proposal[1]))
        if not proposal.transfer_syntaxes:
            raise ConfigurationError(f"no transfer syntax proposed for {proposal.abstract_syntax}")
        items.append(
            ContextItem(2 * index + 1, str(proposal.abstract_syntax), tuple(map(str, proposal.transfer_syntaxes)))
        )
    user = UserInformation(
        max_length=limits.max_pdu,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version=IMPLEMENTATION_VERSION,
        async_window=window,
        roles=tuple(RoleItem(str(uid), role.scu, role.scp) for uid, role in (roles or {}).items()),
        extended=tuple(extended),
        common_extended=tuple(common_extended),
        identity=identity,
    )
    return AssociateRequest(check_ae_title(called), check_ae_title(calling), tuple(items), user)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptorPolicy:
    """How an acceptor decides.

    ``called`` are the titles that we answer to (empty: any), ``calling`` the patterns of those that may call (empty:
    anybody); ``serves`` says which transfer syntaxes, best first, do for a SOP class (None: not served); ``uses``
    whether we act as SCU of it on an association that we accepted; ``bindings`` which certificates a calling title
    belongs to; ``extend`` what we answer to the extended negotiation of a SOP class (None: nothing, which is the answer
    of who does not know it).
    """

    serves: Callable[[str], Sequence[str] | None]
    uses: Callable[[str], bool] = lambda uid: False
    use_syntaxes: Sequence[str] = DEFAULT_TRANSFER_SYNTAXES
    called: Sequence[str] = ()
    calling: Sequence[str] = ()
    bindings: Sequence[AeBinding] = ()
    extend: Callable[[str, bytes], bytes | None] = lambda uid, information: None

    def refuse(self, request: AssociateRequest, tls: TlsInfo | None = None) -> AssociateReject | None:
        """Return the reject that ``request`` gets, or None when it may go on (PS3.8 9.3.4)."""
        if not request.protocol_version & 1:
            return AssociateReject(1, 2, 2)
        if request.application_context != APPLICATION_CONTEXT:
            return AssociateReject(1, 1, 2)
        if self.called and request.called not in self.called:
            return AssociateReject(1, 1, 7)
        if self.calling and not any(fnmatchcase(request.calling, pattern) for pattern in self.calling):
            return AssociateReject(1, 1, 3)
        if not self._may_use(request.calling, tls):
            return AssociateReject(1, 1, 3)
        if 0 < request.user.max_length < MIN_PDU:
            return AssociateReject(1, 1, 1)
        return None

    def _may_use(self, calling: str, tls: TlsInfo | None) -> bool:
        """Whether who holds this certificate may call itself so; a title that is bound is not used without one."""
        if not binds(self.bindings, calling):
            return True
        return tls is not None and allows(self.bindings, calling, tls.certificate, tls.fingerprint)


def accept(
    request: AssociateRequest,
    policy: AcceptorPolicy,
    limits: Limits,
    peer: tuple[str, int],
    *,
    tls: TlsInfo | None = None,
    identity: Identified | None = None,
) -> tuple[AssociateAccept, AssociationInfo]:
    """Decide on each context by our own preference, and answer."""
    proposed = {role.sop_class_uid: role for role in request.user.roles}
    general = _general_classes(request, policy)
    contexts = tuple(
        _judge(item, proposed.get(item.abstract_syntax), policy, general.get(item.abstract_syntax, ""))
        for item in request.contexts
    )
    accepted = {context.abstract_syntax for context in contexts if context.is_accepted}
    extended = {
        item.sop_class_uid: answer
        for item in request.user.extended
        if item.sop_class_uid in accepted
        and (answer := policy.extend(item.sop_class_uid, item.information)) is not None
    }
    # Roles are per SOP class: what no accepted context serves is turned down.
    roles = tuple(
        RoleItem(
            uid,
            role.scu and any(c.as_scp for c in contexts if c.abstract_syntax == uid),
            role.scp and any(c.as_scu for c in contexts if c.abstract_syntax == uid),
        )
        for uid, role in proposed.items()
        if any(c.abstract_syntax == uid for c in contexts)
    )
    asked = request.user.async_window
    # We perform operations in the order of arrival, and invoke some where we are SCU too (C-GET's C-STOREs).
    invokes = any(context.as_scu for context in contexts)
    window = None
    if asked is not None:
        most = limits.max_async_ops
        window = AsyncWindow(_lesser(asked.invoked, most), _lesser(asked.performed, most) if invokes else 1)
    user = UserInformation(
        max_length=limits.max_pdu,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version=IMPLEMENTATION_VERSION,
        async_window=window,
        roles=roles,
        identity_response=response_to(request, identity),
        extended=tuple(ExtendedItem(uid, information) for uid, information in extended.items()),
    )
    results = tuple(
        ContextResult(c.id, c.result, c.transfer_syntax if c.is_accepted else c.proposed[0]) for c in contexts
    )
    info = AssociationInfo(
        calling=request.calling,
        called=request.called,
        peer=peer,
        is_requestor=False,
        contexts=contexts,
        max_pdu=request.user.max_length,
        peer_user=request.user,
        tls=tls,
        identity=identity,
        async_window=window or AsyncWindow(),
        extended=extended,
    )
    return AssociateAccept(request.called, request.calling, results, user), info


def _general_classes(request: AssociateRequest, policy: AcceptorPolicy) -> dict[str, str]:
    """Return the storage classes that we do not know, each with a related general one that we serve (PS3.4 B.3.1)."""
    return {
        item.sop_class_uid: general
        for item in request.user.common_extended
        if item.service_class_uid == STORAGE_SERVICE_CLASS
        and policy.serves(item.sop_class_uid) is None
        and (general := next((uid for uid in item.related if policy.serves(uid) is not None), ""))
    }


def _judge(item: ContextItem, role: RoleItem | None, policy: AcceptorPolicy, general: str) -> PresentationContext:
    uid = item.abstract_syntax
    served = policy.serves(general or uid)
    as_scp = served is not None and (role is None or role.scu)
    as_scu = role is not None and role.scp and policy.uses(uid)
    transfer, result = "", 0
    if as_scp or as_scu:
        wanted = served if served is not None else policy.use_syntaxes
        transfer = next((uid for uid in wanted if uid in item.transfer_syntaxes), "")
        result = 0 if transfer else 4
    else:
        result = 3 if served is None and not policy.uses(uid) else 1
    accepted = result == 0
    return PresentationContext(
        item.id,
        uid,
        transfer,
        result,
        as_scu and accepted,
        as_scp and accepted,
        item.transfer_syntaxes,
        served_as=general if accepted else "",
    )


def confirm(
    request: AssociateRequest, answer: AssociateAccept, peer: tuple[str, int], *, tls: TlsInfo | None = None
) -> AssociationInfo:
    """Read what the acceptor answered to our ``request``; contexts that it did not mention count as rejected."""
    results = {result.id: result for result in answer.contexts}
    wanted = {role.sop_class_uid: role for role in request.user.roles}
    given = {role.sop_class_uid: role for role in answer.user.roles}
    contexts = []
    for item in request.contexts:
        result = results.get(item.id, ContextResult(item.id, 2, ""))
        code = result.result
        note = "" if item.id in results else "the peer did not answer it"
        if code == 0 and result.transfer_syntax not in item.transfer_syntaxes:
            code = 4  # an acceptor may only choose among what was proposed
            note = f"the peer chose {named(result.transfer_syntax)}, which was not proposed"
        ours, theirs = wanted.get(item.abstract_syntax), given.get(item.abstract_syntax)
        # Without an answer the defaults hold: the requestor is SCU (PS3.7 D.3.3.4).
        as_scu = True if ours is None or theirs is None else ours.scu and theirs.scu
        as_scp = ours is not None and theirs is not None and ours.scp and theirs.scp
        ok = code == 0
        contexts.append(
            PresentationContext(
                item.id,
                item.abstract_syntax,
                result.transfer_syntax if ok else "",
                code,
                as_scu and ok,
                as_scp and ok,
                item.transfer_syntaxes,
                note,
            )
        )
    return AssociationInfo(
        calling=request.calling,
        called=request.called,
        peer=peer,
        is_requestor=True,
        contexts=tuple(contexts),
        max_pdu=answer.user.max_length,
        peer_user=answer.user,
        tls=tls,
        async_window=_agreed(request.user.async_window, answer.user.async_window),
        extended={item.sop_class_uid: item.information for item in answer.user.extended},
    )


def _lesser(asked: int, allowed: int) -> int:
    """Return the smaller window; 0 is unlimited (PS3.7 D.3.3.3.1)."""
    return min(asked, allowed) if asked and allowed else asked or allowed


def window_for(window: int, roles: Mapping[str, Role] | None, limits: Limits) -> AsyncWindow | None:
    """Return what a requestor asks for that would like to invoke so many operations; None for one at a time.

    One that is SCP too (C-GET) may be sent as many as it reads ahead.
    """
    is_scp = any(role.scp for role in (roles or {}).values())
    asked = AsyncWindow(window, limits.max_async_ops if is_scp else 1)
    return None if asked == AsyncWindow(1, 1) else asked


def _agreed(asked: AsyncWindow | None, given: AsyncWindow | None) -> AsyncWindow:
    """Return what holds: without an answer one at a time, and never more than was asked for."""
    if asked is None or given is None:
        return AsyncWindow()
    return AsyncWindow(_lesser(asked.invoked, given.invoked), _lesser(asked.performed, given.performed))
