"""A store with a local disk before it: reads are kept there, and writes may be acknowledged there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pacskit.core.errors import ConfigurationError, StorageError
from pacskit.storage.blobs.base import (
    BlobInfo,
    BlobReader,
    BlobStore,
    Buffer,
    Source,
    check_key,
    check_ranges,
)
from pacskit.storage.blobs.cache import PartCache
from pacskit.storage.blobs.errors import BlobDamaged, BlobError, BlobExists, BlobNotFound, BlobUnavailable
from pacskit.storage.blobs.local import Closing, file_parts
from pacskit.storage.blobs.sessions import lock_file
from pacskit.storage.blobs.uploads import UploadQueue

__all__ = ["CacheStatus", "CachedStore"]

_LARGEST = 16 << 20  # bytes of a range that is kept


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """What is on the local disk: parts kept, blobs that wait for the store, and why it did not take the last one."""

    cached_bytes: int
    waiting: int
    waiting_bytes: int
    conflicts: int
    error: StorageError | None


class CachedStore:
    """A blob store before another, with a directory of a local disk that it has for itself.

    What was read whole or by range is read there again; keys are taken never to get other bytes but through this store.
    With ``write_behind`` a blob is acknowledged when it is safe on the local disk, and goes to the store from there: at
    once, or when it answers again, or with the next start. One that is to replace another goes through.

    Parameters
    ----------
    store
        The store behind, which stays the caller's to close.
    directory
        Where the disk is. ConfigurationError where another process has it.
    max_bytes, max_age
        How much is kept of what was read, and for how many seconds after its last use.
    queue_bytes, timeout
        How much may wait for the store; beyond it a put waits so many seconds, and raises BlobTimeout then.
    uploaders
        How many threads put what waits.
    """

    def __init__(
        self,
        store: BlobStore,
        directory: str | os.PathLike[str],
        *,
        max_bytes: int = 10 << 30,
        max_age: float | None = None,
        write_behind: bool = True,
        queue_bytes: int = 1 << 30,
        uploaders: int = 4,
        timeout: float = 120.0,
    ) -> None:
        self.store = store
        self.timeout = timeout
        self.write_behind = write_behind
        root = Path(directory).absolute()
        root.mkdir(parents=True, exist_ok=True)
        lock = lock_file(root / "lock")
        if lock is None:
            raise ConfigurationError("another process has the directory of this cache")
        self._lock = lock
        try:
            self._cache = PartCache(root / "cache", max_bytes=max_bytes, max_age=max_age)
            self._queue = UploadQueue(
                root, store, max_bytes=queue_bytes, uploaders=uploaders, done=self._cache.add_whole
            )
        except BaseException:
            os.close(lock)
            raise

    def __repr__(self) -> str:
        return f"CachedStore({self.store!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def status(self) -> CacheStatus:
        """What is on the local disk."""
        queue = self._queue
        conflicts = sum(1 for _ in queue.conflicts.list())
        return CacheStatus(self._cache.used, len(queue), queue.waiting, conflicts, queue.error)

    def flush(self, seconds: float | None = None) -> bool:
        """Wait until the store has all that waits; return whether it has."""
        return self._queue.flush(seconds)

    # writing

    def put_stream(
        self,
        key: str,
        source: Source,
        *,
        size: int | None = None,
        replace: bool = False,
        sha256: bytes | None = None,
    ) -> BlobInfo:
        """See `BlobStore.put_stream`."""
        check_key(key)
        if not replace and self.write_behind:
            self._queue.make_room(self.timeout)
        with self._queue.claim(key, self.timeout):
            if not replace and self.write_behind:
                self._check_new(key)
                return self._queue.put(key, source, size, sha256)
            if not replace and self._waits(key):
                raise BlobExists("there is a blob of that key", key=key)
            info = self.store.put_stream(key, source, size=size, replace=replace, sha256=sha256)
            self._queue.remove(key)
            self._cache.drop(key)
            return info

    def _waits(self, key: str) -> bool:
        try:
            self._queue.files.head(key)
        except BlobNotFound:
            return False
        return True

    def _check_new(self, key: str) -> None:
        """Raise BlobExists where the store has the key; what it cannot say now, it says when the blob goes there."""
        if self._queue.error is not None:  # it is not asked while it does not answer
            return
        try:
            self.store.head(key)
        except BlobNotFound:
            return
        except BlobUnavailable as error:
            self._queue.error = error
            return
        raise BlobExists("there is a blob of that key", key=key)

    def delete(self, keys: str | Iterable[str]) -> None:
        """See `BlobStore.delete`."""
        for key in [keys] if isinstance(keys, str) else keys:
            with self._queue.claim(check_key(key), self.timeout):
                self.store.delete(key)
                self._queue.remove(key)
                self._cache.drop(key)

    # reading

    def get(self, key: str, *, start: int = 0, length: int | None = None, sha256: bytes | None = None) -> BlobReader:
        """See `BlobStore.get`. A blob that is read whole is kept."""
        check_ranges([(start, length or 0)])
        with suppress(BlobNotFound):
            return self._queue.files.get(key, start=start, length=length, sha256=sha256)
        found = self._cache.find_whole(key)
        if found is not None:
            return self._cached(key, found[0], start, length, sha256)
        if start or length is not None:
            return self.store.get(key, start=start, length=length, sha256=sha256)
        reader = self.store.get(key, sha256=sha256)
        if reader.info.size > self._cache.max_bytes // 2:
            return reader
        return BlobReader(reader.info, self._keeping(key, reader), close=reader.close)

    def _cached(self, key: str, file: int, start: int, length: int | None, sha256: bytes | None) -> BlobReader:
        status = os.fstat(file)
        info = BlobInfo(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
        stop = info.size if length is None else min(info.size, start + length)
        parts = file_parts(file, key, start, stop)
        return BlobReader(info, self._checked(key, parts, sha256), close=Closing(file))

    def _checked(self, key: str, parts: Iterator[Buffer], sha256: bytes | None) -> Iterator[Buffer]:
        """Hand parts on; where they are not the blob's, forget them, as the store has the right ones."""
        state = hashlib.sha256()
        for part in parts:
            if sha256 is not None:
                state.update(part)
            yield part
        if sha256 is not None and state.digest() != sha256:
            self._cache.drop(key)
            raise BlobDamaged("the bytes on the local disk do not have their digest", key=key)

    def _keeping(self, key: str, reader: BlobReader) -> Iterator[Buffer]:
        """Hand parts on, and keep them where all of them have been read."""
        path = self._cache.fresh()
        written = 0
        try:
            with open(path, "wb", buffering=0) as file:
                for part in reader:
                    with suppress(OSError):  # a disk that is full: then it is not kept
                        written += file.write(part)
                    yield part
            if written == reader.info.size:
                self._cache.add_whole(key, path, written)
        finally:
            with suppress(OSError):
                path.unlink()

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See `BlobStore.get_range`. What is read is kept."""
        return self.get_ranges(key, [(start, length)])[0]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See `BlobStore.get_ranges`. What is read is kept."""
        check_ranges(ranges)
        with suppress(BlobNotFound):
            return self._queue.files.get_ranges(key, ranges)
        found = [self._from_disk(key, start, length) for start, length in ranges]
        missing = [one for one, data in zip(ranges, found, strict=True) if data is None]
        if missing:
            read = iter(self.store.get_ranges(key, missing))
            for index, (start, _) in enumerate(ranges):
                if found[index] is None:
                    data = found[index] = next(read)
                    if len(data) <= _LARGEST:
                        self._cache.add(key, start, data)
        return [data for data in found if data is not None]

    def _from_disk(self, key: str, start: int, length: int) -> bytes | None:
        found = self._cache.find(key, start, length) if length else None
        if found is None:
            return None
        file, part = found
        stop = min(start + length, part.stop) - part.start
        try:
            return b"".join(file_parts(file, key, start - part.start, stop, most=length))
        except BlobError:  # the store has it
            self._cache.drop(key)
            return None
        finally:
            os.close(file)

    def head(self, key: str) -> BlobInfo:
        """See `BlobStore.head`. The version of a blob that waits is another one's than that in the store."""
        with suppress(BlobNotFound):
            return self._queue.files.head(key)
        return self.store.head(key)

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[BlobInfo]:
        """See `BlobStore.list`: what is in the store, and then what waits; what goes there meanwhile is listed once."""
        waiting = {info.key: info for info in self._queue.files.list(prefix)}
        return self._list(waiting, self.store.list(prefix, after="" if after in waiting else after), after)

    def _list(self, waiting: dict[str, BlobInfo], stored: Iterator[BlobInfo], after: str) -> Iterator[BlobInfo]:
        begun = after not in waiting
        for info in stored:
            waiting.pop(info.key, None)
            if begun:
                yield info
        yield from (info for key, info in waiting.items() if begun or key > after)

    def sign(self, key: str, *, seconds: float, method: str = "GET") -> str:
        """See `BlobStore.sign`; a blob that waits is put first."""
        self._queue.wait_for(check_key(key), self.timeout)
        return self.store.sign(key, seconds=seconds, method=method)

    def close(self) -> None:
        """End the uploads under way; what waits stays on the disk for the next start. The store behind stays open."""
        if self._lock >= 0:
            self._queue.close()
            os.close(self._lock)
            self._lock = -1
