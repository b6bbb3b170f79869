"""Negotiation in words: what was proposed, what became of it and by whose decision, and how each instance will go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pacskit.core.dataset import Dataset
from pacskit.core.errors import NoPresentationContext
from pacskit.core.status import Status
from pacskit.core.uid import UID
from pacskit.network.negotiation import AssociationInfo, ContextProposal, PresentationContext, named
from pacskit.services.extended import QueryNegotiation
from pacskit.services.link import Port
from pacskit.services.outgoing import Transcode, batches, choose
from pacskit.services.scu import Progress, Sent, Source, examine
from pacskit.services.sop_classes import MODELS

if TYPE_CHECKING:
    from pacskit.security.channel import TlsInfo

__all__ = ["Explanation", "Outlook", "Retrieval", "explain_sources", "explanation"]

_FINDS = tuple(str(model.find) for model in MODELS)
NOT_ASKED = -1


@dataclass(frozen=True, slots=True)
class Outlook:
    """How an instance will be sent.

    ``sent_as`` is the transfer syntax on the wire, None when it cannot be sent (``why`` says why not, and what would
    help) or when the peer has not been asked.
    """

    source: Source
    sop_class: UID | None
    transfer_syntax: UID | None
    sent_as: UID | None
    context_id: int | None
    why: str

    @property
    def is_converted(self) -> bool:
        """Whether it goes out in another transfer syntax than it is in."""
        return self.sent_as is not None and self.sent_as != self.transfer_syntax

    def __str__(self) -> str:
        name = "a data set" if isinstance(self.source, Dataset) else Path(self.source).name
        return f"{name}: {self.why}"


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What became of a C-GET or C-MOVE, as far as the peer has said.

    ``status`` is that of its last response, None before the first; ``why`` is what the peer says of what failed (its
    Error Comment, else what the status means), empty where nothing did. ``received`` counts the instances of a C-GET by
    the transfer syntax in which they came.
    """

    operation: str
    status: Status | None = None
    completed: int = 0
    failed: int = 0
    warning: int = 0
    failed_uids: tuple[str, ...] = ()
    why: str = ""
    received: Mapping[UID, int] = field(default_factory=dict)

    def after(self, progress: Progress) -> Retrieval:
        """Return it as it is after a response."""
        status, service = progress.status, "qr_get" if self.operation == "C-GET" else "qr_move"
        wrong = progress.failed or status.is_failure
        return replace(
            self,
            status=status,
            completed=progress.completed,
            failed=progress.failed,
            warning=progress.warning,
            failed_uids=progress.failed_uids or self.failed_uids,
            why=(progress.comment or ("" if status.is_pending else status.describe(service))) if wrong else "",
        )

    def arrived(self, transfer_syntax: str) -> Retrieval:
        """Return it as it is after an instance has arrived."""
        syntax = UID(transfer_syntax)
        return replace(self, received={**self.received, syntax: self.received.get(syntax, 0) + 1})

    def __str__(self) -> str:
        end = "no response yet" if self.status is None else str(self.status)
        lines = [f"{self.operation}: {end}; {self.completed} completed, {self.failed} failed, {self.warning} warnings"]
        lines += [f"  {count} came in {syntax.name or syntax}" for syntax, count in self.received.items()]
        if self.why:
            lines.append(f"  not sent, says the peer: {self.why}")
        lines += [f"  failed: {uid}" for uid in self.failed_uids]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was agreed with a peer; printing it says it in words.

    ``contexts`` are in the order of their proposal (of several associations one after the other, where one has no room
    for all), ``outlook`` says how each source will be sent, where some were given. ``window`` is how many requests may
    be under way, ``max_pdu`` the longest PDU that the peer takes (0: any), ``implementation`` what it calls itself,
    ``query`` what it granted of the extended negotiation of queries (None: it did not answer), ``retrieval`` what
    became of the C-GET or C-MOVE on this association, where there was one.
    """

    peer: str
    contexts: tuple[PresentationContext, ...]
    calling: str = ""
    called: str = ""
    max_pdu: int = 0
    window: int = 1
    implementation: str = ""
    outlook: tuple[Outlook, ...] = ()
    associations: int = 1
    tls: TlsInfo | None = None
    query: QueryNegotiation | None = None
    retrieval: Retrieval | None = None

    @property
    def accepted(self) -> tuple[PresentationContext, ...]:
        return tuple(one for one in self.contexts if one.is_accepted)

    @property
    def rejected(self) -> tuple[PresentationContext, ...]:
        return tuple(one for one in self.contexts if not one.is_accepted)

    def __str__(self) -> str:
        asked = not any(one.result == NOT_ASKED for one in self.contexts)
        lines = [f"{self.peer}, called as {self.called} by {self.calling}"]
        if asked:
            most = "any" if self.max_pdu == 0 else f"{self.max_pdu} bytes"
            lines.append(
                f"  {len(self.accepted)} presentation contexts accepted, {len(self.rejected)} rejected; PDUs: {most}; "
                f"requests under way: {self.window or 'any'}; {self.implementation or 'an unnamed implementation'}"
            )
        else:
            lines.append(f"  {len(self.contexts)} presentation contexts to propose")
        if self.tls is not None:
            resumed = ", an earlier session" if self.tls.resumed else ""
            lines.append(f"  {self.tls.version}, {self.tls.suite}, certificate of {self.tls.common_name}{resumed}")
        if self.associations > 1:
            lines.append(f"  {self.associations} associations: one holds 128 presentation contexts")
        for context in self.contexts:
            lines += _context_lines(context)
        if self.outlook:
            lines.append("what will be sent:")
            lines += [f"  {one}" for one in self.outlook]
        if self.retrieval is not None:
            lines.append(str(self.retrieval))
        return "\n".join(lines)


def _context_lines(context: PresentationContext) -> list[str]:
    name = UID(context.abstract_syntax).name or context.abstract_syntax
    head = f"  {context.id:3d} {'+' if context.is_accepted else '-'} {name}: "
    offered = ", ".join(UID(one).name or one for one in context.proposed)
    if context.result == NOT_ASKED:
        return [f"  {context.id:3d}   {name}: {offered}"]
    if not context.is_accepted:
        return [f"{head}{context.reason}, says {context.decided_by}; offered were {offered}"]
    roles = ", we are SCU and SCP" if context.as_scu and context.as_scp else ", we are SCP" if context.as_scp else ""
    choice = f" of {len(context.proposed)} offered" if len(context.proposed) > 1 else ""
    return [f"{head}{UID(context.transfer_syntax).name or context.transfer_syntax}{choice}{roles}"]


def explanation(info: AssociationInfo, retrieval: Retrieval | None = None) -> Explanation:
    """Return what was agreed in an association that we requested, and what became of a retrieval on it."""
    user = info.peer_user
    return Explanation(
        peer=info.peer_name,
        contexts=info.contexts,
        calling=info.calling,
        called=info.called,
        max_pdu=info.max_pdu,
        window=info.max_invoked,
        implementation=user.implementation_version or user.implementation_class_uid,
        tls=info.tls,
        query=next(
            (QueryNegotiation.decode(info.extended[uid]) for uid in map(str, _FINDS) if uid in info.extended), None
        ),
        retrieval=retrieval,
    )


async def explain_sources(
    port: Port,
    sources: Iterable[Source],
    *,
    ask: bool,
    peer: str,
    calling: str,
    called: str,
    policy: Transcode = Transcode.LOSSLESS,
) -> Explanation:
    """Say how ``sources`` would be sent: negotiate for them where we may ``ask``, else only plan."""
    contexts: list[PresentationContext] = []
    outlook: list[Outlook] = []
    items = []
    for source in sources:
        item = await port.call(examine, source)
        if isinstance(item, Sent):
            outlook.append(Outlook(source, None, None, None, None, f"cannot be read: {item.error}"))
        else:
            items.append(item)
    made = batches(items, lambda item: item.kind, policy)
    last: Explanation | None = None
    for batch in made:
        if not ask:
            contexts += _planned(batch.contexts)
            outlook += [
                _outlook(one.source, one.sop_class_uid, one.transfer_syntax, None, policy) for one in batch.items
            ]
            continue
        async with port.lease(batch.contexts) as link:
            last = explanation(link.info)
            contexts += link.info.contexts
            outlook += [
                _outlook(one.source, one.sop_class_uid, one.transfer_syntax, link.info, policy) for one in batch.items
            ]
    return Explanation(
        peer=peer,
        contexts=tuple(contexts),
        calling=calling,
        called=called,
        max_pdu=last.max_pdu if last else 0,
        window=last.window if last else 1,
        implementation=last.implementation if last else "",
        outlook=tuple(outlook),
        associations=len(made),
    )


def _planned(proposals: Sequence[ContextProposal]) -> list[PresentationContext]:
    return [
        PresentationContext(2 * index + 1, one.abstract_syntax, "", NOT_ASKED, False, False, one.transfer_syntaxes)
        for index, one in enumerate(proposals)
    ]


def _outlook(source: Source, sop_class: str, syntax: str, info: AssociationInfo | None, policy: Transcode) -> Outlook:
    known = UID(sop_class), UID(syntax)
    if info is None:
        return Outlook(
            source, *known, None, None, f"{named(sop_class)}, as it is in {named(syntax)}, if the peer takes it"
        )
    try:
        context = choose(info, sop_class, syntax, policy)
    except NoPresentationContext:
        return Outlook(source, *known, None, None, _obstacle(sop_class, syntax, info))
    sent_as = UID(context.transfer_syntax)
    how = (
        f"as it is, in {named(syntax)}" if sent_as == syntax else f"converted from {named(syntax)} to {named(sent_as)}"
    )
    return Outlook(source, *known, sent_as, context.id, f"{how} (context {context.id})")


def _obstacle(sop_class: str, syntax: str, info: AssociationInfo) -> str:
    """Say why an instance cannot go, and what would help."""
    takes = [one.transfer_syntax for one in info.contexts_for(sop_class)]
    if takes:
        others = ", ".join(map(named, takes))
        return (
            f"cannot be sent: the peer takes {named(sop_class)} only in {others}; convert it from {named(syntax)} first"
        )
    results = {one.result for one in info.contexts if one.abstract_syntax == sop_class}
    if results == {4}:
        return f"cannot be sent: the peer knows {named(sop_class)}, but not {named(syntax)}; convert it first"
    return f"cannot be sent: the peer does not take {named(sop_class)}; ask for it to be enabled there"
