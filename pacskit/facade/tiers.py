"""Tiers and policies of an archive, from its settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pacskit.core.errors import ConfigurationError
from pacskit.storage.errors import storage_error

if TYPE_CHECKING:
    from pacskit.facade.settings import ArchiveSettings
    from pacskit.storage import Store
    from pacskit.storage.blobs.tiered import TieredStore
    from pacskit.storage.lifecycle import Lifecycle

__all__ = ["lifecycle_of", "open_archive_tiers"]


def open_archive_tiers(directory: str | os.PathLike[str], settings: ArchiveSettings) -> TieredStore | None:
    """Open the tiers of an archive, None where it has none."""
    if not settings.tiers:
        return None
    from pacskit.storage.lifecycle.opening import open_tiers

    path = Path(directory).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, "making the directory of the archive") from error
    index = settings.index or f"sqlite://{quote(str(path / 'index.sqlite'))}"
    return open_tiers(settings.tiers, index, recall=settings.lifecycle.recall, commit=settings.commit)


def lifecycle_of(
    store: Store, tiers: TieredStore | None, directory: str | os.PathLike[str], settings: ArchiveSettings
) -> Lifecycle:
    """Return what does what the policies of an archive say; its quota is asked before each object from now on."""
    from pacskit.storage.blobs.local import LocalStore
    from pacskit.storage.lifecycle import Lifecycle

    def delete(level: str, /, *, study_uid: str, series_uid: str) -> int:
        return store.delete(level, study_uid=study_uid, series_uid=series_uid)

    home = None if tiers is None else tiers.tiers[tiers.home]
    disk = home.root if isinstance(home, LocalStore) else Path(directory)
    quota = settings.lifecycle.quota
    if quota is not None and quota.bytes is None and home is not None and not isinstance(home, LocalStore):
        raise ConfigurationError("a quota of a tier that is not on a disk has bytes")
    made = Lifecycle(store.index, tiers, settings.lifecycle, delete=delete, disk=disk)
    if made.gate is not None:
        store.admit = made.gate.check
    return made
