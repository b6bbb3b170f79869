"""Blob stores without a server: the conformance suite over files, memory and a cache before them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacskit.storage.blobs import BlobStore, CachedStore, LocalStore, MemoryStore
from pacskit.testing import StoreTests


class _InFolder(StoreTests):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path


class TestLocal(_InFolder):
    def store(self) -> BlobStore:
        return LocalStore(self.folder / "blobs")


class TestLocalWithoutSync(_InFolder):
    def store(self) -> BlobStore:
        return LocalStore(self.folder / "blobs", sync="none")


class TestMemory(StoreTests):
    def store(self) -> BlobStore:
        return MemoryStore()


class TestCached(_InFolder):
    """Every read comes from the queue, the disk or the store behind, whichever is first."""

    def store(self) -> BlobStore:
        return CachedStore(MemoryStore(), self.folder / "cache", max_bytes=20 << 20)

    def settle(self, store: BlobStore) -> None:
        assert isinstance(store, CachedStore)
        assert store.flush(60)


class TestCachedWritingThrough(_InFolder):
    def store(self) -> BlobStore:
        return CachedStore(MemoryStore(), self.folder / "cache", write_behind=False)
