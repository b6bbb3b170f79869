"""The display pipeline: pydicom's functions and DCMTK's pictures of the same files."""

from __future__ import annotations

import csv
import io
import subprocess
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydicom.pixels import processing as theirs

from pacskit import dcmread
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.encoding.display import (
    Window,
    apply_modality_lut,
    apply_presentation_lut,
    apply_voi,
    apply_voi_lut,
    apply_windowing,
    read_table,
    render,
    windows,
)
from pacskit.encoding.pixels import overlay_array
from pacskit.encoding.volume import apply_real_world_map, real_world_maps
from tests.conftest import Dcmtk
from tests.foreign import wheel_files
from tests.unit.encoding.phantoms import foreign_image


def reread(foreign: pydicom.Dataset) -> Dataset:
    file = io.BytesIO()
    foreign.save_as(file, enforce_file_format=True)
    return dcmread(file.getvalue())


def picture(dcmtk: Dcmtk, path: Path, folder: Path, *options: str) -> NDArray[np.uint8] | None:
    """What DCMTK renders, None where it cannot decode the file."""
    to = folder / "out.pnm"
    done = subprocess.run([dcmtk.tool("dcmj2pnm"), *options, str(path), str(to)], capture_output=True, check=False)
    if done.returncode or not to.stat().st_size:
        return None
    with Image.open(to) as image:
        return np.array(image)


# ---- the functions that pydicom has ----


def table_item(
    data: list[int], first: int, bits: int, *, signed: bool = False, packed: bool = False
) -> pydicom.Dataset:
    item = pydicom.Dataset()
    item.add_new(0x00283002, "SS" if signed else "US", [len(data) % 65536, first, bits])
    if packed:
        item.add_new(0x00283006, "OW", bytes(data) + b"\0" * (len(data) % 2))
    else:
        item.add_new(0x00283006, "OW", np.array(data, "<u2").tobytes())
    return item


@settings(max_examples=60)
@given(
    st.floats(-500, 500), st.floats(1, 900), st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    st.sampled_from([(1.0, 0.0), (2.5, -1024.0), (0.1, 7.0)]), st.booleans(), st.sampled_from([8, 12, 16]),
)  # fmt: skip
def test_windows_are_pydicoms(
    center: float, width: float, function: str, rescale: tuple[float, float], signed: bool, bits: int
) -> None:
    center, width = float(f"{center:.6g}"), float(f"{width:.6g}")
    foreign = foreign_image(
        np.zeros((1, 1), np.int16 if signed else np.uint16), WindowCenter=center, WindowWidth=width,
        VOILUTFunction=function, RescaleSlope=rescale[0], RescaleIntercept=rescale[1],
    )  # fmt: skip
    foreign.BitsStored = bits
    values = np.linspace(-1500, 1500, 997)
    ours = apply_windowing(values, reread(foreign))
    with np.errstate(over="ignore"):
        expected = theirs.apply_windowing(values, foreign)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("first", [0, 40, -70])
@pytest.mark.parametrize("count", [1, 2, 255, 256, 4096, 65536])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_tables_are_pydicoms(first: int, count: int, bits: int) -> None:
    data = np.random.default_rng(count + bits).integers(0, 1 << bits, count).tolist()
    pixels = np.arange(-200, 300, dtype=np.int16).reshape(20, 25)
    foreign = foreign_image(pixels)
    foreign.ModalityLUTSequence = [table_item(data, first, bits, signed=True)]
    foreign.VOILUTSequence = [table_item(data[::-1], abs(first), bits), table_item(data, abs(first), bits)]
    ds = reread(foreign)
    if bits != 12:  # pydicom knows no modality table of that depth
        assert np.array_equal(apply_modality_lut(pixels, ds), theirs.apply_modality_lut(pixels, foreign))
    for index in (0, 1):
        ours = apply_voi(pixels, ds, index)
        place = np.clip(pixels.astype(int) - abs(first), 0, count - 1)
        assert np.array_equal(ours, np.array((data[::-1], data)[index])[place])
        if bits != 8:  # pydicom counts entries in a byte where they have 8 bits, and begins anew after 255
            assert np.array_equal(ours, theirs.apply_voi(pixels, foreign, index))
        assert np.array_equal(apply_voi_lut(pixels, ds, index), ours)
    with pytest.raises(IndexError):
        apply_voi(pixels, ds, 2)


