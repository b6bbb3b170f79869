"""What can go wrong with a blob; none of the messages has a key, an address or a credential in it."""

from __future__ import annotations

from pacskit.core.errors import StorageError

__all__ = [
    "BlobDamaged",
    "BlobError",
    "BlobExists",
    "BlobNotFound",
    "BlobRefused",
    "BlobTimeout",
    "BlobUnavailable",
    "InvalidKey",
]


class BlobError(StorageError):
    """A blob could not be kept, read or removed; ``key`` says which one, where it was one."""

    def __init__(self, message: str, *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key

    @property
    def is_transient(self) -> bool:
        """Whether trying again later may succeed."""
        return False


class InvalidKey(BlobError, ValueError):
    """A key that no store takes."""


class BlobNotFound(BlobError, LookupError):
    """There is no blob of that key."""


class BlobExists(BlobError):
    """There is a blob of that key already, and it was not to be replaced."""


class BlobDamaged(BlobError):
    """The bytes are not those that were to be there: another digest, too few, or replaced while they were read."""


class BlobRefused(BlobError):
    """The store says no, and would again: credentials, permissions, a bucket that is not there, a limit of size."""


class BlobUnavailable(BlobError):
    """The store cannot be reached, or has a fault of its own; ``status`` is the HTTP status where it gave one."""

    def __init__(self, message: str, *, key: str | None = None, status: int | None = None) -> None:
        super().__init__(message, key=key)
        self.status = status

    @property
    def is_transient(self) -> bool:
        return True


class BlobTimeout(BlobUnavailable, TimeoutError):
    """The store, or room in a queue before it, was waited for too long."""
