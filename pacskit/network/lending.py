"""Who has which association of a pool: the book-keeping, without waiting and without I/O."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Generic, TypeAlias, TypeVar

from pacskit.core.errors import AssociationRejected, ConfigurationError, ConnectError, DeadlineExceeded, NetworkError
from pacskit.network.address import Address
from pacskit.network.negotiation import ContextProposal, Role

__all__ = ["BasePool", "Key", "Ledger", "key_of"]

A = TypeVar("A")
Key: TypeAlias = tuple[object, ...]


def key_of(contexts: Sequence[ContextProposal], roles: Mapping[str, Role] | None, options: Mapping[str, Any]) -> Key:
    """Return what two requests have in common that can use the same association."""
    return tuple(contexts), tuple((roles or {}).items()), tuple(sorted(options.items(), key=itemgetter(0)))


@dataclass(slots=True)
class _Peer(Generic[A]):
    """What is known of one address: how many associations there are, which of them are idle, since when it fails."""

    count: int = 0
    idle: list[tuple[float, Key, A]] = field(default_factory=list)
    failures: int = 0
    not_before: float = 0.0
    error: NetworkError | None = None


class Ledger(Generic[A]):
    """Counts the associations to each address, those that are being opened too. Not for several threads at once."""

    def __init__(self, *, size: int, idle: float, wait: float, back_off: float, longest: float) -> None:
        if size < 1:
            raise ConfigurationError("a pool has at least one association")
        self._size, self._idle, self._wait = size, idle, wait
        self._back_off, self._longest = back_off, longest
        self._peers: dict[Address, _Peer[A]] = {}
        self._closed = False

    def deadline(self) -> float:
        """Return until when somebody who asks now may have to wait."""
        return time.monotonic() + self._wait

    def left(self, address: Address, deadline: float) -> float:
        """Return how long there is still to wait. Raises DeadlineExceeded."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded("waiting for an association of the pool", self._wait, peer=str(address))
        return left

    def seek(self, address: Address, key: Key) -> tuple[bool, A | None, list[A]]:
        """Return (whether there is one, an idle association or None for a new one, those to be released).

        Raises ConfigurationError when the pool is closed, and the last error of an address that is left alone.
        """
        if self._closed:
            raise ConfigurationError("the pool is closed")
        peer = self._peers.setdefault(address, _Peer())
        now = time.monotonic()
        fresh = [one for one in peer.idle if now - one[0] <= self._idle]
        match = next((one for one in reversed(fresh) if one[1] == key), None)
        if match is None and peer.error is not None and now < peer.not_before:
            raise peer.error.with_traceback(None)
        surplus = [one[2] for one in peer.idle if now - one[0] > self._idle]
        peer.idle, peer.count = fresh, peer.count - len(surplus)
        if match is not None:
            peer.idle.remove(match)
            return True, match[2], surplus
        if peer.count >= self._size and peer.idle:  # one for other contexts makes room
            surplus.append(peer.idle.pop(0)[2])
            peer.count -= 1
        if peer.count < self._size:
            peer.count += 1
            return True, None, surplus
        return False, None, surplus

    def opened(self, address: Address) -> None:
        """An association has come about: the address does not fail any more."""
        peer = self._peers[address]
        peer.failures, peer.error = 0, None

    def failed(self, address: Address, error: BaseException) -> None:
        """The association that there was room for did not come about."""
        peer = self._peers[address]
        peer.count -= 1
        if isinstance(error, (ConnectError, DeadlineExceeded)) or (
            isinstance(error, AssociationRejected) and error.is_transient
        ):
            pause = min(self._longest, self._back_off * 2**peer.failures)
            peer.failures = min(peer.failures + 1, 32)
            peer.not_before = time.monotonic() + pause
            peer.error = error

    def returned(self, address: Address, key: Key, association: A, *, good: bool) -> bool:
        """Return whether an association that comes back is kept; who brings it releases it otherwise."""
        peer = self._peers[address]
        keep = good and not self._closed
        if keep:
            peer.idle.append((time.monotonic(), key, association))
        else:
            peer.count -= 1
        return keep

    def lost(self, address: Address) -> None:
        """One that was lent, or for which there was room, is no more."""
        self._peers[address].count -= 1

    def borrow_idle(self) -> list[tuple[Address, Key, A]]:
        """Take all that is idle; it comes back by `returned`."""
        taken = [(address, key, one) for address, peer in self._peers.items() for _, key, one in peer.idle]
        for peer in self._peers.values():
            peer.idle.clear()
        return taken

    def close(self) -> list[A]:
        """Keep and lend nothing any more; return what was idle."""
        self._closed = True
        idle = [one for peer in self._peers.values() for _, _, one in peer.idle]
        for peer in self._peers.values():
            peer.count -= len(peer.idle)
            peer.idle.clear()
        return idle

    def counts(self, address: Address | str) -> tuple[int, int]:
        """Return how many associations there are to an address, and how many of them are idle."""
        peer = self._peers.get(Address.parse(address) if isinstance(address, str) else address)
        return (0, 0) if peer is None else (peer.count, len(peer.idle))


class BasePool(Generic[A]):
    """Associations that are kept: how many, for how long, and when an address is left alone."""

    def __init__(
        self,
        *,
        size: int = 4,
        idle: float = 30.0,
        wait: float = 30.0,
        back_off: float = 0.5,
        longest: float = 30.0,
    ) -> None:
        self._ledger: Ledger[A] = Ledger(size=size, idle=idle, wait=wait, back_off=back_off, longest=longest)
