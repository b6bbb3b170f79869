"""Tiers and policies of an archive, from its settings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
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

__all__ = ["all_tiers", "lifecycle_of", "open_archive_tiers"]


def open_archive_tiers(
    directory: str | os.PathLike[str], settings: ArchiveSettings, *, unnoticed: bool = False
) -> TieredStore | None:
    """Open the tiers of an archive, None where it has none; ``unnoticed``: for who only checks or copies."""
    if not settings.tiers:
        return None
    from pacskit.storage.lifecycle.opening import open_tiers

    path = Path(directory).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, "making the directory of the archive") from error
    index = settings.index or f"sqlite://{quote(str(path / 'index.sqlite'))}"
    recall = settings.lifecycle.recall
    return open_tiers(settings.tiers, index, recall=recall, commit=settings.commit, unnoticed=unnoticed)


@contextmanager
def all_tiers(
    directory: str | os.PathLike[str], settings: ArchiveSettings, index: str | None
) -> Iterator[TieredStore | None]:
    """Give all that the tiers hold, whatever an index says; the one that is there afterwards knows where it is."""
    if not settings.tiers:
        yield None
        return
    from pacskit.storage.lifecycle.opening import open_tiers

    with (
        tempfile.TemporaryDirectory(prefix="pacskit-") as folder,
        open_tiers(settings.tiers, f"sqlite://{folder}/tiers.sqlite", commit="os", unnoticed=True) as found,
    ):
        found.adopt()
        yield found
    known = open_archive_tiers(directory, replace(settings, index=index))
    if known is not None:
        with known:
            known.adopt()


def lifecycle_of(
    store: Store, tiers: TieredStore | None, directory: str | os.PathLike[str], settings: ArchiveSettings
) -> Lifecycle:
    """Return what does what the policies of an archive say; its quota is asked before each object from now on."""
    from pacskit.storage.blobs.local import LocalStore
    from pacskit.storage.lifecycle import Lifecycle, Recompressed, recompress

    def delete(level: str, /, *, study_uid: str, series_uid: str) -> int:
        return store.delete(level, study_uid=study_uid, series_uid=series_uid)

    def rewrite(uid: str, syntax: str, /, *, at_most: float) -> Recompressed:
        return recompress(store, uid, syntax, at_most=at_most)

    home = None if tiers is None else tiers.tiers[tiers.home]
    disk = home.root if isinstance(home, LocalStore) else Path(directory)
    quota = settings.lifecycle.quota
    if quota is not None and quota.bytes is None and home is not None and not isinstance(home, LocalStore):
        raise ConfigurationError("a quota of a tier that is not on a disk has bytes")
    made = Lifecycle(store.index, tiers, settings.lifecycle, delete=delete, recompress=rewrite, disk=disk)
    if made.gate is not None:
        store.admit = made.gate.check
    return made
