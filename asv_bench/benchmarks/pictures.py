"""Pixels to measure codecs with, made from seeds: no picture of anybody."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from pacskit.encoding.codecs import PixelFormat

__all__ = ["CODED", "FORMATS", "picture"]

FORMATS: Final = {
    "CT": PixelFormat(512, 512, 1, 16, 12),
    "RGB": PixelFormat(480, 640, 3, 8, 8, photometric="RGB"),
    "MG": PixelFormat(2560, 2048, 1, 16, 12),
}
_UID = "1.2.840.10008.1.2"
CODED: Final = {
    "rle": _UID + ".5",
    "jpeg": _UID + ".4.50",
    "jpeg12": _UID + ".4.51",
    "jpegll": _UID + ".4.70",
    "jpegls": _UID + ".4.80",
    "j2k": _UID + ".4.90",
    "htj2k": _UID + ".4.201",
    "jpegxl": _UID + ".4.110",
    "deflated": _UID + ".8.1",
}


def picture(name: str) -> Any:
    """A body in air: a disc of structures with noise, around it a constant (CT, RGB) or a slope (MG)."""
    format = FORMATS[name]
    random = np.random.default_rng(11)
    top = (1 << format.bits_stored) - 1
    y, x = np.mgrid[-1 : 1 : format.rows * 1j, -1 : 1 : format.columns * 1j]
    body = np.hypot(x, y) < 0.8
    planes = []
    for n in range(format.samples):
        structure = 0.4 + 0.2 * np.sin(7 * x + n) * np.cos(5 * y) + 0.1 * (np.hypot(x - 0.2, y) < 0.2)
        noise = random.normal(0, 0.01, structure.shape)
        outside = 0.02 if name != "MG" else 0.1 + 0.05 * x
        planes.append(np.where(body, structure + noise, outside) * top)
    return np.ascontiguousarray(np.clip(np.stack(planes, -1), 0, top).reshape(format.shape).astype(format.dtype))
