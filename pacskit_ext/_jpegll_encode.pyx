"""Samples to JPEG Lossless code streams: process 14, any predictor (ITU-T T.81 annexes C, H, K.2; PS3.5 A.4.1).

Two passes: the first counts the categories of all differences, which gives the best Huffman codes and the exact
number of bits; the second writes, row by row, first without stuffing.
"""

from cpython.buffer cimport PyBUF_CONTIG_RO, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memchr, memcpy, memset

from pacskit_ext._errors import EncodeError
from pacskit_ext._huffman cimport Code, CodeTable, bit_length, codes_assign
from pacskit_ext._huffman_best cimport best_table
from pacskit_ext._predict cimport differ_first_row, differ_row
from pacskit_ext._span cimport store_u16, store_u64

cdef enum:
    MAX_COMPONENTS = 4
    MAX_SIDE = 65535
    CATEGORIES = 17
    HEAD_ROOM = 512          # markers and tables before the data of a scan
    MAX_ROW_BYTES = 8        # of a difference: 31 bits, each byte followed by a stuffed one

cdef enum:
    WRITE_OK = 0
    WRITE_NOMEM = -1
    WRITE_RANGE = -2         # a sample that does not fit in the precision


cdef struct Image:
    const uint8_t* base
    int itemsize
    int64_t rows
    int64_t columns
    int samples
    int precision
    bint has_sign
    int predictor
    int shift                # the point transform
    int64_t rows_between     # restart markers, 0 for none
    int table_of[MAX_COMPONENTS]
    CodeTable tables[MAX_COMPONENTS]
    Code codes[MAX_COMPONENTS][CATEGORIES]
    uint64_t counts[MAX_COMPONENTS][CATEGORIES]
    uint8_t ids[MAX_COMPONENTS]
    int table_count


cdef struct Rows:
    uint16_t* now            # samples, those of the components in turn
    uint16_t* above
    uint16_t* differences


cdef struct Output:
    uint8_t* base
    int64_t size
    int64_t room


# -- rows ----------------------------------------------------------------------------------------------------------


cdef inline bint load_row(const Image* image, int64_t y, uint16_t* to) noexcept nogil:
    """The samples of a row; whether all fit in the precision. Moved up by half the range, signed ones fit alike."""
    cdef int64_t n = image.columns * image.samples
    cdef const uint8_t* p = image.base + y * n * image.itemsize
    cdef const uint16_t* words = <const uint16_t*> p
    cdef uint16_t bias = <uint16_t> (1 << (image.precision - 1)) if image.has_sign else 0
    cdef uint16_t mask = <uint16_t> ((<uint32_t> 1 << image.precision) - 1)
    cdef uint16_t over = 0
    cdef int shift = image.shift
    cdef int64_t x
    if image.itemsize == 1:
        for x in range(n):
            over |= <uint8_t> (p[x] + bias)
            to[x] = (p[x] & mask) >> shift
    else:
        for x in range(n):
            over |= <uint16_t> (words[x] + bias)
            to[x] = (words[x] & mask) >> shift
    return not over >> image.precision


cdef inline bint next_row(const Image* image, int64_t y, Rows* rows) noexcept nogil:
    """The differences of the next row (T.81 H.1.2.1); whether its samples fit."""
    cdef bint first = y % image.rows_between == 0 if image.rows_between else y == 0
    cdef int64_t n = image.columns * image.samples
    cdef uint16_t* swap = rows.above
    rows.above = rows.now
    rows.now = swap
    if not load_row(image, y, rows.now):
        return False
    if first:
        differ_first_row(
            rows.differences, rows.now, n, image.samples, <uint32_t> 1 << (image.precision - image.shift - 1)
        )
    else:
        differ_row(image.predictor, rows.differences, rows.now, rows.above, n, image.samples)
    return True


cdef inline uint32_t category(uint16_t difference) noexcept nogil:
    """SSSS, table H.2."""
    cdef int32_t d = <int16_t> difference
    return bit_length(<uint32_t> (-d if d < 0 else d))


cdef inline void count_row(const uint16_t* d, int64_t n, int64_t step, uint64_t* counts) noexcept nogil:
    cdef uint32_t a[CATEGORIES]
    cdef uint32_t b[CATEGORIES]      # so that equal neighbours do not wait for each other
    cdef int64_t x = 0
    cdef int s
    memset(a, 0, sizeof(a))
    memset(b, 0, sizeof(b))
    while x + step < n:
        a[category(d[x])] += 1
        b[category(d[x + step])] += 1
        x += 2 * step
    if x < n:
        a[category(d[x])] += 1
    for s in range(CATEGORIES):
        counts[s] += a[s] + b[s]


