"""The DIMSE-N verbs of `Peer`, and the handlers of `SCP` that answer them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from pacskit.core.dataset import Dataset
from pacskit.core.errors import ConfigurationError
from pacskit.network.dimse import (
    NActionRequest,
    NCreateRequest,
    NDeleteRequest,
    NEventReportRequest,
    NGetRequest,
    NSetRequest,
    RequestMessage,
)
from pacskit.network.flow import Service
from pacskit.services import normalized_scu as scu
from pacskit.services.normalized import NormalizedService, NotificationEvent, Returned
from pacskit.services.normalized_scu import Answer

__all__ = ["NormalizedHandlers", "NormalizedVerbs", "Notifications"]

Handler = TypeVar("Handler", bound=Callable[..., Returned | Awaitable[Returned]])


class NormalizedVerbs(ABC):
    """DIMSE-N as SCU. ``via`` is the meta SOP class to negotiate, where the SOP class is used through one."""

    def __init__(self) -> None:
        self._notifications = Notifications()

    @abstractmethod
    def _normalized(
        self, work: Callable[..., Awaitable[Answer]], sop_class: str, *args: Any, via: str | None, **more: Any
    ) -> Answer: ...

    @abstractmethod
    def _serve(self, seconds: float) -> bool: ...

    def n_create(
        self,
        sop_class: str,
        dataset: Dataset | None = None,
        *,
        sop_instance: str | None = None,
        via: str | None = None,
    ) -> Answer:
        """Create an instance (N-CREATE); the peer chooses its UID where none is given. Failures raise DimseError."""
        return self._normalized(scu.n_create, sop_class, dataset, sop_instance=sop_instance, via=via)

    def n_set(self, sop_class: str, sop_instance: str, dataset: Dataset, *, via: str | None = None) -> Answer:
        """Change attributes of an instance (N-SET). Failures raise DimseError."""
        return self._normalized(scu.n_set, sop_class, sop_instance, dataset, via=via)

    def n_get(
        self, sop_class: str, sop_instance: str, attributes: Iterable[int | str] = (), *, via: str | None = None
    ) -> Answer:
        """Read attributes of an instance, by tag or keyword (N-GET); all where none is named."""
        return self._normalized(scu.n_get, sop_class, sop_instance, attributes, via=via)

    def n_action(
        self,
        sop_class: str,
        sop_instance: str,
        action_type: int,
        dataset: Dataset | None = None,
        *,
        via: str | None = None,
    ) -> Answer:
        """Ask for an action on an instance (N-ACTION). Failures raise DimseError."""
        return self._normalized(scu.n_action, sop_class, sop_instance, action_type, dataset, via=via)

    def n_delete(self, sop_class: str, sop_instance: str, *, via: str | None = None) -> Answer:
        """Delete an instance (N-DELETE). Failures raise DimseError."""
        return self._normalized(scu.n_delete, sop_class, sop_instance, via=via)

    def n_event_report(
        self,
        sop_class: str,
        sop_instance: str,
        event_type: int,
        dataset: Dataset | None = None,
        *,
        via: str | None = None,
    ) -> Answer:
        """Report an event to the SCU of a class (N-EVENT-REPORT), in the SCP role, which is proposed for it."""
        return self._normalized(scu.n_event_report, sop_class, sop_instance, event_type, dataset, via=via)

    def on_event(self, *sop_classes: str) -> Callable[[Handler], Handler]:
        """Decorate what is called with each `NotificationEvent` of these classes that the peer sends meanwhile."""
        return self._notifications.on(*sop_classes)

    def wait_event(self, seconds: float) -> NotificationEvent | None:
        """Return the next notification that comes on the association at hand, None when none comes in time.

        It has been answered by then: by the handler of its class, else with success. Raises AssociationReleased or
        AssociationAborted when the peer leaves meanwhile; it may open an association of its own to report, see `SCP`.
        """
        if not self._notifications.taken:
            self._serve(seconds)
        return self._notifications.next()


class Notifications:
    """What a peer reports on associations of ours: it is given to the handler of its class, and kept in ``taken``."""

    def __init__(self) -> None:
        self._handlers: dict[str, Callable[[NotificationEvent], Returned | Awaitable[Returned]]] = {}
        self.taken: deque[NotificationEvent] = deque()
        self.service: Service = NormalizedService({}, notifications=self._take)

    def on(self, *sop_classes: str) -> Callable[[Handler], Handler]:
        """Decorate the handler of these classes."""

        def register(handler: Handler) -> Handler:
            for sop_class in _some(sop_classes):
                self._handlers[sop_class] = handler
            return handler

        return register

    def next(self) -> NotificationEvent | None:
        """Return the one that came first, None where there is none."""
        return self.taken.popleft() if self.taken else None

    def _take(self, event: NotificationEvent) -> Any:
        """Return what the handler returns; that of a coroutine function is awaited by the driver."""
        handler = self._handlers.get(str(event.sop_class_uid))
        returned = None if handler is None else handler(event)
        self.taken.append(event)
        return returned


class NormalizedHandlers(ABC):
    """The handlers of DIMSE-N requests, each for some SOP classes.

    A handler is given one event and returns a `Reply`, a data set, a status or None (success); raising `DimseError`
    answers with its status. ``via`` is the meta SOP class that is accepted for them, where they are used through one.
    """

    def __init__(self) -> None:
        self._normalized: dict[tuple[type[RequestMessage], str], Callable[..., Returned | Awaitable[Returned]]] = {}
        self._meta: list[str] = []

    @abstractmethod
    def _check_unstarted(self) -> None: ...

    def on_create(self, *sop_classes: str, via: str | None = None) -> Callable[[Handler], Handler]:
        """Decorate what is called with each `CreateEvent`."""
        return self._on(NCreateRequest, sop_classes, via)

    def on_set(self, *sop_classes: str, via: str | None = None) -> Callable[[Handler], Handler]:
        """Decorate what is called with each `SetEvent`."""
        return self._on(NSetRequest, sop_classes, via)

    def on_get(self, *sop_classes: str, via: str | None = None) -> Callable[[Handler], Handler]:
        """Decorate what is called with each `GetEvent` (N-GET)."""
        return self._on(NGetRequest, sop_classes, via)

    def on_action(self, *sop_classes: str, via: str | None = None) -> Callable[[Handler], Handler]:
        """Decorate what is called with each `ActionEvent`."""
        return self._on(NActionRequest, sop_classes, via)

    def on_delete(self, *sop_classes: str, via: str | None = None) -> Callable[[Handler], Handler]:
        """Decorate what is called with each `DeleteEvent`."""
        return self._on(NDeleteRequest, sop_classes, via)

    def on_event(self, *sop_classes: str, via: str | None = None) -> Callable[[Handler], Handler]:
        """Decorate what is called with each `NotificationEvent` (N-EVENT-REPORT) of a class that we use."""
        return self._on(NEventReportRequest, sop_classes, via)

    def _on(
        self, kind: type[RequestMessage], sop_classes: tuple[str, ...], via: str | None
    ) -> Callable[[Handler], Handler]:
        classes = _some(sop_classes)

        def register(handler: Handler) -> Handler:
            self._check_unstarted()
            for sop_class in classes:
                self._normalized[kind, sop_class] = handler
            self._meta += [str(via)] if via else classes
            return handler

        return register

    def _normalized_services(self) -> list[Any]:
        return [NormalizedService(self._normalized, contexts=self._meta)] if self._normalized else []


def _some(sop_classes: tuple[str, ...]) -> list[str]:
    if not sop_classes or callable(sop_classes[0]):
        raise ConfigurationError("a handler of normalized operations is for SOP classes: name them")
    return [str(uid) for uid in sop_classes]
