"""VR values to Python values and back (PS3.5 6.2)."""


from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeLatin1
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

import struct

from pacskit_ext._charset cimport DEFAULT, CharacterSet, charset_for
from pacskit_ext._errors import DecodeError, EncodeError
from pacskit_ext._numbers cimport is_blank, parse_decimal, parse_integer
from pacskit_ext._objects cimport new_text, untrack
from pacskit_ext._reader cimport F_EXTERNAL, Scan, Slot, value_at
from pacskit_ext._recent cimport Recent, is_recent, place_of_value, remember
from pacskit_ext._span cimport load_u16, load_u32, load_u64
from pacskit_ext._values cimport (
    DATE, DATE_TIME, DS, INTEGER_STRING, PERSON_NAME, TAG, TIME, MultiValue, new_ds, new_is,
)
from pacskit_ext._uid import UID
from pacskit_ext._vrcode cimport (
    VR_AE, VR_AS, VR_AT, VR_CS, VR_DA, VR_DS, VR_DT, VR_FD, VR_FL, VR_IS, VR_LO, VR_LT, VR_PN, VR_SH, VR_SL, VR_SS,
    VR_ST, VR_SV, VR_TM, VR_UC, VR_UI, VR_UL, VR_UR, VR_US, VR_UT, VR_UV, VR_uw, VR_xs, VR_xw, is_binary, is_text,
    swap_width,
)

cdef bint is_single_text(uint16_t vr) noexcept nogil:
    return vr == VR_LT or vr == VR_ST or vr == VR_UT or vr == VR_UR


cdef object empty_value(uint16_t vr):
    """What an element of no length reads as: the empty text for text VRs, else None (pydicom's rule)."""
    if vr == VR_PN:
        return PERSON_NAME("")
    if vr == VR_UI:
        return UID("")
    if (
        is_text(vr) or vr == VR_UR or vr == VR_AE or vr == VR_AS or vr == VR_CS or vr == VR_DA
        or vr == VR_DT or vr == VR_TM
    ):
        return ""
    return None


# -- numbers in text -------------------------------------------------------------------------------------------------

cdef object decimal_string(const uint8_t* p, int64_t n, uint32_t tag, int64_t offset):
    cdef double number = 0
    cdef int rc
    while n and is_blank(p[0]):
        p += 1
        n -= 1
    while n and is_blank(p[n - 1]):
        n -= 1
    if n == 0:
        return None
    rc = parse_decimal(p, n, &number)
    text = PyUnicode_DecodeLatin1(<const char*> p, n, NULL)
    if rc != 0:
        try:
            number = float(text)
        except ValueError:
            raise DecodeError(f"{text[:32]!r} is not a decimal string", tag=tag, offset=offset) from None
    return new_ds(number, text)


cdef inline bint is_canonical(const uint8_t* p, int64_t n) noexcept nogil:
    """Whether a whole number, if it is one, is written as Python would."""
    if p[0] == 0x2D:
        return n > 1 and p[1] != 0x30
    return p[0] != 0x2B and (p[0] != 0x30 or n == 1)


cdef object integer_string(const uint8_t* p, int64_t n, uint32_t tag, int64_t offset):
    cdef int64_t number = 0
    while n and is_blank(p[0]):
        p += 1
        n -= 1
    while n and is_blank(p[n - 1]):
        n -= 1
    if n == 0:
        return None
    if is_canonical(p, n) and parse_integer(p, n, &number) == 0:
        return new_is(number)
    text = PyUnicode_DecodeLatin1(<const char*> p, n, NULL)
    try:
        return INTEGER_STRING(text)
    except ValueError:
        raise DecodeError(f"{text[:32]!r} is not an integer string", tag=tag, offset=offset) from None


# -- decoding --------------------------------------------------------------------------------------------------------

cdef inline object one_number(const uint8_t* p, uint16_t vr, bint big):
    cdef uint32_t u32
    cdef uint64_t u64
    cdef float f32
    cdef double f64
    if vr == VR_US or vr == VR_xs or vr == VR_xw or vr == VR_uw:
        return load_u16(p, big)
    if vr == VR_SS:
        return <int16_t> load_u16(p, big)
    if vr == VR_UL:
        return load_u32(p, big)
    if vr == VR_SL:
        return <int32_t> load_u32(p, big)
    if vr == VR_FD:
        u64 = load_u64(p, big)
        memcpy(&f64, &u64, 8)
        return f64
    if vr == VR_FL:
        u32 = load_u32(p, big)
        memcpy(&f32, &u32, 4)
        return <double> f32
    if vr == VR_AT:
        return TAG((<uint32_t> load_u16(p, big) << 16) | load_u16(p + 2, big))
    if vr == VR_SV:
        return <int64_t> load_u64(p, big)
    return load_u64(p, big)


cdef object numbers(const uint8_t* p, int64_t n, uint16_t vr, bint big, uint32_t tag, int64_t offset):
    cdef int width = 4 if vr == VR_AT else swap_width(vr)
    cdef int64_t count = n // width
    cdef int64_t i
    cdef MultiValue many
    if n % width:
        raise DecodeError(f"a value of {n} bytes is no multiple of {width}", tag=tag, offset=offset)
    if count == 1:
        return one_number(p, vr, big)
    many = MultiValue.__new__(MultiValue)
    for i in range(count):
        list.append(many, one_number(p + i * width, vr, big))
    untrack(many)
    return many


