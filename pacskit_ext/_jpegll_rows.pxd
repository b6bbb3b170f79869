# Rows of a JPEG Lossless scan: differences out of bits, samples out of differences, samples into the image.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from pacskit_ext._huffman cimport BAD_CODE, CodeTable, Reservoir, reservoir_fill, take
from pacskit_ext._predict cimport any_bits, undo_row

cdef enum:
    MAX_COMPONENTS = 4

cdef enum:
    SCAN_OK = 0
    SCAN_NOMEM = -1
    SCAN_CODE = -2           # bits that are no code
    SCAN_SHORT = -3          # a marker before the last row
    SCAN_CUT = -4            # the end of the source before the last row
    SCAN_RANGE = -5          # a sample with more bits than the precision
    SCAN_MARKER = -6         # not the restart marker whose turn it is
    SCAN_LONG = -7           # bytes behind the last row


cdef struct Scan:
    int count
    int components[MAX_COMPONENTS]
    const CodeTable* tables[MAX_COMPONENTS]
    const uint32_t* looks[MAX_COMPONENTS]
    int predictor
    int shift                # the point transform
    int precision            # of the samples before it
    int64_t rows
    int64_t columns
    int64_t rows_between     # restart markers
    uint8_t* out             # where the image begins
    int samples              # components of the image
    int itemsize
    uint32_t sign            # the sign bit, 0 where values have none


cdef inline int64_t take_row_of_one(
    Reservoir* r, const uint32_t* look, const CodeTable* table, uint16_t* d, int64_t n
) noexcept nogil:
    """One component; how many differences were read."""
    cdef Reservoir q = r[0]
    cdef uint32_t a, b
    cdef int64_t x = 0
    while x + 2 <= n:
        reservoir_fill(&q)
        a = take(&q, look, table)
        b = take(&q, look, table)
        if (a | b) & BAD_CODE:
            break
        d[x] = <uint16_t> a
        d[x + 1] = <uint16_t> b
        x += 2
    if x + 1 == n:
        reservoir_fill(&q)
        a = take(&q, look, table)
        d[x] = <uint16_t> a
        if not a & BAD_CODE:
            x += 1
    r[0] = q
    return x


cdef inline int64_t take_row_of_three(
    Reservoir* r, const Scan* scan, uint16_t* d0, uint16_t* d1, uint16_t* d2, int64_t n
) noexcept nogil:
    cdef Reservoir q = r[0]
    cdef const uint32_t* look0 = scan.looks[0]
    cdef const uint32_t* look1 = scan.looks[1]
    cdef const uint32_t* look2 = scan.looks[2]
    cdef uint32_t a, b, c
    cdef int64_t x
    for x in range(n):
        reservoir_fill(&q)
        a = take(&q, look0, scan.tables[0])
        b = take(&q, look1, scan.tables[1])
        reservoir_fill(&q)
        c = take(&q, look2, scan.tables[2])
        if (a | b | c) & BAD_CODE:
            r[0] = q
            return x
        d0[x] = <uint16_t> a
        d1[x] = <uint16_t> b
        d2[x] = <uint16_t> c
    r[0] = q
    return n


cdef inline int64_t take_row(Reservoir* r, const Scan* scan, uint16_t* d) noexcept nogil:
    """The differences of a row, component by component; how many of each were read."""
    cdef int64_t n = scan.columns
    cdef uint32_t value
    cdef int64_t x
    cdef int c
    if scan.count == 1:
        return take_row_of_one(r, scan.looks[0], scan.tables[0], d, n)
    if scan.count == 3:
        return take_row_of_three(r, scan, d, d + n, d + 2 * n, n)
    for x in range(n):
        for c in range(scan.count):
            reservoir_fill(r)
            value = take(r, scan.looks[c], scan.tables[c])
            if value & BAD_CODE:
                return x
            d[c * n + x] = <uint16_t> value
    return n


cdef inline void put_bytes(const Scan* scan, const uint16_t* row, uint8_t* to) noexcept nogil:
    cdef int64_t step = scan.samples
    cdef int shift = scan.shift
    cdef uint32_t sign = scan.sign
    cdef uint32_t mask = 2 * sign - 1 if sign else 0xFFFF
    cdef int64_t x
    if shift == 0 and sign == 0:
        for x in range(scan.columns):
            to[x * step] = <uint8_t> row[x]
        return
    for x in range(scan.columns):
        to[x * step] = <uint8_t> ((((<uint32_t> row[x] << shift) & mask) ^ sign) - sign)


cdef inline void put_words(const Scan* scan, const uint16_t* row, uint8_t* to) noexcept nogil:
    cdef uint16_t* words = <uint16_t*> to
    cdef int64_t step = scan.samples
    cdef int shift = scan.shift
    cdef uint32_t sign = scan.sign
    cdef uint32_t mask = 2 * sign - 1 if sign else 0xFFFF
    cdef int64_t x
    if step == 1 and shift == 0 and sign == 0:
        memcpy(to, row, 2 * scan.columns)
        return
    for x in range(scan.columns):
        words[x * step] = <uint16_t> ((((<uint32_t> row[x] << shift) & mask) ^ sign) - sign)


cdef inline int finish_row(const Scan* scan, uint16_t* rows, uint16_t* above, int64_t y, bint first) noexcept nogil:
    """Differences to samples, and these to their places in the image."""
    cdef int64_t n = scan.columns
    cdef uint32_t limit = (<uint32_t> 1 << (scan.precision - scan.shift)) - 1
    cdef uint16_t* row
    cdef uint8_t* to
    cdef int c
    for c in range(scan.count):
        row = rows + c * n
        if first:
            undo_row(1, row, above, n, <uint32_t> 1 << (scan.precision - scan.shift - 1))
        else:
            undo_row(scan.predictor, row, above + c * n, n, above[c * n])
        if any_bits(row, n) > limit:
            return SCAN_RANGE
        to = scan.out + (y * n * scan.samples + scan.components[c]) * scan.itemsize
        if scan.itemsize == 1:
            put_bytes(scan, row, to)
        else:
            put_words(scan, row, to)
    return SCAN_OK
