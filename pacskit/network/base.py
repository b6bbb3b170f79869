"""What the two drivers have in common: all that needs no I/O, for the classes of the same names in both."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pacskit.core.errors import (
    AssociationAborted,
    AssociationRejected,
    AssociationReleased,
    ConfigurationError,
    NetworkError,
    ProtocolError,
    TlsError,
)
from pacskit.core.events import EventBus
from pacskit.network.address import Address, check_ae_title
from pacskit.network.admission import Admission, Gate
from pacskit.network.answering import ServiceFor, sink_for
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import Message, RequestMessage, ResponseMessage
from pacskit.network.flow import Service, ServiceRegistry
from pacskit.network.identity import NOT_IDENTIFIED, Authenticator, Identified
from pacskit.network.indications import Aborted, AssociateConfirmation, AssociateRejected, ReleaseIndication
from pacskit.network.machine import Machine
from pacskit.network.negotiation import AcceptorPolicy, AssociationInfo, PresentationContext, accept, confirm
from pacskit.network.pdu import AssociateReject, AssociateRequest
from pacskit.network.session import Session, SessionEvent
from pacskit.network.sink import Sink

if TYPE_CHECKING:
    from pacskit.security.channel import TlsInfo
    from pacskit.security.context import TlsContext

__all__ = [
    "BaseAssociation",
    "BaseConnection",
    "BaseFlowDriver",
    "BaseServer",
    "awaited",
    "check_tls",
    "concluded",
]

_log = logging.getLogger("pacskit.network")

_UNRECOGNIZED_PDU = 1  # PS3.8 9.3.8


def check_tls(tls: Any, address: Address | None = None) -> None:
    """Raise ConfigurationError unless ``tls`` can be used, to reach ``address`` where one is given."""
    if tls is None and address is not None and address.tls:
        raise ConfigurationError(f"{address} is reached by TLS only: say which certificates to use (tls=)")
    if tls is not None and not hasattr(tls, "check_server"):
        raise ConfigurationError(f"tls is what tls_context gives, not {type(tls).__name__}")


class BaseConnection(ABC):
    """One association: its state machine, its messages, and the events that nobody has taken yet.

    ``ahead`` is how many requests may be read before the one at hand is answered; TCP holds back the rest.
    ``cancelled`` are the message IDs for which a C-CANCEL has arrived; ``busy`` is False only while the acceptor waits
    for the next request.
    """

    __slots__ = ("_events", "_last_id", "ahead", "busy", "cancelled", "limits", "machine", "session", "timeouts")

    def __init__(self, *, is_requestor: bool, timeouts: Timeouts, limits: Limits) -> None:
        self.timeouts = timeouts
        self.limits = limits
        self.machine = Machine(is_requestor=is_requestor, limits=limits, timeouts=timeouts)
        self.session = Session(self.machine, limits)
        self.cancelled: set[int] = set()
        self.ahead = 1
        self.busy = True
        self._events: deque[SessionEvent] = deque()
        self._last_id = 0

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether the connection is closed."""

    @property
    @abstractmethod
    def failure(self) -> str | None:
        """Why it came to its end before its time; TLS has reasons, TCP has none."""

    @abstractmethod
    def flush(self) -> None:
        """Send what the machine has to say, and close when it wants that."""

    @property
    def peer(self) -> str | None:
        """The peer's name for messages."""
        return None if self.session.info is None else self.session.info.peer_name

    @property
    def is_open(self) -> bool:
        """Whether messages can be exchanged."""
        return not self.machine.is_over and not self.closed

    def established(self, info: AssociationInfo) -> None:
        """The association is agreed. Raises ValueError for a maximum PDU length that is of no use."""
        self.session.established(info)
        self.ahead = min(max(1, info.max_performed), self.limits.max_async_ops)

    def next_message_id(self) -> int:
        """Return an ID that no recent message of ours had (PS3.7 9.1.1.1.1)."""
        self._last_id = self._last_id % 0xFFFF + 1
        return self._last_id

    def unread(self, events: list[SessionEvent]) -> None:
        """Put ``events`` back for the next `wait`."""
        self._events.extendleft(reversed(events))

    def forget(self) -> None:
        """Give up what was read ahead and is not answered, and what has arrived in part."""
        self.session.discard()
        while self._events:
            self.drop(self._events.popleft())

    def drop(self, event: SessionEvent) -> None:
        """Give up what came with a request that is not answered."""
        data = getattr(event, "data", None)
        give_up = getattr(data, "abort", None) or getattr(data, "close", None)
        if give_up is not None:
            give_up()

    def meaning(self, event: SessionEvent) -> NetworkError:
        """Return what ``event`` means for somebody who was waiting for something else."""
        if isinstance(event, Aborted):
            who = "we" if event.by_us else "the peer"
            text = self.failure or event.detail or f"{who} aborted"
            return AssociationAborted(
                f"association aborted: {text}", source=event.source, reason_code=event.reason, peer=self.peer
            )
        if isinstance(event, ReleaseIndication):
            return AssociationReleased("the peer released the association", peer=self.peer)
        return AssociationAborted(
            f"association aborted by us: unexpected {type(event).__name__}", source=0, reason_code=0, peer=self.peer
        )


