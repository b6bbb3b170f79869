"""pydicom 3's names over our types: ``import pacskit.compat.pydicom as pydicom``.

pydicom itself is neither needed nor imported. What differs is listed in the guide "From pydicom".
"""

from __future__ import annotations

from pacskit.compat.pydicom import charset, config, datadict, errors, tag, uid, valuerep
from pacskit.compat.pydicom.dataelem import DataElement
from pacskit.compat.pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pacskit.compat.pydicom.filereader import dcmread
from pacskit.compat.pydicom.filewriter import dcmwrite
from pacskit.compat.pydicom.sequence import Sequence

__all__ = [
    "DataElement",
    "Dataset",
    "FileDataset",
    "FileMetaDataset",
    "Sequence",
    "charset",
    "config",
    "datadict",
    "dcmread",
    "dcmwrite",
    "errors",
    "tag",
    "uid",
    "valuerep",
]

__version__ = "3.0.2"
__version_info__ = ("3", "0", "2")
__dicom_version__ = "2024c"
