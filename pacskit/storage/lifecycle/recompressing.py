"""Objects in another transfer syntax, without any loss: the same instance, smaller.

The new object is written beside the old one, its pixels are decoded and compared with the old ones', and only then the
instance gets it, in one transaction; the old one goes as what was replaced goes. That it was so, and the SHA-256 of the
data set that was received, stay known.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from pacskit.core.errors import PacsError, StorageError
from pacskit.encoding import dcmread
from pacskit.encoding.head import read_head
from pacskit.storage.blobs.errors import BlobDamaged
from pacskit.storage.entities import NotRecompressed
from pacskit.storage.errors import OutcomeUnknown, storage_error
from pacskit.storage.facts import describe, facts_of
from pacskit.storage.frameindex import has_frames, make_frames
from pacskit.storage.index.collection import Collection
from pacskit.storage.index.rewriting import Rewritten, rewrite
from pacskit.storage.records import DuplicatePolicy, NewInstance, StoredInstance
from pacskit.storage.syncing import sync_directory

if TYPE_CHECKING:
    from pacskit.storage.base import BlobWriter
    from pacskit.storage.store import Store

__all__ = ["Recompressed", "recompress"]

_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Recompressed:
    """What became of an instance; ``done`` is False where it stays as it is, ``why`` says why.

    ``size_before`` and ``size_after`` are bytes of the objects, as files.
    """

    done: bool
    size_before: int
    size_after: int
    why: str = ""


def recompress(store: Store, sop_instance_uid: str, syntax: str, *, at_most: float = 1.0) -> Recompressed:
    """Write the object of an instance anew in a lossless transfer syntax.

    It stays as it is where it would have more than ``at_most`` of its size, or cannot be converted without loss; that
    is remembered. Raises InstanceNotFound, UnderHold, BlobDamaged where the object is not what was received, and
    StorageError.
    """
    from pacskit.encoding.transcoding.files import transcode_file

    with store.open(sop_instance_uid, whole=True) as opened, tempfile.TemporaryDirectory(prefix="pacskit-") as folder:
        old, size = opened.instance, opened.instance.offset + opened.instance.length
        source, made = Path(folder) / "old.dcm", Path(folder) / "new.dcm"
        digest = _spool(opened.file, source, old)
        try:
            transcode_file(source, made, syntax, verify=True, new_uid="never")
        except OSError as error:
            raise storage_error(error, "recompressing an object") from error
        except PacsError as error:
            return _keep(store, old, syntax, size, size, type(error).__name__)
        after = made.stat().st_size
        if after > at_most * size or old.transfer_syntax_uid == syntax:
            return _keep(store, old, syntax, size, after, "not smaller")
        said: dict[str, Any] = {"from": old.transfer_syntax_uid, "to": syntax, "length": old.length}
        done = _take(store, old, made, {**said, "sha256": digest.hex()})
    return Recompressed(done, size, after, "" if done else "replaced meanwhile")


def _spool(file: IO[bytes], path: Path, old: StoredInstance) -> bytes:
    """Copy an object to a file of this machine; return the SHA-256 of its data set."""
    state = hashlib.sha256()
    left = old.offset
    try:
        with path.open("wb") as copy:
            while piece := file.read(_PIECE):
                copy.write(piece)
                state.update(piece[min(left, len(piece)) :])
                left = max(0, left - len(piece))
    except OSError as error:
        raise storage_error(error, "recompressing an object") from error
    if old.sha256 not in (None, state.digest()):
        raise BlobDamaged("the object does not have the digest that it was stored with", key=old.key)
    return state.digest()


def _keep(store: Store, old: StoredInstance, syntax: str, size: int, after: int, why: str) -> Recompressed:
    Collection(store.index, NotRecompressed).put(NotRecompressed(old.sop_instance_uid, syntax, why))
    return Recompressed(False, size, after, why)


def _take(store: Store, old: StoredInstance, made: Path, said: dict[str, Any]) -> bool:
    """Store what was made, and give it to the instance."""
    with _writing(store, made, old.key) as (writer, key):
        new = _describe(store, made, key, old)
        _secure(writer.source(key))
        store.blobs.sync_names([key])
        work = store.index.run_alone
        found: Rewritten = work(lambda batch: rewrite(batch, old, new, said, store.blobs.session))
        if not found.done:
            writer.abort()
            return False
        writer.settle()
    store.index.secure()  # before the old object goes: a power cut must not bring its row back
    if found.goes:
        store.discard_replaced([old.key])
    return True


@contextmanager
def _writing(store: Store, made: Path, wanted: str) -> Iterator[tuple[BlobWriter, str]]:
    """Write an object that has its name then; it goes again where what follows raises."""
    writer = store.blobs.create(DuplicatePolicy.IGNORE)
    try:
        with made.open("rb") as file:
            while piece := file.read(_PIECE):
                writer.write(piece)
        writer.finish(wanted)
        key = writer.place()
        if key is None:
            raise StorageError("the object has no name")
        yield writer, key
    except (OutcomeUnknown, KeyboardInterrupt, SystemExit):  # its row may be there
        writer.leave()
        raise
    except BaseException:
        writer.abort()
        raise


def _describe(store: Store, made: Path, key: str, old: StoredInstance) -> NewInstance:
    head = read_head(made)
    dataset = dcmread(made, stop_before_pixels=True, options=store.options)
    facts = facts_of(dataset, old.sop_class_uid, old.sop_instance_uid, store.layout)._replace(key=key)
    digest = None
    if old.sha256 is not None:
        with made.open("rb") as file:
            file.seek(head.offset)
            digest = hashlib.file_digest(file, "sha256").digest()
    new = describe(facts, str(head.transfer_syntax), head.offset, head.length, digest)
    return replace(new, frames=make_frames(made, store.options)) if has_frames(new) else new


def _secure(source: object) -> None:
    """Have a file survive a power cut: the one that it replaces does."""
    if not isinstance(source, Path):
        return
    try:
        with source.open("rb") as file:
            os.fsync(file.fileno())
        sync_directory(source.parent)
    except OSError as error:
        raise storage_error(error, "syncing an object") from error