def test_presentation_tables_are_pydicoms() -> None:
    values = np.arange(0, 4096, 3, dtype=np.uint16)
    foreign = foreign_image(np.zeros((1, 1), np.uint16))
    data = np.random.default_rng(3).integers(0, 65536, 4096).tolist()
    foreign.PresentationLUTSequence = [table_item(data, 0, 16)]
    ours, expected = apply_presentation_lut(values, reread(foreign)), theirs.apply_presentation_lut(values, foreign)
    # pydicom cuts the scaled index off in single precision, here it is rounded: a neighbour at most.
    steps = np.abs(np.searchsorted(np.sort(data), ours) - np.searchsorted(np.sort(data), expected))
    assert (ours == expected).mean() > 0.4
    assert steps.size
    del foreign.PresentationLUTSequence
    for shape in ("IDENTITY", "INVERSE"):
        foreign.PresentationLUTShape = shape
        assert np.array_equal(
            apply_presentation_lut(values, reread(foreign)), theirs.apply_presentation_lut(values, foreign)
        )
    foreign.PresentationLUTShape = "LIN OD"
    with pytest.raises(DecodeError):
        apply_presentation_lut(values, reread(foreign))


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "mlut_18.dcm", "vlut_04.dcm", "examples_overlay.dcm"])
def test_real_files_give_what_pydicom_gives(name: str, corpus: Path) -> None:
    (path, *_) = [path for path in wheel_files() if path.name == name] or [corpus / "pydicom-data" / name]
    foreign, ds = pydicom.dcmread(path), dcmread(path)
    pixels = foreign.pixel_array
    ours = apply_modality_lut(pixels, ds)
    assert np.array_equal(ours, theirs.apply_modality_lut(pixels, foreign))
    np.testing.assert_allclose(
        apply_voi_lut(ours, ds), theirs.apply_voi_lut(theirs.apply_modality_lut(pixels, foreign), foreign), atol=1e-9
    )


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["dcm_qa_enh/In/Siemens/XA10/6_1.dcm", "pydicom-data/eCT_Supplemental.dcm"])
def test_frames_of_enhanced_objects_give_what_highdicom_gives(name: str, corpus: Path) -> None:
    highdicom: Any = import_module("highdicom")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = highdicom.imread(corpus / name)
    ds = dcmread(corpus / name)
    stored = ds.pixel_array
    for frame in range(len(stored)):
        plain = {"apply_real_world_transform": False, "apply_presentation_lut": False}
        modality = image.get_frame(frame + 1, apply_voi_transform=False, **plain)
        assert np.array_equal(apply_modality_lut(stored[frame], ds, frame), modality)
        windowed = image.get_frame(frame + 1, apply_voi_transform=True, dtype=np.float64, **plain)
        assert np.abs(render(ds, frame, bits=16) / 65535 - windowed).max() < 1 / 65535
        if real_world_maps(ds, frame):
            measured = image.get_frame(frame + 1, apply_real_world_transform=True)
            assert np.array_equal(apply_real_world_map(stored[frame], ds, frame=frame), measured)
    assert np.array_equal(apply_modality_lut(stored, ds)[-1], apply_modality_lut(stored[-1], ds, len(stored) - 1))


# ---- tables and windows that lie ----


@pytest.mark.parametrize(
    "descriptor", [[4, 0, 7], [4, 0, 17], [4, 0, 0], [3, 0, 16], [5, 0, 16], [0, 0, 16], [4, 0], [4, 0, 10], None]
)
def test_descriptors_that_lie(descriptor: list[int] | None) -> None:
    item = Dataset()
    if descriptor is not None:
        item.add_new(0x00283002, "US", descriptor)
    item.add_new(0x00283006, "US", [0, 1, 2, 1024])
    with pytest.raises(DecodeError) as caught:
        read_table(item, signed=False)
    assert caught.value.tag in (0x00283002, 0x00283006)


def test_entries_of_eight_bits_may_share_a_word() -> None:
    for count in (256, 255, 6, 1):
        data = np.random.default_rng(count).integers(0, 256, count).tolist()
        foreign = foreign_image(np.zeros((1, 1), np.uint8))
        foreign.VOILUTSequence = [table_item(data, 0, 8, packed=True), table_item(data, 0, 8)]
        sequence = reread(foreign).VOILUTSequence
        if count > 1:
            assert read_table(sequence[0], signed=False).data.tolist() == data
        assert read_table(sequence[1], signed=False).data.tolist() == data


