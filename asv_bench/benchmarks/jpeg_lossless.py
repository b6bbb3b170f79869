"""JPEG Lossless by predictor, on a mammogram."""

from __future__ import annotations

from typing import ClassVar

from pacskit.encoding.codecs import EncodeOptions, decode_frame, encode_frame

from .common import Benchmark
from .pictures import FORMATS, picture

__all__ = ["JpegLosslessPredictors"]

PROCESS_14 = "1.2.840.10008.1.2.4.57"


class JpegLosslessPredictors(Benchmark):
    """Process 14; 0 stands for the predictor that the encoder chooses."""

    params: ClassVar[list[int]] = list(range(8))
    param_names: ClassVar[list[str]] = ["predictor"]

    def setup(self, predictor: int) -> None:
        self.pixels, self.format = picture("MG"), FORMATS["MG"]
        self.options = EncodeOptions(predictor=predictor or None)
        self.frame = encode_frame(self.pixels, PROCESS_14, self.format, self.options)
        self.out = self.pixels.copy()

    def time_decode(self, predictor: int) -> None:
        decode_frame(self.frame, PROCESS_14, self.format, out=self.out)

    def time_encode(self, predictor: int) -> None:
        encode_frame(self.pixels, PROCESS_14, self.format, self.options)

    def track_size(self, predictor: int) -> float:
        """Part of the raw frame that is left."""
        return len(self.frame) / int(self.pixels.nbytes)
