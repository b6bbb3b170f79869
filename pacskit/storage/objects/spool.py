"""An object on its way into a blob store: received into memory or a temporary file of this machine, then put.

What is here may be lost with the machine: nobody has been told anything yet.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from pacskit.core.errors import StorageError
from pacskit.storage.errors import storage_error

__all__ = ["SpoolWriter"]

_SPILL: Final = 1 << 16  # bytes of an object kept in memory before its file is begun
_HEAD: Final = 1 << 15  # bytes; holds the attributes before the pixels of most objects

Content = bytes | IO[bytes]


class SpoolWriter:
    """One object on its way. Belongs to one thread.

    ``put(key, content, size)`` keeps it and returns the key that it has then; ``drop(key)`` takes that back, as well as
    can be.
    """

    keeps_facts = True  # until the index has them: reading them again would be asking the store

    def __init__(self, directory: Path, put: Callable[[str, Content, int], str], drop: Callable[[str], None]) -> None:
        self.size = 0
        self._directory = directory
        self._put = put
        self._drop = drop
        self._memory: bytearray | None = bytearray()  # None once there are bytes in the file
        self._file: IO[bytes] | None = None
        self._wanted = ""  # the key that is to be its name, more or less
        self._final: str | None = None  # the key, once it is in the store

    def write(self, data: bytes | bytearray | memoryview, *, more: int = 0) -> None:
        """Append bytes; ``more`` says how many will follow, as far as that is known."""
        length = data.nbytes if isinstance(data, memoryview) else len(data)
        try:
            if self._memory is not None and self.size + length + more <= _SPILL:
                self._memory += data
            else:
                self._append(data)
        except OSError as error:
            raise storage_error(error, "writing an object") from error
        self.size += length

    def _append(self, data: bytes | bytearray | memoryview) -> None:
        if self._memory is not None:
            self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115 - goes with the writer
            spilled, self._memory = self._memory, None
            self._append(spilled)
        with memoryview(data) as whole, whole.cast("B") as rest:
            at = 0
            while at < len(rest):
                at += os.write(self.descriptor, rest[at:])

    @property
    def descriptor(self) -> int:
        """The file once there is one, to be written at its end; -1 while the object is in memory."""
        return -1 if self._file is None else self._file.fileno()

    def head(self) -> bytes | None:
        """The first bytes of an object that has gone to a file; None while it is in memory."""
        return None if self._file is None else os.pread(self._file.fileno(), _HEAD, 0)

    def view(self) -> _View:
        """Look at what has been written."""
        return _View(self._memory, self.descriptor, self.size)

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Return bytes that have been written: this is a range source until it is settled."""
        if self._memory is not None:
            return bytes(self._memory[offset : offset + size])
        data = b""
        while len(data) < size and (part := os.pread(self.descriptor, size - len(data), offset + len(data))):
            data += part
        return data

    def finish(self, key: str) -> None:
        """Nothing more is to be written, and ``key`` is what its name is made from."""
        self._wanted = key

    def source(self, key: str) -> SpoolWriter:
        """What its bytes can be read from, until it is settled."""
        return self

    def place(self, is_there: Callable[[], bool] = lambda: False) -> str | None:
        """Put the object; return its key. None where ``is_there`` says that it is there already."""
        if self._final is None:
            if self._memory is None and self._file is None:
                raise StorageError("the object has been settled or aborted")
            if is_there():
                return None
            if self._file is not None:
                self._file.seek(0)
                self._final = self._put(self._wanted, self._file, self.size)
            else:
                self._final = self._put(self._wanted, bytes(self._memory or b""), self.size)
        return self._final

    def settle(self) -> None:
        """Keep the object: the index knows it now."""
        self.leave()

    def leave(self) -> None:
        """Let the object be where it is, whether the index has it or not."""
        file, self._file, self._memory, self._final = self._file, None, None, None
        if file is not None:
            file.close()

    def abort(self) -> None:
        """Leave nothing behind, as well as can be; what stays has never been acknowledged."""
        final = self._final
        self.leave()
        if final is not None:
            self._drop(final)


class _View:
    """The bytes of an object on its way, mapped where they are in a file."""

    def __init__(self, memory: bytearray | None, descriptor: int, size: int) -> None:
        self._memory = memory
        self._descriptor = descriptor
        self._size = size
        self._map: mmap.mmap | None = None
        self._view: memoryview | None = None

    def __enter__(self) -> memoryview:
        if self._memory is None:
            self._map = mmap.mmap(self._descriptor, self._size, access=mmap.ACCESS_READ)
        self._view = memoryview(self._map if self._map is not None else self._memory or b"").toreadonly()
        return self._view

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # a data set may still look at the bytes: its views keep them alive, and they go when it goes
        with suppress(BufferError):
            if self._view is not None:
                self._view.release()
            if self._map is not None:
                self._map.close()
