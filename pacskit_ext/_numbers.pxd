# Numbers in text: decimal and integer strings (PS3.5 6.2).
from libc.stdint cimport int64_t, uint8_t

cdef inline bint is_blank(uint8_t c) noexcept nogil:
    return c == 0x20 or c == 0

cdef int parse_integer(const uint8_t* p, int64_t n, int64_t* out) noexcept nogil
cdef int parse_decimal(const uint8_t* p, int64_t n, double* out) noexcept nogil
