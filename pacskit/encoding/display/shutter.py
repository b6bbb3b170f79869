"""Display shutters: what of an image is covered (PS3.3 C.7.6.11, C.7.6.15)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import tag_for
from pacskit.core.errors import DecodeError
from pacskit.encoding.attributes import integer, missing, numbers
from pacskit.encoding.display.cielab import color_of, gray_of
from pacskit.encoding.display.overlay import paint
from pacskit.encoding.pixels.overlays import overlay_array, overlay_of

__all__ = ["cover", "inside_polygon", "shutter_mask", "shutter_shapes"]

_MOST_VERTICES = 10_000


def shutter_shapes(ds: Dataset) -> tuple[str, ...]:
    """The values of Shutter Shape; none where there is no shutter."""
    value: Any = ds.get("ShutterShape")
    if value is None:
        return ()
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(str(each).strip().upper() for each in values if str(each).strip())


def shutter_mask(ds: Dataset, rows: int, columns: int) -> NDArray[np.bool_] | None:
    """Which pixels are covered, those outside of any of the shapes; None where there is no shutter.

    Edges belong to what is seen. Raises DecodeError for shapes that are not described or unknown.
    """
    shapes = shutter_shapes(ds)
    if not shapes:
        return None
    covered = np.zeros((rows, columns), np.bool_)
    for shape in shapes:
        if shape == "RECTANGULAR":
            _outside_rectangle(ds, covered)
        elif shape == "CIRCULAR":
            _outside_circle(ds, covered)
        elif shape == "POLYGONAL":
            _outside_polygon(ds, covered)
        elif shape == "BITMAP":
            _under_bitmap(ds, covered)
        else:
            raise DecodeError(f"{shape!r} is no Shutter Shape", tag=tag_for("ShutterShape"))
    return covered


def cover(picture: NDArray[Any], ds: Dataset) -> None:
    """Paint what the shutter of a data set covers, in the gray or, on a picture of colours, the colour that it has."""
    covered = shutter_mask(ds, picture.shape[0], picture.shape[1])
    if covered is None:
        return
    color = color_of(ds, "ShutterPresentationColorCIELabValue") if picture.ndim > 2 else None
    gray = gray_of(ds, "ShutterPresentationValue", 0)
    picture[covered] = color or (gray * 257 if picture.dtype == np.uint16 else gray)


def _edge(ds: Dataset, keyword: str) -> int:
    found = integer(ds, keyword)
    if found is None:
        raise missing(keyword)
    return found


def _outside_rectangle(ds: Dataset, covered: NDArray[np.bool_]) -> None:
    left, right = _edge(ds, "ShutterLeftVerticalEdge"), _edge(ds, "ShutterRightVerticalEdge")
    upper, lower = _edge(ds, "ShutterUpperHorizontalEdge"), _edge(ds, "ShutterLowerHorizontalEdge")
    if left > right or upper > lower:
        raise DecodeError("the edges of a shutter are the wrong way round", tag=tag_for("ShutterLeftVerticalEdge"))
    row, column = np.ogrid[1 : covered.shape[0] + 1, 1 : covered.shape[1] + 1]
    covered |= (row < upper) | (row > lower) | (column < left) | (column > right)


def _outside_circle(ds: Dataset, covered: NDArray[np.bool_]) -> None:
    center = numbers(ds, "CenterOfCircularShutter", 2)
    if center is None:
        raise missing("CenterOfCircularShutter")
    radius = _edge(ds, "RadiusOfCircularShutter")
    if radius <= 0:
        raise DecodeError(f"a shutter with a radius of {radius}", tag=tag_for("RadiusOfCircularShutter"))
    row, column = np.ogrid[1.0 : covered.shape[0] + 1, 1.0 : covered.shape[1] + 1]
    covered |= (row - center[0]) ** 2 + (column - center[1]) ** 2 > float(radius) ** 2


def _outside_polygon(ds: Dataset, covered: NDArray[np.bool_]) -> None:
    keyword = "VerticesOfThePolygonalShutter"
    found = numbers(ds, keyword)
    if found is None:
        raise missing(keyword)
    if len(found) % 2 or not 6 <= len(found) <= 2 * _MOST_VERTICES:
        raise DecodeError(f"a polygon of {len(found)} coordinates", tag=tag_for(keyword))
    vertices = np.array(found).reshape(-1, 2)[:, ::-1] - 1  # rows and columns from 1, here columns and rows from 0
    covered |= ~inside_polygon(covered.shape, vertices, edges=True)


def _under_bitmap(ds: Dataset, covered: NDArray[np.bool_]) -> None:
    group = integer(ds, "ShutterOverlayGroup")
    if group is None:
        raise missing("ShutterOverlayGroup")
    if not 0x6000 <= group <= 0x601E or group % 2:
        raise DecodeError(f"{group:04X} is no overlay group", tag=tag_for("ShutterOverlayGroup"))
    overlay = overlay_of(ds, group)
    paint(covered, overlay_array(ds, group, 0), overlay.origin, True)


def inside_polygon(shape: tuple[int, ...], vertices: ArrayLike, *, edges: bool = False) -> NDArray[np.bool_]:
    """Which pixels have their centre in a polygon of (column, row) vertices, counted from 0, by the even-odd rule.

    With ``edges`` those whose centre lies on it belong to it too.
    """
    points = np.asarray(vertices, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise ValueError("a polygon is three or more finite points")
    rows, columns = shape
    inside = np.zeros((rows, columns), np.bool_)
    border = np.zeros((rows, columns), np.bool_)
    column = np.arange(columns, dtype=np.float64)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        first, last = max(0, int(np.ceil(min(y0, y1)))), min(rows - 1, int(np.floor(max(y0, y1))))
        for row in range(first, last + 1):
            if y0 == y1:
                border[row] |= (column >= min(x0, x1)) & (column <= max(x0, x1))
                continue
            cross = x0 + (row - y0) * (x1 - x0) / (y1 - y0)
            border[row] |= np.abs(column - cross) < 1e-9
            if row < max(y0, y1):  # a vertex belongs to one of its two edges
                inside[row] ^= column > cross
    inside[border] = edges
    return inside
