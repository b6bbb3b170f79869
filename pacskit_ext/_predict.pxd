# The predictors of JPEG's lossless process (T.81 H.1.2.1, table H.1): differences of a row of samples, and back.
#
#     Rc Rb       1: Ra   2: Rb   3: Rc   4: Ra + Rb - Rc   5: Ra + (Rb - Rc) / 2   6: Rb + (Ra - Rc) / 2
#     Ra x        7: (Ra + Rb) / 2
#
# A row has ``n`` samples, those of its ``step`` components in turn. All differences are modulo 2**16. The first sample
# of a component is against the one above whichever the predictor; in a row with none above all others are against the
# one to the left, and the first against ``start``.
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t


cdef inline void undo_left(uint16_t* d, int64_t n, int64_t step) noexcept nogil:
    cdef int64_t c, x
    cdef uint32_t a
    for c in range(step):
        a = d[c]
        x = c + step
        while x < n:
            a += d[x]
            d[x] = <uint16_t> a
            x += step


cdef inline void undo_plane(uint16_t* d, const uint16_t* up, int64_t n, int64_t step, int half) noexcept nogil:
    # 4 and 5: what does not depend on the sample to the left is put together first.
    cdef int64_t x
    for x in range(step, n):
        d[x] += <uint16_t> ((<int32_t> up[x] - <int32_t> up[x - step]) >> half)
    undo_left(d, n, step)


cdef inline void undo_half(uint16_t* d, const uint16_t* up, int64_t n, int64_t step, int predictor) noexcept nogil:
    # 6 and 7: all that does not depend on the sample to the left is put into the half.
    cdef int64_t c, x
    cdef int32_t a, more
    for c in range(step):
        a = d[c]
        x = c + step
        while x < n:
            if predictor == 6:
                more = 2 * (<int32_t> up[x] + <int32_t> d[x]) - <int32_t> up[x - step]
            else:
                more = <int32_t> up[x] + 2 * <int32_t> d[x]
            a = ((a + more) >> 1) & 0xFFFF
            d[x] = <uint16_t> a
            x += step


cdef inline void undo_first_row(uint16_t* d, int64_t n, int64_t step, uint32_t start) noexcept nogil:
    """Differences become samples in place, in a row with none above."""
    cdef int64_t c
    for c in range(step):
        d[c] += <uint16_t> start
    undo_left(d, n, step)


cdef inline void undo_row(int predictor, uint16_t* d, const uint16_t* up, int64_t n, int64_t step) noexcept nogil:
    """Differences become samples in place; ``up`` is the row above."""
    cdef int64_t x
    for x in range(step):
        d[x] += up[x]
    if predictor == 1:
        undo_left(d, n, step)
    elif predictor == 2:
        for x in range(step, n):
            d[x] += up[x]
    elif predictor == 3:
        for x in range(step, n):
            d[x] += up[x - step]
    elif predictor == 4:
        undo_plane(d, up, n, step, 0)
    elif predictor == 5:
        undo_plane(d, up, n, step, 1)
    elif predictor == 6:
        undo_half(d, up, n, step, 6)
    else:
        undo_half(d, up, n, step, 7)


cdef inline void differ_first_row(
    uint16_t* d, const uint16_t* row, int64_t n, int64_t step, uint32_t start
) noexcept nogil:
    """The differences of a row with none above."""
    cdef int64_t x
    for x in range(step):
        d[x] = <uint16_t> (row[x] - start)
    for x in range(step, n):
        d[x] = row[x] - row[x - step]


cdef inline void differ_row(
    int predictor, uint16_t* d, const uint16_t* row, const uint16_t* up, int64_t n, int64_t step
) noexcept nogil:
    """The differences of a row from what its neighbours predict."""
    cdef int64_t x
    for x in range(step):
        d[x] = row[x] - up[x]
    if predictor == 1:
        for x in range(step, n):
            d[x] = row[x] - row[x - step]
    elif predictor == 2:
        for x in range(step, n):
            d[x] = row[x] - up[x]
    elif predictor == 3:
        for x in range(step, n):
            d[x] = row[x] - up[x - step]
    elif predictor == 4:
        for x in range(step, n):
            d[x] = <uint16_t> (row[x] - (row[x - step] + up[x] - up[x - step]))
    elif predictor == 5:
        for x in range(step, n):
            d[x] = <uint16_t> (row[x] - (row[x - step] + ((<int32_t> up[x] - <int32_t> up[x - step]) >> 1)))
    elif predictor == 6:
        for x in range(step, n):
            d[x] = <uint16_t> (row[x] - (up[x] + ((<int32_t> row[x - step] - <int32_t> up[x - step]) >> 1)))
    else:
        for x in range(step, n):
            d[x] = <uint16_t> (row[x] - ((<uint32_t> row[x - step] + <uint32_t> up[x]) >> 1))


cdef inline uint32_t any_bits(const uint16_t* row, int64_t n) noexcept nogil:
    cdef uint16_t bits = 0
    cdef int64_t x
    for x in range(n):
        bits |= row[x]
    return bits
