"""Indexes of both engines, as the tests of the storage have them."""

from tests.unit.storage.conftest import engine

__all__ = ["engine"]
