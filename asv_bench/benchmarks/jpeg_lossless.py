"""JPEG Lossless: a CT slice, a mammogram and a colour frame, made from seeds with the noise that real ones have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pacskit.encoding.codecs import PixelFormat, decode_frame, encode_frame

from .common import PROFILE, Benchmark

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["IMAGES", "SV1", "DecodeJpegLossless", "EncodeJpegLossless", "picture"]

SV1 = "1.2.840.10008.1.2.4.70"
IMAGES = ("ct", "mg", "rgb")


def picture(name: str, part: float = 1.0) -> tuple[NDArray[Any], PixelFormat]:
    """A frame and its format; a ``part`` of its rows."""
    import numpy as np

    rows, columns, samples, bits = {"ct": (512, 512, 1, 16), "mg": (2560, 2048, 1, 12), "rgb": (1024, 1024, 3, 8)}[name]
    rows = max(8, round(rows * part))
    random = np.random.default_rng(1)
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    body = np.clip(1.5 - 2 * np.hypot(x, y), 0, 1)
    texture = 0.04 * np.sin(25 * x + 9 * y) * np.cos(14 * y)
    if name == "ct":
        values = 24 + 1050 * (body > 0) + 300 * texture + random.normal(0, 1, x.shape) * np.where(body > 0, 9, 3)
    elif name == "mg":
        values = 3300 * body + 400 * texture
        values += random.normal(0, 1, x.shape) * np.sqrt(np.abs(values) + 1) * 0.25
    else:
        values = 190 * body[..., None] * (1, 0.9, 0.8) + 300 * texture[..., None] * (1, 1, 0.5)
        values = values + random.normal(0, 1, values.shape)
    allocated = 8 if bits == 8 else 16
    format = PixelFormat(rows, columns, samples, allocated, bits, photometric="RGB" if samples == 3 else "MONOCHROME2")
    return np.ascontiguousarray(np.clip(values, 0, (1 << bits) - 1).astype(format.dtype)), format


class DecodeJpegLossless(Benchmark):
    """Selection value 1."""

    params: ClassVar[tuple[str, ...]] = IMAGES
    param_names: ClassVar[list[str]] = ["image"]

    def setup(self, image: str) -> None:
        pixels, self.format = picture(image, min(1.0, PROFILE.scale))
        self.frame = encode_frame(pixels, SV1, self.format)
        self.out = pixels.copy()

    def time_decode(self, image: str) -> None:
        decode_frame(self.frame, SV1, self.format, out=self.out)


class EncodeJpegLossless(Benchmark):
    """Selection value 1, the best Huffman codes."""

    params: ClassVar[tuple[str, ...]] = IMAGES
    param_names: ClassVar[list[str]] = ["image"]

    def setup(self, image: str) -> None:
        self.pixels, self.format = picture(image, min(1.0, PROFILE.scale))

    def time_encode(self, image: str) -> None:
        encode_frame(self.pixels, SV1, self.format)

    def track_size(self, image: str) -> float:
        """Part of the raw frame that is left."""
        return len(encode_frame(self.pixels, SV1, self.format)) / self.pixels.nbytes
