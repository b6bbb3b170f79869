"""The stable SDK: `Archive`, `SCP`, `connect` and `echo`."""

from pacskit.facade.archive import Archive
from pacskit.facade.identifiers import between
from pacskit.facade.nodes import Nodes
from pacskit.facade.peer import Explanation, Peer, connect, echo
from pacskit.facade.scp import SCP
from pacskit.facade.settings import ArchiveSettings

__all__ = [
    "SCP",
    "Archive",
    "ArchiveSettings",
    "Explanation",
    "Nodes",
    "Peer",
    "between",
    "connect",
    "echo",
]
