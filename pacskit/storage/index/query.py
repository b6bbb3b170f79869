"""From an identifier to one SQL statement (PS3.4 C.4.1).

Every text in here is a constant or a column out of :mod:`.keys`; what a peer sent is only ever a parameter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from pacskit.storage.errors import InvalidIdentifier
from pacskit.storage.index.dialect import Dialect, Glob
from pacskit.storage.index.keys import BY_TAG, LEVELS, Attribute, Kind
from pacskit.storage.index.paging import Place, ordered
from pacskit.storage.index.tags import Tags, narrowed
from pacskit.storage.matching import MAX_PATTERN, Key, is_wild, key_of, moment_bounds
from pacskit.storage.text import datetime_bounds, integer, name_patterns, prefix_end, split_range

__all__ = ["FindOptions", "Model", "Plan", "plan"]


class Model(StrEnum):
    """The information models (PS3.4 C.6)."""

    PATIENT_ROOT = "PATIENT_ROOT"
    STUDY_ROOT = "STUDY_ROOT"
    PATIENT_STUDY_ONLY = "PATIENT_STUDY_ONLY"


@dataclass(frozen=True, slots=True)
class FindOptions:
    """What was negotiated beyond the baseline (PS3.4 C.5.1.1), and what the answers say of the archive."""

    combined_datetime: bool = False
    relational: bool = False
    retrieve_ae_title: str | None = None
    instance_availability: str | None = "ONLINE"


@dataclass(slots=True)
class Plan:
    """A statement, what to check in Python afterwards, and what the answers contain."""

    level: str
    sql: str
    parameters: tuple[Any, ...]
    returned: list[tuple[Attribute, Key]]
    encoded: list[str]
    after: list[tuple[Attribute, Key]]
    ignored: list[int] = field(default_factory=list)
    creators: dict[int, str] = field(default_factory=dict)  # of private attributes
    narrow: bool = False  # whether the answers are few


class _Condition(NamedTuple):
    sql: str
    parameters: tuple[Any, ...]
    table: str
    strength: int  # how much an index on it narrows: a bigger one leads
    search: tuple[str, tuple[Any, ...]] | None = None  # what narrows it by an index of another kind, where it leads


_NOTHING: Final = _Condition("(1 = 0)", (), "", 100)
MAX_ALTERNATIVES: Final = 200
_FEW: Final = 80

_ALIASES: Final = {"PATIENT": "p", "STUDY": "s", "SERIES": "e", "IMAGE": "i"}
_FROM: Final = {
    "PATIENT": " FROM patient p",
    "STUDY": " FROM study s JOIN patient p ON p.pk = s.patient",
    "SERIES": " FROM series e JOIN study s ON s.pk = e.study JOIN patient p ON p.pk = s.patient",
    "IMAGE": " FROM instance i JOIN series e ON e.pk = i.series JOIN study s ON s.pk = e.study"
    " JOIN patient p ON p.pk = s.patient",
}
_UNIQUE: Final = {
    "PATIENT": 0x00100020,
    "STUDY": 0x0020000D,
    "SERIES": 0x0020000E,
    "IMAGE": 0x00080018,
}
_NOT_KEYS: Final = frozenset({0x00080005, 0x00080052, 0x00080053, 0x00080054, 0x00080056, 0x00080201})


def _levels_of(model: str, level: str) -> list[str]:
    """Return the levels of a model from its root to ``level``; the study root's holds the patient's attributes too."""
    levels = list(LEVELS)
    if model == Model.STUDY_ROOT:
        levels = levels[1:]
    elif model == Model.PATIENT_STUDY_ONLY:
        levels = levels[:2]
    if level not in levels:
        raise InvalidIdentifier(f"{model} has no level {level[:16]!r}", keyword="QueryRetrieveLevel")
    return levels[: levels.index(level) + 1]


def plan(
    level: str,
    model: str,
    identifier: Iterable[Any],
    options: FindOptions,
    dialect: Dialect = Dialect.SQLITE,
    place: Place | None = None,
    tags: Tags | None = None,
) -> Plan:
    """Read an identifier and make its statement; with ``place``, for what comes after that."""
    levels = _levels_of(model, level)
    keys = {key.tag: key for key in map(key_of, identifier)}
    own = {level, "PATIENT"} if model == Model.STUDY_ROOT and level == "STUDY" else {level}
    unique = [_UNIQUE[one] for one in levels[:-1]]
    if not options.relational:
        for tag in unique:
            _require_single(keys.get(tag), BY_TAG[tag])
    made = Plan(level, "", (), [], [], [])
    conditions: list[_Condition] = []
    above = {*LEVELS[: LEVELS.index(level)]}
    for tag in sorted(keys.keys() | {*unique, _UNIQUE[level]}):
        attribute = BY_TAG.get(tag) or (_made_searchable(tag, keys, tags, made) if tags else None)
        key = keys.get(tag) or Key(tag, attribute.vr if attribute else "UN", (), None)
        if tag in _NOT_KEYS:
            continue
        if attribute is None or attribute.level not in own | above:
            made.ignored.append(tag)
            continue
        if key.vr != attribute.vr:
            key = Key(tag, attribute.vr, key.values if attribute.vr != "SQ" and key.item is None else (), None)
        made.returned.append((attribute, key))
        matched = attribute.level in own or tag in unique or options.relational
        if key.is_universal:
            continue
        if not matched:
            made.ignored.append(tag)
        elif attribute.column is None:
            made.after.append((attribute, key))
            conditions += _narrowing(attribute, key, tags) if tags else []
        else:
            conditions.append(_condition(attribute, key))
    if options.combined_datetime:
        _combine(conditions, keys)
    made.ignored = [tag for tag in made.ignored if tag not in made.creators]
    if dialect == Dialect.POSTGRESQL:  # it searches by three letters without being told
        conditions = [
            one._replace(search=None) if one.search and "MATCH" in one.search[0] else one for one in conditions
        ]
    _compose(made, conditions, place)
    return made


def _made_searchable(tag: int, keys: dict[int, Key], tags: Tags, made: Plan) -> Attribute | None:
    """Return an attribute that has been made searchable; a private one by the creator that the query names."""
    block = tag & 0xFFFF0000 | (tag & 0xFF00) >> 8
    creator = keys.get(block) if tag >> 16 & 1 else None
    found = tags.get(tag, creator.values[0] if creator and creator.values else "")
    if found is None:
        return None
    if creator and creator.values:
        made.creators[block] = creator.values[0]
    return found.attribute._replace(tag=tag)


def _narrowing(attribute: Attribute, key: Key, tags: Tags) -> list[_Condition]:
    searchable = tags.get(attribute.tag, attribute.creator)
    found = narrowed(searchable, key) if searchable is not None else None
    return [_Condition("(1 = 1)", (), _ALIASES[attribute.level], 36, found)] if found else []


def _require_single(key: Key | None, attribute: Attribute) -> None:
    if key is None or len(key.values) != 1 or (attribute.kind == Kind.TEXT and is_wild(key.values[0])):
        raise InvalidIdentifier(
            f"one value of {attribute.keyword} is required at this level", keyword=attribute.keyword
        )


def _compose(made: Plan, conditions: list[_Condition], place: Place | None) -> None:
    selected = [one.column for one, _ in made.returned if one.column is not None]
    for level in LEVELS:
        encoded = _encoded(level, [one for one, _ in made.returned + made.after if one.level == level])
        if encoded:
            made.encoded.append(level)
            selected.append(encoded)
    conditions.sort(key=lambda one: -one.strength)
    where = [_steered(one, conditions[0]).sql for one in conditions]
    parameters = [value for one in conditions for value in one.parameters]
    if conditions and conditions[0].search is not None:
        where.insert(0, conditions[0].search[0])
        parameters[:0] = conditions[0].search[1]
    end = ""
    if place is not None:
        leader = conditions[0] if conditions else _NOTHING._replace(strength=0)
        beyond, values, end = ordered(place, _ALIASES[made.level], leader.strength >= 30 and "s.study_date" not in
                                      leader.sql)  # fmt: skip
        selected += place.columns(_ALIASES[made.level])
        where += beyond
        parameters += values
    made.narrow = place is not None or (bool(conditions) and conditions[0].strength >= _FEW)
    made.sql = "SELECT " + ", ".join(selected) + _FROM[made.level]
    made.sql += (" WHERE " + " AND ".join(where) if where else "") + end
    made.parameters = tuple(parameters)


def _encoded(level: str, attributes: list[Attribute]) -> str | None:
    """Return the column of a level's encoded attributes, where it is or may be needed (a value may fit no column)."""
    column = f"{_ALIASES[level]}.attributes"
    if any(one.column is None for one in attributes):
        return column
    empty = [
        f"{one.column} IS NULL" if one.kind == Kind.NUMBER else f"{one.column} = ''"
        for one in attributes
        if one.kind in {Kind.DATE, Kind.TIME, Kind.NUMBER} and not one.from_index
    ]
    return f"CASE WHEN {' OR '.join(empty)} THEN {column} END" if empty else None


