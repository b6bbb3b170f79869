"""SCP, a server made of handlers."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pacskit.core.errors import ConfigurationError
from pacskit.core.events import EventBus
from pacskit.facade.handlers import Handlers
from pacskit.network.admission import Admission
from pacskit.network.config import Limits, Timeouts
from pacskit.network.threads import Server

if TYPE_CHECKING:
    from pacskit.security.context import TlsContext

__all__ = ["SCP"]


class SCP(Handlers):
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
        options: dict[str, Any] = {
            "timeouts": timeouts,
            "limits": limits,
            "tls": tls,
            "tls_port": tls_port,
            "admission": admission,
            "events": events,
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
        return None if self._running is None else self._running.address

    @property
    def _running(self) -> Server | None:
        """The server, unless it has been stopped."""
        return None if self._server is None or self._server.is_stopping else self._server

    @property
    def tls_port(self) -> int:
        """The port that it listens on with TLS."""
        if self._running is None:
            raise ConfigurationError("the server has not been started")
        return self._running.tls_address[1]

    def start(self) -> Self:
        """Listen, and serve in the background; once more, if it has been stopped."""
        if self._running is not None:
            raise ConfigurationError("the server has been started already")
        self._server = Server(self._registry(), authenticator=self._identity, **self._settings).start()
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
        return self if self._running is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
