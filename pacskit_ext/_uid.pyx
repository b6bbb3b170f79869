"""The UID value type and the registry of UIDs (PS3.6 annex A) as a static C table."""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII

cdef extern from "_uidtable_generated.h" nogil:
    ctypedef struct Entry "pk_uid":
        uint32_t text               # offset of the UID; keyword, name and info follow it
        uint8_t type
        uint8_t flags
        uint8_t uid_length
        uint8_t keyword_length
        uint8_t name_length
        uint8_t info_length
    const Entry* ENTRIES "pk_uids"
    const unsigned short* UID_SLOTS "pk_uid_slots"
    const unsigned short* KEYWORD_SLOTS "pk_uid_keyword_slots"
    const char** TYPES "pk_uid_types"
    const char* TEXT "(const char*)&pk_uid_text"
    const int COUNT "PK_UID_COUNT"
    const int BITS "PK_UID_BITS"
    enum:
        RETIRED "PK_UID_RETIRED"
        SYNTAX "PK_UID_SYNTAX"
        IMPLICIT "PK_UID_IMPLICIT"
        LITTLE "PK_UID_LITTLE"
        DEFLATED "PK_UID_DEFLATED"
        ENCAPSULATED "PK_UID_ENCAPSULATED"

cdef extern from *:
    """
    static PyObject* pk_str_subclass(PyObject* cls, PyObject* value) {
        PyObject *result, *args = PyTuple_Pack(1, value);
        if (args == NULL) return NULL;
        result = PyUnicode_Type.tp_new((PyTypeObject*)cls, args, NULL);
        Py_DECREF(args);
        return result;
    }
    """
    object _str_subclass "pk_str_subclass"(object cls, object value)
    bint PyUnicode_IS_ASCII(object text)


cdef uint32_t _hash(const char* text, Py_ssize_t n) noexcept nogil:
    cdef uint32_t value = 2166136261     # FNV-1a
    cdef Py_ssize_t i
    for i in range(n):
        value = (value ^ <uint8_t>text[i]) * <uint32_t>16777619
    return (value ^ (value >> 15)) & ((<uint32_t>1 << BITS) - 1)


cdef const Entry* _find_uid(object value) except? NULL:
    cdef Py_ssize_t n = 0
    cdef const char* text
    cdef const Entry* entry
    cdef uint32_t slot, index
    if not PyUnicode_IS_ASCII(value):
        return NULL
    text = PyUnicode_AsUTF8AndSize(value, &n)
    if n > 64:
        return NULL
    slot = _hash(text, n)
    while True:
        index = UID_SLOTS[slot]
        if index == 0:
            return NULL
        entry = &ENTRIES[index - 1]
        if entry.uid_length == n and memcmp(TEXT + entry.text, text, n) == 0:
            return entry
        slot = (slot + 1) & ((<uint32_t>1 << BITS) - 1)


cdef const Entry* _find_keyword(object keyword) except? NULL:
    cdef Py_ssize_t n = 0
    cdef const char* text
    cdef const Entry* entry
    cdef uint32_t slot, index
    if not PyUnicode_IS_ASCII(keyword):
        return NULL
    text = PyUnicode_AsUTF8AndSize(keyword, &n)
    if n == 0 or n > 255:
        return NULL
    slot = _hash(text, n)
    while True:
        index = KEYWORD_SLOTS[slot]
        if index == 0:
            return NULL
        entry = &ENTRIES[index - 1]
        if entry.keyword_length == n and memcmp(TEXT + entry.text + entry.uid_length, text, n) == 0:
            return entry
        slot = (slot + 1) & ((<uint32_t>1 << BITS) - 1)


cdef str _text(uint32_t offset, Py_ssize_t n):
    return PyUnicode_DecodeASCII(TEXT + offset, n, NULL)


cdef int _syntax_flags(object uid) except -1:
    cdef const Entry* entry = _find_uid(uid)
    if entry == NULL or not entry.flags & SYNTAX:
        raise ValueError(f"{uid} is not a transfer syntax of which the encoding is known")
    return entry.flags


