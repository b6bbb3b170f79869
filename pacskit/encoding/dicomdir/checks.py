"""What is wrong with a file-set: the DICOMDIR against the standard and against the files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pacskit.core.dataset import Dataset
from pacskit.core.errors import PacsError
from pacskit.encoding.dicomdir.keys import KEYS, is_allowed
from pacskit.encoding.dicomdir.naming import DICOMDIR, is_valid_file_id
from pacskit.encoding.dicomdir.problems import Problem, ProblemKind, UnsafePathError
from pacskit.encoding.dicomdir.records import Record, Root
from pacskit.encoding.part10 import dcmread

__all__ = ["iter_file_problems", "iter_record_problems"]

_IN_FILE = (
    ("ReferencedSOPClassUIDInFile", "MediaStorageSOPClassUID", ProblemKind.CLASS_MISMATCH),
    ("ReferencedSOPInstanceUIDInFile", "MediaStorageSOPInstanceUID", ProblemKind.UID_MISMATCH),
    ("ReferencedTransferSyntaxUIDInFile", "TransferSyntaxUID", ProblemKind.SYNTAX_MISMATCH),
)
_ABOVE = {"PATIENT": "PatientID", "STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID"}
_REQUIRED = {"1", "2"}


def iter_record_problems(root: Root) -> Iterator[Problem]:
    """Iterate over what is wrong with the records themselves (PS3.3 F.3.2.2, F.4, F.5)."""
    instances: set[str] = set()
    files: set[str] = set()
    for record in root.walk():
        yield from _type_problems(record)
        if not record.FileID:
            continue
        yield from _reference_problems(record)
        uid = str(record.dataset.get("ReferencedSOPInstanceUIDInFile") or "")
        if uid in instances:
            yield _problem(ProblemKind.DUPLICATE_INSTANCE, f"another record refers to {uid} too", record)
        if record.FileID.upper() in files:
            yield _problem(ProblemKind.DUPLICATE_FILE_ID, "another record refers to the file too", record)
        instances |= {uid} - {""}
        files.add(record.FileID.upper())


def _problem(kind: ProblemKind, message: str, record: Record) -> Problem:
    return Problem(kind, message, record.FileID or None, record.offset)


def _type_problems(record: Record) -> Iterator[Problem]:
    kind = record.record_type
    above = record.parent.record_type if isinstance(record.parent, Record) else "ROOT"
    if kind not in KEYS:
        yield _problem(ProblemKind.UNKNOWN_RECORD, f"PS3.3 F.5 defines no {kind or 'untyped'} record", record)
    elif above in KEYS | {"ROOT": ()} and not is_allowed(above, kind):
        yield _problem(ProblemKind.BAD_HIERARCHY, f"no {kind} record may stand under {above} (PS3.3 F.4)", record)
    for keyword, need in KEYS.get(kind, ()):
        present = keyword in record.dataset
        if need in _REQUIRED and not present:
            yield _problem(ProblemKind.MISSING_KEY, f"the {kind} record lacks {keyword} (type {need})", record)
        elif need == "1" and record.dataset[keyword].is_empty:
            yield _problem(ProblemKind.MISSING_KEY, f"{keyword} of the {kind} record is empty (type 1)", record)
    if kind in KEYS and kind not in _ABOVE and kind != "PRIVATE" and not record.FileID:
        yield _problem(ProblemKind.MISSING_KEY, f"the {kind} record refers to no file", record)


def _reference_problems(record: Record) -> Iterator[Problem]:
    if not is_valid_file_id(record.file_id or ()):
        yield _problem(ProblemKind.BAD_FILE_ID, "the file-ID is not what PS3.10 8.2 allows", record)
    for keyword, _, _ in _IN_FILE:
        if not record.dataset.get(keyword):
            yield _problem(ProblemKind.MISSING_KEY, f"the {record.record_type} record lacks {keyword}", record)


def iter_file_problems(
    root: Root, directory: Path, *, besides: str | None, progress: Callable[[int, int], object] | None = None
) -> Iterator[Problem]:
    """Iterate over differences between the records and the files in the directory.

    ``besides`` is a file that may be there without a record: the descriptor.
    """
    referring = [record for record in root.walk() if record.FileID and record.staged is None]
    known = set()
    for number, record in enumerate(referring, 1):
        try:
            path = record.path
        except UnsafePathError as error:
            yield _problem(ProblemKind.UNSAFE_PATH, str(error), record)
            continue
        if path is not None:
            known.add(path)
            yield from _file_problems(record, path)
        if progress is not None:
            progress(number, len(referring))
    for path in _files(directory):
        name = path.relative_to(directory).as_posix()
        if path not in known and name != besides:
            yield Problem(ProblemKind.UNREFERENCED_FILE, "no record refers to the file", name)


def _file_problems(record: Record, path: Path) -> Iterator[Problem]:
    if not path.is_file():
        yield _problem(ProblemKind.MISSING_FILE, "the file is not there", record)
        return
    try:
        dataset = dcmread(path, specific_tags=("SOPClassUID", "SOPInstanceUID", *_ABOVE.values()))
    except (PacsError, OSError) as error:
        yield _problem(ProblemKind.UNREADABLE_FILE, f"the file cannot be read: {type(error).__name__}", record)
        return
    for keyword, source, kind in _IN_FILE:
        said = record.dataset.get(keyword)
        found = dataset.get(source.removeprefix("MediaStorage")) or dataset.file_meta.get(source)
        if said and said != found:
            yield _problem(kind, f"the file is not what {keyword} says", record)
    yield from _parent_problems(record, dataset)


def _parent_problems(record: Record, dataset: Dataset) -> Iterator[Problem]:
    node = record.parent
    while isinstance(node, Record):
        keyword = _ABOVE.get(node.record_type)
        ours, theirs = (one.get(keyword) if keyword else None for one in (node.dataset, dataset))
        if ours and theirs and ours != theirs:
            yield _problem(ProblemKind.WRONG_PARENT, f"the file has another {keyword} than its records", record)
        node = node.parent


def _files(directory: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.parent != directory or name.upper() not in {DICOMDIR, DICOMDIR + "."}:
                yield path
