"""The shipped conformance suite, over the back ends of RLE and JPEG, and over codecs that must not pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pacskit.encoding.codecs import Codec, EncodeOptions, PixelFormat
from pacskit.encoding.codecs.jpeg import JpegCodec
from pacskit.encoding.codecs.rle import RleCodec
from pacskit.testing import CodecTests


class TestRle(CodecTests):
    def codec(self) -> Codec:
        return RleCodec()


class TestJpeg(CodecTests):
    def codec(self) -> Codec:
        return JpegCodec()

    def options(self, syntax: str, format: PixelFormat) -> EncodeOptions:
        return EncodeOptions(quality=95)


class Broken(RleCodec):
    """RLE with a defect."""

    def __init__(self, spoil: Callable[[Any, Any], None]) -> None:
        self._spoil = spoil

    def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: Any) -> None:
        before = out.copy()
        super().decode(frame, syntax, format, out)
        self._spoil(out, before)


def one_off(out: Any, before: Any) -> None:
    out.flat[0] ^= 1


def short(out: Any, before: Any) -> None:
    out[-1] = before[-1]


def beside(out: Any, before: Any) -> None:
    if out.base is not None:
        whole = out.base
        while whole.base is not None:
            whole = whole.base
        whole.flat[0] = 0


@pytest.mark.parametrize(
    ("spoil", "test"),
    [
        (one_off, "test_pixels_come_back"),
        (short, "test_all_of_the_frame_is_written_and_nothing_beside_it"),
        (beside, "test_all_of_the_frame_is_written_and_nothing_beside_it"),
    ],
)
def test_the_suite_finds_a_defect(spoil: Callable[[Any, Any], None], test: str) -> None:
    class Suite(CodecTests):
        def codec(self) -> Codec:
            return Broken(spoil)

    with pytest.raises(AssertionError):
        getattr(Suite(), test)()


def test_the_suite_finds_one_that_reads_anything() -> None:
    class Anything(RleCodec):
        def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: Any) -> None:
            out.fill(np.uint8(len(frame) & 1))

    class Suite(CodecTests):
        def codec(self) -> Codec:
            return Anything()

    with pytest.raises(AssertionError, match="10 % of a frame"):
        Suite().test_cut_frames_are_errors()
