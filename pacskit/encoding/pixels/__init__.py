"""Pixel data as arrays: frames, colours, palettes and overlays (PS3.3 C.7.6.3, PS3.5 8)."""

from pacskit.encoding.codecs.base import DecodeLimits, PixelFormat
from pacskit.encoding.pixels.color import convert_color, icc_profile
from pacskit.encoding.pixels.layout import FloatPixelFormat, pixel_diagnostics, pixel_format
from pacskit.encoding.pixels.matrix import Tile, TotalPixelMatrix
from pacskit.encoding.pixels.overlays import Overlay, overlay_array, overlay_groups, overlay_of
from pacskit.encoding.pixels.palette import Palette, apply_palette, palette_of
from pacskit.encoding.pixels.reader import PixelReader, decode_into, frames, pixel_array

__all__ = [
    "DecodeLimits",
    "FloatPixelFormat",
    "Overlay",
    "Palette",
    "PixelFormat",
    "PixelReader",
    "Tile",
    "TotalPixelMatrix",
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
    "pixel_diagnostics",
    "pixel_format",
]
