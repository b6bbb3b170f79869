"""What part of an image is displayed, how large and how turned (PS3.3 C.10.4, C.10.6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import tag_for
from pacskit.core.errors import DecodeError, LimitError
from pacskit.encoding.attributes import integer, missing, number, numbers, text

__all__ = ["DisplayedArea", "Turn", "area_of", "turn_of"]


@dataclass(frozen=True, slots=True)
class DisplayedArea:
    """A rectangle of pixels, by its outermost columns and rows from 1, and its size on the screen.

    ``mode`` is SCALE TO FIT, TRUE SIZE or MAGNIFY; ``spacing`` millimetres between rows and columns on a screen of
    true size; ``aspect`` the height of a pixel to its width; ``magnification`` screen pixels to an image pixel.
    """

    left: int
    top: int
    right: int
    bottom: int
    mode: str = "SCALE TO FIT"
    spacing: tuple[float, float] | None = None
    aspect: float = 1.0
    magnification: float | None = None

    @property
    def width(self) -> int:
        """Columns of the image."""
        return self.right - self.left + 1

    @property
    def height(self) -> int:
        """Rows of the image."""
        return self.bottom - self.top + 1

    def scale(self, size: tuple[int, int] | None, pitch: float | None) -> tuple[float, float]:
        """Screen pixels to a column and to a row, on a screen of a width, height and millimetres between pixels.

        Without those an image pixel is a screen pixel, the longer side of one that is not square stretched.
        """
        shape = (1.0, self.aspect) if self.aspect >= 1 else (1.0 / self.aspect, 1.0)
        if self.mode == "MAGNIFY" and self.magnification is not None:
            return self.magnification, self.magnification * self.aspect
        if self.mode == "TRUE SIZE" and pitch is not None and self.spacing is not None:
            return self.spacing[1] / pitch, self.spacing[0] / pitch
        if self.mode == "TRUE SIZE" or size is None:
            return shape
        factor = min(size[0] / (self.width * shape[0]), size[1] / (self.height * shape[1]))
        return shape[0] * factor, shape[1] * factor


def _ratio(ds: Dataset) -> float:
    """Height to width of a pixel."""
    spacing = _pair(ds, "PresentationPixelSpacing")
    if spacing is not None:
        return spacing[0] / spacing[1]
    ratio = _pair(ds, "PresentationPixelAspectRatio")
    return 1.0 if ratio is None else ratio[0] / ratio[1]


def _pair(ds: Dataset, keyword: str) -> tuple[float, float] | None:
    found = numbers(ds, keyword, 2)
    if found is None:
        return None
    if min(found) <= 0 or max(found) / min(found) > 1e4:
        raise DecodeError(f"{keyword} is {found[0]:g} by {found[1]:g}", tag=tag_for(keyword))
    return found[0], found[1]


def area_of(ds: Dataset) -> DisplayedArea:
    """The area that an item of the Displayed Area Selection Sequence describes."""
    ends = []
    for keyword in ("DisplayedAreaTopLeftHandCorner", "DisplayedAreaBottomRightHandCorner"):
        found = numbers(ds, keyword, 2)
        if found is None:
            raise missing(keyword)
        ends.append((int(found[0]), int(found[1])))
    mode = (text(ds, "PresentationSizeMode") or "SCALE TO FIT").upper()
    if mode not in ("SCALE TO FIT", "TRUE SIZE", "MAGNIFY"):
        raise DecodeError(f"{mode!r} is no Presentation Size Mode", tag=tag_for("PresentationSizeMode"))
    magnification = number(ds, "PresentationPixelMagnificationRatio")
    if mode == "MAGNIFY" and (magnification is None or not 1e-4 <= magnification <= 1e4):
        raise DecodeError("MAGNIFY with no ratio that can be", tag=tag_for("PresentationPixelMagnificationRatio"))
    # The corners are those after the image is turned, so that either may have the lower column or row.
    (x0, y0), (x1, y1) = ends
    return DisplayedArea(
        min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1), mode, _pair(ds, "PresentationPixelSpacing"), _ratio(ds),
        magnification,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Turn:
    """A rotation by ``quarters`` of a turn clockwise, then a flip from left to right."""

    quarters: int = 0
    flip: bool = False

    def apply(self, picture: NDArray[Any]) -> NDArray[Any]:
        """The picture turned."""
        turned = np.rot90(picture, -self.quarters)
        return np.ascontiguousarray(turned[:, ::-1] if self.flip else turned)

    def point(self, x: float, y: float, width: float, height: float) -> tuple[float, float]:
        """Where a point of a picture of that width and height comes to."""
        for _ in range(self.quarters):
            x, y = height - y, x
            width, height = height, width
        return (width - x if self.flip else x), y


def turn_of(ds: Dataset) -> Turn:
    """The spatial transformation of a presentation state; none where it has none."""
    rotation = integer(ds, "ImageRotation") or 0
    if rotation not in (0, 90, 180, 270):
        raise DecodeError(f"Image Rotation is {rotation}", tag=tag_for("ImageRotation"))
    flip = (text(ds, "ImageHorizontalFlip") or "N").upper()
    if flip not in ("Y", "N"):
        raise DecodeError(f"Image Horizontal Flip is {flip!r}", tag=tag_for("ImageHorizontalFlip"))
    return Turn(rotation // 90, flip == "Y")


def cut(picture: NDArray[Any], area: DisplayedArea, fill: Any, max_pixels: int) -> NDArray[Any]:
    """The area of a picture, with ``fill`` where it reaches beyond it."""
    check_size(area.width, area.height, max_pixels)
    rows, columns = picture.shape[:2]
    out = np.empty((area.height, area.width, *picture.shape[2:]), picture.dtype)
    out[...] = fill
    top, bottom = max(area.top, 1), min(area.bottom, rows)
    left, right = max(area.left, 1), min(area.right, columns)
    if top <= bottom and left <= right:
        to = out[top - area.top : bottom - area.top + 1, left - area.left : right - area.left + 1]
        to[...] = picture[top - 1 : bottom, left - 1 : right]
    return out


def check_size(width: float, height: float, max_pixels: int) -> None:
    """Raise LimitError for a picture of more pixels than that."""
    if not math.isfinite(width * height) or width * height > max_pixels:
        raise LimitError(
            f"a picture of {width:g} by {height:g} pixels; the limit is {max_pixels}",
            tag=tag_for("DisplayedAreaSelectionSequence"),
        )
