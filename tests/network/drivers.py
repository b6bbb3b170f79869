"""The two drivers behind one blocking face, so that each test runs on both."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import pacskit
from pacskit import aio
from pacskit.network.association import Association
from pacskit.network.pool import AssociationPool
from pacskit.network.threads import Server

__all__ = ["DRIVERS", "AsyncioDriver", "Driver", "ThreadDriver"]


class ThreadDriver:
    """The thread driver, as it is."""

    name = "threads"
    tls: Any = None
    server: Any = Server
    scp = pacskit.SCP
    request: Any = staticmethod(Association.request)
    peer: Any = staticmethod(pacskit.connect)
    pool: Any = AssociationPool
    archive: Any = pacskit.Archive

    def close(self) -> None:
        """Nothing of its own to close."""


class AsyncioDriver:
    """The asyncio driver: one loop in one thread, in which everything is awaited that a test calls."""

    name = "asyncio"
    tls: Any = None

    def __init__(self, factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop) -> None:
        self.loop = factory()
        self.trouble: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda loop, context: self.trouble.append(context))
        self._thread = threading.Thread(target=self.loop.run_forever, name="test-loop")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run ``work`` in the loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def close(self) -> None:
        """End the loop; what is left in it then is a leak."""

        async def tasks() -> list[asyncio.Task[Any]]:
            await asyncio.sleep(0)
            return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

        left = self.run(tasks())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
        assert left == []
        assert self.trouble == []

    def server(self, *args: Any, **options: Any) -> Any:
        async def make() -> Any:
            return aio.Server(*args, **options)

        return _Face(self, self.run(make()))

    def scp(self, *args: Any, **options: Any) -> pacskit.SCP:
        return cast("pacskit.SCP", _Face(self, aio.SCP(*args, **options)))

    def request(self, *args: Any, **options: Any) -> Any:
        return _Face(self, self.run(aio.Association.request(*args, **options)))

    def peer(self, *args: Any, **options: Any) -> Any:
        return _Face(self, aio.connect(*args, **_inner(options)))

    def pool(self, **options: Any) -> Any:
        return _Face(self, aio.AssociationPool(**options))

    def archive(self, *args: Any, **options: Any) -> Any:
        return _Face(self, aio.Archive(*args, **options))


def _inner(options: dict[str, Any]) -> dict[str, Any]:
    """The options without the faces."""
    return {name: value._inner if isinstance(value, _Face) else value for name, value in options.items()}


class _Face:
    """Methods that are awaited, called as if they blocked; asynchronous iterators, as generators."""

    def __init__(self, driver: AsyncioDriver, inner: Any) -> None:
        self._driver = driver
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not inspect.ismethod(value) or name.startswith("on_"):
            return value

        def call(*args: Any, **options: Any) -> Any:
            async def made() -> Any:
                result = value(*args, **options)
                return await result if inspect.isawaitable(result) else result

            result = self._driver.run(made())
            if isinstance(result, AbstractAsyncContextManager) and result is not self._inner:
                return _Block(self._driver, result)
            if isinstance(result, AsyncIterator):
                return self._iterate(result)
            return self if result is self._inner else result

        return call

    def _iterate(self, items: Any) -> Iterator[Any]:
        async def close() -> None:
            await items.aclose()

        async def advance() -> Any:
            return await anext(items, self)

        try:
            while (item := self._driver.run(advance())) is not self:
                yield item
        finally:
            self._driver.run(close())

    def __enter__(self) -> Any:
        self.__getattr__("__aenter__")()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.__getattr__("__aexit__")(*exc)


class _Block:
    """An ``async with`` block as a plain one; in it there is the same object each time that it is the same."""

    def __init__(self, driver: AsyncioDriver, inner: Any) -> None:
        self._driver, self._inner = driver, inner

    def __enter__(self) -> Any:
        return self._driver.run(self._inner.__aenter__())

    def __exit__(self, *exc: Any) -> bool:
        return bool(self._driver.run(self._inner.__aexit__(*exc)))


Driver = ThreadDriver | AsyncioDriver
DRIVERS: dict[str, Callable[[], Driver]] = {
    "threads": ThreadDriver,
    "threads-tls": ThreadDriver,
    "asyncio": AsyncioDriver,
    "asyncio-tls": AsyncioDriver,
}
