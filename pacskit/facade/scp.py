"""SCP, a server made of handlers."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from pacskit.facade.handlers import Handlers
from pacskit.network.config import Limits, Timeouts
from pacskit.network.threads import Server

__all__ = ["SCP"]


class SCP(Handlers):
    """A server whose answers come from your functions, each called in the thread of its association.

    Port 0 lets the system choose; ``port`` says which one it was. Listens on loopback unless told otherwise.

    >>> scp = SCP("VENDOR", port=0)
    >>> @scp.on_store
    ... def keep(event):
    ...     event.save_into("inbox")
    """

    def __init__(
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
    ) -> None:
        super().__init__(
            ae,
            host=host,
            port=port,
            timeouts=timeouts,
            limits=limits,
            calling=calling,
            any_called=any_called,
            accept_unknown=accept_unknown,
        )
        self._server: Server | None = None

    def _listening(self) -> tuple[str, int] | None:
        return None if self._server is None else self._server.address

    def start(self) -> Self:
        """Listen, and serve in the background."""
        self._server = Server(self._registry(), ae=self.ae, host=self._host, port=self._port, **self._options).start()
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
