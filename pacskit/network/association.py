"""The requestor's side of an association, blocking."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Container, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pacskit.core.errors import (
    AssociationAborted,
    ConfigurationError,
    ConnectError,
    DeadlineExceeded,
    NetworkError,
    NoPresentationContext,
)
from pacskit.core.events import EventBus
from pacskit.network.address import Address
from pacskit.network.base import BaseAssociation, awaited, check_tls, concluded
from pacskit.network.config import Limits, Timeouts
from pacskit.network.connection import Connection
from pacskit.network.dimse import CCancelRequest, RequestMessage, ResponseMessage
from pacskit.network.driver import FlowDriver
from pacskit.network.flow import Open, Service
from pacskit.network.machine import State
from pacskit.network.negotiation import AssociationInfo, PresentationContext, Proposals, Role, propose, window_for
from pacskit.network.observe import connection_for
from pacskit.network.pdu import AssociateRequest, CommonExtendedItem, ExtendedItem, UserIdentity
from pacskit.network.secure import AnyTransport, SecureTransport
from pacskit.network.transport import Transport

if TYPE_CHECKING:
    from pacskit.security.channel import TlsInfo
    from pacskit.security.context import TlsContext

__all__ = ["Association", "open_peer"]


class Association(BaseAssociation):
    """An association that we requested. Belongs to one thread; made by `request`.

    ``info`` holds what was agreed; leaving a ``with`` block releases, or aborts when an exception leaves it.
    """

    _connection: Connection

    def __init__(self, connection: Connection, info: AssociationInfo) -> None:
        super().__init__(info)
        self._connection = connection
        self._driver = FlowDriver(connection, self._service_for, open_peer)
        self._until = inf

    @classmethod
    def request(  # noqa: PLR0913 - keyword-only options
        cls,
        address: Address | str,
        contexts: Proposals,
        *,
        calling: str,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        roles: Mapping[str, Role] | None = None,
        extended: Iterable[ExtendedItem] = (),
        common_extended: Iterable[CommonExtendedItem] = (),
        identity: UserIdentity | None = None,
        tls: TlsContext | None = None,
        window: int = 1,
        events: EventBus | None = None,
    ) -> Association:
        """Connect to ``address``, by TLS where ``tls`` is given, and negotiate ``contexts``.

        ``window`` is how many requests we would like to send before the first one is answered (0: any number); what
        the peer grants is ``info.max_invoked``, and `perform_all` makes use of it. ``events`` is told what happens.

        Raises ConnectError (TlsError where TLS was not agreed), AssociationRejected, AssociationAborted,
        DeadlineExceeded, or ConfigurationError for what cannot be proposed. An association without any accepted context
        is legal: see ``accepted`` and ``rejected``.
        """
        if isinstance(address, str):
            address = Address.parse(address)
        timeouts, limits = timeouts or Timeouts(), limits or Limits()
        proposal = propose(
            address.ae,
            calling,
            contexts,
            limits=limits,
            roles=roles,
            extended=extended,
            common_extended=common_extended,
            identity=identity,
            window=window_for(window, roles, limits),
        )
        transport, secured = _connect(address, timeouts, tls)
        try:
            connection = connection_for(
                transport,
                is_requestor=True,
                timeouts=timeouts,
                limits=limits,
                events=events,
                ends=None if events is None else transport.ends(),
            )
            info = _establish(connection, proposal, address, secured)
        except BaseException:
            transport.close()
            raise
        return cls(connection, info)

    def is_idle(self) -> bool:
        """Whether the next request can be sent: looks, without waiting, whether the peer has left meanwhile."""
        self._connection.poll()
        return self.is_open and self._connection.machine.is_in(State.STA6)

    def perform(
        self, request: RequestMessage, data: Any = None, *, context: PresentationContext | None = None
    ) -> ResponseMessage:
        """Send ``request`` with its data set and return the response (the final one)."""
        self._begin(request, data, context)
        while True:
            response = self._response(request)
            if not response.is_pending:
                return response

    def perform_all(
        self, requests: Iterable[RequestMessage], *, window: int = 0
    ) -> Generator[tuple[RequestMessage, ResponseMessage | Exception], None, None]:
        """Send many requests, each with its data, without waiting for each answer; yield (request, response).

        As many are under way as the peer granted (see ``info.max_invoked``), at most ``window`` (0: no limit of our
        own); the next one is taken from ``requests`` when it can be sent. They come out as they complete, pending
        responses too. With an error instead of a response, nothing of that request was sent. Leaving early takes in
        the responses that are due.
        """
        limit = self._at_a_time(window)
        waiting = iter(requests)
        under_way: dict[int, RequestMessage] = {}
        try:
            while True:
                while len(under_way) < limit and (request := next(waiting, None)) is not None:
                    error = self._try(request, under_way)
                    if error is not None:
                        yield request, error
                if not under_way:
                    return
                response = self._response_of(under_way, "one of several requests")
                request = under_way[response.message_id_being_responded_to]
                if not response.is_pending:
                    del under_way[request.message_id]
                yield request, response
        finally:
            if under_way and self.is_open:
                self._take_in(under_way)

    def _try(self, request: RequestMessage, under_way: dict[int, RequestMessage]) -> Exception | None:
        """Send ``request``; return what was wrong with it, if that does not end the association."""
        if request.message_id in under_way:
            raise ConfigurationError(f"message ID {request.message_id} is in use")
        try:
            self._begin(request, None, None)
        except NetworkError as exc:
            if isinstance(exc, NoPresentationContext):
                return exc
            raise
        except Exception as exc:
            if not self.is_open:
                raise
            return exc
        under_way[request.message_id] = request
        return None

    def _take_in(self, under_way: dict[int, RequestMessage]) -> None:
        try:
            while under_way:
                response = self._response_of(under_way, "one of several requests")
                if not response.is_pending:
                    del under_way[response.message_id_being_responded_to]
        except NetworkError:
            self.abort()

    def start(self, request: RequestMessage) -> int:
        """Send ``request`` with its data, without waiting; return its message ID, for `outcome`."""
        self._begin(request, None, None)
        return request.message_id

    def outcome(self, ids: Collection[int]) -> ResponseMessage:
        """Return the next response to one of the requests that were started; they come in any order."""
        return self._response_of(ids, "one of several requests")

    def perform_iter(
        self,
        request: RequestMessage,
        data: Any = None,
        *,
        context: PresentationContext | None = None,
        service: Service | None = None,
    ) -> Iterator[ResponseMessage]:
        """Send ``request`` and yield every response, the final one last.

        ``service`` answers what the peer asks in the meantime (C-GET's C-STORE). Leaving the iteration early cancels
        the operation and takes in the remaining responses.
        """
        with closing(self.exchange(request, data, context=context, service=service)) as messages:
            for message in messages:
                if isinstance(message, ResponseMessage):
                    yield message

    def exchange(
        self,
        request: RequestMessage,
        data: Any = None,
        *,
        context: PresentationContext | None = None,
        service: Service | None = None,
    ) -> Generator[RequestMessage | ResponseMessage, None, None]:
        """As `perform_iter`, and yield what the peer asks too, each time before ``service`` answers it."""
        self._begin(request, data, context)
        self._service = service
        finished = False
        asked: RequestMessage | None = None
        try:
            while not finished:
                message = self._receive((request.message_id,), type(request).__name__)
                if isinstance(message, ResponseMessage):
                    finished = not message.is_pending
                    yield message
                    continue
                asked = message
                if message.error is None:
                    yield message
                asked = None
                self._driver.answer(message)
        finally:
            try:
                if not finished and self.is_open:
                    self._abandon(request, asked)
            finally:
                self._service = None

    def serve(self, seconds: float) -> bool:
        """Wait for one request of the peer and let the listener answer it; return whether one came.

        The peer stays a peer when none comes; one that leaves raises AssociationReleased or AssociationAborted.
        """
        connection = self._connection
        if not connection.await_message(seconds):
            if not connection.is_open:
                raise AssociationAborted("the connection was lost", peer=self.info.peer_name)
            return False
        event = connection.wait(connection.timeouts.dimse, "a request of the peer")
        if not isinstance(event, RequestMessage):
            connection.fail(event)
        self._driver.answer(event)
        return True

    def cancel(self, message_id: int, context: PresentationContext) -> None:
        """Send C-CANCEL for the request ``message_id``, which went out in ``context``."""
        self._connection.send(CCancelRequest(message_id_being_responded_to=message_id, context=context))

    def release(self) -> None:
        """Release and close; does nothing when the association is over."""
        try:
            self._connection.release()
        except DeadlineExceeded:
            return  # it has been aborted instead: the association is over, as was wanted

    def abort(self) -> None:
        """Abort and close; does nothing when the association is over."""
        self._connection.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()

    def _begin(self, request: RequestMessage, data: Any, context: PresentationContext | None) -> None:
        self._prepare(request, data, context)
        operation = self._connection.timeouts.operation
        self._until = inf if operation is None else time.monotonic() + operation
        self._connection.send(request)

    def _receive(self, ids: Container[int], kind: str) -> RequestMessage | ResponseMessage:
        """Wait for the next response to one of the requests ``ids``, or for what the peer asks before it."""
        connection = self._connection
        while True:
            event = connection.wait(self._left(kind), f"the response to {kind}")
            message = awaited(event, ids)
            if message is not None:
                return message
            if not isinstance(event, CCancelRequest):
                connection.fail(event)

    def _left(self, kind: str) -> float:
        """Return how long to wait for the next message; give the peer up when the operation has had its time."""
        timeouts = self._connection.timeouts
        left = self._until - time.monotonic()
        if left <= 0 and timeouts.operation is not None:
            self.abort()
            raise DeadlineExceeded(f"the whole of {kind}", timeouts.operation, peer=self.info.peer_name)
        return min(left, timeouts.dimse)

    def _response(self, request: RequestMessage) -> ResponseMessage:
        """Wait for the next response to ``request``, serving what comes before it."""
        return self._response_of((request.message_id,), type(request).__name__)

    def _response_of(self, ids: Container[int], kind: str) -> ResponseMessage:
        while True:
            message = self._receive(ids, kind)
            if isinstance(message, ResponseMessage):
                return message
            self._driver.answer(message)

    def _abandon(self, request: RequestMessage, asked: RequestMessage | None) -> None:
        try:
            if asked is not None:
                self._driver.answer(asked)
            if request.context is not None:
                self.cancel(request.message_id, request.context)
            while self._response(request).is_pending:
                continue
        except NetworkError:
            self.abort()


def _connect(address: Address, timeouts: Timeouts, tls: TlsContext | None) -> tuple[AnyTransport, TlsInfo | None]:
    check_tls(tls, address)
    plain = _open(address, timeouts)
    if tls is None:
        return plain, None
    try:
        secure = SecureTransport(plain, tls.client(address.host, address.port))
        return secure, secure.handshake(timeouts.handshake, str(address))
    except BaseException:
        plain.close()
        raise


def _open(address: Address, timeouts: Timeouts) -> Transport:
    began = time.monotonic()
    try:
        sock = socket.create_connection((address.host, address.port), timeout=timeouts.connect)
    except TimeoutError:
        raise DeadlineExceeded("the TCP connection", round(time.monotonic() - began, 3), peer=str(address)) from None
    except OSError as exc:
        raise ConnectError(f"cannot connect: {exc.strerror or exc}", peer=str(address)) from exc
    try:
        return Transport(sock)
    except OSError as exc:
        sock.close()
        raise ConnectError(f"cannot connect: {exc.strerror or exc}", peer=str(address)) from exc


def _establish(
    connection: Connection, proposal: AssociateRequest, address: Address, tls: TlsInfo | None
) -> AssociationInfo:
    machine = connection.machine
    machine.associate(proposal)
    machine.connected()
    connection.flush()
    try:
        event = connection.wait(connection.timeouts.acse, "the answer to the association request")
    except DeadlineExceeded as exc:
        raise DeadlineExceeded(exc.operation, exc.seconds, peer=str(address)) from None
    outcome = concluded(connection, event, proposal, address, tls)
    if isinstance(outcome, AssociationInfo):
        return outcome
    if connection.is_open:
        connection.abort()
    else:
        connection.end()
    raise outcome


def open_peer(effect: Open) -> Association:
    """Interpret `Open` for the thread driver, with default deadlines."""
    return Association.request(
        effect.address, effect.contexts, calling=effect.calling, roles=effect.roles, window=effect.window
    )
