"""The services as SCU are written once, as coroutines; here is what they wait for, and how they run without a loop.

A `Link` is an association whose methods are awaited. Over an asyncio association they suspend in the event loop. Over a
`BlockingLink` they block instead and never suspend, so that `run` and `iterate` bring them to their end by themselves.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, closing
from typing import Any, Protocol, TypeVar

from pacskit.network.association import Association
from pacskit.network.dimse import RequestMessage, ResponseMessage
from pacskit.network.flow import Service
from pacskit.network.negotiation import AssociationInfo, ContextProposal, PresentationContext, Role

__all__ = ["BlockingLink", "Link", "Port", "iterate", "run"]

T = TypeVar("T")


class Link(Protocol):
    """An association as the services as SCU see it."""

    @property
    def info(self) -> AssociationInfo: ...

    @property
    def is_open(self) -> bool: ...

    def is_idle(self) -> bool:
        """Whether the next request can be sent."""
        ...

    async def perform(
        self, request: RequestMessage, data: Any = None, *, context: PresentationContext | None = None
    ) -> ResponseMessage:
        """Send ``request``, in ``context`` where one is given, and return its final response."""
        ...

    def exchange(
        self, request: RequestMessage, data: Any = None, *, service: Service | None = None
    ) -> AsyncGenerator[RequestMessage | ResponseMessage, None]:
        """Send ``request`` and yield its responses, and what the peer asks before ``service`` answers it."""
        ...

    def perform_all(
        self, requests: AsyncGenerator[RequestMessage, None], *, window: int = 0
    ) -> AsyncGenerator[tuple[RequestMessage, ResponseMessage | Exception], None]:
        """Send many requests without waiting for each answer, as many at a time as the peer granted."""
        ...

    async def serve(self, seconds: float) -> bool:
        """Wait for one request of the peer, which the listener answers; return whether one came."""
        ...

    async def release(self) -> None: ...
    async def abort(self) -> None: ...


class Port(Protocol):
    """Where links come from."""

    def lease(
        self, contexts: Sequence[ContextProposal], roles: Mapping[str, Role] | None = None, *, window: int = 1
    ) -> AbstractAsyncContextManager[Link]:
        """Lend an association that has these contexts."""
        ...

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call what may block."""
        ...


class BlockingLink:
    """A blocking association behind awaitable methods, which never suspend."""

    __slots__ = ("association",)

    def __init__(self, association: Association) -> None:
        self.association = association

    @property
    def info(self) -> AssociationInfo:
        return self.association.info

    @property
    def is_open(self) -> bool:
        return self.association.is_open

    def is_idle(self) -> bool:
        """Whether the next request can be sent: looks, without waiting, whether the peer has left meanwhile."""
        return self.association.is_idle()

    async def perform(
        self, request: RequestMessage, data: Any = None, *, context: PresentationContext | None = None
    ) -> ResponseMessage:
        """Send ``request``, in ``context`` where one is given, and return its final response."""
        return self.association.perform(request, data, context=context)

    async def exchange(
        self, request: RequestMessage, data: Any = None, *, service: Service | None = None
    ) -> AsyncGenerator[RequestMessage | ResponseMessage, None]:
        """Send ``request`` and yield its responses, and what the peer asks before ``service`` answers it."""
        with closing(self.association.exchange(request, data, service=service)) as messages:
            for message in messages:
                yield message

    async def perform_all(
        self, requests: AsyncGenerator[RequestMessage, None], *, window: int = 0
    ) -> AsyncGenerator[tuple[RequestMessage, ResponseMessage | Exception], None]:
        """Send many requests without waiting for each answer, as many at a time as the peer granted."""
        with (
            closing(iterate(requests)) as waiting,
            closing(self.association.perform_all(waiting, window=window)) as outcomes,
        ):
            for outcome in outcomes:
                yield outcome

    async def serve(self, seconds: float) -> bool:
        """Wait for one request of the peer, which the listener answers; return whether one came."""
        return self.association.serve(seconds)

    async def release(self) -> None:
        """Release."""
        self.association.release()

    async def abort(self) -> None:
        """Abort."""
        self.association.abort()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` over a blocking link to its end."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError("a coroutine over a blocking link has suspended")


def iterate(work: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """Iterate over what ``work`` yields over a blocking link; leaving early ends it where it is."""
    try:
        while True:
            try:
                item = run(work.__anext__())
            except StopAsyncIteration:
                return
            yield item
    finally:
        run(work.aclose())
