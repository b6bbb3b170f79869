"""JPEG Baseline and Extended: colours as they are stored, depths, and where libjpeg-turbo must not be left alone."""

from __future__ import annotations

import io
from itertools import product

import imagecodecs
import libjpeg.utils
import numpy as np
import pytest
from PIL import Image

from pacskit.core.errors import CodecError, EncodeError
from pacskit.encoding.codecs import EncodeOptions, PixelFormat, decode_frame, encode_frame, parse_header, registry
from pacskit.encoding.codecs.base import decoded_photometric
from pacskit.encoding.codecs.gpl import LibjpegCodec
from pacskit.encoding.codecs.jpeg import JpegCodec

UID = "1.2.840.10008.1.2.4."
BASELINE, EXTENDED, PREDICTORS, SV1 = (UID + number for number in ("50", "51", "57", "70"))
RGB = PixelFormat(48, 64, 3, 8, 8, photometric="RGB")
YBR = PixelFormat(48, 64, 3, 8, 8, photometric="YBR_FULL")
YBR_422 = PixelFormat(48, 64, 3, 8, 8, photometric="YBR_FULL_422")


def smooth(format: PixelFormat) -> np.ndarray:
    top = (1 << format.bits_stored) - 1
    y, x = np.mgrid[: format.rows, : format.columns]
    planes = [(x * (n + 1) + y * (3 - n)) * top // (4 * (format.rows + format.columns)) for n in range(format.samples)]
    return np.ascontiguousarray(np.stack(planes, axis=-1).reshape(format.shape).astype(format.dtype))


def difference(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("format", [RGB, YBR, YBR_422, PixelFormat(48, 64, 1, 8, 8), PixelFormat(48, 64, 1, 16, 8)])
def test_trap_colours_are_never_guessed(format: PixelFormat) -> None:
    """What goes in as components comes out as components, whatever they are called."""
    pixels = smooth(format)
    frame = encode_frame(pixels, BASELINE, format, EncodeOptions(quality=98))
    assert difference(decode_frame(frame, BASELINE, format), pixels) <= 4
    header = parse_header(frame, BASELINE)
    assert header is not None
    assert (header.process, header.bits, header.subsampled) == (0, 8, format is YBR_422)
    assert decoded_photometric(BASELINE, format, header) == format.photometric.removesuffix("_422")


def test_trap_rgb_without_a_marker_stays_rgb() -> None:
    """libjpeg takes three components without JFIF, Adobe or ids for YCbCr, and grey comes out magenta."""
    pixels = np.full(RGB.shape, 244, np.uint8)
    frame = bytearray(encode_frame(pixels, BASELINE, RGB, EncodeOptions(quality=98)))
    at = frame.index(b"\xff\xee")
    del frame[at : at + 16]  # the Adobe marker
    start, scan = frame.index(b"\xff\xc0") + 10, frame.index(b"\xff\xda") + 5
    for n, name in enumerate(b"RGB"):
        assert frame[start + 3 * n] == frame[scan + 2 * n] == name
        frame[start + 3 * n] = frame[scan + 2 * n] = n + 1
    assert difference(imagecodecs.jpeg8_decode(bytes(frame)), pixels) > 100
    assert difference(decode_frame(frame, BASELINE, RGB), pixels) <= 1


def test_markers_that_contradict_the_data_set_are_told() -> None:
    frame = encode_frame(smooth(RGB), BASELINE, RGB)
    assert decoded_photometric(BASELINE, YBR_422, parse_header(frame, BASELINE)) == "RGB"
    frame = encode_frame(smooth(YBR), BASELINE, YBR)
    assert decoded_photometric(BASELINE, RGB, parse_header(frame, BASELINE)) == "YBR_FULL"


def test_pillow_reads_the_colours_that_were_meant() -> None:
    pixels = smooth(RGB)
    frame = encode_frame(pixels, BASELINE, RGB, EncodeOptions(quality=98))
    assert difference(np.asarray(Image.open(io.BytesIO(frame))), pixels) <= 4
    ycc = Image.fromarray(pixels).convert("YCbCr")
    frame = encode_frame(np.asarray(ycc), BASELINE, YBR, EncodeOptions(quality=98))
    assert difference(np.asarray(Image.open(io.BytesIO(frame)).convert("RGB")), pixels) <= 6


@pytest.mark.parametrize("bits", [8, 9, 10, 11, 12])
def test_extended_holds_eight_or_twelve_bits(bits: int) -> None:
    format = PixelFormat(48, 64, 1, 16, bits)
    pixels = smooth(format)
    frame = encode_frame(pixels, EXTENDED, format, EncodeOptions(quality=98))
    header = parse_header(frame, EXTENDED)
    assert header is not None
    assert header.bits == (8 if bits == 8 else 12)
    ours = decode_frame(frame, EXTENDED, format)
    assert difference(ours, pixels) <= 4
    assert difference(libjpeg.utils.decode(frame, colour_transform=0), ours) <= 1


@pytest.mark.parametrize(
    ("syntax", "format"),
    [
        (BASELINE, PixelFormat(8, 8, 1, 16, 12)),
        (BASELINE, PixelFormat(8, 8, 1, 8, 8, signed=True)),
        (EXTENDED, PixelFormat(8, 8, 1, 16, 16)),
        (EXTENDED, PixelFormat(8, 8, 1, 32, 12)),
        (BASELINE, PixelFormat(8, 8, 1, 1, 1)),
        (BASELINE, PixelFormat(8, 8, 4, 8, 8)),
    ],
)
def test_what_a_process_cannot_hold_is_refused(syntax: str, format: PixelFormat) -> None:
    with pytest.raises(EncodeError, match="no back end can encode JPEG"):
        encode_frame(np.zeros(format.shape, format.dtype), syntax, format)


@pytest.mark.parametrize(
    ("format", "options"),
    [
        (RGB, EncodeOptions(quality=0)),
        (RGB, EncodeOptions(quality=101)),
        (RGB, EncodeOptions(subsampling="422")),
        (YBR, EncodeOptions(subsampling="420")),
        (PixelFormat(48, 64, 1, 8, 8), EncodeOptions(subsampling="420")),
        (PixelFormat(48, 64, 3, 8, 8, photometric="HSV"), EncodeOptions()),
    ],
)
def test_options_that_make_no_sense_are_refused(format: PixelFormat, options: EncodeOptions) -> None:
    with pytest.raises(EncodeError):
        encode_frame(smooth(format), BASELINE, format, options)


@pytest.mark.parametrize(
    ("bits", "signed", "samples"), [*product((2, 7, 8, 12, 16), (False, True), (1,)), (8, False, 3)]
)
def test_lossless_by_library_gives_the_same_bits(bits: int, signed: bool, samples: int) -> None:
    photometric = "MONOCHROME2" if samples == 1 else "RGB"
    format = PixelFormat(17, 23, samples, 8 if bits <= 8 else 16, bits, signed, photometric)
    random = np.random.default_rng(bits)
    low = -(1 << bits - 1) if signed else 0
    pixels = random.integers(low, low + (1 << bits), format.shape).astype(format.dtype)
    with registry.override(JpegCodec()):
        frame = encode_frame(pixels, SV1, format, verify=True)
        other = encode_frame(pixels, PREDICTORS, format, EncodeOptions(predictor=6), verify=True)
    with registry.override(LibjpegCodec()):
        assert np.array_equal(decode_frame(frame, SV1, format), pixels)
        assert np.array_equal(decode_frame(other, PREDICTORS, format), pixels)
    header = parse_header(other, PREDICTORS)
    assert header is not None
    assert (header.process, header.bits, header.predictor) == (3, bits, 6)


def test_trap_lossless_ybr_is_not_written_by_the_library() -> None:
    """It would mark the components as RGB, or with the colour spaces given write a corrupt file without an error."""
    assert not JpegCodec().can_encode(SV1, YBR)
    with registry.override(JpegCodec()), pytest.raises(EncodeError, match="no back end"):
        encode_frame(smooth(YBR), SV1, YBR)
    with registry.override(JpegCodec()), pytest.raises(EncodeError, match="predictor 2"):
        encode_frame(smooth(RGB), SV1, RGB, EncodeOptions(predictor=2))


def test_trap_a_truncated_frame_never_reaches_the_library_that_accepts_it() -> None:
    frame = encode_frame(smooth(YBR), BASELINE, YBR)
    header = parse_header(frame, BASELINE)
    assert header is not None
    cut = frame[: (header.data + len(frame)) // 2]
    assert libjpeg.utils.decode(cut, colour_transform=0).shape == YBR.shape  # in silence
    with registry.override(LibjpegCodec()), pytest.raises(CodecError):
        decode_frame(cut, BASELINE, YBR)
