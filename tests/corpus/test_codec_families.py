"""Every real frame of JPEG-LS, JPEG 2000, HTJ2K and deflate: as other decoders give it."""

from __future__ import annotations

import csv
import warnings
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pacskit.core.errors import CodecError
from pacskit.encoding import dcmread
from pacskit.encoding.codecs import PixelFormat, decode_frame, encode_frame
from pacskit.encoding.frames import FrameIndex

pytestmark = pytest.mark.corpus

U = "1.2.840.10008.1.2"
LOSSLESS = {f"{U}.4.80", f"{U}.4.90"}
LOSSY = {f"{U}.4.81", f"{U}.4.91"}
DEFLATED, HTJ2K = f"{U}.8.1", f"{U}.4.201"

BROKEN = {
    "pydicom-data/emri_small_jpeg_2k_lossless_too_short.dcm": "cut inside the fragments, before any pixel data",
}
# Made to look like the end of a sequence, the width within the code stream is 3,722,445,056: nobody decodes it.
DELIMITER = "pydicom/test_files/JPEG2000-embedded-sequence-delimiter.dcm"
# Irreversible streams are decoded in floating point (15444-1 allows any rounding): two builds of OpenJPEG differ here
# by 1 in 16 of 26,753,400 samples.
ROUNDED = {"dicom-test-files/data/WG04/J2KI/VL5_J2KI": (1, 16)}

WG04 = ("CT2", "MR1", "MR3", "NM1", "XA1", "RG2", "VL1", "VL3", "VL6")


@cache
def manifest(corpus: Path) -> dict[str, str]:
    """The transfer syntax of every file."""
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["transfer_syntax"] for row in csv.DictReader(file)}


def of_syntaxes(corpus: Path, syntaxes: set[str]) -> list[str]:
    return [name for name, syntax in manifest(corpus).items() if syntax in syntaxes and name not in BROKEN]


def ours(corpus: Path, name: str) -> list[NDArray[Any]]:
    """Every frame of a file, decoded here."""
    data_set = dcmread(corpus / name, force=True)
    format = PixelFormat(
        rows=data_set.Rows,
        columns=data_set.Columns,
        samples=data_set.SamplesPerPixel,
        bits_allocated=data_set.BitsAllocated,
        bits_stored=data_set.BitsStored,
        signed=data_set.PixelRepresentation == 1,
        photometric=data_set.PhotometricInterpretation,
    )
    index = FrameIndex(data_set)
    return [decode_frame(index.frame(n), manifest(corpus)[name], format) for n in range(len(index))]


def theirs(corpus: Path, name: str) -> NDArray[Any]:
    """All frames as pydicom decodes them."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(corpus / name, force=True)
        found = data_set.pixel_array
    return found if int(data_set.get("NumberOfFrames") or 1) > 1 else found[np.newaxis]


def test_lossless_frames_equal_pydicom_s(corpus: Path) -> None:
    frames = 0
    for name in of_syntaxes(corpus, LOSSLESS):
        expected = theirs(corpus, name)
        found = ours(corpus, name)
        assert len(found) == len(expected), name
        for mine, other in zip(found, expected, strict=True):
            assert mine.dtype == other.dtype, name
            assert np.array_equal(mine, other), name
        frames += len(found)
    assert frames > 100


def test_lossy_frames_equal_pydicom_s(corpus: Path) -> None:
    # The bit streams say what the samples are, but for the rounding of irreversible wavelets.
    files = 0
    for name in of_syntaxes(corpus, LOSSY):
        if name == DELIMITER:
            continue
        for mine, other in zip(ours(corpus, name), theirs(corpus, name), strict=True):
            wrong = np.abs(mine.astype(np.int64) - other)
            largest, most = ROUNDED.get(name, (0, 0))
            assert wrong.max() <= largest, name
            assert np.count_nonzero(wrong) <= most, name
        files += 1
    assert files > 35


def test_a_width_that_is_a_sequence_delimiter_is_refused(corpus: Path) -> None:
    with pytest.raises(CodecError, match="more than 65535 tiles"):
        ours(corpus, DELIMITER)


def test_htj2k_equals_openjpeg_s(corpus: Path) -> None:
    # pydicom decodes none without pylibjpeg
    import openjpeg

    for name in of_syntaxes(corpus, {HTJ2K}):
        (mine,) = ours(corpus, name)
        assert np.array_equal(mine, openjpeg.decode(bytes(FrameIndex(dcmread(corpus / name)).frame(0))))


@pytest.mark.parametrize("name", ["liver", "liver_nonbyte_aligned"])
def test_deflated_frames_are_those_of_their_twins(corpus: Path, name: str) -> None:
    # pydicom does not know the syntax; the same segmentation travels as JPEG 2000
    deflated = ours(corpus, f"pydicom-data/{name}_deflate.dcm")
    assert len(deflated) == 3
    for mine, twin in zip(deflated, ours(corpus, f"pydicom-data/{name}_j2k.dcm"), strict=True):
        assert np.array_equal(mine, twin)
    frame = FrameIndex(dcmread(corpus / f"pydicom-data/{name}_deflate.dcm")).frame(0)
    bits = np.unpackbits(np.frombuffer(zlib.decompress(frame, -15), "u1"), bitorder="little")
    assert np.array_equal(bits[: deflated[0].size], deflated[0].reshape(-1))


def test_the_images_of_wg04_are_alike_in_every_lossless_syntax(corpus: Path) -> None:
    compared = 0
    folder = "dicom-test-files/data/WG04"
    for image in WG04:
        found = [
            ours(corpus, name)[0]
            for kind in ("J2KR", "JLSL")
            if (name := f"{folder}/{kind}/{image}_{kind}") in manifest(corpus)
        ]
        for other in found[1:]:
            assert np.array_equal(found[0], other), image
            compared += 1
        format = _format(found[0])
        for syntax in ("4.80", "4.90", "4.201", "4.202", "4.110", "8.1", "1.98"):
            frame = encode_frame(found[0], f"{U}.{syntax}", format)
            assert np.array_equal(decode_frame(frame, f"{U}.{syntax}", format), found[0]), (image, syntax)
    assert compared == 5


def _format(array: NDArray[Any]) -> PixelFormat:
    bits = 8 * array.itemsize
    samples = 1 if array.ndim == 2 else array.shape[2]
    colour = "MONOCHROME2" if samples == 1 else "RGB"
    return PixelFormat(array.shape[0], array.shape[1], samples, bits, bits, array.dtype.kind == "i", colour)
