"""Where the blobs of a tiered store are, in the database of the index, for all processes that share it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pacskit.core.errors import ConfigurationError
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.writing import Transaction

__all__ = ["Copy", "Location", "TierState", "Trash", "moment", "new_token"]

LEASE: Final = timedelta(hours=1)
"""How long a copy that nobody has been heard of is left alone."""
KEPT: Final = timedelta(days=7)
"""How long the name of a copy that was removed is not used again."""

_PAGE: Final = 500
_COLUMNS: Final = "blob_key, tier, place, edition, size, sha256, since, accessed, wanted"


def moment(when: datetime | None = None) -> str:
    """Return a moment as the index has it, in UTC."""
    return f"{(when or datetime.now(UTC)).astimezone(UTC):%Y%m%d%H%M%S.%f}"


def new_token() -> str:
    """Return what nobody else has."""
    return secrets.token_hex(6)


@dataclass(frozen=True, slots=True)
class Location:
    """Where a blob is: its tier, its name there, and what is known of it (``size`` -1, ``sha256`` None: nothing)."""

    key: str
    tier: str
    place: str
    edition: str = ""
    size: int = -1
    sha256: bytes | None = None
    since: str = ""
    accessed: str = ""
    wanted: str = ""

    def is_at(self, other: Location) -> bool:
        """Whether both are the same copy."""
        return (self.tier, self.place) == (other.tier, other.place)


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that is being made of a blob."""

    source: Location
    tier: str
    place: str
    token: str


@dataclass(frozen=True, slots=True)
class Trash:
    """A copy that nothing refers to."""

    tier: str
    place: str


