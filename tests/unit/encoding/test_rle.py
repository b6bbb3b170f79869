"""RLE Lossless against a slow twin and pylibjpeg-rle, and frames that are not as PS3.5 annex G says."""

from __future__ import annotations

from struct import pack

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rle import rle as pylibjpeg_rle

from pacskit.core.errors import CodecError, CodecTruncatedError, EncodeError
from pacskit.encoding.codecs import PixelFormat, decode_frame, encode_frame
from tests.oracles import rle as oracle

RLE = "1.2.840.10008.1.2.5"
FORMATS = [
    (1, 8, False),
    (1, 16, False),
    (1, 16, True),
    (1, 32, True),
    (1, 64, False),
    (3, 8, False),
    (3, 16, False),
    (3, 32, False),
    (4, 16, False),
]


def picture(format: PixelFormat, seed: int) -> np.ndarray:
    """Runs and noise of every length, at every place in a row."""
    random = np.random.default_rng(seed)
    count = format.rows * format.columns * format.samples
    values = random.integers(0, 256, (count, format.itemsize), np.uint8)
    lengths = random.choice((1, 1, 2, 3, 4, 127, 128, 129, 130, 257), count)
    values = np.repeat(values, lengths, axis=0)[:count]
    quiet = random.random(format.itemsize) < 0.4
    values[:, quiet] = random.integers(0, 256, format.itemsize, np.uint8)[quiet]
    return np.ascontiguousarray(values).view(format.dtype).reshape(format.shape)


@st.composite
def frames(draw: st.DrawFn) -> tuple[PixelFormat, np.ndarray]:
    samples, bits, signed = draw(st.sampled_from(FORMATS))
    format = PixelFormat(draw(st.integers(1, 40)), draw(st.integers(1, 300)), samples, bits, bits, signed)
    return format, picture(format, draw(st.integers(0, 2**32 - 1)))


@given(frames())
def test_what_is_encoded_decodes_to_itself_here_and_by_the_oracle(frame: tuple[PixelFormat, np.ndarray]) -> None:
    format, pixels = frame
    data = encode_frame(pixels, RLE, format)
    assert np.array_equal(decode_frame(data, RLE, format), pixels)
    assert oracle.decode(data, format.rows * format.columns, format.samples, format.itemsize) == pixels.tobytes()
    assert all(len(segment) % 2 == 0 for segment in oracle.segments(data))


@given(frames())
def test_the_oracles_frames_are_decoded(frame: tuple[PixelFormat, np.ndarray]) -> None:
    format, pixels = frame
    data = oracle.encode(pixels.tobytes(), format.columns, format.samples, format.itemsize)
    assert np.array_equal(decode_frame(data, RLE, format), pixels)


@pytest.mark.parametrize(("samples", "bits"), [(1, 8), (1, 16), (1, 32), (3, 8), (3, 16)])
def test_pylibjpeg_rle_reads_and_writes_the_same(samples: int, bits: int) -> None:
    format = PixelFormat(97, 211, samples, bits, bits)
    pixels = picture(format, bits)
    ours = encode_frame(pixels, RLE, format)
    theirs = bytes(pylibjpeg_rle.encode_frame(pixels.tobytes(), 97, 211, samples, bits, "<"))
    assert np.array_equal(decode_frame(theirs, RLE, format), pixels)
    planes = np.frombuffer(bytes(pylibjpeg_rle.decode_frame(ours, 97 * 211, bits, "<")), format.dtype)
    assert np.array_equal(planes.reshape(samples, 97, 211), np.moveaxis(pixels.reshape(97, 211, samples), -1, 0))
    assert len(ours) <= len(theirs)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 5), (16, 16), (64, 129), (97, 4096)])
def test_one_bit_segments_are_packed(rows: int, columns: int) -> None:
    """A segment of single bits holds eight pixels a byte, the first in the lowest bit, rows not aligned."""
    format = PixelFormat(rows, columns, 1, 1, 1)
    mask = np.random.default_rng(rows).integers(0, 2, (rows, columns), np.uint8)
    data = encode_frame(mask, RLE, format)
    packed = np.packbits(mask.ravel(), bitorder="little").tobytes()
    assert oracle.unpack_segment(oracle.segments(data)[0], len(packed)) == packed
    assert np.array_equal(decode_frame(data, RLE, format), mask)


def test_a_run_may_cross_rows_and_no_operation_is_skipped() -> None:
    format = PixelFormat(3, 5, 1, 8, 8)
    data = pack("<16L", 1, 64, *[0] * 14) + bytes((128, 257 - 12, 7, 128, 2, 1, 2, 3))
    assert decode_frame(data, RLE, format).ravel().tolist() == [7] * 12 + [1, 2, 3]


def header(*starts: int, count: int | None = None) -> bytes:
    return pack("<16L", len(starts) if count is None else count, *starts, *[0] * (15 - len(starts)))


GRAY = PixelFormat(2, 4, 1, 8, 8)
GOOD = bytes((7, 1, 2, 3, 4, 5, 6, 7, 8))


@pytest.mark.parametrize(
    ("frame", "kind", "offset"),
    [
        (b"\1\0\0\0", CodecTruncatedError, 4),
        (header(count=0) + GOOD, CodecError, 0),
        (header(64, count=16) + GOOD, CodecError, 0),
        (header(64, 70) + GOOD, CodecError, 0),  # two segments for one byte a pixel
        (header(63) + GOOD, CodecError, 4),
        (header(66) + GOOD, CodecError, 4),
        (header(64) + GOOD[:-1], CodecTruncatedError, 64),  # the literal is cut
        (header(64) + bytes((3, 1, 2, 3, 4)), CodecTruncatedError, 69),  # only half the plane
        (header(64) + bytes((257 - 7, 9, 0)), CodecTruncatedError, 66),
        (header(64) + bytes((257 - 7, 9, 128)), CodecTruncatedError, 66),
        (header(64) + bytes((257 - 9, 1)), CodecError, 66),  # a run over the end of the plane
        (header(64) + bytes((8, *range(9))), CodecError, 74),
    ],
)
def test_damage_is_an_error_that_says_where(frame: bytes, kind: type[CodecError], offset: int) -> None:
    with pytest.raises(kind) as caught:
        decode_frame(frame, RLE, GRAY)
    assert caught.value.offset == offset
    assert caught.value.codec == "pacskit.rle"


def test_segments_must_ascend_and_lie_in_the_frame() -> None:
    wide = PixelFormat(2, 4, 1, 16, 16)
    for second, kind in ((60, CodecError), (64, CodecTruncatedError), (200, CodecTruncatedError)):
        with pytest.raises(kind):
            decode_frame(header(64, second) + GOOD + GOOD, RLE, wide)
    assert decode_frame(header(64, 73) + GOOD + GOOD, RLE, wide)[0].tolist() == [0x101, 0x202, 0x303, 0x404]


def test_every_cut_is_found() -> None:
    format = PixelFormat(9, 31, 3, 16, 16)
    data = encode_frame(picture(format, 3), RLE, format)
    for size in range(len(data) - 1):  # the last byte may be padding
        with pytest.raises(CodecTruncatedError):
            decode_frame(data[:size], RLE, format)


def test_what_needs_sixteen_segments_is_refused() -> None:
    format = PixelFormat(4, 4, 4, 32, 32)
    with pytest.raises(EncodeError, match="no back end can encode RLE Lossless"):
        encode_frame(np.zeros(format.shape, format.dtype), RLE, format)
    with pytest.raises(CodecError, match="no back end can decode RLE Lossless"):
        decode_frame(header(64), RLE, format)
