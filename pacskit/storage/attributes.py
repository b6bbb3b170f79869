"""What the index keeps of a data set: columns, and the other attributes of a level encoded as JSON.

Encoded attributes are an object from tag to ``[VR, value, …]``; text stands as it was, an item of a sequence is such
an object. The data set is only asked for what is needed, by keyword, so a lazily decoded one decodes nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any, Protocol

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.storage.errors import InvalidInstance
from pacskit.storage.index.keys import Attribute, Kind, attributes_of
from pacskit.storage.records import Parents, Value
from pacskit.storage.text import clean, date_key, integer, name_groups, time_key

__all__ = [
    "DatasetLike",
    "Encoded",
    "check_uid",
    "decode_attributes",
    "encode_attributes",
    "encode_element",
    "instance_row",
    "level_row",
    "parents_of",
    "text_of",
    "texts",
    "value_of",
    "vr_of",
]

MAX_TEXT = 10_240  # characters of one value; the longest text worth asking for (LT, PS3.5 6.2)
MAX_ITEMS = 256
MAX_DEPTH = 8
_TO_TEXT = json.JSONEncoder(separators=(",", ":")).encode

_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})

Encoded = dict[str, list[Any]]


class DatasetLike(Protocol):
    """What is used of a data set: pacskit's and pydicom's have it."""

    def __contains__(self, keyword: Any, /) -> bool: ...
    def __getitem__(self, keyword: Any, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...


def vr_of(element: Any) -> str:
    """Return the element's VR as text."""
    vr = getattr(element, "vr", None) or element.VR
    return vr if isinstance(vr, str) else str(getattr(vr, "value", vr))


def texts(value: Any) -> list[str]:
    """Return the values of an element that is no sequence, as text."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, (int, float)):
        return [str(value)]
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, memoryview, Mapping)):
        if hasattr(value, "original_string") or hasattr(value, "components"):  # a PersonName may be iterable
            return [str(value)]
        return ["" if one is None else str(one) for one in value]
    return [str(value)]


def value_of(element: Any) -> Any:
    """Return an element's value; one that its VR does not allow stands as its bytes: the object is kept."""
    try:
        return element.value
    except DecodeError:
        raw = getattr(element, "raw", None)
        return None if raw is None or vr_of(element) == "SQ" else bytes(raw).decode("latin-1")


def text_of(ds: DatasetLike, keyword: str) -> str:
    """Return an attribute's value as the index holds it."""
    if keyword not in ds:
        return ""
    return clean("\\".join(texts(value_of(ds[keyword]))))


def check_uid(keyword: str, uid: str) -> None:
    """Refuse what is no UID to file an instance under."""
    if not uid:
        raise InvalidInstance(f"{keyword} is missing or empty", keyword=keyword)
    if len(uid) > 256 or "\\" in uid:
        raise InvalidInstance(f"{keyword} is not one UID", keyword=keyword)


def _encode_element(element: Any, depth: int) -> list[Any] | None:
    vr = vr_of(element)
    if vr in _BINARY or depth > MAX_DEPTH:
        return None
    value = value_of(element)
    if isinstance(value, str):
        found = clean(value)[:MAX_TEXT]
        return [vr, found] if found else [vr]
    if vr == "SQ":
        return [vr, *(_encode_item(item, depth + 1) for item in list(value or ())[:MAX_ITEMS])]
    if vr == "AT":
        values = value if isinstance(value, (list, tuple)) and not isinstance(value, int) else [value]
        return [vr, *(f"{int(one):08X}" for one in values if one is not None and one != "")]
    several = [clean(one)[:MAX_TEXT] for one in texts(value)[:MAX_ITEMS]]
    return [vr, *several] if any(several) else [vr]


def encode_element(element: Any) -> list[Any] | None:
    """Return an element as the index keeps it; None for one that it keeps none of."""
    return _encode_element(element, 0)


def _encode_item(item: DatasetLike, depth: int) -> Encoded:
    encoded: Encoded = {}
    for element in item:
        found = _encode_element(element, depth)
        if found is not None:
            encoded[f"{int(element.tag):08X}"] = found
    return encoded


def encode_attributes(encoded: Encoded) -> str:
    """Return the text that the index stores."""
    return _TO_TEXT(encoded) if encoded else "{}"