def concluded(
    connection: BaseConnection,
    event: SessionEvent,
    proposal: AssociateRequest,
    address: Address,
    tls: TlsInfo | None,
) -> AssociationInfo | NetworkError:
    """Return what was agreed when ``event`` came in answer to ``proposal``, or the error that it is."""
    peer = str(address)
    if isinstance(event, AssociateConfirmation):
        info = confirm(proposal, event.accept, (address.host, address.port), tls=tls)
        try:
            connection.established(info)
        except ValueError as exc:
            return ProtocolError(f"the peer's maximum PDU length is of no use: {exc}", peer=peer)
        return info
    if isinstance(event, AssociateRejected):
        reject = event.reject
        advice = reject.advice(proposal.called, proposal.calling)
        return AssociationRejected(reject.result, reject.source, reject.reason, str(reject), advice=advice, peer=peer)
    if isinstance(event, Aborted):
        if connection.failure is not None:
            return TlsError(connection.failure, peer=peer)
        why = event.detail or ("aborted by us" if event.by_us else "aborted by the peer")
        if tls is None and event.by_us and event.reason == _UNRECOGNIZED_PDU:
            why += "; perhaps the peer expects TLS there"
        return AssociationAborted(f"no association: {why}", source=event.source, reason_code=event.reason, peer=peer)
    if isinstance(event, ReleaseIndication):
        return AssociationReleased("the peer released the association", peer=peer)
    return AssociationAborted(f"no association: unexpected {type(event).__name__}", peer=peer)


class BaseAssociation:
    """The requestor's side: what was agreed, and who answers what the peer asks."""

    _connection: Any

    def __init__(self, info: AssociationInfo) -> None:
        self._service: Service | None = None
        self._listener: Service | None = None
        self.info = info

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent; that the peer has left is known once it has been read."""
        return bool(self._connection.is_open)

    @property
    def accepted(self) -> tuple[PresentationContext, ...]:
        return self.info.accepted

    @property
    def rejected(self) -> tuple[PresentationContext, ...]:
        """The contexts that the peer turned down; each has its ``reason``."""
        return self.info.rejected

    def listen(self, service: Service | None) -> None:
        """Let ``service`` answer what the peer asks (N-EVENT-REPORT) while we wait for something, and in `serve`."""
        self._listener = service

    def _service_for(self, sop_class: str) -> Service | None:
        return self._service or self._listener

    def _prepare(self, request: RequestMessage, data: Any, context: PresentationContext | None) -> None:
        if not request.message_id:
            request.message_id = self._connection.next_message_id()
        if data is not None:
            request.data = data
        if context is not None:
            request.context = context

    def _at_a_time(self, window: int) -> int:
        """Return how many requests may be under way: as many as were granted and are wanted (0: no limit)."""
        return min((one for one in (window, self.info.max_invoked) if one > 0), default=0xFFFF)


def awaited(event: SessionEvent, ids: Container[int]) -> RequestMessage | ResponseMessage | None:
    """Return ``event`` where it is a response to one of the requests ``ids``, or a request of the peer."""
    if isinstance(event, ResponseMessage) and event.message_id_being_responded_to in ids:
        if event.error is not None:
            raise event.error
        return event
    return event if isinstance(event, RequestMessage) else None


class BaseFlowDriver:
    """Answers requests on one connection by running services' flows."""

    __slots__ = ("_effects", "_service_for", "answered")

    _connection: Any

    def __init__(self, connection: BaseConnection, service_for: ServiceFor) -> None:
        self._service_for = service_for
        self._effects: dict[type, Callable[[Any], Any]] = {}
        self.answered = False
        connection.session.sink_for = self.sink_for

    @property
    def is_open(self) -> bool:
        """Whether an answer could still be sent."""
        return bool(self._connection.is_open)

    @property
    def info(self) -> AssociationInfo | None:
        """What was agreed."""
        agreed: AssociationInfo | None = self._connection.session.info
        return agreed

    def sink_for(self, message: Message) -> Sink | None:
        """Ask the service where the data set of ``message`` goes; None for memory."""
        return sink_for(message, self.info, self._service_for)


