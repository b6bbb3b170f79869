"""FileSet: a directory of DICOM files with a DICOMDIR that lists them (PS3.10 8, PS3.3 F)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any

from pacskit.core.dataset import Dataset
from pacskit.core.errors import LimitError
from pacskit.core.filemeta import FileMeta
from pacskit.core.uid import UID, generate_uid
from pacskit.encoding.dicomdir.catalogue import Catalogue
from pacskit.encoding.dicomdir.checks import iter_file_problems, iter_record_problems
from pacskit.encoding.dicomdir.keys import PREFIXES, RANKS, make_record, record_type_for
from pacskit.encoding.dicomdir.naming import DICOMDIR, entry, is_valid_file_id, make_file_id, parse_file_id, resolve
from pacskit.encoding.dicomdir.problems import FileIDError, FileSetError, MissingKeyError, Problem
from pacskit.encoding.dicomdir.reader import MEDIA_STORAGE_DIRECTORY, DirectoryLimits, read_directory
from pacskit.encoding.dicomdir.records import Instance, Node, Patient, Record, Root, Series, Study
from pacskit.encoding.dicomdir.staging import delete_files, write_files
from pacskit.encoding.dicomdir.writer import encode_directory, write_atomically
from pacskit.encoding.part10 import dcmread
from pacskit.encoding.transfer_syntax import EXPLICIT_LITTLE

__all__ = ["FileSet", "Progress"]

Progress = Callable[[int, int], object]
"""Called with how many files are done, and of how many."""

_OF_FILE = frozenset({"FileID", "SOPClassUID", "SOPInstanceUID", "TransferSyntaxUID"})


class FileSet:
    """A file-set: new, or the one whose DICOMDIR (or directory) ``source`` is.

    Nothing on disk changes before :meth:`write`. Iterating gives the instances; ``len()`` says how many.
    One thread uses it at a time.

    Parameters
    ----------
    source
        A DICOMDIR or the directory where one is; None for a new file-set.
    root
        The directory of a new file-set: files in it that have valid names are listed where they are, not copied.
    limits
        Budgets for a DICOMDIR that nobody has vouched for.

    Raises FileSetError, UnsafePathError, DecodeError or LimitError for a DICOMDIR that cannot be read.

    >>> fs = FileSet()
    >>> fs.ID = "HEART_CASES"
    >>> len(fs)
    0
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | None = None,
        *,
        root: str | os.PathLike[str] | None = None,
        limits: DirectoryLimits | None = None,
    ) -> None:
        self.limits = limits or DirectoryLimits()
        self.read_problems: tuple[Problem, ...] = ()
        self._seen: tuple[int, ...] | None = None
        if source is not None:
            if root is not None:
                raise FileSetError("a file-set that is opened has its directory already")
            self._open(Path(source))
        else:
            self._create(None if root is None else Path(root))
        self._catalogue = Catalogue(self._root)
        self._removed: dict[Path, None] = {}

    def _open(self, path: Path) -> None:
        path = entry(path, DICOMDIR) if path.is_dir() else path
        size = path.stat().st_size
        if size > self.limits.max_bytes:
            raise LimitError(f"the DICOMDIR has more than {self.limits.max_bytes} bytes")
        self._seen = _identity(path)
        found = read_directory(path.read_bytes(), limits=self.limits)
        self._name = path.name
        self._header, self._root = found.header, found.root
        self._root.directory = path.parent
        self.read_problems = tuple(found.problems)
        self._changed = False

    def _create(self, root: Path | None) -> None:
        if root is not None and entry(root, DICOMDIR).exists():
            raise FileSetError("there is a DICOMDIR already; open it to change it")
        self._name = DICOMDIR
        self._root = Root(root)
        self._header = Dataset(FileSetID="")
        self._header.file_meta = FileMeta(
            MediaStorageSOPClassUID=MEDIA_STORAGE_DIRECTORY,
            MediaStorageSOPInstanceUID=generate_uid(),
            TransferSyntaxUID=EXPLICIT_LITTLE,
        )
        self._changed = True

    # ---- what it is ---------------------------------------------------------------------------------

    @property
    def ID(self) -> str | None:
        """File-set ID (0004,1130), at most 16 characters."""
        return self._header.get("FileSetID") or None

    @ID.setter
    def ID(self, value: str | None) -> None:
        text = value or ""
        if not re.fullmatch("[A-Z0-9_ ]{0,16}", text):
            raise FileSetError("a File-set ID has at most 16 characters out of A-Z, 0-9, _ and blank (PS3.3 F.3.2.1)")
        self._set("FileSetID", text)

    @property
    def UID(self) -> UID:
        """The file-set's UID: the SOP Instance UID of the DICOMDIR (PS3.10 8.1)."""
        return UID(self._header.file_meta.get("MediaStorageSOPInstanceUID") or "")

    @UID.setter
    def UID(self, value: str) -> None:
        self._header.file_meta.MediaStorageSOPInstanceUID = UID(value)
        self._changed = True

    @property
    def descriptor_file_id(self) -> str | None:
        """The file-ID of a text about the file-set, its components joined by slashes; None for none."""
        value = self._header.get("FileSetDescriptorFileID") or ()
        return "/".join([value] if isinstance(value, str) else value) or None

    @descriptor_file_id.setter
    def descriptor_file_id(self, value: str | None) -> None:
        components = (value or "").split("/") if value else []
        if components and not is_valid_file_id(components):
            raise FileIDError("the descriptor's file-ID is not what PS3.10 8.2 allows")
        self._set("FileSetDescriptorFileID", components)

    @property
    def descriptor_character_set(self) -> str | None:
        """Specific Character Set of File-set Descriptor File (0004,1142)."""
        return self._header.get("SpecificCharacterSetOfFileSetDescriptorFile") or None

    @descriptor_character_set.setter
    def descriptor_character_set(self, value: str | None) -> None:
        self._set("SpecificCharacterSetOfFileSetDescriptorFile", value or "")

    def _set(self, keyword: str, value: Any) -> None:
        if value or keyword == "FileSetID":
            setattr(self._header, keyword, value)
        elif keyword in self._header:
            delattr(self._header, keyword)
        self._changed = True

    @property
    def path(self) -> Path | None:
        """The directory; None before there is one."""
        return self._root.directory

    @property
    def header(self) -> Dataset:
        """The data set of the DICOMDIR without its records."""
        return self._header

    @property
    def root(self) -> Root:
        """The root of the tree of records."""
        return self._root

    @property
    def is_staged(self) -> bool:
        """Whether there is something to write."""
        return self._changed

    # ---- what is in it ------------------------------------------------------------------------------

    @property
    def patients(self) -> list[Patient]:
        """The patients."""
        return [record for record in self._root.children if isinstance(record, Patient)]

    @property
    def studies(self) -> list[Study]:
        """The studies of all patients."""
        return [record for record in self.iter_records() if isinstance(record, Study)]

    @property
    def series(self) -> list[Series]:
        """The series of all studies."""
        return [record for record in self.iter_records() if isinstance(record, Series)]

    def iter_records(self) -> Iterator[Record]:
        """Iterate over all records, each before those below it."""
        return self._root.walk()

    def __iter__(self) -> Iterator[Instance]:
        return self._root.iter_instances()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, instance: object) -> bool:
        uid = instance.SOPInstanceUID if isinstance(instance, Instance) else instance
        return uid in self._catalogue.instances

    def find(self, load: bool = False, **attributes: Any) -> list[Instance]:
        """Get the instances whose attributes have these values.

        The records are looked at, or with ``load`` the files where the records say nothing.

        >>> FileSet().find(PatientID="42", Modality="CT")
        []
        """
        found = []
        for instance in self:
            values = {keyword: instance.get(keyword, instance) for keyword in attributes}
            values |= {keyword: getattr(instance, keyword) for keyword in attributes if keyword in _OF_FILE}
            if load and any(value is instance for value in values.values()):
                dataset = instance.load(stop_before_pixels=True)
                values = {key: dataset.get(key) if value is instance else value for key, value in values.items()}
            if all(values[keyword] == value for keyword, value in attributes.items()):
                found.append(instance)
        return found

    def find_values(self, keyword: str, instances: Iterable[Instance] | None = None) -> list[Any]:
        """Get the different values of an attribute in the records."""
        found: list[Any] = []
        for instance in self if instances is None else instances:
            value = instance.get(keyword)
            if value is not None and value not in found:
                found.append(value)
        return found

    # ---- changing it --------------------------------------------------------------------------------

    def add(
        self,
        source: str | os.PathLike[str] | Dataset,
        *,
        file_id: str | PurePath | Iterable[str] | None = None,
        record_type: str | None = None,
        private_record_uid: str | None = None,
        keys: Iterable[str] = (),
        invent: bool = False,
    ) -> Instance:
        """Add a file, or a data set that becomes one; give its record, the one there is if it is in already.

        Parameters
        ----------
        source
            A DICOM file or a data set. A file in the file-set's directory whose name is a valid file-ID is listed
            where it is, others are copied by :meth:`write`.
        file_id
            A name to make a valid and unused file-ID from; by default one is made from the hierarchy.
        record_type
            The Directory Record Type; by default what the SOP class calls for, PRIVATE where there is none.
        private_record_uid
            Private Record UID of a PRIVATE record; by default the SOP class.
        keys
            More attributes of the instance for its record, by keyword, as media profiles ask for (PS3.11).
        invent
            Make up dates, numbers and IDs that records must have and the instance lacks, as media writers do.

        Raises MissingKeyError, EncodeError for values that cannot be written, DecodeError for what is no DICOM file.
        """
        path = None if isinstance(source, Dataset) else Path(source)
        dataset = source if isinstance(source, Dataset) else dcmread(source, stop_before_pixels=True)
        reference = _reference(dataset)
        known = self._catalogue.instances.get(reference.ReferencedSOPInstanceUIDInFile)
        if known is not None:
            return known
        kind = record_type or record_type_for(reference.ReferencedSOPClassUIDInFile)
        if kind not in PREFIXES or kind in RANKS:
            raise FileSetError(f"{kind!r} is no type of record for an instance")
        if kind == "PRIVATE":
            reference.PrivateRecordUID = UID(private_record_uid or reference.ReferencedSOPClassUIDInFile)
        chain = self._catalogue.chain(dataset, kind, invent)
        number = self._catalogue.number(chain[-1][0] if chain else self._root) if invent else None
        leaf = Instance(make_record(dataset, kind, number=number, reference=reference, more=keys))
        leaf.attach(self._catalogue.place(chain))
        in_place = None if path is None or file_id is not None else self._catalogue.in_place(path)
        if in_place is None:
            in_place = self._catalogue.new_file_id(leaf, file_id)
            leaf.staged = dataset if path is None else path
        leaf.dataset.ReferencedFileID = list(in_place)
        self._catalogue.add(leaf)
        self._changed = True
        return leaf

    def remove(self, record: Record | Iterable[Record], *, keep_file: bool = False) -> None:
        """Take an instance, or all of a series, study or patient, out of the file-set.

        The files are deleted by :meth:`write`, unless ``keep_file``; records that nothing is below go too.
        """
        for one in [record] if isinstance(record, Record) else list(record):
            self._catalogue.require(one)
            for part in [one, *one.walk()]:
                path = None if keep_file or part.staged is not None else part.path
                if path is not None:
                    self._removed[path] = None
                self._catalogue.forget(part)
            self._detach(one)
            self._changed = True

    def _detach(self, record: Record) -> None:
        """Take a record off the tree, and those above it that are empty then."""
        parent = record.parent
        while parent is not None:
            parent.children.remove(record)
            record.parent = None
            if parent.children or not isinstance(parent, Record) or parent.FileID:
                return
            self._catalogue.forget(parent)
            record, parent = parent, parent.parent

    def clear(self) -> None:
        """Remove everything."""
        self.remove(list(self._root.children))

    # ---- on disk ------------------------------------------------------------------------------------

    def write(self, directory: str | os.PathLike[str] | None = None, *, progress: Progress | None = None) -> None:
        """Bring the file-set to disk: new files, then the DICOMDIR in one step, then files that were removed go.

        Whenever this is interrupted, there is a whole DICOMDIR, the old one or the new one, and every file it lists.

        Parameters
        ----------
        directory
            Where a new file-set goes; one that has a directory stays there, :meth:`copy` makes another.
        progress
            Called with how many files are written, and of how many.

        Raises FileSetError when others have changed the DICOMDIR meanwhile, FileExistsError rather than overwrite.
        """
        root = self._settle(None if directory is None else Path(directory))
        target = root / self._name
        if self._seen != _identity(target):
            raise FileSetError("the DICOMDIR was changed by others since it was read")
        root.mkdir(parents=True, exist_ok=True)
        listed = {record.path for record in self._root.walk() if record.FileID} if self._removed else set()
        staged = [record for record in self._root.walk() if record.staged is not None]
        write_files(root, staged, progress)
        try:
            write_atomically(target, [encode_directory(self._header, self._root)])
        except BaseException:
            delete_files(root, [root.joinpath(*(record.file_id or ())) for record in staged])
            raise
        self._seen = _identity(target)
        self._root.directory = self._catalogue.ids.directory = root
        for record in staged:
            record.staged = None
        delete_files(root, [path for path in self._removed if path not in listed])
        self._removed.clear()
        self.read_problems = ()
        self._changed = False

    def _settle(self, directory: Path | None) -> Path:
        """The directory to write to."""
        own = self._root.directory
        if own is None:
            if directory is None:
                raise FileSetError("a new file-set needs a directory")
            return directory
        if directory is not None and directory.resolve() != own.resolve():
            raise FileSetError("the file-set has a directory already; copy() makes another")
        return own

    def copy(self, directory: str | os.PathLike[str], *, progress: Progress | None = None) -> FileSet:
        """Copy the file-set, with what is not written yet, to a directory that has none; give the copy.

        Files keep their file-IDs where those are valid, others get new ones. What the records hold is kept.
        """
        twin = FileSet(root=directory, limits=self.limits)
        twin._header = self._header.copy()
        nodes: dict[Node, Node] = {self._root: twin._root}
        for record in self._root.walk():
            other = type(record)(record.dataset.copy())
            other.staged = record.staged if record.staged is not None else record.path
            other.attach(nodes[record.parent or self._root])
            nodes[record] = other
        twin._catalogue = Catalogue(twin._root)
        for record in twin._root.walk():
            if record.file_id and not is_valid_file_id(record.file_id):
                twin._catalogue.ids.discard(record.file_id)
                record.dataset.ReferencedFileID = list(twin._catalogue.ids.unique(make_file_id(record.file_id)))
                twin._catalogue.ids.add(record.file_id or ())
        twin.write(progress=progress)
        self._copy_descriptor(twin)
        return twin

    def _copy_descriptor(self, twin: FileSet) -> None:
        """Copy the text about the file-set, where there is one with a name that can be followed."""
        file_id = parse_file_id(self._header.get("FileSetDescriptorFileID"))
        if file_id is None or self.path is None or twin.path is None:
            return
        source, target = resolve(self.path, file_id), twin.path.joinpath(*file_id)
        if source.is_file() and not target.exists() and target.parent.is_dir():
            write_atomically(target, [source.read_bytes()])

    def verify(self, *, files: bool = True, progress: Progress | None = None) -> list[Problem]:
        """List what is wrong: with the DICOMDIR as it was read, with the records, and with the files.

        Parameters
        ----------
        files
            Look at the files too: each is opened, and those that no record knows are listed.
        progress
            Called with how many files are looked at, and of how many.
        """
        problems = [*self.read_problems, *iter_record_problems(self._root)]
        if files and self._root.directory is not None:
            problems += iter_file_problems(
                self._root, self._root.directory, besides=self.descriptor_file_id, progress=progress
            )
        return problems

    def __str__(self) -> str:
        lines = [f"File-set {self.ID or '(no ID)'}: {len(self)} instances"]
        stack: list[tuple[Record, int]] = [(record, 1) for record in reversed(self._root.children)]
        while stack:
            record, depth = stack.pop()
            lines.append("  " * depth + f"{record.record_type} {record.FileID}".rstrip())
            stack += [(child, depth + 1) for child in reversed(record.children)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<FileSet {self.ID or ''} of {len(self)} instances>"


def _identity(path: Path) -> tuple[int, ...] | None:
    """What tells that a file is another, or has changed; None where there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _reference(dataset: Dataset) -> Dataset:
    """The elements of a record that refer to a file (PS3.3 F.3.2.2)."""
    meta = dataset.file_meta
    sop_class = dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID")
    uid = dataset.get("SOPInstanceUID") or meta.get("MediaStorageSOPInstanceUID")
    for keyword, value in (("SOPClassUID", sop_class), ("SOPInstanceUID", uid)):
        if not value:
            raise MissingKeyError("directory", keyword)
    if sop_class == MEDIA_STORAGE_DIRECTORY:
        raise FileSetError("a DICOMDIR cannot be in a file-set")
    syntax = meta.get("TransferSyntaxUID") or dataset.transfer_syntax or EXPLICIT_LITTLE
    related = meta.get("ReferencedRelatedGeneralSOPClassUIDInFile") or dataset.get("RelatedGeneralSOPClassUID")
    reference = Dataset(
        ReferencedFileID="_",
        ReferencedSOPClassUIDInFile=sop_class,
        ReferencedSOPInstanceUIDInFile=uid,
        ReferencedTransferSyntaxUIDInFile=syntax,
    )
    if related:
        reference.ReferencedRelatedGeneralSOPClassUIDInFile = related
    return reference
