"""The Python values of the VRs that have types of their own."""

import datetime
import re
from decimal import Decimal
from enum import StrEnum

cimport cython
from libc.stdint cimport uint32_t

from pacskit_ext._errors import DecodeError, EncodeError
from pacskit_ext._tagtable import keyword_for, tag_for


class VR(StrEnum):
    """A value representation (PS3.5 6.2). The four last stand for choices that only the data set can resolve."""

    AE = "AE"
    AS = "AS"
    AT = "AT"
    CS = "CS"
    DA = "DA"
    DS = "DS"
    DT = "DT"
    FD = "FD"
    FL = "FL"
    IS = "IS"
    LO = "LO"
    LT = "LT"
    OB = "OB"
    OD = "OD"
    OF = "OF"
    OL = "OL"
    OV = "OV"
    OW = "OW"
    PN = "PN"
    SH = "SH"
    SL = "SL"
    SQ = "SQ"
    SS = "SS"
    ST = "ST"
    SV = "SV"
    TM = "TM"
    UC = "UC"
    UI = "UI"
    UL = "UL"
    UN = "UN"
    UR = "UR"
    US = "US"
    UT = "UT"
    UV = "UV"
    US_SS = "US or SS"
    OB_OW = "OB or OW"
    US_SS_OW = "US or SS or OW"
    US_OW = "US or OW"


_AMBIGUOUS = {"US or SS": b"xs", "OB or OW": b"ox", "US or SS or OW": b"xw", "US or OW": b"uw"}
cdef dict _VR_OF = {int.from_bytes(_AMBIGUOUS.get(str(vr), str(vr).encode()), "little"): vr for vr in VR}
cdef dict _CODE_OF = {str(vr): code for code, vr in _VR_OF.items()}


cdef object vr_of(int code):
    """The VR of two packed characters; UN for a pair that is none."""
    return _VR_OF.get(code, VR.UN)


cdef int code_of(object vr) except -1:
    code = _CODE_OF.get(vr)
    if code is None:
        raise EncodeError(f"{vr!r} is not a value representation")
    return code


class Tag(int):
    """An attribute tag: ``Tag(0x00100020)``, ``Tag(0x0010, 0x0020)``, ``Tag("PatientID")``, ``Tag("00100020")``."""

    __slots__ = ()

    def __new__(cls, value, element=None):
        if element is not None:
            if not (0 <= value <= 0xFFFF and 0 <= element <= 0xFFFF):
                raise ValueError(f"a tag is two numbers of 16 bits, not ({value:#x}, {element:#x})")
            return int.__new__(cls, (value << 16) | element)
        if isinstance(value, int):
            if not 0 <= value <= 0xFFFFFFFF:
                raise ValueError(f"a tag has 32 bits, not {value:#x}")
            return int.__new__(cls, value)
        if isinstance(value, (tuple, list)) and len(value) == 2:
            return cls(int(value[0]), int(value[1]))
        if isinstance(value, str):
            found = tag_for(value)
            if found is not None:
                return int.__new__(cls, found)
            match = re.fullmatch(r"\(?([0-9A-Fa-f]{4}),? ?([0-9A-Fa-f]{4})\)?", value)
            if match:
                return cls(int(match[1], 16), int(match[2], 16))
            raise ValueError(f"{value!r} is neither a keyword nor a tag")
        raise TypeError(f"a tag cannot be made of {type(value).__name__}")

    @property
    def group(self):
        return int(self) >> 16

    @property
    def element(self):
        return int(self) & 0xFFFF

    elem = element

    @property
    def is_private(self):
        return bool((int(self) >> 16) & 1)

    @property
    def is_private_creator(self):
        return self.is_private and 0x10 <= self.element <= 0xFF

    @property
    def keyword(self):
        return keyword_for(int(self))

    def __str__(self):
        return f"({int(self) >> 16:04X},{int(self) & 0xFFFF:04X})"

    __repr__ = __str__


cdef object _UNSEEN = object()
cdef dict _TAGS = {}          # keyword → tag, of the keywords met so far


cdef uint32_t tag_of(object key) except? 0xFFFFFFFF:
    """The tag that a key means: an int, a keyword, or a pair of group and element."""
    if isinstance(key, int):
        return key
    if isinstance(key, str):
        tag = keyword_tag_of(key)
        if tag is not None:
            return tag
        return Tag(key)
    if isinstance(key, tuple) and len(key) == 2:
        return Tag(key[0], key[1])
    raise TypeError(f"{type(key).__name__} is neither a tag nor a keyword")


cdef object keyword_tag_of(str keyword):
    cdef object tag = _TAGS.get(keyword, _UNSEEN)
    if tag is _UNSEEN:
        tag = tag_for(keyword)
        if tag is not None:       # misses are not kept: their number has no bound
            _TAGS[keyword] = tag
    return tag


