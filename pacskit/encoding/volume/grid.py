"""Where the voxels of a volume are: their number, origin, directions and distances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacskit.core.errors import GeometryError, LimitError

__all__ = ["Grid", "Orientation"]

Orientation = Literal["axial", "coronal", "sagittal"]

# Directions of rows, of columns and of slices as a screen shows them: feet, patient's left and nose to the viewer's
# left, with the patient's axes left, posterior, superior (PS3.3 C.7.6.2.1.1).
_AXES: Final[dict[str, tuple[tuple[int, int, int], ...]]] = {
    "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
}


@dataclass(frozen=True, slots=True)
class Grid:
    """Points in the patient: ``shape`` slices, rows and columns; ``affine`` gives their place in millimetres.

    The affine takes (column, row, slice, 1) to (left, posterior, superior, 1), counted from 0 at the centre of the
    first voxel.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        if np.size(self.shape) != 3 or min(self.shape) < 1:
            raise GeometryError(f"a grid of {self.shape} has no voxels")
        if self.affine.shape != (4, 4) or not np.isfinite(self.affine).all():
            raise GeometryError("an affine is 4 by 4 finite numbers")
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        if lengths.min() == 0 or abs(float(np.linalg.det(self.affine[:3, :3] / lengths))) < 1e-9:
            raise GeometryError("the directions of a grid lie in one plane, or a spacing is zero")

    @classmethod
    def build(cls, origin: ArrayLike, directions: ArrayLike, spacing: ArrayLike, shape: tuple[int, int, int]) -> Self:
        """A grid of an origin, three directions (of rows, columns and slices) and the distances along them."""
        axes, steps = np.asarray(directions, np.float64), np.asarray(spacing, np.float64)
        if axes.shape != (3, 3) or steps.shape != (3,) or not np.isfinite(steps).all() or steps.min() <= 0:
            raise GeometryError("a grid has three directions, and three distances above zero")
        lengths = np.linalg.norm(axes, axis=1)
        if not np.isfinite(lengths).all() or lengths.min() == 0:
            raise GeometryError("a direction has no length")
        affine = np.eye(4)
        affine[:3, :3] = (axes / lengths[:, None] * steps[:, None]).T
        affine[:3, 3] = np.asarray(origin, np.float64)
        return cls(shape, affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres from a column, row and slice to the next, along the steps between them."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(lengths[0]), float(lengths[1]), float(lengths[2])

    @property
    def directions(self) -> NDArray[np.float64]:
        """The directions of rows, columns and slices, one a row."""
        out: NDArray[np.float64] = (self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)).T
        return out

    @property
    def origin(self) -> tuple[float, float, float]:
        """The centre of the first voxel."""
        return float(self.affine[0, 3]), float(self.affine[1, 3]), float(self.affine[2, 3])

    @property
    def center(self) -> NDArray[np.float64]:
        """The middle of the grid in the patient."""
        return self.to_patient([(n - 1) / 2 for n in self.shape[::-1]])

    def to_patient(self, index: ArrayLike) -> NDArray[np.float64]:
        """Millimetres for (column, row, slice), which need not be whole; of many, the last axis is those three."""
        out: NDArray[np.float64] = np.asarray(index, np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]
        return out

    def to_index(self, point: ArrayLike) -> NDArray[np.float64]:
        """(Column, row, slice) for millimetres, the other way round."""
        inverse = np.linalg.inv(self.affine)
        out: NDArray[np.float64] = np.asarray(point, np.float64) @ inverse[:3, :3].T + inverse[:3, 3]
        return out

    def corners(self) -> NDArray[np.float64]:
        """The centres of the eight outermost voxels in the patient."""
        ends = [(0, n - 1) for n in self.shape[::-1]]
        return self.to_patient([(i, j, k) for k in ends[2] for j in ends[1] for i in ends[0]])

    def with_spacing(self, spacing: ArrayLike) -> Grid:
        """Other distances between voxels over the same room, of the same directions."""
        steps = np.broadcast_to(np.asarray(spacing, np.float64), (3,))
        if not np.isfinite(steps).all() or steps.min() <= 0:
            raise GeometryError("spacing is three finite numbers above zero")
        old = np.array(self.spacing)
        extent = old * self.shape[::-1]
        counts = [max(1, math.floor(float(each) + 0.5)) if each < 1 << 31 else 1 << 31 for each in extent / steps]
        first = (steps / old - 1) / 2  # borders stay where they are, not centres
        return Grid.build(self.to_patient(first), self.directions, steps, (counts[2], counts[1], counts[0]))

    def facing(self, orientation: Orientation, spacing: float | None = None) -> Grid:
        """A grid along the patient's axes that covers this one; cubic voxels of the least spacing unless told."""
        if orientation not in _AXES:
            raise ValueError(f"{orientation!r} is none of {', '.join(_AXES)}")
        step = min(self.spacing) if spacing is None else float(spacing)
        if not math.isfinite(step) or step <= 0:
            raise GeometryError(f"a spacing of {step:g}")
        axes = np.array(_AXES[orientation], np.float64)
        along = self.corners() @ axes.T
        low, high = along.min(axis=0), along.max(axis=0)
        counts = [math.floor(float(each) + 1e-6) + 1 for each in np.minimum((high - low) / step, 1 << 31)]
        return Grid.build(low @ axes, axes, (step, step, step), (counts[2], counts[1], counts[0]))

    def part(self, start: int, stop: int) -> Grid:
        """Some of the slices."""
        affine = self.affine.copy()
        affine[:3, 3] = self.to_patient((0, 0, start))
        return Grid((stop - start, *self.shape[1:]), affine)

    def check_size(self, itemsize: int, max_bytes: int) -> None:
        """Raise LimitError where an array of the grid would have more bytes than that."""
        size = math.prod(self.shape) * itemsize
        if size > max_bytes:
            raise LimitError(f"a volume of {self.shape} voxels has {size} bytes, the limit is {max_bytes}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        return self.shape == other.shape and bool(np.array_equal(self.affine, other.affine))

    def __hash__(self) -> int:
        return hash((self.shape, self.affine.tobytes()))

    def map_from(self, other: Grid) -> tuple[float, ...]:
        """The 12 numbers that give the index here of an index in the other grid."""
        matrix: NDArray[Any] = np.linalg.inv(self.affine) @ other.affine
        matrix[np.abs(matrix) < 1e-12] = 0.0
        return tuple(float(value) for value in matrix[:3].reshape(-1))
