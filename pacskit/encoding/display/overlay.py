"""Overlay planes drawn over an image (PS3.3 C.9.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.encoding.pixels.overlays import Overlay, overlay_array, overlay_groups, overlay_of

__all__ = ["draw_overlays", "paint", "plane_for"]


def plane_for(ds: Dataset, group: int, frame: int) -> tuple[Overlay, NDArray[np.uint8]] | None:
    """The plane of an overlay that belongs to a frame; None where the overlay has none for it.

    One without Number of Frames in Overlay and Image Frame Origin belongs to every frame.
    """
    overlay = overlay_of(ds, group)
    stated = (group << 16 | 0x0015) in ds or (group << 16 | 0x0051) in ds
    number = frame - overlay.first_frame if stated or overlay.bit is not None else 0
    if not 0 <= number < overlay.number_of_frames:
        return None
    return overlay, overlay_array(ds, group, number)


def paint(out: NDArray[Any], mask: NDArray[Any], origin: tuple[int, int], value: Any) -> None:
    """Set pixels under a mask whose first pixel lies at ``origin``, (1, 1) being the image's first."""
    top, left = origin[0] - 1, origin[1] - 1
    rows = slice(max(top, 0), min(top + mask.shape[0], out.shape[0]))
    columns = slice(max(left, 0), min(left + mask.shape[1], out.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    out[rows, columns][part != 0] = value


def draw_overlays(out: NDArray[Any], ds: Dataset, frame: int) -> None:
    """Draw the graphics overlays of a frame in white; regions of interest are no graphics and are left out."""
    for group in overlay_groups(ds):
        if ds[group << 16 | 0x0010].value is None:
            continue  # announced and left empty
        found = plane_for(ds, group, frame)
        if found is not None and found[0].kind != "R":
            paint(out, found[1], found[0].origin, np.iinfo(out.dtype).max)
