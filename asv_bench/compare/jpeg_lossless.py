"""JPEG Lossless SV1 beside the libraries that others use for it, in MB of raw pixels a second of CPU time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from asv_bench.benchmarks.jpeg_lossless import SV1, picture
from asv_bench.compare.parse import _cpu, _module
from asv_bench.compare.rows import Build, Row, Scale, Subject
from pacskit.encoding.codecs import CodecRegistry, decode_frame, encode_frame
from pacskit.encoding.codecs.jpeg_lossless import JpegLosslessCodec

__all__ = ["ROWS"]


def _registry() -> CodecRegistry:
    registry = CodecRegistry()
    registry.register(JpegLosslessCodec())
    return registry


def _megabytes(work: Callable[[], object], size: int, scale: Scale) -> float:
    """At least so many bytes in a round."""
    count = max(1, scale(2 << 20, 60 << 20) // size)

    def repeated() -> int:
        for _ in range(count):
            work()
        return count * size

    return _cpu(repeated) / 1e6


def _decode(name: str) -> Build:
    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        pixels, format = picture(name, scale(1, 10) / 10)
        registry = _registry()
        frame = encode_frame(pixels, SV1, format, registry=registry)
        out = pixels.copy()

        def ours() -> float:
            return _megabytes(lambda: decode_frame(frame, SV1, format, out=out, registry=registry), out.nbytes, scale)

        def turbo() -> float:
            library = _module("imagecodecs")
            return _megabytes(lambda: library.jpeg8_decode(frame, out=out), out.nbytes, scale)

        def richter() -> float:
            library = _module("libjpeg")
            return _megabytes(lambda: library.decode(frame), out.nbytes, scale)

        return [Subject("pacskit", ours), Subject("imagecodecs", turbo), Subject("pylibjpeg-libjpeg", richter)]

    return build


def _encode(name: str) -> Build:
    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        pixels, format = picture(name, scale(1, 10) / 10)
        registry = _registry()

        def ours() -> float:
            return _megabytes(lambda: encode_frame(pixels, SV1, format, registry=registry), pixels.nbytes, scale)

        def turbo() -> float:
            library = _module("imagecodecs")
            options = {"lossless": True, "predictor": 1, "bitspersample": format.bits_stored}
            return _megabytes(lambda: library.jpeg8_encode(pixels, **options), pixels.nbytes, scale)

        return [Subject("pacskit", ours), Subject("imagecodecs", turbo)]

    return build


_NAMES = {"ct": "CT 512x512", "mg": "mammogram 2560x2048", "rgb": "RGB 1024x1024"}

ROWS = [
    *(
        Row(f"jpeg-lossless-decode-{name}", f"JPEG Lossless SV1 decode, {title}", "MB/s", _decode(name),
            at_least=3, against="pylibjpeg-libjpeg")
        for name, title in _NAMES.items()
    ),
    *(
        Row(f"jpeg-lossless-encode-{name}", f"JPEG Lossless SV1 encode, {title}", "MB/s", _encode(name),
            at_least=3, against="imagecodecs")
        for name, title in _NAMES.items()
    ),
]  # fmt: skip
