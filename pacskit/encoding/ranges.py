"""Bytes by range: of a file, of an open stream, or of whatever has ``read_at``; what goes wrong is a SourceError."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import BinaryIO

from pacskit.core.errors import PacsError, SourceError
from pacskit.core.types import RangeSource

__all__ = ["FileRange", "Ranges", "StreamRange"]


class FileRange:
    """A file as a range source: opened for each range, and refused once it is another file than at first.

    Safe to use from many threads, and can be pickled: what it holds is the path and what the file was.
    """

    __slots__ = ("_identity", "path", "size")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._identity = _identity(os.stat(self.path))
        self.size = self._identity[0]

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Return bytes of the file; OSError where it is gone or has changed."""
        with open(self.path, "rb", buffering=0) as file:
            if _identity(os.fstat(file.fileno())) != self._identity:
                raise OSError("the file has changed since its header was read")
            file.seek(offset)
            return _exactly(file, size)

    def __str__(self) -> str:
        return str(self.path)


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _exactly(file: BinaryIO, size: int) -> bytes:
    """Read until there are ``size`` bytes, or no more."""
    data = file.read(size)
    if len(data) == size:
        return data
    parts = [data]
    missing = size - len(data)
    while missing and (part := file.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


class StreamRange:
    """An open file as a range source, from where it stands; it must stay open. Threads take turns."""

    __slots__ = ("_lock", "_start", "_stream", "size")

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._start = stream.tell()
        self.size = stream.seek(0, os.SEEK_END) - self._start

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Return bytes of the file."""
        with self._lock:
            self._stream.seek(self._start + offset)
            return _exactly(self._stream, size)

    def __str__(self) -> str:
        return str(getattr(self._stream, "name", type(self._stream).__name__))


class Ranges:
    """A range source of which nothing is believed: what it gives is checked, what it raises becomes SourceError."""

    __slots__ = ("name", "size", "source")

    def __init__(self, source: RangeSource) -> None:
        self.source = source
        self.name = str(source) if isinstance(source, (FileRange, StreamRange)) else type(source).__name__
        size = self._size()
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
            raise self._error(f"the source says that its size is {size!r}", 0, None)
        self.size: int | None = size

    def _size(self) -> object:
        try:
            size = getattr(self.source, "size", None)
            return size() if callable(size) else size
        except Exception as error:
            raise self._error(f"the source does not tell its size: {error}", 0, None) from error

    def _error(self, message: str, offset: int, tag: int | None) -> SourceError:
        return SourceError(message, path=self.name, offset=offset, tag=tag)

    def up_to(self, offset: int, length: int, tag: int | None = None) -> bytes:
        """Read ``length`` bytes, or what there is of them where the source ends."""
        if self.size is not None:
            length = max(0, min(length, self.size - offset))
        if length == 0:
            return b""
        try:
            data = self.source.read_at(offset, length)
        except PacsError:
            raise
        except Exception as error:
            raise self._error(f"the source cannot be read: {error}", offset, tag) from error
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise self._error(f"the source gave {type(data).__name__}, not bytes", offset, tag)
        if len(data) > length or (self.size is not None and len(data) < length):
            raise self._error(f"the source gave {len(data)} bytes where {length} were asked for", offset, tag)
        return bytes(data)

    def read(self, offset: int, length: int, tag: int | None = None) -> bytes:
        """Read exactly ``length`` bytes."""
        data = self.up_to(offset, length, tag)
        if len(data) != length:
            raise self._error(f"the source has only {len(data)} of {length} bytes", offset, tag)
        return data
