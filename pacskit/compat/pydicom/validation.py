"""pydicom's checks of values, obeying the validation modes of `config`."""

from __future__ import annotations

import datetime
import re
import warnings
from collections.abc import Callable
from typing import Any, Final

from pacskit.compat.pydicom import config

__all__ = ["MAX_VALUE_LEN", "validate_pn_component_length", "validate_value"]

MAX_VALUE_LEN: Final = {
    "AE": 16, "CS": 16, "DS": 16, "IS": 12, "LO": 64, "LT": 10240, "SH": 16, "ST": 1024, "UI": 64,
}  # fmt: skip
_TABLE: Final = (
    "Please see <https://dicom.nema.org/medical/dicom/current/output/html/part05.html#table_6.2-1> for allowed values "
    "for each VR."
)


def _range(pattern: str) -> str:
    return rf"{pattern}|-{pattern} ?|{pattern}- ?|{pattern}-{pattern} ?"


_CLOCK: Final = r"([01]\d|2[0-3])([0-5]\d((60|[0-5]\d)(\.\d{1,6} ?)?)?)?"
_DAY: Final = r"(0[1-9]|1[0-2])([0-2]\d|3[01])"
_PATTERNS: Final = {
    "AE": r"[\x20-\x7e]*",
    "AS": r"\d\d\d[DWMY]",
    "CS": r"[A-Z0-9 _]*",
    "DS": r" *[+\-]?(\d+|\d+\.\d*|\.\d+)([eE][+\-]?\d+)? *",
    "IS": r" *[+\-]?\d+ *",
    "DA": _range(rf"\d{{4}}{_DAY}"),
    "DT": _range(rf"\d{{4}}((0[1-9]|1[0-2])(([0-2]\d|3[01])({_CLOCK})?)?)?([+-][01]\d\d\d)?"),
    "TM": _range(_CLOCK),
    "UI": r"(0|[1-9]\d*)(\.(0|[1-9]\d*))*",
    "UR": r"[A-Za-z_\d:/?#\[\]@!$&'()*+,;=%\-.~]* *",
}
_TEXT: Final = {vr: re.compile(pattern, re.ASCII) for vr, pattern in _PATTERNS.items()}
_BYTES: Final = {vr: re.compile(pattern.encode()) for vr, pattern in _PATTERNS.items()}
_NUMBERS: Final = {
    "US": (0, 2), "SS": (1, 2), "UL": (0, 4), "SL": (1, 4), "UV": (0, 8), "SV": (1, 8),
}  # fmt: skip
_DATES: Final = {"DA": datetime.date, "TM": datetime.time, "DT": datetime.datetime}


def _type(vr: str, value: Any, types: Any) -> str:
    if isinstance(value, types):
        return ""
    return f"A value of type '{type(value).__name__}' cannot be assigned to a tag with VR {vr}."


def _length(vr: str, value: Any) -> str:
    most = MAX_VALUE_LEN.get(vr)
    if most is None or len(value) <= most:
        return ""
    return f"The value length ({len(value)}) exceeds the maximum length of {most} allowed for VR {vr}."


def _pattern(vr: str, value: Any) -> str:
    patterns: Any = _TEXT if isinstance(value, str) else _BYTES
    return "" if not value or patterns[vr].fullmatch(value) else f"Invalid value for VR {vr}: {value!r}."


def _text(vr: str, value: Any) -> str:
    return _type(vr, value, (str, bytes)) or _length(vr, value)


def _formed(vr: str, value: Any) -> str:
    if vr in _DATES and value and isinstance(value, _DATES[vr]):
        return ""
    return _type(vr, value, (str, bytes)) or _pattern(vr, value)


def _limited(vr: str, value: Any) -> str:
    wrong = _type(vr, value, (str, bytes))
    if wrong:
        return wrong
    text = f"{_length(vr, value)} {_pattern(vr, value)}".strip()
    return f"{text} {_TABLE}" if text else ""


def _number(vr: str, value: Any) -> str:
    signed, width = _NUMBERS[vr]
    wrong = _type(vr, value, (int, bytes))
    if wrong:
        return wrong
    if isinstance(value, int):
        low = -(1 << 8 * width - 1) if signed else 0
        high = (1 << 8 * width - signed) - 1
        if low <= value <= high:
            return ""
        return f"Invalid value: a value for a tag with VR {vr} must be between {low} and {high}."
    if len(value) % width:
        return (
            f"Invalid value length {len(value)}: the value length for a tag with VR {vr} must be a multiple of {width}."
        )
    return ""


def _real(vr: str, value: Any) -> str:
    return _type(vr, value, (float, int))


def _binary(vr: str, value: Any) -> str:
    return _type(vr, value, (bytes, bytearray))


def validate_pn_component_length(vr: str, value: Any) -> tuple[bool, str]:
    """Check the 64 characters of a component group (PS3.5 6.2.1)."""
    del vr
    if len(value) <= 64:
        return True, ""
    return False, f"The PN component length ({len(value)}) exceeds the maximum allowed length of 64."


def _name(vr: str, value: Any) -> str:
    from pacskit.compat.pydicom.valuerep import PersonName

    if not value or isinstance(value, PersonName):
        return ""
    wrong = _type(vr, value, (str, bytes))
    if wrong:
        return wrong
    groups: list[Any] = value.split(b"=" if isinstance(value, bytes) else "=")
    if len(groups) > 3:
        return f"The number of PN components length ({len(groups)}) exceeds the maximum allowed number of 3."
    return next((text for ok, text in (validate_pn_component_length(vr, group) for group in groups) if not ok), "")


_CHECKS: Final[dict[str, Callable[[str, Any], str]]] = {
    **dict.fromkeys(("AE", "CS", "DS", "IS", "UI"), _limited),
    **dict.fromkeys(("AS", "DA", "TM", "DT", "UR"), _formed),
    **dict.fromkeys(("LO", "LT", "SH", "ST"), _text),
    **dict.fromkeys(("FD", "FL"), _real),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OW", "OV"), _binary),
    **dict.fromkeys(_NUMBERS, _number),
    "PN": _name,
}


def is_valid_ds(s: str) -> bool:
    """Whether text is a decimal string of PS3.5 6.2."""
    return not _limited("DS", s)


def validate_value(
    vr: str,
    value: Any,
    validation_mode: int | None,
    validator: Callable[[str, Any], tuple[bool, str]] | None = None,
) -> None:
    """Check one value: ValueError, a warning or nothing, as the mode says."""
    if validation_mode == config.IGNORE or value is None:
        return
    if validator is not None:
        valid, text = validator(vr, value)
    else:
        check = _CHECKS.get(vr)
        text = check(vr, value) if check else ""
        valid = not text
    if valid:
        return
    if validation_mode == config.RAISE:
        raise ValueError(text)
    warnings.warn(text, UserWarning, stacklevel=3)
