"""Values brought into the form in which they are compared (PS3.4 C.2.2.2, PS3.5 6.2)."""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

__all__ = [
    "clean",
    "date_key",
    "datetime_bounds",
    "fold",
    "integer",
    "name_groups",
    "name_patterns",
    "number",
    "prefix_end",
    "split_range",
    "time_bounds",
    "time_key",
]

_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)|(\d{4})\.(\d\d)\.(\d\d)", re.ASCII)
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?", re.ASCII)
_DATETIME = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?", re.ASCII
)
_HYPHEN = re.compile("-")


def clean(text: str) -> str:
    """Strip the padding, and what no database takes: NUL and lone surrogates."""
    text = text.strip(" \0")
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def fold(text: str) -> str:
    """Fold case and accents; marks of other scripts than the European ones stay.

    >>> fold("Müller")
    'muller'
    """
    text = text.casefold()
    if text.isascii():
        return text
    marked = unicodedata.normalize("NFKD", text)
    bare = "".join(one for one in marked if not "\u0300" <= one <= "\u036f")
    return unicodedata.normalize("NFC", bare).casefold()


def _fold_group(group: str) -> str:
    return "^".join(part.strip() for part in fold(group).split("^")).rstrip("^")


def name_groups(name: str) -> tuple[str, str, str]:
    """Fold a person name into its alphabetic, ideographic and phonetic group (PS3.5 6.2.1).

    >>> name_groups("Yamada^Tarou=山田^太郎")
    ('yamada^tarou', '山田^太郎', '')
    """
    groups = [_fold_group(one) for one in name.split("=")[:3]]
    groups += [""] * (3 - len(groups))
    return groups[0], groups[1], groups[2]


def name_patterns(group: str) -> tuple[str, ...]:
    """Fold one group of a key; a trailing ``^*`` also stands for no further component.

    >>> name_patterns("Doe^*")
    ('doe^*', 'doe')
    """
    patterns = [_fold_group(group)]
    while patterns[-1].endswith("^*"):
        patterns.append(patterns[-1][:-2].rstrip("^"))
    return tuple(patterns)


def prefix_end(prefix: str) -> str | None:
    """Return the first text, in code point order, after all that begin with ``prefix``; None if there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[at])
        if code < 0x10FFFF:
            follower = 0xE000 if code == 0xD7FF else code + 1
            return prefix[:at] + chr(follower)
    return None


def date_key(text: str) -> str | None:
    """Return ``YYYYMMDD``, from the old form with points too; None where it is no date."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    return "".join(part for part in found.groups() if part is not None)


def time_bounds(text: str) -> tuple[str, str] | None:
    """Return the first and last moment that a time names, as ``HHMMSS.ffffff``.

    >>> time_bounds("1030")
    ('103000.000000', '103059.999999')
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hour, minute, second, fraction = found.groups()
    if hour > "23" or (minute or "00") > "59" or (second or "00") > "60":
        return None
    low = f"{hour}{minute or '00'}{second or '00'}.{(fraction or '').ljust(6, '0')}"
    high = f"{hour}{minute or '59'}{second or '59'}.{(fraction or '').ljust(6, '9')}"
    return low, high


def time_key(text: str) -> str | None:
    """Return the moment a stored time begins, as ``HHMMSS.ffffff``; None where it is no time."""
    bounds = time_bounds(text)
    return bounds[0] if bounds else None


def datetime_bounds(text: str) -> tuple[str, str] | None:
    """Return the first and last moment that a date-time names, as ``YYYYMMDDHHMMSS.ffffff`` in UTC.

    A value without an offset is taken as UTC.
    """
    found = _DATETIME.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        shift = _offset(offset)
        first = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), min(int(second or 0), 59),
            int((fraction or "").ljust(6, "0")),
        )  # fmt: skip
        last = _last_moment(first, month, day, hour, minute, second, fraction)
        return _stamp(first - shift), _stamp(last - shift)
    except (ValueError, OverflowError):
        return None


def _offset(text: str | None) -> timedelta:
    if text is None:
        return timedelta()
    minutes = int(text[1:3]) * 60 + int(text[3:])
    if int(text[3:]) > 59 or not -720 <= (minutes if text[0] == "+" else -minutes) <= 840:
        raise ValueError(text)
    return timedelta(minutes=minutes if text[0] == "+" else -minutes)


def _last_moment(first: datetime, *parts: str | None) -> datetime:
    month, day, hour, minute, second, fraction = parts
    if fraction is not None:
        return first + timedelta(microseconds=10 ** (6 - len(fraction)) - 1)
    last = first.replace(microsecond=999_999)
    if second is None:
        last = last.replace(second=59)
    if minute is None:
        last = last.replace(minute=59)
    if hour is None:
        last = last.replace(hour=23)
    if month is None:
        return last.replace(month=12, day=31)
    return last.replace(day=monthrange(last.year, last.month)[1]) if day is None else last


def _stamp(moment: datetime) -> str:
    return f"{moment.year:04d}{moment:%m%d%H%M%S.%f}"


def split_range(vr: str, text: str) -> tuple[str, str] | None:
    """Split ``a-b``, ``a-`` or ``-b`` of a DA, TM or DT key; None where it is a single value (PS3.4 C.2.2.2.5).

    A DT that reads as one value with an offset from UTC is one value.
    """
    if "-" not in text or (vr == "DT" and datetime_bounds(text) is not None):
        return None
    if vr != "DT":
        first, _, last = text.partition("-")
        return first.strip(), last.strip()
    for found in _HYPHEN.finditer(text):
        first, last = text[: found.start()].strip(), text[found.end() :].strip()
        if all(one == "" or datetime_bounds(one) is not None for one in (first, last)):
            return first, last
    return None


def integer(text: str) -> int | None:
    """Return an integer string's value where the index can hold it."""
    text = text.strip()
    digits = text[1:] if text[:1] in {"+", "-"} else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        return None
    return int(text)


def number(text: str) -> Decimal | None:
    """Return a decimal string's value."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
