"""Headers that lie about pixels: an array, or an error with the tag, and no more memory than the file accounts for."""

from __future__ import annotations

import tracemalloc
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit import Dataset, DecodeError, PacsError, TransferSyntax
from pacskit.core.dictionary import tag_for, vr_for
from pacskit.encoding import dcmread
from pacskit.encoding.codecs import PixelFormat, encode_frame
from pacskit.encoding.frames import set_frames
from pacskit.encoding.pixels import PixelReader, apply_palette, overlay_array, overlay_groups, pixel_diagnostics
from tests.foreign import wheel_files

NUMBERS = st.one_of(st.sampled_from([0, 1, 2, 3, 7, 8, 12, 15, 16, 32, 64, 255, 65535]), st.integers(0, 65535))
DESCRIBED = {
    "Rows": NUMBERS, "Columns": NUMBERS, "SamplesPerPixel": st.integers(0, 5), "BitsAllocated": NUMBERS,
    "BitsStored": NUMBERS, "HighBit": NUMBERS, "PixelRepresentation": st.integers(0, 2),
    "PlanarConfiguration": st.integers(0, 2), "NumberOfFrames": st.integers(-3, 2**31 - 1),
    "PhotometricInterpretation": st.sampled_from(
        ["MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422", "PALETTE COLOR", "ARGB", "", "X"]
    ),
    "RedPaletteColorLookupTableDescriptor": st.lists(NUMBERS, max_size=4),
}  # fmt: skip


@cache
def seeds() -> list[Dataset]:
    names = ("CT_small.dcm", "SC_rgb_small_odd.dcm", "SC_rgb_rle_2frame.dcm", "SC_ybr_full_422_uncompressed.dcm",
             "liver_1frame.dcm", "examples_palette.dcm", "examples_overlay.dcm", "rtdose_rle.dcm", "JPEG2000.dcm",
             "emri_small_jpeg_ls_lossless.dcm", "JPEG-LL.dcm")  # fmt: skip
    return [dcmread(path) for path in wheel_files() if path.name in names]


@st.composite
def lies(draw: st.DrawFn) -> Dataset:
    dataset = draw(st.sampled_from(seeds())).copy()
    for keyword in draw(st.lists(st.sampled_from(sorted(DESCRIBED)), min_size=1, max_size=3, unique=True)):
        value: Any = draw(DESCRIBED[keyword])
        tag = tag_for(keyword)
        assert tag is not None
        vr = "US" if vr_for(tag) == "xs" else vr_for(tag)
        dataset.add_new(tag, "US" if "Descriptor" in keyword else vr, value)
    return dataset


def use(dataset: Dataset) -> None:
    pixels = dataset.pixel_array
    assert pixels.size > 0
    assert np.array_equal(next(dataset.frames([0])), pixels[0] if PixelReader(dataset).number_of_frames > 1 else pixels)
    pixel_diagnostics(dataset)
    for group in overlay_groups(dataset):
        overlay_array(dataset, group)
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        apply_palette(pixels, dataset)


@given(lies())
def test_a_header_that_lies_gives_pixels_or_a_typed_error(dataset: Dataset) -> None:
    caught: PacsError | None = None
    try:
        use(dataset)
    except PacsError as error:
        caught = error
    assert not isinstance(caught, DecodeError) or caught.tag is not None or caught.offset is not None


@pytest.mark.parametrize("syntax", [None, TransferSyntax.RLE_LOSSLESS, TransferSyntax.JPEG_2000_LOSSLESS], ids=str)
@pytest.mark.parametrize("claim", [{"Rows": 65535, "Columns": 65535}, {"NumberOfFrames": 2**31 - 1}], ids=str)
def test_no_room_is_made_for_a_claim(claim: dict[str, int], syntax: TransferSyntax | None) -> None:
    dataset = Dataset(
        Rows=8, Columns=8, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=16, BitsStored=16,
        HighBit=15, PixelRepresentation=0,
    )  # fmt: skip
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
    if syntax is None:
        dataset.PixelData = pixels.tobytes()
    else:
        set_frames(dataset, [encode_frame(pixels, syntax, PixelFormat(8, 8))], syntax)
    dataset.update(claim)
    tracemalloc.start()  # which numpy tells of its arrays
    try:
        for ask in (lambda: dataset.pixel_array, lambda: list(dataset.frames())):
            with pytest.raises(DecodeError):
                ask()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
