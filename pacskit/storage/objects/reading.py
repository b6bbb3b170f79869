"""An object of a blob store as a file that is open for reading."""

from __future__ import annotations

import io
import os
from typing import Any

from pacskit.storage.blobs.base import BlobReader, BlobStore

__all__ = ["BlobFile"]

_SKIP = 1 << 16  # bytes that are read and dropped rather than asking anew
_RANGE = 16 << 20  # bytes of one answer that are held at once


class BlobFile(io.RawIOBase):
    """Reads what is asked for in order from one stream, and after a seek so many bytes as one range.

    With ``begin`` the stream is asked for at once, so that BlobNotFound is raised here. It has no descriptor; it
    belongs to one thread at a time.
    """

    def __init__(self, store: BlobStore, key: str, size: int, *, begin: bool = False) -> None:
        self.store = store
        self.key = key
        self.size = size
        self._position = 0
        self._sought = False  # since the last read
        self._stream: BlobReader | None = store.get(key) if begin else None
        self._next = 0  # where the stream is, after the rest of a piece
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place; nothing is asked for yet."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("no place before the beginning")
        self._position = base + offset
        self._sought = True
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Read ``size`` bytes, all where there are so many; the rest without a size."""
        left = max(0, self.size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        if not wanted:
            return b""
        follows = self._stream is not None and 0 <= self._position - self._next <= _SKIP
        if self._sought and not follows and wanted < left and wanted <= _RANGE:
            data = self.store.get_range(self.key, self._position, wanted)
        else:
            data = self._read_on(wanted, follows)
        self._sought = False
        self._position += len(data)
        return data

    def readall(self) -> bytes:
        """Read the rest."""
        return self.read()

    def readinto(self, buffer: Any, /) -> int:
        """Read as much as fits, all where there is so much."""
        with memoryview(buffer) as whole, whole.cast("B") as view:
            data = self.read(len(view))
            view[: len(data)] = data
        return len(data)

    def _read_on(self, wanted: int, follows: bool) -> bytes:
        if not follows:
            self._end()
            self._stream = self.store.get(self.key, start=self._position)
            self._next = self._position
        while self._next < self._position and (skipped := self._take(self._position - self._next)):
            self._next += len(skipped)
        parts: list[memoryview] = []
        missing = wanted
        while missing and (part := self._take(missing)):
            parts.append(part)
            self._next += len(part)
            missing -= len(part)
        if self._next >= self.size and self._stream is not None:
            next(self._stream, None)  # its end: what reads it on the way has all of it then
            self._end()
        return b"".join(parts)

    def _take(self, most: int) -> memoryview:
        if not self._rest and self._stream is not None:
            self._rest = memoryview(next(self._stream, b"")).cast("B")
        part, self._rest = self._rest[:most], self._rest[most:]
        return part

    def _end(self) -> None:
        stream, self._stream, self._rest = self._stream, None, memoryview(b"")
        if stream is not None:
            stream.close()

    def close(self) -> None:
        """Read no more."""
        self._end()
        super().close()
