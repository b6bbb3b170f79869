"""Colour spaces, palettes and overlays against exact sums, pydicom, and what the standard's text says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.pixels.processing import convert_color_space

from pacskit import Dataset, DecodeError, TransferSyntax, TruncatedError
from pacskit.encoding import decode, encode
from pacskit.encoding.codecs import PixelFormat, encode_frame
from pacskit.encoding.frames import set_frames
from pacskit.encoding.pixels import (
    PixelReader,
    apply_palette,
    convert_color,
    icc_profile,
    overlay_array,
    overlay_groups,
    overlay_of,
    palette_of,
)
from tests.oracles.pixels import bits_of, partial_from_rgb, rgb_from_full, ybr_from_rgb

LITTLE, BIG = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN, TransferSyntax.EXPLICIT_VR_BIG_ENDIAN
PIXELS = st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=20)

# ---- colour spaces --------------------------------------------------------------------------------------------------


@given(PIXELS, st.sampled_from([8, 12, 16]))
def test_full_range_is_rounded_to_the_nearest(pixels: list[tuple[int, int, int]], bits: int) -> None:
    wide = [tuple(sample * ((1 << bits) - 1) // 255 for sample in pixel) for pixel in pixels]
    array = np.array(wide, np.uint8 if bits == 8 else np.uint16)
    assert convert_color(array, "RGB", "YBR_FULL", bits=bits).tolist() == [ybr_from_rgb(p, bits) for p in wide]  # type: ignore[arg-type]
    assert convert_color(array, "YBR_FULL", "RGB", bits=bits).tolist() == [rgb_from_full(p, bits) for p in wide]  # type: ignore[arg-type]
    assert convert_color(array, "YBR_ICT", "RGB", bits=bits).tolist() == [rgb_from_full(p, bits) for p in wide]  # type: ignore[arg-type]


def test_eight_bits_are_as_pydicoms() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    for source, target in (("RGB", "YBR_FULL"), ("YBR_FULL", "RGB")):
        difference = convert_color(pixels, source, target).astype(int) - convert_color_space(pixels, source, target)
        assert np.abs(difference).max() <= 1  # pydicom's sums are of single precision
        assert (difference != 0).mean() < 0.001


@given(PIXELS)
def test_partial_range_is_that_of_the_printed_factors(pixels: list[tuple[int, int, int]]) -> None:
    array = np.array(pixels, np.uint8)
    found = convert_color(array, "RGB", "YBR_PARTIAL_422")
    for ours, exact in zip(found.tolist(), map(partial_from_rgb, pixels), strict=True):
        assert all(abs(sample - value) <= 0.53 for sample, value in zip(ours, exact, strict=True))
    again = convert_color(found, "YBR_PARTIAL_420", "RGB").astype(int)
    assert np.abs(again - array).max() <= 2


@given(st.lists(st.tuples(*[st.integers(0, 65535)] * 3), min_size=1, max_size=20), st.booleans())
def test_the_reversible_transform_loses_nothing(pixels: list[tuple[int, int, int]], small: bool) -> None:
    array = np.array(pixels).astype(np.uint8 if small else np.uint16)
    wide = convert_color(array, "RGB", "YBR_RCT")
    r, g, b = (array[:, n].astype(int) for n in range(3))
    assert np.array_equal(wide, np.stack([(r + 2 * g + b) // 4, b - g, r - g], axis=1))  # PS3.3 C.7.6.3.1.2
    assert wide.dtype == (np.int16 if small else np.int32)
    back = convert_color(wide, "YBR_RCT", "RGB")
    assert (back.dtype, back.tolist()) == (array.dtype, array.tolist())


def test_chrominance_about_zero() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (50, 3), np.uint8)
    signed = convert_color(pixels, "RGB", "YBR_FULL").astype(np.int16) - np.array([0, 128, 128], np.int16)
    assert np.array_equal(convert_color(pixels.astype(np.int16), "RGB", "YBR_ICT"), signed)
    assert np.abs(convert_color(signed, "YBR_ICT", "RGB") - pixels.astype(int)).max() <= 1


def test_what_cannot_be_converted_is_refused() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    assert convert_color(pixels, "YBR_FULL", "YBR_FULL_422") is pixels
    for source, array, error in (
        ("HSV", pixels, ValueError), ("RGB", pixels[..., :2], ValueError), ("RGB", pixels.astype("f4"), TypeError),
        ("RGB", pixels.astype(">u2"), TypeError),
    ):  # fmt: skip
        with pytest.raises(error):
            convert_color(array, source, "YBR_FULL")
    out = np.ones_like(pixels)
    assert convert_color(pixels, "RGB", "YBR_FULL", out=out) is out
    assert out[0, 0].tolist() == [0, 128, 128]
    with pytest.raises(ValueError, match="out"):
        convert_color(pixels, "RGB", "YBR_FULL", out=out[:1])


# ---- palettes -------------------------------------------------------------------------------------------------------


def palette(entries: int, first: int, bits: int, tables: list[bytes], *, segmented: bool = False) -> Dataset:
    dataset = Dataset(PixelRepresentation=1 if first < 0 else 0, PhotometricInterpretation="PALETTE COLOR")
    for color, table in zip(("Red", "Green", "Blue", "Alpha"), tables, strict=False):
        if color != "Alpha":
            tag = {"Red": 0x00281101, "Green": 0x00281102, "Blue": 0x00281103}[color]
            dataset.add_new(tag, "SS" if first < 0 else "US", [entries, first, bits])
        setattr(dataset, f"{'Segmented' if segmented else ''}{color}PaletteColorLookupTableData", table)
    return decode(encode(dataset, LITTLE), LITTLE)


@pytest.mark.parametrize("syntax", [LITTLE, BIG], ids=["little", "big"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("first", [0, 3, -2])
def test_values_outside_take_the_colours_at_the_ends(first: int, bits: int, syntax: TransferSyntax) -> None:
    rows = np.random.default_rng(4).integers(0, 1 << bits, (6, 3)).astype(f"u{bits // 8}")
    dataset = palette(6, first, bits, [rows[:, n].tobytes() for n in range(3)])
    dataset = decode(encode(dataset, syntax), syntax)
    values = np.arange(-5, 12, dtype=np.int16) if first < 0 else np.arange(12, dtype=np.uint8)
    expected = [rows[min(max(int(value) - first, 0), 5)].tolist() for value in values]
    assert apply_palette(values, dataset).tolist() == expected
    assert palette_of(dataset).covers(values).tolist() == [int(value) >= first for value in values]


def test_entries_of_eight_bits_in_words_of_sixteen() -> None:
    rows = np.array([[10, 20, 30], [11, 21, 31]], "u2")
    dataset = palette(2, 0, 8, [rows[:, n].tobytes() for n in range(3)])
    found = apply_palette(np.array([1, 0], np.uint8), dataset)
    assert found.dtype == np.dtype(np.uint8)
    assert found.tolist() == [[11, 21, 31], [10, 20, 30]]


def words(*numbers: int) -> bytes:
    return np.array(numbers, "<u2").tobytes()


# three values; four on a line to 400; the first segment again, by its offset in bytes; a line of two to 0
SEGMENTS = (0, 3, 100, 200, 0, 1, 4, 400, 2, 1, 0, 0, 1, 2, 0)
TABLE = [100, 200, 0, 100, 200, 300, 400, 100, 200, 0, 0, 0]


def test_segments_are_expanded() -> None:
    for bits in (8, 16):
        numbers = [one // 2 if bits == 8 else one for one in SEGMENTS]
        if bits == 8:  # opcodes and lengths are what they are
            for at in (0, 1, 5, 6, 8, 9, 12, 13):
                numbers[at] = SEGMENTS[at]
            numbers[12:12] = [0, 0]  # an offset has four bytes
        data = bytes(numbers) + b"\0" * (len(numbers) % 2) if bits == 8 else words(*numbers)
        dataset = palette(12, 0, bits, [data] * 3, segmented=True)
        expected = [one // 2 for one in TABLE] if bits == 8 else TABLE
        assert palette_of(dataset).table[:, 1].tolist() == expected


def test_an_indirect_segment_begins_where_its_offset_in_bytes_says() -> None:
    """PS3.3 C.7.9.2.3 counts bytes; pydicom counts words where entries have 16 bits."""
    segments = words(0, 2, 7, 9, 0, 1, 5, 2, 1, 8, 0)
    assert palette_of(palette(4, 0, 16, [segments] * 3, segmented=True)).table[:, 0].tolist() == [7, 9, 5, 5]


@pytest.mark.parametrize(
    "segments",
    [
        (1, 4, 9),
        (3, 1, 0),
        (0, 5, 1, 2),
        (0, 0),
        (0, 2, 1, 2, 2, 1, 8, 0),
        (0, 2, 1, 2, 2, 1, 400, 9),
        (0, 9, *range(9)),
    ],
    ids=["line first", "opcode", "cut", "nothing", "to itself", "outside", "too many"],
)
def test_segments_that_are_wrong(segments: tuple[int, ...]) -> None:
    with pytest.raises(DecodeError) as caught:
        palette_of(palette(8, 0, 16, [words(*segments)] * 3, segmented=True))
    assert caught.value.tag == 0x00281221


def test_palettes_that_are_wrong() -> None:
    good = palette(2, 0, 8, [b"\1\2"] * 3)
    for keyword, value, tag in (
        ("RedPaletteColorLookupTableDescriptor", None, 0x00281101),
        ("RedPaletteColorLookupTableDescriptor", [2, 0], 0x00281101),
        ("RedPaletteColorLookupTableDescriptor", [2, 0, 12], 0x00281101),
        ("GreenPaletteColorLookupTableDescriptor", [2, 1, 8], 0x00281102),
        ("BluePaletteColorLookupTableData", None, 0x00281203),
        ("BluePaletteColorLookupTableData", b"", 0x00281203),
        ("BluePaletteColorLookupTableData", words(1, 2), 0x00281201),
    ):
        dataset = good.copy()
        if value is None:
            delattr(dataset, keyword)
        elif isinstance(value, list):
            dataset.add_new(tag, "US", value)
        else:
            setattr(dataset, keyword, value)
        with pytest.raises(DecodeError) as caught:
            palette_of(dataset)
        assert caught.value.tag == tag


def test_a_frame_in_rgb() -> None:
    facts: dict[str, Any] = {"Rows": 1, "Columns": 2, "BitsAllocated": 8, "BitsStored": 8, "PixelRepresentation": 0}
    full = Dataset(SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="YBR_FULL", **facts)
    full.PixelData = bytes([76, 85, 255, 29, 255, 107])
    assert PixelReader(full).rgb(0).tolist() == [[[254, 0, 0], [0, 0, 254]]]
    gray = Dataset(SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", PixelData=b"\0\1", **facts)
    with pytest.raises(DecodeError, match="MONOCHROME2"):
        PixelReader(gray).rgb(0)


# ---- overlays -------------------------------------------------------------------------------------------------------


def overlay(data: bytes | None, group: int = 0x6000, **more: Any) -> Dataset:
    base, dataset = group << 16, Dataset()
    facts = {0x0010: ("US", 5), 0x0011: ("US", 7), 0x0040: ("CS", "G"), 0x0050: ("SS", [1, 1]), 0x0100: ("US", 1)}
    for element, (vr, value) in {**facts, **{int(key[1:], 16): value for key, value in more.items()}}.items():
        dataset.add_new(base | element, vr, value)
    if data is not None:
        dataset.add_new(base | 0x3000, "OW", data)
    return dataset


@pytest.mark.parametrize("syntax", [LITTLE, BIG], ids=["little", "big"])
@pytest.mark.parametrize("group", [0x6000, 0x601E])
def test_overlays_with_data_of_their_own(group: int, syntax: TransferSyntax) -> None:
    data = np.random.default_rng(5).bytes(14)
    dataset = decode(encode(overlay(data, group, x0015=("IS", 3), x0051=("US", 4)), LITTLE), LITTLE)
    dataset = decode(encode(dataset, syntax), syntax)
    expected = np.array(bits_of(data, 0, 105)).reshape(3, 5, 7)
    assert overlay_groups(dataset) == (group,)
    assert np.array_equal(overlay_array(dataset, group), expected)
    assert np.array_equal(overlay_array(dataset, group, 2), expected[2])
    found = overlay_of(dataset, group)
    assert (found.number_of_frames, found.first_frame, found.kind, found.bit) == (3, 3, "G", None)
    with pytest.raises(IndexError):
        overlay_array(dataset, group, 3)


@pytest.mark.parametrize("way", ["little", "big", "RLE"])
def test_overlays_in_the_pixels(way: str) -> None:
    cells = np.random.default_rng(6).integers(0, 1 << 16, (2, 5, 7)).astype(np.uint16)
    dataset = overlay(None, 0x6002, x0100=("US", 16), x0102=("US", 13), x0015=("IS", 2))
    dataset.update({"Rows": 5, "Columns": 7, "NumberOfFrames": 2, "SamplesPerPixel": 1, "PixelRepresentation": 0})
    dataset.update({"PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11})
    if way == "RLE":
        format, syntax = PixelFormat(5, 7), TransferSyntax.RLE_LOSSLESS
        set_frames(dataset, [encode_frame(frame, syntax, format) for frame in cells], syntax)
    else:
        dataset.add_new(0x7FE00010, "OW", cells.tobytes())
        dataset = decode(encode(dataset, LITTLE), LITTLE)
    if way == "big":
        dataset = decode(encode(dataset, BIG), BIG)
    assert np.array_equal(overlay_array(dataset, 0x6002), cells >> 13 & 1)
    assert np.array_equal(overlay_array(dataset, 0x6002, 1), cells[1] >> 13 & 1)
    assert np.array_equal(dataset.pixel_array, cells & 0xFFF)


def test_overlays_that_are_wrong() -> None:
    with pytest.raises(ValueError, match="6001"):
        overlay_array(Dataset(), 0x6001)
    for dataset, tag, error in (
        (Dataset(), 0x60000010, DecodeError),
        (overlay(None), 0x60003000, DecodeError),
        (overlay(None, x0100=("US", 16)), 0x60000102, DecodeError),
        (overlay(bytes(4)), 0x60003000, TruncatedError),
        (overlay(bytes(14), x0010=("US", 65535), x0015=("IS", 2_000_000_000)), 0x60003000, TruncatedError),
        (overlay(bytes(14), x0050=("SS", [1, 1, 1])), 0x60000050, DecodeError),
    ):
        with pytest.raises(error) as caught:
            overlay_array(dataset)
        assert caught.value.tag == tag


# ---- profiles -------------------------------------------------------------------------------------------------------


def test_a_profile_is_kept_as_it_is() -> None:
    profile = (131).to_bytes(4, "big") + bytes(range(127))
    path = Dataset()
    path.add_new(0x00282000, "OB", profile + b"\0")
    slide = Dataset(OpticalPathSequence=[Dataset(), path])
    assert icc_profile(path) == icc_profile(slide, 1) == profile
    assert icc_profile(slide) is icc_profile(slide, 2) is icc_profile(Dataset()) is None
    path.add_new(0x00282000, "OB", profile[:100])
    with pytest.raises(DecodeError):
        icc_profile(path)
