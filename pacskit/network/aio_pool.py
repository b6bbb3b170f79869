"""Associations kept for reuse by many tasks; see `pacskit.network.pool`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

from pacskit.core.errors import DimseError, NetworkError
from pacskit.network.address import Address
from pacskit.network.aio_association import Association
from pacskit.network.aio_calls import Calls
from pacskit.network.dimse import CEchoRequest
from pacskit.network.lending import BasePool, Key, key_of
from pacskit.network.negotiation import ContextProposal, Role

__all__ = ["AssociationPool"]

_VERIFICATION = "1.2.840.10008.1.1"


class AssociationPool(BasePool[Association]):
    """Lends associations, at most ``size`` to an address at a time; any number of tasks of one loop use it at once.

    An association that comes back in order is kept up to ``idle`` seconds for the next one who needs the same contexts,
    and looked at before it is lent again. After ``n`` attempts in a row without a connection (or with a transient
    rejection) the address is left alone for ``back_off`` × 2ⁿ⁻¹ seconds, at most ``longest``: a lease raises the last
    error at once then. A lease that finds all associations in use waits, at most ``wait`` seconds.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._waiters: set[asyncio.Future[None]] = set()
        self._calls = Calls()

    @asynccontextmanager
    async def lease(
        self,
        address: Address,
        contexts: Sequence[ContextProposal],
        *,
        calling: str,
        roles: Mapping[str, Role] | None = None,
        **options: Any,
    ) -> AsyncIterator[Association]:
        """Lend an association with these contexts; what goes wrong other than by a status ends it.

        ``options`` are those of `Association.request`; what was opened with others, for another user for instance, is
        not lent.

        Raises what `Association.request` raises, and DeadlineExceeded when none becomes free in time.
        """
        options["calling"] = calling
        key = key_of(contexts, roles, options)
        association = await self._take(address, key)
        if association is None:
            try:
                association = await Association.request(
                    address, list(contexts), roles=roles, calls=self._calls, **options
                )
            except BaseException as error:
                self._ledger.failed(address, error)
                self._wake()
                raise
        self._ledger.opened(address)
        try:
            yield association
        except (DimseError, GeneratorExit):
            await self._give_back(address, key, association)
            raise
        except asyncio.CancelledError:
            if not association.is_idle():
                await self._drop(address, association)
            else:
                await self._give_back(address, key, association)
            raise
        except BaseException:
            await self._drop(address, association)
            raise
        await self._give_back(address, key, association)

    async def keep_alive(self) -> None:
        """Use each idle association once: a C-ECHO where that was negotiated, else a look whether the peer has left.

        Call it from a task of your own, more often than the peers' idle deadlines.
        """
        taken = self._ledger.borrow_idle()
        while taken:
            address, key, association = taken.pop()
            try:
                if association.is_idle() and association.info.contexts_for(_VERIFICATION):
                    await association.perform(CEchoRequest())
            except NetworkError:
                await self._drop(address, association)
            except BaseException:
                for one in taken:
                    self._keep(*one)
                await self._drop(address, association)
                raise
            else:
                await self._give_back(address, key, association)

    async def close(self) -> None:
        """Release what is idle now, and what is lent when it comes back; nothing is lent any more."""
        idle = self._ledger.close()
        self._wake()
        try:
            await _release_all(idle)
        finally:
            self._calls.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def counts(self, address: Address | str) -> tuple[int, int]:
        """Return how many associations there are to an address, and how many of them are idle."""
        return self._ledger.counts(address)

    async def _take(self, address: Address, key: Key) -> Association | None:
        """Return an idle association that is still good, or None when there is room for a new one."""
        deadline = self._ledger.deadline()
        while True:
            found, association, surplus = self._ledger.seek(address, key)
            if not found:
                await self._wait(self._ledger.left(address, deadline))
                continue
            try:
                await _release_all(surplus)
                if association is None or association.is_idle():
                    return association
            except BaseException:  # the place that was reserved is free again
                await self._drop(address, association)
                raise
            try:
                await association.release()  # the peer has left meanwhile
            finally:
                self._lose(address)

    async def _wait(self, seconds: float) -> None:
        """Wait until something has come back, at most so long."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            self._waiters.discard(waiter)

    def _wake(self) -> None:
        """Have all that wait look again: which of them it is for depends on the address."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _keep(self, address: Address, key: Key, association: Association) -> bool:
        kept = self._ledger.returned(address, key, association, good=association.is_open)
        self._wake()
        return kept

    async def _give_back(self, address: Address, key: Key, association: Association) -> None:
        if not self._keep(address, key, association):
            await association.release()

    async def _drop(self, address: Address, association: Association | None) -> None:
        """Abort what was lent; who waits for the same address may open another one."""
        self._lose(address)
        if association is not None:
            await association.abort()

    def _lose(self, address: Address) -> None:
        self._ledger.lost(address)
        self._wake()


async def _release_all(associations: list[Association]) -> None:
    """Release each of them, also when the task is cancelled meanwhile."""
    error: BaseException | None = None
    for association in associations:
        try:
            await association.release()
        except BaseException as exc:
            error = exc
    if error is not None:
        raise error
