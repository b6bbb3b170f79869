"""Colours: linear changes of colour space, and look-up in tables of colours (PS3.3 C.7.6.3.1 and C.7.9)."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

ctypedef fused sample:
    uint8_t
    uint16_t
    int16_t
    int32_t

ctypedef fused index:
    uint8_t
    uint16_t
    uint32_t
    int8_t
    int16_t
    int32_t


cdef struct Change:
    # out = matrix * (in - before) + after, rounded and held between low and high
    double matrix[9]
    double before[3]
    double after[3]
    double low
    double high


cdef inline double held(double v, double low, double high) noexcept nogil:
    v = v if v > low else low
    return v if v < high else high


cdef void change_all(const sample* p, sample* out, int64_t pixels, Change* change) noexcept nogil:
    # Copies, since a write to a pixel might as well be one to the matrix, for all the compiler knows.
    cdef double m[9]
    cdef double before[3]
    cdef double after[3]
    # To the nearest, halves up: they are exact halves of sums of thousandths, and may come out a little less.
    # What is truncated afterwards is not below 0.
    cdef double half = 0.500000001 - change.low
    cdef double low = change.low
    cdef double high = change.high
    cdef int32_t back = <int32_t> change.low
    cdef double a, b, c
    cdef int64_t i
    memcpy(m, change.matrix, sizeof(m))
    memcpy(before, change.before, sizeof(before))
    memcpy(after, change.after, sizeof(after))
    for i in range(pixels):
        a = p[3 * i] - before[0]
        b = p[3 * i + 1] - before[1]
        c = p[3 * i + 2] - before[2]
        out[3 * i] = <sample> (
            <int32_t> (held(m[0] * a + m[1] * b + m[2] * c + after[0], low, high) + half) + back
        )
        out[3 * i + 1] = <sample> (
            <int32_t> (held(m[3] * a + m[4] * b + m[5] * c + after[1], low, high) + half) + back
        )
        out[3 * i + 2] = <sample> (
            <int32_t> (held(m[6] * a + m[7] * b + m[8] * c + after[2], low, high) + half) + back
        )


def change_colors(source, out, str kind, matrix, before, after, limits):
    """Fill ``out`` with the pixels of ``source``, three samples each, changed by a matrix between two origins.

    ``kind`` is ``u1``, ``u2``, ``i2`` or ``i4``: what a sample is, in both; they may be the same buffer.
    """
    cdef Py_buffer view, target
    cdef Change change
    cdef int64_t pixels
    cdef int size = {"u1": 1, "u2": 2, "i2": 2, "i4": 4}[kind]
    cdef bint signed = kind[0] == "i"
    cdef int i
    for i in range(9):
        change.matrix[i] = matrix[i]
    for i in range(3):
        change.before[i] = before[i]
        change.after[i] = after[i]
    change.low, change.high = limits
    PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
    try:
        PyObject_GetBuffer(out, &target, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            pixels = target.len // (3 * size)
            if pixels * 3 * size != target.len or view.len != target.len:
                raise ValueError("the source and its place differ in size")
            if (<size_t> target.buf | <size_t> view.buf) % size:
                raise ValueError("the pixels are not aligned")
            with nogil:
                if size == 1:
                    change_all(<const uint8_t*> view.buf, <uint8_t*> target.buf, pixels, &change)
                elif size == 4:
                    change_all(<const int32_t*> view.buf, <int32_t*> target.buf, pixels, &change)
                elif signed:
                    change_all(<const int16_t*> view.buf, <int16_t*> target.buf, pixels, &change)
                else:
                    change_all(<const uint16_t*> view.buf, <uint16_t*> target.buf, pixels, &change)
        finally:
            PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&view)


# -- tables ------------------------------------------------------------------------------------------------------------


cdef void look_up_all(
    const index* p, int64_t n, const uint8_t* table, int64_t last, int64_t first, int64_t row, uint8_t* out
) noexcept nogil:
    """Copy a row of the table for each index; those outside take its first or last row (PS3.3 C.7.6.3.1.5)."""
    cdef int64_t i, at
    for i in range(n):
        at = <int64_t> p[i] - first
        if at < 0:
            at = 0
        elif at > last:
            at = last
        memcpy(out + i * row, table + at * row, row)


cdef void look_up_three(
    const index* p, int64_t n, const uint8_t* table, int64_t last, int64_t first, uint8_t* out
) noexcept nogil:
    """The same for rows of three bytes."""
    cdef int64_t i, at
    for i in range(n):
        at = <int64_t> p[i] - first
        if at < 0:
            at = 0
        elif at > last:
            at = last
        out[3 * i] = table[3 * at]
        out[3 * i + 1] = table[3 * at + 1]
        out[3 * i + 2] = table[3 * at + 2]


cdef void look_up_kind(
    const index* p, int64_t n, const uint8_t* table, int64_t last, int64_t first, int64_t row, uint8_t* out
) noexcept nogil:
    if row == 3:
        look_up_three(p, n, table, last, first, out)
    elif row == 6:
        look_up_all(p, n, table, last, first, 6, out)
    else:
        look_up_all(p, n, table, last, first, row, out)


def look_up(source, str kind, table, int64_t row, int64_t first, out):
    """Fill ``out`` with rows of ``table``, ``row`` bytes each, for the indices of ``source``.

    ``kind`` is ``u1``, ``u2``, ``u4``, ``i1``, ``i2`` or ``i4``: what an index is; ``first`` is that of the first row.
    """
    cdef Py_buffer view, rows, target
    cdef int64_t n, last
    cdef int size = int(kind[1])
    cdef bint signed = kind[0] == "i"
    cdef const uint8_t* base
    cdef uint8_t* to
    if size not in (1, 2, 4) or row < 1:
        raise ValueError("not a kind of index")
    PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
    try:
        PyObject_GetBuffer(table, &rows, PyBUF_SIMPLE)
        try:
            PyObject_GetBuffer(out, &target, PyBUF_SIMPLE | PyBUF_WRITABLE)
            try:
                n = view.len // size
                last = rows.len // row - 1
                base = <const uint8_t*> rows.buf
                to = <uint8_t*> target.buf
                if last < 0 or target.len != n * row:
                    raise ValueError("the indices and their place differ in size")
                if <size_t> view.buf % size:
                    raise ValueError("the indices are not aligned")
                with nogil:
                    if size == 1 and not signed:
                        look_up_kind(<const uint8_t*> view.buf, n, base, last, first, row, to)
                    elif size == 1:
                        look_up_kind(<const int8_t*> view.buf, n, base, last, first, row, to)
                    elif size == 2 and not signed:
                        look_up_kind(<const uint16_t*> view.buf, n, base, last, first, row, to)
                    elif size == 2:
                        look_up_kind(<const int16_t*> view.buf, n, base, last, first, row, to)
                    elif not signed:
                        look_up_kind(<const uint32_t*> view.buf, n, base, last, first, row, to)
                    else:
                        look_up_kind(<const int32_t*> view.buf, n, base, last, first, row, to)
            finally:
                PyBuffer_Release(&target)
        finally:
            PyBuffer_Release(&rows)
    finally:
        PyBuffer_Release(&view)