def _steered(condition: _Condition, leader: _Condition) -> _Condition:
    """Keep SQLite from an index of another table that narrows less than the leader's: it has no statistics to know."""
    if condition.table == leader.table or condition.strength >= leader.strength:
        return condition
    return condition._replace(sql=condition.sql.replace(f"{condition.table}.", f"+{condition.table}."))


def _condition(attribute: Attribute, key: Key) -> _Condition:
    """Return what any of a key's values asks of a column."""
    column = attribute.column or ""
    table = column.partition(".")[0]
    kind = attribute.kind
    if kind in {Kind.UID, Kind.SOP_CLASSES} or (kind == Kind.TEXT and not any(map(is_wild, key.values))):
        return _any_of(attribute, column, table, key.values)
    if len(key.values) > MAX_ALTERNATIVES:
        raise InvalidIdentifier(f"{attribute.keyword} has {len(key.values)} values", keyword=attribute.keyword)
    parts = [_one(kind, column, value) for value in key.values]
    if len(parts) == 1:
        return parts[0]._replace(sql=f"({parts[0].sql})", table=table)
    sql = " OR ".join(one.sql for one in parts)
    strength = min(0 if one.search else one.strength for one in parts)
    return _Condition(f"({sql})", tuple(value for one in parts for value in one.parameters), table, strength)


