"""For tests of file-sets: data sets of each SOP class, and trees of records as pacskit and pydicom see them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.fileset import FileSet as TheirFileSet
from pydicom.fileset import RecordNode
from pydicom.uid import UID, ExplicitVRLittleEndian

from pacskit.encoding import FileSet
from pacskit.encoding.dicomdir import Record

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


LINKS = {0x00041400, 0x00041410, 0x00041420}


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)) or type(value).__name__ in {"MultiValue", "Sequence"}:
        return [plain(one) for one in value]
    if type(value).__name__ == "Dataset":
        return {int(element.tag): plain(element.value) for element in value}
    return "" if value is None else value if isinstance(value, bytes) else str(value)


def ours(record: Record) -> dict[int, Any]:
    return {int(element.tag): plain(element.value) for element in record.dataset if int(element.tag) not in LINKS}


def theirs(node: RecordNode) -> dict[int, Any]:
    return {int(element.tag): plain(element.value) for element in node._record if int(element.tag) not in LINKS}


def our_tree(fs: FileSet) -> Iterator[tuple[int, dict[int, Any]]]:
    for record in fs.iter_records():
        depth, above = 0, record.parent
        while isinstance(above, Record):
            depth, above = depth + 1, above.parent
        yield depth, ours(record)


def their_tree(path: Path) -> Iterator[tuple[int, dict[int, Any]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fs = TheirFileSet(pydicom.dcmread(path))

    def walk(node: RecordNode, depth: int) -> Iterator[tuple[int, dict[int, Any]]]:
        for child in node.children:
            yield depth, theirs(child)
            yield from walk(child, depth + 1)

    found = list(walk(fs._tree, 0))
    fs._stage["t"].cleanup()  # what pydicom leaves to the garbage collector is a warning
    return iter(found)
