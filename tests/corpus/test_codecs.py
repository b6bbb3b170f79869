"""Every RLE and JPEG file: decoded as pydicom with GDCM decodes it, and RLE written back to the same pixels."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
import pytest
from pydicom.pixels.utils import pixel_array

from pacskit.core.dataset import Dataset
from pacskit.encoding import dcmread
from pacskit.encoding.codecs import CodecError, PixelFormat, decode_frame, encode_frame, parse_header
from pacskit.encoding.frames import FrameIndex
from tests.conftest import corpus_folder

pytestmark = pytest.mark.corpus

UID = "1.2.840.10008.1.2"
RLE = UID + ".5"
LOSSLESS = {RLE, UID + ".4.57", UID + ".4.70"}
SYNTAXES = LOSSLESS | {UID + ".4.50", UID + ".4.51"}
MOST_FRAMES = 2
# Single bits packed in RLE segments, which neither pydicom nor GDCM reads: the uncompressed twin says what they are.
TWINS = {
    "pydicom-data/liver_rle.dcm": "pydicom-data/liver.dcm",
    "pydicom-data/liver_nonbyte_aligned_rle.dcm": "pydicom-data/liver_nonbyte_aligned.dcm",
}


def files() -> list[str]:
    folder = corpus_folder()
    if folder is None:
        return []
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["transfer_syntax"] in SYNTAXES and row["pixels"] == "yes"]
    return [row["file"] for row in rows]


def format_of(dataset: Dataset) -> PixelFormat:
    return PixelFormat(
        dataset.Rows,
        dataset.Columns,
        dataset.SamplesPerPixel,
        dataset.BitsAllocated,
        dataset.BitsStored,
        dataset.PixelRepresentation == 1,
        dataset.PhotometricInterpretation,
    )


def by_gdcm(path: Path, format: PixelFormat) -> Any:
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    data = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    return np.frombuffer(data, format.dtype).reshape(-1, *format.shape)


def by_others(name: str, folder: Path, format: PixelFormat) -> Any:
    """The frames as pydicom gives them; JPEG Extended of 12 bits, which its GDCM plug-in refuses, as GDCM does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            frames = pixel_array(pydicom.dcmread(folder / TWINS.get(name, name)), raw=True)
        except RuntimeError:
            return by_gdcm(folder / name, format)
    return frames.reshape(-1, *format.shape)


@pytest.mark.parametrize("name", files())
def test_decoded_as_others_do(name: str, corpus: Path) -> None:
    dataset = dcmread(corpus / name)
    syntax = str(dataset.transfer_syntax)
    index, format = FrameIndex(dataset), format_of(dataset)
    expected = by_others(name, corpus, format)
    assert len(expected) == len(index)
    header = parse_header(index.frame(0), syntax)
    tolerance = 0 if syntax in LOSSLESS else 3 if header is not None and header.subsampled else 1
    for n in range(min(len(index), MOST_FRAMES)):
        pixels = decode_frame(index.frame(n), syntax, format)
        assert np.abs(pixels.astype(int) - expected[n]).max() <= tolerance
        if syntax == RLE:
            assert np.array_equal(decode_frame(encode_frame(pixels, RLE, format), RLE, format), pixels)


@pytest.mark.parametrize("name", files()[::4])
def test_cut_anywhere_is_an_error(name: str, corpus: Path) -> None:
    dataset = dcmread(corpus / name)
    syntax = str(dataset.transfer_syntax)
    format, frame = format_of(dataset), FrameIndex(dataset).frame(0)
    for percent in (0, 1, 10, 50, 90, 98):
        with pytest.raises(CodecError):
            decode_frame(frame[: len(frame) * percent // 100], syntax, format)


def test_trap_extended_jpeg_that_ends_its_spectrum_at_zero_is_read(corpus: Path) -> None:
    """Real scanners write Se = 0 in the scan header, which T.81 does not allow; the fixed twin has the same pixels."""
    folder = corpus / "pylibjpeg-data" / "ljdata" / "ds" / "JPEGExtended"
    frames = []
    for name in ("RG2_JPLY.dcm", "RG2_JPLY_fixed.dcm"):
        dataset = dcmread(folder / name)
        frame = FrameIndex(dataset).frame(0)
        scan = frame.index(b"\xff\xda")
        frames.append((frame[scan + 8], decode_frame(frame, str(dataset.transfer_syntax), format_of(dataset))))
    assert [end for end, _ in frames] == [0, 63]
    assert np.array_equal(frames[0][1], frames[1][1])


def test_trap_packed_bits_in_rle_are_read(corpus: Path) -> None:
    """No other library reads segments of single bits; every frame equals the uncompressed twin's."""
    for name, twin in TWINS.items():
        dataset = dcmread(corpus / name)
        index, format = FrameIndex(dataset), format_of(dataset)
        expected = pixel_array(pydicom.dcmread(corpus / twin), raw=True).reshape(-1, *format.shape)
        assert format.bits_allocated == 1
        for n in range(len(index)):
            assert np.array_equal(decode_frame(index.frame(n), RLE, format), expected[n])


def test_the_corpus_has_every_kind(corpus: Path) -> None:
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
        seen = {row["transfer_syntax"] for row in csv.DictReader(file)}
    assert seen >= SYNTAXES
