"""The rules of attribute matching (PS3.4 C.2.2.2), applied to values in Python.

The index answers keys that have a column in SQL; these rules are for the others, and for items of sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from pacskit.storage.attributes import Encoded, texts, vr_of
from pacskit.storage.fuzzy import matches_fuzzily
from pacskit.storage.text import (
    clean,
    date_key,
    datetime_bounds,
    name_groups,
    name_patterns,
    number,
    split_range,
    time_bounds,
)

__all__ = ["MAX_PATTERN", "WILDCARD_VRS", "Key", "is_wild", "key_of", "matches", "matching_items", "moment_bounds"]

WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
MAX_DEPTH = 8
MAX_PATTERN = 10_240  # characters; the longest text a standard VR but UC, UR and UT takes (PS3.5 6.2)


class Key(NamedTuple):
    """A key attribute: what it asks for (nothing: universal matching), or the keys of its one item."""

    tag: int
    vr: str
    values: tuple[str, ...]
    item: tuple[Key, ...] | None
    fuzzy: bool = False

    @property
    def is_universal(self) -> bool:
        """Whether every entity matches (PS3.4 C.2.2.2.3)."""
        return not self.values and all(one.is_universal for one in self.item or ())


def key_of(element: Any, depth: int = 0) -> Key:
    """Read an element of an identifier. Values that match everything are left out."""
    tag, vr = int(element.tag), vr_of(element)
    if vr == "SQ":
        items = list(element.value or ()) if depth < MAX_DEPTH else []
        keys = tuple(key_of(one, depth + 1) for one in items[0]) if items else None
        return Key(tag, vr, (), keys)
    if vr == "AT":
        found = element.value
        many = found if isinstance(found, Sequence) and not isinstance(found, str) else [found]
        return Key(tag, vr, tuple(f"{int(one):08X}" for one in many if one is not None and one != ""), None)
    if vr in {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}:
        return Key(tag, vr, (), None)
    parts = [
        part
        for text in texts(element.value)
        for part in ([text] if vr in {"LT", "ST", "UT", "UR"} else text.split("\\"))
    ]
    values = [clean(one) for one in parts]
    if any(_is_universal(vr, one) for one in values):
        # an empty value beside others asks for nothing; alone it asks for everything, as "*" does anywhere
        values = [] if any(one and _is_universal(vr, one) for one in values) else [one for one in values if one]
    return Key(tag, vr, tuple(values), None)


def _is_universal(vr: str, value: str) -> bool:
    if vr in WILDCARD_VRS and not value.strip("*"):
        return True
    return not value.strip("^= ") if vr == "PN" else (value == "-" and vr in {"DA", "TM", "DT"}) or not value


def is_wild(value: str) -> bool:
    """Whether a value has wild cards (PS3.4 C.2.2.2.4)."""
    return "*" in value or "?" in value


def _like(wanted: str, stored: str) -> bool:
    """Match with wild cards in time that grows with the product of the lengths, never worse."""
    if not is_wild(wanted):
        return wanted == stored
    if len(wanted) > MAX_PATTERN:
        return False
    at = here = mark = 0
    star = -1
    while here < len(stored):
        if at < len(wanted) and wanted[at] == "*":
            star, mark, at = at, here, at + 1
        elif at < len(wanted) and wanted[at] in ("?", stored[here]):
            at, here = at + 1, here + 1
        elif star >= 0:
            mark += 1
            at, here = star + 1, mark
        else:
            return False
    return not wanted[at:].strip("*")


def _name(wanted: str, stored: str) -> bool:
    have = name_groups(stored)
    groups = wanted.split("=")[:3]
    if len(groups) == 1:
        return any(_like(pattern, group) for pattern in name_patterns(wanted) for group in have if group)
    return all(
        any(_like(pattern, group) for pattern in name_patterns(asked))
        for asked, group in zip(groups, have, strict=False)
        if asked
    )


def _fuzzy(wanted: str, stored: str) -> bool:
    return _name(wanted, stored) or matches_fuzzily(wanted, *name_groups(stored))


def moment_bounds(vr: str, text: str) -> tuple[str, str] | None:
    """Return the first and last moment of a DA, TM or DT value; None where it is none."""
    if vr == "DA":
        key = date_key(text)
        return (key, key) if key else None
    return time_bounds(text) if vr == "TM" else datetime_bounds(text)


def _moment(vr: str, wanted: str, stored: str) -> bool:
    have = moment_bounds(vr, stored)
    ends = split_range(vr, wanted) or (wanted, wanted)
    low, high = (moment_bounds(vr, one) if one else None for one in ends)
    if have is None or (ends[0] and low is None) or (ends[1] and high is None):
        return wanted == stored
    return (low is None or low[0] <= have[0]) and (high is None or have[0] <= high[1])


def _number(wanted: str, stored: str) -> bool:
    asked, have = number(wanted), number(stored)
    return wanted == stored if asked is None or have is None else asked == have


def _rule(vr: str) -> Callable[[str, str], bool]:
    if vr == "PN":
        return _name
    if vr in WILDCARD_VRS:
        return _like
    if vr in {"DA", "TM", "DT"}:
        return lambda wanted, stored: _moment(vr, wanted, stored)
    if vr in {"IS", "DS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"}:
        return _number
    return lambda wanted, stored: wanted == stored


def matches(key: Key, stored: list[Any] | None) -> bool:
    """Whether an encoded attribute fulfils a key: any of its values, any of the key's (PS3.4 C.2.2.2)."""
    if key.is_universal:
        return True
    if stored is None or len(stored) < 2:
        return False
    if key.item is not None:
        return stored[0] == "SQ" and any(True for _ in matching_items(key.item, stored[1:]))
    if stored[0] == "SQ":
        return False
    rule = _fuzzy if key.fuzzy else _rule(key.vr)
    return any(rule(wanted, one) for wanted in key.values for one in stored[1:])


def matching_items(keys: Sequence[Key], items: Iterable[Encoded]) -> Iterable[Encoded]:
    """Return the items that fulfil all keys (PS3.4 C.2.2.2.6)."""
    return (item for item in items if all(matches(one, item.get(f"{one.tag:08X}")) for one in keys))