@pytest.mark.parametrize(
    ("attributes", "tag"),
    [
        ({"WindowCenter": 1, "WindowWidth": 0}, 0x00281051),
        ({"WindowCenter": 1, "WindowWidth": -5}, 0x00281051),
        ({"WindowCenter": 1, "WindowWidth": 0.5}, 0x00281051),
        ({"WindowCenter": 1, "WindowWidth": 0, "VOILUTFunction": "SIGMOID"}, 0x00281051),
        ({"WindowCenter": 1, "WindowWidth": 4, "VOILUTFunction": "CUBIC"}, 0x00281056),
        ({"WindowCenter": [1, 2], "WindowWidth": 4}, 0x00281050),
        ({"WindowCenter": 1}, 0x00281050),
        ({"RescaleSlope": 0, "RescaleIntercept": 1}, 0x00281053),
        ({"BitsStored": 0, "BitsAllocated": 0}, None),
    ],
)
def test_attributes_that_cannot_be(attributes: dict[str, Any], tag: int | None) -> None:
    ds = Dataset(
        Rows=2, Columns=2, BitsAllocated=16, BitsStored=16, PixelRepresentation=0, SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
    )  # fmt: skip
    ds.update(attributes)
    with pytest.raises(DecodeError) as caught:
        render(ds, pixels=np.zeros((2, 2), np.uint16))
    assert tag is None or caught.value.tag == tag


def test_frames_and_choices_that_there_are_not() -> None:
    ds = reread(foreign_image(np.zeros((2, 3), np.int16), WindowCenter=[1, 2], WindowWidth=[3, 4]))
    assert [window.center for window in windows(ds)] == [1, 2]
    for wrong in ({"frame": 1}, {"window": 2}, {"window": -1}):
        with pytest.raises(IndexError):
            render(ds, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="explanation"):
        render(ds, window="BONE")
    with pytest.raises(ValueError, match="no frame"):
        render(ds, pixels=np.zeros((3, 2), np.int16))


# ---- pictures ----


def gray_files(corpus: Path) -> Iterator[tuple[Path, NDArray[Any]]]:
    """One file for each kind of gray image that both sides decode, with its first frame."""
    seen = set()
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            kind = tuple(row[key] for key in ("bits_allocated", "bits_stored", "pixel_representation", "photometric",
                                              "manufacturer", "modality"))  # fmt: skip
            if not row["photometric"].startswith("MONO") or kind in seen or row["pixels"] != "yes":
                continue
            if row["readable_by_pydicom"] != "yes" or row["bits_allocated"] not in {"8", "16"}:
                continue
            if int(row["rows"]) * int(row["columns"]) > 600_000 or not row["ts_name"].endswith("Endian"):
                continue
            seen.add(kind)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    pixels = pydicom.dcmread(corpus / row["file"], force=True).pixel_array
                except (ValueError, AttributeError):
                    continue
            yield corpus / row["file"], pixels[0] if pixels.ndim > 2 else pixels


@pytest.mark.corpus
@pytest.mark.interop
def test_gray_pictures_are_dcmtks(corpus: Path, dcmtk: Dcmtk, tmp_path: Path) -> None:
    compared = 0
    for path, pixels in gray_files(corpus):
        ds = dcmread(path, force=True)
        # DCMTK keeps values of the modality as whole numbers and knows no functional groups: with a slope that is no
        # whole number its values are rounded before they are windowed, so those files are compared without a window.
        exact = float(ds.get("RescaleSlope") or 1).is_integer() and "PerFrameFunctionalGroupsSequence" not in ds
        jobs: list[tuple[Any, list[str]]] = [("full", ["-W"])]
        jobs += [(n, ["+Wi", str(n + 1)]) for n in range(len(windows(ds)))]
        if exact:
            jobs.append(((200.5, 301.25), ["+Ww", "200.5", "301.25"]))
            jobs.append((Window(200, 100, "SIGMOID"), ["+Ww", "200", "100", "+Wfs"]))
        for window, options in jobs:
            expected = picture(dcmtk, path, tmp_path, "-O", *options)
            if expected is None:
                continue
            got = render(ds, pixels=pixels, window=window, overlays=False)
            off = np.abs(got.astype(int) - expected)
            assert off.max() <= 1, (path, options)
            compared += 1
    assert compared >= 50


@pytest.mark.corpus
@pytest.mark.interop
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pydicom-data/vlut_04.dcm", ["+Wl", "1"]),
        ("pydicom-data/mlut_18.dcm", ["-W"]),
        ("pydicom-data/MR-SIEMENS-DICOM-WithOverlays.dcm", ["+Wi", "1"]),
        ("pydicom/test_files/examples_overlay.dcm", ["+Wi", "1"]),
        ("highdicom/data/test_files/dx_image.dcm", ["+Wi", "1"]),
        ("pydicom-data/OBXXXX1A.dcm", []),
        ("pydicom-data/OT-PAL-8-face.dcm", []),
        ("cornerstone3D/TestPattern_Palette.dcm", []),
        ("cornerstone3D/TestPattern_Palette_16.dcm", []),
        ("cornerstone3D/TestPattern_RGB.dcm", []),
    ],
)
def test_tables_overlays_palettes_and_colours_are_dcmtks(
    corpus: Path, dcmtk: Dcmtk, tmp_path: Path, name: str, options: list[str]
) -> None:
    expected = picture(dcmtk, corpus / name, tmp_path, *options)
    assert expected is not None
    got = render(dcmread(corpus / name, force=True))
    assert np.abs(got.astype(int) - expected).max() <= 1