@cython.no_gc
cdef class DS(float):
    """A decimal string (PS3.5 6.2): a float that keeps the text it was read from in ``original_string``."""

    def __cinit__(self, value=0.0):
        if isinstance(value, str):
            self.original_string = (<str> value).strip()
        elif isinstance(value, DS):
            self.original_string = (<DS> value).original_string

    def __str__(self):
        return self.original_string if self.original_string is not None else float.__repr__(self)

    def __repr__(self):
        return str(self)

    def __reduce__(self):
        return DS, (self.original_string or float(self),)


class IS(int):
    """An integer string (PS3.5 6.2); ``original_string`` is the text it was read from."""

    def __new__(cls, value=0):
        if isinstance(value, str):
            text = value.strip(" \0")
            try:
                number = int(text)
            except ValueError:
                number = _whole(text)
            self = int.__new__(cls, number)
            if str(number) != text:
                self.text = text
            return self
        if isinstance(value, (float, Decimal)) and value != int(value):
            raise EncodeError(f"{value!r} is not a whole number")
        return int.__new__(cls, value)

    @property
    def original_string(self):
        return self.__dict__.get("text") or int.__repr__(self)

    def __str__(self):
        return self.original_string

    __repr__ = __str__


def _whole(text):
    try:
        number = float(text)
        if number == int(number):
            return int(number)
    except (ValueError, OverflowError):
        number = None
    raise DecodeError(f"{text!r} is not an integer string")


class PersonName(str):
    """A person name (PS3.5 6.2.1): text with up to three component groups of five components.

    Compares and formats as the whole text; ``family_name`` and the like are parts of the alphabetic group.
    """

    __slots__ = ()

    @property
    def components(self):
        """The component groups: alphabetic, ideographic, phonetic; as many as there are."""
        return tuple(self.split("="))

    @property
    def alphabetic(self):
        return _nth(self, "=", 0)

    @property
    def ideographic(self):
        return _nth(self, "=", 1)

    @property
    def phonetic(self):
        return _nth(self, "=", 2)

    @property
    def family_name(self):
        return _nth(self.alphabetic, "^", 0)

    @property
    def given_name(self):
        return _nth(self.alphabetic, "^", 1)

    @property
    def middle_name(self):
        return _nth(self.alphabetic, "^", 2)

    @property
    def name_prefix(self):
        return _nth(self.alphabetic, "^", 3)

    @property
    def name_suffix(self):
        return _nth(self.alphabetic, "^", 4)

    def family_comma_given(self):
        return f"{self.family_name}, {self.given_name}"

    def formatted(self, pattern):
        """Format with ``%(family_name)s`` and the like, as pydicom does."""
        names = ("family_name", "given_name", "middle_name", "name_prefix", "name_suffix", "ideographic", "phonetic")
        return pattern % {name: getattr(self, name) for name in names}

    def __hash__(self):
        return str.__hash__(self)

    def __eq__(self, other):
        return str.__eq__(self, other)

    def __ne__(self, other):
        return str.__ne__(self, other)


def _nth(text, separator, index):
    parts = text.split(separator)
    return parts[index] if index < len(parts) else ""


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


cdef class MultiValue(list):
    """The values of an element that has more than one; a list that knows whether it was changed."""

    def append(self, value):
        self.changed = True
        list.append(self, value)

    def extend(self, values):
        self.changed = True
        list.extend(self, values)

    def insert(self, index, value):
        self.changed = True
        list.insert(self, index, value)

    def pop(self, index=-1):
        self.changed = True
        return list.pop(self, index)

    def remove(self, value):
        self.changed = True
        list.remove(self, value)

    def clear(self):
        self.changed = True
        list.clear(self)

    def sort(self, *, key=None, reverse=False):
        self.changed = True
        list.sort(self, key=key, reverse=reverse)

    def reverse(self):
        self.changed = True
        list.reverse(self)

    def __setitem__(self, index, value):
        self.changed = True
        list.__setitem__(self, index, value)

    def __delitem__(self, index):
        self.changed = True
        list.__delitem__(self, index)

    def __iadd__(self, values):
        self.changed = True
        list.extend(self, values)
        return self

    def twin(self):
        """The same values in another list."""
        return MultiValue(self)

    def __reduce__(self):
        return MultiValue, (list(self),)


TAG = Tag
PERSON_NAME = PersonName
DATE = DA
TIME = TM
DATE_TIME = DT
INTEGER_STRING = IS


cdef object _shown(object value):
    return repr(str(value)) if isinstance(value, str) else str(value)


cdef str text_of(object value):
    """A value as pydicom prints it."""
    if isinstance(value, bytes):
        return repr(value) if len(value) <= 16 else f"Array of {len(value)} elements"
    if isinstance(value, MultiValue):
        if len(value) > 16:
            return f"Array of {len(value)} elements"
        return "[" + ", ".join([_shown(v) for v in value]) + "]"
    return f"'{value}'" if isinstance(value, (DS, INTEGER_STRING)) else _shown(value)
