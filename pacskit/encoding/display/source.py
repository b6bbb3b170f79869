"""Where the display pipeline gets its stored values from, and what is no gray image as RGB."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.encoding.attributes import integer, missing, required, text
from pacskit.encoding.pixels.color import convert_color
from pacskit.encoding.pixels.palette import apply_palette
from pacskit.encoding.pixels.reader import PixelReader

__all__ = ["GRAY", "frame_of", "to_rgb"]

GRAY = frozenset({"MONOCHROME1", "MONOCHROME2"})


def frame_of(ds: Dataset, frame: int, pixels: NDArray[Any] | None) -> tuple[NDArray[Any], str]:
    """The stored values of one frame and their photometric interpretation; the others are not decoded."""
    if pixels is None:
        reader = PixelReader(ds)
        return reader.frame(frame), reader.photometric
    photometric = text(ds, "PhotometricInterpretation")
    if photometric is None:
        raise missing("PhotometricInterpretation")
    rows, columns = required(ds, "Rows"), required(ds, "Columns")
    if pixels.shape[:2] != (rows, columns) or pixels.ndim != (2 if photometric in {*GRAY, "PALETTE COLOR"} else 3):
        raise ValueError(f"an array of {pixels.shape} is no frame of {rows} rows and {columns} columns")
    return pixels, photometric


def to_rgb(ds: Dataset, pixels: NDArray[Any], photometric: str) -> NDArray[np.uint8]:
    """Colours of 8 bits: a palette is looked up, other spaces are converted, deeper samples are scaled."""
    if photometric == "PALETTE COLOR":
        colors = apply_palette(pixels, ds)[..., :3]
        return colors if colors.dtype == np.uint8 else (colors >> 8).astype(np.uint8)
    bits = integer(ds, "BitsStored") or required(ds, "BitsAllocated")
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise DecodeError(f"{photometric} needs three samples a pixel", tag=0x00280002)
    colors = pixels if photometric == "RGB" else convert_color(pixels, photometric, "RGB", bits=bits)
    if colors.dtype == np.uint8 and bits == 8:
        return colors
    scaled: NDArray[np.uint8] = np.rint(colors * (255.0 / ((1 << bits) - 1))).clip(0, 255).astype(np.uint8)
    return scaled
