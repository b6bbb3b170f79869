"""What a process holds: threads, descriptors, memory; and whether it holds more than before."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["Held", "held", "settled"]

_TRIM: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)
_QUIET: Final = 0.2  # seconds for which the counts must stay as they are


@dataclass(frozen=True)
class Held:
    """``threads`` of the process as the kernel counts them, open ``descriptors``, and bytes resident: ``rss`` all of
    them, ``anonymous`` without the pages of mapped files."""

    threads: int
    descriptors: int
    rss: int
    anonymous: int
    opened: tuple[str, ...] = field(default=(), repr=False)  # what the descriptors are of

    def __str__(self) -> str:
        return (
            f"{self.threads} threads, {self.descriptors} descriptors, "
            f"{self.rss / 2**20:.1f} MiB resident ({self.anonymous / 2**20:.1f} anonymous)"
        )

    def excess(self, before: Held, tolerance: float = 0.05) -> list[str]:
        """What it is too much of, compared with ``before``; memory may be ``tolerance`` more."""
        found = [
            f"{self_count - count} more {what}"
            for what, count, self_count in (
                ("threads", before.threads, self.threads),
                ("descriptors", before.descriptors, self.descriptors),
            )
            if self_count > count
        ]
        if self.descriptors > before.descriptors:
            found += sorted((Counter(self.opened) - Counter(before.opened)).elements())[:20]
        if self.rss > before.rss * (1 + tolerance):
            found.append(f"{(self.rss / before.rss - 1):.1%} more memory")
        return found


def _status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def _opened() -> tuple[str, ...]:
    """What each descriptor is of: a path or a kind."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one of listdir itself
            found.append(os.readlink(f"/proc/self/fd/{name}").partition(":[")[0])
    return tuple(found)


def held(*, trim: bool = True) -> Held:
    """What this process holds now; with ``trim`` after it has given back what nobody needs."""
    if trim:
        while gc.collect():
            continue
        if _TRIM is not None:
            _TRIM(0)
    status, opened = _status(), _opened()
    return Held(
        threads=int(status["Threads"]),
        descriptors=len(opened),
        opened=opened,
        rss=int(status["VmRSS"].split()[0]) * 1024,
        anonymous=int(status["RssAnon"].split()[0]) * 1024,
    )


def settled(idle: Callable[[], bool], rest: Callable[[], object] = bool, seconds: float = 60.0) -> Held:
    """What is held once ``idle`` says that nothing is under way, the counts stand still, and ``rest`` is done."""
    end = time.monotonic() + seconds
    last, since = held(trim=False), time.monotonic()
    while time.monotonic() < end:
        time.sleep(0.02)
        now = held(trim=False)
        if (now.threads, now.descriptors) != (last.threads, last.descriptors) or not idle():
            last, since = now, time.monotonic()
        elif time.monotonic() - since >= _QUIET:
            break
    else:
        print("it does not come to rest", file=sys.stderr)
    rest()
    return held()
