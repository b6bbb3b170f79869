# The predictors of JPEG's lossless process (T.81 H.1.2.1, table H.1): differences of a row of samples, and back.
#
#     Rc Rb       1: Ra   2: Rb   3: Rc   4: Ra + Rb - Rc   5: Ra + (Rb - Rc) / 2   6: Rb + (Ra - Rc) / 2
#     Ra x        7: (Ra + Rb) / 2
#
# All differences are modulo 2**16. The first one of a row is against ``first``, whichever the predictor.
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t


cdef inline void undo_left(uint16_t* d, int64_t n, uint32_t a) noexcept nogil:
    cdef int64_t x
    for x in range(n):
        a += d[x]
        d[x] = <uint16_t> a


cdef inline void undo_up(uint16_t* d, const uint16_t* up, int64_t n) noexcept nogil:
    cdef int64_t x
    for x in range(n):
        d[x] += up[x]


cdef inline void undo_plane(uint16_t* d, const uint16_t* up, int64_t n, uint32_t a, int half) noexcept nogil:
    # 4 and 5: what does not depend on the sample to the left is put together first.
    cdef int64_t x
    a += d[0]
    d[0] = <uint16_t> a
    for x in range(1, n):
        a += <uint32_t> d[x] + <uint32_t> ((<int32_t> up[x] - <int32_t> up[x - 1]) >> half)
        d[x] = <uint16_t> a


cdef inline void undo_six(uint16_t* d, const uint16_t* up, int64_t n, uint32_t a) noexcept nogil:
    cdef int64_t x
    a = (a + d[0]) & 0xFFFF
    d[0] = <uint16_t> a
    for x in range(1, n):
        a = (<uint32_t> up[x] + <uint32_t> (<int32_t> (a - up[x - 1]) >> 1) + d[x]) & 0xFFFF
        d[x] = <uint16_t> a


cdef inline void undo_mean(uint16_t* d, const uint16_t* up, int64_t n, uint32_t a) noexcept nogil:
    cdef int64_t x
    a = (a + d[0]) & 0xFFFF
    d[0] = <uint16_t> a
    for x in range(1, n):
        a = (((a + up[x]) >> 1) + d[x]) & 0xFFFF
        d[x] = <uint16_t> a


cdef inline void undo_row(int predictor, uint16_t* d, const uint16_t* up, int64_t n, uint32_t first) noexcept nogil:
    """Differences become samples in place; ``up`` is the row above, which predictor 1 does not look at."""
    if predictor == 1:
        undo_left(d, n, first)
    elif predictor == 2:
        d[0] += <uint16_t> first
        undo_up(d + 1, up + 1, n - 1)
    elif predictor == 3:
        d[0] += <uint16_t> first
        undo_up(d + 1, up, n - 1)
    elif predictor == 4:
        undo_plane(d, up, n, first, 0)
    elif predictor == 5:
        undo_plane(d, up, n, first, 1)
    elif predictor == 6:
        undo_six(d, up, n, first)
    else:
        undo_mean(d, up, n, first)


cdef inline void difference_row(
    int predictor, uint16_t* d, const uint16_t* row, const uint16_t* up, int64_t n, uint32_t first
) noexcept nogil:
    """The differences of a row from what its neighbours predict."""
    cdef int64_t x
    d[0] = <uint16_t> (row[0] - first)
    if predictor == 1:
        for x in range(1, n):
            d[x] = row[x] - row[x - 1]
    elif predictor == 2:
        for x in range(1, n):
            d[x] = row[x] - up[x]
    elif predictor == 3:
        for x in range(1, n):
            d[x] = row[x] - up[x - 1]
    elif predictor == 4:
        for x in range(1, n):
            d[x] = <uint16_t> (row[x] - (row[x - 1] + up[x] - up[x - 1]))
    elif predictor == 5:
        for x in range(1, n):
            d[x] = <uint16_t> (row[x] - (row[x - 1] + ((<int32_t> up[x] - <int32_t> up[x - 1]) >> 1)))
    elif predictor == 6:
        for x in range(1, n):
            d[x] = <uint16_t> (row[x] - (up[x] + ((<int32_t> row[x - 1] - <int32_t> up[x - 1]) >> 1)))
    else:
        for x in range(1, n):
            d[x] = <uint16_t> (row[x] - ((<uint32_t> row[x - 1] + <uint32_t> up[x]) >> 1))


cdef inline uint32_t any_bits(const uint16_t* row, int64_t n) noexcept nogil:
    cdef uint32_t bits = 0
    cdef int64_t x
    for x in range(n):
        bits |= row[x]
    return bits
