"""The requestor's side of an association, on asyncio."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Container, Iterable, Mapping
from math import inf
from types import TracebackType
from typing import Any, Self

from pacskit.core.errors import (
    AssociationAborted,
    AssociationRejected,
    AssociationReleased,
    ConfigurationError,
    ConnectError,
    DeadlineExceeded,
    NetworkError,
    NoPresentationContext,
    ProtocolError,
    TlsError,
)
from pacskit.network.address import Address
from pacskit.network.aio_calls import Calls
from pacskit.network.aio_connection import Connection
from pacskit.network.aio_driver import FlowDriver
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
from pacskit.network.indications import Aborted, AssociateConfirmation, AssociateRejected, ReleaseIndication
from pacskit.network.machine import State
from pacskit.network.negotiation import (
    AssociationInfo,
    PresentationContext,
    Proposals,
    Role,
    confirm,
    propose,
    window_for,
)
from pacskit.network.pdu import AssociateRequest, CommonExtendedItem, ExtendedItem, UserIdentity
from pacskit.network.session import SessionEvent

__all__ = ["Association"]

_CANCELLABLE = (CFindRequest, CGetRequest, CMoveRequest)  # PS3.7 9.3.2.3


class Association:
    """An association that we requested. Belongs to one task at a time; made by `request`.

    ``info`` holds what was agreed; leaving an ``async with`` block releases, or aborts when an exception leaves it.
    """

    def __init__(self, connection: Connection, info: AssociationInfo, calls: Calls, *, owns_calls: bool) -> None:
        self._connection = connection
        self._service: Service | None = None
        self._calls = calls
        self._owns_calls = owns_calls
        self._driver = FlowDriver(connection, self._service_for, self._open_peer, calls)
        self._waiting = False
        self._until = inf
        self.info = info

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
        tls: ssl.SSLContext | None = None,
        window: int = 1,
        calls: Calls | None = None,
    ) -> Association:
        """Connect to ``address`` and negotiate ``contexts``; ``calls`` are threads to share with others.

        ``window`` is how many requests we would like to send before the first one is answered (0: any number), for
        `perform_all`.

        Raises ConnectError, AssociationRejected, AssociationAborted, DeadlineExceeded, or ConfigurationError for what
        cannot be proposed. An association without any accepted context is legal: see ``accepted`` and ``rejected``.
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
        connection = Connection(is_requestor=True, timeouts=timeouts, limits=limits, call=threads.call)
        await _connect(connection, address, tls)
        try:
            info = await _establish(connection, proposal, address)
        except BaseException:
            connection.abort_now()
            raise
        return cls(connection, info, threads, owns_calls=calls is None)

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent; a peer's release or abort is known as soon as it has arrived."""
        return self._connection.is_open

    def is_idle(self) -> bool:
        """Whether the next request can be sent: nothing is outstanding, and the peer has not left meanwhile."""
        connection = self._connection
        return (
            self.is_open and not self._waiting and not connection.has_event() and connection.machine.is_in(State.STA6)
        )

    @property
    def accepted(self) -> tuple[PresentationContext, ...]:
        return self.info.accepted

    @property
    def rejected(self) -> tuple[PresentationContext, ...]:
        """The contexts that the peer turned down; each has its ``reason``."""
        return self.info.rejected

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
        limit = min((one for one in (window, self.info.max_invoked) if one > 0), default=0xFFFF)
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

    def _service_for(self, sop_class: str) -> Service | None:
        return self._service

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
        if not request.message_id:
            request.message_id = self._connection.next_message_id()
        if data is not None:
            request.data = data
        if context is not None:
            request.context = context
        operation = self._connection.timeouts.operation
        self._until = inf if operation is None else time.monotonic() + operation
        await self._connection.send(request)
        self._waiting = True

    async def _receive(self, ids: Container[int], kind: str) -> RequestMessage | ResponseMessage:
        """Wait for the next response to one of the requests ``ids``, or for what the peer asks before it."""
        connection = self._connection
        while True:
            event = await connection.wait(await self._left(kind), f"the response to {kind}")
            if isinstance(event, ResponseMessage) and event.message_id_being_responded_to in ids:
                if event.error is not None:
                    raise event.error
                return event
            if isinstance(event, RequestMessage):
                return event
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


async def _connect(connection: Connection, address: Address, tls: ssl.SSLContext | None) -> None:
    if not isinstance(tls, ssl.SSLContext | None):
        raise ConfigurationError("on asyncio, tls is an ssl.SSLContext")
    if tls is None and address.tls:
        raise ConfigurationError(f"{address} is reached by TLS only: say which certificates to use (tls=)")
    timeouts = connection.timeouts
    began = time.monotonic()
    options: dict[str, Any] = {} if tls is None else {"ssl": tls, "ssl_shutdown_timeout": timeouts.release}
    try:
        async with asyncio.timeout(timeouts.connect):
            await asyncio.get_running_loop().create_connection(
                lambda: connection, address.host, address.port, **options
            )
    except TimeoutError:
        connection.hang_up()
        raise DeadlineExceeded("the TCP connection", round(time.monotonic() - began, 3), peer=str(address)) from None
    except ssl.SSLError as exc:
        raise TlsError(f"no TLS: {exc.reason or exc}", peer=str(address)) from exc
    except OSError as exc:
        raise ConnectError(f"cannot connect: {exc.strerror or exc}", peer=str(address)) from exc


async def _establish(connection: Connection, proposal: AssociateRequest, address: Address) -> AssociationInfo:
    machine = connection.machine
    machine.associate(proposal)
    machine.connected()
    connection.flush()
    try:
        event = await connection.wait(connection.timeouts.acse, "the answer to the association request")
    except DeadlineExceeded as exc:
        raise DeadlineExceeded(exc.operation, exc.seconds, peer=str(address)) from None
    if isinstance(event, AssociateConfirmation):
        info = confirm(proposal, event.accept, (address.host, address.port))
        try:
            connection.established(info)
        except ValueError as exc:
            await connection.abort()
            raise ProtocolError(f"the peer's maximum PDU length is of no use: {exc}", peer=str(address)) from None
        return info
    await connection.end()
    raise _refusal(event, proposal, str(address))


def _refusal(event: SessionEvent, proposal: AssociateRequest, peer: str) -> NetworkError:
    """Return the error for what came instead of an association."""
    if isinstance(event, AssociateRejected):
        reject = event.reject
        advice = reject.advice(proposal.called, proposal.calling)
        return AssociationRejected(reject.result, reject.source, reject.reason, str(reject), advice=advice, peer=peer)
    if isinstance(event, Aborted):
        why = event.detail or ("aborted by us" if event.by_us else "aborted by the peer")
        return AssociationAborted(f"no association: {why}", source=event.source, reason_code=event.reason, peer=peer)
    if isinstance(event, ReleaseIndication):
        return AssociationReleased("the peer released the association", peer=peer)
    return AssociationAborted(f"no association: unexpected {type(event).__name__}", peer=peer)
