"""The images of a series, sorted and rescaled into one volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeGuard

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import GeometryError, LimitError
from pacskit.encoding.attributes import positive, text
from pacskit.encoding.display.lut import LookupTable
from pacskit.encoding.display.modality import Rescale, modality_transform
from pacskit.encoding.functional_groups import number_of_frames
from pacskit.encoding.pixels.reader import PixelReader
from pacskit.encoding.volume.geometry import Plane, Stack, plane_of, stack_of
from pacskit.encoding.volume.grid import Grid
from pacskit.encoding.volume.volume import Volume

__all__ = ["slices_of", "sort_series", "volume_of"]

Slice = tuple[Dataset, int]

_MOST: Final = 100_000


def slices_of(datasets: Sequence[Dataset], frames: Sequence[int] | None = None) -> tuple[Slice, ...]:
    """Every frame of every data set, with its number."""
    if frames is not None and len(datasets) != 1:
        raise ValueError("frames are chosen of one object")
    if frames is not None:
        return tuple((datasets[0], frame) for frame in frames)
    counts = [number_of_frames(ds) for ds in datasets]
    if sum(counts) > _MOST:
        raise LimitError(f"{sum(counts)} slices; the limit is {_MOST}", tag=0x00280008)
    return tuple((ds, frame) for ds, count in zip(datasets, counts, strict=True) for frame in range(count))


def sort_series(datasets: Sequence[Dataset], frames: Sequence[int] | None = None) -> Stack:
    """Tell the order of the frames of a series along their normal and how regularly they lie; no pixels are read.

    Raises GeometryError where they are not parallel, of one size and in one frame of reference.
    """
    return stack_of([plane_of(ds, frame) for ds, frame in slices_of(datasets, frames)])


def volume_of(
    datasets: Sequence[Dataset],
    *,
    arrays: Sequence[NDArray[Any]] | None,
    frames: Sequence[int] | None,
    drop_duplicates: bool,
    fill_missing: float | None,
    dtype: DTypeLike | None,
    max_bytes: int,
) -> Volume:
    """What `Volume.from_datasets` does."""
    if arrays is not None and len(arrays) != len(datasets):
        raise ValueError(f"{len(arrays)} arrays for {len(datasets)} data sets")
    slices = slices_of(datasets, frames)
    planes = [plane_of(ds, frame) for ds, frame in slices]
    stack = stack_of(planes)
    _check(stack, drop_duplicates, fill_missing)
    grid = _grid(datasets[0], planes, stack)
    transforms = [_transform(*slices[n]) for n in stack.order]
    used = [slices[n][0] for n in stack.order]
    kind = _voxel_type(used, transforms, fill_missing) if dtype is None else np.dtype(dtype)
    grid.check_size(kind.itemsize, max_bytes)
    out = np.empty(grid.shape, kind)
    if stack.missing and fill_missing is not None:
        out[:] = fill_missing
    source = _Source(datasets, arrays)
    for n, place, transform in zip(stack.order, stack.places, transforms, strict=True):
        stored = source.frame(*slices[n])
        if stored.shape != grid.shape[1:]:
            raise GeometryError(f"slice {n} has {stored.shape} pixels instead of {grid.shape[1:]}")
        values = _values(stored, transform)
        if out.dtype.kind in "iu" and not _fits(values, out.dtype):
            if dtype is not None:
                raise ValueError(f"slice {n} has values that are no {kind.name}")
            grid.check_size(4, max_bytes)
            out = out.astype(np.float32)
        out[place] = np.rint(values) if out.dtype.kind in "iu" and values.dtype.kind == "f" else values
    return Volume(out, grid, stack)


class _Source:
    """The stored values of frames, from arrays or from the data sets; a data set is opened once."""

    __slots__ = ("_arrays", "_last", "_reader")

    def __init__(self, datasets: Sequence[Dataset], arrays: Sequence[NDArray[Any]] | None) -> None:
        self._arrays = {id(ds): array for ds, array in zip(datasets, arrays or (), strict=False)}
        self._last: Dataset | None = None
        self._reader: PixelReader | None = None

    def frame(self, ds: Dataset, frame: int) -> NDArray[Any]:
        held = self._arrays.get(id(ds))
        if held is not None:
            return np.asarray(held[frame] if held.ndim == 3 else held)
        if self._reader is None or self._last is not ds:
            self._last, self._reader = ds, PixelReader(ds)
        return self._reader.frame(frame)


def _adds_whole(transform: LookupTable | Rescale) -> TypeGuard[Rescale]:
    """Whether all that a rescale does is to add an integer."""
    if not isinstance(transform, Rescale) or transform.slope != 1:
        return False
    return transform.intercept.is_integer() and abs(transform.intercept) < 1 << 30


def _values(stored: NDArray[Any], transform: LookupTable | Rescale | None) -> NDArray[Any]:
    """Values of the modality; sums of integers stay integers."""
    if transform is None:
        return stored
    if _adds_whole(transform) and stored.dtype.kind in "iu" and stored.dtype.itemsize < 4:
        return stored.astype(np.int32) + np.int32(transform.intercept)
    return transform.apply(stored)


def _fits(values: NDArray[Any], kind: np.dtype[Any]) -> bool:
    """Whether every value, rounded, is one of an integer type."""
    limits = np.iinfo(kind)
    low, high = float(values.min()), float(values.max())
    return limits.min - 0.5 < low and high < limits.max + 0.5


def _check(stack: Stack, drop_duplicates: bool, fill_missing: float | None) -> None:
    found = []
    if stack.duplicates and not drop_duplicates:
        found.append(f"{len(stack.duplicates)} are at the place of another")
    if stack.missing and fill_missing is None:
        at = ", ".join(f"{each:g}" for each in stack.missing[:10])
        found.append(f"{len(stack.missing)} are missing ({at} mm from the first)")
    if stack.irregular:
        found.append(f"{len(stack.irregular)} are not where the spacing of {stack.spacing:g} mm puts them")
    if found:
        raise GeometryError(
            f"slices that make no volume: {'; '.join(found)}",
            missing=stack.missing, duplicates=stack.duplicates, irregular=stack.irregular,
        )  # fmt: skip


def _grid(ds: Dataset, planes: Sequence[Plane], stack: Stack) -> Grid:
    first = planes[stack.order[0]]
    affine = first.affine
    if len(stack.order) > 1:
        affine[:3, 2] = stack.step
    else:
        thickness = positive(ds, "SpacingBetweenSlices") or positive(ds, "SliceThickness") or 1.0
        affine[:3, 2] *= thickness
    return Grid((stack.places[-1] + 1, *first.shape), affine)


def _transform(ds: Dataset, frame: int) -> LookupTable | Rescale | None:
    """The modality transformation, or the scaling of a dose grid (PS3.3 C.8.8.3)."""
    scaling = positive(ds, "DoseGridScaling")
    if scaling is not None:
        return Rescale(scaling, 0.0, text(ds, "DoseUnits"))
    return modality_transform(ds, frame)


def _voxel_type(
    datasets: Sequence[Dataset], transforms: Sequence[LookupTable | Rescale | None], fill: float | None
) -> np.dtype[Any]:
    """int16 where values may all be that, float32 else."""
    if fill is not None and not (float(fill).is_integer() and -0x8000 <= fill <= 0x7FFF):
        return np.dtype(np.float32)
    for ds, transform in zip(datasets, transforms, strict=True):
        whole = transform is None or _adds_whole(transform)
        if not whole or "PixelData" not in ds:
            return np.dtype(np.float32)
    return np.dtype(np.int16)
