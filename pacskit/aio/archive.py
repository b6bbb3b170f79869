"""Archive, a PACS in a directory, served from a loop."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterable
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from pacskit.aio.removing import Removing
from pacskit.client.webhooks import Webhooks
from pacskit.core.dataset import Dataset
from pacskit.core.enums import Level
from pacskit.core.errors import ConfigurationError
from pacskit.core.events import EventBus
from pacskit.facade.archive import Archive as Blocking
from pacskit.facade.nodes import Nodes
from pacskit.facade.settings import ArchiveSettings
from pacskit.network.address import Address
from pacskit.network.aio_calls import WORKERS, Calls
from pacskit.network.aio_server import Server
from pacskit.network.identity import Authenticator
from pacskit.storage import Counts, Stored
from pacskit.storage.index.changes import Change

if TYPE_CHECKING:
    from pacskit.client.jobs import Jobs
    from pacskit.security.context import TlsContext

__all__ = ["Archive"]

_AT_ONCE: Final = 64  # answers of a query that one visit to a thread takes


class Archive(Removing):
    """A `pacskit.Archive` whose services run in the loop that starts them, and whose files and index in threads.

    >>> async with Archive("/srv/pacs", ae="VENDOR") as archive:  # doctest: +SKIP
    ...     await archive.serve(port=11112)
    ...     await archive.wait()
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        ae: str | None = None,
        settings: ArchiveSettings | None = None,
        events: EventBus | None = None,
        workers: int = WORKERS,
    ) -> None:
        self._archive = Blocking(directory, ae=ae, settings=settings, events=events)
        self._workers = workers
        self._calls = Calls(workers)
        self._server: Server | None = None

    @property
    def ae(self) -> str:
        """The AE title."""
        return self._archive.ae

    @property
    def settings(self) -> ArchiveSettings:
        return self._archive.settings

    @property
    def nodes(self) -> Nodes:
        """Where the AE titles are that it may send to."""
        return self._archive.nodes

    @property
    def jobs(self) -> Jobs:
        """Work that is done later. Handlers run in threads, and the calls wait for the index."""
        return self._archive.jobs

    @property
    def webhooks(self) -> Webhooks:
        """Who is told of changes by HTTP, while the archive serves."""
        return self._archive.webhooks

    # Serving

    async def serve(
        self,
        port: int = 11112,
        host: str = "127.0.0.1",
        *,
        tls: TlsContext | None = None,
        tls_port: int | None = None,
        authenticator: Authenticator | None = None,
    ) -> Address:
        """Serve in the running loop; return where. The options are those of `pacskit.Archive.serve`."""
        if self._server is not None and not self._server.is_stopping:
            raise ConfigurationError("the archive is serving already")
        if self.settings.processes > 1:
            raise ConfigurationError("a loop serves in its own process: for several there is pacskit.Archive")
        services, options = self._archive.serving(tls=tls, tls_port=tls_port, authenticator=authenticator)
        server = Server(services, host=host, port=port, workers=self._workers, **options)
        self._server = await server.start()
        self._archive.webhooks.start()
        await self._calls.call(self._archive.start_jobs)
        return self.address

    def _serving(self) -> Server:
        if self._server is None:
            raise ConfigurationError("the archive is not serving")
        return self._server

    @property
    def address(self) -> Address:
        """Where it serves."""
        return Address(self.ae, *self._serving().address)

    @property
    def tls_address(self) -> Address:
        """Where it serves with TLS."""
        return Address(self.ae, *self._serving().tls_address, tls=True)

    @property
    def port(self) -> int:
        """The port that it serves on."""
        return self.address.port

    async def wait(self) -> None:
        """Wait until `stop` or `close` is called, by another task."""
        await self._serving().wait()

    async def stop(self, grace: float = 1.5) -> None:
        """Stop serving; what is under way has ``grace`` seconds. The archive itself stays open."""
        if self._server is not None:
            await self._server.stop(grace)
        await self._calls.call(self._archive.webhooks.stop, grace)
        await self._calls.call(self._archive.stop_jobs, grace)

    async def close(self) -> None:
        """Stop serving and close the archive."""
        try:
            await self.stop()
            await self._calls.call(self._archive.close)
        finally:
            self._calls.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # Without the network

    async def store(self, source: Dataset | str | os.PathLike[str]) -> Stored:
        """Store a data set, or a file as it is; return what became of it. Raises DecodeError or StorageError."""
        stored: Stored = await self._calls.call(self._archive.store, source)
        return stored

    async def find(
        self, level: Level | str = Level.STUDY, *, return_keys: Iterable[str] | None = None, **keys: Any
    ) -> AsyncGenerator[Dataset, None]:
        """Query by keywords, as ``Peer.find`` does; keys above the level need not be given."""
        answers = self._archive.find(level, return_keys=return_keys, **keys)
        while some := await self._calls.call(list, islice(answers, _AT_ONCE)):
            for answer in some:
                yield answer

    async def changes(
        self, after: int | None = None, *, limit: int | None = None, kinds: Iterable[str] = ()
    ) -> AsyncGenerator[Change, None]:
        """Iterate over what has happened up to now, as ``pacskit.Archive.changes``; raises ChangesExpired."""
        found = self._archive.changes(after, limit=limit, kinds=kinds)
        while some := await self._calls.call(list, islice(found, _AT_ONCE)):
            for change in some:
                yield change

    async def counts(self) -> Counts:
        """Return how many patients, studies, series and instances there are."""
        counts: Counts = await self._calls.call(self._archive.counts)
        return counts
