"""The images of a series, sorted and rescaled into one volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import GeometryError
from pacskit.encoding.attributes import positive, text
from pacskit.encoding.display.lut import LookupTable
from pacskit.encoding.display.modality import Rescale, modality_transform, stored_range
from pacskit.encoding.display.source import stored_frame
from pacskit.encoding.functional_groups import number_of_frames
from pacskit.encoding.volume.geometry import Plane, Stack, plane_of, stack_of
from pacskit.encoding.volume.grid import Grid
from pacskit.encoding.volume.volume import Volume

__all__ = ["slices_of", "sort_series", "volume_of"]

Slice = tuple[Dataset, int]


def slices_of(datasets: Sequence[Dataset], frames: Sequence[int] | None = None) -> tuple[Slice, ...]:
    """Every frame of every data set, with its number."""
    if frames is not None and len(datasets) != 1:
        raise ValueError("frames are chosen of one object")
    if frames is not None:
        return tuple((datasets[0], frame) for frame in frames)
    return tuple((ds, frame) for ds in datasets for frame in range(number_of_frames(ds)))


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
    kind = np.dtype(dtype) if dtype is not None else _voxel_type([slices[n][0] for n in stack.order], transforms, fill_missing)
    grid.check_size(kind.itemsize, max_bytes)
    out = np.empty(grid.shape, kind)
    if stack.missing and fill_missing is not None:
        out[:] = fill_missing
    held = {id(ds): array for ds, array in zip(datasets, arrays or (), strict=False)}
    for n, place, transform in zip(stack.order, stack.places, transforms, strict=True):
        ds, frame = slices[n]
        stored = held.get(id(ds))
        if stored is None:
            stored = stored_frame(ds, frame)
        elif stored.ndim == 3:
            stored = stored[frame]
        if stored.shape != grid.shape[1:]:
            raise GeometryError(f"slice {n} has {stored.shape} pixels instead of {grid.shape[1:]}")
        values = stored if transform is None else transform.apply(stored)
        if kind.kind in "iu" and values.dtype.kind == "f":
            values = np.rint(values)
        out[place] = values
    return Volume(out, grid, stack)


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
    """int16 where no value can be another, float32 else."""
    if fill is not None and not (float(fill).is_integer() and -0x8000 <= fill <= 0x7FFF):
        return np.dtype(np.float32)
    for ds, transform in zip(datasets, transforms, strict=True):
        if "FloatPixelData" in ds or "DoubleFloatPixelData" in ds or isinstance(transform, LookupTable):
            return np.dtype(np.float32)
        low, high = stored_range(ds)
        if transform is not None:
            if transform.slope != 1 or not float(transform.intercept).is_integer():
                return np.dtype(np.float32)
            low, high = low + int(transform.intercept), high + int(transform.intercept)
        if low < -0x8000 or high > 0x7FFF:
            return np.dtype(np.float32)
    return np.dtype(np.int16)
