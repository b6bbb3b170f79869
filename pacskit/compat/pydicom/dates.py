"""pydicom's DA, TM and DT: Python dates that keep the text they were read from."""

from __future__ import annotations

import datetime
import re
import warnings
from typing import Any

__all__ = ["DA", "DT", "TM"]


class _Dated:
    """What the three have in common."""

    original_string: str

    def __str__(self) -> str:
        text = getattr(self, "original_string", None)
        return text if text is not None else super().__str__()

    def __repr__(self) -> str:
        return f'"{self}"'

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (*super().__reduce_ex__(protocol)[:2], self.__dict__)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()


def _refused(value: object, name: str) -> ValueError:
    return ValueError(f"Unable to convert '{value}' to '{name}' object")


def _malformed(value: str, name: str) -> ValueError:
    return ValueError(f"Unable to convert non-conformant value '{value}' to '{name}' object")


def _seconds(text: str | None, name: str) -> int:
    second = int(text or 0)
    if second == 60:
        warnings.warn(
            f"'datetime.{name}' doesn't allow a value of '60' for the seconds component, changing to '59'",
            UserWarning,
            stacklevel=4,
        )
        return 59
    return second


class DA(_Dated, datetime.date):
    """A date (PS3.5 6.2); None for empty text."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        value = args[0] if args else None
        if value is None and not kwargs:
            return None
        if isinstance(value, str):
            if not value.strip():
                return None
            text = value.replace(".", "") if re.fullmatch(r"\d{4}\.\d\d\.\d\d ?", value) else value
            if not re.fullmatch(r"\d{8} *", text):
                raise (
                    _malformed(value, "DA")
                    if len(value) not in (8, 10)
                    else ValueError(f"Unable to convert non-conformant value '{value}' to 'DA' object")
                )
            return super().__new__(cls, int(text[:4]), int(text[4:6]), int(text[6:8]))
        if isinstance(value, datetime.date):
            return super().__new__(cls, value.year, value.month, value.day)
        try:
            return super().__new__(cls, *args, **kwargs)
        except Exception as error:
            raise _refused(value, "DA") from error

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        value = args[0] if args else None
        if isinstance(value, str):
            self.original_string = value
        elif isinstance(value, DA) and hasattr(value, "original_string"):
            self.original_string = value.original_string
        elif isinstance(value, datetime.date):
            self.original_string = f"{value.year}{value.month:02}{value.day:02}"


_DT = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?(?:([+-])([01]\d)(\d\d))? *"
)


class DT(_Dated, datetime.datetime):
    """A date and time (PS3.5 6.2); None for empty text."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        value = args[0] if args else None
        if value is None and not kwargs:
            return None
        if isinstance(value, str):
            return cls._of_text(value) if value.strip() else None
        if isinstance(value, datetime.datetime):
            return super().__new__(
                cls, value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond,
                value.tzinfo, fold=value.fold,
            )  # fmt: skip
        try:
            return super().__new__(cls, *args, **kwargs)
        except Exception as error:
            raise _refused(value, "DT") from error

    @classmethod
    def _of_text(cls, value: str) -> Any:
        match = _DT.fullmatch(value)
        if match is None or len(value) > 26:
            raise _malformed(value, "DT")
        zone = None
        if match[8]:
            offset = datetime.timedelta(hours=int(match[9]), minutes=int(match[10]))
            zone = datetime.timezone(-offset if match[8] == "-" else offset, name="".join(match.group(8, 9, 10)))
        return super().__new__(
            cls, int(match[1]), int(match[2] or 1), int(match[3] or 1), int(match[4] or 0), int(match[5] or 0),
            _seconds(match[6], "datetime"), int((match[7] or "0").ljust(6, "0")), zone,
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        value = args[0] if args else None
        if isinstance(value, str):
            self.original_string = value.strip()
        elif isinstance(value, DT) and hasattr(value, "original_string"):
            self.original_string = value.original_string
        elif isinstance(value, datetime.datetime):
            text = f"{value.year:04}{value:%m%d%H%M%S}"
            if value.microsecond:
                text += f".{value.microsecond:06}"
            self.original_string = text + value.strftime("%z")[:5]


_TM = re.compile(r"([01]\d|2[0-3])(?:([0-5]\d)(?:([0-5]\d|60)(?:\.(\d{1,6}))?)?)? *")


class TM(_Dated, datetime.time):
    """A time of day (PS3.5 6.2); None for empty text."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        value = args[0] if args else None
        if value is None and not kwargs:
            return None
        if isinstance(value, str):
            if not value.strip():
                return None
            match = _TM.fullmatch(value.strip())
            if match is None:
                raise _malformed(value, "TM")
            return super().__new__(
                cls, int(match[1]), int(match[2] or 0), _seconds(match[3], "time"),
                int((match[4] or "0").ljust(6, "0")),
            )  # fmt: skip
        if isinstance(value, datetime.time):
            return super().__new__(cls, value.hour, value.minute, value.second, value.microsecond)
        if isinstance(value, int) and len(args) == 1 and not 0 <= value < 24:
            raise _refused(value, "TM")
        try:
            return super().__new__(cls, *args, **kwargs)
        except Exception as error:
            raise _refused(value, "TM") from error

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        value = args[0] if args else None
        if isinstance(value, str):
            self.original_string = value.strip()
        elif isinstance(value, TM) and hasattr(value, "original_string"):
            self.original_string = value.original_string
        elif isinstance(value, datetime.time):
            self.original_string = f"{value:%H%M%S}" + (f".{value.microsecond:06}" if value.microsecond else "")