cdef object piece(const uint8_t* p, int64_t n, uint16_t vr, uint32_t tag, int64_t offset):
    """One value between backslashes of a VR whose text is in the default repertoire."""
    cdef int64_t begin = 0
    if vr == VR_DS:
        return decimal_string(p, n, tag, offset)
    if vr == VR_IS:
        return integer_string(p, n, tag, offset)
    while n and is_blank(p[n - 1]):
        n -= 1
    if vr == VR_AE or vr == VR_CS or vr == VR_UI:
        while begin < n and is_blank(p[begin]):
            begin += 1
    text = PyUnicode_DecodeLatin1(<const char*> p + begin, n - begin, NULL)
    if vr == VR_UI:
        return new_text(UID, text)
    if vr == VR_DA:
        return new_text(DATE, text)
    if vr == VR_TM:
        return new_text(TIME, text)
    if vr == VR_DT:
        return new_text(DATE_TIME, text)
    return text


cdef object pieces(const uint8_t* p, int64_t n, uint16_t vr, uint32_t tag, int64_t offset):
    cdef const uint8_t* bar = <const uint8_t*> memchr(p, 0x5C, n)
    cdef int64_t start = 0
    cdef int64_t stop
    cdef MultiValue many
    if bar == NULL:
        return piece(p, n, vr, tag, offset)
    many = MultiValue.__new__(MultiValue)
    while True:
        stop = bar - p if bar != NULL else n
        list.append(many, piece(p + start, stop - start, vr, tag, offset + start))
        if bar == NULL:
            untrack(many)
            return many
        start = stop + 1
        bar = <const uint8_t*> memchr(p + start, 0x5C, n - start) if start < n else NULL


cdef object text_value(const uint8_t* p, int64_t n, uint16_t vr, CharacterSet charset):
    cdef str text
    cdef MultiValue many
    if is_single_text(vr):
        while n and is_blank(p[n - 1]):
            n -= 1
        return charset.decode(<const char*> p, n, False)
    while n and (p[n - 1] == 0 or p[n - 1] == 0x20):
        n -= 1
    text = charset.decode(<const char*> p, n, vr == VR_PN)
    if "\\" not in text:
        return new_text(PERSON_NAME, _trim_name(text)) if vr == VR_PN else text
    many = MultiValue.__new__(MultiValue)
    for part in text.split("\\"):
        part = part.rstrip(" \0")
        list.append(many, new_text(PERSON_NAME, _trim_name(part)) if vr == VR_PN else part)
    untrack(many)
    return many


cdef object _trim_name(str text):
    return text.rstrip("=") if text.endswith("=") else text


cdef object decode_value(
    const uint8_t* p, int64_t n, uint16_t vr, bint big, CharacterSet charset, uint32_t tag, int64_t offset
):
    """The Python value of ``n`` bytes at ``p``."""
    if n == 0:
        return empty_value(vr)
    if vr == VR_LO or vr == VR_SH or vr == VR_PN or vr == VR_LT or vr == VR_ST or vr == VR_UT or vr == VR_UC:
        return text_value(p, n, vr, charset)
    if (
        vr == VR_CS or vr == VR_UI or vr == VR_DS or vr == VR_IS or vr == VR_DA or vr == VR_TM or vr == VR_AE
        or vr == VR_DT or vr == VR_AS
    ):
        return pieces(p, n, vr, tag, offset)
    if (
        vr == VR_US or vr == VR_UL or vr == VR_SS or vr == VR_SL or vr == VR_FD or vr == VR_FL or vr == VR_AT
        or vr == VR_SV or vr == VR_UV or vr == VR_xs
    ):
        return numbers(p, n, vr, big, tag, offset)
    if vr == VR_UR:
        while n and is_blank(p[n - 1]):
            n -= 1
        return PyUnicode_DecodeLatin1(<const char*> p, n, NULL)
    return PyBytes_FromStringAndSize(<const char*> p, n)


cdef object decode_again(Scan scan, Slot* slot, uint16_t vr, CharacterSet charset):
    """The value of a short text, which may be the object that an equal one is; lists are not shared."""
    cdef const uint8_t* p = value_at(scan, slot)
    cdef Recent* one = NULL
    if scan.recent_charset is None:
        scan.recent_charset = charset
    if not slot.flags & F_EXTERNAL and (scan.recent_charset is charset or not is_text(vr)):
        one = scan.recent + place_of_value(p, slot.length, vr)
        if is_recent(one, scan.base, slot.offset, slot.length, vr):
            return <object> one.value
    value = decode_value(p, slot.length, vr, False, charset, slot.tag, slot.offset)
    if one != NULL and not isinstance(value, MultiValue):
        remember(one, value, slot.offset, slot.length, vr)
    return value


