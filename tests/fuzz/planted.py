"""Targets with a fault in them, for ``test_run.py``."""

from __future__ import annotations

import os
import signal
import struct

from pacskit.core.errors import DecodeError
from tests.fuzz.targets import Target

_hoard: list[bytes] = []


def _fault(kind: str, data: bytes) -> str:
    if b"!" not in data:
        raise DecodeError("no fault")
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    while kind == "hang":
        struct.calcsize("<H")
    if kind == "memory":
        _hoard.append(bytes(1 << 30))
    raise ValueError("a fault")


def _planted(kind: str) -> Target:
    return Target(lambda: [b"seed"], (b"!",), lambda data: _fault(kind, data))


CRASH, HANG, MEMORY, ERROR = map(_planted, ("crash", "hang", "memory", "error"))
