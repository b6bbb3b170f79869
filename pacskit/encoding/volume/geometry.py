"""Where frames are in the patient, and whether they are the slices of one volume (PS3.3 C.7.6.2, C.7.6.16.2.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import GeometryError
from pacskit.encoding.attributes import numbers, required, text
from pacskit.encoding.functional_groups import functional_groups, is_enhanced

__all__ = ["Plane", "Stack", "Vector", "plane_of", "stack_of"]

Vector = NDArray[np.float64]

_COSINE: Final = 1e-3  # what directions may differ from length 1, from a right angle and from each other
_GAP: Final = 0.02  # part of the spacing that a slice may be off its place
_SAME: Final = 1e-3  # millimetres within which two slices are at the same place


@dataclass(frozen=True, slots=True)
class Plane:
    """The plane of a frame in millimetres, in the patient's axes (left, posterior, superior).

    ``row`` is the direction along a row, with increasing column; ``column`` that along a column, with increasing row.
    ``spacing`` is that between rows and that between columns, as Pixel Spacing has them.
    """

    position: tuple[float, float, float]
    row: tuple[float, float, float]
    column: tuple[float, float, float]
    spacing: tuple[float, float]
    shape: tuple[int, int]
    frame_of_reference: str | None = None

    @property
    def normal(self) -> Vector:
        """The direction at a right angle to the plane, along which slices are sorted."""
        return np.cross(np.array(self.row), np.array(self.column))

    @property
    def affine(self) -> Vector:
        """The matrix from (column, row, 0, 1) to millimetres; its third column is the normal (PS3.3 C.7.6.2.1.1)."""
        out = np.eye(4)
        out[:3, 0] = np.array(self.row) * self.spacing[1]
        out[:3, 1] = np.array(self.column) * self.spacing[0]
        out[:3, 2] = self.normal
        out[:3, 3] = self.position
        return out


@dataclass(frozen=True, slots=True)
class Stack:
    """Planes in the order along their normal, and how regularly they lie.

    ``order`` are indices of the planes, of those at one place the first; ``duplicates`` pairs of one that was left out
    and the one it equals; ``missing`` the distances along the normal, from the first slice, where one should be;
    ``irregular`` indices of slices that are at no multiple of ``spacing``. ``step`` leads from a slice to the next:
    it is not along the normal where the gantry was tilted, by ``tilt`` degrees.
    """

    order: tuple[int, ...]
    spacing: float
    step: tuple[float, float, float]
    tilt: float
    places: tuple[int, ...]
    missing: tuple[float, ...] = ()
    duplicates: tuple[tuple[int, int], ...] = ()
    irregular: tuple[int, ...] = ()

    @property
    def is_regular(self) -> bool:
        """Whether every slice is there once and where it should be."""
        return not (self.missing or self.duplicates or self.irregular)

    @property
    def is_sheared(self) -> bool:
        """Whether slices are shifted against each other, as with a tilted gantry."""
        return self.tilt > math.degrees(_COSINE)


def plane_of(ds: Dataset, frame: int = 0) -> Plane:
    """The plane of a frame, from its functional groups or the attributes of the image.

    Raises GeometryError where position, orientation or spacing are absent or cannot be.
    """
    groups = functional_groups(ds, frame)
    position = _vector(groups.holder("PlanePositionSequence", "ImagePositionPatient"), "ImagePositionPatient", 3)
    directions = _vector(
        groups.holder("PlaneOrientationSequence", "ImageOrientationPatient"), "ImageOrientationPatient", 6
    )
    spacing = _vector(groups.holder("PixelMeasuresSequence", "PixelSpacing"), "PixelSpacing", 2)
    if min(spacing) <= 0:
        raise GeometryError(f"Pixel Spacing is {spacing[0]:g} by {spacing[1]:g}, not above zero")
    row, column = _direction(directions[:3]), _direction(directions[3:])
    if abs(float(np.dot(row, column))) > _COSINE:
        raise GeometryError("the directions of rows and columns are not at a right angle")
    offset = 0.0
    if frame and not is_enhanced(ds):
        offset = _frame_offset(ds, frame)
    normal = np.cross(np.array(row), np.array(column))
    place = np.array(position) + offset * normal
    return Plane(
        (float(place[0]), float(place[1]), float(place[2])),
        row,
        column,
        (spacing[0], spacing[1]),
        (required(ds, "Rows"), required(ds, "Columns")),
        text(ds, "FrameOfReferenceUID"),
    )


def _frame_offset(ds: Dataset, frame: int) -> float:
    """How far a frame of a dose grid is from the first (PS3.3 C.8.8.3.2)."""
    offsets = numbers(ds, "GridFrameOffsetVector")
    if offsets is None:
        raise GeometryError(f"nothing says where frame {frame} is")
    if frame >= len(offsets):
        raise GeometryError(f"{len(offsets)} offsets do not reach frame {frame}")
    return offsets[frame] - offsets[0]


def _vector(place: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    found = numbers(place, keyword)
    if found is None:
        raise GeometryError(f"{keyword} is absent or empty")
    if len(found) != count:
        raise GeometryError(f"{keyword} has {len(found)} values instead of {count}")
    return found


def _direction(values: tuple[float, ...]) -> tuple[float, float, float]:
    length = math.sqrt(sum(value * value for value in values))
    if abs(length - 1.0) > 10 * _COSINE:
        raise GeometryError(f"a direction of Image Orientation (Patient) has the length {length:g}")
    return values[0] / length, values[1] / length, values[2] / length


def _check_alike(planes: Sequence[Plane]) -> None:
    first = planes[0]
    for n, plane in enumerate(planes):
        if plane.shape != first.shape:
            raise GeometryError(f"slice {n} has {plane.shape} pixels, the first {first.shape}")
        if plane.frame_of_reference != first.frame_of_reference:
            raise GeometryError(f"slice {n} is in another frame of reference than the first")
        turned = np.abs(np.array(plane.row + plane.column) - np.array(first.row + first.column)).max()
        if turned > _COSINE:
            raise GeometryError(f"slice {n} is not parallel to the first")
        if not np.allclose(plane.spacing, first.spacing, rtol=1e-3, atol=0):
            raise GeometryError(f"slice {n} has another pixel spacing than the first")


def stack_of(planes: Sequence[Plane]) -> Stack:
    """Sort planes along their normal and tell how regularly they lie.

    Raises GeometryError where they are not parallel, of one size and in one frame of reference.
    """
    if not planes:
        raise GeometryError("there are no slices")
    _check_alike(planes)
    positions = np.array([plane.position for plane in planes])
    along = (positions - positions[0]) @ planes[0].normal
    by_place = [int(n) for n in np.argsort(along, kind="stable")]
    order: list[int] = []
    duplicates: list[tuple[int, int]] = []
    for n in by_place:
        if order and along[n] - along[order[-1]] < _SAME:
            duplicates.append((max(n, order[-1]), min(n, order[-1])))
            order[-1] = min(n, order[-1])
        else:
            order.append(n)
    if len(order) == 1:
        one = planes[0].normal
        return Stack(tuple(order), 0.0, (float(one[0]), float(one[1]), float(one[2])), 0.0, (0,), (), tuple(duplicates))
    return _regularity(planes[0], positions[order], along[order], order, duplicates)


def _regularity(
    plane: Plane, positions: Vector, along: Vector, order: list[int], duplicates: list[tuple[int, int]]
) -> Stack:
    """Find the spacing that most neighbours have and compare every slice with its place."""
    gaps = np.diff(along)
    spacing = float(np.sort(gaps)[(gaps.size - 1) // 2])
    counts = np.rint(gaps / spacing)
    off = np.abs(gaps - counts * spacing)
    irregular = np.flatnonzero((counts < 1) | (off > np.maximum(_GAP * spacing * counts, _SAME)))
    places = np.concatenate([[0.0], np.cumsum(np.maximum(counts, 1.0))])
    if places[-1] > 100_000:
        raise GeometryError("the gaps between slices are thousands of times their spacing")
    if not irregular.size:
        spacing = float((along[-1] - along[0]) / places[-1])
    filled = {int(place) for place in places}
    missing = tuple(n * spacing for n in range(int(places[-1]) + 1) if n not in filled)
    step = (positions[-1] - positions[0]) / places[-1]
    off = np.abs(positions - (positions[0] + places[:, None] * step)).max(axis=1)
    wrong = {int(n) + 1 for n in irregular} | {int(n) for n in np.flatnonzero(off > max(_GAP * spacing, 10 * _SAME))}
    sideways = step - (step @ plane.normal) * plane.normal
    tilt = math.degrees(math.atan2(float(np.linalg.norm(sideways)), abs(float(step @ plane.normal))))
    return Stack(
        tuple(order),
        spacing,
        (float(step[0]), float(step[1]), float(step[2])),
        tilt if tilt > math.degrees(_COSINE) else 0.0,
        tuple(int(place) for place in places),
        missing,
        tuple(duplicates),
        tuple(order[n] for n in sorted(wrong)),
    )