def _any_of(attribute: Attribute, column: str, table: str, values: tuple[str, ...]) -> _Condition:
    strength = 90 if attribute.kind == Kind.UID else 80 if attribute.keyword in {"PatientID", "AccessionNumber"} else 40
    if attribute.kind == Kind.SOP_CLASSES:
        sql = "(s.pk IN (SELECT study FROM study_sop_class WHERE sop_class_uid IN (SELECT value FROM json_each(?))))"
        return _Condition(sql, (json.dumps(values),), table, 10)
    if len(values) == 1:
        return _Condition(f"({column} = ?)", values, table, strength)
    return _Condition(f"({column} IN (SELECT value FROM json_each(?)))", (json.dumps(values),), table, strength - 1)


def _one(kind: str, column: str, value: str) -> _Condition:
    if kind == Kind.NAME:
        return _name(column, value)
    if kind == Kind.NUMBER:
        return _Condition(f"({column} = ?)", (integer(value),), "", 20)
    if kind == Kind.MODALITIES:
        inner = _like("x.modality", value)
        sql = f"EXISTS (SELECT 1 FROM series x WHERE x.study = s.pk AND {inner.sql})"
        return _Condition(sql, inner.parameters, "", 5)
    if kind in {Kind.DATE, Kind.TIME, Kind.STAMP}:
        vr = {Kind.DATE: "DA", Kind.TIME: "TM", Kind.STAMP: "DT"}[kind]
        return _moment(vr, f"{column}_key" if kind == Kind.TIME else column, value)
    return _like(column, value)


def _like(column: str, value: str) -> _Condition:
    """Match a text with wild cards: what comes before the first by range, so that an index serves, the rest by GLOB."""
    if not is_wild(value):
        return _Condition(f"({column} = ?)", (value,), "", 40)
    if len(value) > MAX_PATTERN:
        return _NOTHING
    at = min(found for found in (value.find("*"), value.find("?")) if found >= 0)
    prefix, rest = value[:at], value[at:]
    sql: list[str] = []
    parameters: list[str] = []
    if prefix:
        sql.append(f"{column} >= ?")
        parameters.append(prefix)
        end = prefix_end(prefix)
        if end is not None:
            sql.append(f"{column} < ?")
            parameters.append(end)
    if rest.strip("*") or not prefix:
        sql.append(f"+{column} GLOB ?")
        parameters.append(Glob(value.replace("[", "[[]")))
    return _Condition(f"({' AND '.join(sql)})", tuple(parameters), "", 30 + min(len(prefix), 9) if prefix else 0)


_GROUPS: Final = ("alphabetic", "ideographic", "phonetic")
_WILD: Final = re.compile(r"[*?]")
_TRIGRAM: Final = 3