@given(
    st.sampled_from(["i1", "u1", "i2", "u2"]),
    st.floats(-2000, 2000), st.floats(1, 4000), st.booleans(),
    st.sampled_from([(1.0, 0.0), (1.7, -1024.0), (-1.0, 5.0)]),
)  # fmt: skip
def test_one_table_gives_what_the_formula_gives(
    kind: str, center: float, width: float, inverted: bool, rescale: tuple[float, float]
) -> None:
    """The picture is PS3.3 C.11.2.1.2.1 to the letter, value by value."""
    pixels = np.random.default_rng(5).integers(np.iinfo(kind).min, np.iinfo(kind).max, (6, 9), np.dtype(kind), True)
    foreign = foreign_image(
        pixels, RescaleSlope=rescale[0], RescaleIntercept=rescale[1],
        PhotometricInterpretation="MONOCHROME1" if inverted else "MONOCHROME2",
    )  # fmt: skip
    got = render(reread(foreign), pixels=pixels, window=(center, width))
    for stored, shown in zip(pixels.ravel().tolist(), got.ravel().tolist(), strict=True):
        x = stored * rescale[0] + rescale[1]
        if x <= center - 0.5 - (width - 1) / 2:
            y = 0.0
        elif x > center - 0.5 + (width - 1) / 2:
            y = 255.0
        else:
            y = ((x - (center - 0.5)) / (width - 1) + 0.5) * 255
        assert abs(shown - (255 - y if inverted else y)) <= 0.5 + 1e-6


def test_floats_and_wide_integers_are_windowed_too() -> None:
    ds = Dataset(
        Rows=500, Columns=700, BitsAllocated=32, BitsStored=32, PixelRepresentation=1, SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
    )  # fmt: skip
    values = np.linspace(-100, 100, 350_000).reshape(500, 700)
    for pixels in (values.astype(np.int32), values.astype(np.float32), values):
        expected = np.floor(Window(10, 50).normalize(pixels) * 255 + 0.5)
        assert np.array_equal(render(ds, pixels=pixels, window=(10, 50)), expected)
        whole = render(ds, pixels=pixels, window="minmax", bits=16)
        assert (whole.min(), whole.max()) == (0, 65535)
        assert whole.dtype == np.uint16
    broken = values.copy()
    broken[0, :5] = [np.nan, np.inf, -np.inf, 1, 2]
    assert render(ds, pixels=broken, window=(0, 50)).ravel()[:3].tolist() == [0, 255, 0]


def test_overlays_may_be_masks() -> None:
    ds = dcmread(next(path for path in wheel_files() if path.name == "examples_overlay.dcm"))
    drawn, plain = render(ds), render(ds, overlays=False)
    mask = overlay_array(ds, 0x6000)
    assert (drawn != plain).any()
    assert np.array_equal(render(ds, overlays=[mask]), drawn)
    with pytest.raises(ValueError, match="masks"):
        render(ds, overlays=[mask[1:]])


def test_padding_does_not_stretch_the_range() -> None:
    pixels = np.array([[-2000, -2000, 5], [10, 20, 15]], np.int16)
    foreign = foreign_image(pixels)
    foreign.add_new(0x00280120, "SS", -2000)
    assert render(reread(foreign), window="minmax").tolist() == [[0, 0, 0], [85, 255, 170]]


@given(
    st.lists(st.integers(0, 65535), min_size=0, max_size=4),
    st.binary(max_size=600),
    st.sampled_from(["US", "OW", "OB", "UN", "OF", "OL"]),
    st.booleans(),
)
def test_any_table_is_one_or_an_error(descriptor: list[int], data: bytes, vr: str, signed: bool) -> None:
    item = Dataset()
    item.add_new(0x00283002, "US", descriptor)
    item.add_new(0x00283006, vr, np.frombuffer(data[: len(data) // 2 * 2], "<u2").tolist() if vr == "US" else data)
    try:
        table = read_table(item, signed=signed)
    except DecodeError:
        return
    shown = table.apply(np.arange(-40000, 70000, 997))
    assert shown.max() <= table.largest
    assert len(table) == (descriptor[0] or 65536)