class BaseServer:
    """What a server is told, and what it decides about those who ask for an association."""

    def __init__(  # noqa: PLR0913 - keyword-only options
        self,
        services: ServiceRegistry | Iterable[Service],
        *,
        ae: str,
        timeouts: Timeouts | None,
        limits: Limits | None,
        called: Sequence[str] | None,
        calling: Sequence[str],
        transfer_syntaxes: Sequence[str],
        tls: TlsContext | None,
        tls_port: int | None,
        node_tls: TlsContext | None,
        admission: Admission | None,
        authenticator: Authenticator | None,
        events: EventBus | None,
    ) -> None:
        self.ae = check_ae_title(ae)
        self.events = events
        self.timeouts = timeouts or Timeouts()
        self.limits = limits or Limits()
        self.services = services if isinstance(services, ServiceRegistry) else ServiceRegistry(services)
        if not transfer_syntaxes:
            raise ConfigurationError("a server needs at least one transfer syntax")
        check_tls(tls)
        check_tls(node_tls)
        if tls is not None:
            tls.check_server()
        elif tls_port is not None:
            raise ConfigurationError("a port for TLS needs certificates (tls=)")
        self._syntaxes = tuple(map(str, transfer_syntaxes))
        self.policy = AcceptorPolicy(
            serves=self._syntaxes_for,
            uses=self.services.is_scu_of,
            extend=self.services.extend,
            use_syntaxes=self._syntaxes,
            called=() if called is None else (self.ae, *map(check_ae_title, called)),
            calling=tuple(calling),
            bindings=() if tls is None else tls.bindings,
        )
        self.authenticator = authenticator
        self.node_tls = node_tls or tls
        self._gate = Gate(admission or Admission())
        self._stopping = False

    @property
    def is_stopping(self) -> bool:
        return self._stopping

    def _syntaxes_for(self, sop_class: str) -> Sequence[str] | None:
        service = self.services.get(sop_class)
        if service is None:
            return None
        return getattr(service, "transfer_syntaxes", None) or self._syntaxes

    def answer(
        self,
        connection: BaseConnection,
        request: AssociateRequest,
        *,
        peer: tuple[str, int],
        tls: TlsInfo | None,
        reject: AssociateReject | None,
        identity: Identified | None,
    ) -> bool:
        """Accept or reject ``request``; return which. ``identity`` is what the authenticator said, if there is one."""
        if reject is None and identity is None and self.authenticator is not None:
            reject = NOT_IDENTIFIED
        if reject is not None:
            _log.info("association of %s at %s:%d rejected: %s", request.calling, *peer, reject)
            connection.machine.reject(reject)
            connection.flush()
            return False
        answer, info = accept(request, self.policy, self.limits, peer, tls=tls, identity=identity)
        connection.established(info)
        connection.machine.accept(answer)
        connection.flush()
        _log.info("association with %s: %d of %d contexts", info.peer_name, len(info.accepted), len(info.contexts))
        return True
