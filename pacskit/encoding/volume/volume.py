"""A series as one array with its place in the patient; planes through it, slabs and other grids."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import GeometryError, LimitError
from pacskit.encoding.volume.geometry import Stack
from pacskit.encoding.volume.grid import Grid, Orientation
from pacskit_ext import _resample

__all__ = ["Interpolation", "Projection", "Volume"]

Interpolation = Literal["nearest", "linear", "cubic"]
Projection = Literal["max", "min", "mean"]

_METHODS: Final = {"nearest": 0, "linear": 1, "cubic": 2}
_KINDS: Final = {"u1": "B", "i2": "h", "u2": "H", "f4": "f", "f8": "d"}
_LIMIT: Final = 1 << 33


@dataclass(frozen=True, slots=True)
class Volume:
    """Voxels in slices, rows and columns, and where they are.

    ``array`` holds values of the modality; ``grid`` their places, ``stack`` how the slices of the series lay, None for
    what was computed from another volume.

    >>> volume = Volume(np.arange(8, dtype=np.float32).reshape(2, 2, 2), Grid((2, 2, 2), np.eye(4)))
    >>> volume.at([0.5, 0.5, 0.5]).tolist()
    3.5
    """

    array: NDArray[Any] = field(repr=False)
    grid: Grid
    stack: Stack | None = None

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise GeometryError(f"an array of {self.array.shape} is not one of {self.grid.shape} voxels")
        if self.array.dtype.str[1:] not in _KINDS:
            raise GeometryError(f"voxels are 8 or 16-bit integers or floats, not {self.array.dtype}")

    @classmethod
    def from_datasets(
        cls,
        datasets: Sequence[Dataset],
        *,
        arrays: Sequence[NDArray[Any]] | None = None,
        frames: Sequence[int] | None = None,
        drop_duplicates: bool = False,
        fill_missing: float | None = None,
        dtype: DTypeLike | None = None,
        max_bytes: int = _LIMIT,
    ) -> Volume:
        """Make a volume of the images of a series, or of one multi-frame object, in any order.

        Parameters
        ----------
        arrays
            The stored values of each data set, where they are decoded already.
        frames
            Of one multi-frame object, only these, such as those of one stack or one time.
        drop_duplicates
            Take the first of several slices at one place, instead of raising.
        fill_missing
            Put that value where slices are missing, instead of raising.
        dtype
            Of the voxels; by default int16 where every rescaled value is one, else float32.

        Raises GeometryError, which lists them, for slices that are missing, twice there or off their place.
        """
        from pacskit.encoding.volume.series import volume_of

        return volume_of(
            datasets, arrays=arrays, frames=frames, drop_duplicates=drop_duplicates, fill_missing=fill_missing,
            dtype=dtype, max_bytes=max_bytes,
        )  # fmt: skip

    @property
    def affine(self) -> NDArray[np.float64]:
        """The matrix from (column, row, slice, 1) to (left, posterior, superior, 1) in millimetres."""
        return self.grid.affine

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres from a column, row and slice to the next."""
        return self.grid.spacing

    def to_patient(self, index: ArrayLike) -> NDArray[np.float64]:
        """Millimetres for (column, row, slice)."""
        return self.grid.to_patient(index)

    def to_index(self, point: ArrayLike) -> NDArray[np.float64]:
        """(Column, row, slice) for millimetres."""
        return self.grid.to_index(point)

    def at(self, point: ArrayLike, *, interpolation: Interpolation = "linear") -> np.float64:
        """The value at a point of the patient; NaN outside."""
        affine = np.eye(4)
        affine[:3, 3] = np.asarray(point, np.float64)
        source = Volume(self.array.astype(np.float64), self.grid) if self.array.size < 64 else self._around(point)
        found = source.resample_to(Grid((1, 1, 1), affine), interpolation=interpolation, fill=float("nan"), threads=1)
        return np.float64(found.array[0, 0, 0])

    def _around(self, point: ArrayLike) -> Volume:
        """The voxels around a point, as float64."""
        place = self.to_index(point)
        starts = [
            int(np.clip(np.floor(each) - 3, 0, n - 1)) for each, n in zip(place, self.array.shape[::-1], strict=True)
        ]
        stops = [min(n, start + 8) for start, n in zip(starts, self.array.shape[::-1], strict=True)]
        part = self.array[starts[2] : stops[2], starts[1] : stops[1], starts[0] : stops[0]].astype(np.float64)
        affine = self.affine.copy()
        affine[:3, 3] = self.to_patient(starts)
        return Volume(part, Grid((part.shape[0], part.shape[1], part.shape[2]), affine))

    def resample_to(
        self,
        grid: Grid,
        *,
        interpolation: Interpolation = "linear",
        fill: float | None = None,
        threads: int | None = None,
        max_bytes: int = _LIMIT,
    ) -> Volume:
        """Read the volume at the points of another grid, as voxels of the same type, integers rounded.

        Points more than half a voxel outside have ``fill``, by default the least value of the volume. Slices are
        computed on ``threads``, by default one for each processor.
        """
        if interpolation not in _METHODS:
            raise ValueError(f"{interpolation!r} is none of {', '.join(_METHODS)}")
        grid.check_size(self.array.dtype.itemsize, max_bytes)
        if max(grid.shape) >= 1 << 31:
            raise LimitError(f"a volume of {grid.shape} voxels")
        source = np.require(self.array, self.array.dtype.newbyteorder("="), ["C", "A"])
        value = float(source.min()) if fill is None else float(fill)
        out = np.empty(grid.shape, source.dtype)
        kind, matrix = _KINDS[source.dtype.str[1:]], self.grid.map_from(grid)

        def slab(start: int, stop: int) -> None:
            _resample.resample(
                source.data, source.shape, kind, out.data, grid.shape, matrix, value, _METHODS[interpolation],
                start=start, stop=stop,
            )  # fmt: skip

        count = min(threads or os.cpu_count() or 1, grid.shape[0])
        if count == 1 or out.size < 1 << 16:
            slab(0, grid.shape[0])
        else:
            cuts = [grid.shape[0] * n // (4 * count) for n in range(4 * count + 1)]
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(slab, cuts[:-1], cuts[1:]))
        return Volume(out, grid)

    def resample(self, spacing: ArrayLike, **options: Any) -> Volume:
        """The same room with other distances between voxels; options are those of `resample_to`."""
        return self.resample_to(self.grid.with_spacing(spacing), **options)

    def reformat(
        self, orientation: Orientation, *, at: float | None = None, spacing: float | None = None, **options: Any
    ) -> Volume:
        """Axial, coronal or sagittal slices through the whole volume, or one ``at`` millimetres along that axis.

        Slices are as a screen shows them: nose or head up, the patient's left on the right. Options are those of
        `resample_to`.
        """
        grid = self.grid.facing(orientation, spacing)
        if at is not None:
            normal = grid.directions[2]
            axis = int(np.argmax(np.abs(normal)))
            affine = grid.affine.copy()
            affine[axis, 3] = at
            grid = Grid((1, *grid.shape[1:]), affine)
        return self.resample_to(grid, **options)

    def axial(self, at: float, **options: Any) -> NDArray[Any]:
        """One axial slice, ``at`` millimetres towards the head."""
        return np.asarray(self.reformat("axial", at=at, **options).array[0])

    def coronal(self, at: float, **options: Any) -> NDArray[Any]:
        """One coronal slice, ``at`` millimetres towards the back."""
        return np.asarray(self.reformat("coronal", at=at, **options).array[0])

    def sagittal(self, at: float, **options: Any) -> NDArray[Any]:
        """One sagittal slice, ``at`` millimetres towards the left."""
        return np.asarray(self.reformat("sagittal", at=at, **options).array[0])

    def oblique(
        self,
        center: ArrayLike,
        row: ArrayLike,
        column: ArrayLike,
        *,
        shape: tuple[int, int],
        spacing: float | None = None,
        thickness: float = 0.0,
        projection: Projection = "mean",
        **options: Any,
    ) -> Volume:
        """One slice of any direction around a point: ``row`` and ``column`` are the directions along them.

        With a ``thickness`` in millimetres it is a slab, projected to its greatest, least or mean value. Options are
        those of `resample_to`.
        """
        step = min(self.spacing) if spacing is None else float(spacing)
        across, down = _unit(row), _unit(column)
        if abs(float(across @ down)) > 1e-6:
            raise GeometryError("the directions of rows and columns are not at a right angle")
        if not np.isfinite(thickness) or thickness < 0 or thickness / step > 1 << 20:
            raise GeometryError(f"a slab of {thickness:g} mm")
        normal = np.cross(across, down)
        layers = 1 + 2 * round(thickness / 2 / step)
        middle = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2, (layers - 1) / 2]) * step
        origin = np.asarray(center, np.float64) - middle @ np.array([across, down, normal])
        grid = Grid.build(origin, (across, down, normal), (step, step, step), (layers, *shape))
        slab = self.resample_to(grid, **options)
        return slab if layers == 1 else slab.project(projection)

    def project(self, method: Projection = "max", *, axis: int = 0, start: int = 0, stop: int | None = None) -> Volume:
        """Project slices ``start`` to ``stop`` (rows for axis 1, columns for axis 2) to one: MIP, MinIP or average.

        The mean of integers is rounded half up.
        """
        stop = self.array.shape[axis] if stop is None else stop
        if not 0 <= start < stop <= self.array.shape[axis]:
            raise IndexError(f"no slices from {start} to {stop}")
        index = [slice(None)] * 3
        index[axis] = slice(start, stop)
        part = self.array[tuple(index)]
        if method == "mean":
            mean = part.mean(axis=axis, keepdims=True, dtype=np.float64)
            flat = (np.floor(mean + 0.5) if part.dtype.kind in "iu" else mean).astype(part.dtype)
        elif method in ("max", "min"):
            flat = part.max(axis=axis, keepdims=True) if method == "max" else part.min(axis=axis, keepdims=True)
        else:
            raise ValueError(f"{method!r} is none of max, min, mean")
        place = [0.0, 0.0, 0.0]
        place[2 - axis] = (start + stop - 1) / 2
        affine = self.affine.copy()
        affine[:3, 3] = self.to_patient(place)
        affine[:3, 2 - axis] *= stop - start
        return Volume(flat, Grid((flat.shape[0], flat.shape[1], flat.shape[2]), affine))

    def histogram(
        self, bins: int = 256, limits: tuple[float, float] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """How many voxels have values in each of ``bins`` equal parts of the range, and the edges of those."""
        counts, edges = np.histogram(self.array, bins=bins, range=limits)
        return counts.astype(np.int64), edges.astype(np.float64)


def _unit(direction: ArrayLike) -> NDArray[np.float64]:
    vector = np.asarray(direction, np.float64)
    length = float(np.linalg.norm(vector))
    if vector.shape != (3,) or not np.isfinite(length) or length == 0:
        raise GeometryError("a direction is three numbers, not all zero")
    return vector / length
