"""SCP, a server made of handlers, on asyncio."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pacskit.core.errors import ConfigurationError
from pacskit.core.events import EventBus
from pacskit.facade.handlers import Handlers
from pacskit.network.admission import Admission
from pacskit.network.aio_calls import WORKERS
from pacskit.network.aio_server import Server
from pacskit.network.config import Limits, Timeouts

if TYPE_CHECKING:
    from pacskit.security.context import TlsContext

__all__ = ["SCP"]


class SCP(Handlers):
    """A server whose answers come from your functions, in the event loop that starts it.

    ``async def`` handlers are awaited in the loop; plain ones are called in one of ``workers`` threads, so they may
    block. Port 0 lets the system choose; ``port`` says which one it was. Listens on loopback unless told otherwise.
    With ``tls`` (from `tls_context`) it speaks TLS on ``port``, or with ``tls_port`` on that one and plain on ``port``.
    With ``reuse_port`` several processes may serve on one port; see `pacskit.facade.processes.Supervisor`.

    >>> scp = SCP("VENDOR", port=0)
    >>> @scp.on_store
    ... async def keep(event):
    ...     print(event.sop_instance_uid)
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
        workers: int = WORKERS,
        reuse_port: bool = False,
    ) -> None:
        options: dict[str, Any] = {
            "timeouts": timeouts,
            "limits": limits,
            "tls": tls,
            "tls_port": tls_port,
            "admission": admission,
            "events": events,
            "workers": workers,
            "reuse_port": reuse_port,
        }
        super().__init__(
            ae,
            host=host,
            port=port,
            calling=calling,
            any_called=any_called,
            accept_unknown=accept_unknown,
            options=options,
        )
        self._server: Server | None = None

    def _listening(self) -> tuple[str, int] | None:
        return None if self._server is None else self._server.address

    @property
    def tls_port(self) -> int:
        """The port that it listens on with TLS."""
        if self._server is None:
            raise ConfigurationError("the server has not been started")
        return self._server.tls_address[1]

    async def start(self) -> Self:
        """Listen, and serve in the running loop."""
        server = Server(self._registry(), authenticator=self._identity, **self._settings)
        self._server = await server.start()
        return self

    async def serve_forever(self) -> None:
        """Wait until `stop` is called, by another task, or this one is cancelled."""
        if self._server is None:
            await self.start()
        if self._server is not None:
            await self._server.wait()

    async def stop(self, grace: float = 1.5) -> None:
        """Stop: idle associations at once, those at work after ``grace`` seconds."""
        if self._server is not None:
            await self._server.stop(grace)

    async def __aenter__(self) -> Self:
        return self if self._server is not None else await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
