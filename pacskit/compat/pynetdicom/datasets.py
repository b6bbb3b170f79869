"""Data sets in and out: ours, those of `pacskit.compat.pydicom`, and pydicom's own, which scripts go on using."""

from __future__ import annotations

from typing import Any

from pacskit.compat.pydicom.dataset import Dataset, FileMetaDataset
from pacskit.core.dataset import Dataset as CoreDataset
from pacskit.core.errors import PacsError
from pacskit.encoding import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, decode, encode
from pacskit.encoding.reader import rewrap
from pacskit.integration import from_pydicom

__all__ = ["as_ours", "create_file_meta", "decoded", "encoded", "is_dataset"]


def _is_pydicom(value: Any) -> bool:
    return any(cls.__module__ == "pydicom.dataset" and cls.__name__ == "Dataset" for cls in type(value).__mro__)


def is_dataset(value: Any) -> bool:
    """Whether it is a data set, of whichever library."""
    return isinstance(value, CoreDataset) or _is_pydicom(value)


def as_ours(dataset: Any) -> CoreDataset:
    """The data set as ours; TypeError for what is none."""
    if isinstance(dataset, CoreDataset):
        return dataset
    if _is_pydicom(dataset):
        return from_pydicom(dataset)
    raise TypeError(f"a Dataset is needed, not {type(dataset).__name__}")


def encoded(dataset: Any, syntax: str, name: str) -> bytes:
    """The bytes of a data set; ValueError where it cannot be written, as in pynetdicom."""
    try:
        return bytes(encode(as_ours(dataset), str(syntax)))
    except (PacsError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"Failed to encode the supplied {name} dataset: {error}") from error


def decoded(data: Any, syntax: str) -> Dataset:
    """The data set of bytes, of the compatibility package's class; an empty one for nothing."""
    if not data:
        return Dataset()
    return rewrap(decode(data, str(syntax)), Dataset, Dataset)


def create_file_meta(*, sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str) -> FileMetaDataset:
    """The File Meta Information of an object (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = str(sop_class_uid)
    meta.MediaStorageSOPInstanceUID = str(sop_instance_uid)
    meta.TransferSyntaxUID = str(transfer_syntax)
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta
