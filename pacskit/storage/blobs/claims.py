"""The right to put a blob in parts, held by one of all who share a store.

Services complete a put in parts on a condition each in its own way, or do not; a small blob they all put on the
condition that there is none. So who puts a large one has a small one beside it, ``.incoming/HASH`` of its key, until it
is done, and writes that anew while it lasts; a holder that was killed is followed by another one after ten minutes.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pacskit.core.errors import StorageError
from pacskit.storage.blobs.errors import BlobDamaged, BlobExists, BlobNotFound, BlobUnavailable
from pacskit.storage.blobs.faults import Patience

if TYPE_CHECKING:
    from pacskit.storage.blobs.cloud import CloudStore

__all__ = ["INCOMING", "Claim"]

INCOMING = ".incoming"
_REFRESH = 60.0  # seconds
_DEAD = timedelta(minutes=10)


class Claim:
    """Held within a ``with``, which waits for it; BlobExists once there is a blob of the key."""

    def __init__(self, store: CloudStore, key: str, patience: float) -> None:
        self._store = store
        self._key = key
        self._name = f"{INCOMING}/{hashlib.sha256(key.encode()).hexdigest()[:40]}"
        self._token = secrets.token_bytes(16)
        self._patience = Patience(patience)
        self._written = 0.0

    def __enter__(self) -> Self:
        while True:
            self.check()
            if self._take():
                break
            self._patience.wait(BlobUnavailable("somebody else is putting this blob", key=self._key))
        self._written = time.monotonic()
        try:
            self.check()  # the one before us may have been done meanwhile
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _take(self) -> bool:
        try:
            self._store.put_small(self._name, self._token)
        except BlobExists:
            return self._follow()
        return True

    def _follow(self) -> bool:
        """Take the claim of somebody who does not write it anew any more, unless another one does."""
        with suppress(BlobNotFound, BlobDamaged):
            found = self._store.head_any(self._name)
            if datetime.now(UTC) - found.modified > _DEAD and found.version is not None:
                self._store.put_small(self._name, self._token, {"e_tag": found.version})
                return True
        return False

    def check(self) -> None:
        """Raise BlobExists where there is a blob of the key."""
        with suppress(BlobNotFound):
            self._store.head(self._key)
            raise BlobExists("there is a blob of that key", key=self._key)

    def refresh(self) -> None:
        """Say from time to time that the put goes on."""
        if time.monotonic() - self._written > _REFRESH:
            self._store.put_small(self._name, self._token, "overwrite")
            self._written = time.monotonic()

    def _release(self) -> None:
        with suppress(StorageError):  # sweep does it
            self._store.remove_any([self._name])
