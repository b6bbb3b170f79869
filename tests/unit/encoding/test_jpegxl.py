"""JPEG made JPEG XL and back, byte for byte (PS3.5 8.2.15)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from pacskit.core.errors import CodecError, CodecTruncatedError
from pacskit.encoding import dcmread
from pacskit.encoding.codecs import PixelFormat, decode_frame, parse_header
from pacskit.encoding.codecs.jpegxl import recompress_jpeg, reconstruct_jpeg
from pacskit.encoding.frames import FrameIndex
from tests.oracles.encapsulated import jxl_oxide, pixels

imagecodecs = pytest.importorskip("imagecodecs")

UID = "1.2.840.10008.1.2.4."
BASELINE, JXL_JPEG = UID + "50", UID + "111"
GRAY = PixelFormat(61, 67, 1, 8, 8)
COLOUR = PixelFormat(61, 67, 3, 8, 8, photometric="YBR_FULL_422")
RGB = PixelFormat(61, 67, 3, 8, 8, photometric="RGB")


def jpegs() -> list[tuple[str, PixelFormat, bytes]]:
    colour = {"colorspace": "RGB", "outcolorspace": "RGB"}
    return [
        ("gray", GRAY, imagecodecs.jpeg8_encode(pixels(GRAY), level=90)),
        *((s, COLOUR, imagecodecs.jpeg8_encode(pixels(RGB), level=85, subsampling=s)) for s in ("444", "422", "420")),
        ("rgb", RGB, imagecodecs.jpeg8_encode(pixels(RGB), level=90, **colour)),
    ]


@pytest.mark.parametrize(("format", "jpeg"), [made[1:] for made in jpegs()], ids=[made[0] for made in jpegs()])
def test_a_jpeg_comes_back_byte_for_byte(format: PixelFormat, jpeg: bytes) -> None:
    import pyjpegxl

    frame = recompress_jpeg(jpeg)
    assert len(frame) < len(jpeg) + 900
    assert reconstruct_jpeg(frame) == jpeg
    assert pyjpegxl.jxl_to_jpeg(frame) == jpeg
    assert reconstruct_jpeg(recompress_jpeg(jpeg + b"\0" * (len(jpeg) % 2))) == jpeg  # as padded in a fragment
    header = parse_header(frame, JXL_JPEG)
    assert header is not None
    assert (header.rows, header.columns, header.bits) == (61, 67, 8)
    shown = decode_frame(frame, JXL_JPEG, format).astype(int)
    assert np.abs(shown - jxl_oxide(frame, format)).max() <= 1
    # a JPEG decoder rounds and clips YCbCr before it makes RGB of it
    assert np.abs(shown - imagecodecs.jpeg8_decode(jpeg)).mean() < 1.5


def test_what_is_no_8_bit_dct_jpeg_is_refused() -> None:
    deep = imagecodecs.jpeg8_encode(pixels(PixelFormat(16, 16, bits_stored=12)), level=90, bitspersample=12)
    lossless = imagecodecs.jpeg8_encode(pixels(GRAY), lossless=True, predictor=1, bitspersample=8)
    for data in (deep, lossless, b"", b"\xff\xd8\xff\xd9", b"not a JPEG at all"):
        with pytest.raises(CodecError):
            recompress_jpeg(data)


def test_a_frame_without_a_jpeg_is_refused() -> None:
    plain = imagecodecs.jpegxl_encode(pixels(GRAY), lossless=True, bitspersample=8)
    boxed = imagecodecs.jpegxl_encode(pixels(GRAY), lossless=True, bitspersample=8, usecontainer=True)
    for data in (plain, boxed, b""):
        with pytest.raises(CodecError, match="does not rebuild a JPEG"):
            reconstruct_jpeg(data)
    frame = recompress_jpeg(jpegs()[1][2])
    with pytest.raises(CodecTruncatedError):
        reconstruct_jpeg(frame[:-20])


@pytest.mark.corpus
def test_real_jpegs_come_back_byte_for_byte(corpus: Path) -> None:
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
        names = [row["file"] for row in csv.DictReader(file) if row["transfer_syntax"] == BASELINE]
    done = 0
    for name in names:
        data_set = dcmread(corpus / name, force=True)
        index = FrameIndex(data_set)
        for number in range(min(2, len(index))):
            jpeg = bytes(index.frame(number))
            header = parse_header(jpeg, BASELINE)
            assert header is not None
            exact = jpeg[: header.end]
            if jpeg[len(exact) :].strip(b"\0"):
                continue
            assert reconstruct_jpeg(recompress_jpeg(jpeg)) == exact, name
            done += 1
    assert done > 15
