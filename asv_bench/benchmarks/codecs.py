"""Frames decoded and encoded, a class for each family: behind the guard, as programs do it."""

from __future__ import annotations

from typing import ClassVar

from pacskit.encoding.codecs import EncodeOptions, PixelFormat, decode_frame, encode_frame, registry

from .common import Benchmark
from .pictures import CODED, FORMATS, picture


class _Codec(Benchmark):
    """One transfer syntax, on the pictures that it holds."""

    syntax: ClassVar[str] = ""
    options: ClassVar[EncodeOptions] = EncodeOptions()
    params: ClassVar[list[str]] = ["CT", "RGB"]
    param_names: ClassVar[list[str]] = ["picture"]

    def format(self, name: str) -> PixelFormat:
        return FORMATS[name]

    def setup(self, name: str) -> None:
        if not registry.codecs(self.syntax, "encode"):
            raise NotImplementedError("no back end encodes it here")  # asv skips it then
        self.pixels = picture(name)
        self.frame = encode_frame(self.pixels, self.syntax, self.format(name), self.options)
        self.out = self.pixels.copy()

    def time_decode(self, name: str) -> None:
        decode_frame(self.frame, self.syntax, self.format(name), out=self.out)

    def time_encode(self, name: str) -> None:
        encode_frame(self.pixels, self.syntax, self.format(name), self.options)


class _Scalable(_Codec):
    """One that has lower resolutions."""

    def time_quarter(self, name: str) -> None:
        decode_frame(self.frame, self.syntax, self.format(name), reduce=2)


class Rle(_Codec):
    syntax = CODED["rle"]


class JpegBaseline(_Scalable):
    syntax = CODED["jpeg"]
    params: ClassVar[list[str]] = ["RGB"]


class JpegExtended(_Codec):
    syntax = CODED["jpeg12"]
    params: ClassVar[list[str]] = ["CT"]


class JpegLossless(_Codec):
    syntax = CODED["jpegll"]


class JpegLs(_Codec):
    syntax = CODED["jpegls"]


class Jpeg2000(_Scalable):
    syntax = CODED["j2k"]


class Htj2k(_Scalable):
    syntax = CODED["htj2k"]


class JpegXl(_Codec):
    syntax = CODED["jpegxl"]
    options = EncodeOptions(effort=1)


class DeflatedFrame(_Codec):
    syntax = CODED["deflated"]
