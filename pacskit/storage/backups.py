"""What a directory or a blob store of backups holds."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from pacskit.core.errors import StorageError
from pacskit.storage.blobs.base import PIECE, BlobStore
from pacskit.storage.blobs.errors import BlobError, BlobNotFound
from pacskit.storage.blobs.local import LocalStore

__all__ = [
    "FORMAT",
    "MANIFEST",
    "BackedUp",
    "Kept",
    "ObjectList",
    "find_backup",
    "in_one_sync",
    "list_backups",
    "put_file",
    "sync_all",
]

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
_FILES: Final = ("index.sqlite", "objects.sqlite")


class Kept(NamedTuple):
    """An object of a backup: what it is called in the archive, and where and what it is in the backup."""

    key: str
    received: str
    size: int
    sha256: bytes
    blob: str


class ObjectList:
    """The objects of a backup, in a file."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS object (key TEXT PRIMARY KEY, received TEXT NOT NULL, size INTEGER NOT NULL,"
            " sha256 BLOB NOT NULL, blob TEXT NOT NULL) STRICT"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, objects: Iterable[Kept]) -> None:
        """Add objects, in one transaction."""
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?)", objects)
        self._connection.execute("COMMIT")

    def get(self, key: str) -> Kept | None:
        """Return the object that has a name."""
        row = self._connection.execute("SELECT * FROM object WHERE key = ?", (key,)).fetchone()
        return Kept(*row) if row else None

    def totals(self) -> tuple[int, int]:
        """Return how many objects there are, and of how many bytes."""
        row = self._connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM object").fetchone()
        return int(row[0]), int(row[1])

    def __iter__(self) -> Iterator[Kept]:
        last = ""
        while True:
            rows = self._connection.execute("SELECT * FROM object WHERE key > ? ORDER BY key LIMIT 500", (last,))
            found = [Kept(*row) for row in rows.fetchall()]
            if not found:
                return
            yield from found
            last = found[-1].key

    def close(self) -> None:
        """Close it."""
        self._connection.close()


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A whole backup, as its manifest says: its objects, what was wrong with some, and the digests of its files."""

    name: str
    made: str
    objects: int
    bytes: int
    problems: int
    files: dict[str, dict[str, Any]]

    def fetch(self, store: BlobStore, file: str, path: Path) -> None:
        """Read one of its files into ``path``. Raises BlobDamaged where it is not what it was."""
        expected = bytes.fromhex(self.files[file]["sha256"])
        with store.get(f"backups/{self.name}/{file}", sha256=expected) as parts, open(path, "wb") as made:
            for part in parts:
                made.write(part)
            made.flush()
            os.fsync(made.fileno())


def in_one_sync(store: BlobStore) -> BlobStore:
    """Return what many objects are put through before a call of `sync_all`, which makes them survive a power cut."""
    if isinstance(store, LocalStore) and sys.platform == "linux":  # elsewhere sync() does not wait
        return LocalStore(store.root, sync="none")
    return store


def sync_all(store: BlobStore) -> None:
    """Make what was put through such a store survive a power cut."""
    if isinstance(store, LocalStore) and sys.platform == "linux":
        os.sync()


def list_backups(store: BlobStore) -> list[BackedUp]:
    """Return the backups that are whole, the oldest first."""
    names = {info.key.split("/")[1] for info in store.list("backups") if info.key.endswith(f"/{MANIFEST}")}
    return [_read(store, name) for name in sorted(names)]


def find_backup(store: BlobStore, name: str | None = None) -> BackedUp:
    """Return a backup by its name, or the latest. Raises StorageError."""
    try:
        if name is not None:
            return _read(store, name)
        found = list_backups(store)
    except BlobNotFound:
        found = []
    if not found:
        raise StorageError("there is no such backup" if name else "there is no backup here")
    return found[-1]


def _read(store: BlobStore, name: str) -> BackedUp:
    try:
        found = json.loads(store.get(f"backups/{name}/{MANIFEST}").read())
        if found["format"] != FORMAT:
            raise StorageError(f"the backup has format {found['format']}; this release knows {FORMAT}")
        files = {one: dict(found["files"][one]) for one in _FILES}
        return BackedUp(name, found["made"], found["objects"], found["bytes"], found["problems"], files)
    except (BlobError, StorageError):
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"the manifest of backup {name} cannot be read: {type(error).__name__}") from error


def put_file(store: BlobStore, key: str, path: Path) -> dict[str, Any]:
    """Put a file; return its size and digest as a manifest has them."""
    state = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(PIECE):
            state.update(part)
        file.seek(0)
        info = store.put_stream(key, file, size=path.stat().st_size, sha256=state.digest())
    return {"size": info.size, "sha256": state.hexdigest()}
