"""Blob stores: local files, memory, S3, Azure and Google, and a cache before any of them, behind one protocol.

>>> from pacskit.storage.blobs import open_store
>>> with open_store("memory://") as store:
...     info = store.put_stream("1.2/1.3/1.4.dcm", [b"DI", b"CM"])
...     print(info.size, store.get_range("1.2/1.3/1.4.dcm", 2, 2))
4 b'CM'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pacskit.storage.blobs.base import BlobInfo, BlobReader, BlobStore, Buffer, check_key
from pacskit.storage.blobs.cached import CachedStore, CacheStatus
from pacskit.storage.blobs.errors import (
    BlobDamaged,
    BlobError,
    BlobExists,
    BlobNotFound,
    BlobRefused,
    BlobTimeout,
    BlobUnavailable,
    InvalidKey,
)
from pacskit.storage.blobs.frametable import FrameTable
from pacskit.storage.blobs.local import LocalStore
from pacskit.storage.blobs.memory import MemoryStore
from pacskit.storage.blobs.opening import open_store
from pacskit.storage.blobs.options import StoreOptions
from pacskit.storage.blobs.sources import BlobSource

if TYPE_CHECKING:
    from pacskit.storage.blobs.cloud import CloudStore
    from pacskit.storage.blobs.tiered import TieredStore

__all__ = [
    "BlobDamaged",
    "BlobError",
    "BlobExists",
    "BlobInfo",
    "BlobNotFound",
    "BlobReader",
    "BlobRefused",
    "BlobSource",
    "BlobStore",
    "BlobTimeout",
    "BlobUnavailable",
    "Buffer",
    "CacheStatus",
    "CachedStore",
    "CloudStore",
    "FrameTable",
    "InvalidKey",
    "LocalStore",
    "MemoryStore",
    "StoreOptions",
    "TieredStore",
    "check_key",
    "open_store",
]


def __getattr__(name: str) -> Any:
    """Import what needs obstore, or an index, when it is asked for."""
    if name == "CloudStore":
        return import_module("pacskit.storage.blobs.cloud").CloudStore
    if name == "TieredStore":
        return import_module("pacskit.storage.blobs.tiered").TieredStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
