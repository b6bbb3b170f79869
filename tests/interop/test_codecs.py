"""What RLE and JPEG encode is read by foreign decoders: DCMTK, pydicom, GDCM."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gdcm
import numpy as np
import pydicom
import pytest
from pydicom.pixels.utils import pixel_array

from pacskit.core.dataset import Dataset
from pacskit.encoding import dcmwrite
from pacskit.encoding.codecs import EncodeOptions, PixelFormat, decode_frame, encode_frame
from pacskit.encoding.frames import set_frames

if TYPE_CHECKING:
    from tests.conftest import Dcmtk

pytestmark = pytest.mark.interop

UID = "1.2.840.10008.1.2"
RLE, BASELINE, EXTENDED = UID + ".5", UID + ".4.50", UID + ".4.51"
LOSSLESS = [
    PixelFormat(61, 67, 1, 8, 8),
    PixelFormat(61, 67, 1, 8, 8, signed=True),
    PixelFormat(61, 67, 1, 16, 10),
    PixelFormat(61, 67, 1, 16, 12),
    PixelFormat(61, 67, 1, 16, 12, signed=True),
    PixelFormat(61, 67, 1, 16, 14),
    PixelFormat(61, 67, 1, 16, 16),
    PixelFormat(61, 67, 1, 16, 16, signed=True),
    PixelFormat(61, 67, 1, 32, 32),
    PixelFormat(61, 67, 3, 8, 8, photometric="RGB"),
    PixelFormat(61, 67, 3, 16, 16, photometric="RGB"),
]
LOSSY = [
    (BASELINE, PixelFormat(61, 67, 1, 8, 8)),
    (BASELINE, PixelFormat(61, 67, 3, 8, 8, photometric="RGB")),
    (BASELINE, PixelFormat(61, 67, 3, 8, 8, photometric="YBR_FULL")),
    (EXTENDED, PixelFormat(61, 67, 1, 16, 12)),
    (EXTENDED, PixelFormat(61, 67, 1, 16, 10)),
]


def picture(format: PixelFormat) -> Any:
    random = np.random.default_rng(3)
    low = -(1 << format.bits_stored - 1) if format.signed else 0
    top = low + (1 << format.bits_stored) - 1
    y, x = np.mgrid[: format.rows, : format.columns]
    smooth = low + (x + y) * (top - low) // (format.rows + format.columns)
    planes = [smooth + random.integers(0, 20, smooth.shape) for _ in range(format.samples)]
    return np.ascontiguousarray(np.stack(planes, -1).reshape(format.shape).clip(low, top).astype(format.dtype))


def write(path: Path, frame: bytes, syntax: str, format: PixelFormat) -> None:
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = "1.2.826.0.1.3680043.10.1337.2"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = format.samples, format.photometric
    if format.samples > 1:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = format.rows, format.columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = (
        format.bits_allocated,
        format.bits_stored,
        format.bits_stored - 1,
    )
    dataset.PixelRepresentation = int(format.signed)
    set_frames(dataset, [frame], syntax)
    dcmwrite(path, dataset)


def native(path: Path, format: PixelFormat) -> Any:
    """The pixels of an uncompressed file that another program wrote."""
    dataset = pydicom.dcmread(path)
    pixels = np.frombuffer(dataset.PixelData[: format.nbytes], format.dtype)
    if dataset.get("PlanarConfiguration") == 1:
        return np.moveaxis(pixels.reshape(format.samples, format.rows, format.columns), 0, -1)
    return pixels.reshape(format.shape)


@pytest.mark.parametrize("format", LOSSLESS, ids=str)
def test_rle_is_read_by_dcmtk_and_pydicom(format: PixelFormat, dcmtk: Dcmtk, tmp_path: Path) -> None:
    pixels = picture(format)
    write(tmp_path / "rle.dcm", encode_frame(pixels, RLE, format), RLE, format)
    command = [dcmtk.tool("dcmdrle"), str(tmp_path / "rle.dcm"), str(tmp_path / "plain.dcm")]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    assert np.array_equal(native(tmp_path / "plain.dcm", format), pixels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pixel_array(pydicom.dcmread(tmp_path / "rle.dcm"), raw=True, decoding_plugin="pydicom")
    assert np.array_equal(found, pixels)


@pytest.mark.parametrize(("syntax", "format"), LOSSY, ids=str)
def test_jpeg_is_read_by_dcmtk_and_gdcm(syntax: str, format: PixelFormat, dcmtk: Dcmtk, tmp_path: Path) -> None:
    frame = encode_frame(picture(format), syntax, format, EncodeOptions(quality=95))
    ours = decode_frame(frame, syntax, format).astype(int)
    write(tmp_path / "jpeg.dcm", frame, syntax, format)
    command = [dcmtk.tool("dcmdjpeg"), "+cn", str(tmp_path / "jpeg.dcm"), str(tmp_path / "plain.dcm")]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    assert np.abs(native(tmp_path / "plain.dcm", format) - ours).max() <= 1
    reader = gdcm.ImageReader()
    reader.SetFileName(str(tmp_path / "jpeg.dcm"))
    assert reader.Read()
    data = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    assert np.abs(np.frombuffer(data, format.dtype).reshape(format.shape) - ours).max() <= 1
