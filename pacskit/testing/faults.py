"""Faults to put between two peers: what `FaultProxy` does with the bytes that pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

__all__ = [
    "TO_CLIENT",
    "TO_SERVER",
    "Abort",
    "Close",
    "Delay",
    "Direction",
    "Fault",
    "Feed",
    "Passing",
    "Reset",
    "Rewrite",
    "Split",
    "Stall",
    "Throttle",
]

TO_SERVER: Final = "to_server"
TO_CLIENT: Final = "to_client"
Direction: TypeAlias = str


@dataclass(slots=True)
class Passing:
    """One direction of one connection, as a fault sees it.

    ``count`` bytes have passed before these, ``first_data`` is where the first P-DATA-TF PDU began (None: not yet),
    ``held`` is for the fault to keep bytes in.
    """

    direction: Direction
    count: int = 0
    first_data: int | None = None
    held: bytearray = field(default_factory=bytearray)
    _next_pdu: int = 0
    _head: bytearray = field(default_factory=bytearray)

    def look(self, data: bytes) -> None:
        """Follow the PDUs, until the first P-DATA-TF; before the bytes are counted."""
        while self.first_data is None and self._next_pdu < self.count + len(data):
            start = max(0, self._next_pdu + len(self._head) - self.count)
            self._head += data[start : start + 6 - len(self._head)]
            if self._head[0] == 4:
                self.first_data = self._next_pdu
            elif len(self._head) < 6:
                return
            else:
                self._next_pdu += 6 + int.from_bytes(self._head[2:6], "big")
                self._head.clear()


@dataclass(frozen=True, slots=True)
class Feed:
    """What is to happen: ``data`` goes on ``delay`` seconds after it came, and ``gap`` after what went before it.

    Then, as ``then`` says: ``go on``, ``stall`` (nothing passes any more, both stay connected), ``close`` or ``reset``
    (both ends).
    """

    data: bytes
    delay: float = 0.0
    gap: float = 0.0
    then: str = "go on"


class Fault(Protocol):
    """Something that happens to what passes. ``where`` is the direction, None for both."""

    @property
    def where(self) -> Direction | None: ...

    def apply(self, passing: Passing, data: bytes) -> Iterator[Feed]:
        """Yield what becomes of ``data``, which has just arrived."""
        ...


@dataclass(frozen=True)
class Delay:
    """Everything arrives ``seconds`` later: a long line. The bytes keep flowing meanwhile."""

    seconds: float
    where: Direction | None = None

    def apply(self, passing: Passing, data: bytes) -> Iterator[Feed]:
        yield Feed(data, delay=self.seconds)


@dataclass(frozen=True)
class Split:
    """Arrives in pieces of ``size`` bytes, each a segment of its own, ``seconds`` apart (a slow peer)."""

    size: int = 1
    seconds: float = 0.0
    where: Direction | None = None

    def apply(self, passing: Passing, data: bytes) -> Iterator[Feed]:
        for start in range(0, len(data), self.size):
            yield Feed(data[start : start + self.size], gap=self.seconds)


@dataclass(frozen=True)
class Throttle:
    """Takes and acknowledges ``rate`` bytes a second: a thin line, or a peer that reads slowly."""

    rate: int
    where: Direction | None = None

    @property
    def most_held(self) -> int:
        """How many bytes may wait in the proxy: few, so that the sender feels it."""
        return max(1, self.rate // 10)

    def apply(self, passing: Passing, data: bytes) -> Iterator[Feed]:
        size = max(1, self.rate // 50)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            yield Feed(piece, gap=len(piece) / self.rate)


@dataclass(frozen=True)
class _At:
    """After ``after`` bytes of the direction, of its messages where ``in_data``: not counting association control."""

    after: int
    where: Direction | None = TO_SERVER
    in_data: bool = False

    def _end(self, passing: Passing, data: bytes, then: str, last: bytes = b"") -> Iterator[Feed]:
        left = self.after - passing.count
        if self.in_data:
            left = len(data) + 1 if passing.first_data is None else left + passing.first_data
        if left > len(data):
            yield Feed(data)
        else:
            yield Feed(data[: max(0, left)] + last, then=then)


class Stall(_At):
    """Nothing passes after ``after`` bytes, and nobody is told: a cable that was pulled."""

    def apply(self, passing: Passing, data: bytes) -> Iterator[Feed]:
        yield from self._end(passing, data, "stall")


class Close(_At):
    """Both connections are closed in order after ``after`` bytes, in the middle of whatever it is."""

    def apply(self, passing: Passing, data: bytes) -> Iterator[Feed]:
        yield from self._end(passing, data, "close")


class Reset(_At):
    """Both connections are reset after ``after`` bytes."""

    def apply(self, passing: Passing, data: bytes) -> Iterator[Feed]:
        yield from self._end(passing, data, "reset")


class Abort(_At):
    """An A-ABORT of the service user follows ``after`` bytes, also in the middle of a PDU."""

    def apply(self, passing: Passing, data: bytes) -> Iterator[Feed]:
        yield from self._end(passing, data, "close", bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0)))


@dataclass(frozen=True)
class Rewrite:
    """Each whole PDU goes through ``change``, which returns what goes on instead (wrong status, flood, nothing)."""

    change: Callable[[bytes], bytes]
    where: Direction | None = TO_CLIENT

    def apply(self, passing: Passing, data: bytes) -> Iterator[Feed]:
        held = passing.held
        held += data
        while len(held) >= 6 and len(held) >= (need := 6 + int.from_bytes(held[2:6], "big")):
            pdu = bytes(held[:need])
            del held[:need]
            yield Feed(self.change(pdu))
