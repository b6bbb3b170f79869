"""Series that are made here: pydicom writes them, so that pacskit, GDCM and DCMTK read the same files."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

__all__ = ["ball", "foreign_image", "rotation", "sitk", "write_series"]

sitk: Any = import_module("SimpleITK")  # which has no types


def rotation(x: float, y: float, z: float) -> NDArray[np.float64]:
    """Turn about the three axes, in degrees, one after the other."""
    a, b, c = np.radians([x, y, z])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    out: NDArray[np.float64] = about_z @ about_y @ about_x
    return out


def ball(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.int16]:
    """Smooth shells with some noise: every interpolation has something to find."""
    k, j, i = np.indices(shape) / np.array(shape).reshape(3, 1, 1, 1) - 0.5
    smooth = 600 * np.cos(9 * np.sqrt((1.3 * i) ** 2 + j**2 + (0.8 * k) ** 2)) + 300 * i - 200 * j
    noise = np.random.default_rng(seed).normal(0, 20, shape)
    return np.asarray(smooth + noise).astype(np.int16)


def foreign_image(pixels: NDArray[Any], **attributes: Any) -> Dataset:
    """One gray image as a pydicom data set."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = UID("1.2.826.0.1.3680043.10.511.3.1")
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.826.0.1.3680043.10.511.3.2", "1.2.826.0.1.3680043.10.511.3.3"
    ds.PatientID, ds.PatientName, ds.Modality = "PHANTOM", "PHANTOM", "CT"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = pixels.dtype.itemsize * 8
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.add_new(0x7FE00010, "OW", np.ascontiguousarray(pixels).tobytes())
    return ds


def write_series(
    folder: Path,
    volume: NDArray[np.int16],
    *,
    turn: NDArray[np.float64],
    spacing: tuple[float, float, float] = (0.75, 0.5, 2.0),
    origin: tuple[float, float, float] = (-40.0, 25.5, 310.25),
    shear: float = 0.0,
    **attributes: Any,
) -> list[Path]:
    """Slices of a volume as files named in no order; spacing is between columns, rows and slices."""
    paths = []
    names = np.random.default_rng(1).permutation(len(volume))
    for n, pixels in enumerate(volume):
        place = np.array(origin) + n * spacing[2] * turn[:, 2] + n * shear * turn[:, 1]
        ds = foreign_image(
            pixels,
            ImagePositionPatient=[f"{each:.10g}" for each in place],
            ImageOrientationPatient=[f"{each:.10g}" for each in (*turn[:, 0], *turn[:, 1])],
            PixelSpacing=[str(spacing[1]), str(spacing[0])],
            SliceThickness=str(spacing[2]),
            FrameOfReferenceUID="1.2.826.0.1.3680043.10.511.3.4",
            InstanceNumber=str(n + 1),
            RescaleSlope="1",
            RescaleIntercept="-24",
            **attributes,
        )
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.826.0.1.3680043.10.511.3.1.{n}")
        path = folder / f"{names[n]:03}.dcm"
        ds.save_as(path, enforce_file_format=True)
        paths.append(path)
    return sorted(paths)
