"""Blobs that are safe on the local disk and on their way into a store.

A blob is acknowledged when its file is synced. Threads put the files into the store, again and again until it takes
them; a process that is killed leaves them where they are, and the next one goes on with them.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pacskit.core.errors import StorageError
from pacskit.storage.blobs.base import BlobInfo, BlobStore, Source
from pacskit.storage.blobs.errors import BlobExists, BlobNotFound, BlobTimeout, BlobUnavailable
from pacskit.storage.blobs.local import LocalStore

__all__ = ["UploadQueue"]

_PAUSE = 0.1  # seconds after the first failure; twice as many after each other
_LONGEST = 30.0

_log = logging.getLogger("pacskit.storage")


class UploadQueue:
    """The files that wait, in a directory that one process has for itself.

    ``done`` is called with the key, the file and the size of what the store has taken; the file is its own then.
    """

    def __init__(
        self,
        directory: Path,
        store: BlobStore,
        *,
        max_bytes: int,
        uploaders: int,
        done: Callable[[str, Path, int], None],
    ) -> None:
        self.files = LocalStore(directory / "queue")
        self.conflicts = LocalStore(directory / "conflicts")
        self.max_bytes = max_bytes
        self.error: StorageError | None = None  # why the store did not take what it was offered last
        self._store = store
        self._done = done
        self._changed = threading.Condition()
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        self._waiting: deque[str] = deque()
        self._claimed: set[str] = set()  # keys that somebody works on: a put, an upload or a removal
        self._closing = False
        for info in sorted(self.files.list(), key=lambda info: info.modified):
            self._enter(info.key, info.size)
        self._threads = [
            threading.Thread(target=self._run, name=f"pacskit-upload-{number}", daemon=True)
            for number in range(uploaders)
        ]
        for thread in self._threads:
            thread.start()

    def _enter(self, key: str, size: int) -> None:
        self._sizes[key] = size
        self._bytes += size
        self._waiting.append(key)

    def _leave(self, key: str) -> None:
        self._bytes -= self._sizes.pop(key, 0)

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def waiting(self) -> int:
        """How many bytes wait."""
        return self._bytes

    def keys(self) -> list[str]:
        """Return what waits, ordered."""
        with self._changed:
            return sorted(self._sizes)

    @contextmanager
    def claim(self, key: str, seconds: float) -> Iterator[None]:
        """Be the only one to change a key. Raises BlobTimeout."""
        with self._changed:
            if not self._changed.wait_for(lambda: key not in self._claimed, seconds):
                raise BlobTimeout("somebody else is at this blob for too long", key=key)
            self._claimed.add(key)
        try:
            yield
        finally:
            with self._changed:
                self._claimed.discard(key)
                self._changed.notify_all()

    def make_room(self, seconds: float) -> None:
        """Wait until there is room for one more. Raises BlobTimeout."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._closing or self._bytes < self.max_bytes, seconds):
                raise BlobTimeout(f"the queue before the store is full ({self._bytes} bytes)")

    def put(self, key: str, source: Source, size: int | None, sha256: bytes | None) -> BlobInfo:
        """Take a blob, whose key is claimed, unless one waits already."""
        info = self.files.put_stream(key, source, size=size, sha256=sha256)
        with self._changed:
            self._enter(key, info.size)
            self._changed.notify_all()
        return info

    def remove(self, key: str) -> None:
        """Take out what waits under a claimed key."""
        with self._changed:
            if key not in self._sizes:
                return
            self._leave(key)
            self._changed.notify_all()
        self.files.delete(key)

    def wait_for(self, key: str, seconds: float) -> None:
        """Wait until the store has what waits under a key. Raises BlobTimeout."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._closing or key not in self._sizes, seconds):
                raise BlobTimeout("the blob waits for the store", key=key)

    def flush(self, seconds: float | None) -> bool:
        """Wait until the store has everything that waits now or comes meanwhile; return whether it has."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or not self._sizes, seconds)
            return not self._sizes

    # in the threads

    def _run(self) -> None:
        pause = _PAUSE
        while (key := self._next()) is not None:
            try:
                self._upload(key)
            except Exception as error:
                _log.warning("the store does not take a blob, which waits: %s", type(error).__name__)
                known = error if isinstance(error, StorageError) else BlobUnavailable("the store failed", key=key)
                self._failed(key, known, pause)
                pause = min(2 * pause, _LONGEST)
            else:
                pause = _PAUSE

    def _next(self) -> str | None:
        """Claim a key that waits; None at the end."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._closing or any(one not in self._claimed for one in self._waiting))
                if self._closing:
                    return None
                key = next(one for one in self._waiting if one not in self._claimed)
                self._waiting.remove(key)
                if key in self._sizes:  # not removed meanwhile
                    self._claimed.add(key)
                    return key

    def _failed(self, key: str, error: StorageError, pause: float) -> None:
        with self._changed:
            self.error = error
            self._waiting.append(key)
            self._claimed.discard(key)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closing, pause)

    def _upload(self, key: str) -> None:
        size = self._sizes[key]
        try:
            reader = self.files.get(key)
        except BlobNotFound:
            _log.error("somebody has removed a blob that waited for the store")
            self._finished(key)
            return
        try:
            with reader:
                self._store.put_stream(key, reader, size=size)
        except BlobExists:
            if not self._is_there(key):
                self._set_aside(key)
                return
        self._done(key, self.files.path(key), size)
        self.files.prune(key)
        self._finished(key)

    def _finished(self, key: str) -> None:
        with self._changed:
            self.error = None
            self._leave(key)
            self._claimed.discard(key)
            self._changed.notify_all()

    def _is_there(self, key: str) -> bool:
        """Whether what the store has under a key is what waits: put there by a process that was killed then."""
        digests = []
        for store in (self.files, self._store):
            state = hashlib.sha256()
            with store.get(key) as reader:
                for part in reader:
                    state.update(part)
            digests.append(state.digest())
        return digests[0] == digests[1]

    def _set_aside(self, key: str) -> None:
        """Keep what cannot go where it should: another blob is there, put by somebody else meanwhile."""
        with self.files.get(key) as reader:
            self.conflicts.put_stream(key, reader, replace=True)
        self.files.delete(key)
        _log.error("another blob is in the store under a key that waited; ours is set aside")
        self._finished(key)

    def close(self) -> None:
        """End the threads when they have done what they are at; what waits is left to the next start."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self.files.close()
        self.conflicts.close()
