"""Dates and times as values (PS3.5 6.2)."""

import datetime
import re

from pacskit_ext._errors import DecodeError


class DA(str):
    """A date, ``YYYYMMDD`` (PS3.5 6.2), or a range of dates in a query."""

    __slots__ = ()

    def __new__(cls, value=""):
        if isinstance(value, datetime.datetime):
            value = value.date()
        if isinstance(value, datetime.date):
            value = value.strftime("%Y%m%d").zfill(8)
        return str.__new__(cls, value)

    def date(self):
        """The ``datetime.date``; None when empty; raises DecodeError when it is not one date."""
        text = self.strip()
        if not text:
            return None
        if len(text) == 10 and text[4] == text[7] == ".":
            text = text.replace(".", "")        # ACR-NEMA
        if len(text) != 8 or not text.isdigit():
            raise DecodeError(f"{str(self)!r} is not a date")
        try:
            return datetime.date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError as error:
            raise DecodeError(f"{str(self)!r} is not a date") from error


cdef object _TM = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?")
cdef object _DT = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?"
)


class TM(str):
    """A time of day, ``HHMMSS.FFFFFF`` (PS3.5 6.2), or a range of times in a query."""

    __slots__ = ()

    def __new__(cls, value=""):
        if isinstance(value, datetime.datetime):
            value = value.time()
        if isinstance(value, datetime.time):
            value = value.strftime("%H%M%S.%f" if value.microsecond else "%H%M%S")
        return str.__new__(cls, value)

    def time(self):
        """The ``datetime.time``; None when empty; raises DecodeError when it is not one time."""
        text = self.strip()
        if not text:
            return None
        match = _TM.fullmatch(text)
        if match is None:
            raise DecodeError(f"{str(self)!r} is not a time")
        second = min(int(match[3] or 0), 59)      # 60 is a leap second
        try:
            return datetime.time(int(match[1]), int(match[2] or 0), second, int((match[4] or "0").ljust(6, "0")))
        except ValueError as error:
            raise DecodeError(f"{str(self)!r} is not a time") from error


class DT(str):
    """A date and time, ``YYYYMMDDHHMMSS.FFFFFF&ZZXX`` (PS3.5 6.2), or a range in a query."""

    __slots__ = ()

    def __new__(cls, value=""):
        if isinstance(value, datetime.datetime):
            text = value.strftime("%Y%m%d%H%M%S.%f" if value.microsecond else "%Y%m%d%H%M%S")
            value = text.zfill(len(text)) + (value.strftime("%z")[:5] if value.tzinfo else "")
        elif isinstance(value, datetime.date):
            value = value.strftime("%Y%m%d")
        return str.__new__(cls, value)

    def datetime(self):
        """The ``datetime.datetime``, aware when an offset is given; None when empty; raises DecodeError else."""
        text = self.strip()
        if not text:
            return None
        match = _DT.fullmatch(text)
        if match is None:
            raise DecodeError(f"{str(self)!r} is not a date and time")
        zone = None
        if match[8]:
            minutes = int(match[8][1:3]) * 60 + int(match[8][3:])
            zone = datetime.timezone(datetime.timedelta(minutes=-minutes if match[8][0] == "-" else minutes))
        try:
            return datetime.datetime(
                int(match[1]), int(match[2] or 1), int(match[3] or 1), int(match[4] or 0), int(match[5] or 0),
                min(int(match[6] or 0), 59), int((match[7] or "0").ljust(6, "0")), zone,
            )
        except ValueError as error:
            raise DecodeError(f"{str(self)!r} is not a date and time") from error
