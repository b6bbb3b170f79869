# Values of a scan that come again and again, such as codes in functional groups: one object for all of them.
from cpython.ref cimport PyObject, Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

cdef enum:
    PLACES = 1024
    LONGEST = 64         # bytes of a value that is remembered
    WORTHWHILE = 4096    # elements of a scan that does so

cdef struct Recent:
    PyObject* value      # of text, so that it is immutable and refers to nothing
    int64_t offset
    uint16_t length
    uint16_t vr


cdef inline uint32_t place_of_value(const uint8_t* p, int64_t n, uint16_t vr) noexcept nogil:
    cdef uint64_t mixed = <uint64_t> n << 16 | vr
    cdef uint64_t part
    while n > 0:
        part = 0
        memcpy(&part, p, 8 if n >= 8 else n)
        mixed = (mixed ^ part) * <uint64_t> 0x9E3779B97F4A7C15
        mixed ^= mixed >> 32
        p += 8
        n -= 8
    return mixed & (PLACES - 1)


cdef inline Recent* new_recent() noexcept nogil:
    return <Recent*> calloc(PLACES, sizeof(Recent))


cdef inline void free_recent(Recent* recent) noexcept:
    cdef int i
    if recent != NULL:
        for i in range(PLACES):
            Py_XDECREF(recent[i].value)
        free(recent)


cdef inline bint is_recent(Recent* one, const uint8_t* base, int64_t offset, int64_t n, uint16_t vr) noexcept nogil:
    return (
        one.value != NULL and one.length == n and one.vr == vr and memcmp(base + one.offset, base + offset, n) == 0
    )


cdef inline void remember(Recent* one, object value, int64_t offset, int64_t n, uint16_t vr) noexcept:
    cdef PyObject* before = one.value
    Py_INCREF(value)
    one.value, one.offset, one.length, one.vr = <PyObject*> value, offset, <uint16_t> n, vr
    Py_XDECREF(before)
