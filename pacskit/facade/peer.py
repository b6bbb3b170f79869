"""connect and Peer, the client; echo for the impatient."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level, Priority
from pacskit.core.events import EventBus
from pacskit.core.status import Status
from pacskit.facade.normalized import NormalizedVerbs
from pacskit.facade.verbs import Verbs
from pacskit.network.address import Address, check_ae_title
from pacskit.network.association import Association
from pacskit.network.config import Limits, Timeouts
from pacskit.network.flow import Service
from pacskit.network.negotiation import ContextProposal, Role
from pacskit.network.pdu import UserIdentity
from pacskit.network.pool import AssociationPool
from pacskit.services.events import StoreEvent
from pacskit.services.explain import Explanation
from pacskit.services.extended import QueryNegotiation
from pacskit.services.link import BlockingLink, Link, iterate, run
from pacskit.services.normalized_scu import Answer
from pacskit.services.outgoing import Transcode
from pacskit.services.scu import Progress, Sent, Source
from pacskit.storage import Model

if TYPE_CHECKING:
    from pacskit.security.context import TlsContext

__all__ = ["CALLING", "Explanation", "Peer", "connect", "echo", "nothing"]

CALLING: Final = "PACSKIT"


def nothing(progress: Progress) -> None:
    """Take note of no progress."""


def connect(
    address: Address | str,
    *,
    calling: str = CALLING,
    timeouts: Timeouts | None = None,
    limits: Limits | None = None,
    tls: TlsContext | None = None,
    identity: UserIdentity | None = None,
    events: EventBus | None = None,
    pool: AssociationPool | None = None,
) -> Peer:
    """Return the peer at ``AE@host:port``. Nothing is sent before its first verb.

    ``tls`` is what `tls_context` gives; ``identity`` says who the user is, see `UserIdentity`; ``events`` is told what
    happens; the associations come from ``pool`` where there is one, and stay in it.
    """
    return Peer(
        address,
        calling=calling,
        timeouts=timeouts,
        limits=limits,
        tls=tls,
        identity=identity,
        events=events,
        pool=pool,
    )


def echo(
    address: Address | str,
    *,
    calling: str = CALLING,
    timeouts: Timeouts | None = None,
    limits: Limits | None = None,
    tls: TlsContext | None = None,
    identity: UserIdentity | None = None,
) -> Status:
    """Verify that a peer answers (C-ECHO); raise a NetworkError that says why it does not."""
    with connect(address, calling=calling, timeouts=timeouts, limits=limits, tls=tls, identity=identity) as peer:
        return peer.echo()


class Peer(NormalizedVerbs):
    """A remote application entity. Belongs to one thread.

    Each verb opens an association with the contexts it needs, and the next one uses it again where they do for it.
    """

    def __init__(
        self,
        address: Address | str,
        *,
        calling: str = CALLING,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        tls: TlsContext | None = None,
        identity: UserIdentity | None = None,
        events: EventBus | None = None,
        pool: AssociationPool | None = None,
    ) -> None:
        super().__init__()
        self.address = Address.parse(address) if isinstance(address, str) else address
        self.calling = check_ae_title(calling)
        options = {"timeouts": timeouts, "limits": limits, "tls": tls, "identity": identity, "events": events}
        self._verbs = _Blocking(self.address, self._notifications.service, {"calling": self.calling, **options}, pool)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the association that is kept for the next verb, if there is one."""
        run(self._verbs.close())

    def explain(
        self,
        sources: Iterable[Source] | Source | None = None,
        *,
        ask: bool = True,
        transcode: Transcode | str = Transcode.LOSSLESS,
    ) -> Explanation | None:
        """Return what the peer accepted and rejected last, with its reasons; None before the first verb.

        With ``sources`` negotiate for them, without sending any, and say how each of them would go, converted as far as
        ``transcode`` lets `store` do it; with ``ask=False`` say what would be proposed, without a connection.
        """
        if sources is None:
            return self._verbs.explain()
        return run(
            self._verbs.explain_sources(
                sources,
                ask=ask,
                transcode=transcode,
                peer=str(self.address),
                calling=self.calling,
                called=self.address.ae,
            )
        )

    # Verbs

    def echo(self) -> Status:
        """Verify (C-ECHO)."""
        return run(self._verbs.echo())

    def store(
        self,
        sources: Iterable[Source] | Source,
        *,
        priority: Priority = Priority.MEDIUM,
        transcode: Transcode | str = Transcode.LOSSLESS,
        window: int = 1,
    ) -> Generator[Sent, None, None]:
        """Send files (as they are on disk) and data sets; iterate over the outcomes.

        For a peer that does not take them so, ``transcode`` says whether pixels are converted: ``never``, ``lossless``
        or ``any``. With a ``window`` above 1 so many are under way at a time where the peer grants it (PS3.7 D.3.3.3),
        which is what helps over a slow line; the outcomes come as the peer answers.
        """
        return iterate(self._verbs.store(sources, priority=priority, transcode=transcode, window=window))

    def find(
        self,
        level: Level | str = Level.STUDY,
        *,
        model: Model = Model.STUDY_ROOT,
        return_keys: Iterable[str] | None = None,
        priority: Priority = Priority.MEDIUM,
        negotiate: QueryNegotiation | None = None,
        **keys: Any,
    ) -> Generator[Dataset, None, None]:
        """Query by keywords; iterate over the answers. Leaving early cancels.

        Patients are asked for in the Patient Root model, whatever ``model`` says. ``negotiate`` asks for relational
        queries and the like (PS3.4 C.5.1.1); what the peer granted is in ``explain().query``.
        """
        return iterate(
            self._verbs.find(
                level,
                model=model,
                return_keys=return_keys,
                priority=priority,
                negotiate=negotiate,
                keys=keys,
            )
        )

    def move(
        self,
        level: Level | str,
        uid: str | Iterable[str],
        *,
        to: str,
        model: Model = Model.STUDY_ROOT,
        priority: Priority = Priority.MEDIUM,
        **keys: Any,
    ) -> Generator[Progress, None, None]:
        """Ask the peer to send what ``uid`` names at ``level`` to the AE title ``to``; iterate over the progress.

        ``keys`` are the unique keys above the level, for peers that insist on them.
        """
        return iterate(self._verbs.move(level, uid, to=to, model=model, priority=priority, keys=keys))

    def get(
        self,
        level: Level | str,
        uid: str | Iterable[str],
        *,
        model: Model = Model.STUDY_ROOT,
        sop_classes: Sequence[str] | None = None,
        transfer_syntaxes: Sequence[str] | None = None,
        priority: Priority = Priority.MEDIUM,
        on_progress: Callable[[Progress], object] = nothing,
        **keys: Any,
    ) -> Generator[StoreEvent, None, None]:
        """Retrieve what ``uid`` names at ``level`` over the same association; iterate over the instances.

        An association has room for 128 presentation contexts, and each says which SOP class may come in which
        transfer syntax. Without ``sop_classes`` the peer is asked what there is; where it does not say, the usual
        classes are proposed, uncompressed. ``transfer_syntaxes`` limits how instances may come, best first.
        """
        return iterate(
            self._verbs.get(
                level,
                uid,
                model=model,
                sop_classes=sop_classes,
                transfer_syntaxes=transfer_syntaxes,
                priority=priority,
                on_progress=on_progress,
                keys=keys,
            )
        )

    def _normalized(
        self, work: Callable[..., Awaitable[Answer]], sop_class: str, *args: Any, via: str | None, **more: Any
    ) -> Answer:
        return run(self._verbs.normalized(work, sop_class, *args, via=via, **more))

    def _serve(self, seconds: float) -> bool:
        return run(self._verbs.serve(seconds))


