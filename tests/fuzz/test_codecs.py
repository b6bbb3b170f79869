"""Mutated frames of RLE and of JPEG by library, in a child process."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pacskit.encoding.codecs import EncodeOptions, PixelFormat, encode_frame
from tests.fuzz.codec_mutations import PER_CODEC, Case, mutate_and_decode

UID = "1.2.840.10008.1.2"
RLE, BASELINE, EXTENDED = UID + ".5", UID + ".4.50", UID + ".4.51"


def picture(format: PixelFormat) -> np.ndarray:
    """A gradient with an empty border and some noise."""
    random = np.random.default_rng(7)
    top = (1 << format.bits_stored) - 1
    y, x = np.mgrid[: format.rows, : format.columns]
    plane = (x + y) * top // (format.rows + format.columns) + random.integers(0, max(2, top // 64), y.shape)
    plane[:4] = plane[:, -5:] = 0
    stack = plane if format.samples == 1 else np.stack([plane, plane[::-1], plane[:, ::-1]], axis=-1)
    return np.ascontiguousarray(np.clip(stack, 0, top).astype(format.dtype))


def case(name: str, syntax: str, format: PixelFormat, *, lossy: bool = False, quality: int | None = None) -> Case:
    frame = encode_frame(picture(format), syntax, format, EncodeOptions(quality=quality))
    return Case(name, syntax, format, frame, end=b"\xff\xd9" if lossy else b"")


def rle_cases() -> list[Case]:
    return [
        case("rle 16", RLE, PixelFormat(61, 67)),
        case("rle rgb", RLE, PixelFormat(40, 43, 3, 8, 8, photometric="RGB")),
        case("rle 32", RLE, PixelFormat(32, 33, 1, 32, 32)),
        case("rle bits", RLE, PixelFormat(61, 67, 1, 1, 1)),
    ]


def jpeg_cases() -> list[Case]:
    gray = PixelFormat(61, 67, 1, 8, 8)
    colour = PixelFormat(64, 72, 3, 8, 8, photometric="YBR_FULL_422")
    return [
        case("jpeg gray", BASELINE, gray, lossy=True),
        case("jpeg colour", BASELINE, colour, lossy=True),
        case("jpeg 12", EXTENDED, PixelFormat(61, 67, 1, 16, 12), lossy=True),
    ]


@pytest.mark.parametrize("cases", [rle_cases, jpeg_cases], ids=["rle", "jpeg"])
def test_mutations(cases: Callable[[], list[Case]]) -> None:
    made = cases()
    report = mutate_and_decode(made)
    assert not report.findings, report.findings[:20]
    assert report.outcomes.total() >= PER_CODEC
    assert report.outcomes["refused"], "no mutation was found out: the mutations are too weak"
