"""The address book of an archive: where the AE titles are that it may send to."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from pacskit.network.address import Address

__all__ = ["Nodes"]


class Nodes:
    """AE title → address; used by many threads."""

    def __init__(self) -> None:
        self._addresses: dict[str, Address] = {}
        self._lock = threading.Lock()

    def add(self, address: Address | str) -> Address:
        """Add ``AE@host:port``, or give an AE title a new place."""
        parsed = Address.parse(address) if isinstance(address, str) else address
        with self._lock:
            self._addresses[parsed.ae] = parsed
        return parsed

    def remove(self, ae: str) -> None:
        """Forget an AE title; KeyError if it is not there."""
        with self._lock:
            del self._addresses[ae.strip()]

    def get(self, ae: str) -> Address | None:
        """Return the address of an AE title, None where it is unknown."""
        return self._addresses.get(ae.strip())

    def __iter__(self) -> Iterator[Address]:
        with self._lock:
            return iter(list(self._addresses.values()))

    def __len__(self) -> int:
        return len(self._addresses)

    def __contains__(self, ae: object) -> bool:
        return isinstance(ae, str) and self.get(ae) is not None