cdef int count_all(Image* image, Rows* rows, int64_t* bad) noexcept nogil:
    cdef int64_t y
    cdef int c
    for y in range(image.rows):
        if not next_row(image, y, rows):
            bad[0] = y
            return WRITE_RANGE
        for c in range(image.samples):
            count_row(rows.differences + c, image.columns * image.samples - c, image.samples, image.counts[c])
    return WRITE_OK


# -- the best codes ------------------------------------------------------------------------------------------------


cdef uint64_t bits_with(const uint64_t* counts, const Code* codes) noexcept nogil:
    cdef uint64_t bits = 0
    cdef int s
    for s in range(CATEGORIES):
        bits += counts[s] * codes[s].length
    return bits


cdef uint64_t choose_tables(Image* image) noexcept nogil:
    """One table for all components, or one each where that saves a hundredth; the bits of all differences."""
    cdef uint64_t together[CATEGORIES]
    cdef uint64_t shared = 0
    cdef uint64_t apart = 0
    cdef CodeTable table
    cdef Code codes[CATEGORIES]
    cdef int c, s
    memset(together, 0, sizeof(together))
    for c in range(image.samples):
        for s in range(CATEGORIES):
            together[s] += image.counts[c][s]
        best_table(&image.tables[c], image.counts[c])
        codes_assign(image.codes[c], &image.tables[c])
        apart += bits_with(image.counts[c], image.codes[c])
        image.table_of[c] = c
    image.table_count = image.samples
    best_table(&table, together)
    codes_assign(codes, &table)
    shared = bits_with(together, codes)
    if apart + 8 * 32 * image.samples < shared - shared // 100:
        return apart
    image.table_count = 1
    image.tables[0] = table
    for c in range(image.samples):
        image.table_of[c] = 0
        memcpy(image.codes[c], codes, sizeof(codes))
    return shared


cdef int choose_predictor(Image* image, Rows* rows) noexcept nogil:
    """The predictor with the fewest bits, of all components together, in every eighth row."""
    cdef uint64_t counts[CATEGORIES]
    cdef uint64_t bits
    cdef uint64_t least = 0
    cdef int64_t n = image.columns * image.samples
    cdef int64_t step = 8 if image.rows > 64 else 1
    cdef int64_t y
    cdef int best = 1
    cdef int p
    cdef CodeTable table
    cdef Code codes[CATEGORIES]
    if image.rows == 1:          # which all predict alike
        return 1
    for p in range(1, 8):
        memset(counts, 0, sizeof(counts))
        y = 1
        while y < image.rows:
            load_row(image, y - 1, rows.above)
            load_row(image, y, rows.now)
            differ_row(p, rows.differences, rows.now, rows.above, n, image.samples)
            count_row(rows.differences, n, 1, counts)
            y += step
        best_table(&table, counts)
        codes_assign(codes, &table)
        bits = bits_with(counts, codes)
        if p == 1 or bits < least:
            least = bits
            best = p
    return best


# -- the code stream -----------------------------------------------------------------------------------------------


cdef inline void put_u16(Output* out, uint32_t value) noexcept nogil:
    store_u16(out.base + out.size, <uint16_t> value, True)
    out.size += 2


cdef inline void put_u8(Output* out, uint32_t value) noexcept nogil:
    out.base[out.size] = <uint8_t> value
    out.size += 1


cdef void put_tables(const Image* image, Output* out) noexcept nogil:
    cdef int64_t at = out.size + 2
    cdef int t
    put_u16(out, 0xFFC4)
    out.size += 2
    for t in range(image.table_count):
        put_u8(out, t)
        memcpy(out.base + out.size, image.tables[t].counts + 1, 16)
        memcpy(out.base + out.size + 16, image.tables[t].symbols, image.tables[t].total)
        out.size += 16 + image.tables[t].total
    store_u16(out.base + at, <uint16_t> (out.size - at), True)


