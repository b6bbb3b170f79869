"""What the tests of the text forms compare with: differences of data sets, and of DICOM JSON Model objects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from pacskit.core.dataset import Dataset

__all__ = ["data_set_differences", "equal", "json_differences", "little"]

SWAPPED = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def little(value: bytes, vr: str) -> bytes:
    """Bytes in big endian order, turned round unit by unit."""
    width = SWAPPED.get(vr, 1)
    whole = len(value) - len(value) % width
    return b"".join(value[i : i + width][::-1] for i in range(0, whole, width)) + value[whole:]


def equal(one: Any, other: Any) -> bool:
    """Equality with NaN equal to NaN."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


def data_set_differences(one: Dataset, other: Dataset, *, big: bool = False) -> Iterator[str]:
    """Elements of the first that the second has not, or not the same; and the reverse.

    Specific Character Set and group lengths are left to the tests that are about them. With ``big`` the first has
    the bytes of words in big endian order.
    """
    left = {element.tag: element for element in one if element.tag.element}
    right = {element.tag: element for element in other if element.tag.element}
    for tag in sorted((left.keys() | right.keys()) - {0x00080005}):
        if tag not in left or tag not in right:
            yield f"{tag} is in one only"
            continue
        a, b = left[tag], right[tag]
        if a.VR != b.VR:
            yield f"{tag} VR {a.VR}, {b.VR}"
        elif a.VR == "SQ":
            if len(a.value) != len(b.value):
                yield f"{tag} has {len(a.value)} items, {len(b.value)}"
            for mine, theirs in zip(a.value, b.value, strict=False):
                yield from data_set_differences(mine, theirs, big=big)
        else:
            value = little(a.value, a.VR) if big and isinstance(a.value, bytes) else a.value
            if not equal(value, b.value):
                yield f"{tag} {a.VR} {value!r:.60}, {b.value!r:.60}"


def json_differences(
    one: dict[str, Any], other: dict[str, Any], path: str = ""
) -> Iterator[tuple[str, dict[str, Any] | None, dict[str, Any] | None]]:
    """Attributes that differ between two DICOM JSON Model objects, with both sides; sequences are gone into."""
    for tag in sorted(one.keys() | other.keys()):
        a, b = one.get(tag), other.get(tag)
        if a == b:
            continue
        if a and b and a["vr"] == b["vr"] == "SQ" and len(a.get("Value", [])) == len(b.get("Value", [])) > 0:
            for index, (mine, theirs) in enumerate(zip(a["Value"], b["Value"], strict=True)):
                yield from json_differences(mine, theirs, f"{path}{tag}[{index}].")
        else:
            yield path + tag, a, b
