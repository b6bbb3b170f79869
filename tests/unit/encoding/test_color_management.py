"""ICC profiles: colours become sRGB by them, and they go where the pixels go (PS3.3 C.11.15)."""

from __future__ import annotations

import io
from struct import pack

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from pacskit import Dataset, DecodeError, dcmread
from pacskit.images import ExportOptions, to_image
from pacskit.pixels import apply_icc_profile, icc_profile, palette_of, render
from tests.interop.files import wheel_file

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# the colorants of sRGB adapted to D50 (ICC.1 annex E; IEC 61966-2-1)
COLORANTS = {b"rXYZ": (0.4360, 0.2225, 0.0139), b"gXYZ": (0.3851, 0.7169, 0.0971), b"bXYZ": (0.1431, 0.0606, 0.7141)}


def matrix_profile(gamma: float, space: bytes = b"RGB ") -> bytes:
    """A profile of version 2 with the colorants of sRGB and a gamma of its own (ICC.1:2001-04)."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(pack(">i", round(value * 65536)) for value in values)

    tags = {name: xyz(*values) for name, values in COLORANTS.items()}
    curve = b"curv\0\0\0\0" + pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve, b"wtpt": xyz(0.9642, 1.0, 0.8249)}
    tags[b"cprt"] = b"text\0\0\0\0none\0\0\0\0"
    tags[b"desc"] = b"desc\0\0\0\0" + pack(">I", 2) + b"x\0" + bytes(78)
    table, data, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + pack(">II", at + len(data), len(value))
        data += value
    body = pack(">I", len(tags)) + table + data
    head = pack(">I4sI4s4s4s12x4s", 128 + len(body), b"lcms", 0x02400000, b"mntr", space, b"XYZ ", b"acsp")
    head += bytes(68 - len(head)) + pack(">iii", round(0.9642 * 65536), 65536, round(0.8249 * 65536))
    return head.ljust(128, b"\0") + body


def encoded(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """The transfer function of sRGB (IEC 61966-2-1)."""
    found = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(255 * found, np.float64)


def colors() -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (40, 50, 3)).astype(np.uint8)


def slide(pixels: NDArray[np.uint8], profile: bytes | None) -> Dataset:
    ds = Dataset(
        Rows=pixels.shape[0], Columns=pixels.shape[1], SamplesPerPixel=3, BitsAllocated=8, BitsStored=8, HighBit=7,
        PixelRepresentation=0, PlanarConfiguration=0, PhotometricInterpretation="RGB",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SOPInstanceUID="1.2.3",
    )  # fmt: skip
    ds.add_new("PixelData", "OB", pixels.tobytes())
    if profile is not None:
        ds.add_new("ICCProfile", "OB", profile)
    return ds


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_colors_become_those_of_the_formula(gamma: float) -> None:
    pixels = colors()
    wanted = encoded((pixels / 255.0) ** gamma)
    found = apply_icc_profile(pixels, matrix_profile(gamma))
    assert np.abs(found - wanted).max() <= 2  # fixed point
    ds = slide(pixels, matrix_profile(gamma))
    assert np.array_equal(render(ds, icc=True), found)
    assert np.array_equal(render(ds), pixels)
    assert np.array_equal(render(slide(pixels, None), icc=True), pixels)
    assert np.abs(apply_icc_profile(pixels, SRGB).astype(int) - pixels).max() <= 1


@pytest.mark.parametrize("format", ["png", "jpeg", "tiff"])
def test_files_have_the_profile_or_its_colors(format: str) -> None:
    profile = matrix_profile(1.0)
    ds = slide(np.kron(colors()[:8, :8], np.ones((8, 8, 1), np.uint8)), profile)
    with Image.open(io.BytesIO(to_image(ds, 0, ExportOptions(format=format)))) as kept:  # type: ignore[arg-type]
        assert kept.info["icc_profile"].rstrip(b"\0") == profile.rstrip(b"\0")
    options = ExportOptions(format=format, srgb=True, quality=100)  # type: ignore[arg-type]
    with Image.open(io.BytesIO(to_image(ds, 0, options))) as made:
        assert "icc_profile" not in made.info
        difference = np.abs(np.asarray(made).astype(int) - render(ds, icc=True))
    assert difference.max() <= (4 if format == "jpeg" else 0)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"])
def test_transcoding_keeps_the_profile(syntax: str) -> None:
    profile = matrix_profile(2.2)
    made = slide(colors(), profile).transcode(syntax)
    assert icc_profile(made) == profile


def test_presentation_states_have_the_word() -> None:
    """The profile of a colour presentation state goes before that of the image (PS3.3 A.33.2)."""
    pixels = colors()
    ds = slide(pixels, matrix_profile(2.2))
    series = Dataset(ReferencedImageSequence=[Dataset(ReferencedSOPInstanceUID="1.2.3")])
    state = Dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.11.2", ReferencedSeriesSequence=[series])
    assert np.array_equal(render(ds, presentation_state=state), pixels)
    assert np.array_equal(render(ds, presentation_state=state, icc=True), render(ds, icc=True))
    state.add_new("ICCProfile", "OB", matrix_profile(1.0))
    by_state = apply_icc_profile(pixels, matrix_profile(1.0))
    assert np.array_equal(render(ds, presentation_state=state, icc=True), by_state)


@pytest.mark.parametrize(
    "profile", [b"", bytes(200), matrix_profile(1.0, b"GRAY"), matrix_profile(1.0)[:140], SRGB[:128] + b"\xff" * 400]
)
def test_what_is_no_profile(profile: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        apply_icc_profile(colors(), profile)
    assert caught.value.tag == 0x00282000


def test_what_it_is_not_for() -> None:
    with pytest.raises(ValueError, match="RGB of 8 bits"):
        apply_icc_profile(np.zeros((4, 4), np.uint8), SRGB)
    with pytest.raises(ValueError, match="an intent is one of"):
        apply_icc_profile(colors(), SRGB, intent="bright")  # type: ignore[arg-type]
    gray = dcmread(wheel_file("CT_small.dcm"))
    assert np.array_equal(render(gray, icc=True), render(gray))


def test_a_palette_that_is_only_named_says_so() -> None:
    """The tables of PS3.6 annex B are objects of their own, which a data set may name without having them."""
    with pytest.raises(DecodeError, match=r"only named \(Hot Iron Color Palette SOP Instance\)"):
        palette_of(Dataset(PaletteColorLookupTableUID="1.2.840.10008.1.5.1"))
