"""The objects of an archive, from the address of a blob store."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pacskit.core.errors import ConfigurationError
from pacskit.storage.blobs.base import BlobStore
from pacskit.storage.blobs.cached import CachedStore
from pacskit.storage.blobs.opening import open_store
from pacskit.storage.blobs.options import StoreOptions
from pacskit.storage.objects.remote import BlobObjects

__all__ = ["CacheOptions", "check_blobs", "open_objects"]

_SCHEMES: Final = ("s3", "az", "azure", "gs", "file", "memory")
_MOST: Final = 256  # processes with caches in one directory


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """A local disk before a blob store.

    Parameters
    ----------
    directory
        Where it is; each process has a directory of its own in there.
    max_bytes, max_age
        How much of what was read each process keeps, and for how many seconds after its last use.
    write_behind
        Whether an object is acknowledged when it is synced here and its row is in the index, and goes to the store
        after that. Until then it is on this machine alone: others cannot read it, and the loss of this disk loses it.
    queue_bytes
        How much may wait for the store; beyond it, whoever brings more waits.
    """

    directory: str
    max_bytes: int = 10 << 30
    max_age: float | None = None
    write_behind: bool = False
    queue_bytes: int = 1 << 30

    def __post_init__(self) -> None:
        if not self.directory:
            raise ConfigurationError("a cache needs a directory")
        if self.max_bytes < 1 or self.queue_bytes < 1:
            raise ConfigurationError("max_bytes and queue_bytes are more than 0")


def check_blobs(address: str) -> str:
    """Return the address of a blob store; ConfigurationError where it is none. Nothing is opened."""
    scheme, found, _ = address.partition("://")
    if found and scheme not in _SCHEMES:
        raise ConfigurationError("the address of a store begins with s3, az, gs, file or memory")
    if "@" in urlsplit(address).netloc:
        raise ConfigurationError("credentials belong into StoreOptions or the environment, not an address")
    return address


def open_objects(
    blobs: str | BlobStore, directory: Path, options: StoreOptions | None = None, cache: CacheOptions | None = None
) -> BlobObjects:
    """Open what is at an address, or take a store that stays the caller's to close; ``directory`` is this machine's."""
    opened: list[BlobStore] = []
    if isinstance(blobs, str):
        opened.append(open_store(check_blobs(blobs), options))
    store = opened[0] if isinstance(blobs, str) else blobs
    try:
        if cache is not None:
            store = _cached(store, cache)
            opened.insert(0, store)
        return BlobObjects(store, directory / "spool", owns=opened)
    except BaseException:
        for one in opened:
            one.close()
        raise


def _cached(store: BlobStore, cache: CacheOptions) -> CachedStore:
    """Take the first directory that no other process has."""
    for number in count():
        try:
            return CachedStore(
                store,
                Path(cache.directory) / str(number),
                max_bytes=cache.max_bytes,
                max_age=cache.max_age,
                write_behind=cache.write_behind,
                queue_bytes=cache.queue_bytes,
            )
        except ConfigurationError:
            if number == _MOST:
                raise
    raise ConfigurationError("no directory for a cache")
