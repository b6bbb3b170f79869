"""The DIMSE-N verbs of `Peer`, awaited."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from pacskit.core.dataset import Dataset
from pacskit.facade.normalized import Notifications
from pacskit.services import normalized_scu as scu
from pacskit.services.normalized import NotificationEvent, Returned
from pacskit.services.normalized_scu import Answer

__all__ = ["NormalizedVerbs"]

Handler = TypeVar("Handler", bound=Callable[..., Returned | Awaitable[Returned]])


class NormalizedVerbs(ABC):
    """DIMSE-N as SCU. ``via`` is the meta SOP class to negotiate, where the SOP class is used through one."""

    def __init__(self) -> None:
        self._notifications = Notifications()

    @abstractmethod
    async def _normalized(
        self, work: Callable[..., Awaitable[Answer]], sop_class: str, *args: Any, via: str | None, **more: Any
    ) -> Answer: ...

    @abstractmethod
    async def _serve(self, seconds: float) -> bool: ...

    async def n_create(
        self,
        sop_class: str,
        dataset: Dataset | None = None,
        *,
        sop_instance: str | None = None,
        via: str | None = None,
    ) -> Answer:
        """Create an instance (N-CREATE); the peer chooses its UID where none is given. Failures raise DimseError."""
        return await self._normalized(scu.n_create, sop_class, dataset, sop_instance=sop_instance, via=via)

    async def n_set(self, sop_class: str, sop_instance: str, dataset: Dataset, *, via: str | None = None) -> Answer:
        """Change attributes of an instance (N-SET). Failures raise DimseError."""
        return await self._normalized(scu.n_set, sop_class, sop_instance, dataset, via=via)

    async def n_get(
        self, sop_class: str, sop_instance: str, attributes: Iterable[int | str] = (), *, via: str | None = None
    ) -> Answer:
        """Read attributes of an instance, by tag or keyword (N-GET); all where none is named."""
        return await self._normalized(scu.n_get, sop_class, sop_instance, attributes, via=via)

    async def n_action(
        self,
        sop_class: str,
        sop_instance: str,
        action_type: int,
        dataset: Dataset | None = None,
        *,
        via: str | None = None,
    ) -> Answer:
        """Ask for an action on an instance (N-ACTION). Failures raise DimseError."""
        return await self._normalized(scu.n_action, sop_class, sop_instance, action_type, dataset, via=via)

    async def n_delete(self, sop_class: str, sop_instance: str, *, via: str | None = None) -> Answer:
        """Delete an instance (N-DELETE). Failures raise DimseError."""
        return await self._normalized(scu.n_delete, sop_class, sop_instance, via=via)

    async def n_event_report(
        self,
        sop_class: str,
        sop_instance: str,
        event_type: int,
        dataset: Dataset | None = None,
        *,
        via: str | None = None,
    ) -> Answer:
        """Report an event to the SCU of a class (N-EVENT-REPORT), in the SCP role, which is proposed for it."""
        return await self._normalized(scu.n_event_report, sop_class, sop_instance, event_type, dataset, via=via)

    def on_event(self, *sop_classes: str) -> Callable[[Handler], Handler]:
        """Decorate what is called with each `NotificationEvent` of these classes that the peer sends meanwhile.

        A coroutine function is awaited in the loop, a plain one called in a thread.
        """
        return self._notifications.on(*sop_classes)

    async def wait_event(self, seconds: float) -> NotificationEvent | None:
        """Return the next notification that comes on the association at hand, None when none comes in time.

        It has been answered by then: by the handler of its class, else with success. Raises AssociationReleased or
        AssociationAborted when the peer leaves meanwhile; it may open an association of its own to report, see `SCP`.
        """
        if not self._notifications.taken:
            await self._serve(seconds)
        return self._notifications.next()
