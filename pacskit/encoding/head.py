"""What a DICOM file holds and where its data set lies, from its first bytes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pacskit.core.errors import DecodeError, TruncatedError
from pacskit.core.uid import UID
from pacskit.encoding.part10 import _Head, _parse_head, dcmread

__all__ = ["FileHead", "read_head"]

_HEAD = 1 << 13
_IDENTITY = ("SOPClassUID", "SOPInstanceUID")


@dataclass(frozen=True, slots=True)
class FileHead:
    """An instance in a file: ``length`` data set bytes from ``offset``, in ``transfer_syntax``."""

    path: Path
    sop_class_uid: UID
    sop_instance_uid: UID
    transfer_syntax: UID
    offset: int
    length: int


def _head_of(fd: int, size: int) -> _Head:
    want = _HEAD
    while True:
        data = os.pread(fd, want, 0)
        try:
            return _parse_head(data, False)
        except TruncatedError:
            if len(data) >= size:
                raise
        want *= 8


def read_head(path: str | os.PathLike[str]) -> FileHead:
    """Read as much of a DICOM file as it takes to send it.

    Raises DecodeError (also where the data set has no SOP class or instance UID), OSError when it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        head = _head_of(file.fileno(), size)
    dataset = dcmread(path, specific_tags=_IDENTITY)
    uids = [str(dataset.get(keyword) or "") for keyword in _IDENTITY]
    for keyword, uid in zip(_IDENTITY, uids, strict=True):
        if not uid:
            raise DecodeError(f"the data set has no {keyword}", offset=head.start)
    return FileHead(Path(path), UID(uids[0]), UID(uids[1]), UID(head.syntax), head.start, size - head.start)
