"""What happens on the network, as typed events, for those who want to know: nothing is made where nobody listens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = [
    "AssociationClosed",
    "AssociationOpened",
    "AssociationRefused",
    "BytesPassed",
    "Event",
    "EventBus",
    "Link",
    "MessageReceived",
    "MessageSent",
    "PduPassed",
    "SubOperation",
]

_log = logging.getLogger("pacskit.events")


@dataclass(frozen=True, slots=True)
class Link:
    """A connection: its number in this process's order on the bus, both ends, and whether we asked for it."""

    number: int
    local: tuple[str, int]
    peer: tuple[str, int]
    is_requestor: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened on ``link`` at ``at`` (seconds since 1970)."""

    link: Link
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationOpened(Event):
    """An association was agreed; ``waited`` is how long for the peer, ``worked`` how long we took ourselves."""

    calling: str
    called: str
    accepted: int
    rejected: int
    waited: float
    worked: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationRefused(Event):
    """An A-ASSOCIATE-RJ passed; ``by_us`` when we sent it."""

    reason: str
    by_us: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationClosed(Event):
    """The connection is closed; ``how`` is ``released``, ``rejected``, ``aborted by us``, ``aborted by the peer`` or
    ``lost``. The counts and times are of its whole life."""

    how: str
    messages_sent: int
    messages_received: int
    bytes_sent: int
    bytes_received: int
    waited: float
    worked: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _MessagePassed(Event):
    """A DIMSE message; ``size`` is that of all that passed for it.

    Since the message before it on this link, ``waited`` seconds went by waiting for the peer (for its bytes, or for it
    to take ours), ``worked`` seconds in our own code.
    """

    name: str
    message_id: int
    status: int | None
    sop_class_uid: str | None
    sop_instance_uid: str | None
    size: int
    waited: float
    worked: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(_MessagePassed):
    """A DIMSE message went out whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(_MessagePassed):
    """A DIMSE message has arrived whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubOperation(Event):
    """An instance of a retrieval that we answer went out, or did not (PS3.4 C.4.2.3.1, C.4.3.3.1).

    ``operation`` is ``C-GET`` or ``C-MOVE``, ``message_id`` the request's, ``peer`` who the instance goes to as
    ``AE@host:port`` (for a C-MOVE not the other end of ``link``). ``stored_as`` is the transfer syntax that it is in,
    ``sent_as`` the one on the wire (None: not sent), ``action`` what was decided: ``as it is``, ``converted`` (among
    the uncompressed syntaxes), ``transcoded`` or ``not sent``, and ``reason`` why. ``status`` is what it came to.
    """

    operation: str
    message_id: int
    peer: str
    sop_class_uid: str
    sop_instance_uid: str
    stored_as: str
    sent_as: str | None
    action: str
    reason: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PduPassed(Event):
    """The head of a PDU passed: its type (PS3.8 9.3.1) and the length of what follows."""

    sent: bool
    type: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BytesPassed(Event):
    """Bytes passed, as they are (under TLS: before encryption). They may hold patient data."""

    sent: bool
    data: bytes


E = TypeVar("E", bound=Event)


class EventBus:
    """Tells handlers what happened, each in the thread in which it did. Any number of threads use it at once.

    A handler that raises is logged, and harms nobody.

    >>> bus = EventBus()
    >>> leave = bus.subscribe(AssociationOpened, lambda event: print(event.calling))
    >>> bus.wants(AssociationOpened), bus.wants(BytesPassed)
    (True, False)
    >>> leave()
    >>> bus.wants(AssociationOpened)
    False
    """

    def __init__(self) -> None:
        self._handlers: dict[type[Event], tuple[Callable[[Any], object], ...]] = {}
        self._lock = threading.Lock()
        self._links = 0

    def subscribe(self, kind: type[E], handler: Callable[[E], object]) -> Callable[[], None]:
        """Call ``handler`` with each event of ``kind``; return what ends it."""
        with self._lock:
            self._handlers[kind] = (*self._handlers.get(kind, ()), handler)

        def leave() -> None:
            with self._lock:
                left = tuple(one for one in self._handlers.get(kind, ()) if one is not handler)
                self._handlers[kind] = left

        return leave

    def wants(self, kind: type[Event]) -> bool:
        """Whether anybody listens to ``kind``; what is expensive to make need not be made otherwise."""
        return bool(self._handlers.get(kind))

    def emit(self, event: Event) -> None:
        """Tell those who listen to the type of ``event``."""
        for handler in self._handlers.get(type(event), ()):
            try:
                handler(event)
            except Exception as error:
                _log.error("a handler of %s failed: %s", type(event).__name__, type(error).__name__)
                _log.debug("the failure", exc_info=error)

    def link(self, local: tuple[str, int], peer: tuple[str, int], *, is_requestor: bool) -> Link:
        """Return a new link with the next number."""
        with self._lock:
            self._links += 1
            return Link(self._links, local, peer, is_requestor)
