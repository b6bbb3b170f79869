"""The objects of an archive in a blob store: what many machines have in common, with the index.

An object is put first, then its row is written, then it is acknowledged. Every object has a key of its own, which is
never used again: what its naming scheme says, and a random part. So no cache can have other bytes of it, and a key that
is to be removed cannot be somebody else's meanwhile. A machine that dies between the two leaves an object that nobody
was told of.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final, cast

from pacskit.core.errors import StorageError
from pacskit.storage.base import Adopt, Index
from pacskit.storage.blobs.base import BlobStore
from pacskit.storage.blobs.errors import BlobExists, BlobNotFound
from pacskit.storage.blobs.sources import BlobSource
from pacskit.storage.errors import storage_error
from pacskit.storage.layout import with_generation
from pacskit.storage.objects.reading import BlobFile
from pacskit.storage.objects.spool import Content, SpoolWriter
from pacskit.storage.records import Commit, DuplicatePolicy

__all__ = ["BlobObjects"]

_RANDOM: Final = 6  # bytes of a key that nobody else has
ON_ITS_WAY: Final = 3600.0  # seconds after which an object that has no row gets none
_log = logging.getLogger("pacskit.storage")


class BlobObjects:
    """Objects in a `BlobStore`; ``scratch`` is a directory of this machine for what is on its way.

    With ``owns`` the store is closed too.
    """

    commit: Commit = "object"  # what is acknowledged is in the store, and has its row

    def __init__(self, store: BlobStore, scratch: Path, *, owns: Sequence[BlobStore] = ()) -> None:
        self.store = store
        self.session = secrets.token_hex(8)
        self._scratch = scratch
        self._owns = tuple(owns)
        try:
            scratch.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, "making the scratch directory") from error

    def create(self, policy: DuplicatePolicy = DuplicatePolicy.IGNORE) -> SpoolWriter:
        """Begin an object; what becomes of it where it is there already, the index decides."""
        return SpoolWriter(self._scratch, self._put, self._drop)

    def prepare(self) -> None:
        """Nothing is made ahead."""

    def _put(self, wanted: str, content: Content, size: int) -> str:
        while True:
            key = with_generation(wanted, secrets.token_hex(_RANDOM))
            try:
                self.store.put_stream(key, content, size=size)
            except BlobExists:  # which is as likely as that two objects have one digest
                if not isinstance(content, bytes):
                    content.seek(0)
                continue
            return key

    def _drop(self, key: str) -> None:
        try:
            self.store.delete(key)
        except StorageError as error:
            _log.warning("an object that was not acknowledged stays in the store: %s", type(error).__name__)

    def may_have(self, key: str) -> bool:
        """Whether there may be an object of that name: the index is asked before one is put anyway."""
        return False

    def open(self, key: str, size: int, *, whole: bool = False) -> IO[bytes]:
        """Open an object for reading; ``whole``: it will be read from its beginning, so that is asked for at once."""
        return cast("IO[bytes]", BlobFile(self.store, key, size, begin=whole))

    def source(self, key: str, size: int | None = None) -> BlobSource:
        """What `pacskit.dcmread` reads of an object with as few requests as can be."""
        return BlobSource(self.store, key, size=size)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return several ranges, each ``(start, length)``; fewer bytes only where the object ends."""
        return self.store.get_ranges(key, ranges)

    def size(self, key: str) -> int | None:
        """Return the size of an object, None where there is none."""
        try:
            return self.store.head(key).size
        except BlobNotFound:
            return None

    def remove(self, keys: Collection[str]) -> None:
        """Remove objects that nothing refers to."""
        if keys:
            self.store.delete(keys)

    def release(self, keys: Iterable[str]) -> None:
        """Nothing is kept for keys that are removed."""

    def sync_names(self, keys: Iterable[str]) -> None:
        """What has been put is there."""

    def modified(self, key: str) -> float | None:
        """Return when an object was put, in seconds of the epoch; None where there is none."""
        try:
            return self.store.head(key).modified.timestamp()
        except BlobNotFound:
            return None

    def iter_keys(self, after: str = "") -> Iterator[str]:
        """Iterate over all objects there are, in an order of the store's own; with ``after`` those behind that one."""
        return (info.key for info in self.store.list(after=after))

    def in_flight(self, keys: Collection[str]) -> set[str]:
        """Return those keys whose objects came so lately that their rows may be to come."""
        since = time.time() - ON_ITS_WAY
        return {key for key in keys if (moment := self.modified(key)) is None or moment > since}

    def recover(self, index: Index, adopt: Adopt) -> int:
        """Nothing that was acknowledged waits for anything here."""
        return 0

    def close(self) -> None:
        """Let go of what is open."""
        for store in self._owns:
            store.close()
