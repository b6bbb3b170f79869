"""Every file's pixels are pydicom's; where they are not, the tables say who is right and why."""

from __future__ import annotations

import csv
import io
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_color_lut

from pacskit import Dataset, DecodeError, TransferSyntax
from pacskit.core.errors import PacsError
from pacskit.encoding import dcmopen, dcmread, dcmwrite
from pacskit.encoding.codecs import PixelFormat, encode_frame
from pacskit.encoding.frames import FrameIndex
from pacskit.encoding.pixels import apply_palette, overlay_array, overlay_groups
from tests.conftest import Dcmtk
from tests.foreign import wheel_files

KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
BIG = TransferSyntax.EXPLICIT_VR_BIG_ENDIAN
EXTENDED = TransferSyntax.JPEG_EXTENDED
Array = NDArray[Any]

# Files whose pixels nobody decodes, and what is wrong with them.
DAMAGED = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "more than 65535 tiles",  # a delimiter was written into its header
    "MR_truncated.dcm": "the source ends inside an element",
    "badVR.dcm": "is not an integer string",  # 1A frames
    "meta_missing_tsyntax.dcm": "SamplesPerPixel is missing",
    "nested_priv_SQ.dcm": "SamplesPerPixel is missing",
}

# Files that pydicom decodes to something else, with the share of other samples and the largest difference allowed.
DIFFERENT = {
    # OW has words of two bytes: a cell of 32 bits is two words, the low one first, each big endian (PS3.5 8.1.1 and
    # 8.2). pydicom wrote and reads these as words of four; DCMTK writes and reads words of two, as we do: see
    # test_big_endian_cells_of_32_bits_are_dcmtks.
    "rtdose_expb.dcm": (1.0, None),
    "rtdose_expb_1frame.dcm": (1.0, None),
    # The irreversible wavelet is of floating point numbers; builds of OpenJPEG round 16 of 26,753,400 samples
    # differently (ISO/IEC 15444-4 allows more).
    "VL5_J2KI": (1e-6, 1.0),
}


