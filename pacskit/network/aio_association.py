"""The requestor's side of an association, on asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Container, Iterable, Mapping
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
from pacskit.network.aio_calls import Calls
from pacskit.network.aio_connection import Connection
from pacskit.network.aio_driver import FlowDriver
from pacskit.network.aio_observe import connection_for
from pacskit.network.aio_secure import SecureConnection
from pacskit.network.base import BaseAssociation, awaited, check_tls, concluded
from pacskit.network.config import Limits, Timeouts
from pacskit.network.dimse import (
    CCancelRequest,
    CFindRequest,
    CGetRequest,
    CMoveRequest,
    RequestMessage,
    ResponseMessage,
)
from pacskit.network.flow import Open, Service
from pacskit.network.machine import State
from pacskit.network.negotiation import AssociationInfo, PresentationContext, Proposals, Role, propose, window_for
from pacskit.network.pdu import AssociateRequest, CommonExtendedItem, ExtendedItem, UserIdentity

if TYPE_CHECKING:
    from pacskit.security.channel import TlsInfo
    from pacskit.security.context import TlsContext

__all__ = ["Association"]

_CANCELLABLE = (CFindRequest, CGetRequest, CMoveRequest)  # PS3.7 9.3.2.3


class Association(BaseAssociation):
    """An association that we requested. Belongs to one task at a time; made by `request`.

    ``info`` holds what was agreed; leaving an ``async with`` block releases, or aborts when an exception leaves it.
    """

    _connection: Connection

    def __init__(self, connection: Connection, info: AssociationInfo, calls: Calls, *, owns_calls: bool) -> None:
        super().__init__(info)
        self._connection = connection
        self._calls = calls
        self._owns_calls = owns_calls
        self._driver = FlowDriver(connection, self._service_for, self._open_peer, calls)
        self._waiting = False
        self._until = inf

    @classmethod
    async def request(  # noqa: PLR0913 - keyword-only options
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
        calls: Calls | None = None,
    ) -> Association:
        """Connect to ``address``, by TLS where ``tls`` is given, and negotiate ``contexts``.

        ``window`` is how many requests we would like to send before the first one is answered (0: any number), for
        `perform_all`; ``events`` is told what happens; ``calls`` are threads to share with others.

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
        threads = calls or Calls()
        check_tls(tls, address)
        connection = connection_for(
            is_requestor=True,
            timeouts=timeouts,
            limits=limits,
            call=threads.call,
            channel=None if tls is None else lambda: tls.client(address.host, address.port),
            events=events,
        )
        await _connect(connection, address)
        try:
            secured = None
            if isinstance(connection, SecureConnection):
                secured = await connection.secure(timeouts.handshake, str(address))
            info = await _establish(connection, proposal, address, secured)
        except BaseException:
            connection.abort_now()
            raise
        return cls(connection, info, threads, owns_calls=calls is None)

    def is_idle(self) -> bool:
        """Whether the next request can be sent: nothing is outstanding, and the peer has not left meanwhile."""
        connection = self._connection
        return self.is_open and not self._waiting and connection.is_quiet() and connection.machine.is_in(State.STA6)

    async def perform(
        self, request: RequestMessage, data: Any = None, *, context: PresentationContext | None = None
    ) -> ResponseMessage:
        """Send ``request`` with its data set and return the response (the final one).

        A task that is cancelled meanwhile aborts the association, or cancels an operation for which there is C-CANCEL.
        """
        await self._begin(request, data, context)
        try:
            while True:
                response = await self._response(request)
                if not response.is_pending:
                    return response
        except asyncio.CancelledError:
            await self._abandon(request, None, self._connection.timeouts.release)
            raise
        finally:
            self._waiting = False

    async def perform_all(
        self, requests: Iterable[RequestMessage] | AsyncIterable[RequestMessage], *, window: int = 0
    ) -> AsyncGenerator[tuple[RequestMessage, ResponseMessage | Exception], None]:
        """Send many requests, each with its data, without waiting for each answer; yield (request, response).

        As many are under way as the peer granted (see ``info.max_invoked``), at most ``window`` (0: no limit of our
        own). They come out as they complete, pending responses too. With an error instead of a response, nothing of
        that request was sent. Leaving early takes in the responses that are due; a task that is cancelled aborts.
        """
        limit = self._at_a_time(window)
        waiting = requests if isinstance(requests, AsyncIterable) else _each(requests)
        coming = aiter(waiting)
        under_way: dict[int, RequestMessage] = {}
        try:
            while True:
                while len(under_way) < limit and (request := await anext(coming, None)) is not None:
                    error = await self._try(request, under_way)
                    if error is not None:
                        yield request, error
                if not under_way:
                    return
                response = await self._response_of(under_way, "one of several requests")
                request = under_way[response.message_id_being_responded_to]
                if not response.is_pending:
                    del under_way[request.message_id]
                yield request, response
        except asyncio.CancelledError:
            if under_way:
                self._connection.abort_now()
            raise
        finally:
            if under_way and self.is_open:
                await self._take_in(under_way)
            self._waiting = False

    async def _try(self, request: RequestMessage, under_way: dict[int, RequestMessage]) -> Exception | None:
        """Send ``request``; return what was wrong with it, if that does not end the association."""
        if request.message_id in under_way:
            raise ConfigurationError(f"message ID {request.message_id} is in use")
        try:
            await self._begin(request, None, None)
        except Exception as exc:
            if not self.is_open or (isinstance(exc, NetworkError) and not isinstance(exc, NoPresentationContext)):
                raise
            return exc
        under_way[request.message_id] = request
        return None

    async def _take_in(self, under_way: dict[int, RequestMessage]) -> None:
        try:
            while under_way:
                response = await self._response_of(under_way, "one of several requests")
                if not response.is_pending:
                    del under_way[response.message_id_being_responded_to]
        except NetworkError:
            await self.abort()

    async def start(self, request: RequestMessage) -> int:
        """Send ``request`` with its data, without waiting; return its message ID, for `outcome`."""
        try:
            await self._begin(request, None, None)
        except asyncio.CancelledError:
            self._connection.abort_now()
            raise
        return request.message_id

    async def outcome(self, ids: Collection[int]) -> ResponseMessage:
        """Return the next response to one of the requests that were started; a task that is cancelled aborts."""
        try:
            response = await self._response_of(ids, "one of several requests")
        except asyncio.CancelledError:
            self._connection.abort_now()
            raise
        self._waiting = len(ids) > 1
        return response

    async def perform_iter(
        self,
        request: RequestMessage,
        data: Any = None,
        *,
        context: PresentationContext | None = None,
        service: Service | None = None,
    ) -> AsyncGenerator[ResponseMessage, None]:
        """Send ``request`` and yield every response, the final one last.

        ``service`` answers what the peer asks in the meantime (C-GET's C-STORE). Closing the iteration early cancels
        the operation and takes in the remaining responses.
        """
        messages = self.exchange(request, data, context=context, service=service)
        try:
            async for message in messages:
                if isinstance(message, ResponseMessage):
                    yield message
        finally:
            await messages.aclose()

    async def exchange(
        self,
        request: RequestMessage,
        data: Any = None,
        *,
        context: PresentationContext | None = None,
        service: Service | None = None,
    ) -> AsyncGenerator[RequestMessage | ResponseMessage, None]:
        """As `perform_iter`, and yield what the peer asks too, each time before ``service`` answers it."""
        await self._begin(request, data, context)
        self._service = service
        asked: RequestMessage | None = None
        patience: float | None = None
        try:
            while self._waiting:
                message = await self._receive((request.message_id,), type(request).__name__)
                if isinstance(message, ResponseMessage):
                    self._waiting = message.is_pending
                    yield message
                    continue
                asked = message
                if message.error is None:
                    yield message
                asked = None
                await self._driver.answer(message)
        except asyncio.CancelledError:
            patience = self._connection.timeouts.release
            raise
        finally:
            try:
                if self._waiting and self.is_open:
                    await self._abandon(request, asked, patience)
            finally:
                self._service = None
                self._waiting = False

    async def serve(self, seconds: float) -> bool:
        """Wait for one request of the peer and let the listener answer it; return whether one came.

        The peer stays a peer when none comes; one that leaves raises AssociationReleased or AssociationAborted.
        """
        connection = self._connection
        self._waiting = True
        try:
            if not await connection.await_message(seconds):
                if not connection.is_open:
                    raise AssociationAborted("the connection was lost", peer=self.info.peer_name)
                return False
            event = await connection.wait(connection.timeouts.dimse, "a request of the peer")
            if not isinstance(event, RequestMessage):
                await connection.fail(event)
            await self._driver.answer(event)
            return True
        finally:
            self._waiting = False

    async def cancel(self, message_id: int, context: PresentationContext) -> None:
        """Send C-CANCEL for the request ``message_id``, which went out in ``context``."""
        await self._connection.send(CCancelRequest(message_id_being_responded_to=message_id, context=context))

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call what may block, in a thread."""
        return await self._calls.call(function, *args)

    async def release(self) -> None:
        """Release and close; does nothing when the association is over."""
        try:
            await self._connection.release()
        except DeadlineExceeded:
            return  # it has been aborted instead: the association is over, as was wanted
        finally:
            self._let_go()

    async def abort(self) -> None:
        """Abort and close; does nothing when the association is over."""
        try:
            await self._connection.abort()
        finally:
            self._let_go()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.release()
        else:
            await self.abort()

    def _let_go(self) -> None:
        if self._connection.is_open:
            self._connection.abort_now()
        if self._owns_calls:
            self._calls.stop()

    async def _open_peer(self, effect: Open) -> Association:
        connection = self._connection
        return await Association.request(
            effect.address,
            effect.contexts,
            calling=effect.calling,
            roles=effect.roles,
            window=effect.window,
            timeouts=connection.timeouts,
            limits=connection.limits,
            calls=self._calls,
        )

    async def _begin(self, request: RequestMessage, data: Any, context: PresentationContext | None) -> None:
        self._prepare(request, data, context)
        operation = self._connection.timeouts.operation
        self._until = inf if operation is None else time.monotonic() + operation
        await self._connection.send(request)
        self._waiting = True

    async def _receive(self, ids: Container[int], kind: str) -> RequestMessage | ResponseMessage:
        """Wait for the next response to one of the requests ``ids``, or for what the peer asks before it."""
        connection = self._connection
        while True:
            event = await connection.wait(await self._left(kind), f"the response to {kind}")
            message = awaited(event, ids)
            if message is not None:
                return message
            if not isinstance(event, CCancelRequest):
                await connection.fail(event)

    async def _left(self, kind: str) -> float:
        """Return how long to wait for the next message; give the peer up when the operation has had its time."""
        timeouts = self._connection.timeouts
        left = self._until - time.monotonic()
        if left <= 0 and timeouts.operation is not None:
            await self.abort()
            raise DeadlineExceeded(f"the whole of {kind}", timeouts.operation, peer=self.info.peer_name)
        return min(left, timeouts.dimse)

    async def _response(self, request: RequestMessage) -> ResponseMessage:
        """Wait for the next response to ``request``, serving what comes before it."""
        return await self._response_of((request.message_id,), type(request).__name__)

    async def _response_of(self, ids: Container[int], kind: str) -> ResponseMessage:
        while True:
            message = await self._receive(ids, kind)
            if isinstance(message, ResponseMessage):
                return message
            await self._driver.answer(message)

    async def _abandon(self, request: RequestMessage, asked: RequestMessage | None, patience: float | None) -> None:
        """Cancel what is under way and take in the rest, within ``patience`` seconds; abort where that cannot be."""
        if patience is not None and not isinstance(request, _CANCELLABLE):
            self._connection.abort_now()
            return
        try:
            async with asyncio.timeout(patience):
                if asked is not None:
                    await self._driver.answer(asked)
                if request.context is not None:
                    await self.cancel(request.message_id, request.context)
                while (await self._response(request)).is_pending:
                    continue
        except (NetworkError, TimeoutError):
            await self.abort()
        except BaseException:
            self._connection.abort_now()
            raise
        finally:
            self._waiting = False


async def _each(requests: Iterable[RequestMessage]) -> AsyncGenerator[RequestMessage, None]:
    for request in requests:
        yield request


async def _connect(connection: Connection, address: Address) -> None:
    began = time.monotonic()
    try:
        async with asyncio.timeout(connection.timeouts.connect):
            await asyncio.get_running_loop().create_connection(lambda: connection, address.host, address.port)
    except TimeoutError:
        connection.hang_up()
        raise DeadlineExceeded("the TCP connection", round(time.monotonic() - began, 3), peer=str(address)) from None
    except OSError as exc:
        raise ConnectError(f"cannot connect: {exc.strerror or exc}", peer=str(address)) from exc


async def _establish(
    connection: Connection, proposal: AssociateRequest, address: Address, tls: TlsInfo | None
) -> AssociationInfo:
    machine = connection.machine
    machine.associate(proposal)
    machine.connected()
    connection.flush()
    try:
        event = await connection.wait(connection.timeouts.acse, "the answer to the association request")
    except DeadlineExceeded as exc:
        raise DeadlineExceeded(exc.operation, exc.seconds, peer=str(address)) from None
    outcome = concluded(connection, event, proposal, address, tls)
    if isinstance(outcome, AssociationInfo):
        return outcome
    if connection.is_open:
        await connection.abort()
    else:
        await connection.end()
    raise outcome
