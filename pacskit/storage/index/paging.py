"""Pages of answers: each begins after the last row of the one before, however many rows come and go meanwhile."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Self, TypeVar

from pacskit.storage.errors import InvalidIdentifier

__all__ = ["Page", "Place", "ordered"]

T = TypeVar("T")
_MAX_TOKEN: Final = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """What matches, and the token with which to ask for what comes after; None: nothing does."""

    matches: list[T]
    after: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after a row, or at the first one. In order of arrival, or the newest study first."""

    limit: int
    newest_first: bool = False
    last: tuple[Any, ...] = ()

    @classmethod
    def after(cls, token: str | None, level: str, limit: int, newest_first: bool) -> Self:
        """Read a token; raise InvalidIdentifier where it is none, or one of another order."""
        made = cls(limit, newest_first)
        if limit < 1:
            raise InvalidIdentifier("a page has at least one answer")
        if token is None:
            return made
        try:
            values = json.loads(urlsafe_b64decode(token[:_MAX_TOKEN]))
        except (ValueError, binascii.Error):
            values = None
        expected = [str, str, int] if newest_first and level == "STUDY" else [int]
        if not isinstance(values, list) or [type(one) for one in values] != expected or abs(values[-1]) >= 1 << 63:
            raise InvalidIdentifier("this is not where a page of this query ends")
        return replace(made, last=tuple(values))

    def columns(self, alias: str) -> list[str]:
        """Return the columns that say where a row is."""
        return ["s.study_date", "s.study_time_key", "s.pk"] if self.newest_first and alias == "s" else [f"{alias}.pk"]

    def token(self, row: tuple[Any, ...], count: int) -> str:
        """Return the token of a row whose last ``count`` columns are those."""
        return urlsafe_b64encode(json.dumps(row[-count:]).encode()).decode("ascii")


def ordered(place: Place, alias: str, apart: bool) -> tuple[list[str], list[Any], str]:
    """Return conditions, their parameters, and the end of a statement; ``apart``: another index than its order leads.

    A row as a whole is after another one: SQLite and PostgreSQL both walk an index for that.
    """
    names = place.columns(alias)
    columns = [f"+{one}" if apart else one for one in names]
    sign, direction = ("<", " DESC") if place.newest_first else (">", "")
    conditions = [f"({', '.join(columns)}) {sign} ({', '.join('?' * len(columns))})"] if place.last else []
    return conditions, [*place.last], f" ORDER BY {', '.join(one + direction for one in columns)} LIMIT {place.limit:d}"
