"""What tests of the facade share with those of the storage."""

from __future__ import annotations

from tests.unit.storage.conftest import engine

__all__ = ["engine"]
