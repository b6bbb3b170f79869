"""What a server made of handlers is told, once for both drivers."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pacskit.core.enums import Level
from pacskit.core.errors import ConfigurationError
from pacskit.core.status import Status
from pacskit.core.uids import NON_PATIENT_STORAGE_SOP_CLASSES
from pacskit.facade.normalized import NormalizedHandlers
from pacskit.network.dimse import CEchoRequest
from pacskit.network.flow import Call, Flow, Request, Send, Service, ServiceRegistry
from pacskit.network.identity import Authenticator
from pacskit.network.negotiation import AssociationInfo
from pacskit.network.sink import Sink
from pacskit.services.events import EchoEvent, StoreEvent
from pacskit.services.query import AnsweringService
from pacskit.services.registry import registry_for
from pacskit.services.sop_classes import STORAGE
from pacskit.services.storage import ReceivingService
from pacskit.services.verification import VERIFICATION, VerificationService

__all__ = ["Handler", "Handlers"]

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Handlers(NormalizedHandlers):
    """A server's settings and its handlers; ``options`` are its network's."""

    def __init__(
        self,
        ae: str,
        *,
        host: str,
        port: int,
        calling: Iterable[str],
        any_called: bool,
        accept_unknown: bool,
        options: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.ae = ae
        self._host, self._port = host, port
        self._settings = {
            **options,
            "ae": ae,
            "host": host,
            "port": port,
            "calling": tuple(calling),
            "called": None if any_called else (),
        }
        self._accept_unknown = accept_unknown
        self._echo: Callable[[EchoEvent], Any] | None = None
        self._store: Callable[[StoreEvent], Any] | None = None
        self._find: dict[Level, Callable[..., Any]] = {}
        self._identity: Authenticator | None = None

    # Handlers

    def on_echo(self, handler: Handler) -> Handler:
        """Decorate what is called for a C-ECHO; None answers with success."""
        self._check_unstarted()
        self._echo = handler
        return handler

    def on_store(self, handler: Handler) -> Handler:
        """Decorate what is called with each `StoreEvent`; it returns the status, None for success."""
        self._check_unstarted()
        self._store = handler
        return handler

    def on_find(self, level: Level | str) -> Callable[[Handler], Handler]:
        """Decorate what is called with each `FindEvent` of ``level``; it returns or yields the matching data sets."""
        level = Level(level)

        def register(handler: Handler) -> Handler:
            self._check_unstarted()
            self._find[level] = handler
            return handler

        return register

    def on_identity(self, handler: Handler) -> Handler:
        """Decorate what decides about each association by its `IdentityEvent`; see `Authenticator`."""
        self._check_unstarted()
        self._identity = handler
        return handler

    def _check_unstarted(self) -> None:
        if self._listening() is not None:
            raise ConfigurationError("handlers are registered before the server is started")

    @abstractmethod
    def _listening(self) -> tuple[str, int] | None:
        """Return where the server listens, once it does."""

    @property
    def port(self) -> int:
        """The port that it listens on."""
        where = self._listening()
        return self._port if where is None else where[1]

    @property
    def address(self) -> str:
        """Where it is, as ``AE@host:port``."""
        return f"{self.ae}@{self._host}:{self.port}"

    def _registry(self) -> ServiceRegistry:
        """Return the services that call the handlers."""
        services: list[Service] = [VerificationService() if self._echo is None else _EchoService(self._echo)]
        services += self._normalized_services()
        if self._find:
            services.append(AnsweringService(dict(self._find)))
        storage = None
        if self._store is not None:
            classes = tuple(map(str, (*STORAGE, *NON_PATIENT_STORAGE_SOP_CLASSES)))
            storage = ReceivingService(_storing(self._store), classes)
        return registry_for(services, storage=storage, accept_unknown=self._accept_unknown)


def _storing(handler: Callable[[StoreEvent], Any]) -> Callable[[Request, AssociationInfo], Any]:
    """Return ``handler`` as a `ReceivingService` calls it; a coroutine function stays one."""
    if not inspect.iscoroutinefunction(handler):
        return lambda request, association: handler(StoreEvent(request, association))

    async def handle(request: Request, association: AssociationInfo) -> Any:
        return await handler(StoreEvent(request, association))

    return handle


class _EchoService:
    sop_classes = (VERIFICATION,)
    operations = (CEchoRequest,)

    def __init__(self, handler: Callable[[EchoEvent], Any]) -> None:
        self._handler = handler

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        return None

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        answer = yield Call(self._handler, EchoEvent(association))
        yield Send(request.command.response(Status.SUCCESS if answer is None else answer))