cdef void put_head(const Image* image, Output* out) noexcept nogil:
    cdef int c
    put_u16(out, 0xFFD8)
    put_u16(out, 0xFFC3)
    put_u16(out, 8 + 3 * image.samples)
    put_u8(out, image.precision)
    put_u16(out, <uint32_t> image.rows)
    put_u16(out, <uint32_t> image.columns)
    put_u8(out, image.samples)
    for c in range(image.samples):
        put_u8(out, image.ids[c])
        put_u16(out, 0x1100)
    put_tables(image, out)
    if image.rows_between:
        put_u16(out, 0xFFDD)
        put_u16(out, 4)
        put_u16(out, <uint32_t> (image.rows_between * image.columns))
    put_u16(out, 0xFFDA)
    put_u16(out, 6 + 2 * image.samples)
    put_u8(out, image.samples)
    for c in range(image.samples):
        put_u8(out, image.ids[c])
        put_u8(out, image.table_of[c] << 4)
    put_u8(out, image.predictor)
    put_u8(out, 0)
    put_u8(out, image.shift)


cdef inline bint make_room(Output* out, int64_t more) noexcept nogil:
    cdef uint8_t* wider
    cdef int64_t room
    if out.room - out.size >= more:
        return True
    room = out.size + more + out.size // 4
    wider = <uint8_t*> realloc(out.base, room)
    if wider == NULL:
        return False
    out.base = wider
    out.room = room
    return True


cdef struct Writer:
    uint64_t word            # bits to write, from the highest
    uint64_t bits            # how many, below 8 between two differences
    uint8_t* p


cdef inline void write_one(Writer* w, const Code* codes, uint16_t difference) noexcept nogil:
    cdef int32_t d = <int16_t> difference
    cdef const Code* code = codes + bit_length(<uint32_t> (-d if d < 0 else d))
    w.word |= <uint64_t> (code.bits | (<uint32_t> (d + (d >> 31)) & code.mask)) << (64 - w.bits - code.length)
    w.bits += code.length
    store_u64(w.p, w.word, True)
    w.p += w.bits >> 3
    w.word <<= w.bits & 0x38
    w.bits &= 7


cdef inline void write_row(const Image* image, Writer* writer, const uint16_t* d) noexcept nogil:
    cdef Writer w = writer[0]
    cdef const Code* codes0 = image.codes[0]
    cdef const Code* codes1 = image.codes[1]
    cdef const Code* codes2 = image.codes[2]
    cdef int64_t n = image.columns
    cdef int64_t x
    cdef int c
    if image.table_count == 1:
        for x in range(n * image.samples):
            write_one(&w, codes0, d[x])
    elif image.samples == 3:
        for x in range(n):
            write_one(&w, codes0, d[3 * x])
            write_one(&w, codes1, d[3 * x + 1])
            write_one(&w, codes2, d[3 * x + 2])
    else:
        for x in range(n):
            for c in range(image.samples):
                write_one(&w, image.codes[c], d[x * image.samples + c])
    writer[0] = w


cdef inline void put_stuffed(Output* out, const uint8_t* p, int64_t count) noexcept nogil:
    """Each FF with 00 behind it (T.81 B.1.1.5)."""
    cdef const uint8_t* end = p + count
    cdef const uint8_t* found
    cdef int64_t n
    while True:
        found = <const uint8_t*> memchr(p, 0xFF, end - p)
        n = found + 1 - p if found != NULL else end - p
        memcpy(out.base + out.size, p, n)
        out.size += n
        if found == NULL:
            return
        put_u8(out, 0)
        p += n


cdef int write_all(const Image* image, Rows* rows, uint8_t* scratch, Output* out) noexcept nogil:
    cdef int64_t row = image.columns * image.samples
    cdef int64_t y
    cdef int64_t number = 0
    cdef Writer w
    w.word = w.bits = 0
    for y in range(image.rows):
        next_row(image, y, rows)
        if not make_room(out, MAX_ROW_BYTES * row + HEAD_ROOM):
            return WRITE_NOMEM
        w.p = scratch
        write_row(image, &w, rows.differences)
        if y + 1 == image.rows or (image.rows_between and (y + 1) % image.rows_between == 0):
            if w.bits:       # F.1.2.3: ones fill the last byte
                w.p[0] = <uint8_t> ((w.word >> 56) | (0xFF >> w.bits))
                w.p += 1
            w.word = w.bits = 0
        put_stuffed(out, scratch, w.p - scratch)
        if image.rows_between and y + 1 < image.rows and (y + 1) % image.rows_between == 0:
            put_u16(out, <uint32_t> (0xFFD0 + (number & 7)))
            number += 1
    put_u16(out, 0xFFD9)
    return WRITE_OK


