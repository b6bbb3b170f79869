"""Writing a DICOMDIR: records with exact offsets, in Explicit VR Little Endian (PS3.10 8.6)."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from pacskit.core.dataset import Dataset
from pacskit.core.errors import EncodeError
from pacskit.encoding.dicomdir.keys import LINKS
from pacskit.encoding.dicomdir.reader import MEDIA_STORAGE_DIRECTORY, RECORDS
from pacskit.encoding.dicomdir.records import Node, Record, Root
from pacskit.encoding.part10 import _head_bytes
from pacskit.encoding.transfer_syntax import EXPLICIT_LITTLE
from pacskit.encoding.writer import encode

__all__ = ["encode_directory", "sync_directory", "write_atomically"]

_FIRST, _LAST, _FLAG = 0x00041200, 0x00041202, 0x00041212
_FIXED = 34  # bytes of next offset, flag and lower offset, with which each record begins
_LARGEST = 0xFFFFFFFE


def _head_of(header: Dataset) -> bytes:
    meta = header.file_meta.copy()
    meta.MediaStorageSOPClassUID = MEDIA_STORAGE_DIRECTORY
    meta.TransferSyntaxUID = EXPLICIT_LITTLE
    for keyword in ("ImplementationClassUID", "ImplementationVersionName"):  # whoever writes says so
        if keyword in meta:
            delattr(meta, keyword)
    return _head_bytes(meta, header.preamble)


def _rest_of(record: Record) -> bytes:
    """The elements of a record after its links; group lengths, which would be wrong, are left out (PS3.5 7.2)."""
    dataset = record.dataset.copy()
    for tag in dataset.tags():
        if tag in LINKS or not tag & 0xFFFF:
            del dataset[tag]
        elif tag < LINKS[-1]:
            raise EncodeError("a directory record may not have this attribute", tag=tag)
    return encode(dataset, EXPLICIT_LITTLE)


def _item(body: bytes, following: int, lower: int) -> bytes:
    return b"".join((
        b"\xfe\xff\x00\xe0", (_FIXED + len(body)).to_bytes(4, "little"),
        b"\x04\x00\x00\x14UL\x04\x00", following.to_bytes(4, "little"),
        b"\x04\x00\x10\x14US\x02\x00\xff\xff",
        b"\x04\x00\x20\x14UL\x04\x00", lower.to_bytes(4, "little"),
        body,
    ))  # fmt: skip


def _set_links(record: Record, offset: int, following: int, lower: int) -> None:
    """Let the record say what was written."""
    record.offset = offset
    dataset = record.dataset
    dataset.OffsetOfTheNextDirectoryRecord = following
    dataset.RecordInUseFlag = 0xFFFF
    dataset.OffsetOfReferencedLowerLevelDirectoryEntity = lower


def encode_directory(header: Dataset, root: Root) -> bytes:
    """The bytes of a DICOMDIR; the offsets in ``header`` and in the records become what is written."""
    records = list(root.walk())
    bodies = [_rest_of(record) for record in records]
    for tag in (_FIRST, _LAST):
        header.add_new(tag, "UL", 0)
    header.add_new(_FLAG, "US", 0)
    meta = _head_of(header)
    before, after = header[:RECORDS], header[RECORDS + 1 :]
    at = len(meta) + len(encode(before, EXPLICIT_LITTLE)) + 12
    places: dict[Record, int] = {}
    for record, body in zip(records, bodies, strict=True):
        places[record] = at
        at += 8 + _FIXED + len(body)
    if at > _LARGEST:
        raise EncodeError("the DICOMDIR would be larger than its offsets can say", tag=RECORDS)
    ends = (places[root.children[0]], places[root.children[-1]]) if root.children else (0, 0)
    for tag, place in zip((_FIRST, _LAST), ends, strict=True):
        header.add_new(tag, "UL", place)
        before.add_new(tag, "UL", place)
    following = _following(root, records, places)
    items = []
    for record, body in zip(records, bodies, strict=True):
        lower = places[record.children[0]] if record.children else 0
        _set_links(record, places[record], following[record], lower)
        items.append(_item(body, following[record], lower))
    length = sum(map(len, items)).to_bytes(4, "little")
    start = b"\x04\x00\x20\x12SQ\x00\x00" + length
    return b"".join((meta, encode(before, EXPLICIT_LITTLE), start, *items, encode(after, EXPLICIT_LITTLE)))


def _following(root: Root, records: list[Record], places: dict[Record, int]) -> dict[Record, int]:
    """The offset of the next record of the same directory entity, 0 for the last."""
    nodes: list[Node] = [root, *records]
    following = {}
    for node in nodes:
        for record, after in pairwise((*node.children, None)):
            if record is not None:
                following[record] = 0 if after is None else places[after]
    return following


def write_atomically(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file that is, whatever happens, the old one or the new one, and on disk when this returns."""
    staging = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        with staging.open("xb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        staging.replace(path)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Bring the names of a directory to disk, where the system has a way to."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
