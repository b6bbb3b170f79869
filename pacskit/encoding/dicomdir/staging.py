"""Bringing files of a file-set to disk, and taking them off."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pacskit.core.dataset import Dataset
from pacskit.encoding.dicomdir.problems import FileSetError, UnsafePathError
from pacskit.encoding.dicomdir.records import Record
from pacskit.encoding.dicomdir.writer import sync_directory, write_atomically

__all__ = ["delete_files", "write_files"]

_PIECE = 1 << 20


def write_files(root: Path, records: Sequence[Record], progress: Callable[[int, int], object] | None) -> None:
    """Write the files of records that are staged; all of them, or none when one cannot be written."""
    written: dict[Path, None] = {}
    try:
        for number, record in enumerate(records, 1):
            path = root.joinpath(*(record.file_id or ()))
            if path not in written:  # several records may refer to a file
                _write_one(root, path, record)
                written[path] = None
            if progress is not None:
                progress(number, len(records))
        for folder in {folder for path in written for folder in path.relative_to(root).parents}:
            sync_directory(root / folder)  # names of new folders, before the DICOMDIR counts on them
    except BaseException:
        delete_files(root, written)
        raise


def _write_one(root: Path, path: Path, record: Record) -> None:
    if path.exists() or path.is_symlink():
        raise FileExistsError(f"{path} exists")
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise UnsafePathError("a symbolic link leads out of the file-set", record.FileID)
    path.parent.mkdir(parents=True, exist_ok=True)
    source = record.staged
    if isinstance(source, Dataset):
        write_atomically(path, _encoded(source, record))
    elif source is not None:
        write_atomically(path, _pieces(source))


def _encoded(dataset: Dataset, record: Record) -> Iterator[bytes]:
    import io

    file = io.BytesIO()
    dataset.save_as(file, transfer_syntax=str(record.dataset.ReferencedTransferSyntaxUIDInFile))
    if dataset.get("SOPInstanceUID") != record.dataset.ReferencedSOPInstanceUIDInFile:
        raise FileSetError("the data set became another instance after it was added")
    yield file.getvalue()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def delete_files(root: Path, paths: Iterable[Path]) -> None:
    """Delete files, and folders that are empty then."""
    for path in paths:
        path.unlink(missing_ok=True)
        folder = path.parent
        with suppress(OSError):  # not empty
            while folder != root and folder.is_relative_to(root):
                os.rmdir(folder)
                folder = folder.parent
