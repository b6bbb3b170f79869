"""Shapes that objects from outside must have."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["RangeSource"]


@runtime_checkable
class RangeSource(Protocol):
    """Bytes that can be had by range: an object of a store, a file behind HTTP, a slice of something bigger.

    ``dcmread`` takes any object with this method. Where it also has ``size``, an int, the end is known without asking.
    Values may be read from several threads, so the method must bear being called at once from them.
    """

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Return ``size`` bytes from ``offset`` on; fewer only where the source ends, none behind its end."""