class _Blocking(Verbs):
    """The verbs over blocking associations."""

    def __init__(
        self, address: Address, inbox: Service, options: Mapping[str, Any], pool: AssociationPool | None
    ) -> None:
        super().__init__(inbox)
        self._address = address
        self._options = options
        self._pool = pool

    def lease(
        self, contexts: Sequence[ContextProposal], roles: Mapping[str, Role] | None = None, **agreed: Any
    ) -> AbstractAsyncContextManager[Link]:
        """Lend an association with these contexts, out of the pool where there is one."""
        if self._pool is None:
            return super().lease(contexts, roles, **agreed)
        return self._from(self._pool, contexts, roles=roles, **agreed)

    @asynccontextmanager
    async def _from(
        self, pool: AssociationPool, contexts: Sequence[ContextProposal], **agreed: Any
    ) -> AsyncIterator[Link]:
        with pool.lease(self._address, contexts, **agreed, **self._options) as association:
            self._last = association.info
            association.listen(self._inbox)
            yield BlockingLink(association)

    async def open(self, contexts: Sequence[ContextProposal], **agreed: Any) -> Link:
        """Open an association."""
        association = Association.request(self._address, list(contexts), **agreed, **self._options)
        association.listen(self._inbox)
        return BlockingLink(association)

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call what may block: here it may."""
        return function(*args)
