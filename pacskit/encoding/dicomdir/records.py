"""The records of a DICOMDIR as a tree of objects (PS3.3 F.2.2, F.4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pacskit.core.dataset import Dataset
from pacskit.core.uid import UID
from pacskit.encoding.dicomdir.naming import Components, parse_file_id, resolve
from pacskit.encoding.dicomdir.problems import FileSetError

__all__ = ["Instance", "Node", "Patient", "Record", "Root", "Series", "Study", "record_for"]


class Node:
    """Something with records below it."""

    __slots__ = ("children",)

    def __init__(self) -> None:
        self.children: list[Record] = []

    def walk(self) -> Iterator[Record]:
        """Iterate over all records below, each before those below it."""
        stack = self.children[::-1]
        while stack:
            record = stack.pop()
            yield record
            stack.extend(reversed(record.children))

    def iter_instances(self) -> Iterator[Instance]:
        """Iterate over the instances below."""
        return (record for record in self.walk() if isinstance(record, Instance))


class Root(Node):
    """The root directory entity; ``directory`` is where the files are, None before there is such a place."""

    __slots__ = ("directory",)

    def __init__(self, directory: Path | None = None) -> None:
        super().__init__()
        self.directory = directory


class Record(Node):
    """A directory record: its ``dataset``, its ``parent`` and ``children``.

    Keywords are looked up in the record and in those above it (``instance.PatientID``); ``offset`` is where it was
    last read or written.
    """

    __slots__ = ("dataset", "offset", "parent", "staged")

    def __init__(self, dataset: Dataset, *, offset: int | None = None) -> None:
        super().__init__()
        self.dataset = dataset
        self.offset = offset
        self.parent: Node | None = None
        self.staged: Path | Dataset | None = None

    def attach(self, parent: Node) -> None:
        """Become the last record below ``parent``."""
        self.parent = parent
        parent.children.append(self)

    @property
    def record_type(self) -> str:
        """Directory Record Type (0004,1430)."""
        return str(self.dataset.get("DirectoryRecordType") or "")

    @property
    def file_id(self) -> Components | None:
        """The components of the Referenced File ID, None when the record refers to no file."""
        return parse_file_id(self.dataset.get("ReferencedFileID"))

    @property
    def FileID(self) -> str:
        """The components of the Referenced File ID joined by slashes; empty when the record refers to no file."""
        return "/".join(self.file_id or ())

    @property
    def path(self) -> Path | None:
        """The file; where it comes from while it still has to be written, None when there is none yet.

        Raises UnsafePathError when it would be outside the file-set's directory.
        """
        if isinstance(self.staged, Path):
            return self.staged
        node: Node | None = self
        while isinstance(node, Record):
            node = node.parent
        file_id = self.file_id
        if self.staged is not None or file_id is None or not isinstance(node, Root) or node.directory is None:
            return None
        return resolve(node.directory, file_id)

    def get(self, keyword: str, default: Any = None) -> Any:
        """Get the value of an attribute of this record or the nearest above that has it."""
        node: Node | None = self
        while isinstance(node, Record):
            if keyword in node.dataset:
                return node.dataset.get(keyword)
            node = node.parent
        return default

    def __contains__(self, keyword: str) -> bool:
        return self.get(keyword, self) is not self

    def __getattr__(self, name: str) -> Any:
        if name[:1].isupper():
            value = self.get(name, self)
            if value is not self:
                return value
        raise AttributeError(f"neither a {type(self).__name__} nor the records above have {name!r}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.record_type} {self.FileID}".rstrip() + ">"


class Instance(Record):
    """A record that refers to a file."""

    __slots__ = ()

    @property
    def SOPClassUID(self) -> UID:
        """Referenced SOP Class UID in File."""
        return UID(self.dataset.get("ReferencedSOPClassUIDInFile") or "")

    @property
    def SOPInstanceUID(self) -> UID:
        """Referenced SOP Instance UID in File."""
        return UID(self.dataset.get("ReferencedSOPInstanceUIDInFile") or "")

    @property
    def TransferSyntaxUID(self) -> UID:
        """Referenced Transfer Syntax UID in File."""
        return UID(self.dataset.get("ReferencedTransferSyntaxUIDInFile") or "")

    @property
    def is_staged(self) -> bool:
        """Whether the file still has to be written."""
        return self.staged is not None

    @property
    def is_private(self) -> bool:
        """Whether this is a PRIVATE record."""
        return self.record_type == "PRIVATE"

    def load(self, **options: Any) -> Dataset:
        """Read the file; the options are those of ``dcmread``."""
        from pacskit.encoding.part10 import dcmread

        if isinstance(self.staged, Dataset):
            return self.staged
        path = self.path
        if path is None:
            raise FileSetError("the file-set has no directory yet")
        return dcmread(path, **options)


class Series(Record):
    """A SERIES record."""

    __slots__ = ()

    @property
    def instances(self) -> list[Instance]:
        """The instances of the series."""
        return list(self.iter_instances())


class Study(Record):
    """A STUDY record."""

    __slots__ = ()

    @property
    def series(self) -> list[Series]:
        """The series of the study."""
        return [record for record in self.children if isinstance(record, Series)]


class Patient(Record):
    """A PATIENT record."""

    __slots__ = ()

    @property
    def studies(self) -> list[Study]:
        """The studies of the patient."""
        return [record for record in self.children if isinstance(record, Study)]


_CLASSES: dict[str, type[Record]] = {"PATIENT": Patient, "STUDY": Study, "SERIES": Series}


def record_for(dataset: Dataset, *, offset: int | None = None) -> Record:
    """The object for a record's data set, by its type and by whether it refers to a file."""
    kind = _CLASSES.get(str(dataset.get("DirectoryRecordType") or ""))
    if kind is None:
        kind = Record if parse_file_id(dataset.get("ReferencedFileID")) is None else Instance
    return kind(dataset, offset=offset)
