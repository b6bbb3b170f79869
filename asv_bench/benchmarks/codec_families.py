"""Frames of JPEG-LS, JPEG 2000, HTJ2K, JPEG XL and deflate: to and from code streams, on one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pacskit.encoding.codecs import EncodeOptions, PixelFormat, decode_frame, encode_frame

from .common import PROFILE, Benchmark

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["COLOUR", "SLICE", "SYNTAXES", "picture"]

_UID = "1.2.840.10008.1.2"
SYNTAXES = {
    "JPEG-LS": f"{_UID}.4.80",
    "JPEG 2000": f"{_UID}.4.90",
    "HTJ2K": f"{_UID}.4.201",
    "JPEG XL": f"{_UID}.4.110",
    "deflate": f"{_UID}.8.1",
}
SLICE = PixelFormat(512, 512, bits_stored=12)
COLOUR = PixelFormat(512, 512, 3, 8, 8, photometric="RGB")


def picture(format: PixelFormat) -> NDArray[Any]:
    """Smooth waves with noise of a hundredth of the range: compresses as a slice of a body does."""
    import numpy as np

    random = np.random.default_rng(0)
    top = (1 << format.bits_stored) - 1
    y, x = np.mgrid[: format.rows, : format.columns]
    gray = (np.sin(x / 31) + np.cos(y / 23) + 2) / 4 * top + random.normal(0, top / 100, y.shape)
    gray = np.clip(np.rint(gray), 0, top)
    planes = gray if format.samples == 1 else np.stack([gray, top - gray, gray // 2], axis=-1)
    return np.ascontiguousarray(planes.astype(format.dtype))


class CodeStreams(Benchmark):
    """One frame after another, into the same array."""

    params: ClassVar[list[list[str]]] = [list(SYNTAXES), ["slice", "colour"]]
    param_names: ClassVar[list[str]] = ["family", "image"]

    def setup(self, family: str, image: str) -> None:
        import numpy as np

        self.format = SLICE if image == "slice" else COLOUR
        self.syntax = SYNTAXES[family]
        self.array = picture(self.format)
        self.frame = encode_frame(self.array, self.syntax, self.format)
        self.out = np.empty_like(self.array)

    def time_decode(self, family: str, image: str) -> None:
        decode_frame(self.frame, self.syntax, self.format, out=self.out)

    def time_encode(self, family: str, image: str) -> None:
        encode_frame(self.array, self.syntax, self.format)


class DeflateEffort(Benchmark):
    """Deflate at its fastest, which is isal's where that is installed."""

    def setup(self) -> None:
        self.array = picture(SLICE)

    def time_fastest(self) -> None:
        encode_frame(self.array, SYNTAXES["deflate"], SLICE, EncodeOptions(effort=1))


class Video(Benchmark):
    """H.264 of 640 by 480; needs PyAV."""

    def setup(self) -> None:
        from pacskit.encoding.codecs.video import encode_video

        if not _has_pyav():
            raise NotImplementedError
        self.format = PixelFormat(480, 640, 3, 8, 8, photometric="YBR_PARTIAL_420")
        self.frames = [picture(self.format)] * PROFILE.scaled(20)
        self.stream = encode_video(self.frames, f"{_UID}.4.102", 25)

    def time_decode(self) -> None:
        from pacskit.encoding.codecs.video import decode_video

        for _ in decode_video(self.stream, self.format):
            pass


def _has_pyav() -> bool:
    from importlib.util import find_spec

    return find_spec("av") is not None
