"""connect and Peer, the client; echo for the impatient."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level, Priority
from pacskit.core.status import Status
from pacskit.facade.verbs import Explanation, Verbs
from pacskit.network.address import Address, check_ae_title
from pacskit.network.association import Association
from pacskit.network.config import Limits, Timeouts
from pacskit.network.negotiation import ContextProposal, Role
from pacskit.services.events import StoreEvent
from pacskit.services.link import BlockingLink, Link, iterate, run
from pacskit.services.scu import Progress, Sent, Source
from pacskit.storage import Model

__all__ = ["CALLING", "Explanation", "Peer", "connect", "echo", "nothing"]

CALLING: Final = "PACSKIT"


def nothing(progress: Progress) -> None:
    """Take note of no progress."""


def connect(
    address: Address | str, *, calling: str = CALLING, timeouts: Timeouts | None = None, limits: Limits | None = None
) -> Peer:
    """Return the peer at ``AE@host:port``. Nothing is sent before its first verb."""
    return Peer(address, calling=calling, timeouts=timeouts, limits=limits)


def echo(
    address: Address | str, *, calling: str = CALLING, timeouts: Timeouts | None = None, limits: Limits | None = None
) -> Status:
    """Verify that a peer answers (C-ECHO); raise a NetworkError that says why it does not."""
    with connect(address, calling=calling, timeouts=timeouts, limits=limits) as peer:
        return peer.echo()


class Peer:
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
    ) -> None:
        self.address = Address.parse(address) if isinstance(address, str) else address
        self.calling = check_ae_title(calling)
        self._verbs = _Blocking(self.address, self.calling, timeouts or Timeouts(), limits or Limits())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the association that is kept for the next verb, if there is one."""
        run(self._verbs.close())

    def explain(self) -> Explanation | None:
        """Return what the peer accepted and rejected last, with its reasons; None before the first verb."""
        return self._verbs.explain()

    # Verbs

    def echo(self) -> Status:
        """Verify (C-ECHO)."""
        return run(self._verbs.echo())

    def store(
        self, sources: Iterable[Source] | Source, *, priority: Priority = Priority.MEDIUM
    ) -> Generator[Sent, None, None]:
        """Send files (as they are on disk) and data sets; iterate over the outcomes."""
        return iterate(self._verbs.store(sources, priority=priority))

    def find(
        self,
        level: Level | str = Level.STUDY,
        *,
        model: Model = Model.STUDY_ROOT,
        return_keys: Iterable[str] | None = None,
        priority: Priority = Priority.MEDIUM,
        **keys: Any,
    ) -> Generator[Dataset, None, None]:
        """Query by keywords; iterate over the answers. Leaving early cancels.

        Patients are asked for in the Patient Root model, whatever ``model`` says.
        """
        return iterate(self._verbs.find(level, model=model, return_keys=return_keys, priority=priority, keys=keys))

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


class _Blocking(Verbs):
    """The verbs over blocking associations."""

    def __init__(self, address: Address, calling: str, timeouts: Timeouts, limits: Limits) -> None:
        super().__init__()
        self._address = address
        self._calling = calling
        self._timeouts = timeouts
        self._limits = limits

    async def open(self, contexts: Sequence[ContextProposal], roles: Mapping[str, Role] | None) -> Link:
        """Open an association."""
        association = Association.request(
            self._address,
            list(contexts),
            calling=self._calling,
            timeouts=self._timeouts,
            limits=self._limits,
            roles=roles,
        )
        return BlockingLink(association)

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call what may block: here it may."""
        return function(*args)
