"""The conformance suite against real servers: S3 by SeaweedFS, Azure by Azurite."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from pacskit.storage.blobs import BlobStore, open_store
from pacskit.testing import Azurite, SeaweedFS, StoreTests

NUMBERS = count(1)
LARGE = 6_000_000  # more than a part


@pytest.mark.interop
class TestSeaweedFS(StoreTests):
    signs = True
    large = LARGE
    many = 1010  # more than an S3 server lists at a time

    @pytest.fixture(autouse=True)
    def _server(self, seaweedfs: SeaweedFS) -> None:
        seaweedfs.make_bucket("suite")
        self.server = seaweedfs

    def store(self) -> BlobStore:
        address = self.server.address(f"suite/run-{next(NUMBERS)}/below")
        return open_store(address, self.server.options)


@pytest.mark.interop
class TestAzurite(StoreTests):
    signs = True
    large = LARGE

    @pytest.fixture(autouse=True)
    def _server(self, azurite: Azurite) -> None:
        azurite.make_container("suite")
        self.server = azurite

    def store(self) -> BlobStore:
        return open_store(
            self.server.address(f"suite/run-{next(NUMBERS)}"), replace(self.server.options, concurrency=3)
        )