def decode_attributes(text: str) -> Encoded:
    """Return what :func:`encode_attributes` was given."""
    found: Encoded = json.loads(text)
    return found


def level_row(ds: DatasetLike, level: str) -> dict[str, Value]:
    """Return the columns of a level by their bare name, and ``attributes``."""
    columns, rest = _LEVELS[level]
    row: dict[str, Value] = {}
    plain: Iterable[str | None] = repeat(None)
    written, slow = "", list(rest)
    if isinstance(ds, Dataset):
        plain = ds.plain_texts(one.tag for one in columns)
        written, slow = ds.texts_as_json(rest, MAX_TEXT)
    for attribute, text in zip(columns, plain, strict=False):
        if text is None:
            element = ds[attribute.keyword] if attribute.keyword in ds else None  # noqa: SIM401 - get() gives the value
            text = "" if element is None else clean("\\".join(texts(value_of(element))))
        if not _fill(row, attribute, text) and attribute.keyword in ds:
            slow.append(attribute.tag)
    encoded: Encoded = {}
    for tag in slow:
        found = _encode_element(ds[tag], 0) if tag in ds else None
        if found is not None and len(found) > 1:
            encoded[f"{tag:08X}"] = found
    row["attributes"] = _joined(written, encoded)
    return row


def _joined(written: str, encoded: Encoded) -> str:
    """Return the text of ``encoded`` with the members of an object that have been ``written`` already."""
    if not encoded:
        return f"{{{written}}}"
    others = encode_attributes(encoded)
    return f"{{{written},{others[1:]}" if written else others


def _fill(row: dict[str, Value], attribute: Attribute, text: str) -> bool:
    """Fill an attribute's columns; say False where the value is none and must be kept as it is."""
    name = (attribute.column or "").partition(".")[2]
    kind = attribute.kind
    if kind == Kind.NUMBER:
        row[name] = integer(text)
        return row[name] is not None
    if kind == Kind.DATE:
        row[name] = date_key(text) or ""
        return row[name] != ""
    if kind == Kind.TIME:
        key = time_key(text)
        row[name], row[f"{name}_key"] = (text, key) if key else ("", "")
        return key is not None
    row[name] = text
    if kind == Kind.NAME:
        row[f"{name}_alphabetic"], row[f"{name}_ideographic"], row[f"{name}_phonetic"] = name_groups(text)
    return True


def instance_row(ds: DatasetLike) -> tuple[int | None, str]:
    """Return the instance number and the encoded attributes of an instance; its UIDs are taken from elsewhere."""
    written, rest = ds.texts_as_json(_TAGS, MAX_TEXT) if isinstance(ds, Dataset) else ("", _TAGS)
    encoded: Encoded = {}
    for tag in rest:
        found = _encode_element(ds[tag], 0) if tag in ds else None
        if found is not None and len(found) > 1:
            encoded[f"{tag:08X}"] = found
    number: int | None = None
    (plain,) = ds.plain_texts(_NUMBER) if isinstance(ds, Dataset) else (None,)
    if plain:
        number = integer(plain)
    if number is None and _INSTANCE_NUMBER in ds:
        element = ds[_INSTANCE_NUMBER]
        number = integer("\\".join(texts(value_of(element))))
        if number is None and (found := _encode_element(element, 0)) is not None and len(found) > 1:
            encoded[f"{_INSTANCE_NUMBER:08X}"] = found
    return number, _joined(written, encoded)


_INSTANCE_NUMBER = 0x00200013
_NUMBER = (_INSTANCE_NUMBER,)
_LEVELS = {
    level: (
        tuple(one for one in attributes_of(level) if one.column is not None),
        tuple(one.tag for one in attributes_of(level) if one.column is None),
    )
    for level in ("PATIENT", "STUDY", "SERIES")
}
_TAGS = tuple(one.tag for one in attributes_of("IMAGE") if one.kind != Kind.UID and one.tag != _INSTANCE_NUMBER)


def parents_of(ds: DatasetLike) -> Parents:
    """Return the columns of the patient, the study and the series that an instance belongs to."""
    return Parents(level_row(ds, "PATIENT"), level_row(ds, "STUDY"), level_row(ds, "SERIES"))
