"""SCP, a server made of handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level
from pacskit.core.errors import ConfigurationError, DimseError
from pacskit.core.events import EventBus
from pacskit.core.status import Status
from pacskit.core.uids import NON_PATIENT_STORAGE_SOP_CLASSES
from pacskit.facade.normalized import NormalizedHandlers
from pacskit.network.admission import Admission
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import CEchoRequest
from pacskit.network.flow import Call, Flow, Request, Send, Service
from pacskit.network.identity import Authenticator
from pacskit.network.negotiation import AssociationInfo
from pacskit.network.sink import Sink
from pacskit.network.threads import Server
from pacskit.services.events import EchoEvent, FindEvent, StoreEvent
from pacskit.services.query import AnsweringService
from pacskit.services.registry import registry_for
from pacskit.services.sop_classes import STORAGE
from pacskit.services.storage import ReceivingService
from pacskit.services.verification import VERIFICATION

if TYPE_CHECKING:
    from pacskit.security.context import TlsContext

__all__ = ["SCP"]

Handler = TypeVar("Handler", bound=Callable[..., Any])


class SCP(NormalizedHandlers):
    """A server whose answers come from your functions, each called in the thread of its association.

    Port 0 lets the system choose; ``port`` says which one it was. Listens on loopback unless told otherwise. With
    ``tls`` (from `tls_context`) it speaks TLS on ``port``, or with ``tls_port`` on that one and plain on ``port``.

    >>> scp = SCP("VENDOR", port=0)
    >>> @scp.on_store
    ... def keep(event):
    ...     event.save_into("inbox")
    """

    def __init__(  # noqa: PLR0913 - keyword-only options
        self,
        ae: str,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        calling: Iterable[str] = (),
        any_called: bool = False,
        accept_unknown: bool = False,
        tls: TlsContext | None = None,
        tls_port: int | None = None,
        admission: Admission | None = None,
        events: EventBus | None = None,
    ) -> None:
        super().__init__()
        self.ae = ae
        self._host, self._port = host, port
        self._timeouts, self._limits = timeouts, limits
        self._calling, self._any_called = tuple(calling), any_called
        self._accept_unknown = accept_unknown
        self._tls, self._tls_port = tls, tls_port
        self._admission = admission
        self._identity: Authenticator | None = None
        self._events = events
        self._echo: Callable[[EchoEvent], Status | int | None] = _echo
        self._store: Callable[[StoreEvent], Status | int | None] | None = None
        self._find: dict[Level, Callable[[FindEvent], Iterable[Dataset]]] = {}
        self._server: Server | None = None

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
        if self._server is not None:
            raise ConfigurationError("handlers are registered before the server is started")

    # Serving

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port if self._server is None else self._server.address[1]

    @property
    def tls_port(self) -> int:
        """The port that it listens on with TLS."""
        if self._server is None:
            raise ConfigurationError("the server has not been started")
        return self._server.tls_address[1]

    @property
    def address(self) -> str:
        """Where it is, as ``AE@host:port``."""
        return f"{self.ae}@{self._host}:{self.port}"

    def start(self) -> Self:
        """Listen, and serve in the background."""
        services: list[Service] = [_EchoService(self._echo), *self._normalized_services()]
        if self._find:
            services.append(_Finder(dict(self._find)).service)
        storage = None
        if self._store is not None:
            classes = tuple(map(str, (*STORAGE, *NON_PATIENT_STORAGE_SOP_CLASSES)))
            storage = ReceivingService(_storing(self._store), classes)
        registry = registry_for(services, storage=storage, accept_unknown=self._accept_unknown)
        self._server = Server(
            registry,
            ae=self.ae,
            host=self._host,
            port=self._port,
            timeouts=self._timeouts,
            limits=self._limits,
            calling=self._calling,
            called=None if self._any_called else (),
            tls=self._tls,
            tls_port=self._tls_port,
            admission=self._admission,
            authenticator=self._identity,
            events=self._events,
        ).start()
        return self

    def serve_forever(self) -> None:
        """Wait until `stop` is called, by another thread or a signal handler."""
        if self._server is None:
            self.start()
        if self._server is not None:
            self._server.wait()

    def stop(self, grace: float = 1.5) -> None:
        """Stop: idle associations at once, those at work after ``grace`` seconds."""
        if self._server is not None:
            self._server.stop(grace)

    def __enter__(self) -> Self:
        return self if self._server is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _echo(event: EchoEvent) -> Status:
    return Status.SUCCESS


def _status(answer: Status | int | None) -> int:
    return Status.SUCCESS if answer is None else answer


def _storing(handler: Callable[[StoreEvent], Status | int | None]) -> Callable[[Request, AssociationInfo], int]:
    def handle(request: Request, association: AssociationInfo) -> int:
        return _status(handler(StoreEvent(request, association)))

    return handle


class _EchoService:
    sop_classes = (VERIFICATION,)
    operations = (CEchoRequest,)

    def __init__(self, handler: Callable[[EchoEvent], Status | int | None]) -> None:
        self._handler = handler

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        return None

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        answer = yield Call(self._handler, EchoEvent(association))
        yield Send(request.command.response(_status(answer)))


class _Finder:
    """Gives each query to the handler of its level."""

    def __init__(self, handlers: dict[Level, Callable[[FindEvent], Iterable[Dataset]]]) -> None:
        self._handlers = handlers
        self.service = AnsweringService(self._answers)

    def _answers(
        self, request: Request, association: AssociationInfo, level: Level, identifier: Dataset
    ) -> tuple[FindEvent, Iterable[Dataset]]:
        handler = self._handlers.get(level)
        if handler is None:
            raise DimseError(Status.DOES_NOT_MATCH_CLASS, f"no queries at level {level} here")
        event = FindEvent(association, level, identifier)
        return event, handler(event)
