"""JPEG Lossless both ways with libjpeg-turbo, Richter's libjpeg, GDCM, DCMTK and pydicom."""

from __future__ import annotations

import csv
import subprocess
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRLittleEndian

from pacskit.core.errors import CodecError
from pacskit.encoding.codecs import CodecRegistry, EncodeOptions, PixelFormat, decode_frame, encode_frame
from pacskit.encoding.codecs.jpeg_lossless import JpegLosslessCodec
from pacskit.encoding.frames import FrameIndex
from pacskit.encoding.part10 import dcmread
from tests.conftest import Dcmtk

pytestmark = pytest.mark.interop

PROCESS_14, SV1 = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
OURS = CodecRegistry()
OURS.register(JpegLosslessCodec())
Pixels = NDArray[Any]


def peer(name: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SWIG's types, on import
        return pytest.importorskip(name)  # type: ignore[no-any-return]


def image(bits: int, samples: int = 1, *, signed: bool = False) -> tuple[Pixels, PixelFormat]:
    """Slopes, noise and both ends of the range."""
    random = np.random.default_rng(bits)
    shape = (40, 56) if samples == 1 else (40, 56, samples)
    top = (1 << bits) - 1
    values = np.add.outer(np.arange(40), np.arange(56)) * top // 94
    values = values[..., None] if samples > 1 else values
    values = np.clip(values + random.integers(-top // 16, top // 16 + 1, shape), 0, top)
    values[10:14, 5:9] = 0
    values[14:16, 5:9] = top
    values = values - (top + 1) // 2 if signed else values
    allocated = 8 if bits <= 8 else 16
    photometric = "RGB" if samples == 3 else "MONOCHROME2"
    format = PixelFormat(40, 56, samples, allocated, bits, signed, photometric)
    return np.ascontiguousarray(values.astype(format.dtype)), format


CASES = [
    *((bits, samples, predictor, 0) for bits in (8, 12, 16) for samples in (1, 3) for predictor in range(1, 8)),
    *((bits, samples, predictor, 4) for bits in (10, 14) for samples in (1, 3) for predictor in (1, 4, 7)),
]


def encoded(pixels: Pixels, format: PixelFormat, predictor: int, restart_rows: int) -> bytes:
    options = EncodeOptions(predictor=predictor, restart_interval=restart_rows * format.columns)
    return encode_frame(pixels, SV1 if predictor == 1 else PROCESS_14, format, options, registry=OURS)


@pytest.mark.parametrize(("bits", "samples", "predictor", "restart_rows"), CASES)
def test_our_code_streams_are_read_by_both_libjpegs(bits: int, samples: int, predictor: int, restart_rows: int) -> None:
    pixels, format = image(bits, samples)
    frame = encoded(pixels, format, predictor, restart_rows)
    assert np.array_equal(peer("imagecodecs").jpeg8_decode(frame), pixels)
    assert np.array_equal(peer("libjpeg").decode(frame), pixels)
    assert np.array_equal(decode_frame(frame, PROCESS_14, format, registry=OURS), pixels)


def data_set(frame: bytes | Pixels, format: PixelFormat, syntax: str) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(syntax)
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    made.Rows, made.Columns, made.SamplesPerPixel = format.rows, format.columns, format.samples
    made.BitsAllocated, made.BitsStored, made.HighBit = (
        format.bits_allocated,
        format.bits_stored,
        format.bits_stored - 1,
    )
    made.PixelRepresentation = int(format.signed)
    made.PhotometricInterpretation = format.photometric
    if format.samples > 1:
        made.PlanarConfiguration = 0
    if isinstance(frame, bytes):
        made.PixelData = encapsulate([frame])
        made["PixelData"].is_undefined_length = True
    else:
        made.PixelData = frame.tobytes()
    made["PixelData"].VR = "OB" if isinstance(frame, bytes) or format.bits_allocated == 8 else "OW"
    return made


def saved(path: Path, made: Dataset) -> Path:
    made.save_as(path, enforce_file_format=True)
    return path


def read_by_gdcm(path: Path, format: PixelFormat) -> Pixels:
    gdcm = peer("gdcm")
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    data = reader.GetImage().GetBuffer().encode("utf-8", errors="surrogateescape")
    return np.frombuffer(data, format.dtype).reshape(format.shape)


FILES = [
    *((bits, 1, signed, predictor) for bits in (8, 12, 16) for signed in (False, True) for predictor in (1, 5, 6)),
    *((bits, 1, True, 1) for bits in (10, 14)),
    *((8, 3, False, predictor) for predictor in range(1, 8)),
]


@pytest.mark.parametrize(("bits", "samples", "signed", "predictor"), FILES)
def test_our_files_are_read_by_gdcm_dcmtk_and_pydicom(
    bits: int, samples: int, signed: bool, predictor: int, tmp_path: Path, dcmtk: Dcmtk
) -> None:
    pixels, format = image(bits, samples, signed=signed)
    frame = encoded(pixels, format, predictor, 8 if predictor == 5 else 0)
    path = saved(tmp_path / "ours.dcm", data_set(frame, format, SV1 if predictor == 1 else PROCESS_14))
    assert np.array_equal(read_by_gdcm(path, format), pixels)
    assert np.array_equal(pydicom.dcmread(path).pixel_array, pixels)
    subprocess.run([dcmtk.tool("dcmdjpeg"), path, tmp_path / "native.dcm"], check=True, timeout=60)
    native = pydicom.dcmread(tmp_path / "native.dcm")
    assert native.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    shown = pixels.transpose(2, 0, 1) if native.get("PlanarConfiguration", 0) else pixels
    assert native.PixelData == shown.tobytes()


# -- what others encode ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("bits", [2, 8, 10, 12, 14, 16])
def test_code_streams_of_libjpeg_turbo_are_read(bits: int, samples: int, predictor: int) -> None:
    pixels, format = image(bits, samples)
    frame = peer("imagecodecs").jpeg8_encode(pixels, lossless=True, predictor=predictor, bitspersample=bits)
    assert np.array_equal(decode_frame(frame, PROCESS_14, format, registry=OURS), pixels)


@pytest.mark.parametrize("options", [["+e1"], *(["+el", "+sv", str(n)] for n in range(1, 8))], ids=" ".join)
@pytest.mark.parametrize(("bits", "samples", "signed"), [(8, 1, False), (12, 1, True), (16, 1, False), (8, 3, False)])
def test_files_of_dcmtk_are_read(
    options: list[str], bits: int, samples: int, signed: bool, tmp_path: Path, dcmtk: Dcmtk
) -> None:
    pixels, format = image(bits, samples, signed=signed)
    native = saved(tmp_path / "native.dcm", data_set(pixels, format, ExplicitVRLittleEndian))
    subprocess.run([dcmtk.tool("dcmcjpeg"), *options, native, tmp_path / "theirs.dcm"], check=True, timeout=60)
    frame = FrameIndex(dcmread(tmp_path / "theirs.dcm")).frame(0)
    assert np.array_equal(decode_frame(frame, SV1, format, registry=OURS), pixels)


def test_a_point_transform_drops_the_same_bits_as_dcmtk(tmp_path: Path, dcmtk: Dcmtk) -> None:
    pixels, format = image(12)
    native = saved(tmp_path / "native.dcm", data_set(pixels, format, ExplicitVRLittleEndian))
    options = ["+el", "+sv", "4", "+pt", "3"]
    subprocess.run([dcmtk.tool("dcmcjpeg"), *options, native, tmp_path / "theirs.dcm"], check=True, timeout=60)
    frame = FrameIndex(dcmread(tmp_path / "theirs.dcm")).frame(0)
    assert np.array_equal(decode_frame(frame, PROCESS_14, format, registry=OURS), pixels >> 3 << 3)
    ours = encode_frame(pixels, PROCESS_14, format, EncodeOptions(predictor=4, point_transform=3), registry=OURS)
    assert np.array_equal(peer("imagecodecs").jpeg8_decode(ours), pixels >> 3 << 3)


@pytest.mark.corpus
def test_every_file_of_the_corpus_decodes_as_by_pydicom_and_gdcm(corpus: Path) -> None:
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
        names = [
            row["file"] for row in csv.DictReader(file) if row["transfer_syntax"] in {PROCESS_14, SV1} and row["rows"]
        ]
    assert len(names) >= 15
    for name in names:
        foreign = pydicom.dcmread(corpus / name)
        ours = dcmread(corpus / name)
        count = int(foreign.get("NumberOfFrames", 1) or 1)
        format = PixelFormat(
            foreign.Rows,
            foreign.Columns,
            foreign.SamplesPerPixel,
            foreign.BitsAllocated,
            foreign.BitsStored,
            bool(foreign.PixelRepresentation),
            foreign.PhotometricInterpretation,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = pixel_array(foreign, raw=True).reshape(count, *format.shape)
        for frame, expected in zip(FrameIndex(ours), theirs, strict=True):
            assert np.array_equal(decode_frame(frame, SV1, format, registry=OURS), expected), name
        if count == 1:
            assert np.array_equal(read_by_gdcm(corpus / name, format), theirs[0]), name


def test_three_components_are_never_converted() -> None:
    """No APP14 marker and neutral component numbers: YBR_FULL and RGB are the same code stream."""
    pixels, format = image(8, 3)
    ybr = PixelFormat(40, 56, 3, 8, 8, photometric="YBR_FULL")
    frame = encode_frame(pixels, SV1, format, registry=OURS)
    assert frame == encode_frame(pixels, SV1, ybr, registry=OURS)
    assert b"\xff\xee" not in frame
    assert np.array_equal(peer("imagecodecs").jpeg8_decode(frame), pixels)
    assert np.array_equal(decode_frame(frame, SV1, ybr, registry=OURS), pixels)


def test_what_libjpeg_turbo_fills_with_garbage_is_refused() -> None:
    """It returns a whole frame for half a code stream."""
    pixels, format = image(12)
    whole = encode_frame(pixels, SV1, format, registry=OURS)
    half = whole[: len(whole) // 2] + b"\xff\xd9"
    assert peer("imagecodecs").jpeg8_decode(half).shape == pixels.shape
    with pytest.raises(CodecError) as caught:
        decode_frame(half, SV1, format, registry=OURS)
    assert caught.value.offset is not None
