"""JPEG Lossless code streams to samples: process 14, any predictor (ITU-T T.81 annex H; PS3.5 A.4.1).

The entropy-coded bytes of a restart interval are laid out without stuffing first, with room behind that a row of the
longest codes could use: so nothing is checked for each sample but whether its bits are a code, and after each row
whether so many bits were there.
"""

from cpython.buffer cimport PyBUF_CONTIG, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcpy, memset

from pacskit_ext._errors import DecodeError, TruncatedError
from pacskit_ext._huffman cimport (
    LOOK_SIZE, MAX_CATEGORY, CodeTable, Reservoir, look_up_build, reservoir_open, reservoir_used, table_is_prefix_free,
)
from pacskit_ext._jpegll_rows cimport (
    MAX_COMPONENTS, SCAN_CODE, SCAN_CUT, SCAN_LONG, SCAN_MARKER, SCAN_NOMEM, SCAN_OK, SCAN_RANGE, SCAN_SHORT, Scan,
    finish_row, take_row,
)
from pacskit_ext._span cimport load_u16

cdef enum:
    SOF3 = 0xC3
    DHT = 0xC4
    RST0 = 0xD0
    SOI = 0xD8
    EOI = 0xD9
    SOS = 0xDA
    DNL = 0xDC
    DRI = 0xDD

cdef enum:
    MAX_SIDE = 65535
    MAX_ROW_BITS = 31        # of the longest code and its difference
    SLACK = 8                # bytes that an encoder may leave behind the last difference of an interval


cdef struct Component:
    uint8_t id
    uint8_t table            # of the scan
    bint seen                # in a scan


cdef struct Stream:
    const uint8_t* base
    int64_t pos
    int64_t end
    int64_t frame            # where the frame header is, -1 before
    int precision
    int64_t rows             # 0: a DNL segment behind the first scan tells
    int64_t columns
    int count
    int64_t interval         # samples of a component between restart markers, 0 for none
    Component components[MAX_COMPONENTS]
    CodeTable tables[4]


# -- entropy-coded data --------------------------------------------------------------------------------------------


cdef int64_t unstuff(const uint8_t* p, const uint8_t* end, uint8_t* to, const uint8_t** stop) noexcept nogil:
    """Bytes up to a marker or the end, each FF 00 as FF; how many, and where what follows begins (T.81 B.1.1.5)."""
    cdef uint8_t* begin = to
    cdef const uint8_t* found
    cdef int64_t n
    while True:
        found = <const uint8_t*> memchr(p, 0xFF, end - p)
        n = (found if found != NULL else end) - p
        memcpy(to, p, n)
        to += n
        p += n
        if p + 1 >= end or p[1] != 0:
            stop[0] = p
            return to - begin
        to[0] = 0xFF
        to += 1
        p += 2


cdef int64_t stuffed_offset(const uint8_t* p, int64_t count) noexcept nogil:
    """How many bytes of the source the first ``count`` ones without stuffing are."""
    cdef int64_t at = 0
    for _ in range(count):
        at += 2 if p[at] == 0xFF else 1
    return at


cdef int read_rows(
    const Scan* scan, const uint8_t* bytes_, int64_t size, uint16_t** lines, int64_t y, int64_t last, int64_t* at
) noexcept nogil:
    """The rows of a restart interval; ``at``: the byte without stuffing where an error is."""
    cdef Reservoir r
    cdef uint16_t* swap
    cdef int64_t used = 0
    cdef bint whole
    cdef int64_t first = y
    cdef int rc
    reservoir_open(&r, bytes_)
    for y in range(first, last):
        at[0] = used >> 3
        whole = take_row(&r, scan, lines[0])
        used = reservoir_used(&r, bytes_)
        if used > 8 * size:
            at[0] = size
            return SCAN_SHORT
        if not whole:
            at[0] = used >> 3
            return SCAN_CODE
        rc = finish_row(scan, lines[0], lines[1], y, y == first)
        if rc != SCAN_OK:
            return rc
        swap = lines[0]
        lines[0] = lines[1]
        lines[1] = swap
    at[0] = (used + 7) >> 3
    return SCAN_LONG if size - at[0] > SLACK else SCAN_OK


