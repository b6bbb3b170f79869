"""What is to become of objects, as values that are checked when they are made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from pacskit.core.errors import ConfigurationError
from pacskit.encoding import UNCOMPRESSED

__all__ = ["CycleLimits", "MovePolicy", "Policies", "Quota", "RecompressPolicy", "RetentionPolicy", "Selection"]


_P = TypeVar("_P")
_SYNTAXES: Final = {
    "jpeg-ls": "1.2.840.10008.1.2.4.80",
    "jpeg2000": "1.2.840.10008.1.2.4.90",
    "htj2k": "1.2.840.10008.1.2.4.201",
    "rle": "1.2.840.10008.1.2.5",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which objects are meant: those to which everything applies that is given.

    Parameters
    ----------
    age_days
        Received at least so many days ago.
    idle_days
        Neither received nor read for so many days.
    study_age_days
        Of a study whose Study Date is at least so many days ago; one without a date is not.
    modalities
        Of series of these modalities.
    min_bytes, max_bytes
        At least and at most so large, as files.
    """

    age_days: float | None = None
    idle_days: float | None = None
    study_age_days: float | None = None
    modalities: tuple[str, ...] = ()
    min_bytes: int = 0
    max_bytes: int | None = None

    def _check(self, name: str) -> None:
        object.__setattr__(self, "modalities", _texts(name, "modalities", self.modalities))
        for what in ("age_days", "idle_days", "study_age_days"):
            days = getattr(self, what)
            if days is not None and not (_is_number(days) and 0 <= days <= 1_000_000):
                raise ConfigurationError(f"{name}: {what} is a number of days, not {days!r}")
        if not _is_count(self.min_bytes, 0):
            raise ConfigurationError(f"{name}: min_bytes is a number of bytes, not {self.min_bytes!r}")
        if self.max_bytes is not None and not _is_count(self.max_bytes, self.min_bytes):
            raise ConfigurationError(f"{name}: max_bytes is not less than min_bytes, not {self.max_bytes!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePolicy(Selection):
    """Objects that go from one tier to another: of ``source`` to ``target``, those that a `Selection` means."""

    source: str
    target: str

    def __post_init__(self) -> None:
        self._check(f"the move from {self.source!r} to {self.target!r}")
        if not self.source or not self.target or self.source == self.target:
            raise ConfigurationError(f"a move is from one tier to another, not {self.source!r} to {self.target!r}")

    @property
    def name(self) -> str:
        """What a report calls it."""
        return f"{self.source} to {self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy(Selection):
    """Series that are deleted: those all of whose objects a `Selection` means, except where a legal hold is.

    Parameters
    ----------
    name
        What it is called in reports.
    patients
        Patterns of Patient IDs (``*`` and ``?``), one of which must fit; none: everybody's.
    """

    name: str
    patients: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check(f"retention {self.name!r}")
        object.__setattr__(self, "patients", _texts(self.name, "patients", self.patients))
        if not self.name:
            raise ConfigurationError("a retention policy has a name")
        if self.age_days is None and self.idle_days is None and self.study_age_days is None:
            raise ConfigurationError(f"retention {self.name!r} says age_days, idle_days or study_age_days")
        if self.min_bytes or self.max_bytes is not None:
            raise ConfigurationError(f"retention {self.name!r}: series are not deleted by the size of objects")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecompressPolicy(Selection):
    """Objects that are written anew in a transfer syntax without loss, those that a `Selection` means.

    Parameters
    ----------
    syntax
        ``jpeg-ls``, ``jpeg2000``, ``htj2k``, ``rle``, or the UID of a lossless syntax.
    sources
        The UIDs of transfer syntaxes that objects must be in; by default those that are not compressed.
    at_most
        Which part of its size an object may have afterwards; it stays as it is otherwise.
    """

    syntax: str
    sources: tuple[str, ...] = tuple(map(str, UNCOMPRESSED))
    at_most: float = 0.95

    def __post_init__(self) -> None:
        from pacskit.encoding.codecs import is_lossless

        self._check(f"recompression to {self.syntax!r}")
        object.__setattr__(self, "syntax", _SYNTAXES.get(self.syntax, self.syntax))
        object.__setattr__(self, "sources", _texts(self.name, "sources", self.sources))
        wrong = [one for one in (self.syntax, *self.sources) if not (one in UNCOMPRESSED or is_lossless(one))]
        if wrong or self.syntax in self.sources:
            raise ConfigurationError(f"recompression is from one lossless transfer syntax to another: {self.syntax!r}")
        if not _is_number(self.at_most) or not 0 < self.at_most <= 1:
            raise ConfigurationError(f"at_most is a part of the size, not {self.at_most!r}")

    @property
    def name(self) -> str:
        """What a report calls it."""
        return f"recompress {self.syntax}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleLimits:
    """How much of moving and deleting by policy one cycle does, and how many objects at a time."""

    instances: int = 100
    bytes: int = 10 << 30
    parallel: int = 4

    def __post_init__(self) -> None:
        for name in ("instances", "bytes", "parallel"):
            if not _is_count(getattr(self, name), 1):
                raise ConfigurationError(f"{name} of a cycle is at least 1, not {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How full the first tier, or an archive without tiers, may be.

    Above ``high`` a cycle makes room until it is at ``low``; what was received and read longest ago goes first. From
    ``hard`` on nothing is taken any more (a C-STORE is answered with 0xA700, PS3.4 B.2.3).

    Parameters
    ----------
    bytes
        How many bytes of objects are all of it; None: the size of the file system that it is on.
    high, low, hard
        Parts of that.
    target
        The tier that objects go to; None: series are deleted, except where a legal hold is.
    """

    bytes: int | None = None
    high: float = 0.9
    low: float = 0.8
    hard: float = 0.97
    target: str | None = None

    def __post_init__(self) -> None:
        if self.bytes is not None and not _is_count(self.bytes, 1):
            raise ConfigurationError(f"a quota has bytes, not {self.bytes!r}")
        if (
            not all(map(_is_number, (self.low, self.high, self.hard)))
            or not 0 < self.low <= self.high <= self.hard <= 1
        ):
            raise ConfigurationError("of a quota 0 < low <= high <= hard <= 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """All that is to be done in a cycle, and when there is one.

    Parameters
    ----------
    moves, retention, quota, recompress, limits
        See there; each may be a mapping of its fields.
    recall
        What becomes of an object that is read from another tier than the first: see `TieredStore`.
    recall_study
        Whether all of a study comes back when one object of it does, with the next cycle.
    every
        When there are cycles while the archive serves, as a line of cron; empty: when somebody runs one.
    """

    moves: tuple[MovePolicy, ...] = ()
    retention: tuple[RetentionPolicy, ...] = ()
    quota: Quota | None = None
    recompress: tuple[RecompressPolicy, ...] = ()
    limits: CycleLimits = field(default_factory=CycleLimits)
    recall: Literal["never", "later", "now"] = "later"
    recall_study: bool = False
    every: str = "17 * * * *"

    def __post_init__(self) -> None:
        made = {
            "moves": tuple(_made(MovePolicy, one) for one in self.moves),
            "retention": tuple(_made(RetentionPolicy, one) for one in self.retention),
            "quota": None if self.quota is None else _made(Quota, self.quota),
            "recompress": tuple(_made(RecompressPolicy, one) for one in self.recompress),
            "limits": _made(CycleLimits, self.limits),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)
        if self.recall not in ("never", "later", "now"):
            raise ConfigurationError(f"recall is never, later or now, not {self.recall!r}")
        names = [one.name for one in self.retention]
        if len(set(names)) != len(names):
            raise ConfigurationError("two retention policies have the same name")

    def check(self, tiers: Collection[str]) -> None:
        """Raise ConfigurationError where they name a tier that is not there."""
        named = {name for one in self.moves for name in (one.source, one.target)}
        if self.quota is not None and self.quota.target is not None:
            named.add(self.quota.target)
        unknown = sorted(named - set(tiers))
        if unknown:
            raise ConfigurationError(f"there is no tier {unknown[0]!r}")

    @property
    def delete(self) -> bool:
        """Whether something may be deleted by them."""
        return bool(self.retention) or (self.quota is not None and self.quota.target is None)


def _made(kind: type[_P], given: object) -> _P:
    """Return a policy that was given as such, or as a mapping of its fields."""
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{kind.__name__} has fields, and is not {given!r}")
    try:
        return kind(**given)
    except TypeError as error:
        raise ConfigurationError(f"{kind.__name__}: {error}") from None


def _texts(name: str, what: str, given: Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, str) or not all(map(_is_text, given)):
        raise ConfigurationError(f"{name}: {what} is a list of texts, not {given!r}")
    return tuple(given)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
