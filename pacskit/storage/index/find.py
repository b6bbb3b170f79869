"""Answers to a query: rows read one after the other, each an entity that matches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from pacskit.storage.attributes import Encoded, decode_attributes
from pacskit.storage.index.keys import Attribute, Kind
from pacskit.storage.index.query import FindOptions, Plan
from pacskit.storage.matching import Key, matches, matching_items
from pacskit.storage.text import number

__all__ = ["Element", "Match", "decode_element", "find_matches"]


class Element(NamedTuple):
    """An attribute of an answer; a sequence's value is a list of items, each a list of elements."""

    tag: int
    vr: str
    value: Any


class Match:
    """One entity that matches: the attributes that were asked for, in ascending order of tag.

    Attributes that the entity has no value for are there without one; those the index does not support are absent
    (PS3.4 C.4.1.1.3.2).
    """

    __slots__ = ("_encoded", "_options", "_plan", "_row")

    def __init__(self, plan: Plan, row: tuple[Any, ...], encoded: dict[str, Encoded], options: FindOptions) -> None:
        self._plan = plan
        self._row = row
        self._encoded = encoded
        self._options = options

    @property
    def has_ignored_keys(self) -> bool:
        """Whether the query had keys that were not matched or not supported (PS3.4 C.4.1.1.4: status FF01)."""
        return bool(self._plan.ignored)

    def elements(self) -> list[Element]:
        """Return the elements, with the level, the availability and the archive's AE title."""
        found = [Element(0x00080052, "CS", str(self._plan.level))]
        if self._options.retrieve_ae_title:
            found.append(Element(0x00080054, "AE", self._options.retrieve_ae_title))
        if self._options.instance_availability:
            found.append(Element(0x00080056, "CS", self._options.instance_availability))
        found += [Element(tag, "LO", creator) for tag, creator in self._plan.creators.items()]
        at = 0
        for attribute, key in self._plan.returned:
            value = None
            if attribute.column is not None:
                value = self._row[at]
                at += 1
                if attribute.kind in {Kind.MODALITIES, Kind.SOP_CLASSES}:
                    value = value.split("\\") if value else ""
                elif attribute.kind == Kind.STAMP:
                    value += "+0000"
            if value is None or value == "":
                found.append(self._other(attribute, key))
            else:
                found.append(Element(attribute.tag, attribute.vr, value))
        found.sort(key=lambda one: one.tag)
        if any(_needs_charset(one) for one in found):
            found.insert(0, Element(0x00080005, "CS", "ISO_IR 192"))
        return found

    def _other(self, attribute: Attribute, key: Key) -> Element:
        encoded = self._encoded.get(attribute.level, {}).get(attribute.key)
        if encoded is None or len(encoded) < 2:
            return Element(attribute.tag, attribute.vr, [] if attribute.vr == "SQ" else "")
        return _decoded(attribute.tag, encoded, key.item)

    def dataset(self, new: Callable[[], Any]) -> Any:
        """Return the answer as a data set made by ``new``."""
        return _dataset(self.elements(), new)

    def to_json(self) -> str:
        """Return the answer in the DICOM JSON Model (PS3.18 F), made from the row itself."""
        return _ENCODE(_members(self.elements()))


_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_ONE_VALUE: Final = frozenset({"LT", "ST", "UT", "UR"})
_NUMBERS: Final = frozenset({"DS", "IS", "SV", "UV"})
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


def _members(elements: list[Element]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for tag, vr, value in elements:
        member: dict[str, Any] = {"vr": vr}
        if isinstance(value, list):
            several = value
        elif isinstance(value, str) and "\\" in value and vr not in _ONE_VALUE:
            several = value.split("\\")
        else:
            several = [] if value == "" else [value]
        if several:
            member["Value"] = [_json_value(vr, one) for one in several]
        made[f"{tag:08X}"] = member
    return made


def _json_value(vr: str, value: Any) -> Any:
    """Return a value as JSON has it; null for an empty one among others, a text that is no number as it is."""
    if vr == "SQ":
        return _members(value)
    if value == "":
        return None
    if vr == "PN":
        return {name: group for name, group in zip(_GROUPS, value.split("="), strict=False) if group}
    if vr == "AT":
        return f"{value:08X}"
    if vr in _NUMBERS and isinstance(value, str):
        found = number(value)
        if found is None:
            return value
        return int(found) if found == found.to_integral_value() and abs(found) < 1 << 53 else float(found)
    return value


def _dataset(elements: list[Element], new: Callable[[], Any]) -> Any:
    made = new()
    for tag, vr, value in elements:
        if vr == "SQ":
            made.add_new(tag, vr, [_dataset(item, new) for item in value])
        else:
            made.add_new(tag, vr, value)
    return made


def _decoded(tag: int, encoded: list[Any], keys: tuple[Key, ...] | None) -> Element:
    """Decode an element; of a sequence that was asked for by item, what matches and was asked for (PS3.4 C.2.2.2.6)."""
    vr, values = encoded[0], encoded[1:]
    if vr != "SQ":
        if vr in {"AT", "US", "SS", "UL", "SL", "UV", "SV"}:
            values = [int(one, 16 if vr == "AT" else 10) for one in values if one]
        elif vr in {"FL", "FD"}:
            values = [float(one) for one in values if one]
        return Element(tag, vr, values[0] if len(values) == 1 else values)
    if not keys:
        return Element(tag, vr, [_item(item, None) for item in values])
    return Element(tag, vr, [_item(item, keys) for item in matching_items(keys, values)])


def decode_element(tag: int, encoded: list[Any]) -> Element:
    """Return an element as an answer has it of what the index keeps."""
    return _decoded(tag, encoded, None)


def _item(item: Encoded, keys: tuple[Key, ...] | None) -> list[Element]:
    if keys is None:
        return [_decoded(int(tag, 16), value, None) for tag, value in item.items()]
    found = []
    for key in keys:
        encoded = item.get(f"{key.tag:08X}")
        if encoded is None:
            found.append(Element(key.tag, key.vr, [] if key.vr == "SQ" else ""))
        else:
            found.append(_decoded(key.tag, encoded, key.item))
    return found


def _needs_charset(element: Element) -> bool:
    if isinstance(element.value, str):
        return not element.value.isascii()
    if element.vr == "SQ":
        return any(_needs_charset(one) for item in element.value for one in item)
    return isinstance(element.value, list) and any(isinstance(one, str) and not one.isascii() for one in element.value)


def find_matches(pages: Iterable[Sequence[Any]], plan: Plan, options: FindOptions) -> Iterator[Match]:
    """Return what matches among the rows that a plan's statement gives, as they are asked for."""
    columns = sum(attribute.column is not None for attribute, _ in plan.returned)
    last = columns + len(plan.encoded)
    for rows in pages:
        for row in rows:
            encoded = {
                level: decode_attributes(text)
                for level, text in zip(plan.encoded, row[columns:last], strict=True)
                if text is not None
            }
            if all(matches(key, encoded[attribute.level].get(attribute.key)) for attribute, key in plan.after):
                yield Match(plan, row, encoded, options)