class TierState:
    """The rows of a tiered store. ``home`` is the tier of the blobs that have none."""

    def __init__(self, index: SqlIndex, home: str, tiers: Sequence[str]) -> None:
        self.index = index
        self.home = home
        self._check(tiers)

    def _check(self, tiers: Sequence[str]) -> None:
        """Raise ConfigurationError where blobs would not be found any more."""
        home = self.home

        def settle(batch: Transaction) -> str:
            row = batch.execute("SELECT name FROM tier_home").fetchone()
            if row is None:
                batch.execute("INSERT INTO tier_home (name) VALUES (?) ON CONFLICT DO NOTHING", (home,))
            return home if row is None else str(row[0])

        found = self.index.run(settle)
        if found != home:
            raise ConfigurationError(f"blobs are put into the tier {found!r} of this archive, not into {home!r}")
        with self.index.reader() as connection:
            rows = connection.execute("SELECT DISTINCT tier FROM tier_blob").fetchall()
        missing = sorted({name for (name,) in rows} - set(tiers))
        if missing:
            raise ConfigurationError(f"there are blobs in the tier {missing[0]!r}, and no store is given for it")

    # finding

    def find(self, key: str) -> Location:
        """Return where a blob is, if there is one."""
        with self.index.reader() as connection:
            row = connection.execute(f"SELECT {_COLUMNS} FROM tier_blob WHERE blob_key = ?", (key,)).fetchone()
        return Location(*row) if row else Location(key, self.home, key)

    def find_all(self, keys: Sequence[str]) -> dict[str, Location]:
        """Return the rows there are of keys."""
        sql = f"SELECT {_COLUMNS} FROM tier_blob WHERE blob_key IN (SELECT value FROM json_each(?))"
        with self.index.reader() as connection:
            rows = connection.execute(sql, (json.dumps(list(keys)),)).fetchall()
        return {row[0]: Location(*row) for row in rows}

    def is_home(self, found: Location) -> bool:
        """Whether a blob is where one without a row is."""
        return found.tier == self.home and found.place == found.key

    def is_soiled(self, tier: str, place: str) -> bool:
        """Whether a name was used for something that goes or has just gone."""
        with self.index.reader() as connection:
            return _in_trash(connection, tier, place)

    def refresh(self, key: str) -> None:
        """Forget what was known of a blob at home: it is another one now."""
        sql = (
            "UPDATE tier_blob SET size = -1, sha256 = NULL, since = '', accessed = '', edition = ?"
            " WHERE blob_key = ? AND tier = ? AND place = ?"
        )
        self.index.run(lambda batch: batch.execute(sql, (new_token(), key, self.home, key)).rowcount)

    def rows(self, after: str = "", sql: str = "", parameters: Sequence[Any] = ()) -> Iterator[Location]:
        """Iterate over rows in the order of their keys, those for which a condition holds."""
        while True:
            with self.index.reader() as connection:
                found = connection.execute(
                    f"SELECT {_COLUMNS} FROM tier_blob WHERE blob_key > ?{sql} ORDER BY blob_key LIMIT {_PAGE}",
                    (after, *parameters),
                ).fetchall()
            for row in found:
                yield Location(*row)
            if len(found) < _PAGE:
                return
            after = found[-1][0]

    def wanted(self, limit: int) -> list[str]:
        """Return the keys that somebody wants to have at home, those first that were asked for first."""
        with self.index.reader() as connection:
            rows = connection.execute(
                "SELECT blob_key FROM tier_blob WHERE wanted <> '' ORDER BY wanted, blob_key LIMIT ?", (limit,)
            ).fetchall()
        return [key for (key,) in rows]

    def give_up(self, key: str) -> None:
        """Forget that a blob is wanted at home: it cannot be had."""
        sql = "UPDATE tier_blob SET wanted = '' WHERE blob_key = ?"
        self.index.run(lambda batch: batch.execute(sql, (key,)).rowcount)

    # copies

    def begin(self, key: str, tier: str, place: str, *, now: str, only_if_idle: bool = False) -> Copy | None:
        """Note a copy that is to be made; None where the blob is in that tier by now, or is being moved by somebody
        whom one would rather not disturb.

        Where the name was used already the copy gets one of its own.
        """
        token = new_token()
        quiet = moment(datetime.now(UTC) - LEASE)

        def work(batch: Transaction) -> Copy | None:
            busy = (
                "SELECT 1 FROM tier_trash t JOIN tier_blob b ON b.blob_key = t.blob_key AND b.mover = t.mover"
                " WHERE t.blob_key = ? AND t.kind = 'copy' AND t.done = '' AND t.noted > ?"
            )
            if only_if_idle and batch.execute(busy, (key, quiet)).fetchone() is not None:
                return None
            batch.execute(
                "INSERT INTO tier_blob (blob_key, tier, place) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (key, self.home, key),
            )
            # not where it is there: what is noted is removed if it comes to nothing
            row = batch.execute(
                f"UPDATE tier_blob SET mover = ? WHERE blob_key = ? AND tier <> ? RETURNING {_COLUMNS}",
                (token, key, tier),
            ).fetchone()
            if row is None:
                return None
            name = self._note(batch, key, tier, place, token, now)
            return Copy(Location(*row), tier, name, token)

        found: Copy | None = self.index.run(work)
        return found

    def begin_new(self, key: str, *, now: str) -> Copy:
        """Note a blob that is to be put under a name of its own."""
        token = new_token()

        def work(batch: Transaction) -> Copy:
            name = self._note(batch, key, self.home, "", token, now)
            return Copy(Location(key, self.home, key), self.home, name, token)

        found: Copy = self.index.run(work)
        return found

    @staticmethod
    def _note(batch: Transaction, key: str, tier: str, place: str, token: str, now: str) -> str:
        if not place or _in_trash(batch.connection, tier, place):
            place = f"{key}--t{token}"
        batch.execute(
            "INSERT INTO tier_trash (tier, place, blob_key, kind, mover, noted) VALUES (?, ?, ?, 'copy', ?, ?)",
            (tier, place, key, token, now),
        )
        return place

    def renew(self, copy: Copy) -> None:
        """Say that a copy is still being made."""
        sql = "UPDATE tier_trash SET noted = ? WHERE tier = ? AND place = ? AND mover = ? AND kind = 'copy'"
        self.index.run(lambda batch: batch.execute(sql, (moment(), copy.tier, copy.place, copy.token)).rowcount)

    def record(self, copy: Copy, size: int, sha256: bytes, *, now: str) -> bool:
        """Make a copy the blob's place, and what it was made from trash; False where others were first."""

        read = now if copy.tier == self.home else ""  # or it would go away again at once

        def work(batch: Transaction) -> bool:
            if not _take(batch, copy):
                return False
            changed = batch.execute(
                "UPDATE tier_blob SET tier = ?, place = ?, size = ?, sha256 = ?, since = ?, mover = '', wanted = '',"
                " accessed = CASE WHEN accessed < ? THEN ? ELSE accessed END WHERE blob_key = ? AND mover = ?",
                (copy.tier, copy.place, size, sha256, now, read, read, copy.source.key, copy.token),
            ).rowcount
            if not changed:  # it was deleted, replaced or moved meanwhile
                _throw(batch, copy.source.key, copy.tier, copy.place, copy.token, now)
                return False
            _throw(batch, copy.source.key, copy.source.tier, copy.source.place, copy.token, now)
            return True

        return bool(self.index.run(work))

    def record_new(self, copy: Copy, size: int, *, replace: bool, now: str) -> tuple[bool, list[Trash]]:
        """Make a blob that was put under a name of its own the one of its key; return whether, and what goes."""
        key = copy.source.key

        def work(batch: Transaction) -> tuple[bool, list[Trash]]:
            if not _take(batch, copy):
                return False, []
            row = batch.execute("SELECT tier, place FROM tier_blob WHERE blob_key = ?", (key,)).fetchone()
            if row is not None and not replace:
                _throw(batch, key, copy.tier, copy.place, copy.token, now)
                return False, [Trash(copy.tier, copy.place)]
            batch.execute("DELETE FROM tier_blob WHERE blob_key = ?", (key,))
            batch.execute(
                "INSERT INTO tier_blob (blob_key, tier, place, edition, size, since) VALUES (?, ?, ?, ?, ?, ?)",
                (key, copy.tier, copy.place, copy.token, size, now),
            )
            old = Trash(*(row or (self.home, key)))
            if not replace:
                return True, []
            _throw(batch, key, old.tier, old.place, copy.token, now)
            return True, [old]

        found: tuple[bool, list[Trash]] = self.index.run(work)
        return found

    def abandon(self, copy: Copy) -> None:
        """Have a copy that came to nothing removed."""

        def work(batch: Transaction) -> None:
            batch.execute(
                "UPDATE tier_trash SET kind = 'old' WHERE tier = ? AND place = ? AND mover = ?",
                (copy.tier, copy.place, copy.token),
            )
            batch.execute(
                "UPDATE tier_blob SET mover = '' WHERE blob_key = ? AND mover = ?", (copy.source.key, copy.token)
            )

        self.index.run(work)

    def disown(self, copy: Copy) -> None:
        """Forget a copy whose name turned out to be somebody else's."""
        sql = "DELETE FROM tier_trash WHERE tier = ? AND place = ? AND mover = ?"
        self.index.run(lambda batch: batch.execute(sql, (copy.tier, copy.place, copy.token)).rowcount)

    # removing

    def forget(self, keys: Sequence[str], *, now: str) -> list[Trash]:
        """Drop the rows of keys; return the copies that are to go."""
        named, token = json.dumps(list(keys)), new_token()
        sql = "DELETE FROM tier_blob WHERE blob_key IN (SELECT value FROM json_each(?)) RETURNING blob_key, tier, place"

        def work(batch: Transaction) -> list[Trash]:
            found: list[Trash] = []
            for key, tier, place in batch.execute(sql, (named,)).fetchall():
                if tier != self.home or place != key:
                    _throw(batch, key, tier, place, token, now)
                    found.append(Trash(tier, place))
            return found

        rows: list[Trash] = self.index.run(work)
        return rows

    def trash(self, now: datetime) -> list[Trash]:
        """Return copies that are to go; those under way of which nobody was heard for `LEASE` are among them."""
        quiet = moment(now - LEASE)

        def work(batch: Transaction) -> list[Trash]:
            batch.execute(
                "UPDATE tier_trash SET kind = 'old' WHERE done = '' AND kind = 'copy' AND noted <= ?", (quiet,)
            )
            rows = batch.execute(
                "SELECT tier, place FROM tier_trash WHERE done = '' AND kind = 'old' ORDER BY noted LIMIT ?", (_PAGE,)
            ).fetchall()
            return [Trash(*row) for row in rows]

        found: list[Trash] = self.index.run(work)
        return found

    def gone(self, copies: Iterable[Trash]) -> None:
        """Note that copies have been removed; forget those for which that was long ago."""
        now = moment()
        past = moment(datetime.now(UTC) - KEPT)
        rows = [(now, one.tier, one.place) for one in copies]

        def work(batch: Transaction) -> None:
            batch.connection.executemany(
                "UPDATE tier_trash SET done = ? WHERE tier = ? AND place = ? AND done = ''", rows
            )
            batch.execute("DELETE FROM tier_trash WHERE done <> '' AND done < ?", (past,))

        if rows:
            self.index.run(work)

    # taking note

    def note(self, accessed: dict[str, str], wanted: dict[str, str]) -> None:
        """Note when blobs were read last, and which of them are wanted at home."""
        keys = sorted(accessed)
        home = self.home

        def work(batch: Transaction) -> None:
            many = batch.connection.executemany
            many(  # what was deleted meanwhile gets no row
                "INSERT INTO tier_blob (blob_key, tier, place) SELECT i.blob_key, CAST(? AS TEXT), i.blob_key"
                " FROM instance i WHERE i.blob_key = ? ON CONFLICT DO NOTHING",
                [(home, key) for key in keys],
            )
            many(
                "UPDATE tier_blob SET accessed = ? WHERE blob_key = ? AND accessed < ?",
                [(accessed[key], key, accessed[key]) for key in keys],
            )
            if wanted:
                many(
                    "UPDATE tier_blob SET wanted = ? WHERE blob_key = ? AND wanted = '' AND tier <> ?",
                    [(wanted[key], key, home) for key in sorted(wanted)],
                )

        if keys or wanted:
            self.index.run(work)

    def relocate(self, lost: Location, tier: str) -> bool:
        """Record that a blob is under its own name in a tier, where it is not known to go there."""
        key = lost.key

        def work(batch: Transaction) -> bool:
            if _in_trash(batch.connection, tier, key):
                return False
            batch.execute(
                "INSERT INTO tier_blob (blob_key, tier, place) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (key, lost.tier, lost.place),
            )
            return bool(
                batch.execute(
                    "UPDATE tier_blob SET tier = ?, place = ?, size = -1, sha256 = NULL, mover = ''"
                    " WHERE blob_key = ? AND tier = ? AND place = ?",
                    (tier, key, key, lost.tier, lost.place),
                ).rowcount
            )

        return bool(self.index.run(work))

    def adopt(self, tier: str, found: Sequence[tuple[str, str]]) -> int:
        """Take blobs over that no row knows, pairs of key and name in a tier; return how many that were."""

        def work(batch: Transaction) -> int:
            made = 0
            for key, place in found:
                if not _in_trash(batch.connection, tier, place):
                    made += batch.execute(
                        "INSERT INTO tier_blob (blob_key, tier, place) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                        (key, tier, place),
                    ).rowcount
            return made

        return int(self.index.run(work)) if found else 0


def _in_trash(connection: Any, tier: str, place: str) -> bool:
    sql = "SELECT 1 FROM tier_trash WHERE tier = ? AND place = ?"
    return connection.execute(sql, (tier, place)).fetchone() is not None


def _take(batch: Transaction, copy: Copy) -> bool:
    """Take a copy off the list of what goes."""
    sql = "DELETE FROM tier_trash WHERE tier = ? AND place = ? AND mover = ? AND kind = 'copy' AND done = ''"
    return bool(batch.execute(sql, (copy.tier, copy.place, copy.token)).rowcount)


def _throw(batch: Transaction, key: str, tier: str, place: str, token: str, now: str) -> None:
    """Put a copy on the list of what goes."""
    batch.execute(
        "INSERT INTO tier_trash (tier, place, blob_key, kind, mover, noted) VALUES (?, ?, ?, 'old', ?, ?)"
        " ON CONFLICT (tier, place) DO UPDATE SET kind = 'old', done = '', noted = excluded.noted",
        (tier, place, key, token, now),
    )
