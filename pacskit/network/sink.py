"""Where received fragments go, and where sent ones come from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from pacskit.core.errors import ConfigurationError, LimitError

__all__ = ["DescriptorSink", "DiscardSink", "FileSink", "FileSource", "MemorySink", "Sink", "SpooledSink"]


class Sink(Protocol):
    """Takes a data set as its fragments arrive."""

    def write(self, chunk: Any, /) -> object:
        """Take the next bytes; ``chunk`` supports the buffer protocol and may be reused after the call."""
        ...

    def close(self) -> Any:
        """Finish; what is returned becomes ``request.data``."""
        ...

    def abort(self) -> None:
        """Give up: the data set will not be completed, leave nothing behind."""
        ...


class DescriptorSink(Sink, Protocol):
    """A sink whose bytes can go straight to a file descriptor, without a call for each fragment.

    ``first`` is how many bytes it would like to see before the others arrive, where there will be many; 0 for none.
    """

    first: int

    def descriptor(self) -> int:
        """Where the next bytes may be written; -1 for now to `write`. Asked after each call of `write`."""
        ...

    def wrote(self, count: int, error: OSError | None, /) -> object:
        """Take note that ``count`` bytes were written there, and of the ``error`` that ended it, to raise it."""
        ...


class MemorySink:
    """Keeps the data set in memory, up to ``limit`` bytes; gives bytes."""

    __slots__ = ("_chunks", "_left", "_limit")

    def __init__(self, limit: int = 256 << 20) -> None:
        self._chunks: list[bytes] = []
        self._limit = self._left = limit

    def write(self, chunk: Any) -> None:
        # The chunk lies in the receive buffer, which is about to be reused: it has to be owned here.
        self._left -= len(chunk)
        if self._left < 0:
            self._chunks.clear()
            raise LimitError(f"a data set is longer than {self._limit} bytes")
        self._chunks.append(bytes(chunk))

    def close(self) -> bytes:
        chunks, self._chunks = self._chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def abort(self) -> None:
        self._chunks.clear()


class DiscardSink:
    """Counts the bytes and forgets them; gives the count."""

    __slots__ = ("length",)

    def __init__(self) -> None:
        self.length = 0

    def write(self, chunk: Any) -> None:
        self.length += len(chunk)

    def close(self) -> int:
        return self.length

    def abort(self) -> None:
        self.length = 0


class FileSink:
    """Writes the data set to a new file at ``path`` after ``prefix`` bytes; gives the path.

    The file is removed when the data set does not arrive whole.
    """

    __slots__ = ("_file", "_left", "path")
    first = 0

    def __init__(self, path: str | os.PathLike[str], *, prefix: bytes = b"", limit: int | None = None) -> None:
        self.path = Path(path)
        self._left = limit
        self._file: BinaryIO = open(self.path, "xb", buffering=0)  # noqa: SIM115 - closed by close() or abort()
        if prefix:
            self._write_all(prefix)

    def _write_all(self, chunk: Any) -> None:
        # An unbuffered write may be short (disk full, signals); go on until it raises or is done.
        written = self._file.write(chunk)
        if written < len(chunk):
            rest = memoryview(chunk)
            while written < len(rest):
                written += self._file.write(rest[written:])

    def write(self, chunk: Any) -> None:
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise LimitError("a data set is longer than the limit")
        self._write_all(chunk)

    def descriptor(self) -> int:
        return self._file.fileno() if self._left is None else -1

    def wrote(self, count: int, error: OSError | None) -> None:
        if error is not None:
            raise error

    def close(self) -> Path:
        self._file.close()
        return self.path

    def abort(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


class SpooledSink:
    """Keeps up to ``memory`` bytes in memory and spills the rest to an anonymous temporary file.

    Gives bytes for a small data set, an open binary file at position 0 for a large one (the receiver closes it).
    """

    __slots__ = ("_directory", "_file", "_left", "_memory", "_room")

    def __init__(
        self, memory: int = 1 << 20, *, directory: str | os.PathLike[str] | None = None, limit: int | None = None
    ) -> None:
        self._memory = bytearray()
        self._room = memory
        self._left = limit
        self._directory = directory
        self._file: Any = None

    def write(self, chunk: Any) -> None:
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise LimitError("a data set is longer than the limit")
        if self._file is None:
            if len(self._memory) + len(chunk) <= self._room:
                self._memory += chunk
                return
            self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - the receiver closes it
            self._file.write(self._memory)
            self._memory = bytearray()
        self._file.write(chunk)

    def close(self) -> bytes | BinaryIO:
        if self._file is None:
            data, self._memory = bytes(self._memory), bytearray()
            return data
        self._file.seek(0)
        file: BinaryIO = self._file
        self._file = None
        return file

    def abort(self) -> None:
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass(frozen=True, slots=True)
class FileSource:
    """A data set that is sent from a file, read in bounded pieces: ``length`` bytes from ``offset`` (None: to the end).

    ``file`` is a path or a file descriptor; a descriptor is read with pread and stays open.
    """

    file: str | os.PathLike[str] | int
    offset: int = 0
    length: int | None = None

    def __post_init__(self) -> None:
        if self.offset < 0 or (self.length is not None and self.length < 0):
            raise ConfigurationError("a file source has no negative offset or length")

    def pieces(self, size: int) -> Iterator[tuple[memoryview, bool]]:
        """Yield (view, is it the last) in pieces of ``size`` bytes; a view is reused by the next piece."""
        fd = self.file if isinstance(self.file, int) else os.open(self.file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            available = max(0, os.fstat(fd).st_size - self.offset)
            length = available if self.length is None else self.length
            if length > available:
                raise EOFError(f"the file ends {length - available} bytes before the data set does")
            yield from self._read(fd, length, size)
        finally:
            if fd is not self.file:
                os.close(fd)

    def _read(self, fd: int, length: int, size: int) -> Iterator[tuple[memoryview, bool]]:
        buffer = memoryview(bytearray(min(size, length)))
        position, end = self.offset, self.offset + length
        while True:
            wanted = min(size, end - position)
            filled = 0
            while filled < wanted:
                got = os.preadv(fd, [buffer[filled:wanted]], position + filled)
                if got == 0:
                    raise EOFError("the file became shorter while it was sent")
                filled += got
            position += wanted
            yield buffer[:wanted], position == end
            if position == end:
                return
