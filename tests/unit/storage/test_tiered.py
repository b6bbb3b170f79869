"""Tiers: the conformance suite, moves, what a process that was killed leaves, and readers meanwhile."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.errors import ConfigurationError
from pacskit.storage.blobs import (
    BlobDamaged,
    BlobExists,
    BlobNotFound,
    BlobStore,
    BlobUnavailable,
    LocalStore,
    MemoryStore,
    TieredStore,
)
from pacskit.storage.index import open_index
from pacskit.storage.index.repository import SqlIndex
from pacskit.testing import StoreTests

ROOT = Path(__file__).resolve().parents[3]


class _Tiered(StoreTests):
    """Blobs at home and elsewhere: after each put every second one is moved, so that both are asked."""

    index: SqlIndex

    def store(self) -> BlobStore:
        return _Moving(self.index, {"hot": MemoryStore(), "cold": MemoryStore()}, grain=timedelta(0))


class _Moving(TieredStore):
    """Moves every second blob away when it has been put."""

    def put_stream(self, key: str, *args: Any, **options: Any) -> Any:
        super().put_stream(key, *args, **options)
        if hashlib.sha256(key.encode()).digest()[0] % 2:
            self.move(key, "cold")
        return self.head(key)


class TestTiered(_Tiered):
    @pytest.fixture(autouse=True)
    def _index(self, tmp_path: Path) -> Iterator[None]:
        self.index = open_index(f"sqlite://{tmp_path}/index.sqlite")
        yield
        self.index.close()


class TestTieredOnPostgreSQL(_Tiered):
    @pytest.fixture(autouse=True)
    def _index(self, postgres_schema: Callable[[], str]) -> Iterator[None]:
        self.index = open_index(postgres_schema())
        yield
        self.index.close()


class TestTieredUnmoved(StoreTests):
    @pytest.fixture(autouse=True)
    def _index(self, tmp_path: Path) -> Iterator[None]:
        self.folder = tmp_path
        self.index = open_index(f"sqlite://{tmp_path}/index.sqlite")
        yield
        self.index.close()

    def store(self) -> BlobStore:
        return TieredStore(self.index, {"hot": LocalStore(self.folder / "hot", sync="none")}, recall="now")
