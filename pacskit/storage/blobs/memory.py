"""Blobs in memory: for tests, and for a few small objects in a program that keeps nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from types import TracebackType
from typing import Self

from pacskit.storage.blobs.base import (
    PIECE,
    BlobInfo,
    BlobReader,
    Buffer,
    Pieces,
    Source,
    check_key,
    check_prefix,
    check_ranges,
)
from pacskit.storage.blobs.errors import BlobExists, BlobNotFound, BlobRefused
from pacskit.storage.errors import OutOfSpace

__all__ = ["MemoryStore"]


class MemoryStore:
    """A blob store of at most ``max_bytes``, gone with the object."""

    def __init__(self, *, max_bytes: int = 256 << 20) -> None:
        self.max_bytes = max_bytes
        self._blobs: dict[str, tuple[bytes, BlobInfo]] = {}
        self._used = 0
        self._lock = threading.Lock()
        self._versions = count(1)

    def __repr__(self) -> str:
        return f"MemoryStore({len(self._blobs)} blobs, {self._used} of {self.max_bytes} bytes)"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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
        kept = bytearray()
        for part in Pieces(source, key=key, size=size, sha256=sha256):
            if len(kept) + len(part) > self.max_bytes:
                raise OutOfSpace(f"the store in memory holds {self.max_bytes} bytes")
            kept += part
        info = BlobInfo(key, len(kept), datetime.now(UTC), str(next(self._versions)))
        with self._lock:
            old = len(self._blobs[key][0]) if key in self._blobs else 0
            if key in self._blobs and not replace:
                raise BlobExists("there is a blob of that key", key=key)
            if self._used - old + len(kept) > self.max_bytes:
                raise OutOfSpace(f"the store in memory holds {self.max_bytes} bytes")
            self._used += len(kept) - old
            self._blobs[key] = bytes(kept), info
        return info

    def _find(self, key: str) -> tuple[bytes, BlobInfo]:
        try:
            return self._blobs[check_key(key)]
        except KeyError:
            raise BlobNotFound("there is no blob of that key", key=key) from None

    def get(self, key: str, *, start: int = 0, length: int | None = None, sha256: bytes | None = None) -> BlobReader:
        """See `BlobStore.get`."""
        check_ranges([(start, length or 0)])
        data, info = self._find(key)
        stop = len(data) if length is None else min(len(data), start + length)
        return BlobReader(info, _cut(data, start, stop), sha256=sha256)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See `BlobStore.get_range`."""
        check_ranges([(start, length)])
        return self._find(key)[0][start : start + length]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See `BlobStore.get_ranges`."""
        check_ranges(ranges)
        data, _ = self._find(key)
        return [data[start : start + length] for start, length in ranges]

    def head(self, key: str) -> BlobInfo:
        """See `BlobStore.head`."""
        return self._find(key)[1]

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[BlobInfo]:
        """See `BlobStore.list`."""
        begins = check_prefix(prefix) + "/" if prefix else ""
        with self._lock:
            found = [info for _, info in self._blobs.values() if info.key.startswith(begins) and info.key > after]
        return iter(sorted(found, key=lambda info: info.key))

    def delete(self, keys: str | Iterable[str]) -> None:
        """See `BlobStore.delete`."""
        for key in [keys] if isinstance(keys, str) else keys:
            check_key(key)
            with self._lock:
                data, _ = self._blobs.pop(key, (b"", None))
                self._used -= len(data)

    def sign(self, key: str, *, seconds: float, method: str = "GET") -> str:
        """Refused: nobody else reaches this memory."""
        raise BlobRefused("a store in memory has no addresses to sign", key=check_key(key))

    def close(self) -> None:
        """Let the blobs go."""
        with self._lock:
            self._blobs.clear()
            self._used = 0


def _cut(data: bytes, start: int, stop: int) -> Iterator[Buffer]:
    view = memoryview(data)
    for at in range(start, stop, PIECE):
        yield view[at : min(stop, at + PIECE)]
