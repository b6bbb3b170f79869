"""What every benchmark shares: how much work a profile does, and inputs made once from seeds.

The profile comes from the variable PACSKIT_BENCH: ``quick`` shows that a benchmark runs, ``regular``
gives figures to compare, ``full`` gives figures to publish.
"""

from __future__ import annotations

import importlib.util
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

__all__ = ["PROFILE", "Benchmark", "Profile", "environment", "seeded_bytes"]


@dataclass(frozen=True)
class Profile:
    """How often asv repeats, how long a sample takes at least, and how large inputs are against regular ones."""

    repeat: tuple[int, int, float]
    """At least so many samples, at most so many, in at most so many seconds."""
    sample_time: float
    warmup_time: float
    scale: float

    def scaled(self, count: int) -> int:
        """A count of things to work on, never less than one."""
        return max(1, round(count * self.scale))


PROFILES: Final = {
    "quick": Profile(repeat=(1, 3, 1.0), sample_time=0.005, warmup_time=0.0, scale=0.05),
    "regular": Profile(repeat=(5, 10, 10.0), sample_time=0.02, warmup_time=0.1, scale=1.0),
    "full": Profile(repeat=(10, 30, 60.0), sample_time=0.1, warmup_time=0.5, scale=1.0),
}
PROFILE: Final = PROFILES[os.environ.get("PACSKIT_BENCH", "regular")]


class Benchmark:
    """Base of every benchmark class: the profile's settings in the names that asv looks for."""

    timeout: ClassVar[float] = 120.0
    repeat: ClassVar[tuple[int, int, float]] = PROFILE.repeat
    sample_time: ClassVar[float] = PROFILE.sample_time
    warmup_time: ClassVar[float] = PROFILE.warmup_time


def environment() -> dict[str, str]:
    """The environment of a child process, which finds the pacskit that we have found."""
    found = importlib.util.find_spec("pacskit")
    folders = [str(Path(found.origin).parents[1])] if found is not None and found.origin else []
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*folders, *filter(None, [os.environ.get("PYTHONPATH")])])}


def seeded_bytes(count: int, seed: int = 0) -> bytes:
    """The same bytes on every machine."""
    return random.Random(seed).randbytes(count)
