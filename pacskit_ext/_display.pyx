"""Kernels of the display pipeline: the range of stored values, and a table applied to them, without the GIL."""

from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.stdint cimport int8_t, int16_t, int64_t, uint8_t, uint16_t

cdef enum:
    WIDTH = -1             # values of another size than 8 or 16 bits
    TABLE = -2             # a table that has not an entry for every value
    OUTPUT = -3            # an output that has not a place for every value

ctypedef fused stored_t:
    uint8_t
    int8_t
    uint16_t
    int16_t

ctypedef fused index_t:
    uint8_t
    uint16_t

ctypedef fused entry_t:
    uint8_t
    uint16_t


cdef inline void range_of(const stored_t* p, int64_t n, int64_t* low, int64_t* high) noexcept nogil:
    """The least and the largest value; n is above 0."""
    cdef stored_t least = p[0]
    cdef stored_t most = p[0]
    cdef stored_t v
    cdef int64_t i
    for i in range(n):
        v = p[i]
        least = v if v < least else least
        most = v if v > most else most
    low[0] = least
    high[0] = most


cdef inline void look_up(const index_t* p, int64_t n, const entry_t* table, entry_t* out) noexcept nogil:
    """Every bit pattern has its entry, so that no index needs a check."""
    cdef int64_t i = 0
    while i + 4 <= n:
        out[i] = table[p[i]]
        out[i + 1] = table[p[i + 1]]
        out[i + 2] = table[p[i + 2]]
        out[i + 3] = table[p[i + 3]]
        i += 4
    while i < n:
        out[i] = table[p[i]]
        i += 1


cdef int check_table(const Py_buffer* source, const Py_buffer* table, const Py_buffer* out, int width, int entry):
    if (width != 1 and width != 2) or (entry != 1 and entry != 2):
        return WIDTH
    if table.len != <int64_t> entry << (8 * width):
        return TABLE
    if source.len % width or out.len != source.len // width * entry:
        return OUTPUT
    return 0


def value_range(source, int width, bint signed):
    """The least and the largest of values of 8 or 16 bits; None where there is none."""
    cdef Py_buffer data
    cdef int64_t low = 0, high = 0, n
    if width != 1 and width != 2:
        raise ValueError("values have 8 or 16 bits")
    PyObject_GetBuffer(source, &data, PyBUF_SIMPLE)
    try:
        n = data.len // width
        if n == 0:
            return None
        with nogil:
            if width == 2 and signed:
                range_of[int16_t](<const int16_t*> data.buf, n, &low, &high)
            elif width == 2:
                range_of[uint16_t](<const uint16_t*> data.buf, n, &low, &high)
            elif signed:
                range_of[int8_t](<const int8_t*> data.buf, n, &low, &high)
            else:
                range_of[uint8_t](<const uint8_t*> data.buf, n, &low, &high)
    finally:
        PyBuffer_Release(&data)
    return low, high


def apply_table(source, int width, table, int entry, out):
    """Put the entry of each value into ``out``.

    Values of ``width`` bytes find the entry of their bit pattern, so the table has one of ``entry`` bytes for each of
    the 256 or 65,536 patterns.
    """
    cdef Py_buffer data, entries, to
    cdef int64_t n
    cdef int rc
    PyObject_GetBuffer(source, &data, PyBUF_SIMPLE)
    try:
        PyObject_GetBuffer(table, &entries, PyBUF_SIMPLE)
        try:
            PyObject_GetBuffer(out, &to, PyBUF_WRITABLE)
            try:
                rc = check_table(&data, &entries, &to, width, entry)
                if rc:
                    raise ValueError(
                        "values and entries have 8 or 16 bits" if rc == WIDTH
                        else "the table has not one entry for each bit pattern" if rc == TABLE
                        else "the output has not one place for each value"
                    )
                n = data.len // width
                with nogil:
                    if width == 2 and entry == 1:
                        look_up(<const uint16_t*> data.buf, n, <const uint8_t*> entries.buf, <uint8_t*> to.buf)
                    elif width == 2:
                        look_up(<const uint16_t*> data.buf, n, <const uint16_t*> entries.buf, <uint16_t*> to.buf)
                    elif entry == 1:
                        look_up(<const uint8_t*> data.buf, n, <const uint8_t*> entries.buf, <uint8_t*> to.buf)
                    else:
                        look_up(<const uint8_t*> data.buf, n, <const uint16_t*> entries.buf, <uint16_t*> to.buf)
            finally:
                PyBuffer_Release(&to)
        finally:
            PyBuffer_Release(&entries)
    finally:
        PyBuffer_Release(&data)
