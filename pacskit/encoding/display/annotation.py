"""Graphics and text of a presentation state, drawn with Pillow (PS3.3 C.10.5, C.10.7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import tag_for
from pacskit.core.errors import DecodeError
from pacskit.encoding.attributes import integer, items, missing, numbers, text
from pacskit.encoding.display.cielab import color_of, gray_of

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

__all__ = ["Canvas", "Layer", "draw_annotation", "layers_of", "outline"]

Point = tuple[float, float]
Ink = int | tuple[int, int, int]

_MOST_POINTS: Final = 100_000
_FAR: Final = 1e6  # points further from the picture than that are no drawing


@dataclass(frozen=True, slots=True)
class Layer:
    """A graphic layer: ``order`` says what is drawn over what, ``gray`` or ``color`` how."""

    name: str
    order: int
    gray: int = 255
    color: tuple[int, int, int] | None = None

    def ink(self, colored: bool) -> Ink:
        """What to draw with, in a gray picture or one of colours."""
        if not colored:
            return self.gray
        return self.color or (self.gray, self.gray, self.gray)


@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture being drawn on, and where points of the image (PIXEL) and of the display (DISPLAY) are in it."""

    draw: ImageDraw
    size: tuple[int, int]
    colored: bool
    from_pixels: Callable[[float, float], Point]

    def place(self, point: Point, units: str) -> Point:
        """A point in pixels of the picture."""
        if units == "DISPLAY":
            x, y = point[0] * self.size[0], point[1] * self.size[1]
        elif units == "PIXEL":
            x, y = self.from_pixels(*point)
        else:
            raise DecodeError(f"{units!r} are no annotation units", tag=tag_for("GraphicAnnotationUnits"))
        if max(abs(x), abs(y)) > _FAR:
            raise DecodeError("an annotation far outside the picture", tag=tag_for("GraphicData"))
        return x, y


def layers_of(ds: Dataset) -> dict[str, Layer]:
    """The graphic layers by name."""
    found = {}
    for item in items(ds, "GraphicLayerSequence"):
        name = text(item, "GraphicLayer")
        if name is None:
            raise missing("GraphicLayer")
        gray = gray_of(item, "GraphicLayerRecommendedDisplayGrayscaleValue", 255)
        color = color_of(item, "GraphicLayerRecommendedDisplayCIELabValue")
        found[name] = Layer(name, integer(item, "GraphicLayerOrder") or 0, gray, color)
    return found