cdef inline const uint8_t* skip_fill(const uint8_t* p, const uint8_t* end) noexcept nogil:
    """From the FF before a marker to the last of such (T.81 B.1.1.2)."""
    while p + 1 < end and p[1] == 0xFF:
        p += 1
    return p


cdef int read_intervals(
    const Scan* scan, const uint8_t* base, int64_t size, uint8_t* bytes_, uint16_t** lines, int64_t* at
) noexcept nogil:
    """All restart intervals of a scan; ``at``: where what follows it begins, or an error is."""
    cdef const uint8_t* p = base
    cdef const uint8_t* end = base + size
    cdef const uint8_t* stop = base
    cdef int64_t room = (MAX_ROW_BITS * scan.columns * scan.count) // 8 + 32
    cdef int64_t y = 0
    cdef int64_t number = 0
    cdef int64_t here = 0
    cdef int64_t count, last
    cdef int rc
    while True:
        count = unstuff(p, end, bytes_, &stop)
        memset(bytes_ + count, 0, room)
        last = min(y + scan.rows_between, scan.rows) if scan.rows_between else scan.rows
        rc = read_rows(scan, bytes_, count, lines, y, last, &here)
        if rc != SCAN_OK:
            at[0] = (p - base) + stuffed_offset(p, here)
            return SCAN_CUT if rc == SCAN_SHORT and stop + 1 >= end else rc
        stop = skip_fill(stop, end)
        at[0] = stop - base
        if last == scan.rows:
            return SCAN_OK
        if stop + 1 >= end:
            return SCAN_CUT
        if stop[1] != RST0 + (number & 7):
            return SCAN_MARKER
        p = stop + 2
        y = last
        number += 1


