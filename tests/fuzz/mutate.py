"""Damage that keeps most of an input's structure: the one source of inputs for ``tests/fuzz/run.py``."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

__all__ = ["mutate"]

_NUMBERS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE,
            0xFFFFFFFF)  # fmt: skip
_LONGEST_PIECE = 64


def mutate(random: Random, seeds: Sequence[bytes], words: Sequence[bytes], longest: int) -> bytes:
    """One of the seeds with one to eight changes, seldom many; never longer than ``longest``."""
    data = bytearray(random.choice(seeds))
    while True:
        _change(random, data, seeds, words)
        if random.random() < 0.4:
            return bytes(data[:longest])


def _piece(random: Random, data: bytes | bytearray) -> bytes:
    start = random.randrange(len(data) + 1)
    return bytes(data[start : start + random.randint(1, _LONGEST_PIECE)])


def _change(random: Random, data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    """Change ``data`` at one place; most of what is of interest stands near the beginning."""
    reach = len(data) if random.random() < 0.5 else min(len(data), 1024)
    at = random.randrange(reach + 1)
    how = random.randrange(10)
    if how == 0:
        data[at : at + 1] = bytes([random.randrange(256)])
    elif how == 1 and at < len(data):
        data[at] ^= 1 << random.randrange(8)
    elif how == 2:
        size = random.choice((1, 2, 4))
        number = random.choice(_NUMBERS) & ((1 << 8 * size) - 1)
        data[at : at + size] = number.to_bytes(size, random.choice(("little", "big")))
    elif how == 3:
        del data[at : at + random.randint(1, _LONGEST_PIECE)]
    elif how == 4:
        data[at:at] = _piece(random, data)
    elif how == 5:
        data[at:at] = _piece(random, random.choice(seeds))
    elif how == 6:
        data[at:at] = random.choice(words)
    elif how == 7:
        word = random.choice(words)
        data[at : at + len(word)] = word
    elif how == 8:
        data[at:] = random.choice(seeds)[at:]
    else:
        del data[at + random.randrange(_LONGEST_PIECE) :]
