"""Attributes made searchable afterwards, private ones included: values of theirs are gathered in the background.

``tag`` says which, and how far the gathering has come; ``tag_value`` has what narrows a query; ``tag_todo`` the
instances that came since. A query checks what it has narrowed down against the row's own attributes, so a value that
is there too long or too much does no harm.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pacskit.core.dictionary import entry_for
from pacskit.core.errors import ConfigurationError, PacsError
from pacskit.core.tag import Tag
from pacskit.storage.attributes import Encoded, decode_attributes, encode_attributes, encode_element
from pacskit.storage.index.dialect import Connection, Dialect, Glob, ddl_for_postgres
from pacskit.storage.index.keys import BY_TAG, LEVELS, Attribute, Kind
from pacskit.storage.matching import Key, is_wild
from pacskit.storage.records import StoredInstance
from pacskit.storage.text import date_key, name_groups, name_patterns, number, prefix_end

if TYPE_CHECKING:
    from pacskit.storage.index.repository import SqlIndex
    from pacskit.storage.index.writing import Transaction

__all__ = ["TAGS_TOPIC", "Read", "SearchableTag", "TagBuilder", "Tags", "narrowed", "note_new"]

TAGS_TOPIC: Final = "tags"

CHUNK = 200
LONGEST = 400  # characters of a value; "" stands for a longer one, which every search has a look at
_TABLES: Final = {"PATIENT": "patient", "STUDY": "study", "SERIES": "series", "IMAGE": "instance"}
_OWNER: Final = {"PATIENT": "s.patient", "STUDY": "e.study", "SERIES": "i.series", "IMAGE": "i.pk"}
_TEXTS: Final = frozenset({"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UI", "UR", "UT"})
_NUMBERS: Final = frozenset({"IS", "DS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"})
_FROM: Final = " FROM instance i JOIN series e ON e.pk = i.series JOIN study s ON s.pk = e.study"

_log = logging.getLogger("pacskit.storage")

Read = Callable[[StoredInstance], Any]


@dataclass(frozen=True, slots=True)
class SearchableTag:
    """An attribute that has been made searchable: how many of how many rows have been looked at."""

    pk: int
    attribute: Attribute
    done: int
    total: int
    ready: bool


class Tags:
    """The searchable attributes, as they were when the index was last asked."""

    def __init__(self, found: Iterable[SearchableTag] = ()) -> None:
        self.all = tuple(found)
        self._by_key = {(one.attribute.tag, one.attribute.creator): one for one in self.all}

    def __bool__(self) -> bool:
        return bool(self.all)

    def get(self, tag: int, creator: str = "") -> SearchableTag | None:
        """Return the one of a tag; of a private one wherever its block is."""
        if tag >> 16 & 1 and tag & 0xF000:
            tag = tag & 0xFFFF00FF | 0x1000
        return self._by_key.get((tag, creator)) or self._by_key.get((tag, ""))

    @classmethod
    def load(cls, connection: Connection) -> Tags:
        """Read them."""
        rows = connection.execute("SELECT pk, number, creator, vr, level, done, total, ready FROM tag").fetchall()
        return cls(
            SearchableTag(pk, tag_attribute(tag, creator, vr, level), done, total, bool(ready))
            for pk, tag, creator, vr, level, done, total, ready in rows
        )


def tag_attribute(tag: int, creator: str, vr: str, level: str) -> Attribute:
    """Return an attribute that the index may not know."""
    known, entry = BY_TAG.get(tag), entry_for(tag)
    return known or Attribute(entry.keyword if entry else f"{tag:08X}", tag, vr, level, Kind.ATTRIBUTES, None, creator)


def _asked(tag: str | int, vr: str | None, level: str | None, creator: str) -> Attribute:
    try:
        number = int(Tag(tag))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"there is no attribute {tag!r}") from error
    if number in BY_TAG:
        return BY_TAG[number]
    if number >> 16 & 1:
        number = number & 0xFFFF00FF | 0x1000
    entry = entry_for(number)
    vr, level = vr or (entry.vr if entry else ""), level or "IMAGE"
    if vr not in _TEXTS | _NUMBERS | {"DA", "PN"}:
        raise ConfigurationError(f"{tag}: the VR is needed, and one that can be searched for, not {vr or 'none'}")
    if level not in LEVELS:
        raise ConfigurationError(f"the level is one of {', '.join(LEVELS)}")
    return tag_attribute(number, creator, vr, level)


def narrowed(searchable: SearchableTag, key: Key) -> tuple[str, tuple[Any, ...]] | None:
    """Return what narrows a query by a key, None where that cannot be done."""
    if not searchable.ready or searchable.attribute.column is not None or key.item is not None:
        return None
    alternatives: list[str] = []
    parameters: list[Any] = [searchable.pk]
    for value in key.values:
        found = _narrowing(searchable.attribute.vr, value)
        if found is None:
            return None
        alternatives.append(found[0])
        parameters += found[1]
    alias = {"PATIENT": "p", "STUDY": "s", "SERIES": "e", "IMAGE": "i"}[searchable.attribute.level]
    todo = f"SELECT {_OWNER[searchable.attribute.level]}{_FROM} JOIN tag_todo t ON t.instance = i.pk"
    alternatives.append("v.value = ''")
    inner = f"SELECT v.owner FROM tag_value v WHERE v.tag = ? AND ({' OR '.join(alternatives)})"
    return f"({alias}.pk IN ({inner} UNION {todo}))", tuple(parameters)


def _narrowing(vr: str, value: str) -> tuple[str, list[Any]] | None:
    if vr in _NUMBERS:
        wanted = number(value)
        return None if wanted is None else ("v.value = ?", [str(wanted.normalize())])
    if vr == "DA":
        first, dash, last = value.partition("-")
        ends = [date_key(one.strip()) if one.strip() else None for one in (first, last)]
        if not dash:
            return ("v.value = ?", [ends[0]]) if ends[0] else None
        low, high = ends[0] or "0", ends[1] or "9999"
        return "v.value >= ? AND v.value <= ?", [low, high]
    if vr == "PN":
        if "=" in value:
            return None
        parts = [_pattern(one) for one in name_patterns(value) if one]
        return " OR ".join(one for one, _ in parts), [each for _, values in parts for each in values]
    return _pattern(value)


def _pattern(value: str) -> tuple[str, list[Any]]:
    if not is_wild(value):
        return "v.value = ?", [value]
    prefix = value[: min(found for found in (value.find("*"), value.find("?")) if found >= 0)]
    glob = Glob(value.replace("[", "[[]"))
    end = prefix_end(prefix) if prefix else None
    if end is not None:
        return "(v.value >= ? AND v.value < ? AND v.value GLOB ?)", [prefix, end, glob]
    return "v.value GLOB ?", [glob]


def _values(vr: str, encoded: list[Any] | None) -> set[str]:
    """Return what a search for an attribute compares with."""
    found: set[str] = set()
    for value in encoded[1:] if encoded else ():
        if not isinstance(value, str):
            continue
        if vr in _NUMBERS:
            wanted = number(value)
            found.add(value if wanted is None else str(wanted.normalize()))
        elif vr == "DA":
            found.add(date_key(value) or value)
        elif vr == "PN":
            found |= {group for group in name_groups(value) if group}
        else:
            found.add(value)
    return {one if len(one) <= LONGEST else "" for one in found}


class TagBuilder:
    """Gathers the values of searchable attributes, in a thread that is there while there is something to do."""

    def __init__(self, index: SqlIndex, read: Read | None) -> None:
        self._index = index
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wanted = self._closing = False
        self.read = read

    def add(self, tag: str | int, vr: str | None, level: str | None, creator: str) -> SearchableTag:
        """Make an attribute searchable; return it at once, as far as it is."""
        attribute = _asked(tag, vr, level, creator)
        if attribute.tag not in BY_TAG and self.read is None:
            raise ConfigurationError(f"{attribute.keyword} has to be read from the objects, and here are none")
        table = _TABLES[attribute.level]

        def work(batch: Transaction) -> None:
            batch.removed = True  # so that every process takes note
            batch.announce(TAGS_TOPIC)
            total, last = batch.execute(f"SELECT count(*), coalesce(max(pk), 0) FROM {table}").fetchone()
            batch.execute(
                "INSERT INTO tag (number, creator, vr, level, position, last, done, total, ready)"
                " VALUES (?, ?, ?, ?, 0, ?, 0, ?, 0) ON CONFLICT (number, creator) DO NOTHING",
                (attribute.tag, creator, attribute.vr, attribute.level, last, total),
            )

        self._index.run_alone(work)
        found = self._index.load_tags().get(attribute.tag, creator)
        if found is None:
            raise ConfigurationError(f"{attribute.keyword} has been removed meanwhile")
        self.wake()
        return found

    def wake(self) -> None:
        """Begin, or go on."""
        with self._changed:
            self._wanted = True
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="pacskit-tags", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until there is nothing to do; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._thread is None, timeout)

    def close(self) -> None:
        """Stop; the next start goes on."""
        with self._changed:
            self._closing = True
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._wanted or self._closing:
                    self._thread = None
                    self._changed.notify_all()
                    return
                self._wanted = False
            try:
                more = True
                while more and not self._closing:
                    more = self._step()
            except PacsError as error:
                _log.error("attributes that were to be searchable are not yet: %s", error)

    def _step(self) -> bool:
        """Do one piece of work; return whether there may be more."""
        tags = self._index.load_tags()
        readable = [one for one in tags.all if one.attribute.tag in BY_TAG or self.read is not None]
        for one in readable:
            if not one.ready:
                return self._gather(one)
        # what cannot be read here is left to a process that has the objects
        return len(readable) == len(tags.all) and self._follow(tags)

    def _gather(self, one: SearchableTag) -> bool:
        """Look at the next rows of a level."""
        attribute, table = one.attribute, _TABLES[one.attribute.level]
        if attribute.column is not None:
            self._index.run_alone(lambda batch: self._make_index(batch, one))
            return True
        with self._index.reader() as connection:
            position, last = connection.execute("SELECT position, last FROM tag WHERE pk = ?", (one.pk,)).fetchone()
            sql = f"SELECT pk, attributes FROM {table} WHERE pk > ? AND pk <= ? ORDER BY pk LIMIT {CHUNK:d}"
            rows = connection.execute(sql, (position, last)).fetchall()
        found = [(pk, *self._element(attribute, pk, decode_attributes(text), None)) for pk, text in rows]

        def work(batch: Transaction) -> None:
            for pk, encoded, fresh in found:
                _keep(batch, one, pk, encoded, fresh)
            position = rows[-1][0] if rows else last
            batch.execute(
                "UPDATE tag SET position = ?, done = done + ?, ready = ? WHERE pk = ? AND position <= ?",
                (position, len(rows), int(len(rows) < CHUNK), one.pk, position),
            )
            if len(rows) < CHUNK:
                batch.announce(TAGS_TOPIC)

        self._index.run(work)
        return True

    def _make_index(self, batch: Transaction, one: SearchableTag) -> None:
        """Make an index of a column; its name is one of ours."""
        _, _, column = (one.attribute.column or "").partition(".")
        if one.attribute.kind in {Kind.TEXT, Kind.DATE, Kind.NUMBER}:
            how = "/* any length */ " if one.attribute.kind == Kind.TEXT else ""
            sql = f"CREATE INDEX IF NOT EXISTS tag_{column} ON {_TABLES[one.attribute.level]} {how}({column})"
            batch.execute(sql if self._index.dialect == Dialect.SQLITE else ddl_for_postgres(sql))
        batch.execute("UPDATE tag SET done = total, ready = 1 WHERE pk = ?", (one.pk,))
        batch.removed = True
        batch.announce(TAGS_TOPIC)

    def _follow(self, tags: Tags) -> bool:
        """Look at instances that came since."""
        owners = ", ".join(f"{_OWNER[level]}" for level in LEVELS)
        sql = f"SELECT i.pk, {owners}{_FROM} JOIN tag_todo t ON t.instance = i.pk ORDER BY i.pk LIMIT {CHUNK:d}"
        with self._index.reader() as connection:
            rows = connection.execute(sql).fetchall()
        found: list[tuple[SearchableTag, int, list[Any] | None, bool]] = []
        for one in tags.all:
            level = one.attribute.level
            if one.attribute.column is None:
                for owner, instance in {row[1 + LEVELS.index(level)]: row[0] for row in reversed(rows)}.items():
                    found.append((one, owner, *self._element(one.attribute, owner, None, instance)))

        def work(batch: Transaction) -> None:
            for one, owner, encoded, fresh in found:
                _keep(batch, one, owner, encoded, fresh)
            if rows:
                batch.connection.executemany("DELETE FROM tag_todo WHERE instance = ?", [(row[0],) for row in rows])
            else:  # instances that have gone
                batch.execute("DELETE FROM tag_todo WHERE instance NOT IN (SELECT pk FROM instance)")

        if rows:
            self._index.run(work)
        return len(rows) == CHUNK

    def _element(
        self, attribute: Attribute, owner: int, encoded: Encoded | None, instance: int | None
    ) -> tuple[list[Any] | None, bool]:
        """Return a row's element, and whether its row does not have it yet."""
        if encoded is None:
            with self._index.reader() as connection:
                table = _TABLES[attribute.level]
                row = connection.execute(f"SELECT attributes FROM {table} WHERE pk = ?", (owner,)).fetchone()
            encoded = decode_attributes(row[0]) if row else {}
        found = encoded.get(attribute.key)
        if found is not None or attribute.tag in BY_TAG or self.read is None:
            return found, False
        first = self._first(attribute.level, owner)
        if first is None or (instance is not None and first[0] != instance):
            return None, False
        return _read(self.read, first[1], attribute), True

    def _first(self, level: str, owner: int) -> tuple[int, StoredInstance] | None:
        columns = (
            "SELECT i.pk, p.patient_id, s.study_instance_uid, e.series_instance_uid, i.sop_instance_uid,"
            " i.sop_class_uid, i.transfer_syntax_uid, i.blob_key, i.data_offset, i.data_length, i.sha256"
        )
        sql = f"{columns}{_FROM} JOIN patient p ON p.pk = s.patient WHERE {_OWNER[level]} = ? ORDER BY i.pk LIMIT 1"
        with self._index.reader() as connection:
            row = connection.execute(sql, (owner,)).fetchone()
        return (row[0], StoredInstance(*row[1:])) if row else None