cdef int read_scan(const Scan* scan, const uint8_t* base, int64_t size, int64_t* at) noexcept nogil:
    cdef int64_t row = scan.columns * scan.count
    cdef uint8_t* bytes_ = <uint8_t*> malloc(size + (MAX_ROW_BITS * row) // 8 + 32)
    cdef uint16_t* lines = <uint16_t*> malloc(2 * row * sizeof(uint16_t))
    cdef uint16_t* pair[2]
    cdef int rc = SCAN_NOMEM
    if bytes_ != NULL and lines != NULL:
        pair[0] = lines
        pair[1] = lines + row
        rc = read_intervals(scan, base, size, bytes_, pair, at)
    free(bytes_)
    free(lines)
    return rc


# -- marker segments -----------------------------------------------------------------------------------------------


cdef int next_marker(Stream* s) except -1:
    """The code of the marker at the position, which then is behind it."""
    cdef int code
    if s.pos >= s.end:
        raise TruncatedError("the code stream ends where a marker is due", offset=s.pos)
    if s.base[s.pos] != 0xFF:
        raise DecodeError(f"0x{s.base[s.pos]:02X} where a marker is due", offset=s.pos)
    s.pos = skip_fill(s.base + s.pos, s.base + s.end) - s.base
    if s.pos + 1 >= s.end:
        raise TruncatedError("the code stream ends inside a marker", offset=s.pos)
    code = s.base[s.pos + 1]
    if code == 0:
        raise DecodeError("a stuffed byte where a marker is due", offset=s.pos)
    s.pos += 2
    return code


cdef int64_t segment_end(Stream* s, int64_t least) except -1:
    """Where the segment of the marker just read ends; the position is then behind its length."""
    cdef int64_t length
    if s.end - s.pos < 2:
        raise TruncatedError("the code stream ends inside a marker segment", offset=s.pos)
    length = load_u16(s.base + s.pos, True)
    if length < 2 + least:
        raise DecodeError(f"a marker segment of {length} bytes is too short", offset=s.pos)
    if length > s.end - s.pos:
        raise TruncatedError("the code stream ends inside a marker segment", offset=s.pos)
    s.pos += 2
    return s.pos + length - 2


cdef int read_frame(Stream* s, int64_t end) except -1:
    """B.2.2: the frame header."""
    cdef const uint8_t* p = s.base + s.pos
    cdef int i
    if s.frame >= 0:
        raise DecodeError("a second frame header", offset=s.pos)
    s.frame = s.pos
    s.precision = p[0]
    s.rows = load_u16(p + 1, True)
    s.columns = load_u16(p + 3, True)
    s.count = p[5]
    if not 2 <= s.precision <= 16:
        raise DecodeError(f"a precision of {s.precision} bits is not 2 to 16", offset=s.pos)
    if not 1 <= s.count <= MAX_COMPONENTS or s.columns == 0:
        raise DecodeError(f"{s.count} components of {s.columns} columns", offset=s.pos)
    if end - s.pos != 6 + 3 * s.count:
        raise DecodeError("a frame header's length is not that of its components", offset=s.pos)
    for i in range(s.count):
        s.components[i].id = p[6 + 3 * i]
        s.components[i].seen = False
        if s.count > 1 and p[7 + 3 * i] != 0x11:
            raise DecodeError("components with sampling factors are not supported", offset=s.pos + 7 + 3 * i)
    return 0


cdef int read_tables(Stream* s, int64_t end) except -1:
    """B.2.4.2: Huffman tables; those of AC coefficients are passed over."""
    cdef CodeTable table
    cdef const uint8_t* p
    cdef int64_t total
    cdef int n, where
    while s.pos < end:
        p = s.base + s.pos
        if end - s.pos < 17:
            raise DecodeError("a Huffman table is cut short", offset=s.pos)
        total = 0
        for n in range(1, 17):
            total += p[n]
        if end - s.pos < 17 + total:
            raise DecodeError("a Huffman table is cut short", offset=s.pos)
        where = p[0]
        if where & 0xEC:
            raise DecodeError(f"a Huffman table for 0x{where:02X}, which is none", offset=s.pos)
        if where < 4:
            if total > MAX_CATEGORY + 1 or any([p[17 + n] > MAX_CATEGORY for n in range(total)]):
                raise DecodeError("a Huffman table with more than the 17 categories", offset=s.pos)
            memset(&table, 0, sizeof(CodeTable))
            memcpy(table.counts + 1, p + 1, 16)
            memcpy(table.symbols, p + 17, total)
            table.total = <uint8_t> total
            table.defined = True
            if not table_is_prefix_free(&table):
                raise DecodeError("a Huffman table with more codes than there are", offset=s.pos)
            s.tables[where] = table
        s.pos += 17 + total
    return 0


cdef int read_scan_header(Stream* s, int64_t end, Scan* scan) except -1:
    """B.2.3 and H.1.2.1: which components, with which tables, predictor and point transform."""
    cdef const uint8_t* p = s.base + s.pos
    cdef int i, k, table
    if s.frame < 0:
        raise DecodeError("a scan before the frame header", offset=s.pos)
    scan.count = p[0]
    if not 1 <= scan.count <= s.count or end - s.pos != 4 + 2 * scan.count:
        raise DecodeError(f"a scan header with {scan.count} components", offset=s.pos)
    for i in range(scan.count):
        for k in range(s.count):
            if s.components[k].id == p[1 + 2 * i] and not s.components[k].seen:
                break
        else:
            raise DecodeError(f"component {p[1 + 2 * i]} is not one or not a new one", offset=s.pos + 1 + 2 * i)
        table = p[2 + 2 * i] >> 4
        if table > 3 or not s.tables[table].defined:
            raise DecodeError(f"there is no Huffman table {table}", offset=s.pos + 2 + 2 * i)
        s.components[k].seen = True
        s.components[k].table = table
        scan.components[i] = k
        scan.tables[i] = &s.tables[table]
    p += 1 + 2 * scan.count
    scan.predictor = p[0]
    scan.shift = p[2] & 15
    if not 1 <= scan.predictor <= 7 or p[1] != 0 or p[2] >> 4:
        raise DecodeError(f"predictor {p[0]}, Se {p[1]}, Ah {p[2] >> 4} are not of lossless coding", offset=end - 3)
    if scan.shift >= s.precision:
        raise DecodeError(f"a point transform of {scan.shift} bits leaves none of {s.precision}", offset=end - 1)
    return 0


cdef int check_format(Stream* s, int64_t rows, int64_t columns, int samples, int itemsize) except -1:
    if s.columns != columns or s.count != samples or (s.rows != rows and s.rows != 0):
        raise DecodeError(
            f"the code stream has {s.rows} x {s.columns} pixels of {s.count} components, "
            f"not {rows} x {columns} of {samples}", offset=s.frame,
        )
    if s.precision > 8 * itemsize:
        raise DecodeError(f"samples of {s.precision} bits do not fit in {8 * itemsize}", offset=s.frame)
    return 0


cdef int raise_scan(int rc, int64_t offset) except -1:
    if rc == SCAN_NOMEM:
        raise MemoryError
    if rc == SCAN_CUT:
        raise TruncatedError("the code stream ends before the last row", offset=offset)
    if rc == SCAN_SHORT:
        raise TruncatedError("a marker comes before the last row of its data", offset=offset)
    if rc == SCAN_CODE:
        raise DecodeError("bits that are no Huffman code", offset=offset)
    if rc == SCAN_RANGE:
        raise DecodeError("a row with samples outside the precision", offset=offset)
    if rc == SCAN_MARKER:
        raise DecodeError("not the restart marker whose turn it is", offset=offset)
    raise DecodeError("entropy-coded data goes on behind the last sample", offset=offset)


cdef int decode_scan(Stream* s, Scan* scan, uint64_t* looks) except -1:
    cdef int64_t at = 0
    cdef int rc, i, k, table
    if s.interval % s.columns:
        raise DecodeError(f"a restart interval of {s.interval} is not a number of rows", offset=s.pos)
    scan.rows_between = s.interval // s.columns
    scan.precision = s.precision
    scan.one_table = True
    scan.in_order = scan.count == scan.samples
    for i in range(scan.count):
        table = s.components[scan.components[i]].table
        scan.looks[i] = looks + table * LOOK_SIZE
        scan.one_table = scan.one_table and scan.looks[i] == scan.looks[0]
        scan.in_order = scan.in_order and scan.components[i] == i
        for k in range(i):
            if s.components[scan.components[k]].table == table:
                break
        else:
            look_up_build(looks + table * LOOK_SIZE, &s.tables[table])
    with nogil:
        rc = read_scan(scan, s.base + s.pos, s.end - s.pos, &at)
    s.pos += at
    if rc != SCAN_OK:
        raise_scan(rc, s.pos)
    return 0


cdef int read_lines(Stream* s, int64_t rows) except -1:
    """B.2.5: the number of lines, where the frame header has 0."""
    cdef int64_t end
    if next_marker(s) != DNL:
        raise DecodeError("no number of lines, neither in the frame header nor behind the first scan", offset=s.pos - 2)
    end = segment_end(s, 2)
    s.rows = load_u16(s.base + s.pos, True)
    if s.rows != rows:
        raise DecodeError(f"the code stream has {s.rows} rows, not {rows}", offset=s.pos)
    s.pos = end
    return 0


cdef int other_marker(Stream* s, int code) except -1:
    """What only has to be passed over, and what is not of this process."""
    if 0xC0 <= code <= 0xCF and code not in (0xC8, 0xCC):
        raise DecodeError(f"a frame of type 0xFF{code:02X} is not JPEG Lossless with Huffman codes", offset=s.pos - 2)
    if not (0xE0 <= code <= 0xEF or code in (0xDB, 0xDC, 0xFE)):
        raise DecodeError(f"marker 0xFF{code:02X} does not belong here", offset=s.pos - 2)
    s.pos = segment_end(s, 0)
    return 0


cdef int64_t decode_stream(Stream* s, Scan* scan, uint64_t* looks) except -1:
    """All scans; returns the position behind the last one, or behind the EOI that follows it."""
    cdef int missing = MAX_COMPONENTS
    cdef int code
    cdef int64_t end
    if next_marker(s) != SOI:
        raise DecodeError("the code stream does not begin with SOI", offset=0)
    while missing:
        code = next_marker(s)
        if code == SOF3:
            end = segment_end(s, 9)
            read_frame(s, end)
            check_format(s, scan.rows, scan.columns, scan.samples, scan.itemsize)
            missing = s.count
            s.pos = end
        elif code == DHT:
            read_tables(s, segment_end(s, 0))
        elif code == DRI:
            end = segment_end(s, 2)
            s.interval = load_u16(s.base + s.pos, True)
            s.pos = end
        elif code == SOS:
            end = segment_end(s, 6)
            read_scan_header(s, end, scan)
            s.pos = end
            decode_scan(s, scan, looks)
            if s.rows == 0:
                read_lines(s, scan.rows)
            missing -= scan.count
        elif code == EOI:
            raise TruncatedError("EOI comes before all components", offset=s.pos - 2)
        else:
            other_marker(s, code)
    end = s.end if s.pos >= s.end or s.base[s.pos] != 0xFF else skip_fill(s.base + s.pos, s.base + s.end) - s.base
    if s.end - end >= 2 and s.base[end + 1] == EOI:
        s.pos = end + 2
    return s.pos


def decode(source, out, int64_t rows, int64_t columns, int samples=1, *, int sign_bits=0):
    """Fill ``out`` with the samples of a code stream, colour by pixel; returns the offset behind what was read.

    ``out`` is a writable buffer of 8-bit or 16-bit items in native order, as many as there are samples. Values get
    the sign of their bit ``sign_bits - 1``; 0: they have none. EOI is not asked for, every sample is.

    Raises DecodeError or TruncatedError with the offset for anything that is not a code stream of that very format.
    """
    cdef Stream s
    cdef Scan scan
    cdef Py_buffer data, target
    cdef uint64_t* looks
    memset(&s, 0, sizeof(Stream))
    memset(&scan, 0, sizeof(Scan))
    if not (1 <= rows <= MAX_SIDE and 1 <= columns <= MAX_SIDE and 1 <= samples <= MAX_COMPONENTS):
        raise ValueError(f"not the format of an image: {rows} x {columns} x {samples}")
    if not 0 <= sign_bits <= 16:
        raise ValueError(f"{sign_bits} bits with a sign")
    PyObject_GetBuffer(out, &target, PyBUF_CONTIG)
    try:
        if target.itemsize not in (1, 2) or target.len != rows * columns * samples * target.itemsize:
            raise ValueError(f"{target.len} bytes of {target.itemsize} each for {rows} x {columns} x {samples} samples")
        if <size_t> target.buf % target.itemsize:
            raise ValueError("out is not aligned")
        PyObject_GetBuffer(source, &data, PyBUF_SIMPLE)
        looks = <uint64_t*> malloc(4 * LOOK_SIZE * sizeof(uint64_t))
        try:
            if looks == NULL:
                raise MemoryError
            s.base = <const uint8_t*> data.buf
            s.end = data.len
            s.frame = -1
            scan.rows, scan.columns, scan.samples = rows, columns, samples
            scan.itemsize = <int> target.itemsize
            scan.out = <uint8_t*> target.buf
            scan.sign = <uint32_t> 1 << (sign_bits - 1) if 0 < sign_bits < 8 * target.itemsize else 0
            return decode_stream(&s, &scan, looks)
        finally:
            free(looks)
            PyBuffer_Release(&data)
    finally:
        PyBuffer_Release(&target)
