"""Associations kept for reuse by many threads: bounded, healthy when lent, with a back-off for peers that fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from types import TracebackType
from typing import Any, Self, TypeAlias

from pacskit.core.errors import (
    AssociationRejected,
    ConfigurationError,
    ConnectError,
    DeadlineExceeded,
    DimseError,
    NetworkError,
)
from pacskit.core.events import EventBus
from pacskit.network.address import Address
from pacskit.network.association import Association
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CEchoRequest
from pacskit.network.negotiation import ContextProposal, Role
from pacskit.network.pdu import ExtendedItem

__all__ = ["AssociationPool"]

_VERIFICATION = "1.2.840.10008.1.1"
_Key: TypeAlias = tuple[object, ...]


@dataclass(slots=True)
class _Peer:
    """What is known of one address: how many associations there are, which of them are idle, since when it fails."""

    count: int = 0
    idle: list[tuple[float, _Key, Association]] = field(default_factory=list)
    failures: int = 0
    not_before: float = 0.0
    error: NetworkError | None = None


class AssociationPool:
    """Lends associations, at most ``size`` to an address at a time; any number of threads use it at once.

    An association that comes back in order is kept up to ``idle`` seconds for the next one who needs the same contexts,
    and looked at before it is lent again. After ``n`` attempts in a row without a connection (or with a transient
    rejection) the address is left alone for ``back_off`` × 2ⁿ⁻¹ seconds, at most ``longest``: a lease raises the last
    error at once then. A lease that finds all associations in use waits, at most ``wait`` seconds.
    """

    def __init__(
        self,
        *,
        size: int = 4,
        idle: float = 30.0,
        wait: float = 30.0,
        back_off: float = 0.5,
        longest: float = 30.0,
    ) -> None:
        if size < 1:
            raise ConfigurationError("a pool has at least one association")
        self._size, self._idle, self._wait = size, idle, wait
        self._back_off, self._longest = back_off, longest
        self._peers: dict[Address, _Peer] = {}
        self._changed = threading.Condition()
        self._closed = False

    @contextmanager
    def lease(  # noqa: PLR0913 - keyword-only options
        self,
        address: Address,
        contexts: Sequence[ContextProposal],
        *,
        calling: str,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        roles: Mapping[str, Role] | None = None,
        window: int = 1,
        extended: tuple[ExtendedItem, ...] = (),
        events: EventBus | None = None,
        **who: Any,
    ) -> Iterator[Association]:
        """Lend an association with these contexts; what goes wrong other than by a status ends it.

        ``who`` are the options of `Association.request` that say who asks, such as ``identity``: what was opened for
        one user is not lent to another.

        Raises what `Association.request` raises, and DeadlineExceeded when none becomes free in time.
        """
        asking = calling, timeouts, limits, tuple(sorted(who.items(), key=itemgetter(0)))
        key: _Key = (asking, tuple(contexts), tuple((roles or {}).items()), window, extended, events)
        association = self._take(address, key)
        if association is None:
            try:
                association = Association.request(
                    address,
                    list(contexts),
                    calling=calling,
                    timeouts=timeouts,
                    limits=limits,
                    roles=roles,
                    window=window,
                    extended=extended,
                    events=events,
                    **who,
                )
            except BaseException as error:
                self._failed(address, error)
                raise
        with self._changed:
            peer = self._peers[address]
            peer.failures, peer.error = 0, None
        try:
            yield association
        except (DimseError, GeneratorExit):
            self._give_back(address, key, association)
            raise
        except BaseException:
            association.abort()
            self._give_back(address, key, association)
            raise
        self._give_back(address, key, association)

    def keep_alive(self) -> None:
        """Use each idle association once: a C-ECHO where that was negotiated, else a look whether the peer has left.

        Call it from a timer of your own, more often than the peers' idle deadlines.
        """
        with self._changed:
            taken = [(address, *one) for address, peer in self._peers.items() for one in peer.idle]
            for peer in self._peers.values():
                peer.idle.clear()
        for address, _, key, association in taken:
            try:
                if association.is_idle() and association.info.contexts_for(_VERIFICATION):
                    association.perform(CEchoRequest())
            except NetworkError:
                association.abort()
            self._give_back(address, key, association)

    def close(self) -> None:
        """Release what is idle now, and what is lent when it comes back; nothing is lent any more."""
        with self._changed:
            self._closed = True
            idle = [association for peer in self._peers.values() for _, _, association in peer.idle]
            for peer in self._peers.values():
                peer.count -= len(peer.idle)
                peer.idle.clear()
            self._changed.notify_all()
        for association in idle:
            association.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def counts(self, address: Address | str) -> tuple[int, int]:
        """Return how many associations there are to an address, and how many of them are idle."""
        with self._changed:
            peer = self._peers.get(Address.parse(address) if isinstance(address, str) else address, _Peer())
            return peer.count, len(peer.idle)

    # The book-keeping; `count` includes those that are being opened

    def _take(self, address: Address, key: _Key) -> Association | None:
        """Return an idle association that is still good, or None when there is room for a new one."""
        deadline = time.monotonic() + self._wait
        while True:
            found, surplus = self._reserve(address, key, deadline)
            for association in surplus:
                association.release()
            if found is None or found.is_idle():
                return found
            found.release()  # the peer has left meanwhile
            with self._changed:
                self._peers[address].count -= 1
                self._changed.notify()

    def _reserve(self, address: Address, key: _Key, deadline: float) -> tuple[Association | None, list[Association]]:
        with self._changed:
            peer = self._peers.setdefault(address, _Peer())
            while True:
                if self._closed:
                    raise ConfigurationError("the pool is closed")
                now = time.monotonic()
                surplus = self._expired(peer, now)
                match = next((one for one in reversed(peer.idle) if one[1] == key), None)
                if match is not None:
                    peer.idle.remove(match)
                    return match[2], surplus
                if peer.error is not None and now < peer.not_before:
                    raise peer.error.with_traceback(None)
                if peer.count >= self._size and peer.idle:  # one for other contexts makes room
                    surplus.append(peer.idle.pop(0)[2])
                    peer.count -= 1
                if peer.count < self._size:
                    peer.count += 1
                    return None, surplus
                if not self._changed.wait(deadline - now) and time.monotonic() >= deadline:
                    raise DeadlineExceeded("waiting for an association of the pool", self._wait, peer=str(address))

    def _expired(self, peer: _Peer, now: float) -> list[Association]:
        """Take out what has been idle for too long."""
        old = [one for one in peer.idle if now - one[0] > self._idle]
        peer.idle = [one for one in peer.idle if now - one[0] <= self._idle]
        peer.count -= len(old)
        return [association for _, _, association in old]

    def _failed(self, address: Address, error: BaseException) -> None:
        with self._changed:
            peer = self._peers[address]
            peer.count -= 1
            if isinstance(error, (ConnectError, DeadlineExceeded)) or (
                isinstance(error, AssociationRejected) and error.is_transient
            ):
                pause = min(self._longest, self._back_off * 2**peer.failures)
                peer.failures = min(peer.failures + 1, 32)
                peer.not_before = time.monotonic() + pause
                peer.error = error
            self._changed.notify()

    def _give_back(self, address: Address, key: _Key, association: Association) -> None:
        keep = association.is_open
        with self._changed:
            peer = self._peers[address]
            keep = keep and not self._closed
            if keep:
                peer.idle.append((time.monotonic(), key, association))
            else:
                peer.count -= 1
            self._changed.notify()
        if not keep:
            association.release()
