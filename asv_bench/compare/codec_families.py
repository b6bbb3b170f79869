"""Frames decoded here and by the libraries beneath, called bare: what the guard costs (CPU, one thread)."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from asv_bench.benchmarks.codec_families import COLOUR, SLICE, SYNTAXES, picture
from asv_bench.compare.processes import need
from asv_bench.compare.rows import Row, Scale, Subject
from pacskit.encoding.codecs import PixelFormat, decode_frame, encode_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ROWS"]

_SECONDS = 0.6
_QUICK = 0.05

_BARE: dict[str, tuple[str, dict[str, Any]]] = {
    "JPEG-LS": ("jpegls_decode", {}),
    "JPEG 2000": ("jpeg2k_decode", {"numthreads": 1}),
    "HTJ2K": ("htj2k_decode", {}),
    "JPEG XL": ("jpegxl_decode", {"numthreads": 1}),
}


class _Turns:
    """Calls that take turns, so that a busy machine slows both; the figure is MB of pixels a CPU second."""

    def __init__(self, calls: dict[str, Callable[[], object]], nbytes: int, seconds: float) -> None:
        self._calls, self._nbytes, self._seconds = calls, nbytes, seconds
        self._figures: dict[str, float] = {}

    def subject(self, name: str) -> Subject:
        return Subject(name, lambda: self._figure(name))

    def _figure(self, name: str) -> float:
        if name not in self._figures:
            self._measure()
        return self._figures.pop(name)

    def _measure(self) -> None:
        spent = dict.fromkeys(self._calls, 0.0)
        count = 0
        while min(spent.values()) < self._seconds:
            for name, call in self._calls.items():
                began = time.thread_time()
                call()
                spent[name] += time.thread_time() - began
            count += 1
        self._figures = {name: count * self._nbytes / 1e6 / taken for name, taken in spent.items()}


def _decoding(family: str, format: PixelFormat) -> Callable[[Scale, ExitStack], list[Subject]]:
    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        need("imagecodecs")
        import imagecodecs
        import numpy as np

        name, keywords = _BARE[family]
        bare = getattr(imagecodecs, name)
        frame = encode_frame(picture(format), SYNTAXES[family], format)
        out: NDArray[Any] = np.empty(format.shape, format.dtype)
        calls: dict[str, Callable[[], object]] = {
            "pacskit": lambda: decode_frame(frame, SYNTAXES[family], format, out=out),
            f"imagecodecs.{name}": lambda: bare(frame, out=out, **keywords),
        }
        if family == "JPEG 2000":
            need("openjpeg")
            import openjpeg

            calls["pylibjpeg-openjpeg"] = lambda: openjpeg.decode(frame)
        turns = _Turns(calls, format.nbytes, _QUICK if scale.quick else _SECONDS)
        return [turns.subject(one) for one in calls]

    return build


ROWS = [
    Row(
        f"{'decode' if image == 'CT' else 'decodergb'}-{family.lower().replace(' ', '')}",
        f"{family} decode, {image} of 512 x 512, one thread (CPU)",
        "MB/s",
        _decoding(family, format),
        0.97,
        f"imagecodecs.{_BARE[family][0]}",
    )
    for family in _BARE
    for image, format in (("CT", SLICE), ("RGB", COLOUR))
]
