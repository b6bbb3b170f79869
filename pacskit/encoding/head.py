"""What a DICOM file holds and where its data set lies, from its first bytes."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pacskit.core.errors import DecodeError, TruncatedError
from pacskit.core.uid import UID
from pacskit.encoding.part10 import _Head, _parse_head, dcmread
from pacskit.encoding.transfer_syntax import grammar

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["FileHead", "data_set_start", "end_of_pixels", "read_head"]

_HEAD = 1 << 13
_UNDEFINED = 0xFFFFFFFF
_PIXELS = frozenset({(0x7FE0, 0x0008), (0x7FE0, 0x0009), (0x7FE0, 0x0010)})  # in explicit VR: OF, OD, OB or OW
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


def data_set_start(data: Buffer) -> tuple[int, str]:
    """Where the data set of a file begins, and its transfer syntax, from the file's first bytes (PS3.10 7.1).

    Raises TruncatedError where more of them are needed, DecodeError where this is no DICOM file.
    """
    head = _parse_head(data, False)
    return head.start, head.syntax


def end_of_pixels(data: bytes, at: int, transfer_syntax: str) -> int | None:
    """Where pixel data ends, from its element's header at ``at`` of ``data`` (PS3.5 7.1).

    None where its length is undefined, or there is no whole header of pixel data.
    """
    implicit, big, _, _ = grammar(transfer_syntax)
    order = ">" if big else "<"
    start = at + (8 if implicit else 12)
    if start > len(data) or struct.unpack_from(order + "HH", data, at) not in _PIXELS:
        return None
    (length,) = struct.unpack_from(order + "I", data, start - 4)
    return None if length == _UNDEFINED else start + length


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
