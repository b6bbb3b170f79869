"""Test kit: suites that prove what others plug in, peers on loopback,
object stores, and a proxy that makes faults.

For pytest, unittest or no runner at all; `pacskit.testing.fixtures` are fixtures for pytest.
"""

from pacskit.testing.codecs import CodecTests
from pacskit.testing.faults import (
    TO_CLIENT,
    TO_SERVER,
    Abort,
    Close,
    Delay,
    Fault,
    Feed,
    Reset,
    Rewrite,
    Split,
    Stall,
    Throttle,
)
from pacskit.testing.jobs import JobQueueTests
from pacskit.testing.peers import CollectingSCP, nothing_left_behind
from pacskit.testing.proxy import FaultProxy
from pacskit.testing.servers import Azurite, SeaweedFS
from pacskit.testing.stores import StoreTests

__all__ = [
    "TO_CLIENT",
    "TO_SERVER",
    "Abort",
    "Azurite",
    "Close",
    "CodecTests",
    "CollectingSCP",
    "Delay",
    "Fault",
    "FaultProxy",
    "Feed",
    "JobQueueTests",
    "Reset",
    "Rewrite",
    "SeaweedFS",
    "Split",
    "Stall",
    "StoreTests",
    "Throttle",
    "nothing_left_behind",
]
