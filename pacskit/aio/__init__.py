"""The same names on asyncio: `connect`, `echo`, `Peer`, `SCP`, `Archive`, and what is below them.

Everything runs in the event loop that awaits it. What blocks (a plain function as a handler, files, queries of an
index) goes to a bounded number of threads, which end with their server or peer.
"""

from __future__ import annotations

from pacskit.aio.archive import Archive
from pacskit.aio.peer import Peer, connect, echo
from pacskit.aio.scp import SCP
from pacskit.network.aio_association import Association
from pacskit.network.aio_pool import AssociationPool
from pacskit.network.aio_server import Server

__all__ = ["SCP", "Archive", "Association", "AssociationPool", "Peer", "Server", "connect", "echo"]