def _name(column: str, value: str) -> _Condition:
    """Match a person name by its groups; a key of one group may be any of them (PS3.5 6.2.1)."""
    groups = value.split("=")[:3]
    if len(groups) == 1:
        wanted = [one for one in name_patterns(value) if one]
        options = [_like(f"{column}_{group}", one) for one in wanted for group in _GROUPS]
        if not options:
            return _NOTHING
        sql = " OR ".join(_filled(one).sql for one in options)
        parameters = tuple(each for one in options for each in one.parameters)
        made = _Condition(f"({sql})", parameters, "", min(one.strength for one in options))
        return _searched(made, column, [wanted])
    required: list[_Condition] = []
    asked_of: list[list[str]] = []
    for group, asked in zip(_GROUPS, groups, strict=False):
        if asked:
            asked_of.append(list(name_patterns(asked)))
            patterns = [_like(f"{column}_{group}", one) for one in asked_of[-1]]
            sql = " OR ".join(one.sql for one in patterns)
            parameters = tuple(each for one in patterns for each in one.parameters)
            required.append(_Condition(f"({sql})", parameters, "", min(one.strength for one in patterns)))
    sql = " AND ".join([f"{column} <> ''", *(one.sql for one in required)])
    parameters = tuple(each for one in required for each in one.parameters)
    made = _Condition(f"({sql})", parameters, "", max(one.strength for one in required))
    return _searched(made, column, asked_of)


def _searched(condition: _Condition, column: str, asked: list[list[str]]) -> _Condition:
    """Add a search by three letters in a row, where the patterns of some group have them and no better beginning."""
    phrases, longest = [], 0
    for patterns in asked:
        runs = [[run for run in _WILD.split(one) if len(run) >= _TRIGRAM] for one in patterns]
        if runs and all(runs):
            words = (" AND ".join('"' + run.replace('"', '""') + '"' for run in each) for each in runs)
            phrases.append("(" + " OR ".join(f"({one})" for one in words) + ")")
            longest = max(longest, min(max(map(len, each)) for each in runs))
    strength = 28 + min(longest, 9)
    if not phrases or strength <= condition.strength:
        return condition
    alias = column.partition(".")[0]
    table = "patient_search" if alias == "p" else "study_search"
    sql = f"{alias}.pk IN (SELECT rowid FROM {table} WHERE {table} MATCH ?)"
    return condition._replace(strength=strength, table=alias, search=(sql, (" AND ".join(phrases),)))


def _filled(condition: _Condition) -> _Condition:
    """Leave out names that lack the group: a pattern of wild cards alone would match nothing at all otherwise."""
    if condition.strength:
        return condition
    column = condition.sql[2 : condition.sql.index(" ")]
    return condition._replace(sql=f"({column} <> '' AND {condition.sql})")


def _moment(vr: str, column: str, value: str) -> _Condition:
    ends = split_range(vr, value) or (value, value)
    low, high = (moment_bounds(vr, one) if one else None for one in ends)
    if (ends[0] and low is None) or (ends[1] and high is None):
        return _Condition(f"({column} = ?)", (value,), "", 40)
    single = "-" not in value and vr == "DA"
    if single and low is not None:
        return _Condition(f"({column} = ?)", (low[0],), "", 50)
    # an empty column is before every moment
    first = f"{column} >= ?" if low else f"{column} > ?"
    sql, parameters = [first], [low[0] if low else ""]
    if high:
        sql.append(f"{column} <= ?")
        parameters.append(high[1])
    closed = low is not None and high is not None and vr == "DA" and high[1][:6] <= _months_later(low[0])
    return _Condition(f"({' AND '.join(sql)})", tuple(parameters), "", 38 if closed else 25)


def _months_later(date: str) -> str:
    """Return the month after a date's, as YYYYMM: a range that ends by then is a narrow one."""
    year, month = int(date[:4]), int(date[4:6])
    return f"{year + (month >= 12):04d}{month % 12 + 1:02d}"


def _combine(conditions: list[_Condition], keys: dict[int, Key]) -> None:
    """Match study date and time as one moment (PS3.4 C.2.2.2.5.4, extended negotiation)."""
    date, time = keys.get(0x00080020), keys.get(0x00080030)
    if date is None or time is None or len(date.values) != 1 or len(time.values) != 1:
        return
    dates, times = split_range("DA", date.values[0]), split_range("TM", time.values[0])
    if dates is None or times is None:
        return
    low = datetime_bounds(dates[0] + times[0].replace(":", "")) if dates[0] else None
    high = datetime_bounds(dates[1] + times[1].replace(":", "")) if dates[1] else None
    if (dates[0] and low is None) or (dates[1] and high is None):
        return
    kept = [one for one in conditions if "s.study_time_key" not in one.sql and "s.study_date" not in one.sql]
    for bound, sign, filler in ((low and low[0], ">=", ""), (high and high[1], "<=", "")):
        if bound:
            sql = f"(s.study_date, s.study_time_key) {sign} (?, ?)"
            kept.append(_Condition(f"({sql} AND s.study_date <> ?)", (bound[:8], bound[8:], filler), "s", 38))
    if low is None and high is None:
        kept.append(_Condition("(s.study_date > ?)", ("",), "s", 1))
    conditions[:] = kept