def theirs(path: Path) -> Array | Exception | None:
    """What pydicom makes of a file, an error where it cannot; None where there are no pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(path, force=True)
            if not any(keyword in dataset for keyword in KEYWORDS):
                return None
            dataset.pixel_array_options(raw=True)  # YBR stays YBR
            return dataset.pixel_array
        except Exception as error:
            return error


def ours(path: Path) -> Array | PacsError:
    try:
        return dcmread(path, force=True).pixel_array
    except PacsError as error:
        return error


def differs(path: Path, found: Array, expected: Array) -> str | None:
    """What is not as it should be."""
    if (found.shape, found.dtype) != (expected.shape, expected.dtype.newbyteorder("=")):
        return f"{found.shape} {found.dtype}, not {expected.shape} {expected.dtype}"
    if np.array_equal(found, expected, equal_nan=found.dtype.kind == "f"):
        return "as theirs, and should not be" if DIFFERENT.get(path.name, (0, 0))[0] == 1 else None
    share, most = DIFFERENT.get(path.name, (0.0, 0.0))
    wrong = found != expected
    largest = np.abs(found[wrong].astype(float) - expected[wrong]).max()
    return None if wrong.mean() <= share and (most is None or largest <= most) else f"{wrong.mean()} by {largest}"


def compare(paths: list[Path], caplog: pytest.LogCaptureFixture) -> tuple[int, list[Path]]:
    """Compare files: how many are equal, and which pydicom has no decoder for."""
    caplog.set_level(logging.CRITICAL + 1, "pydicom")
    equal, undecided, wrong = 0, [], []
    for path in paths:
        expected = theirs(path)
        if expected is None:
            continue
        found = ours(path)
        if isinstance(found, PacsError):
            if DAMAGED.get(path.name, "?") not in str(found):
                wrong.append(f"{path.name}: {found}")
        elif isinstance(expected, Exception):
            undecided.append(path)
        elif (problem := differs(path, found, expected)) is not None:
            wrong.append(f"{path.name}: {problem}")
        else:
            equal += 1
    assert wrong == []
    return equal, undecided


def rows(corpus: Path) -> Iterator[dict[str, str]]:
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
        yield from (row for row in csv.DictReader(file) if row["pixels"] == "yes")


def test_the_pixels_of_pydicoms_files_are_pydicoms(caplog: pytest.LogCaptureFixture) -> None:
    equal, undecided = compare(list(wheel_files()), caplog)
    assert equal >= 50
    assert {path.name for path in undecided} <= {"JPEG-lossy.dcm", "JPGExtended.dcm"}  # 12-bit JPEG


@pytest.mark.corpus
@pytest.mark.interop
def test_the_pixels_of_the_corpus_are_pydicoms(
    corpus: Path, dcmtk: Dcmtk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    equal, undecided = compare([corpus / row["file"] for row in rows(corpus)], caplog)
    assert equal >= 300
    for path in undecided:  # pydicom lacks a decoder of 12-bit JPEG, and maybe of HTJ2K
        index, dataset = FrameIndex(dcmread(path, force=True)), dcmread(path, force=True)
        if dataset.transfer_syntax == EXTENDED:
            plain = tmp_path / "plain.dcm"
            subprocess.run([dcmtk.tool("dcmdjpeg"), path, plain], check=True, capture_output=True, timeout=60)
            assert np.array_equal(dcmread(plain).pixel_array, dataset.pixel_array), path.name
        else:
            openjpeg = pytest.importorskip("openjpeg", reason="pylibjpeg-openjpeg is not installed")
            assert np.array_equal(openjpeg.decode(index.frame(0)), next(dataset.frames())), path.name


@pytest.mark.interop
def test_big_endian_cells_of_32_bits_are_dcmtks(dcmtk: Dcmtk, tmp_path: Path) -> None:
    (little,) = [path for path in wheel_files() if path.name == "rtdose.dcm"]
    big = tmp_path / "big.dcm"
    subprocess.run([dcmtk.tool("dcmconv"), "+tb", little, big], check=True, capture_output=True, timeout=60)
    expected = pydicom.dcmread(little).pixel_array
    assert np.array_equal(dcmread(big).pixel_array, expected)
    dataset = dcmread(little)
    dcmwrite(big, dataset, transfer_syntax=TransferSyntax.EXPLICIT_VR_BIG_ENDIAN)
    assert np.array_equal(dcmread(big).pixel_array, expected)
    assert np.array_equal(list(dcmread(big).frames([3, 1])), expected[[3, 1]])


@pytest.mark.corpus
def test_the_images_of_wg04_are_the_same_from_all_lossless_syntaxes(corpus: Path) -> None:
    found: dict[str, dict[str, Array]] = {}
    for kind in ("J2KR", "JLSL", "JPLL", "RLE"):
        for path in sorted((corpus / "dicom-test-files" / "data" / "WG04" / kind).iterdir()):
            found.setdefault(path.name.partition("_")[0], {})[kind] = dcmread(path).pixel_array
    compared = 0
    for image, kinds in found.items():
        first, *others = kinds.values()
        assert all(np.array_equal(first, other) for other in others), image
        compared += len(others)
    assert compared >= 12


# ---- palettes and overlays ------------------------------------------------------------------------------------------


def images(corpus: Path) -> Iterator[tuple[Path, Dataset]]:
    for path in [*(corpus / row["file"] for row in rows(corpus)), *wheel_files()]:
        if path.name not in DAMAGED:
            try:
                yield path, dcmread(path, force=True)
            except DecodeError:
                continue


@pytest.mark.corpus
def test_palettes_and_overlays_are_pydicoms(corpus: Path) -> None:
    palettes = overlays = 0
    for path, dataset in images(corpus):
        groups = [group for group in overlay_groups(dataset) if (group << 16 | 0x3000) in dataset]
        colored = dataset.get("PhotometricInterpretation") == "PALETTE COLOR"
        if not groups and not colored:
            continue
        expected = pydicom.dcmread(path, force=True)
        for group in groups:
            assert np.array_equal(overlay_array(dataset, group), expected.overlay_array(group)), path.name
            overlays += 1
        if colored:
            pixels = dataset.pixel_array
            colors = apply_color_lut(pixels, expected)
            if dataset.transfer_syntax == BIG and "RedPaletteColorLookupTableData" in dataset and colors.itemsize == 2:
                colors = colors.byteswap()  # pydicom reads whole tables, unlike segments, as little endian always
            assert np.array_equal(apply_palette(pixels, dataset), colors), path.name
            palettes += 1
    assert palettes >= 10
    assert overlays >= 4


# ---- one frame of a big file ----------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="a file of memory that counts the pages it has")
@pytest.mark.parametrize("encapsulated", [False, True], ids=["native", "RLE"])
def test_a_frame_of_a_big_file_touches_no_other(encapsulated: bool) -> None:
    """In a sparse file of memory a page exists once it was written, or read: any other frame would come to exist."""
    rows, columns, count, wanted = 512, 512, 1000, 500
    frame = np.random.default_rng(7).integers(0, 1 << 16, (rows, columns)).astype(np.uint16)
    syntax = TransferSyntax.RLE_LOSSLESS if encapsulated else TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN
    stream = encode_frame(frame, syntax, PixelFormat(rows, columns)) if encapsulated else frame.tobytes()
    size = len(stream) + len(stream) % 2
    dataset = Dataset(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7.3", SOPInstanceUID="1.2.3", Rows=rows, Columns=columns,
        SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=16, BitsStored=16, HighBit=15,
        PixelRepresentation=0, NumberOfFrames=count,
    )  # fmt: skip
    head = io.BytesIO()
    dcmwrite(head, dataset, transfer_syntax=syntax)
    descriptor = os.memfd_create("sparse")
    with os.fdopen(descriptor, "r+b") as file:
        file.write(head.getvalue())
        length = 0xFFFFFFFF if encapsulated else size * count
        file.write(b"\xe0\x7f\x10\x00OW\0\0" + length.to_bytes(4, "little"))
        start, step = file.tell(), size
        if encapsulated:
            file.write(b"\xfe\xff\x00\xe0" + bytes(4))
            start, step = file.tell() + 8, size + 8
            for number in range(count):
                file.seek(start + number * step - 8)
                file.write(b"\xfe\xff\x00\xe0" + size.to_bytes(4, "little"))
        file.seek(start + wanted * step)
        file.write(stream)
        file.seek(start + count * step - (8 if encapsulated else 0))
        file.write(b"\xfe\xff\xdd\xe0" + bytes(4) if encapsulated else b"")
        file.truncate(file.tell())
        file.flush()
        with dcmopen(f"/proc/self/fd/{descriptor}") as mapped:
            assert np.array_equal(next(mapped.frames([wanted])), frame)
            touched, whole = os.fstat(descriptor).st_blocks * 512, os.fstat(descriptor).st_size
            assert whole > 500_000_000
            assert len(stream) <= touched < whole / 100, f"{touched} of {whole} bytes"
            FrameIndex(mapped).frame(wanted + 1)
            assert os.fstat(descriptor).st_blocks * 512 > touched  # the count does see another frame
