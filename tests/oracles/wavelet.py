"""The 5/3 wavelet of JPEG 2000 (ISO/IEC 15444-1 annex F), forward, low-pass half only: slow, and written for itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def _low(line: list[int]) -> list[int]:
    """The even samples after both lifting steps, the line mirrored at its ends (F.4.8)."""
    size = len(line)
    if size == 1:
        return line

    def at(index: int) -> int:
        index = abs(index)
        return line[index if index < size else 2 * (size - 1) - index]

    def high(index: int) -> int:  # of an odd index
        return at(index) - (at(index - 1) + at(index + 1)) // 2

    return [at(index) + (high(index - 1) + high(index + 1) + 2) // 4 for index in range(0, size, 2)]


def low_pass(image: NDArray[Any], levels: int) -> NDArray[Any]:
    """Return the LL band of a gray image after so many decompositions: columns first, then rows (F.4.2)."""
    found = image.astype(object)
    for _ in range(levels):
        found = np.array([_low(list(column)) for column in found.T], object).T
        found = np.array([_low(list(row)) for row in found], object)
    return found.astype(np.int64)
