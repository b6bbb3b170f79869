"""The object stores: SeaweedFS and Azurite, each started once for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacskit.core.errors import ConfigurationError
from pacskit.testing import Azurite, SeaweedFS
from tests.conftest import ROOT

AZURITE = "node_modules/.bin/azurite-blob"


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedFS]:
    """An S3 server; mark the test ``interop``."""
    try:
        server = SeaweedFS()
    except ConfigurationError as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """An Azure server, from ``PACSKIT_NODE``, ``build/node`` or the path; mark the test ``interop``."""
    folders = [Path(os.environ.get("PACSKIT_NODE") or "/nowhere"), ROOT / "build" / "node"]
    found = [str(folder / AZURITE) for folder in folders if (folder / AZURITE).exists()]
    try:
        server = Azurite(*found[:1])
    except ConfigurationError as error:
        pytest.skip(str(error))
    with server:
        yield server
