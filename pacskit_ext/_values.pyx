"""The Python values of the VRs that have types of their own."""

import re
from decimal import Decimal
from enum import StrEnum

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint16_t, uint32_t

from pacskit_ext._dates import DA, DT, TM
from pacskit_ext._errors import DecodeError, EncodeError
from pacskit_ext._objects cimport FLOAT_AND_SIZE, new_float_and, new_int, track
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


cdef PyObject* _VRS[1024]        # five bits of each character say where; a choice has a place that no VR has
cdef uint16_t _VR_CODES[1024]
cdef object _UNKNOWN = VR.UN


cdef inline int place_of(int code) noexcept:
    return (code & 0x1F) << 5 | (code >> 8) & 0x1F


for _code, _vr in _VR_OF.items():
    _VRS[place_of(_code)] = <PyObject*> _vr
    _VR_CODES[place_of(_code)] = _code


cdef object vr_of(int code):
    """The VR of two packed characters; UN for a pair that is none."""
    cdef int place = place_of(code)
    return <object> _VRS[place] if _VR_CODES[place] == code else _UNKNOWN


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


cdef object new_ds(double number, str text):
    """A DS without the checks of its class."""
    return new_float_and(DS, number, text)


cdef object new_is(int64_t number):
    """The IS of a number that was written as Python writes it."""
    return new_int(IS, number)


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


if DS.__basicsize__ != FLOAT_AND_SIZE:
    raise ImportError("a float is laid out in another way than this was compiled for")


class IS(int):
    """An integer string (PS3.5 6.2); ``original_string`` is the text it was read from."""

    __slots__ = ()

    def __new__(cls, value=0):
        if isinstance(value, str):
            text = value.strip(" \0")
            try:
                number = int(text)
            except ValueError:
                number = _whole(text)
            if str(number) == text:
                return int.__new__(cls, number)
            self = int.__new__(_SpelledIS if cls is IS else cls, number)
            self._text = text
            return self
        if isinstance(value, (float, Decimal)) and value != int(value):
            raise EncodeError(f"{value!r} is not a whole number")
        return int.__new__(cls, value)

    @property
    def original_string(self):
        return getattr(self, "_text", None) or int.__repr__(self)

    def __str__(self):
        return self.original_string

    __repr__ = __str__


class _SpelledIS(IS):
    """One whose text is not what its number would be written as."""

    def __reduce__(self):
        return IS, (self._text,)


_SpelledIS.__name__ = "IS"


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


cdef inline void mark(MultiValue many):
    """Values that were read refer to nothing; what is put among them may refer back, so that the collector must see."""
    many.changed = True
    track(many)


cdef class MultiValue(list):
    """The values of an element that has more than one; a list that knows whether it was changed."""

    def append(self, value):
        mark(self)
        list.append(self, value)

    def extend(self, values):
        mark(self)
        list.extend(self, values)

    def insert(self, index, value):
        mark(self)
        list.insert(self, index, value)

    def pop(self, index=-1):
        mark(self)
        return list.pop(self, index)

    def remove(self, value):
        mark(self)
        list.remove(self, value)

    def clear(self):
        mark(self)
        list.clear(self)

    def sort(self, *, key=None, reverse=False):
        mark(self)
        list.sort(self, key=key, reverse=reverse)

    def reverse(self):
        mark(self)
        list.reverse(self)

    def __setitem__(self, index, value):
        mark(self)
        list.__setitem__(self, index, value)

    def __delitem__(self, index):
        mark(self)
        list.__delitem__(self, index)

    def __iadd__(self, values):
        mark(self)
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


cdef Py_ssize_t multiplicity(object value):
    """How many values there are; 1 for bytes, 0 for nothing."""
    if isinstance(value, MultiValue):
        return len(<MultiValue> value)
    return 0 if value is None or (isinstance(value, (str, bytes)) and len(value) == 0) else 1


cdef str text_of(object value):
    """A value as pydicom prints it."""
    if isinstance(value, bytes):
        return repr(value) if len(value) <= 16 else f"Array of {len(value)} elements"
    if isinstance(value, MultiValue):
        if len(value) > 16:
            return f"Array of {len(value)} elements"
        return "[" + ", ".join([_shown(v) for v in value]) + "]"
    return f"'{value}'" if isinstance(value, (DS, INTEGER_STRING)) else _shown(value)
