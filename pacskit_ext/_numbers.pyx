"""Numbers in text (DS and IS), one at a time or a whole value into an array, without the GIL."""

from cpython.buffer cimport PyBUF_SIMPLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr

from pacskit_ext._errors import DecodeError

cdef double[23] POWERS = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
    1e20, 1e21, 1e22,
]


cdef int parse_decimal(const uint8_t* p, int64_t n, double* out) noexcept nogil:
    """Parse what needs no rounding (15 digits, exponent within 22): 0, else 1 for the slow road, -1 for no number."""
    cdef int64_t i = 0
    cdef uint64_t digits = 0
    cdef int count = 0, scale = 0, exponent = 0
    cdef bint negative = False, below = False, any_digit = False, negative_exponent = False
    if i < n and (p[i] == 0x2B or p[i] == 0x2D):
        negative = p[i] == 0x2D
        i += 1
    while i < n:
        if 0x30 <= p[i] <= 0x39:
            any_digit = True
            if count or p[i] != 0x30:
                count += 1
            digits = digits * 10 + (p[i] - 0x30)
            if below:
                scale -= 1
            if count > 15:
                return 1
        elif p[i] == 0x2E and not below:
            below = True
        else:
            break
        i += 1
    if not any_digit:
        return -1
    if i < n:
        if p[i] != 0x45 and p[i] != 0x65:
            return -1
        i += 1
        if i < n and (p[i] == 0x2B or p[i] == 0x2D):
            negative_exponent = p[i] == 0x2D
            i += 1
        if i == n:
            return -1
        while i < n:
            if not 0x30 <= p[i] <= 0x39:
                return -1
            exponent = exponent * 10 + (p[i] - 0x30)
            if exponent > 400:
                return 1
            i += 1
        scale += -exponent if negative_exponent else exponent
    out[0] = <double> digits
    if scale < -22 or scale > 22:
        return 1
    if scale < 0:
        out[0] /= POWERS[-scale]
    elif scale > 0:
        out[0] *= POWERS[scale]
    if negative:
        out[0] = -out[0]
    return 0


cdef int parse_integer(const uint8_t* p, int64_t n, int64_t* out) noexcept nogil:
    """Parse up to 18 digits: 0, else 1 for the slow road."""
    cdef int64_t i = 0
    cdef int64_t value = 0
    cdef bint negative = False
    if n and (p[0] == 0x2B or p[0] == 0x2D):
        negative = p[0] == 0x2D
        i = 1
    if i == n or n - i > 18:
        return 1
    while i < n:
        if not 0x30 <= p[i] <= 0x39:
            return 1
        value = value * 10 + (p[i] - 0x30)
        i += 1
    out[0] = -value if negative else value
    return 0


cdef inline int64_t next_piece(
    const uint8_t* p, int64_t start, int64_t size, int64_t* first, int64_t* last
) noexcept nogil:
    """The bounds of the piece that begins at ``start``, without blanks; returns where the next one begins."""
    cdef const uint8_t* bar = <const uint8_t*> memchr(p + start, 0x5C, size - start) if start < size else NULL
    cdef int64_t stop = bar - p if bar != NULL else size
    first[0], last[0] = start, stop
    while first[0] < last[0] and is_blank(p[first[0]]):
        first[0] += 1
    while last[0] > first[0] and is_blank(p[last[0] - 1]):
        last[0] -= 1
    return stop + 1


cdef inline int64_t plain_decimal(const uint8_t* p, int64_t start, int64_t size, double* out) noexcept nogil:
    """Parse a piece that is a sign, up to fifteen digits with a point among them, and spaces behind, in one go.

    Returns where the next piece begins; -1 for a piece that is anything else, or not surely exact.
    """
    cdef int64_t i = start
    cdef int64_t point = -1
    cdef int64_t first
    cdef uint64_t digits = 0
    cdef uint32_t digit
    cdef bint negative = i < size and p[i] == 0x2D
    if negative:
        i += 1
    first = i
    while i < size:
        digit = <uint32_t> p[i] - 0x30
        if digit <= 9:
            digits = digits * 10 + digit
        elif p[i] == 0x2E and point < 0:
            point = i + 1
        else:
            break
        i += 1
    if i - first > 16 or i - first < (2 if point >= 0 else 1) or (i - first == 16 and point < 0):
        return -1
    out[0] = <double> digits
    if point >= 0:
        out[0] /= POWERS[i - point]
    if negative:
        out[0] = -out[0]
    while i < size and is_blank(p[i]):
        i += 1
    return i + 1 if i == size or p[i] == 0x5C else -1


cdef int64_t count_pieces(const uint8_t* p, int64_t size) noexcept nogil:
    cdef int64_t count = 1 if size else 0
    cdef int64_t i
    for i in range(size):
        count += p[i] == 0x5C
    return count


cdef object slow(const uint8_t* p, int64_t first, int64_t last, object kind):
    text = p[first:last].decode("latin-1")
    try:
        return kind(text)
    except ValueError:
        raise DecodeError(f"{text[:32]!r} is not a number", offset=first) from None


def decimals(value):
    """The numbers of a DS value as a bytearray of doubles in native order; an empty one is not a number.

    Raises DecodeError with the offset inside the value.
    """
    cdef Py_buffer view
    cdef const uint8_t* p
    cdef double* out
    cdef int64_t i, count, plain, start = 0, first = 0, last = 0
    cdef int rc
    PyObject_GetBuffer(value, &view, PyBUF_SIMPLE)
    try:
        p = <const uint8_t*> view.buf
        count = count_pieces(p, view.len)
        data = bytearray(count * 8)
        out = <double*> PyByteArray_AS_STRING(data)
        with nogil:
            for i in range(count):
                plain = plain_decimal(p, start, view.len, out + i)
                if plain >= 0:
                    start = plain
                    continue
                start = next_piece(p, start, view.len, &first, &last)
                rc = parse_decimal(p + first, last - first, out + i)
                if rc != 0:
                    with gil:
                        out[i] = slow(p, first, last, float) if first < last else float("nan")
        return data
    finally:
        PyBuffer_Release(&view)


def integers(value):
    """The numbers of an IS value as a bytearray of 64-bit integers in native order.

    Raises DecodeError with the offset inside the value, for an empty number too.
    """
    cdef Py_buffer view
    cdef const uint8_t* p
    cdef int64_t* out
    cdef int64_t i, count, start = 0, first = 0, last = 0
    PyObject_GetBuffer(value, &view, PyBUF_SIMPLE)
    try:
        p = <const uint8_t*> view.buf
        count = count_pieces(p, view.len)
        data = bytearray(count * 8)
        out = <int64_t*> PyByteArray_AS_STRING(data)
        with nogil:
            for i in range(count):
                start = next_piece(p, start, view.len, &first, &last)
                if parse_integer(p + first, last - first, out + i) != 0:
                    with gil:
                        out[i] = slow(p, first, last, int)
        return data
    finally:
        PyBuffer_Release(&view)
