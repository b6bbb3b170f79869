"""JPEG Lossless behind the contract of the codecs: the conformance suite, the options, what each syntax refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pacskit.core.errors import CodecError, CodecLimitError, CodecTruncatedError, EncodeError
from pacskit.encoding.codecs import (
    Codec,
    DecodeLimits,
    EncodeOptions,
    PixelFormat,
    decode_frame,
    encode_frame,
    parse_header,
    registry,
)
from pacskit.encoding.codecs.jpeg_lossless import JpegLosslessCodec
from pacskit.testing import CodecTests

PROCESS_14, SV1 = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
FORMAT = PixelFormat(24, 32, 1, 16, 12)
PIXELS = (np.add.outer(np.arange(24) * 5, np.arange(32) * 61) % 4096).astype(np.uint16)


class TestJpegLossless(CodecTests):
    def codec(self) -> Codec:
        return JpegLosslessCodec()


class TestWithRestarts(CodecTests):
    """After every second row."""

    def options(self, syntax: str, format: PixelFormat) -> EncodeOptions:
        return EncodeOptions(restart_interval=2 * format.columns, predictor=1 if syntax == SV1 else 7)

    def codec(self) -> Codec:
        return JpegLosslessCodec()


@pytest.mark.parametrize("syntax", [PROCESS_14, SV1])
@pytest.mark.parametrize("direction", ["decode", "encode"])
def test_ours_comes_before_the_libraries(syntax: str, direction: Any) -> None:
    assert isinstance(registry.codecs(syntax, direction)[0], JpegLosslessCodec)


@pytest.mark.parametrize("predictor", [None, 1, 2, 3, 4, 5, 6, 7])
def test_options_are_in_the_header(predictor: int | None) -> None:
    options = EncodeOptions(predictor=predictor, point_transform=2, restart_interval=96)
    frame = encode_frame(PIXELS, PROCESS_14, FORMAT, options)
    header = parse_header(frame, PROCESS_14)
    assert header is not None
    assert (header.process, header.bits, header.samples, header.components) == (3, 12, 1, (1,))
    assert (header.point_transform, header.restart_interval, header.adobe, header.jfif) == (2, 96, None, False)
    assert header.predictor == (predictor or header.predictor)
    assert np.array_equal(decode_frame(frame, PROCESS_14, FORMAT), PIXELS & 0xFFFC)


def test_sv1_is_predictor_1_and_process_14_the_best() -> None:
    plane = np.add.outer(np.arange(24) ** 2, np.arange(32) ** 2).astype(np.uint16)  # Ra + Rb - Rc has no error
    frames = {syntax: encode_frame(plane, syntax, FORMAT) for syntax in (SV1, PROCESS_14)}
    headers = [parse_header(frame, syntax) for syntax, frame in frames.items()]
    assert [header and header.predictor for header in headers] == [1, 4]
    assert len(frames[PROCESS_14]) < len(frames[SV1])


@pytest.mark.parametrize(
    ("syntax", "options"),
    [
        (SV1, EncodeOptions(predictor=4)),
        (PROCESS_14, EncodeOptions(predictor=0)),
        (PROCESS_14, EncodeOptions(predictor=8)),
        (PROCESS_14, EncodeOptions(point_transform=12)),
        (PROCESS_14, EncodeOptions(restart_interval=33)),
        (PROCESS_14, EncodeOptions(restart_interval=32 * 2048)),
        (PROCESS_14, EncodeOptions(restart_interval=-32)),
    ],
)
def test_options_that_the_process_has_not_are_refused(syntax: str, options: EncodeOptions) -> None:
    with pytest.raises(EncodeError):
        encode_frame(PIXELS, syntax, FORMAT, options)


def test_precision_is_bits_stored_and_of_signed_samples_the_whole_cell() -> None:
    """So that decoders that leave the sign alone still give whole cells."""
    signed = replace(FORMAT, signed=True)
    for format, bits in ((FORMAT, 12), (signed, 16)):
        pixels = (PIXELS.astype(np.int32) - (2048 if format.signed else 0)).astype(format.dtype)
        frame = encode_frame(pixels, SV1, format)
        header = parse_header(frame, SV1)
        assert header is not None
        assert header.bits == bits
        assert np.array_equal(decode_frame(frame, SV1, format), pixels)


def test_a_stream_of_masked_signed_samples_gets_its_sign_back() -> None:
    """As others write it: 12 bits without the copies of the sign."""
    frame = encode_frame(PIXELS, SV1, FORMAT)
    signed = decode_frame(frame, SV1, replace(FORMAT, signed=True))
    assert np.array_equal(signed, np.where(PIXELS > 2047, PIXELS.astype(np.int32) - 4096, PIXELS))


def test_damage_is_a_codec_error_with_its_place() -> None:
    frame = encode_frame(PIXELS, SV1, FORMAT)
    with pytest.raises(CodecTruncatedError) as caught:
        decode_frame(frame[:400] + b"\xff\xd9", SV1, FORMAT)
    assert (caught.value.codec, caught.value.syntax, caught.value.offset) == ("pacskit.jpeg-lossless", SV1, 400)
    with pytest.raises(CodecTruncatedError, match="EOI"):
        decode_frame(frame[:-2], SV1, FORMAT)
    whole = decode_frame(frame[:-2], SV1, FORMAT, limits=DecodeLimits(allow_missing_end=True))
    assert np.array_equal(whole, PIXELS)
    with pytest.raises(CodecTruncatedError):
        decode_frame(frame[:-9], SV1, FORMAT, limits=DecodeLimits(allow_missing_end=True))
    with pytest.raises(CodecError, match="pixels"):
        decode_frame(frame, SV1, replace(FORMAT, rows=25))
    with pytest.raises(CodecLimitError):
        decode_frame(frame, SV1, FORMAT, limits=DecodeLimits(max_bytes=100))


def test_views_of_a_volume_are_filled() -> None:
    volume = np.zeros((3, 24, 32), np.uint16)
    decode_frame(encode_frame(PIXELS, SV1, FORMAT), SV1, FORMAT, out=volume[1])
    assert np.array_equal(volume[1], PIXELS)
    assert not volume[[0, 2]].any()
