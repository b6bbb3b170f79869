"""The DIMSE-N verbs of `Peer`, and the handlers of `SCP` that answer them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

from pacskit.core.dataset import Dataset
from pacskit.core.errors import AssociationReleased, ConfigurationError
from pacskit.encoding import UNCOMPRESSED
from pacskit.network.association import Association
from pacskit.network.dimse import (
    NActionRequest,
    NCreateRequest,
    NDeleteRequest,
    NEventReportRequest,
    NGetRequest,
    NSetRequest,
    RequestMessage,
)
from pacskit.network.negotiation import ContextProposal, Role
from pacskit.services import normalized_scu as scu
from pacskit.services.normalized import NormalizedService, NotificationEvent, Returned
from pacskit.services.normalized_scu import Answer

__all__ = ["NormalizedHandlers", "NormalizedVerbs"]

Handler = TypeVar("Handler", bound=Callable[..., Returned])

_SYNTAXES: Final = tuple(map(str, UNCOMPRESSED))


class NormalizedVerbs(ABC):
    """DIMSE-N as SCU. ``via`` is the meta SOP class to negotiate, where the SOP class is used through one."""

    def __init__(self) -> None:
        self._event_handlers: dict[str, Callable[[NotificationEvent], Returned]] = {}
        self._notified: list[NotificationEvent] = []
        self._inbox = NormalizedService({}, notifications=self._notify)

    @abstractmethod
    def _lease(
        self, contexts: Sequence[ContextProposal], roles: Mapping[str, Role] | None = None
    ) -> AbstractContextManager[Association]: ...

    @abstractmethod
    def _kept(self) -> Association | None: ...

    def _leased(self, sop_class: str, via: str | None) -> AbstractContextManager[Association]:
        return self._lease([ContextProposal(str(via or sop_class), _SYNTAXES)])

    def n_create(
        self,
        sop_class: str,
        dataset: Dataset | None = None,
        *,
        sop_instance: str | None = None,
        via: str | None = None,
    ) -> Answer:
        """Create an instance (N-CREATE); the peer chooses its UID where none is given. Failures raise DimseError."""
        with self._leased(sop_class, via) as association:
            return scu.n_create(association, sop_class, dataset, sop_instance=sop_instance, via=via)

    def n_set(self, sop_class: str, sop_instance: str, dataset: Dataset, *, via: str | None = None) -> Answer:
        """Change attributes of an instance (N-SET). Failures raise DimseError."""
        with self._leased(sop_class, via) as association:
            return scu.n_set(association, sop_class, sop_instance, dataset, via=via)

    def n_get(
        self, sop_class: str, sop_instance: str, attributes: Iterable[int | str] = (), *, via: str | None = None
    ) -> Answer:
        """Read attributes of an instance, by tag or keyword (N-GET); all where none is named."""
        with self._leased(sop_class, via) as association:
            return scu.n_get(association, sop_class, sop_instance, attributes, via=via)

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
        with self._leased(sop_class, via) as association:
            return scu.n_action(association, sop_class, sop_instance, action_type, dataset, via=via)

    def n_delete(self, sop_class: str, sop_instance: str, *, via: str | None = None) -> Answer:
        """Delete an instance (N-DELETE). Failures raise DimseError."""
        with self._leased(sop_class, via) as association:
            return scu.n_delete(association, sop_class, sop_instance, via=via)

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
        context = str(via or sop_class)
        contexts = [ContextProposal(context, _SYNTAXES)]
        with self._lease(contexts, {context: Role(scu=False, scp=True)}) as association:
            return scu.n_event_report(association, sop_class, sop_instance, event_type, dataset, via=via)

    def on_event(self, *sop_classes: str) -> Callable[[Handler], Handler]:
        """Decorate what is called with each `NotificationEvent` of these classes that the peer sends meanwhile."""

        def register(handler: Handler) -> Handler:
            for sop_class in _some(sop_classes):
                self._event_handlers[sop_class] = handler
            return handler

        return register

    def wait_event(self, seconds: float) -> NotificationEvent | None:
        """Return the next notification that comes on the association at hand, None when none comes in time.

        It has been answered by then: by the handler of its class, else with success. Raises AssociationReleased or
        AssociationAborted when the peer leaves meanwhile; it may open an association of its own to report, see `SCP`.
        """
        if not self._notified:
            association = self._kept()
            if association is None or not association.is_open:
                raise AssociationReleased("there is no association to wait on")
            association.serve(seconds)
        return self._notified.pop(0) if self._notified else None

    def _notify(self, event: NotificationEvent) -> Returned:
        handler = self._event_handlers.get(str(event.sop_class_uid))
        returned = None if handler is None else handler(event)
        self._notified.append(event)
        return returned


class NormalizedHandlers(ABC):
    """The handlers of DIMSE-N requests, each for some SOP classes.

    A handler is given one event and returns a `Reply`, a data set, a status or None (success); raising `DimseError`
    answers with its status. ``via`` is the meta SOP class that is accepted for them, where they are used through one.
    """

    def __init__(self) -> None:
        self._normalized: dict[tuple[type[RequestMessage], str], Callable[..., Returned]] = {}
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
