"""The engines that keep an index: what a test says of one must hold for the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Callable[[], str | None]:
    """What gives the address of a new index; None stands for the file in the archive's directory."""
    if request.param == "sqlite":
        return lambda: None
    schema: Callable[[], str] = request.getfixturevalue("postgres_schema")
    return schema
