"""The data dictionary as a static C table: nothing is parsed or built at import."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII

cdef extern from "_tagtable_generated.h" nogil:
    ctypedef struct Element "pk_element":
        uint32_t tag
        uint32_t text               # offset of the keyword; the name follows it
        uint16_t vr
        uint8_t vm
        uint8_t retired
        uint8_t keyword_length
        uint8_t name_length
    const Element* ELEMENTS "pk_elements"
    const Element* REPEATS "pk_repeats"
    const uint16_t* TAG_SLOTS "pk_tag_slots"
    const uint8_t* REPEAT_SLOTS "pk_repeat_slots"
    const uint16_t* KEYWORD_SLOTS "pk_keyword_slots"
    const char** VMS "pk_vms"
    const char* TEXT "(const char*)&pk_tag_text"
    const int COUNT "PK_TAG_COUNT"
    const int BITS "PK_TAG_BITS"
    const int REPEAT_BITS "PK_REPEAT_BITS"
    const uint32_t MULTIPLIER "PK_TAG_MULTIPLIER"

cdef extern from *:
    bint PyUnicode_IS_ASCII(object text)

cdef enum:
    VR_LO = 0x4F4C
    VR_UL = 0x4C55


cdef inline uint32_t _fold(uint32_t tag) noexcept nogil:
    # The row of a repeating group that the tag would belong to; 0 when there is none (PS3.5 7.6).
    cdef uint32_t group = tag >> 16
    if (group & 0xFF01) in (0x5000, 0x6000, 0x7F00):
        return tag & 0xFF00FFFFU
    if group == 0x0028:
        return tag & 0xFFFFFF0FU
    if group == 0x0020:
        return tag & 0xFFFFFF00U
    if group == 0x1000:
        return tag & 0xFFFF000FU
    if group == 0x1010:
        return tag & 0xFFFF0000U
    return 0


cdef const Element* _find_repeat(uint32_t tag) noexcept nogil:
    cdef uint32_t base = _fold(tag)
    cdef uint32_t slot
    cdef uint32_t index
    if base == 0:
        return NULL
    slot = (base * MULTIPLIER) >> (32 - REPEAT_BITS)
    while True:
        index = REPEAT_SLOTS[slot]
        if index == 0:
            return NULL
        if REPEATS[index - 1].tag == base:
            return &REPEATS[index - 1]
        slot = (slot + 1) & ((<uint32_t>1 << REPEAT_BITS) - 1)


cdef inline const Element* _find(uint32_t tag) noexcept nogil:
    cdef uint32_t slot = (tag * MULTIPLIER) >> (32 - BITS)
    cdef uint32_t index
    while True:
        index = TAG_SLOTS[slot]
        if index == 0:
            return _find_repeat(tag)
        if ELEMENTS[index - 1].tag == tag:
            return &ELEMENTS[index - 1]
        slot = (slot + 1) & ((<uint32_t>1 << BITS) - 1)


cdef inline bint _is_private_creator(uint32_t tag) noexcept nogil:
    # PS3.5 7.8.1: (gggg,0010-00FF) with gggg odd.
    return (tag & 0x10000) != 0 and 0x10 <= (tag & 0xFFFF) <= 0xFF


cdef uint16_t tag_vr(uint32_t tag) noexcept nogil:
    cdef const Element* element
    if not tag & 0x10000:                # nothing of an odd group is in the standard
        element = _find(tag)
        if element != NULL:
            return element.vr
    if (tag & 0xFFFF) == 0:              # PS3.5 7.2: a group length
        return VR_UL
    if _is_private_creator(tag):
        return VR_LO
    return 0


cdef uint32_t keyword_tag(const char* utf8, Py_ssize_t n, bint* found) noexcept nogil:
    cdef uint32_t value = 2166136261
    cdef uint32_t slot
    cdef uint32_t index
    cdef const Element* element
    cdef Py_ssize_t i
    found[0] = False
    if n <= 0 or n > 255:
        return 0
    for i in range(n):                   # FNV-1a
        value = (value ^ <uint8_t>utf8[i]) * <uint32_t>16777619
    slot = (value ^ (value >> 15)) & ((<uint32_t>1 << BITS) - 1)
    while True:
        index = KEYWORD_SLOTS[slot]
        if index == 0:
            return 0
        element = &ELEMENTS[index - 1]
        if element.keyword_length == n and memcmp(TEXT + element.text, utf8, n) == 0:
            found[0] = True
            return element.tag
        slot = (slot + 1) & ((<uint32_t>1 << BITS) - 1)


cdef object keyword_of(uint32_t tag):
    cdef const Element* element = _find(tag)
    if element == NULL or element.keyword_length == 0:
        return ""
    return PyUnicode_DecodeASCII(TEXT + element.text, element.keyword_length, NULL)


cdef str _vr_text(uint16_t code):
    cdef char[2] pair
    if code == 0x7378:
        return "US or SS"
    if code == 0x786F:
        return "OB or OW"
    if code == 0x7778:
        return "US or SS or OW"
    if code == 0x7775:
        return "US or OW"
    if code == 0x616E:
        return "NONE"
    pair[0] = code & 0xFF
    pair[1] = code >> 8
    return PyUnicode_DecodeASCII(pair, 2, NULL)


def lookup(uint32_t tag):
    """``(vr, vm, keyword, name, retired)`` of the tag, None when the standard does not know it.

    Group lengths (PS3.5 7.2) and private creators (PS3.5 7.8.1) follow their rules.
    """
    cdef const Element* element = _find(tag)
    if element != NULL:
        return (
            _vr_text(element.vr),
            VMS[element.vm].decode("ascii"),
            PyUnicode_DecodeASCII(TEXT + element.text, element.keyword_length, NULL),
            PyUnicode_DecodeASCII(TEXT + element.text + element.keyword_length, element.name_length, NULL),
            element.retired != 0,
        )
    if (tag & 0xFFFF) == 0:
        return "UL", "1", "", "Group Length", True
    if _is_private_creator(tag):
        return "LO", "1", "", "Private Creator", False
    return None


def vr_code(uint32_t tag):
    """The VR code of the tag, 0 when unknown: the two characters as a little endian number."""
    return tag_vr(tag)


def tag_for(keyword):
    """The tag of the keyword, None when there is none; a repeating group has no one tag."""
    cdef Py_ssize_t n = 0
    cdef bint found = False
    cdef const char* utf8
    cdef uint32_t tag
    if not isinstance(keyword, str) or not PyUnicode_IS_ASCII(keyword):
        return None
    utf8 = PyUnicode_AsUTF8AndSize(keyword, &n)
    tag = keyword_tag(utf8, n, &found)
    return tag if found else None


def keyword_for(uint32_t tag):
    """The keyword of the tag, "" when it has none."""
    return keyword_of(tag)


def iter_keywords():
    """Yield each keyword that names one tag, in the order of the tags."""
    cdef int i
    for i in range(COUNT):
        if ELEMENTS[i].keyword_length:
            yield PyUnicode_DecodeASCII(TEXT + ELEMENTS[i].text, ELEMENTS[i].keyword_length, NULL)


def iter_tags():
    """Yield each tag of the standard that is not a repeating group, in ascending order."""
    cdef int i
    for i in range(COUNT):
        yield ELEMENTS[i].tag
