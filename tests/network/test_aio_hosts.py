"""asyncio in programs that have a loop of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

import pacskit
from pacskit import aio

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def test_in_a_web_application(run: Run) -> None:
    """A server in the lifespan of an application of FastAPI's kind, and verbs in its requests."""
    fastapi = pytest.importorskip("fastapi")
    httpx = pytest.importorskip("httpx")
    scp = aio.SCP("VENDOR")

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with scp:
            yield

    async def echo() -> str:
        return str(await aio.echo(scp.address))

    async def main() -> list[str]:
        app = fastapi.FastAPI(lifespan=lifespan)
        app.add_api_route("/echo", echo)
        transport = httpx.ASGITransport(app=app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://x") as web:
            return [(await web.get("/echo")).json() for _ in range(3)]

    assert run(main()) == [str(pacskit.Status(0))] * 3
