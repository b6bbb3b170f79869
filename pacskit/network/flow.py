"""Services as flows: generators that yield effects, so that one service runs under every driver.

A driver calls ``service.serve(request, association)``, interprets each effect that comes out and sends its result
back in. Errors of an effect are thrown into the flow at the ``yield``. A `DimseError` that leaves the flow is answered
with its status, any other exception with 0x0110 (processing failure).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, final, runtime_checkable

from pacskit.network.address import Address
from pacskit.network.dimse import Message, RequestMessage
from pacskit.network.sink import Sink

if TYPE_CHECKING:
    from pacskit.network.negotiation import AssociationInfo, ContextProposal, PresentationContext, Role

__all__ = [
    "END",
    "Call",
    "Cancelled",
    "Close",
    "Effect",
    "Finish",
    "Flow",
    "Next",
    "Open",
    "Outcome",
    "Peer",
    "Perform",
    "PerformOn",
    "Request",
    "Send",
    "Service",
    "ServiceRegistry",
    "Start",
    "Wait",
    "Watch",
]


@final
class _End:
    __slots__ = ()

    def __repr__(self) -> str:
        return "END"


END: Final = _End()
"""What `Next` gives when the iterator is exhausted."""


@dataclass(slots=True, frozen=True)
class Request:
    """What a service is asked: the typed command, its presentation context, and what the sink made of the data set."""

    command: Any
    context: PresentationContext
    data: Any = None


@final
@dataclass(slots=True)
class Send:
    """Send a response (or request) on this association, in one gathered write. Gives None."""

    message: Message


@final
class Call:
    """Call blocking or user code. Gives what it returns."""

    __slots__ = ("args", "function")

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.function = function
        self.args = args


@final
@dataclass(slots=True)
class Next:
    """Pull the next item from a user's iterator, under asyncio also from an asynchronous one. Gives it, or `END`."""

    iterator: Iterator[Any] | AsyncIterator[Any]


@final
@dataclass(slots=True)
class Finish:
    """Close a user's iterator that is not needed any more, where it can be closed. Gives None."""

    iterator: Iterator[Any] | AsyncIterator[Any]


@final
@dataclass(slots=True)
class Cancelled:
    """Ask whether a C-CANCEL for this message has arrived. Gives a bool, and never waits."""

    message_id: int


@final
@dataclass(slots=True)
class Watch:
    """Give a function that says whether a C-CANCEL for this message has arrived, or the peer has gone; for handlers."""

    message_id: int


@final
@dataclass(slots=True)
class Wait:
    """Wait for what somebody else completes, no longer than for a message (`Timeouts.dimse`). Gives its result.

    Raises TimeoutError.
    """

    future: Future[Any]


@final
@dataclass(slots=True)
class Perform:
    """Send a request on this same association (C-GET's C-STORE). Gives its response."""

    request: RequestMessage


class Peer(Protocol):
    """The handle that `Open` gives: an association to somebody else."""

    @property
    def info(self) -> AssociationInfo: ...


@final
@dataclass(slots=True)
class Open:
    """Open an association to another peer (C-MOVE). Gives a `Peer`; raises AssociationRejected, ConnectError …

    ``window`` is how many requests we would like to send on it before the first one is answered.
    """

    address: Address
    contexts: Sequence[ContextProposal]
    calling: str
    roles: Mapping[str, Role] = field(default_factory=dict)
    window: int = 1


@final
@dataclass(slots=True)
class PerformOn:
    """Send a request on an association got from `Open`. Gives its response."""

    peer: Peer
    request: RequestMessage


@final
@dataclass(slots=True)
class Start:
    """Send a request on an association got from `Open`, or on this same one, without waiting. Gives its message ID.

    Its outcome is asked for by `Outcome`. The association must allow so many at a time (``info.max_invoked``).
    """

    request: RequestMessage
    peer: Peer | None = None


@final
@dataclass(slots=True)
class Outcome:
    """Wait for the next response to any of the requests with these message IDs. Gives it."""

    ids: Collection[int]
    peer: Peer | None = None


@final
@dataclass(slots=True)
class Close:
    """Release an association got from `Open`. Gives None, also when the peer is gone already."""

    peer: Peer


Effect: TypeAlias = (
    Send | Call | Next | Finish | Cancelled | Watch | Wait | Perform | Open | PerformOn | Start | Outcome | Close
)
Flow: TypeAlias = Generator[Effect, Any, None]


@runtime_checkable
class Service(Protocol):
    """One per family of SOP classes.

    More attributes are read when they are there: ``operations`` (a tuple of the request classes that it answers; others
    are refused with 0x0211), ``by_context`` (whether it also answers for SOP classes that nobody registered in its
    contexts, as those of a meta SOP class are), ``transfer_syntaxes`` (a preference list, instead of the server's),
    ``extended`` (a method that is given a SOP class and the information of its extended negotiation, and returns the
    answer or None) and ``scu_sop_classes`` (classes for which this service is SCU on the same association, as C-GET
    does for the storage classes; the role is then granted to a requestor that proposes to be SCP).
    """

    @property
    def sop_classes(self) -> Sequence[str]: ...

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        """Return where the data set of ``request`` goes (None: into memory); raise DimseError to refuse it."""
        ...

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        """Answer ``request``."""
        ...


class ServiceRegistry:
    """SOP class → service. ``fallback`` takes the classes that nobody registered and ``accepts`` lets pass."""

    def __init__(
        self,
        services: Iterable[Service] = (),
        *,
        fallback: Service | None = None,
        accepts: Callable[[str], bool] = lambda uid: True,
    ) -> None:
        self._by_class: dict[str, Service] = {}
        self._scu: set[str] = set()
        self._fallback = fallback
        self._accepts = accepts
        for service in services:
            self.add(service)

    def add(self, service: Service) -> None:
        """Register ``service`` for its SOP classes; a later one replaces an earlier one."""
        for uid in service.sop_classes:
            self._by_class[str(uid)] = service
        self._scu.update(str(uid) for uid in getattr(service, "scu_sop_classes", ()))

    @property
    def sop_classes(self) -> tuple[str, ...]:
        """The SOP classes that are registered, in the order in which they were; not those of the fallback."""
        return tuple(self._by_class)

    def get(self, sop_class: str) -> Service | None:
        """Return the service for ``sop_class``, the fallback, or None."""
        service = self._by_class.get(sop_class)
        if service is None and self._fallback is not None and self._accepts(sop_class):
            return self._fallback
        return service

    def extend(self, sop_class: str, information: bytes) -> bytes | None:
        """Return what its service answers to the extended negotiation of ``sop_class``."""
        answer = getattr(self.get(sop_class), "extended", None)
        return None if answer is None else answer(sop_class, information)

    def is_scu_of(self, sop_class: str) -> bool:
        """Whether some service acts as SCU of ``sop_class`` on an association that it accepted."""
        return sop_class in self._scu or (self._fallback is not None and bool(self._scu) and self._accepts(sop_class))
