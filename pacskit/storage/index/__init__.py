"""The index: which instances there are, and what is asked about them.

`open_index` opens one by its address: ``sqlite:///srv/pacs/index.sqlite``, or ``postgresql://user@host/database``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from pacskit.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pacskit.storage.index.repository import SqlIndex
    from pacskit.storage.records import Commit

__all__ = ["check_index", "open_index"]

_POSTGRES = ("postgresql://", "postgres://")


def check_index(url: str) -> str:
    """Return the address of an index; raise ConfigurationError where it is none."""
    if not url.startswith(("sqlite:", *_POSTGRES)) or url in {"sqlite:", "sqlite://", "sqlite:///"}:
        scheme = url.partition(":")[0][:16]
        raise ConfigurationError(f"an index is sqlite:///PATH or postgresql://…, not {scheme!r}")
    return url


def open_index(url: str, *, commit: Commit = "group") -> SqlIndex:
    """Open an index, and make or migrate it where it has to be.

    Raises ConfigurationError for an address that is none, or a driver that is not installed, and StorageError.
    """
    check_index(url)
    if url.startswith(_POSTGRES):
        from pacskit.storage.index.postgres import PostgresIndex

        return PostgresIndex(url, commit=commit)
    from pacskit.storage.index.sqlite import SQLiteIndex

    path = unquote(url.removeprefix("sqlite:"))
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    return SQLiteIndex(path, commit=commit)
