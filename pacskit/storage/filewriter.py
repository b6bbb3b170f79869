"""One object on its way into a file."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pacskit.core.errors import StorageError
from pacskit.storage.errors import storage_error
from pacskit.storage.layout import MAX_KEY
from pacskit.storage.records import DuplicatePolicy
from pacskit.storage.syncing import sync_file

if TYPE_CHECKING:
    from pacskit.storage.filesystem import FileStore

__all__ = ["HEAD", "MARK", "FileWriter", "staging_name"]

HEAD = 1 << 15  # bytes; holds the attributes before the pixels of most objects
MARK = "~"  # stands in a staging name before the key, and for "/" in it
_gather = getattr(os, "writev", lambda descriptor, parts: 0)


def staging_name(number: str, key: str) -> str:
    """Return the staging name of a whole object; ``number`` has its policy."""
    return f"{number}{MARK}{key.replace('/', MARK)}"


class FileWriter:
    """One object on its way into a :class:`FileStore`."""

    keeps_facts = False  # what the index does not need most of the time is read again where it does

    def __init__(self, store: FileStore, number: str, policy: DuplicatePolicy) -> None:
        self.size = 0
        self._store = store
        self._number = number
        self._policy = policy[:3]
        self._memory: bytearray | None = bytearray()  # None once there are bytes in the file
        self._file = -1
        self._staged: str | None = None  # paths as text: making Path objects costs as much as the calls themselves
        with suppress(OSError):  # whoever needs a file takes one, and says what is wrong
            if (prepared := store.spare()) is not None:  # opened now, while the first bytes are still on their way
                self._file, self._staged = prepared
        self._wanted = ""  # the key that is to be its name
        self._final: str | None = None  # the key, once it is a name

    def write(self, data: bytes | bytearray | memoryview, *, more: int = 0) -> None:
        """Append bytes; ``more`` says how many will follow, as far as that is known."""
        length = data.nbytes if isinstance(data, memoryview) else len(data)
        if self._memory is not None:
            if self.size + length + more <= self._store.spill:
                self._memory += data
                self.size += length
                return
            self._begin_file()
            spilled, self._memory = self._memory, None
            self._append(spilled, data)
        else:
            self._append(data)
        self.size += length

    def _begin_file(self) -> None:
        if self._file < 0:
            try:
                self._file, self._staged = self._store.take(self._number)
            except OSError as error:
                raise storage_error(error, "beginning an object") from error

    def _append(self, *parts: bytes | bytearray | memoryview) -> None:
        try:
            written = _gather(self._file, parts)
            for part in parts:
                with memoryview(part) as whole, whole.cast("B") as rest:
                    at = min(written, len(rest))
                    written -= at
                    while at < len(rest):
                        at += os.write(self._file, rest[at:])
        except OSError as error:
            raise storage_error(error, "writing an object") from error

    @property
    def descriptor(self) -> int:
        """The file once there is one, to be written at its end; -1 while the object is in memory."""
        return self._file if self._memory is None else -1

    def head(self) -> bytes | None:
        """The first bytes of an object that has gone to a file; None while it is in memory."""
        return None if self._memory is not None else os.pread(self._file, HEAD, 0)

    def view(self) -> _View:
        """Look at what has been written."""
        return _View(self._memory, self._file, self.size)

    def finish(self, key: str) -> None:
        """Nothing more is to be written, and ``key`` is wanted as its name: it survives what the policy says now."""
        if len(key) > MAX_KEY or MARK in key:
            raise StorageError(f"a key of {len(key)} characters does not fit")
        name = staging_name(f"{self._number}.{self._policy}", key)
        if self._memory is not None:
            self._begin_file()
            memory, self._memory = self._memory, None
            self._append(memory)
        try:
            if self._store.syncs:
                sync_file(self._file)
            os.close(self._file)
            self._file = -1
            self._mark(f"{self._store.own}/{name}")
            self._store.sync_staged()
        except OSError as error:
            raise storage_error(error, "finishing an object") from error
        self._wanted = key

    def _mark(self, whole: str) -> None:
        if self._staged is None:
            raise StorageError("the object has been settled or aborted")
        os.rename(self._staged, whole)
        self._staged = whole

    def place(self, is_there: Callable[[], bool] = lambda: False) -> str | None:
        """Give the object that is finished its final name, if it has none; return it. As `FileStore.place`."""
        if self._final is None:
            if self._staged is None:
                raise StorageError("the object has been settled or aborted")
            try:
                self._staged, self._final = self._store.place(self._staged, self._wanted, is_there)
            except OSError as error:
                raise storage_error(error, "naming an object") from error
        return self._final

    def source(self, key: str) -> Path:
        """What the object that has its name can be read from."""
        return self._store.path(key)

    def settle(self) -> None:
        """Keep the object: the index knows it now."""
        if self._staged is not None:
            with suppress(OSError):  # the next start does it
                os.unlink(self._staged)
            self._staged = self._final = None

    def leave(self) -> None:
        """Let the object lie as it is, with both its names, for the next start."""
        self._staged = self._final = None

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._final is not None:
            self._store.drop([self._final])
        if self._staged is not None and self._memory is not None:
            self._store.give_back(self._staged)
        elif self._staged is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._staged)
            if self._wanted:  # its name said that it is whole: once more after a power cut, when what has it is deleted
                with suppress(OSError):
                    self._store.sync_staged()
        self._memory, self._staged, self._final = None, None, None


class _View:
    """The bytes of an object in staging, mapped where they are in a file."""

    def __init__(self, memory: bytearray | None, descriptor: int, size: int) -> None:
        self._memory = memory
        self._descriptor = descriptor
        self._size = size
        self._map: mmap.mmap | None = None
        self._view: memoryview | None = None

    def __enter__(self) -> memoryview:
        if self._memory is not None:
            self._view = memoryview(self._memory).toreadonly()
        else:
            self._map = mmap.mmap(self._descriptor, self._size, access=mmap.ACCESS_READ)
            self._view = memoryview(self._map)
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
