"""The address book of an archive: where the AE titles are that it may send to.

Nodes that are added are records of the index, so all processes on it know them from then on, and after a restart. Those
of the settings stand above them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from pacskit.core.errors import ConfigurationError
from pacskit.network.address import Address
from pacskit.storage.entities import RemoteNode
from pacskit.storage.index.collection import Collection

__all__ = ["Nodes"]

_PAGE = 200


class Nodes:
    """AE title → address; used by many threads. Without ``records`` it is known to this object alone.

    Parameters
    ----------
    fixed
        Nodes that are neither replaced nor removed.
    records
        Where the others are kept.
    """

    def __init__(self, fixed: Iterable[Address | str] = (), records: Collection[RemoteNode] | None = None) -> None:
        parsed = [Address.parse(one) if isinstance(one, str) else one for one in fixed]
        self._fixed = {one.ae: one for one in parsed}
        self._records = records
        self._own: dict[str, Address] = {}
        self._lock = threading.Lock()

    def add(self, address: Address | str) -> Address:
        """Add ``AE@host:port``, or give an AE title a new place.

        Raises ConfigurationError where the settings give it another one, and StorageError.
        """
        parsed = Address.parse(address) if isinstance(address, str) else address
        fixed = self._fixed.get(parsed.ae)
        if fixed is not None:
            if fixed != parsed:
                raise ConfigurationError(f"{parsed.ae} is a node of the settings: {fixed}")
        elif self._records is not None:
            self._records.put(_record(parsed))
        else:
            with self._lock:
                self._own[parsed.ae] = parsed
        return parsed

    def remove(self, ae: str) -> None:
        """Forget an AE title; KeyError if it is not there. Raises ConfigurationError for one of the settings."""
        ae = ae.strip()
        if ae in self._fixed:
            raise ConfigurationError(f"{ae} is a node of the settings")
        if self._records is None:
            with self._lock:
                del self._own[ae]
        elif not self._records.delete(ae):
            raise KeyError(ae)

    def get(self, ae: str) -> Address | None:
        """Return the address of an AE title, None where it is unknown."""
        ae = ae.strip()
        if ae in self._fixed or self._records is None:
            return self._fixed.get(ae) or self._own.get(ae)
        kept = self._records.get(ae)
        return None if kept is None else _address(kept.record)

    def __iter__(self) -> Iterator[Address]:
        yield from self._fixed.values()
        if self._records is None:
            with self._lock:
                yield from list(self._own.values())
            return
        after = ""
        while page := self._records.list(limit=_PAGE, after=after):
            yield from (_address(one.record) for one in page if one.record.name not in self._fixed)
            after = page[-1].record.name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, ae: object) -> bool:
        return isinstance(ae, str) and self.get(ae) is not None


def _record(address: Address) -> RemoteNode:
    return RemoteNode(address.ae, address.ae, address.host, address.port, address.tls)


def _address(record: RemoteNode) -> Address:
    return Address(record.ae, record.host, record.port, record.tls)
