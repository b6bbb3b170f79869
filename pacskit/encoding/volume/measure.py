"""Measurements on images and volumes: distances, angles, areas, and what a region holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacskit.encoding.display.shutter import inside_polygon

__all__ = [
    "Statistics",
    "angle",
    "angle_between",
    "distance",
    "ellipse_area",
    "ellipse_mask",
    "perimeter",
    "polygon_area",
    "polygon_mask",
    "statistics",
]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the values of a region are like; ``std`` is that of the population.

    ``area`` is in square millimetres for a region of an image, ``volume`` in cubic ones for one of a volume; None
    where no spacing was given.
    """

    count: int
    mean: float
    std: float
    minimum: float
    maximum: float
    median: float
    total: float
    area: float | None = None
    volume: float | None = None


def _points(points: ArrayLike, spacing: ArrayLike | None) -> NDArray[np.float64]:
    found = np.asarray(points, np.float64)
    if not np.isfinite(found).all():
        raise ValueError("points are finite numbers")
    if spacing is None:
        return found
    steps = np.asarray(spacing, np.float64)
    if not np.isfinite(steps).all() or steps.min() <= 0:
        raise ValueError("spacing is finite and above zero")
    return found * steps


def distance(a: ArrayLike, b: ArrayLike, spacing: ArrayLike | None = None) -> float:
    """The distance of two points, in the units of ``spacing``, which is that along each coordinate.

    >>> distance((10, 10), (13, 14), spacing=(0.5, 0.5))
    2.5
    """
    return float(np.linalg.norm(_points(b, spacing) - _points(a, spacing)))


def angle(a: ArrayLike, vertex: ArrayLike, b: ArrayLike, spacing: ArrayLike | None = None) -> float:
    """The angle at ``vertex`` between the directions to two points, in degrees from 0 to 180."""
    middle = _points(vertex, spacing)
    return _between(_points(a, spacing) - middle, _points(b, spacing) - middle)


def angle_between(first: ArrayLike, second: ArrayLike, spacing: ArrayLike | None = None) -> float:
    """The angle of two lines, each of two points, in degrees from 0 to 90: Cobb's angle."""
    a, b = _points(first, spacing), _points(second, spacing)
    found = _between(a[1] - a[0], b[1] - b[0])
    return min(found, 180.0 - found)


def _between(u: NDArray[np.float64], v: NDArray[np.float64]) -> float:
    lengths = float(np.linalg.norm(u)), float(np.linalg.norm(v))
    if 0.0 in lengths:
        raise ValueError("two points of an angle are the same")
    u, v = u / lengths[0], v / lengths[1]
    # Exact for small and for flat angles, where the arc cosine is not.
    return math.degrees(2 * math.atan2(float(np.linalg.norm(u - v)), float(np.linalg.norm(u + v))))


def polygon_area(vertices: ArrayLike, spacing: ArrayLike | None = None) -> float:
    """The area within a polygon of (column, row) points; spacing is (between columns, between rows).

    >>> polygon_area([(0, 0), (4, 0), (4, 3)])
    6.0
    """
    x, y = _polygon(vertices, spacing).T
    return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def perimeter(vertices: ArrayLike, spacing: ArrayLike | None = None, *, closed: bool = True) -> float:
    """The length of a line through points, back to the first where it is ``closed``."""
    points = _points(vertices, spacing)
    ends = np.roll(points, -1, axis=0) - points
    return float(np.linalg.norm(ends if closed else ends[:-1], axis=1).sum())


def ellipse_area(first_axis: float, second_axis: float) -> float:
    """The area of an ellipse by the lengths of its axes, which are twice its radii."""
    if not (math.isfinite(first_axis) and math.isfinite(second_axis)) or min(first_axis, second_axis) < 0:
        raise ValueError("axes are finite lengths")
    return math.pi * first_axis * second_axis / 4


def _polygon(vertices: ArrayLike, spacing: ArrayLike | None) -> NDArray[np.float64]:
    points = _points(vertices, spacing)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise ValueError("a polygon is three or more points of two coordinates")
    return points


def polygon_mask(shape: tuple[int, int], vertices: ArrayLike) -> NDArray[np.bool_]:
    """The pixels, of rows and columns, whose centre is in a polygon of (column, row) points counted from 0."""
    return inside_polygon(shape, vertices)


def ellipse_mask(shape: tuple[int, int], center: ArrayLike, radii: ArrayLike) -> NDArray[np.bool_]:
    """The pixels whose centre is in an ellipse around (column, row), counted from 0, with radii along both."""
    (x, y), (a, b) = _points(center, None), _points(radii, None)
    if min(a, b) <= 0:
        raise ValueError("radii are above zero")
    row, column = np.ogrid[: shape[0], : shape[1]]
    inside: NDArray[np.bool_] = ((column - x) / a) ** 2 + ((row - y) / b) ** 2 <= 1.0
    return inside


def statistics(
    values: NDArray[Any], mask: NDArray[Any] | None = None, *, spacing: tuple[float, ...] | None = None
) -> Statistics:
    """What values are like, all or those under a mask; NaN are left out.

    ``spacing`` is between the columns, rows (and slices) of the array. Raises ValueError for a region without values.
    """
    chosen = values.reshape(-1) if mask is None else values[mask.astype(np.bool_)]
    chosen = chosen.astype(np.float64)
    chosen = chosen[~np.isnan(chosen)]
    if not chosen.size:
        raise ValueError("there is no value in the region")
    size = None
    if spacing is not None:
        if len(spacing) != values.ndim or not all(math.isfinite(each) and each > 0 for each in spacing):
            raise ValueError(f"an array of {values.ndim} axes has as many spacings, all above zero")
        size = float(chosen.size * math.prod(spacing))
    return Statistics(
        int(chosen.size), float(chosen.mean()), float(chosen.std()), float(chosen.min()), float(chosen.max()),
        float(np.median(chosen)), float(chosen.sum()),
        size if values.ndim == 2 else None, size if values.ndim == 3 else None,
    )  # fmt: skip
