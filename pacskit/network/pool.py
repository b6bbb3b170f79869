"""Associations kept for reuse by many threads: bounded, healthy when lent, with a back-off for peers that fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from pacskit.core.errors import DimseError, NetworkError
from pacskit.network.address import Address
from pacskit.network.association import Association
from pacskit.network.dimse import CEchoRequest
from pacskit.network.lending import BasePool, Key, key_of
from pacskit.network.negotiation import ContextProposal, Role

__all__ = ["AssociationPool"]

_VERIFICATION = "1.2.840.10008.1.1"


class AssociationPool(BasePool[Association]):
    """Lends associations, at most ``size`` to an address at a time; any number of threads use it at once.

    An association that comes back in order is kept up to ``idle`` seconds for the next one who needs the same contexts,
    and looked at before it is lent again. After ``n`` attempts in a row without a connection (or with a transient
    rejection) the address is left alone for ``back_off`` × 2ⁿ⁻¹ seconds, at most ``longest``: a lease raises the last
    error at once then. A lease that finds all associations in use waits, at most ``wait`` seconds.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._changed = threading.Condition()

    @contextmanager
    def lease(
        self,
        address: Address,
        contexts: Sequence[ContextProposal],
        *,
        calling: str,
        roles: Mapping[str, Role] | None = None,
        **options: Any,
    ) -> Iterator[Association]:
        """Lend an association with these contexts; what goes wrong other than by a status ends it.

        ``options`` are those of `Association.request`; what was opened with others, for another user for instance, is
        not lent.

        Raises what `Association.request` raises, and DeadlineExceeded when none becomes free in time.
        """
        options["calling"] = calling
        key = key_of(contexts, roles, options)
        association = self._take(address, key)
        if association is None:
            try:
                association = Association.request(address, list(contexts), roles=roles, **options)
            except BaseException as error:
                with self._changed:
                    self._ledger.failed(address, error)
                    self._changed.notify_all()
                raise
        with self._changed:
            self._ledger.opened(address)
        try:
            yield association
        except (DimseError, GeneratorExit):
            self._give_back(address, key, association)
            raise
        except BaseException:
            self._drop(address, association)
            raise
        self._give_back(address, key, association)

    def keep_alive(self) -> None:
        """Use each idle association once: a C-ECHO where that was negotiated, else a look whether the peer has left.

        Call it from a timer of your own, more often than the peers' idle deadlines.
        """
        with self._changed:
            taken = self._ledger.borrow_idle()
        while taken:
            address, key, association = taken.pop()
            try:
                if association.is_idle() and association.info.contexts_for(_VERIFICATION):
                    association.perform(CEchoRequest())
            except NetworkError:
                self._drop(address, association)
            except BaseException:
                self._drop(address, association)
                for one in taken:
                    self._give_back(*one)
                raise
            else:
                self._give_back(address, key, association)

    def close(self) -> None:
        """Release what is idle now, and what is lent when it comes back; nothing is lent any more."""
        with self._changed:
            idle = self._ledger.close()
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
            return self._ledger.counts(address)

    def _take(self, address: Address, key: Key) -> Association | None:
        """Return an idle association that is still good, or None when there is room for a new one."""
        deadline = self._ledger.deadline()
        while True:
            found, surplus = self._reserve(address, key, deadline)
            try:
                for association in surplus:
                    association.release()
                if found is None or found.is_idle():
                    return found
            except BaseException:  # the place that was reserved is free again
                self._drop(address, found)
                raise
            try:
                found.release()  # the peer has left meanwhile
            finally:
                self._drop(address, None)

    def _reserve(self, address: Address, key: Key, deadline: float) -> tuple[Association | None, list[Association]]:
        with self._changed:
            while True:
                found, association, surplus = self._ledger.seek(address, key)
                if found:
                    return association, surplus
                self._changed.wait(self._ledger.left(address, deadline))

    def _give_back(self, address: Address, key: Key, association: Association) -> None:
        with self._changed:
            kept = self._ledger.returned(address, key, association, good=association.is_open)
            self._changed.notify_all()
        if not kept:
            association.release()

    def _drop(self, address: Address, association: Association | None) -> None:
        """Abort what was lent; who waits for the same address may open another one."""
        try:
            if association is not None:
                association.abort()
        finally:
            with self._changed:
                self._ledger.lost(address)
                self._changed.notify_all()  # and not one: it might be waiting for another address
