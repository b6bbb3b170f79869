"""Attribute matching of PS3.4 C.2.2.2 the slow and obvious way, over data sets in a list."""

from __future__ import annotations

import unicodedata
from typing import Any

from pacskit.core.dataset import Dataset

WILD = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
UNSPLIT = {"LT", "ST", "UT", "UR"}


def values(element: Any) -> list[str]:
    if element is None or element.value is None:
        return []
    raw = element.value if isinstance(element.value, list) else [element.value]
    found = ["" if one is None else str(one).strip(" \0") for one in raw]
    return found if any(found) else []  # of no length is without a value


def wild(pattern: str, text: str) -> bool:
    """``*`` is any characters, ``?`` is one: a table of which beginnings match which."""
    row = [True] + [False] * len(text)
    for one in pattern:
        if one == "*":
            new = [any(row[: at + 1]) for at in range(len(text) + 1)]
        else:
            new = [False] + [row[at] and one in ("?", text[at]) for at in range(len(text))]
        row = new
    return row[-1]


def plain(text: str) -> str:
    """No case, no accents, no empty components at the end."""
    bare = "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if not 0x300 <= ord(one) < 0x370)
    parts = [part.strip() for part in unicodedata.normalize("NFC", bare).casefold().split("^")]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return "^".join(parts)


def one_group(key: str, group: str) -> bool:
    key = plain(key)
    if wild(key, group):
        return True
    while key.endswith("^*"):  # nothing after the last component is as good as an empty one
        key = key[:-2].rstrip("^")
        if wild(key, group):
            return True
    return False


def name(key: str, stored: str) -> bool:
    have = ([plain(one) for one in stored.split("=")] + ["", "", ""])[:3]
    asked = key.split("=")[:3]
    if len(asked) == 1:
        return any(group and one_group(key, group) for group in have)
    return all(not one or one_group(one, group) for one, group in zip(asked, have, strict=False))


def seconds(text: str, fill: str) -> float | None:
    text = text.replace(":", "")
    whole, _, fraction = text.partition(".")
    if not (whole + fraction).isascii() or not whole.isdigit() or len(whole) not in (2, 4, 6) or len(fraction) > 6:
        return None
    if ("." in text) and (len(whole) != 6 or not fraction.isdigit()):
        return None
    whole += ("0000" if fill == "0" else "5959")[len(whole) - 2 :]
    hour, minute, second = int(whole[:2]), int(whole[2:4]), int(whole[4:])
    if hour > 23 or minute > 59 or second > 60:
        return None
    return (hour * 100 + minute) * 100 + second + int(fraction.ljust(6, fill)) / 1e6


def day(text: str) -> int | None:
    if len(text) == 10 and text[4] == text[7] == ".":
        text = text.replace(".", "")
    return int(text) if len(text) == 8 and text.isascii() and text.isdigit() else None


def moment(vr: str, key: str, stored: str) -> bool:
    low, high = key.split("-", 1) if "-" in key else (key, key)
    low, high = low.strip(), high.strip()
    have: float | None
    first: float | None
    last: float | None
    if vr == "DA":
        have, first, last = day(stored), day(low), day(high)
    else:
        have, first, last = seconds(stored, "0"), seconds(low, "0"), seconds(high, "9")
    if have is None or (low and first is None) or (high and last is None):
        return False
    return (first is None or first <= have) and (last is None or have <= last)


def matches(key: Any, stored: Any) -> bool:
    """Whether an element (or none) of an entity fulfils an element of an identifier."""
    if key.VR == "SQ":
        wanted = [one for one in key.value[0] if not universal(one)] if key.value else []
        if not wanted:
            return True
        return any(all(matches(one, get(item, one.tag)) for one in wanted) for item in (stored.value if stored else ()))
    if universal(key):
        return True
    return any(single(key.VR, one, other) for one in values(key) if one for other in values(stored))


def get(dataset: Dataset, tag: int) -> Any:
    return dataset[tag] if tag in dataset else None  # noqa: SIM401 - get() gives the value


def universal(key: Any) -> bool:
    if key.VR == "SQ":
        return not key.value or all(universal(one) for one in key.value[0])
    asked = values(key)
    if key.VR in WILD and any(one and not one.strip("*") for one in asked):
        return True  # nothing but stars
    if key.VR == "PN":
        return not any(one.strip("^= ") for one in asked)
    if key.VR in {"DA", "TM"} and "-" in asked:
        return True
    return not any(asked)


def single(vr: str, key: str, stored: str) -> bool:
    if vr == "PN":
        return bool(key.strip("^= ")) and name(key, stored)
    if vr in {"DA", "TM"}:
        return moment(vr, key, stored)
    if vr in WILD:
        return wild(key, stored)
    if vr in {"IS", "DS"}:
        try:
            return float(key) == float(stored)
        except ValueError:
            return False
    return key == stored
