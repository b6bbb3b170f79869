"""Everything about pixels under one name: ``pacskit.pixels``.

``Dataset.pixel_array``, ``frames``, ``decode_into`` and ``pixel_format`` are what most programs need; here are the
functions behind them, and what to do with the arrays.
"""

from __future__ import annotations

# Stored values, colours and overlays.
from pacskit.encoding.pixels import (
    DecodeLimits,
    FloatPixelFormat,
    Overlay,
    Palette,
    PixelFormat,
    PixelReader,
    apply_palette,
    convert_color,
    decode_into,
    frames,
    icc_profile,
    overlay_array,
    overlay_groups,
    overlay_of,
    palette_of,
    pixel_array,
    pixel_format,
)

__all__ = [
    "DecodeLimits",
    "FloatPixelFormat",
    "Overlay",
    "Palette",
    "PixelFormat",
    "PixelReader",
    "apply_palette",
    "convert_color",
    "decode_into",
    "frames",
    "icc_profile",
    "overlay_array",
    "overlay_groups",
    "overlay_of",
    "palette_of",
    "pixel_array",
    "pixel_format",
]
