"""What obstore raises, as what it means here. Its messages have addresses and keys in them and are left out."""

from __future__ import annotations

import random
import re
import threading
import time

from pacskit.core.errors import StorageError
from pacskit.storage.blobs.errors import (
    BlobDamaged,
    BlobExists,
    BlobNotFound,
    BlobRefused,
    BlobTimeout,
    BlobUnavailable,
)
from pacskit.storage.errors import OutOfSpace

__all__ = ["Patience", "blob_error", "is_past_the_end"]

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,40})</Code>")
_TIMED_OUT = re.compile(r"timed? ?out|TimedOut|deadline", re.IGNORECASE)
_NO_RANGE = re.compile("InvalidRangeRequest|ParseContentRange")
_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"})
_AGAIN = frozenset({408, 409, 425, 429})
_FIRST = 0.05
_LONGEST = 5.0


class Patience:
    """How long what is transient is tried again: with growing pauses, up to ``deadline`` seconds from now."""

    def __init__(self, deadline: float) -> None:
        self._ends = time.monotonic() + deadline
        self._pause = _FIRST

    def wait(self, error: Exception) -> None:
        """Pause before the next attempt; raise ``error`` where there is no time for one."""
        pause = self._pause * random.uniform(0.5, 1.0)
        if time.monotonic() + pause > self._ends:
            raise error from None
        threading.Event().wait(pause)
        self._pause = min(2 * self._pause, _LONGEST)


def blob_error(error: Exception, key: str | None) -> StorageError:
    """Return the error to raise instead of one of obstore's."""
    text = str(error)
    kind = type(error).__name__
    found = _CODE.search(text)
    code = found[1] if found else ""
    if isinstance(error, FileNotFoundError):
        if code in _NO_BUCKET:
            return BlobRefused("there is no bucket or container of that name", key=key)
        if code == "NoSuchUpload":
            return BlobUnavailable("the store has lost the parts of the blob", key=key)
        return BlobNotFound("there is no blob of that key", key=key)
    if kind == "AlreadyExistsError":
        return BlobExists("there is a blob of that key", key=key)
    if kind == "PreconditionError":
        return BlobDamaged("the blob was replaced while it was read", key=key)
    if kind in {"PermissionDeniedError", "UnauthenticatedError"}:
        return BlobRefused(f"the store does not accept the credentials ({code or kind})", key=key)
    answered = _STATUS.search(text)
    if answered is not None:
        return _answered(int(answered[1]), code, key)
    if _TIMED_OUT.search(text):
        return BlobTimeout("the store did not answer in time", key=key)
    if kind in {"GenericError", "JoinError"}:
        return BlobUnavailable("the store cannot be reached, or broke off", key=key)
    return BlobRefused(f"the store does not do this ({kind})", key=key)


def _answered(status: int, code: str, key: str | None) -> StorageError:
    said = f"{status} {code}".rstrip()
    if status == 507:
        return OutOfSpace(f"the store is full ({said})")
    if status >= 500 or status in _AGAIN:
        return BlobUnavailable(f"the store has a fault ({said})", key=key, status=status)
    return BlobRefused(f"the store refuses this ({said})", key=key)


def is_past_the_end(error: Exception) -> bool:
    """Whether a range was refused, as is one behind the end of the blob (RFC 9110 15.5.17); the size has to say."""
    found = _STATUS.search(str(error))
    return found[1] == "416" if found is not None else _NO_RANGE.search(str(error)) is not None
