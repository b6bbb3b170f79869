"""From an object in a store to what the index says of it, and back: whether it still is what the index says."""

from __future__ import annotations

import hashlib
import mmap
import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Final

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, PacsError, StorageError, TruncatedError
from pacskit.encoding import decode
from pacskit.encoding.head import data_set_start
from pacskit.storage.attributes import text_of
from pacskit.storage.base import ObjectFiles
from pacskit.storage.blobs.errors import BlobDamaged, BlobNotFound
from pacskit.storage.errors import InvalidInstance, storage_error
from pacskit.storage.facts import describe, facts_of
from pacskit.storage.frameindex import has_frames, make_frames
from pacskit.storage.records import NewInstance, StoredInstance

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["damage", "describe_object", "digest_of", "moment", "open_object", "read_instance"]

FIRST: Final = 1 << 16
PIECE: Final = 1 << 20
_DEFAULT: Final = ReadOptions()


def moment(seconds: float) -> str:
    """Return a time of the file system as the index has moments."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%S.%f}"


def read_instance(
    file: IO[bytes], key: str, size: int, *, digest: bool, received: str | None = None, options: ReadOptions = _DEFAULT
) -> NewInstance:
    """Read what the index needs of the object in a file that is at its begin.

    Raises DecodeError where it does not parse, InvalidInstance where it cannot be filed.
    """
    head = _read(file, min(FIRST, size))
    start, syntax = _start(head, size)
    first: Buffer = head
    dataset = _before_pixels(head, start, syntax, size, options)
    if dataset is None:
        first = _whole(file, head, size)
        dataset = decode(first, syntax, start=start, options=options)
    facts = facts_of(dataset, text_of(dataset, "SOPClassUID"), text_of(dataset, "SOPInstanceUID"), lambda *_: key)
    found = _digest(file, first, start, size) if digest else None
    new = describe(facts, syntax, start, size - start, found)
    return new if received is None else replace(new, received=received)


def _start(first: Buffer, size: int) -> tuple[int, str]:
    try:
        return data_set_start(first)
    except TruncatedError as error:
        if len(memoryview(first)) == size:
            raise
        raise DecodeError(f"File Meta Information of more than {FIRST} bytes", offset=error.offset) from error


def _before_pixels(first: bytes, start: int, syntax: str, size: int, options: ReadOptions) -> Dataset | None:
    """Read an object whose first bytes are here; None where they are not enough for that."""
    if len(first) == size:
        return decode(first, syntax, start=start, options=options)
    try:
        dataset = decode(first, syntax, start=start, total=size, options=options)
    except TruncatedError:
        return None
    return dataset if dataset.scan is not None and dataset.scan.pending() is not None else None


def _read(file: IO[bytes], size: int) -> bytes:
    """Read so many bytes of a file that may give fewer at a time."""
    found = file.read(size)
    while len(found) < size and (more := file.read(size - len(found))):
        found += more
    if len(found) < size:
        raise TruncatedError("the object became shorter while it was read", offset=len(found))
    return found


def _whole(file: IO[bytes], first: bytes, size: int) -> Buffer:
    """Return all of a file: mapped, where it is one of the system's."""
    with suppress(OSError, ValueError):
        return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    return first + _read(file, size - len(first))


def _digest(file: IO[bytes], first: Buffer, start: int, size: int) -> bytes:
    with memoryview(first) as view:
        state = hashlib.sha256(view[start:])
        left = size - len(view)
    while left and (part := file.read(min(PIECE, left))):
        state.update(part)
        left -= len(part)
    if left:
        raise TruncatedError("the object became shorter while it was read", offset=size - left)
    return state.digest()


def digest_of(file: IO[bytes], offset: int) -> bytes:
    """Return the SHA-256 of a file from ``offset`` on."""
    file.seek(offset)
    state = hashlib.sha256()
    while part := file.read(PIECE):
        state.update(part)
    return state.digest()


def damage(file: IO[bytes], instance: StoredInstance, *, options: ReadOptions = _DEFAULT) -> str | None:
    """Read an object of the right size; say what is wrong with it. None: nothing.

    Its head must be that of the instance. Of the rest the digest decides, and where there is none, whether it parses.
    """
    size = instance.offset + instance.length
    try:
        if instance.sha256 is None:
            new = read_instance(file, instance.key, size, digest=True, options=options)  # so that all of it is read
            found = (new.offset, new.transfer_syntax_uid, new.sop_instance_uid)
            expected = (instance.offset, instance.transfer_syntax_uid, instance.sop_instance_uid)
            return None if found == expected else "it is another object"
        first = _read(file, min(FIRST, size))
        if _start(first, size) != (instance.offset, instance.transfer_syntax_uid):
            return "its head is not that of the object"
        return None if _digest(file, first, instance.offset, size) == instance.sha256 else "its digest is another"
    except (DecodeError, InvalidInstance, BlobDamaged) as error:
        return f"{type(error).__name__}: {error}"
    except PacsError:
        raise
    except OSError as error:
        return f"it cannot be read: {os.strerror(error.errno) if error.errno else type(error).__name__}"


def open_object(blobs: ObjectFiles, key: str, size: int) -> IO[bytes] | None:
    """Open an object that will be read from its beginning; None where there is none."""
    try:
        return blobs.open(key, size, whole=True)
    except (FileNotFoundError, BlobNotFound):
        return None
    except PacsError:
        raise
    except OSError as error:
        raise storage_error(error, "opening an object") from error


def describe_object(
    blobs: ObjectFiles,
    key: str,
    size: int,
    *,
    digest: bool,
    received: str | None = None,
    options: ReadOptions = _DEFAULT,
) -> NewInstance:
    """Read all that the index keeps of an object, as `read_instance` does, where its frames are too."""
    file = open_object(blobs, key, size)
    if file is None:
        raise StorageError("there is no object of that name")
    with file:
        new = read_instance(file, key, size, digest=digest, received=received, options=options)
    return replace(new, frames=make_frames(blobs.source(key, size), options)) if has_frames(new) else new
