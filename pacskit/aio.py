"""The same names on asyncio: `connect`, `echo`, `Peer`, `SCP`, and the `Server` and `Association` below them.

Everything runs in the event loop that awaits it. What blocks (a plain function as a handler, files, queries of an
index) goes to a bounded number of threads, which end with their server or peer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level, Priority
from pacskit.core.status import Status
from pacskit.facade.handlers import Handlers
from pacskit.facade.peer import CALLING, nothing
from pacskit.facade.verbs import Verbs
from pacskit.network.address import Address, check_ae_title
from pacskit.network.admission import Admission
from pacskit.network.aio_association import Association
from pacskit.network.aio_calls import WORKERS, Calls
from pacskit.network.aio_server import Server
from pacskit.network.config import Limits, Timeouts
from pacskit.network.negotiation import ContextProposal
from pacskit.network.pdu import UserIdentity
from pacskit.services.events import StoreEvent
from pacskit.services.explain import Explanation
from pacskit.services.extended import QueryNegotiation
from pacskit.services.link import Link
from pacskit.services.outgoing import Transcode
from pacskit.services.scu import Progress, Sent, Source
from pacskit.storage import Model

__all__ = ["SCP", "Association", "Peer", "Server", "connect", "echo"]


def connect(
    address: Address | str,
    *,
    calling: str = CALLING,
    timeouts: Timeouts | None = None,
    limits: Limits | None = None,
    tls: Any = None,
    identity: UserIdentity | None = None,
) -> Peer:
    """Return the peer at ``AE@host:port``. Nothing is sent before its first verb."""
    return Peer(address, calling=calling, timeouts=timeouts, limits=limits, tls=tls, identity=identity)


async def echo(
    address: Address | str,
    *,
    calling: str = CALLING,
    timeouts: Timeouts | None = None,
    limits: Limits | None = None,
    tls: Any = None,
    identity: UserIdentity | None = None,
) -> Status:
    """Verify that a peer answers (C-ECHO); raise a NetworkError that says why it does not."""
    async with connect(address, calling=calling, timeouts=timeouts, limits=limits, tls=tls, identity=identity) as peer:
        return await peer.echo()


class Peer:
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
        tls: Any = None,
        identity: UserIdentity | None = None,
    ) -> None:
        self.address = Address.parse(address) if isinstance(address, str) else address
        self.calling = check_ae_title(calling)
        options = {"timeouts": timeouts, "limits": limits, "tls": tls, "identity": identity}
        self._verbs = _Asynchronous(self.address, {"calling": self.calling, **options})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Release what is open; abort what is in the middle of something."""
        await self._verbs.close(everything=True)

    def explain(self) -> Explanation | None:
        """Return what the peer accepted and rejected last, with its reasons; None before the first verb."""
        return self._verbs.explain()

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


class _Asynchronous(Verbs):
    """The verbs over asyncio associations."""

    def __init__(self, address: Address, options: Mapping[str, Any]) -> None:
        super().__init__()
        self._address = address
        self._options = options
        self._calls = Calls()

    async def open(self, contexts: Sequence[ContextProposal], **agreed: Any) -> Link:
        """Open an association."""
        return await Association.request(self._address, list(contexts), calls=self._calls, **agreed, **self._options)

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call what may block, in a thread."""
        return await self._calls.call(function, *args)

    async def close(self, *, everything: bool = False) -> None:
        """Close, and let the threads go."""
        try:
            await super().close(everything=everything)
        finally:
            self._calls.stop()


class SCP(Handlers):
    """A server whose answers come from your functions, in the event loop that starts it.

    ``async def`` handlers are awaited in the loop; plain ones are called in one of ``workers`` threads, so they may
    block. Port 0 lets the system choose; ``port`` says which one it was. Listens on loopback unless told otherwise.

    >>> scp = SCP("VENDOR", port=0)
    >>> @scp.on_store
    ... async def keep(event):
    ...     print(event.sop_instance_uid)
    """

    def __init__(  # noqa: PLR0913 - keyword-only options
        self,
        ae: str,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        calling: Iterable[str] = (),
        any_called: bool = False,
        accept_unknown: bool = False,
        tls: Any = None,
        admission: Admission | None = None,
        workers: int = WORKERS,
    ) -> None:
        options: dict[str, Any] = {
            "timeouts": timeouts,
            "limits": limits,
            "tls": tls,
            "admission": admission,
            "workers": workers,
        }
        super().__init__(
            ae,
            host=host,
            port=port,
            calling=calling,
            any_called=any_called,
            accept_unknown=accept_unknown,
            options=options,
        )
        self._server: Server | None = None

    def _listening(self) -> tuple[str, int] | None:
        return None if self._server is None else self._server.address

    async def start(self) -> Self:
        """Listen, and serve in the running loop."""
        server = Server(self._registry(), authenticator=self._identity, **self._settings)
        self._server = await server.start()
        return self

    async def serve_forever(self) -> None:
        """Wait until `stop` is called, by another task, or this one is cancelled."""
        if self._server is None:
            await self.start()
        if self._server is not None:
            await self._server.wait()

    async def stop(self, grace: float = 1.5) -> None:
        """Stop: idle associations at once, those at work after ``grace`` seconds."""
        if self._server is not None:
            await self._server.stop(grace)

    async def __aenter__(self) -> Self:
        return self if self._server is not None else await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
