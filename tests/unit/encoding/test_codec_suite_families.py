"""The shipped conformance suite over the back ends of JPEG-LS, JPEG 2000, HTJ2K, JPEG XL and of cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from pacskit.encoding.codecs import Codec, EncodeOptions, PixelFormat
from pacskit.encoding.codecs.deflate import DeflatedFrameCodec
from pacskit.encoding.codecs.htj2k import OpenJphCodec
from pacskit.encoding.codecs.jpeg2000 import Jpeg2kCodec, OpenJpegCodec
from pacskit.encoding.codecs.jpegls import CharlsCodec, PyJpeglsCodec
from pacskit.encoding.codecs.jpegxl import JpegXlCodec
from pacskit.encoding.codecs.native import EncapsulatedUncompressedCodec
from pacskit.testing import CodecTests


class Small(CodecTests):
    mutations = 10


class SignedNear(Small):
    """Near-lossless encoding of signed samples at both ends of the range is refused, so it is not asked for."""

    def options(self, syntax: str, format: PixelFormat) -> EncodeOptions:
        return EncodeOptions(near=0)


class TestCharls(SignedNear):
    def codec(self) -> Codec:
        return CharlsCodec()


class TestPyJpegls(SignedNear):
    def codec(self) -> Codec:
        return PyJpeglsCodec()


class TestJpeg2k(Small):
    tolerance = 1  # noise at a tenth of its size

    def codec(self) -> Codec:
        return Jpeg2kCodec()

    def options(self, syntax: str, format: PixelFormat) -> EncodeOptions:
        return EncodeOptions(psnr=45 if syntax.endswith("91") else None)  # it leaves ratios to the other binding


class TestOpenJpeg(Small):
    tolerance = 1  # noise at a tenth of its size

    def codec(self) -> Codec:
        return OpenJpegCodec()


class TestOpenJph(Small):
    class Reversible(OpenJphCodec):  # it leaves irreversible streams to OpenJPEG
        def can_encode(self, syntax: str, format: PixelFormat) -> bool:
            return super().can_encode(syntax, format) and not syntax.endswith("203")

    def codec(self) -> Codec:
        return self.Reversible()


class TestJpegXl(Small):
    tolerance = 1

    def codec(self) -> Codec:
        return JpegXlCodec()


class TestDeflated(Small):
    def codec(self) -> Codec:
        return DeflatedFrameCodec()


class TestUncompressed(Small):
    def codec(self) -> Codec:
        return EncapsulatedUncompressedCodec()

    def samples(self) -> Iterator[tuple[bytes, str, PixelFormat, NDArray[Any]]]:
        import numpy as np

        array = np.arange(12, dtype="u2").reshape(3, 4)
        yield array.astype("<u2").tobytes(), "1.2.840.10008.1.2.1.98", PixelFormat(3, 4), array
