"""A blob as bytes by range, for `pacskit.dcmread` and the frames of what it returns."""

from __future__ import annotations

import threading

from pacskit.storage.blobs.base import BlobStore, check_key

__all__ = ["BlobSource"]

_HEAD = 1 << 16  # bytes; as many as `dcmread` asks for first


class BlobSource:
    """A blob as a range source: its beginning is read once and kept, everything else when it is asked for.

    ``size`` is that of the first answer, so that the header of an object and one of its frames are two requests.

    >>> from pacskit.storage.blobs import MemoryStore
    >>> store = MemoryStore()
    >>> _ = store.put_stream("a", b"0123456789")
    >>> BlobSource(store, "a").read_at(2, 3)
    b'234'
    """

    __slots__ = ("_begun", "_head", "_lock", "_size", "key", "store")

    def __init__(self, store: BlobStore, key: str, *, size: int | None = None, head: int = _HEAD) -> None:
        self.store = store
        self.key = check_key(key)
        self._head = head
        self._size = size
        self._begun: bytes | None = None
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """How many bytes there are."""
        if self._size is None:
            self._begin()
        return self._size or 0

    def _begin(self) -> bytes:
        with self._lock:
            if self._begun is None:
                with self.store.get(self.key, length=self._head) as reader:
                    self._begun = reader.read()
                    self._size = reader.info.size
            return self._begun

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Return bytes of the blob; fewer only where it ends."""
        if offset < self._head:
            begun = self._begin()
            found = begun[offset : offset + size]
            missing = min(size, max(0, self.size - offset)) - len(found)
            if missing <= 0:
                return found
            return found + self.store.get_range(self.key, offset + len(found), missing)
        return self.store.get_range(self.key, offset, size)

    def __repr__(self) -> str:
        return f"BlobSource({self.store!r})"
