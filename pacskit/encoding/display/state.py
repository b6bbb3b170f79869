"""Softcopy presentation states and how an image looks by one (PS3.3 A.33, PS3.4 N.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.encoding.attributes import integer, items, missing, numbers, text
from pacskit.encoding.display.annotation import Canvas, Layer, draw_annotation, layers_of
from pacskit.encoding.display.area import DisplayedArea, Turn, area_of, check_size, cut, turn_of
from pacskit.encoding.display.icc import colors_by_profile
from pacskit.encoding.display.lut import LookupTable
from pacskit.encoding.display.modality import is_signed, modality_range, modality_transform
from pacskit.encoding.display.overlay import paint, plane_for
from pacskit.encoding.display.pipeline import GrayPipeline
from pacskit.encoding.display.presentation import presentation_transform
from pacskit.encoding.display.shutter import cover, shutter_shapes
from pacskit.encoding.display.source import GRAY, frame_of, to_rgb
from pacskit.encoding.display.voi import Window, voi_tables, windows
from pacskit.encoding.functional_groups import number_of_frames
from pacskit.encoding.pixels.overlays import overlay_groups

__all__ = ["PresentationState"]

_GRAYSCALE: Final = "1.2.840.10008.5.1.4.1.1.11.1"
_COLOR: Final = "1.2.840.10008.5.1.4.1.1.11.2"
_OVERLAYS: Final = range(0x6000, 0x6020, 2)
_LAYER: Final = 0x1001  # Overlay Activation Layer
_LIMIT: Final = 1 << 26


class PresentationState:
    """A Grayscale or Color Softcopy Presentation State, which says how the images that it refers to look.

    ``render`` applies modality, VOI and presentation transformations, shutters, the displayed area, rotation and flip,
    and draws overlays, graphics and texts by the order of their layers. Compound graphics are not drawn.

    Raises DecodeError for other kinds of presentation states.
    """

    __slots__ = ("_images", "dataset", "layers", "turn")

    def __init__(self, dataset: Dataset) -> None:
        kind = text(dataset, "SOPClassUID")
        if kind not in (_GRAYSCALE, _COLOR):
            raise DecodeError("neither a grayscale nor a color softcopy presentation state", tag=0x00080016)
        self.dataset = dataset
        self.layers: dict[str, Layer] = layers_of(dataset)
        self.turn: Turn = turn_of(dataset)
        series = items(dataset, "ReferencedSeriesSequence")
        self._images = tuple(image for one in series for image in items(one, "ReferencedImageSequence"))

    @property
    def label(self) -> str | None:
        """The Content Label."""
        return text(self.dataset, "ContentLabel")

    @property
    def referenced(self) -> tuple[str, ...]:
        """The SOP Instance UIDs of the images that it is for."""
        uids = (text(image, "ReferencedSOPInstanceUID") for image in self._images)
        return tuple(uid for uid in uids if uid is not None)

    def applies_to(self, ds: Dataset, frame: int = 0) -> bool:
        """Whether it is for a frame of an image."""
        return _refers(self._images, ds, frame)

    def pipeline(self, ds: Dataset, frame: int = 0) -> GrayPipeline:
        """The gray-scale transformations that it prescribes; what the image says of its display does not count.

        A stage that the presentation state has nothing of is an identity (PS3.4 N.2.1), and MONOCHROME1 counts no more
        (N.2.1.4).
        """
        modality = modality_transform(self.dataset, signed=is_signed(ds))
        domain = modality_range(ds, modality)
        presentation = presentation_transform(self.dataset)
        table = presentation if isinstance(presentation, LookupTable) else None
        return GrayPipeline(modality, self._voi(ds, frame, domain[0] < 0), domain, table, presentation == "INVERSE")

    def _voi(self, ds: Dataset, frame: int, signed: bool) -> Window | LookupTable | None:
        for item in items(self.dataset, "SoftcopyVOILUTSequence"):
            if _applies(item, ds, frame):
                found: tuple[Window | LookupTable, ...] = voi_tables(item, signed=signed) or windows(item)
                return found[0] if found else None
        return None

    def area(self, ds: Dataset, frame: int = 0) -> DisplayedArea:
        """The displayed area of a frame; the whole of it where nothing is said."""
        for item in items(self.dataset, "DisplayedAreaSelectionSequence"):
            if _applies(item, ds, frame):
                return area_of(item)
        rows, columns = integer(ds, "Rows") or 1, integer(ds, "Columns") or 1
        return DisplayedArea(1, 1, columns, rows)

    def render(
        self,
        ds: Dataset,
        frame: int = 0,
        *,
        pixels: NDArray[Any] | None = None,
        size: tuple[int, int] | None = None,
        pitch: float | None = None,
        annotations: bool = True,
        icc: bool = False,
        max_pixels: int = _LIMIT,
    ) -> NDArray[np.uint8]:
        """Render a frame by the presentation state: gray, or RGB where there are colours.

        Parameters
        ----------
        size
            Width and height of the screen, which a displayed area is scaled to fit; by default a pixel of the image is
            one of the picture.
        pitch
            Millimetres between the screen's pixels, for displayed areas of true size.
        annotations
            Draw overlays, graphics and texts.
        icc
            Give colours of the image as sRGB, by the ICC profile of the presentation state, else of the image.

        Raises ValueError for an image that it is not for, LimitError for pictures beyond ``max_pixels``.
        """
        if not 0 <= frame < number_of_frames(ds):
            raise IndexError(f"there are {number_of_frames(ds)} frames")
        if not self.applies_to(ds, frame):
            raise ValueError("the presentation state does not refer to this frame")
        picture = self._picture(ds, frame, pixels, icc)
        cover(picture, self.dataset)
        if annotations:
            self._overlays(picture, ds, frame)
        area = self.area(ds, frame)
        scale = area.scale(size, pitch)
        width, height = max(1, round(area.width * scale[0])), max(1, round(area.height * scale[1]))
        check_size(width, height, max_pixels)
        shown = _resize(cut(picture, area, 0, max_pixels), width, height)
        shown = self.turn.apply(shown)
        return self._annotate(shown, ds, frame, area, (width, height)) if annotations else shown

    def _picture(self, ds: Dataset, frame: int, pixels: NDArray[Any] | None, icc: bool) -> NDArray[np.uint8]:
        stored, photometric = frame_of(ds, frame, pixels)
        if photometric not in GRAY:
            colors = to_rgb(ds, stored, photometric)
            return (colors_by_profile(colors, self.dataset, ds) if icc else colors).copy()
        gray: NDArray[np.uint8] = self.pipeline(ds, frame).render(stored)
        if not self._has_colors():
            return gray
        return np.repeat(gray[:, :, None], 3, axis=2)

    def _has_colors(self) -> bool:
        lab = numbers(self.dataset, "ShutterPresentationColorCIELabValue")
        return lab is not None or any(layer.color is not None for layer in self.layers.values())

    def _overlays(self, picture: NDArray[np.uint8], ds: Dataset, frame: int) -> None:
        """Draw the overlays that a layer activates, of the presentation state itself or of the image (C.11.7)."""
        shutter = integer(self.dataset, "ShutterOverlayGroup") if "BITMAP" in shutter_shapes(self.dataset) else None
        own = overlay_groups(self.dataset)
        active = []
        for group in _OVERLAYS:
            tag = group << 16 | _LAYER
            name = str(self.dataset[tag].value or "").strip() if tag in self.dataset else ""
            if not name or group == shutter:
                continue
            layer = self.layers.get(name)
            if layer is None:
                raise DecodeError("an overlay of a graphic layer that is not described", tag=tag)
            active.append((layer.order, group, layer))
        for _, group, layer in sorted(active, key=lambda each: each[:2]):
            holder = self.dataset if group in own else ds
            found = plane_for(holder, group, frame) if group in own or group in overlay_groups(ds) else None
            if found is not None:
                paint(picture, found[1], found[0].origin, layer.ink(picture.ndim > 2))

    def _annotate(
        self, picture: NDArray[np.uint8], ds: Dataset, frame: int, area: DisplayedArea, size: tuple[int, int]
    ) -> NDArray[np.uint8]:
        found = []
        for item in items(self.dataset, "GraphicAnnotationSequence"):
            if not _applies(item, ds, frame):
                continue
            name = text(item, "GraphicLayer")
            if name is None:
                raise missing("GraphicLayer")
            if name not in self.layers:
                raise DecodeError("graphics of a graphic layer that is not described", tag=0x00700002)
            found.append((self.layers[name].order, self.layers[name], item))
        if not found:
            return picture
        from PIL import Image, ImageDraw

        image = Image.fromarray(picture)
        width, height = size

        def from_pixels(x: float, y: float) -> tuple[float, float]:
            across = (x - (area.left - 1)) * width / area.width
            down = (y - (area.top - 1)) * height / area.height
            return self.turn.point(across, down, width, height)

        canvas = Canvas(ImageDraw.Draw(image), image.size, picture.ndim > 2, from_pixels)
        for _, layer, item in sorted(found, key=lambda each: each[0]):
            draw_annotation(canvas, item, layer)
        return np.asarray(image)


def _refers(images: Iterable[Dataset], ds: Dataset, frame: int) -> bool:
    """Whether references to images name a frame; one without frame numbers names all."""
    uid = text(ds, "SOPInstanceUID")
    for image in images:
        if uid is None or text(image, "ReferencedSOPInstanceUID") != uid:
            continue
        frames = numbers(image, "ReferencedFrameNumber")
        if frames is None or frame + 1 in frames:
            return True
    return False


def _applies(item: Dataset, ds: Dataset, frame: int) -> bool:
    """Whether an item is for a frame: it names it, or no image at all."""
    images = items(item, "ReferencedImageSequence")
    return not images or _refers(images, ds, frame)


def _resize(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    if picture.shape[:2] == (height, width):
        return picture
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))
