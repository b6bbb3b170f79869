"""Frames read by foreign decoders: a Part 10 file around them, and what each library makes of it."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacskit.encoding.codecs import PixelFormat, encoded_photometric

__all__ = ["dcmdjpls", "gdcm_array", "jxl_oxide", "libjxl", "openjpeg_array", "part10", "pixels", "pydicom_array"]

Pixels = NDArray[Any]


def pixels(format: PixelFormat, *, noisy: bool = False, seed: int = 1) -> Pixels:
    """An image of ``format`` that reaches both ends of its range: waves with a little noise, or noise alone."""
    random = np.random.default_rng(seed)
    top = (1 << format.bits_stored) - 1
    if noisy:
        values = random.integers(0, top + 1, format.shape)
    else:
        y, x = np.mgrid[: format.rows, : format.columns]
        wave = (np.sin(x / 9) + np.cos(y / 7) + 2) / 4 * top + random.normal(0, top / 50, y.shape)
        gray = np.clip(np.rint(wave), 0, top).astype(np.int64)
        values = gray if format.samples == 1 else np.stack([gray, top - gray, gray // 2], axis=-1)
    values.flat[:2] = 0, top
    return (values - (1 << format.bits_stored - 1) if format.signed else values).astype(format.dtype)


def part10(path: Path, frames: list[bytes], syntax: str, format: PixelFormat) -> Path:
    """A Secondary Capture file of encapsulated frames, written by pydicom."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.encaps import encapsulate

    data_set = pydicom.Dataset()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    data_set.SOPClassUID = pydicom.uid.UID("1.2.840.10008.5.1.4.1.1.7")
    data_set.SOPInstanceUID = pydicom.uid.UID("1.2.3.4")
    data_set.file_meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = "1.2.3.2", "1.2.3.3"
    data_set.Modality, data_set.PatientID, data_set.PatientName = "OT", "1", "A"
    data_set.Rows, data_set.Columns, data_set.SamplesPerPixel = format.rows, format.columns, format.samples
    data_set.BitsAllocated, data_set.BitsStored = format.bits_allocated, format.bits_stored
    data_set.HighBit, data_set.PixelRepresentation = format.bits_stored - 1, int(format.signed)
    data_set.PhotometricInterpretation = encoded_photometric(syntax, format)
    if format.samples > 1:
        data_set.PlanarConfiguration = 0
    if len(frames) > 1:
        data_set.NumberOfFrames = len(frames)
    data_set.PixelData = encapsulate(frames)
    data_set["PixelData"].VR = "OB"
    data_set["PixelData"].is_undefined_length = True
    data_set.save_as(path, enforce_file_format=True)
    return path


def pydicom_array(path: Path) -> Pixels:
    """The pixels as pydicom decodes them with the plug-ins it has."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path).pixel_array


def gdcm_array(path: Path, format: PixelFormat) -> Pixels:
    """The pixels as GDCM reads the file."""
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read(), f"GDCM does not read {path.name}"
    image = reader.GetImage()
    raw = image.GetBuffer().encode("utf-8", "surrogateescape")
    cell = np.frombuffer(
        raw, f"{'i' if format.signed else 'u'}{len(raw) // (format.rows * format.columns * format.samples)}"
    )
    if format.samples > 1 and image.GetPlanarConfiguration():
        return cell.reshape(format.samples, format.rows, format.columns).transpose(1, 2, 0)
    return cell.reshape(format.shape)


def dcmdjpls(tool: str, path: Path) -> Pixels:
    """The pixels as DCMTK's decoder of JPEG-LS writes them."""
    plain = path.with_suffix(".raw.dcm")
    subprocess.run([tool, str(path), str(plain)], check=True, capture_output=True, timeout=60)
    return pydicom_array(plain)


def openjpeg_array(frame: bytes, format: PixelFormat) -> Pixels:
    """The pixels as pylibjpeg-openjpeg decodes the code stream."""
    import openjpeg

    return np.asarray(openjpeg.decode(frame)).reshape(format.shape)


def jxl_oxide(frame: bytes, format: PixelFormat) -> Pixels:
    """The samples as jxl-oxide, a decoder that shares nothing with libjxl, decodes them; unsigned."""
    import micro_reader_codecs

    wide = 1 if format.bits_stored <= 8 else 2
    room = np.zeros(format.rows * format.columns * format.samples * wide, "u1")
    found = micro_reader_codecs.jxl_decode_into(frame, room)
    assert found == (format.columns, format.rows, format.samples, format.bits_stored)
    return _scaled(room.view(f"u{wide}"), format)


def libjxl(frame: bytes, format: PixelFormat) -> Pixels:
    """The samples as pyjpegxl, another build of libjxl, decodes them; unsigned."""
    import pyjpegxl

    return _scaled(pyjpegxl.decode_to_numpy(frame)[1].reshape(-1), format)


def _scaled(values: Pixels, format: PixelFormat) -> Pixels:
    """Samples that a decoder stretched over its cells, in their own range again."""
    full, top = (1 << 8 * values.itemsize) - 1, (1 << format.bits_stored) - 1
    return np.rint(values * (top / full)).astype(f"u{format.itemsize}").reshape(format.shape)