cdef CharacterSet charset_of(const uint8_t* p, int64_t n, int64_t offset):
    """The character set that a value of (0008,0005) names."""
    value = decode_value(p, n, VR_CS, False, DEFAULT, 0x00080005, offset)
    return charset_for(tuple(value) if isinstance(value, list) else (value,))


# -- Python values in ------------------------------------------------------------------------------------------------

cdef object _coerce_one(object value, uint16_t vr, uint32_t tag):
    if vr == VR_DS:
        if isinstance(value, (DS, float)) or value is None:
            return value if isinstance(value, DS) or value is None else DS(value)
        return DS(value if isinstance(value, str) else str(value)) if value != "" else None
    if vr == VR_IS:
        return INTEGER_STRING(value) if value is not None and value != "" else None
    if vr == VR_PN:
        return PERSON_NAME("" if value is None else str(value))
    if vr == VR_UI:
        return UID("" if value is None else str(value))
    if vr == VR_DA:
        return DATE("" if value is None else value)
    if vr == VR_TM:
        return TIME("" if value is None else value)
    if vr == VR_DT:
        return DATE_TIME("" if value is None else value)
    if vr == VR_AT:
        return TAG(value)
    if vr == VR_FD or vr == VR_FL:
        return float(value)
    if swap_width(vr) > 1:
        if isinstance(value, int):
            return int(value)
        if hasattr(value, "__index__"):
            return value.__index__()
        raise EncodeError(f"{type(value).__name__} is not a whole number", tag=tag)
    if isinstance(value, bytes):
        return value.decode("ascii")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise EncodeError(f"a value of type {type(value).__name__} is not text", tag=tag)
    return value


cdef object coerce_value(object value, uint16_t vr, uint32_t tag):
    """Turn what a user assigns into what reading it back would give; raises EncodeError when it cannot be."""
    cdef MultiValue many
    if is_binary(vr):
        if value is None:
            return None
        if isinstance(value, (list, tuple)) and all([isinstance(v, (bytes, bytearray, memoryview)) for v in value]):
            return list(value)        # fragments of encapsulated data
        if isinstance(value, str):
            raise EncodeError("a value of this VR is bytes, not text", tag=tag)
        return bytes(value)
    if value is None or (isinstance(value, (str, bytes, list, tuple)) and len(value) == 0):
        return empty_value(vr)
    try:
        if isinstance(value, str) and not is_single_text(vr) and "\\" in value:
            value = value.split("\\")
        if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):
            value = value.tolist()        # numpy arrays and scalars
        if isinstance(value, (list, tuple)):
            many = MultiValue.__new__(MultiValue)
            for item in value:
                list.append(many, _coerce_one(item, vr, tag))
            return many[0] if len(many) == 1 else many
        return _coerce_one(value, vr, tag)
    except EncodeError as error:
        error.tag = tag
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise EncodeError(f"{type(value).__name__} does not fit the VR: {error}", tag=tag) from error


# -- encoding --------------------------------------------------------------------------------------------------------

cdef dict _FORMATS = {
    VR_US: "H", VR_SS: "h", VR_UL: "I", VR_SL: "i", VR_FL: "f", VR_FD: "d", VR_SV: "q", VR_UV: "Q", VR_xs: "H",
    VR_xw: "H", VR_uw: "H",
}


cdef object _decimal_text(object value, uint32_t tag):
    cdef str text = str(value) if value is not None else ""
    if len(text) <= 16:
        return text
    number = float(value)
    for digits in range(15, 0, -1):
        text = f"{number:.{digits}g}"
        if len(text) <= 16:
            return text
    raise EncodeError(f"{value!r} does not fit a decimal string", tag=tag)


cdef object _text_of(object value, uint16_t vr, uint32_t tag):
    if vr == VR_DS:
        return _decimal_text(value, tag)
    return "" if value is None else str(value)


cdef bytes encode_value(object value, uint16_t vr, bint big, CharacterSet charset, uint32_t tag):
    """The bytes of ``value``, padded to an even length; raises EncodeError."""
    cdef bytes data
    if value is None:
        return b""
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        return data + b"\0" if len(data) & 1 else data
    many = value if isinstance(value, list) else (value,)
    if vr == VR_AT:
        data = b"".join([struct.pack(">HH" if big else "<HH", int(v) >> 16, int(v) & 0xFFFF) for v in many])
        return data
    if vr in _FORMATS:
        try:
            return struct.pack(f"{'>' if big else '<'}{len(many)}{_FORMATS[vr]}", *many)
        except (struct.error, OverflowError) as error:
            if vr == VR_xs:
                return struct.pack(f"{'>' if big else '<'}{len(many)}h", *many)
            raise EncodeError(f"a number does not fit its VR: {error}", tag=tag) from error
    text = "\\".join([_text_of(v, vr, tag) for v in many])
    try:
        data = charset.encode(text, vr == VR_PN) if is_text(vr) else text.encode("ascii")
    except UnicodeEncodeError:
        raise EncodeError("the VR allows the default character repertoire only", tag=tag) from None
    except EncodeError as error:
        raise EncodeError(error.message, tag=tag) from None
    if len(data) & 1:
        data += b"\0" if vr == VR_UI else b" "
    return data
