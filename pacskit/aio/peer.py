"""connect and Peer, the client, on asyncio; echo for the impatient."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pacskit.aio.normalized import NormalizedVerbs
from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level, Priority
from pacskit.core.events import EventBus
from pacskit.core.status import Status
from pacskit.facade.peer import CALLING, nothing
from pacskit.facade.verbs import Verbs
from pacskit.network.address import Address, check_ae_title
from pacskit.network.aio_association import Association
from pacskit.network.aio_calls import Calls
from pacskit.network.aio_pool import AssociationPool
from pacskit.network.config import Limits, Timeouts
from pacskit.network.flow import Service
from pacskit.network.negotiation import ContextProposal, Role
from pacskit.network.pdu import UserIdentity
from pacskit.services.events import StoreEvent
from pacskit.services.explain import Explanation
from pacskit.services.extended import QueryNegotiation
from pacskit.services.link import Link
from pacskit.services.normalized_scu import Answer
from pacskit.services.outgoing import Transcode
from pacskit.services.scu import Progress, Sent, Source
from pacskit.storage import Model

if TYPE_CHECKING:
    from pacskit.security.context import TlsContext

__all__ = ["Peer", "connect", "echo"]


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

    The options are those of `pacskit.connect`; ``pool`` is one of this module.
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


async def echo(
    address: Address | str,
    *,
    calling: str = CALLING,
    timeouts: Timeouts | None = None,
    limits: Limits | None = None,
    tls: TlsContext | None = None,
    identity: UserIdentity | None = None,
) -> Status:
    """Verify that a peer answers (C-ECHO); raise a NetworkError that says why it does not."""
    async with connect(address, calling=calling, timeouts=timeouts, limits=limits, tls=tls, identity=identity) as peer:
        return await peer.echo()


class Peer(NormalizedVerbs):
    """A remote application entity. Belongs to one event loop; verbs may run in several tasks at once.

    Each verb opens an association with the contexts it needs, and the next one uses it again where they do for it.
    Leaving the ``async with`` block ends verbs that have not come to their end. A task that is cancelled in the middle
    of a verb sends C-CANCEL where there is one, and else aborts that association.
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
        inbox = self._notifications.service
        self._verbs = _Asynchronous(self.address, inbox, {"calling": self.calling, **options}, pool)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Release what is open; abort what is in the middle of something."""
        await self._verbs.close(everything=True)

    async def explain(
        self,
        sources: Iterable[Source] | Source | None = None,
        *,
        ask: bool = True,
        transcode: Transcode | str = Transcode.LOSSLESS,
    ) -> Explanation | None:
        """Return what the peer accepted and rejected last, with its reasons; None before the first verb.

        With ``sources`` negotiate for them, without sending any, as `pacskit.Peer.explain` does.
        """
        if sources is None:
            return self._verbs.explain()
        return await self._verbs.explain_sources(
            sources,
            ask=ask,
            transcode=transcode,
            peer=str(self.address),
            calling=self.calling,
            called=self.address.ae,
        )

    async def echo(self) -> Status:
        """Verify (C-ECHO)."""
        return await self._verbs.echo()

    def store(
        self,
        sources: Iterable[Source] | Source,
        *,
        priority: Priority = Priority.MEDIUM,
        transcode: Transcode | str = Transcode.LOSSLESS,
        window: int = 1,
    ) -> AsyncGenerator[Sent, None]:
        """Send files (as they are on disk) and data sets; iterate over the outcomes.

        ``transcode`` and ``window`` are those of `pacskit.Peer.store`.
        """
        return self._verbs.store(sources, priority=priority, transcode=transcode, window=window)

    def find(
        self,
        level: Level | str = Level.STUDY,
        *,
        model: Model = Model.STUDY_ROOT,
        return_keys: Iterable[str] | None = None,
        priority: Priority = Priority.MEDIUM,
        negotiate: QueryNegotiation | None = None,
        **keys: Any,
    ) -> AsyncGenerator[Dataset, None]:
        """Query by keywords; iterate over the answers. Leaving early cancels.

        Patients are asked for in the Patient Root model, whatever ``model`` says; ``negotiate`` is that of
        `pacskit.Peer.find`.
        """
        return self._verbs.find(
            level,
            model=model,
            return_keys=return_keys,
            priority=priority,
            negotiate=negotiate,
            keys=keys,
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
    ) -> AsyncGenerator[Progress, None]:
        """Ask the peer to send what ``uid`` names at ``level`` to the AE title ``to``; iterate over the progress.

        ``keys`` are the unique keys above the level, for peers that insist on them.
        """
        return self._verbs.move(level, uid, to=to, model=model, priority=priority, keys=keys)

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
    ) -> AsyncGenerator[StoreEvent, None]:
        """Retrieve what ``uid`` names at ``level`` over the same association; iterate over the instances.

        Without ``sop_classes`` the peer is asked what there is, as `pacskit.Peer.get` does.
        """
        return self._verbs.get(
            level,
            uid,
            model=model,
            sop_classes=sop_classes,
            transfer_syntaxes=transfer_syntaxes,
            priority=priority,
            on_progress=on_progress,
            keys=keys,
        )

    async def _normalized(
        self, work: Callable[..., Awaitable[Answer]], sop_class: str, *args: Any, via: str | None, **more: Any
    ) -> Answer:
        return await self._verbs.normalized(work, sop_class, *args, via=via, **more)

    async def _serve(self, seconds: float) -> bool:
        return await self._verbs.serve(seconds)


class _Asynchronous(Verbs):
    """The verbs over asyncio associations."""

    def __init__(
        self, address: Address, inbox: Service, options: Mapping[str, Any], pool: AssociationPool | None
    ) -> None:
        super().__init__(inbox)
        self._address = address
        self._options = options
        self._pool = pool
        self._calls = Calls()

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
        closes = self._closes
        async with pool.lease(self._address, contexts, **agreed, **self._options) as association:
            self._check_open(closes, association)
            association.listen(self._inbox)
            self._last = association.info
            self._lent.add(association)
            try:
                yield association
            finally:
                self._lent.discard(association)

    async def open(self, contexts: Sequence[ContextProposal], **agreed: Any) -> Link:
        """Open an association."""
        association = await Association.request(
            self._address, list(contexts), calls=self._calls, **agreed, **self._options
        )
        association.listen(self._inbox)
        return association

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call what may block, in a thread."""
        return await self._calls.call(function, *args)

    async def close(self, *, everything: bool = False) -> None:
        """Close, and let the threads go."""
        try:
            await super().close(everything=everything)
        finally:
            self._calls.stop()
