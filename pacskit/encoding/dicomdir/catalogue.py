"""What is where in a tree of records: instances by UID, records by their keys, names that are taken."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from pacskit.core.dataset import Dataset
from pacskit.encoding.dicomdir.keys import PREFIXES, is_allowed, make_record
from pacskit.encoding.dicomdir.naming import DICOMDIR, Components, FileIDs, is_valid_file_id, make_file_id
from pacskit.encoding.dicomdir.problems import FileSetError, MissingKeyError
from pacskit.encoding.dicomdir.records import Instance, Node, Record, Root, record_for

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LEVELS", "Catalogue"]

LEVELS = (("PATIENT", "PatientID"), ("STUDY", "StudyInstanceUID"), ("SERIES", "SeriesInstanceUID"))
_KEY = dict(LEVELS)


class Catalogue:
    """Look-ups in a tree of records, kept up to date while it changes."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.ids = FileIDs()
        self.ids.directory = root.directory
        self.instances: dict[str, Instance] = {}
        self._nodes: dict[tuple[Node, str], Record] = {}
        self._keys: dict[Record, list[tuple[Node, str]]] = {}
        self._folders: dict[Node, Components] = {}
        for record in root.walk():
            self.add(record)

    def add(self, record: Record, key: str | None = None) -> None:
        """Take note of a record that has its place; ``key`` is what else it is to be found by."""
        if record.file_id is not None:
            self.ids.add(record.file_id)
        if isinstance(record, Instance):
            self.instances.setdefault(record.SOPInstanceUID, record)
        keyword = _KEY.get(record.record_type)
        if keyword is None or record.parent is None:
            return
        for one in {key, str(record.dataset.get(keyword) or "")} - {None}:
            place = (record.parent, str(one))
            if self._nodes.setdefault(place, record) is record:
                self._keys.setdefault(record, []).append(place)

    def forget(self, record: Record) -> None:
        """Take note that a record goes."""
        if record.file_id is not None:
            self.ids.discard(record.file_id)
        if isinstance(record, Instance) and self.instances.get(record.SOPInstanceUID) is record:
            del self.instances[record.SOPInstanceUID]
        for place in self._keys.pop(record, ()):
            del self._nodes[place]
        self._folders.pop(record, None)

    # ---- the records above an instance --------------------------------------------------------------

    def chain(self, dataset: Dataset, record_type: str, invent: bool) -> list[tuple[Record, str]]:
        """The records above an instance with what each is found by; those that are new have no parent yet."""
        if is_allowed("ROOT", record_type) and (record_type != "PRIVATE" or not dataset.get("SeriesInstanceUID")):
            return []
        found: list[tuple[Record, str]] = []
        node: Node = self.root
        for level, keyword in LEVELS:
            key = str(dataset.get(keyword) or "")
            if not key and level == "PATIENT" and invent:
                key = f"\0{dataset.get('PatientName') or ''}"  # nothing else tells who it is
            elif not key:
                raise MissingKeyError(level, keyword)
            known = self._nodes.get((node, key))
            if known is None:
                number = self.number(node) if invent else None
                known = record_for(make_record(dataset, level, number=number))
            found.append((known, key))
            node = known
        return found

    def number(self, parent: Node) -> int:
        """A number for a new record below ``parent``; no patient gets the invented ID of another."""
        number = len(parent.children) + 1
        while parent is self.root and (parent, f"UNKNOWN{number}") in self._nodes:
            number += 1
        return number

    def place(self, chain: list[tuple[Record, str]]) -> Node:
        """Put the new records of a chain into the tree; give the last, or the root."""
        node: Node = self.root
        for record, key in chain:
            if record.parent is None:
                record.attach(node)
                self.add(record, key)
            node = record
        return node

    # ---- names --------------------------------------------------------------------------------------

    def in_place(self, path: Path) -> Components | None:
        """The file-ID of a file that can be listed where it is, None for others."""
        if self.root.directory is None:
            return None
        try:
            file_id = path.resolve().relative_to(self.root.directory.resolve()).parts
        except ValueError:
            return None
        return file_id if is_valid_file_id(file_id) and file_id != (DICOMDIR,) else None

    def new_file_id(self, leaf: Record, wanted: str | PurePath | Iterable[str] | None) -> Components:
        """A file-ID for a new file: from the name that is wanted, else from the hierarchy."""
        if wanted is not None:
            return self.ids.unique(make_file_id(wanted))
        return self.ids.child(self._folder(leaf.parent), PREFIXES[leaf.record_type])

    def _folder(self, node: Node | None) -> Components:
        """The folder for files of a record: the one that files below it are in, or a new one."""
        if not isinstance(node, Record):
            return ()
        if node not in self._folders:
            above = self._folder(node.parent)
            depth = len(above) + 1
            used = next((one.file_id for one in node.iter_instances() if one.FileID), None)
            if used and len(used) > depth and is_valid_file_id(used) and used[: depth - 1] == above:
                self._folders[node] = used[:depth]
            else:
                self._folders[node] = self.ids.child(above, PREFIXES.get(node.record_type, "XX"))
        return self._folders[node]

    def require(self, record: Record) -> None:
        """Raise FileSetError for a record of another tree."""
        node: Node | None = record
        while isinstance(node, Record):
            node = node.parent
        if node is not self.root:
            raise FileSetError("the record is not of this file-set")
