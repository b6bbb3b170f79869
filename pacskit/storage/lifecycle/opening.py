"""The tiers of an archive, from their names and addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from pacskit.core.errors import ConfigurationError
from pacskit.storage.blobs.base import BlobStore
from pacskit.storage.blobs.opening import open_store
from pacskit.storage.blobs.options import StoreOptions
from pacskit.storage.blobs.tiered import Recall, TieredStore
from pacskit.storage.index import open_index
from pacskit.storage.objects import check_blobs
from pacskit.storage.records import Commit

__all__ = ["Tier", "check_tiers", "open_tiers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A store of objects that has a name; the names are free.

    Parameters
    ----------
    name
        What policies and reports call it.
    store
        Its address, as for `pacskit.storage.blobs.open_store`.
    options
        How it is reached; see `StoreOptions`.
    """

    name: str
    store: str
    options: StoreOptions = field(default_factory=StoreOptions)

    def __post_init__(self) -> None:
        if not self.name.isprintable() or not 0 < len(self.name) <= 40:
            raise ConfigurationError(f"a tier has a name of 1 to 40 characters, not {self.name!r}")
        check_blobs(self.store)


def check_tiers(tiers: Iterable[object]) -> tuple[Tier, ...]:
    """Return tiers, each given as such or as a mapping of its fields, no two with one name or one address."""
    made = tuple(_tier(one) for one in tiers)
    for what in ("name", "store"):
        found = [getattr(one, what) for one in made]
        if len(set(found)) != len(found):
            raise ConfigurationError(f"two tiers have the same {what}")
    return made


def _tier(given: object) -> Tier:
    if isinstance(given, Tier):
        return given
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"a tier has a name and a store, and is not {given!r}")
    values = dict(given)
    try:
        if isinstance(values.get("options"), Mapping):
            values["options"] = StoreOptions(**values["options"])
        return Tier(**values)
    except TypeError as error:
        raise ConfigurationError(f"tiers: {error}") from None


def open_tiers(
    tiers: Sequence[Tier], index: str, *, recall: Recall = "later", commit: Commit = "group", unnoticed: bool = False
) -> TieredStore:
    """Open tiers, and the index at an address that says where objects are; closing them closes everything.

    ``unnoticed``: what is read is not noted, and stays where it is.
    """
    check_tiers(tiers)
    with ExitStack() as opened:
        stores: dict[str, BlobStore] = {}
        for one in tiers:
            stores[one.name] = opened.enter_context(open_store(one.store, one.options))
        made = open_index(index, commit=commit)
        opened.callback(made.close)
        if unnoticed:
            return TieredStore(made, stores, recall="never", grain=None, owned=opened.pop_all())
        return TieredStore(made, stores, recall=recall, owned=opened.pop_all())
