"""Test kit: suites that prove what others plug in, peers on loopback, and a proxy that makes faults.

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
from pacskit.testing.peers import CollectingSCP, nothing_left_behind
from pacskit.testing.proxy import FaultProxy

__all__ = [
    "TO_CLIENT",
    "TO_SERVER",
    "Abort",
    "Close",
    "CodecTests",
    "CollectingSCP",
    "Delay",
    "Fault",
    "FaultProxy",
    "Feed",
    "Reset",
    "Rewrite",
    "Split",
    "Stall",
    "Throttle",
    "nothing_left_behind",
]
