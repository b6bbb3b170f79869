"""From an identifier to one SQL statement (PS3.4 C.4.1).

Every text in here is a constant or a column out of :mod:`.keys`; what a peer sent is only ever a parameter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from pacskit.storage.errors import InvalidIdentifier
from pacskit.storage.fuzzy import beginnings, words
from pacskit.storage.index.keys import BY_TAG, LEVELS, Attribute, Kind
from pacskit.storage.matching import MAX_PATTERN, Key, is_wild, key_of, moment_bounds
from pacskit.storage.text import datetime_bounds, integer, name_patterns, prefix_end, split_range

__all__ = ["FUZZY", "FindOptions", "Model", "Plan", "plan"]


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
    fuzzy_names: bool = False


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


class _Condition(NamedTuple):
    sql: str
    parameters: tuple[Any, ...]
    table: str
    strength: int  # how much an index on it narrows: a bigger one leads


_NOTHING: Final = _Condition("(1 = 0)", (), "", 100)
MAX_ALTERNATIVES: Final = 200

_ALIASES: Final = {"PATIENT": "p", "STUDY": "s", "SERIES": "e", "IMAGE": "i"}
_TABLES: Final = {"p": "patient", "s": "study"}  # those that have names
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


def plan(level: str, model: str, identifier: Iterable[Any], options: FindOptions) -> Plan:
    """Read an identifier and make its statement."""
    levels = _levels_of(model, level)
    keys = {key.tag: _as_agreed(key, options) for key in map(key_of, identifier)}
    own = {level, "PATIENT"} if model == Model.STUDY_ROOT and level == "STUDY" else {level}
    unique = [_UNIQUE[one] for one in levels[:-1]]
    if not options.relational:
        for tag in unique:
            _require_single(keys.get(tag), BY_TAG[tag])
    made = Plan(level, "", (), [], [], [])
    conditions: list[_Condition] = []
    above = {*LEVELS[: LEVELS.index(level)]}
    for tag in sorted(keys.keys() | {*unique, _UNIQUE[level]}):
        attribute = BY_TAG.get(tag)
        key = keys.get(tag) or Key(tag, attribute.vr if attribute else "UN", (), None)
        if tag in _NOT_KEYS:
            continue
        if attribute is None or attribute.level not in own | above:
            made.ignored.append(tag)
            continue
        if key.vr != attribute.vr:
            values = key.values if attribute.vr != "SQ" and key.item is None else ()
            key = _as_agreed(Key(tag, attribute.vr, values, None), options)
        made.returned.append((attribute, key))
        matched = attribute.level in own or tag in unique or options.relational
        if key.is_universal:
            continue
        if not matched:
            made.ignored.append(tag)
        elif attribute.column is None:
            made.after.append((attribute, key))
        else:
            conditions.append(_condition(attribute, key))
    if options.combined_datetime:
        _combine(conditions, keys)
    _compose(made, conditions)
    return made


def _as_agreed(key: Key, options: FindOptions) -> Key:
    """Mark the names that are matched fuzzily, in items too."""
    if not options.fuzzy_names:
        return key
    item = None if key.item is None else tuple(_as_agreed(one, options) for one in key.item)
    return key._replace(item=item, fuzzy=key.vr == "PN")


def _require_single(key: Key | None, attribute: Attribute) -> None:
    if key is None or len(key.values) != 1 or (attribute.kind == Kind.TEXT and is_wild(key.values[0])):
        raise InvalidIdentifier(
            f"one value of {attribute.keyword} is required at this level", keyword=attribute.keyword
        )


def _compose(made: Plan, conditions: list[_Condition]) -> None:
    selected = [one.column for one, _ in made.returned if one.column is not None]
    for level in LEVELS:
        encoded = _encoded(level, [one for one, _ in made.returned + made.after if one.level == level])
        if encoded:
            made.encoded.append(level)
            selected.append(encoded)
    conditions.sort(key=lambda one: -one.strength)
    where = [_steered(one, conditions[0]).sql for one in conditions]
    made.sql = "SELECT " + ", ".join(selected) + _FROM[made.level] + (" WHERE " + " AND ".join(where) if where else "")
    made.parameters = tuple(value for one in conditions for value in one.parameters)


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
    if key.fuzzy:
        parts += [_fuzzy_name(column, value) for value in key.values if words(value)]
    sql = " OR ".join(one.sql for one in parts)
    strength = min(one.strength for one in parts)
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
    sql, parameters = [], []
    if prefix:
        sql.append(f"{column} >= ?")
        parameters.append(prefix)
        end = prefix_end(prefix)
        if end is not None:
            sql.append(f"{column} < ?")
            parameters.append(end)
    if rest.strip("*") or not prefix:
        sql.append(f"+{column} GLOB ?")
        parameters.append(value.replace("[", "[[]"))
    return _Condition(f"({' AND '.join(sql)})", tuple(parameters), "", 30 + min(len(prefix), 9) if prefix else 0)


FUZZY: Final = "pacskit_fuzzy"  # the SQL function; connections that read have it
_GROUPS: Final = ("alphabetic", "ideographic", "phonetic")


def _name(column: str, value: str) -> _Condition:
    """Match a person name by its groups; a key of one group may be any of them (PS3.5 6.2.1)."""
    groups = value.split("=")[:3]
    if len(groups) == 1:
        options = [_like(f"{column}_{group}", one) for one in name_patterns(value) if one for group in _GROUPS]
        if not options:
            return _NOTHING
        sql = " OR ".join(_filled(one).sql for one in options)
        parameters = tuple(each for one in options for each in one.parameters)
        return _Condition(f"({sql})", parameters, "", min(one.strength for one in options))
    required: list[_Condition] = []
    for group, asked in zip(_GROUPS, groups, strict=False):
        if asked:
            patterns = [_like(f"{column}_{group}", one) for one in name_patterns(asked)]
            sql = " OR ".join(one.sql for one in patterns)
            parameters = tuple(each for one in patterns for each in one.parameters)
            required.append(_Condition(f"({sql})", parameters, "", min(one.strength for one in patterns)))
    sql = " AND ".join([f"{column} <> ''", *(one.sql for one in required)])
    parameters = tuple(each for one in required for each in one.parameters)
    return _Condition(f"({sql})", parameters, "", max(one.strength for one in required))


def _fuzzy_name(column: str, value: str) -> _Condition:
    """Match a name fuzzily: of those that begin with a word that is asked for, which indexes find."""
    alias, _, name = column.partition(".")
    table = _TABLES[alias]
    selects: list[str] = []
    parameters: list[Any] = []
    for low, high in beginnings(value):
        for group in _GROUPS:
            one = f"{name}_{group}"
            bound = "" if high is None else f" AND {one} < ?"
            selects.append(f"SELECT pk FROM {table} WHERE {one} >= ?{bound}")
            parameters += [low] if high is None else [low, high]
    groups = ", ".join(f"{column}_{group}" for group in _GROUPS)
    sql = f"({alias}.pk IN ({' UNION '.join(selects)}) AND {FUZZY}(?, {groups}))"
    return _Condition(sql, (*parameters, value), "", 30)


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