class UID(str):
    """A unique identifier (PS3.5 9): a ``str`` that knows the registry of PS3.6 annex A.

    Any text is taken, since data sets hold UIDs that are not conformant; ask ``is_valid``.

    >>> UID("1.2.840.10008.1.2.1").name
    'Explicit VR Little Endian'
    """

    __slots__ = ()

    def __new__(cls, value):
        if not isinstance(value, str):
            raise TypeError(f"a UID is made from text, not from {type(value).__name__}")
        return _str_subclass(cls, value)

    @classmethod
    def from_keyword(cls, keyword):
        """The UID that the standard gives the keyword (``CTImageStorage``); KeyError when there is none."""
        cdef const Entry* entry = _find_keyword(keyword) if isinstance(keyword, str) else NULL
        if entry == NULL:
            raise KeyError(keyword)
        return _str_subclass(cls, _text(entry.text, entry.uid_length))

    @property
    def keyword(self):
        """The keyword in the registry, "" for a UID that is not in it."""
        cdef const Entry* entry = _find_uid(self)
        return "" if entry == NULL else _text(entry.text + entry.uid_length, entry.keyword_length)

    @property
    def name(self):
        """The name in the registry, the UID itself when it is not in it."""
        cdef const Entry* entry = _find_uid(self)
        if entry == NULL:
            return str(self)
        return _text(entry.text + entry.uid_length + entry.keyword_length, entry.name_length)

    @property
    def type(self):
        """``SOP Class``, ``Transfer Syntax`` and so on; "" for a UID that is not in the registry."""
        cdef const Entry* entry = _find_uid(self)
        return "" if entry == NULL else TYPES[entry.type].decode("ascii")

    @property
    def info(self):
        """The remark in the registry, "" when there is none."""
        cdef const Entry* entry = _find_uid(self)
        if entry == NULL:
            return ""
        return _text(entry.text + entry.uid_length + entry.keyword_length + entry.name_length, entry.info_length)

    @property
    def is_retired(self):
        """Whether the registry says retired."""
        cdef const Entry* entry = _find_uid(self)
        return entry != NULL and (entry.flags & RETIRED) != 0

    @property
    def is_private(self):
        """Whether the UID lies outside the root of the standard, ``1.2.840.10008``."""
        return not self.startswith("1.2.840.10008.")

    @property
    def is_valid(self):
        """Whether the UID keeps PS3.5 9.1: at most 64 digits and dots, no component empty or with leading zeros."""
        return _is_valid(self)

    @property
    def is_transfer_syntax(self):
        """Whether this is a transfer syntax of which the encoding is known."""
        cdef const Entry* entry = _find_uid(self)
        return entry != NULL and (entry.flags & SYNTAX) != 0

    @property
    def is_implicit_VR(self):
        """Whether the transfer syntax leaves out the VR; ValueError when the UID is none."""
        return (_syntax_flags(self) & IMPLICIT) != 0

    @property
    def is_little_endian(self):
        """Whether the transfer syntax is little endian; ValueError when the UID is none."""
        return (_syntax_flags(self) & LITTLE) != 0

    @property
    def is_deflated(self):
        """Whether the whole data set is deflated (PS3.5 A.5); ValueError when the UID is no transfer syntax."""
        return (_syntax_flags(self) & DEFLATED) != 0

    @property
    def is_encapsulated(self):
        """Whether pixel data come in fragments (PS3.5 A.4); ValueError when the UID is no transfer syntax."""
        return (_syntax_flags(self) & ENCAPSULATED) != 0

    @property
    def is_compressed(self):
        """The same as ``is_encapsulated``, as in pydicom."""
        return (_syntax_flags(self) & ENCAPSULATED) != 0


cdef bint _is_valid(object value) except -1:
    cdef Py_ssize_t n = 0
    cdef Py_ssize_t i
    cdef const char* text
    cdef char first = 0
    cdef int digits = 0
    if not PyUnicode_IS_ASCII(value):
        return False
    text = PyUnicode_AsUTF8AndSize(value, &n)
    if n > 64:
        return False
    for i in range(n):
        if text[i] == c".":
            if digits == 0:
                return False
            digits = 0
        elif c"0" <= text[i] <= c"9":
            if digits == 0:
                first = text[i]
            elif first == c"0":
                return False
            digits += 1
        else:
            return False
    return digits > 0


cdef object uid_from_str(str value):
    return _str_subclass(UID, value)


def iter_uids():
    """Yield every UID of the registry in ascending order of its components."""
    cdef int i
    for i in range(COUNT):
        yield _str_subclass(UID, _text(ENTRIES[i].text, ENTRIES[i].uid_length))
