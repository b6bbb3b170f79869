"""Colours that attributes give as CIELab values (PS3.3 C.10.7.1.1)."""

from __future__ import annotations

from typing import Final

import numpy as np

from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import tag_for
from pacskit.core.errors import DecodeError
from pacskit.encoding.attributes import integer, numbers

__all__ = ["color_of", "gray_of", "lab_to_rgb"]

_WHITE: Final = (0.9642, 1.0, 0.8249)  # D50, the illuminant of the profile connection space
# XYZ under D50 to linear sRGB: the published matrix, adapted by Bradford's method.
_TO_SRGB: Final = (
    (3.1338561, -1.6168667, -0.4906146),
    (-0.9787684, 1.9161415, 0.0334540),
    (0.0719453, -0.2289914, 1.4052427),
)


def lab_to_rgb(encoded: tuple[float, float, float]) -> tuple[int, int, int]:
    """CIELab in 16 bits each, L* of 0 to 100 and a* and b* of -128 to 127, as sRGB; what it lacks is cut off."""
    lightness = encoded[0] / 65535 * 100
    a, b = (value / 65535 * 255 - 128 for value in encoded[1:])
    y = (lightness + 16) / 116
    ratios = (y + a / 500, y, y - b / 200)
    xyz = [
        white * (t**3 if t > 6 / 29 else 3 * (6 / 29) ** 2 * (t - 4 / 29))
        for t, white in zip(ratios, _WHITE, strict=True)
    ]
    linear = np.clip(np.array(_TO_SRGB) @ np.array(xyz), 0.0, 1.0)
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.rint(shown * 255).astype(int).tolist()
    return red, green, blue


def color_of(ds: Dataset, keyword: str) -> tuple[int, int, int] | None:
    """A CIELab attribute as sRGB; None where it is absent."""
    found = numbers(ds, keyword, 3)
    if found is None:
        return None
    if min(found) < 0 or max(found) > 65535:
        raise DecodeError(f"{keyword} is no CIELab value of 16 bits", tag=tag_for(keyword))
    return lab_to_rgb((found[0], found[1], found[2]))


def gray_of(ds: Dataset, keyword: str, default: int) -> int:
    """A P-value of 16 bits as one of 8."""
    found = integer(ds, keyword)
    if found is None:
        return default
    if not 0 <= found <= 65535:
        raise DecodeError(f"{keyword} is no P-value of 16 bits", tag=tag_for(keyword))
    return (found * 255 + 32767) // 65535
