"""Records of one kind, in the database of the index: by key, and by their indexed columns.

A record has a version that each change counts. Who changes what it has read says which version that was, and is told
where somebody else was first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Generic, Protocol, TypeAlias, TypeVar

from pacskit.core.errors import StorageError
from pacskit.storage.errors import RecordConflict
from pacskit.storage.index.dialect import Connection
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.writing import Transaction
from pacskit.storage.text import clean

__all__ = ["Collection", "Entity", "Kept"]

_LONGEST: Final = 200  # characters of a key, and of what is indexed of a value
_PAGE: Final = 500


class Entity(Protocol):
    """A dataclass that says what it is called, which field is its key, and which are asked by."""

    KIND: ClassVar[str]
    KEY: ClassVar[str]
    INDEXED: ClassVar[tuple[str, ...]]
    __dataclass_fields__: ClassVar[dict[str, Any]]


T = TypeVar("T", bound=Entity)
_Rows: TypeAlias = "list[Any]"  # within the class, list is what it lists


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """A record, how often it has been written, and when that was last."""

    record: T
    version: int
    updated: str


_Found: TypeAlias = "list[Kept[T]]"


class Collection(Generic[T]):
    """The records of one kind. Calls may come from many threads and processes."""

    def __init__(self, index: SqlIndex, kind: type[T]) -> None:
        self._index = index
        self._type = kind
        self._tuples = {one.name for one in fields(kind) if str(one.type).startswith("tuple")}
        self._names = {one.name for one in fields(kind)}

    def get(self, key: str) -> Kept[T] | None:
        """Return the record of a key."""
        with self._index.reader() as connection:
            row = connection.execute(
                "SELECT version, updated, body FROM record WHERE kind = ? AND key = ?", (self._type.KIND, clean(key))
            ).fetchone()
        return self._kept(*row) if row else None

    def put(self, record: T, *, version: int | None = None, batch: Transaction | None = None) -> int:
        """Write a record; return its version.

        ``version`` is what was read, 0 for a record that must be new, None to write whatever is there. Raises
        RecordConflict. With ``batch`` it is part of a transaction of the index.
        """
        body = json.dumps(asdict(record), ensure_ascii=True)
        key = str(getattr(record, self._type.KEY))
        if not 0 < len(key) <= _LONGEST or clean(key) != key:
            raise StorageError(f"the key of a {self._type.KIND} has 1 to {_LONGEST} characters")
        found: int = self._run(lambda one: self._put(one, key, body, record, version), batch)
        return found

    def _put(self, batch: Transaction, key: str, body: str, record: T, version: int | None) -> int:
        kind, now = self._type.KIND, f"{datetime.now(UTC):%Y%m%d%H%M%S.%f}"
        sql = "INSERT INTO record (kind, key, version, updated, body) VALUES (?, ?, 1, ?, ?)"
        if version is None:
            row = batch.execute(
                f"{sql} ON CONFLICT (kind, key) DO UPDATE SET version = record.version + 1,"
                " updated = excluded.updated, body = excluded.body RETURNING version",
                (kind, key, now, body),
            ).fetchone()
        elif version == 0:
            row = batch.execute(f"{sql} ON CONFLICT DO NOTHING RETURNING version", (kind, key, now, body)).fetchone()
        else:
            row = batch.execute(
                "UPDATE record SET version = version + 1, updated = ?, body = ?"
                " WHERE kind = ? AND key = ? AND version = ? RETURNING version",
                (now, body, kind, key, version),
            ).fetchone()
        if row is None:
            raise RecordConflict(f"this {kind} is not at version {version}")
        batch.execute("DELETE FROM record_value WHERE kind = ? AND key = ?", (kind, key))
        values = [(kind, name, _indexed(getattr(record, name)), key) for name in self._type.INDEXED]
        batch.connection.executemany("INSERT INTO record_value (kind, name, value, key) VALUES (?, ?, ?, ?)", values)
        return int(row[0])

    def delete(self, key: str, *, version: int | None = None, batch: Transaction | None = None) -> bool:
        """Delete a record; return whether there was one. Raises RecordConflict where it is not at ``version``."""
        kind, key = self._type.KIND, clean(key)

        def work(one: Transaction) -> bool:
            sql, parameters = "DELETE FROM record WHERE kind = ? AND key = ?", [kind, key]
            if version is None:
                gone = one.execute(sql, parameters).rowcount
            else:
                gone = one.execute(f"{sql} AND version = ?", [*parameters, version]).rowcount
                where = "SELECT 1 FROM record WHERE kind = ? AND key = ?"
                if not gone and one.execute(where, parameters).fetchone() is not None:
                    raise RecordConflict(f"this {kind} is not at version {version}")
            if gone:
                one.execute("DELETE FROM record_value WHERE kind = ? AND key = ?", parameters)
            return bool(gone)

        found: bool = self._run(work, batch)
        return found

    def _run(self, work: Callable[[Transaction], Any], batch: Transaction | None) -> Any:
        return self._index.run(work) if batch is None else work(batch)

    def list(self, *, limit: int = 100, after: str = "") -> Sequence[Kept[T]]:
        """Return records in the order of their keys, those after ``after``."""
        return self.query(limit=limit, after=after)

    def query(self, *, limit: int = 100, after: str = "", **wanted: Any) -> Sequence[Kept[T]]:
        """Return records whose indexed fields are as wanted, in the order of their keys, those after ``after``.

        What is wanted is a value, or a pair: the first and the last one, None for no end.
        """
        found: _Found[T] = []
        with self._index.reader() as connection:
            while len(found) < limit:
                rows = self._rows(connection, min(max(limit, 1), _PAGE), after, wanted)
                kept = ((key, self._kept(*rest)) for key, *rest in rows)
                found += [one for _, one in kept if self._fits(one.record, wanted)]
                if len(rows) < min(limit, _PAGE):
                    break
                after = rows[-1][0]
        return found[:limit]

    def _rows(self, connection: Connection, limit: int, after: str, wanted: dict[str, Any]) -> _Rows:
        sql = "SELECT r.key, r.version, r.updated, r.body FROM record r WHERE r.kind = ? AND r.key > ?"
        parameters: _Rows = [self._type.KIND, after]
        for name, value in wanted.items():
            if name not in self._type.INDEXED:
                raise StorageError(f"a {self._type.KIND} cannot be asked by {name}")
            low, high = value if isinstance(value, tuple) else (value, value)
            sql += " AND r.key IN (SELECT v.key FROM record_value v WHERE v.kind = ? AND v.name = ?"
            parameters += [self._type.KIND, name]
            for sign, end in ((">=", low), ("<=", high)):
                if end is not None:
                    sql += f" AND v.value {sign} ?"
                    parameters.append(_indexed(end))
            sql += ")"
        return connection.execute(f"{sql} ORDER BY r.key LIMIT {limit:d}", parameters).fetchall()

    def _fits(self, record: T, wanted: dict[str, Any]) -> bool:
        """Whether a record is wanted: what is indexed of a long value may say too much."""
        for name, value in wanted.items():
            have = _sortable(getattr(record, name))
            low, high = value if isinstance(value, tuple) else (value, value)
            if (low is not None and have < _sortable(low)) or (high is not None and have > _sortable(high)):
                return False
        return True

    def _kept(self, version: int, updated: str, body: str) -> Kept[T]:
        read = {name: value for name, value in json.loads(body).items() if name in self._names}
        for name in self._tuples & read.keys():
            read[name] = tuple(read[name])
        return Kept(self._type(**read), version, updated)


def _sortable(value: Any) -> str:
    """Return a text that sorts as the value does."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value + (1 << 63):020d}" if isinstance(value, int) else clean(str(value))


def _indexed(value: Any) -> str:
    return _sortable(value)[:_LONGEST]
