"""Values as JSON text straight from the source, for an index that keeps attributes as they are."""

from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

from pacskit_ext._element cimport SlotTable
from pacskit_ext._numbers cimport is_blank
from pacskit_ext._reader cimport F_BIG, F_EXTERNAL, F_FRAGMENTS, F_ITEMS, Slot
from pacskit_ext._span cimport load_u16
from pacskit_ext._vr cimport is_single_text
from pacskit_ext._vrcode cimport VR_US, is_binary, swap_width, vr_is_known

cdef extern from "stdio.h":
    int snprintf(char* out, size_t size, const char* form, ...) nogil

cdef struct Text:
    char* data
    size_t used
    size_t room


cdef int put(Text* out, const char* data, size_t n) except -1:
    cdef size_t room = out.room
    cdef char* bigger
    if out.used + n > room:
        while room < out.used + n:
            room *= 2
        bigger = <char*> realloc(out.data, room)
        if bigger == NULL:
            raise MemoryError
        out.data, out.room = bigger, room
    memcpy(out.data + out.used, data, n)
    out.used += n
    return 0


cdef bint is_plain(const uint8_t* p, int64_t n) noexcept nogil:
    """Whether text is ASCII in any character set that JSON takes as it stands (a backslash separates values here)."""
    cdef int64_t i
    for i in range(n):
        if p[i] < 0x20 or p[i] >= 0x7E or p[i] == 0x22:      # 7E is an overline in ISO_IR 13
            return False
    return True


cdef int put_values(Text* out, const uint8_t* p, int64_t n, bint single) except -1:
    """The values between backslashes, each in quotation marks and without its padding."""
    cdef int64_t start = 0
    cdef int64_t first, last, stop
    while True:
        stop = start
        while stop < n and (single or p[stop] != 0x5C):
            stop += 1
        first, last = start, stop
        while first < last and is_blank(p[first]):
            first += 1
        while last > first and is_blank(p[last - 1]):
            last -= 1
        put(out, b',"', 2)
        put(out, <const char*> p + first, last - first)
        put(out, b'"', 1)
        if stop == n:
            return 0
        start = stop + 1


cdef bint is_empty(const uint8_t* p, int64_t n) noexcept nogil:
    cdef int64_t i
    for i in range(n):
        if not is_blank(p[i]) and p[i] != 0x5C:
            return False
    return True


cdef int put_element(Text* out, const uint8_t* p, int64_t n, uint16_t vr, bint big, int64_t longest) except -1:
    """One value as a JSON array of VR and values: 1 done, 0 nothing to say, 2 for the long way."""
    cdef char head[32]
    cdef int size
    cdef bint single = is_single_text(vr)
    if vr == VR_US and n == 2:
        size = snprintf(head, 32, b'["US","%u"]', <unsigned int> load_u16(p, big))
        put(out, head, size)
        return 1
    if swap_width(vr) > 1 or is_binary(vr) or not vr_is_known(vr):
        return 2
    while n and is_blank(p[n - 1]):
        n -= 1
    if is_empty(p, n):
        return 0
    if n > longest or not is_plain(p, n):
        return 2
    if single:
        for size in range(n):
            if p[size] == 0x5C:
                return 2
    head[0], head[1], head[2], head[3], head[4] = 0x5B, 0x22, vr & 0xFF, vr >> 8, 0x22
    put(out, head, 5)
    put_values(out, p, n, single)
    put(out, b"]", 1)
    return 1


def texts_as_json(SlotTable table not None, tags, int64_t longest):
    """Members of a JSON object, ``"ggggeeee":["VR","value",…]``, and the tags that need the long way.

    Those are the ones whose value is not plain text of at most ``longest`` characters, or was changed.
    """
    cdef Text out
    cdef Slot* slot
    cdef int64_t index
    cdef char head[16]
    cdef size_t mark
    cdef int done
    cdef uint32_t tag
    cdef list rest = []
    out.room = 2048
    out.used = 0
    out.data = <char*> malloc(out.room)
    if out.data == NULL:
        raise MemoryError
    try:
        for tag in tags:
            index = table.find(tag)
            if index < 0 or (table.cache != NULL and table.cache[index] != NULL):
                if index >= 0 or (table.extra is not None and tag in table.extra):
                    rest.append(tag)
                continue
            slot = table.slots + index
            if slot.flags & (F_ITEMS | F_EXTERNAL | F_FRAGMENTS):
                rest.append(tag)
                continue
            mark = out.used
            snprintf(head, 16, b',"%08X":', tag)
            put(&out, head + (1 if mark == 0 else 0), 12 if mark else 11)
            done = put_element(
                &out, table.scan.base + slot.offset, slot.length, table.resolve(slot), slot.flags & F_BIG != 0, longest
            )
            if done != 1:
                out.used = mark
            if done == 2:
                rest.append(tag)
        return PyUnicode_DecodeASCII(out.data, out.used, NULL), rest
    finally:
        free(out.data)


cdef object plain_text(const uint8_t* p, int64_t n):
    """One value of ASCII without the padding around it; None where it is several, or something else."""
    cdef int64_t i
    while n and (p[n - 1] == 0x20 or p[n - 1] == 0):
        n -= 1
    while n and (p[0] == 0x20 or p[0] == 0):
        p += 1
        n -= 1
    for i in range(n):
        if p[i] < 0x20 or p[i] >= 0x7E or p[i] == 0x5C:
            return None
    return PyUnicode_DecodeASCII(<const char*> p, n, NULL)


def plain_texts(SlotTable table not None, tags):
    """The text of each attribute: "" where it is absent or empty, None where its value has to be looked at.

    That is one that was changed, is no text, has several values or characters beyond ASCII.
    """
    cdef Slot* slot
    cdef int64_t index
    cdef uint16_t vr
    cdef uint32_t tag
    cdef list out = []
    for tag in tags:
        index = table.find(tag)
        if index < 0 or (table.cache != NULL and table.cache[index] != NULL):
            out.append(None if index >= 0 or (table.extra is not None and tag in table.extra) else "")
            continue
        slot = table.slots + index
        vr = table.resolve(slot)
        if slot.flags & (F_ITEMS | F_EXTERNAL | F_FRAGMENTS):
            out.append(None)
        elif swap_width(vr) > 1 or is_binary(vr) or not vr_is_known(vr):
            out.append(None)
        else:
            out.append(plain_text(table.scan.base + slot.offset, slot.length))
    return out