cdef int encode_image(Image* image, Output* out, int64_t* bad) noexcept nogil:
    cdef int64_t row = image.columns * image.samples
    cdef uint16_t* lines = <uint16_t*> malloc(3 * row * sizeof(uint16_t))
    cdef uint8_t* scratch = <uint8_t*> malloc(4 * row + 16)
    cdef uint64_t bits
    cdef Rows rows
    cdef int rc = WRITE_NOMEM
    if lines != NULL and scratch != NULL:
        rows.now = lines
        rows.above = lines + row
        rows.differences = lines + 2 * row
        if image.predictor == 0:
            image.predictor = choose_predictor(image, &rows)
        rc = count_all(image, &rows, bad)
        if rc == WRITE_OK:
            bits = choose_tables(image)
            rc = WRITE_NOMEM
            if make_room(out, HEAD_ROOM + MAX_ROW_BYTES * row + <int64_t> (bits // 8 + bits // 512)):
                put_head(image, out)
                rc = write_all(image, &rows, scratch, out)
    free(lines)
    free(scratch)
    return rc


cdef int check_image(const Image* image, int64_t restart_rows, ids) except -1:
    if not (1 <= image.rows <= MAX_SIDE and 1 <= image.columns <= MAX_SIDE):
        raise EncodeError(f"JPEG Lossless cannot hold {image.rows} x {image.columns} pixels")
    if not 1 <= image.samples <= MAX_COMPONENTS:
        raise EncodeError(f"JPEG Lossless cannot hold {image.samples} components in a scan")
    if not 2 <= image.precision <= 8 * image.itemsize:
        raise EncodeError(f"JPEG Lossless cannot hold {image.precision} bits of {8 * image.itemsize}")
    if not 0 <= image.predictor <= 7:
        raise EncodeError(f"predictor {image.predictor} is not 1 to 7, nor 0 for the best of them")
    if not 0 <= image.shift < image.precision:
        raise EncodeError(f"a point transform of {image.shift} bits leaves none of {image.precision}")
    if not 0 <= restart_rows <= 0xFFFF or restart_rows * image.columns > 0xFFFF:
        raise EncodeError(f"a restart interval of {restart_rows} rows of {image.columns} samples is beyond 65535")
    if len(ids) != image.samples or len(set(ids) & set(range(256))) != image.samples:
        raise EncodeError(f"component identifiers {ids} for {image.samples} components")
    return 0


def encode(
    source,
    int64_t rows,
    int64_t columns,
    int samples=1,
    *,
    int precision,
    bint signed=False,
    int predictor=1,
    int point_transform=0,
    int64_t restart_rows=0,
    component_ids=None,
):
    """The code stream of an image, one interleaved scan with the best Huffman codes; with predictor 1: SV1.

    Predictor 0 is the one of the seven that seems to give the fewest bits.

    ``source`` is a contiguous buffer of 8-bit or 16-bit items in native order, colour by pixel. The lower
    ``precision`` bits of each are kept; what else there is must be the sign's copies, or zeros. No APPn segment says
    what the components mean.

    Raises EncodeError for what the process cannot hold, and for a sample that needs more bits.
    """
    cdef Image image
    cdef Output out
    cdef Py_buffer data
    cdef int64_t bad = 0
    cdef int rc, i
    memset(&image, 0, sizeof(Image))
    memset(&out, 0, sizeof(Output))
    PyObject_GetBuffer(source, &data, PyBUF_CONTIG_RO)
    try:
        image.base = <const uint8_t*> data.buf
        image.itemsize = <int> data.itemsize
        image.rows, image.columns, image.samples = rows, columns, samples
        image.precision, image.has_sign = precision, signed
        image.predictor, image.shift = predictor, point_transform
        image.rows_between = restart_rows
        ids = tuple(component_ids) if component_ids is not None else tuple(range(1, samples + 1))
        check_image(&image, restart_rows, ids)
        if image.itemsize not in (1, 2) or data.len != rows * columns * samples * image.itemsize:
            raise ValueError(f"{data.len} bytes of {data.itemsize} each for {rows} x {columns} x {samples} samples")
        if <size_t> data.buf % image.itemsize:
            raise ValueError("the samples are not aligned")
        for i in range(samples):
            image.ids[i] = ids[i]
        with nogil:
            rc = encode_image(&image, &out, &bad)
        if rc == WRITE_NOMEM:
            raise MemoryError
        if rc == WRITE_RANGE:
            raise EncodeError(f"row {bad} has samples that do not fit in {precision} bits")
        return PyBytes_FromStringAndSize(<char*> out.base, out.size)
    finally:
        free(out.base)
        PyBuffer_Release(&data)
