# Rows of a JPEG Lossless scan: differences out of bits, samples out of differences, samples into the image.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pacskit_ext._huffman cimport BAD_CODE, CodeTable, Reservoir, reservoir_fill, take, take_some
from pacskit_ext._predict cimport any_bits, undo_first_row, undo_row

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
    const uint64_t* looks[MAX_COMPONENTS]
    bint one_table           # for all components
    bint in_order            # the scan has all components as the image has them
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


cdef inline bint take_row_of_one(
    Reservoir* r, const uint64_t* look, const CodeTable* table, uint16_t* d, int64_t n
) noexcept nogil:
    """All with the same table; whether all were read."""
    cdef Reservoir q = r[0]
    cdef uint32_t a
    cdef int64_t count, more
    cdef int64_t x = 0
    while x + 4 <= n:
        reservoir_fill(&q)
        count = take_some(&q, look, table, d + x)
        x += count
        more = take_some(&q, look, table, d + x)
        x += more
        if not (count and more):
            r[0] = q
            return False
    while x < n:
        reservoir_fill(&q)
        a = take(&q, look, table)
        if a & BAD_CODE:
            r[0] = q
            return False
        d[x] = <uint16_t> a
        x += 1
    r[0] = q
    return True


cdef inline bint take_row_of_three(Reservoir* r, const Scan* scan, uint16_t* d, int64_t n) noexcept nogil:
    """Three components with tables of their own; whether all were read."""
    cdef Reservoir q = r[0]
    cdef const uint64_t* look0 = scan.looks[0]
    cdef const uint64_t* look1 = scan.looks[1]
    cdef const uint64_t* look2 = scan.looks[2]
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
            return False
        d[3 * x] = <uint16_t> a
        d[3 * x + 1] = <uint16_t> b
        d[3 * x + 2] = <uint16_t> c
    r[0] = q
    return True


cdef inline bint take_row(Reservoir* r, const Scan* scan, uint16_t* d) noexcept nogil:
    """The differences of a row, those of its components in turn; whether all were read."""
    cdef int64_t n = scan.columns
    cdef uint32_t value
    cdef int64_t x
    cdef int c
    if scan.one_table:
        return take_row_of_one(r, scan.looks[0], scan.tables[0], d, n * scan.count)
    if scan.count == 3:
        return take_row_of_three(r, scan, d, n)
    for x in range(n):
        for c in range(scan.count):
            reservoir_fill(r)
            value = take(r, scan.looks[c], scan.tables[c])
            if value & BAD_CODE:
                return False
            d[x * scan.count + c] = <uint16_t> value
    return True


cdef inline void put_samples(
    const Scan* scan, const uint16_t* row, int64_t from_step, uint8_t* to, int64_t to_step, int64_t n
) noexcept nogil:
    """Each sample to its cell, with the point transform undone and the copies of its sign."""
    cdef uint16_t* words = <uint16_t*> to
    cdef int shift = scan.shift
    cdef uint32_t sign = scan.sign
    cdef uint32_t mask = 2 * sign - 1 if sign else 0xFFFF
    cdef int64_t x
    if scan.itemsize == 1:
        for x in range(n):
            to[x * to_step] = <uint8_t> ((((<uint32_t> row[x * from_step] << shift) & mask) ^ sign) - sign)
    else:
        for x in range(n):
            words[x * to_step] = <uint16_t> ((((<uint32_t> row[x * from_step] << shift) & mask) ^ sign) - sign)


cdef inline void put_row(const Scan* scan, const uint16_t* row, int64_t y) noexcept nogil:
    cdef int64_t n = scan.columns
    cdef uint8_t* to = scan.out + y * n * scan.samples * scan.itemsize
    cdef int64_t x
    cdef int c
    if not scan.in_order:
        for c in range(scan.count):
            put_samples(scan, row + c, scan.count, to + scan.components[c] * scan.itemsize, scan.samples, n)
    elif scan.shift or scan.sign:
        put_samples(scan, row, 1, to, 1, n * scan.samples)
    elif scan.itemsize == 2:
        memcpy(to, row, 2 * n * scan.samples)
    else:
        for x in range(n * scan.samples):
            to[x] = <uint8_t> row[x]


cdef inline int finish_row(const Scan* scan, uint16_t* row, const uint16_t* up, int64_t y, bint first) noexcept nogil:
    """Differences to samples, and these to their places in the image."""
    cdef int64_t n = scan.columns * scan.count
    cdef int bits = scan.precision - scan.shift
    if first:
        undo_first_row(row, n, scan.count, <uint32_t> 1 << (bits - 1))
    elif scan.count == 1:
        undo_row(scan.predictor, row, up, n, 1)     # a constant: loops without strides
    else:
        undo_row(scan.predictor, row, up, n, scan.count)
    if any_bits(row, n) >> bits:
        return SCAN_RANGE
    put_row(scan, row, y)
    return SCAN_OK
