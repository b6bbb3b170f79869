"""A JPEG whose scans are whole passes, whatever encoder made it; one with a hole does not."""

from __future__ import annotations

import io
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pacskit.core.errors import DecodeError, TruncatedError
from pacskit_ext._jpegscan import check_scans

END = b"\xff\xd9"


def jpeg(seed: int = 1, size: tuple[int, int] = (67, 45), mode: str = "RGB", **options: Any) -> bytes:
    """Made by Pillow: smooth, with noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: size[1], : size[0]]
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    smooth = (x * 2 + y * 3)[..., None] if mode == "RGB" else x * 2 + y * 3
    pixels = (smooth + random.integers(0, options.pop("noise", 40), shape)).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", **options)
    return out.getvalue()


def scan_of(frame: bytes) -> int:
    """Where the entropy-coded data begin."""
    at = frame.index(b"\xff\xda") + 2
    return at + int.from_bytes(frame[at : at + 2], "big")


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1000),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    mode=st.sampled_from(["RGB", "L"]),
    subsampling=st.sampled_from([0, 1, 2]),
    quality=st.integers(1, 100),
    optimize=st.booleans(),
    restarts=st.sampled_from([0, 1, 3, 9]),
    noise=st.sampled_from([1, 40, 250]),
)
def test_whole_ones_pass_and_cut_ones_do_not(
    seed: int, size: tuple[int, int], mode: str, restarts: int, subsampling: int, **options: Any
) -> None:
    if mode == "RGB":
        options["subsampling"] = subsampling
    frame = jpeg(seed, size, mode, restart_marker_blocks=restarts, **options)
    assert check_scans(frame)
    start = scan_of(frame)
    for cut in {start, (start + len(frame)) // 2, len(frame) - 4}:
        if cut >= start and not frame[cut:-2].strip(b"\x7f\xff\x3f\x1f\x0f"):
            continue  # nothing but padding is missing
        with pytest.raises(DecodeError):
            check_scans(frame[:cut] + END)


def test_every_cut_is_found_and_told_where() -> None:
    frame = jpeg()
    for cut in range(2, len(frame) - 3):
        with pytest.raises(DecodeError) as caught:
            check_scans(frame[:cut] + END)
        assert caught.value.offset is not None
        assert caught.value.offset <= cut + 2
    with pytest.raises(TruncatedError):
        check_scans(frame[:-60] + END)


def test_twelve_bits_and_other_processes() -> None:
    pixels = np.random.default_rng(1).integers(0, 4096, (40, 50), np.uint16)
    frame = imagecodecs.jpeg8_encode(pixels, level=95, bitspersample=12)
    assert check_scans(frame)
    with pytest.raises(TruncatedError):
        check_scans(frame[:-100] + END)
    assert not check_scans(jpeg(progressive=True))
    assert not check_scans(imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=12))


def test_restart_markers_come_in_turn() -> None:
    frame = jpeg(restart_marker_blocks=2)
    first, second = frame.index(b"\xff\xd0", scan_of(frame)), frame.index(b"\xff\xd1", scan_of(frame))
    swapped = bytearray(frame)
    swapped[first + 1], swapped[second + 1] = 0xD1, 0xD0
    for damaged in (bytes(swapped), frame[:first] + frame[second:], frame[:first] + frame[first + 2 :]):
        with pytest.raises(DecodeError):
            check_scans(damaged)


def test_what_follows_the_last_block() -> None:
    frame = jpeg()
    assert check_scans(frame[:-2] + b"\0\0\xff\xff" + END)
    with pytest.raises(DecodeError, match="go on after the last block"):
        check_scans(frame[:-2] + b"\x12\x34" + END)


def test_damage_is_found_more_often_than_not() -> None:
    """Huffman codes fall into step again: some damage cannot be seen, most ends in a wrong number of blocks."""
    frame, found = jpeg(size=(200, 200)), 0
    random = np.random.default_rng(5)
    start = scan_of(frame)
    for _ in range(300):
        damaged = bytearray(frame)
        damaged[random.integers(start, len(frame) - 2)] ^= 1 << int(random.integers(8))
        try:
            check_scans(damaged)
        except DecodeError:
            found += 1
    assert found > 100


@pytest.mark.parametrize("size", range(12))
def test_what_is_no_jpeg(size: int) -> None:
    with pytest.raises(DecodeError):
        check_scans(b"\xff\xd8\xff\xc4\0\x13\0\xff\xff\xff\xff\xff"[:size])