def outline(kind: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The points to draw a line through for a graphic of a type (PS3.3 C.10.5.1.2)."""
    need = {"POINT": 1, "POLYLINE": 2, "INTERPOLATED": 2, "CIRCLE": 2, "ELLIPSE": 4}.get(kind)
    if need is None:
        raise DecodeError(f"{kind!r} is no Graphic Type", tag=tag_for("GraphicType"))
    if len(points) < need:
        raise DecodeError(f"{len(points)} points are no {kind}", tag=tag_for("GraphicData"))
    angle = np.linspace(0, 2 * np.pi, 181)[:, None]
    if kind == "CIRCLE":
        radius = np.linalg.norm(points[1] - points[0])
        return np.asarray(points[0] + radius * np.hstack([np.cos(angle), np.sin(angle)]))
    if kind == "ELLIPSE":
        center = points[:4].mean(axis=0)
        major, minor = (points[1] - points[0]) / 2, (points[3] - points[2]) / 2
        return np.asarray(center + np.cos(angle) * major + np.sin(angle) * minor)
    return _spline(points) if kind == "INTERPOLATED" else points


def _spline(points: NDArray[np.float64], steps: int = 16) -> NDArray[np.float64]:
    """A smooth curve through all points, closed where the last is the first."""
    closed = len(points) > 2 and np.array_equal(points[0], points[-1])
    before = points[-2] if closed else 2 * points[0] - points[1]
    after = points[1] if closed else 2 * points[-1] - points[-2]
    p = np.vstack([before, points, after])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = [
        p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
        for p0, p1, p2, p3 in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True)
    ]
    return np.vstack([*parts, points[-1:]])


def draw_annotation(canvas: Canvas, item: Dataset, layer: Layer) -> None:
    """Draw the graphics, then the texts, of an item of the Graphic Annotation Sequence."""
    ink = layer.ink(canvas.colored)
    for graphic in items(item, "GraphicObjectSequence"):
        _draw_graphic(canvas, graphic, ink)
    for label in items(item, "TextObjectSequence"):
        _draw_text(canvas, label, ink)


def _draw_graphic(canvas: Canvas, graphic: Dataset, ink: Ink) -> None:
    data = numbers(graphic, "GraphicData")
    if data is None:
        raise missing("GraphicData")
    if len(data) % 2 or len(data) > 2 * _MOST_POINTS:
        raise DecodeError(f"Graphic Data of {len(data)} coordinates", tag=tag_for("GraphicData"))
    kind = (text(graphic, "GraphicType") or "").upper()
    units = (text(graphic, "GraphicAnnotationUnits") or "PIXEL").upper()
    places = [canvas.place((x, y), units) for x, y in outline(kind, np.array(data).reshape(-1, 2)).tolist()]
    if kind == "POINT":
        canvas.draw.point(places, fill=ink)
        return
    if (text(graphic, "GraphicFilled") or "N").upper() == "Y" and len(places) > 2:
        canvas.draw.polygon(places, fill=ink, outline=ink)
    canvas.draw.line(places, fill=ink, width=1, joint="curve")


def _draw_text(canvas: Canvas, label: Dataset, ink: Ink) -> None:
    from PIL import ImageFont

    said: Any = label.get("UnformattedTextValue")
    if said is None:
        raise missing("UnformattedTextValue")
    value = str(said).replace("\r\n", "\n").replace("\r", "\n")
    anchor, box = _anchor(canvas, label), _box(canvas, label)
    if box is None and anchor is None:
        raise missing("AnchorPoint", "is absent, and so is a bounding box")
    font: Any = ImageFont.load_default(max(10.0, min(canvas.size) / 40))
    left, top, right, bottom = canvas.draw.multiline_textbbox((0, 0), value, font=font)
    if box is not None:
        room = box[2] - box[0] - (right - left)
        where = (text(label, "BoundingBoxTextHorizontalJustification") or "LEFT").upper()
        place = (box[0] + room * {"CENTER": 0.5, "RIGHT": 1.0}.get(where, 0.0), box[1])
    else:
        x, y = anchor or (0.0, 0.0)
        place = (x + 4, y - (bottom - top) / 2)
    if anchor is not None and (text(label, "AnchorPointVisibility") or "N").upper() == "Y":
        edge = (place[0], place[1] + (bottom - top) / 2)
        if place[0] < anchor[0]:
            edge = (edge[0] + right - left, edge[1])
        canvas.draw.line([anchor, edge], fill=ink)
    canvas.draw.multiline_text((place[0] - left, place[1] - top), value, fill=ink, font=font)


def _anchor(canvas: Canvas, label: Dataset) -> Point | None:
    found = numbers(label, "AnchorPoint", 2)
    units = (text(label, "AnchorPointAnnotationUnits") or "PIXEL").upper()
    return None if found is None else canvas.place((found[0], found[1]), units)


def _box(canvas: Canvas, label: Dataset) -> tuple[float, float, float, float] | None:
    """The bounding box, its corners sorted: a turned image has them round the other way."""
    first = numbers(label, "BoundingBoxTopLeftHandCorner", 2)
    second = numbers(label, "BoundingBoxBottomRightHandCorner", 2)
    if first is None or second is None:
        return None
    units = (text(label, "BoundingBoxAnnotationUnits") or "PIXEL").upper()
    (x0, y0), (x1, y1) = (canvas.place((each[0], each[1]), units) for each in (first, second))
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