def _read(read: Read, instance: StoredInstance, attribute: Attribute) -> list[Any] | None:
    """Read an element of an object; None where it has none, or cannot be read."""
    try:
        dataset = read(instance)
        tag = attribute.tag
        if attribute.creator:
            tag = dataset.private_block(tag >> 16, attribute.creator).get_tag(tag & 0xFF)
        if tag not in dataset:
            return None
        found: list[Any] | None = encode_element(dataset[tag])
    except (PacsError, OSError, KeyError, ValueError) as error:
        _log.debug("an object could not be asked for an attribute: %s", type(error).__name__)
        return None
    return [attribute.vr, *found[1:]] if found and found[0] != "SQ" and len(found) > 1 else None


def _keep(batch: Transaction, one: SearchableTag, owner: int, encoded: list[Any] | None, fresh: bool) -> None:
    batch.execute("DELETE FROM tag_value WHERE tag = ? AND owner = ?", (one.pk, owner))
    values = sorted(_values(one.attribute.vr, encoded))
    if values:
        batch.connection.executemany(
            "INSERT INTO tag_value (tag, value, owner) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [(one.pk, value, owner) for value in values],
        )
    if fresh and encoded is not None:
        table = _TABLES[one.attribute.level]
        row = batch.execute(f"SELECT attributes FROM {table} WHERE pk = ?", (owner,)).fetchone()
        if row is not None:
            kept: Mapping[str, list[Any]] = {**decode_attributes(row[0]), one.attribute.key: encoded}
            batch.execute(f"UPDATE {table} SET attributes = ? WHERE pk = ?", (encode_attributes(dict(kept)), owner))


def note_new(batch: Transaction, uids: list[str]) -> None:
    """Remember that instances have to be looked at."""
    batch.execute(
        "INSERT INTO tag_todo (instance) SELECT pk FROM instance WHERE sop_instance_uid IN"
        " (SELECT value FROM json_each(?)) ON CONFLICT DO NOTHING",
        (json.dumps(uids),),
    )
