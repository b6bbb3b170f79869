"""Data sets for file-sets: one of each SOP class, filled with what its directory record needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

WHEEL = Path(str(pydicom.__file__)).parent / "data" / "test_files"
DIRECTORIES = sorted(path for path in (WHEEL / "dicomdirtests").rglob("DICOMDIR*") if path.is_file())

_BY_VR: dict[str, Any] = {
    "CS": "ANY", "LO": "Some text", "SH": "Short", "PN": "DOE^JANE", "DA": "20200131", "TM": "101112", "IS": "7",
    "UI": "1.2.3", "DT": "20200131101112", "US": 2, "UL": 3, "ST": "Text", "UT": "Text", "LT": "Text", "UC": "Text",
}  # fmt: skip


def value_for(keyword: str) -> Any:
    """A value that the attribute may have."""
    vr = dictionary_VR(keyword)
    return [code()] if vr == "SQ" else _BY_VR[vr]


def code() -> Dataset:
    item = Dataset()
    item.CodeValue = "113000"
    item.CodingSchemeDesignator = "DCM"
    item.CodeMeaning = "Of Interest"
    return item


def instance(sop_class: str, number: int, *, study: int = 1, series: int = 1, patient: str = "P1") -> Dataset:
    """A data set of a SOP class, as pydicom makes it."""
    ds = Dataset()
    ds.SOPClassUID = UID(sop_class)
    ds.SOPInstanceUID = f"1.2.826.0.1.{study}.{series}.{number}"
    ds.PatientName, ds.PatientID = "DOE^JANE", patient
    ds.StudyDate, ds.StudyTime, ds.StudyDescription = "20200131", "101112", "Thorax"
    ds.StudyInstanceUID, ds.StudyID, ds.AccessionNumber = f"1.2.826.0.1.{study}", str(study), "A1"
    ds.Modality, ds.SeriesNumber = "OT", series
    ds.SeriesInstanceUID = f"1.2.826.0.1.{study}.{series}"
    ds.InstanceNumber = number
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def save(ds: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path
