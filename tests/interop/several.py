"""What processes import that serve in the tests; by name, as a program's own handlers would be."""

from __future__ import annotations

from pathlib import Path

import pacskit
from pacskit import aio


def make(directory: str, host: str, port: int) -> pacskit.SCP:
    """Return a server that keeps what it is sent."""
    scp = pacskit.SCP("SEVERAL", host=host, port=port, reuse_port=True)

    @scp.on_store
    def keep(event: pacskit.StoreEvent) -> None:
        event.save_into(Path(directory))

    return scp


def make_async(directory: str, host: str, port: int) -> aio.SCP:
    """Return the same on asyncio."""
    scp = aio.SCP("SEVERAL", host=host, port=port, reuse_port=True)

    @scp.on_store
    async def keep(event: pacskit.StoreEvent) -> None:
        event.save_into(Path(directory))

    return scp


def broken(**options: object) -> pacskit.SCP:
    """Fail at the start."""
    raise RuntimeError("there is no database")
