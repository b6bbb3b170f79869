"""Reading between voxels, one point at a time: what pacskit_ext._resample does, slowly and obviously."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["resample"]


def keys(t: float) -> float:
    """Keys' cubic convolution kernel with a = -1/2."""
    t = abs(t)
    if t < 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


def tent(t: float) -> float:
    return max(0.0, 1 - abs(t))


def sample(volume: NDArray[Any], point: NDArray[np.float64], method: str) -> float | None:
    """The value at a continuous (column, row, slice); None outside; border voxels go on beyond the border."""
    shape = volume.shape[::-1]
    if any(not -0.5 <= at < size - 0.5 for at, size in zip(point, shape, strict=True)):
        return None
    if method == "nearest":
        i, j, k = (min(max(math.floor(at + 0.5), 0), size - 1) for at, size in zip(point, shape, strict=True))
        return float(volume[k, j, i])
    kernel, reach = (keys, 2) if method == "cubic" else (tent, 1)
    total = 0.0
    bases = [math.floor(at) for at in point]
    steps = range(1 - reach, 1 + reach)
    for dk in steps:
        for dj in steps:
            for di in steps:
                where = [base + step for base, step in zip(bases, (di, dj, dk), strict=True)]
                weight = math.prod(kernel(at - each) for at, each in zip(point, where, strict=True))
                i, j, k = (min(max(each, 0), size - 1) for each, size in zip(where, shape, strict=True))
                total += weight * float(volume[k, j, i])
    return total


def resample(
    volume: NDArray[Any], matrix: NDArray[np.float64], shape: tuple[int, int, int], method: str, fill: float
) -> NDArray[np.float64]:
    """The volume at the points that a 3 by 4 matrix gives for (column, row, slice, 1)."""
    out = np.empty(shape)
    for k, j, i in np.ndindex(*shape):
        found = sample(volume, matrix @ np.array([i, j, k, 1.0]), method)
        out[k, j, i] = fill if found is None else found
    return out
