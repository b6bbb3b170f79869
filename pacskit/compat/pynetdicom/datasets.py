"""Data sets in and out: those of `pacskit.compat.pydicom`, ours, and pydicom's own, which scripts go on using.

What is taken may be any of them. What is handed out is pydicom's where the process has imported pydicom, as every
script for pynetdicom does, so that it can be mixed with the script's own data sets; else `pacskit.compat.pydicom`'s.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, Final

from pacskit.compat.pydicom.dataset import Dataset, FileMetaDataset
from pacskit.compat.pydicom.filereader import dcmread
from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset as CoreDataset
from pacskit.core.errors import ConfigurationError, DecodeError, PacsError
from pacskit.core.uid import UID
from pacskit.encoding import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, decode, encode
from pacskit.encoding.reader import inflate, rewrap
from pacskit.encoding.transfer_syntax import grammar

__all__ = ["LIBRARIES", "Ours", "Pydicoms", "as_ours", "encoded", "file_meta_of", "is_dataset", "library"]

_LIMITS: Final = ReadOptions()
# By implicit VR and little endian.
_LAYOUTS: Final = {
    (True, True): "1.2.840.10008.1.2",
    (False, True): "1.2.840.10008.1.2.1",
    (False, False): "1.2.840.10008.1.2.2",
}


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
        return _from_pydicom(dataset)
    raise TypeError(f"a Dataset is needed, not {type(dataset).__name__}")


def _from_pydicom(dataset: Any) -> CoreDataset:
    """A data set of pydicom's as ours: pydicom writes it once, in the encoding that it has, and it is not decoded."""
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if syntax is not None and not syntax.is_private and syntax.is_transfer_syntax:
        implicit, little = bool(syntax.is_implicit_VR), bool(syntax.is_little_endian)
    else:
        syntax = None
        was_implicit, was_little = dataset.original_encoding
        implicit, little = bool(was_implicit), was_little is not False
    stream = Pydicoms.module("filebase").DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, little
    Pydicoms.module("filewriter").write_dataset(stream, dataset)
    made = decode(bytes(stream.getvalue()), _LAYOUTS[implicit, little])
    if syntax is not None:
        made.transfer_syntax = UID(str(syntax))
    return made


def encoded(dataset: Any, syntax: str, name: str) -> bytes:
    """The bytes of a data set; ValueError where it cannot be written, as in pynetdicom."""
    try:
        return bytes(encode(as_ours(dataset), str(syntax)))
    except (PacsError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"Failed to encode the supplied {name} dataset: {error}") from error


class Ours:
    """Hands out data sets of `pacskit.compat.pydicom`."""

    def dataset(self) -> Any:
        """An empty data set."""
        return Dataset()

    def decoded(self, data: Any, syntax: str) -> Any:
        """The data set of bytes; an empty one for nothing."""
        return rewrap(decode(data, str(syntax)), Dataset, Dataset) if data else Dataset()

    def file_meta(self) -> Any:
        """Empty File Meta Information."""
        return FileMetaDataset()

    def read(self, path: str | os.PathLike[str]) -> Any:
        """The data set of a file."""
        return dcmread(path)


class Pydicoms:
    """Hands out pydicom's data sets, which pydicom makes of the bytes itself."""

    @staticmethod
    def module(name: str) -> Any:
        try:
            return __import__(f"pydicom.{name}", fromlist=["*"])
        except ImportError as error:
            raise ConfigurationError("pydicom is not installed: 'pip install pydicom'") from error

    def dataset(self) -> Any:
        """An empty data set."""
        return self.module("dataset").Dataset()

    def decoded(self, data: Any, syntax: str) -> Any:
        """The data set of bytes; an empty one for nothing."""
        if not data:
            return self.dataset()
        layout = grammar(str(syntax))
        if layout.deflated:
            data = inflate(data, _LIMITS.max_inflated, ratio=_LIMITS.max_ratio)
        try:
            made = self.module("filereader").read_dataset(io.BytesIO(data), layout.implicit, not layout.big)
        except Exception as error:
            raise DecodeError(f"pydicom cannot read the data set: {error}") from error
        made.set_original_encoding(layout.implicit, not layout.big)
        return made

    def file_meta(self) -> Any:
        """Empty File Meta Information."""
        return self.module("dataset").FileMetaDataset()

    def read(self, path: str | os.PathLike[str]) -> Any:
        """The data set of a file; nothing of it is handed out."""
        return dcmread(path)


LIBRARIES: Final[dict[str, Ours | Pydicoms]] = {"pacskit": Ours(), "pydicom": Pydicoms()}


def library(wanted: str | None = None) -> Ours | Pydicoms:
    """The library to hand out data sets of: the one that is wanted, or the one that the process uses."""
    if wanted is None:
        wanted = "pydicom" if "pydicom.dataset" in sys.modules else "pacskit"
    return LIBRARIES[wanted]


def file_meta_of(made: Any, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str) -> Any:
    """Fill in the File Meta Information of an object (PS3.10 7.1)."""
    made.FileMetaInformationGroupLength = 0
    made.FileMetaInformationVersion = b"\x00\x01"
    made.MediaStorageSOPClassUID = str(sop_class_uid)
    made.MediaStorageSOPInstanceUID = str(sop_instance_uid)
    made.TransferSyntaxUID = str(transfer_syntax)
    made.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    made.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return made
