"""Whether the scans of a sequential Huffman JPEG are whole (ITU-T T.81): every symbol is read, nothing is computed.

Decoders of JPEG fill what is missing or damaged with grey and say nothing; a PACS must not.
"""

from cpython.buffer cimport PyBUF_SIMPLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from pacskit_ext._errors import DecodeError, TruncatedError
from pacskit_ext._span cimport load_u16, load_u64

cdef extern from *:
    """
    #define PK_ONES UINT64_C(0x0101010101010101)
    #define PK_HIGHS UINT64_C(0x8080808080808080)
    """
    const uint64_t ONES "PK_ONES"
    const uint64_t HIGHS "PK_HIGHS"

cdef enum:
    LOOK = 10              # bits of a code that are looked up at once
    LONGEST = 16
    END = 1 << 16          # the block ends
    MOST_PARTS = 4
    MOST_BLOCKS = 10       # of an MCU (B.2.3)

cdef enum:
    SCAN_OK = 0
    SCAN_OTHER = 1         # a process that is not read here
    SCAN_CUT = -1
    SCAN_CODE = -2         # no such Huffman code
    SCAN_BLOCK = -3        # a block of more than 64 coefficients
    SCAN_LONG = -4         # data after the last block
    SCAN_RESTART = -5
    SCAN_MARKER = -6
    SCAN_SEGMENT = -7
    SCAN_TABLE = -8        # a scan without its table
    SCAN_MISSING = -9      # a component without a scan

cdef tuple _TEXTS = (
    "", "the JPEG code stream ends before its last block", "no Huffman code of this JPEG",
    "a JPEG block of more than 64 coefficients", "JPEG data go on after the last block",
    "a JPEG restart marker was expected here", "a JPEG marker was expected here", "a JPEG segment that is not valid",
    "a JPEG scan without its Huffman table", "a JPEG component without a scan",
)


cdef struct Table:
    bint present
    uint16_t[1 << LOOK] fast     # length << 8 | symbol; 0 where the code is longer
    uint32_t[1 << LOOK] several  # AC symbols that are whole in these bits: END | coefficients << 8 | bits; 0: none
    int32_t[LONGEST + 2] end     # one past the last code of each length
    int32_t[LONGEST + 2] shift   # from a code to the number of its symbol
    uint8_t[256] symbols


cdef struct Part:
    int id
    int across
    int down
    bint seen


cdef struct Jpeg:
    const uint8_t* base
    int64_t pos
    int64_t end
    uint64_t bits          # left aligned; what is below count is what comes next, or 0
    int count
    int rows
    int columns
    int parts
    int interval
    Part[MOST_PARTS] part
    Table[4] dc
    Table[4] ac


# -- bits --------------------------------------------------------------------------------------------------------------


cdef inline void refill(Jpeg* j) noexcept nogil:
    """To 56 bits and more, less where a marker or the end comes before (B.1.1.5)."""
    cdef uint64_t v
    if j.end - j.pos >= 8:
        v = load_u64(j.base + j.pos, True)
        if not ((~v) - ONES) & v & HIGHS:  # no FF
            j.bits |= v >> j.count
            j.pos += (63 - j.count) >> 3
            j.count |= 56
            return
    while j.count <= 56 and j.pos < j.end:
        if j.base[j.pos] == 0xFF:
            if j.pos + 1 >= j.end or j.base[j.pos + 1] != 0:
                return
            j.bits |= <uint64_t> 0xFF << (56 - j.count)
            j.pos += 2
        else:
            j.bits |= <uint64_t> j.base[j.pos] << (56 - j.count)
            j.pos += 1
        j.count += 8


cdef inline int symbol(Jpeg* j, const Table* table) noexcept nogil:
    """The next symbol, with the bits that its low half announces read too; negative for an error."""
    cdef int entry, length, code, value, total
    if j.count < 32:
        refill(j)
    entry = table.fast[j.bits >> (64 - LOOK)]
    if entry:
        length = entry >> 8
        value = entry & 0xFF
    else:
        length = LOOK + 1
        code = <int> (j.bits >> (64 - LOOK - 1))
        while length <= LONGEST and code >= table.end[length]:
            length += 1
            code = <int> (j.bits >> (64 - length))
        if length > LONGEST:
            return SCAN_CUT if j.count < LONGEST else SCAN_CODE
        value = table.symbols[(code + table.shift[length]) & 0xFF]
    total = length + (value & 15)
    if total > j.count:
        return SCAN_CUT
    j.bits <<= total
    j.count -= total
    return value


cdef inline int read_block(Jpeg* j, const Table* dc, const Table* ac) noexcept nogil:
    """One block of 64 coefficients (F.2.2)."""
    cdef int value = symbol(j, dc)
    cdef int k = 1
    cdef int entry
    if value < 0:
        return value
    if value > 15:
        return SCAN_CODE
    while k < 64:
        if j.count < 32:
            refill(j)
        entry = <int> ac.several[j.bits >> (64 - LOOK)]
        if entry and k + (entry >> 8 & 0xFF) < 64 and (entry & 0xFF) <= j.count:
            j.bits <<= entry & 0xFF
            j.count -= entry & 0xFF
            if entry & END:
                break
            k += entry >> 8
            continue
        value = symbol(j, ac)
        if value & 15:
            if value < 0:
                return value
            k += (value >> 4) + 1
        elif value == 0xF0:
            k += 16
        else:
            break
    return SCAN_OK if k <= 64 else SCAN_BLOCK


# -- segments ----------------------------------------------------------------------------------------------------------


cdef void build_several(Table* table) noexcept nogil:
    """What the first bits hold, as far as it is whole in them."""
    cdef int i, bits, coefficients, entry, length, value, done
    for i in range(1 << LOOK):
        bits = 0
        coefficients = 0
        done = 0
        while done == 0:
            entry = table.fast[(i << bits) & ((1 << LOOK) - 1)]
            value = entry & 0xFF
            length = (entry >> 8) + (value & 15)
            if entry == 0 or bits + length > LOOK:
                break
            bits += length
            if value & 15:
                coefficients += (value >> 4) + 1
            elif value == 0xF0:
                coefficients += 16
            else:
                done = END
        table.several[i] = <uint32_t> (done | coefficients << 8 | bits)


cdef int build(Table* table, const uint8_t* counts) noexcept nogil:
    """The codes of a table (C.2); the symbols are there."""
    cdef int code = 0
    cdef int number = 0
    cdef int length, i, k
    memset(table.fast, 0, sizeof(table.fast))
    for length in range(1, LONGEST + 1):
        table.shift[length] = number - code
        for i in range(number, number + counts[length - 1]):
            if code >= 1 << length:
                return SCAN_SEGMENT
            if length <= LOOK:
                for k in range(1 << (LOOK - length)):
                    table.fast[(code << (LOOK - length)) | k] = <uint16_t> (length << 8 | table.symbols[i])
            code += 1
        number += counts[length - 1]
        table.end[length] = code
        code <<= 1
    table.present = True
    return SCAN_OK


cdef int read_tables(Jpeg* j, int64_t pos, int64_t end) noexcept nogil:
    """A DHT segment (B.2.4.2)."""
    cdef Table* table
    cdef int total, i, rc
    while pos < end:
        if end - pos < 17 or j.base[pos] & 0xEC:
            return SCAN_SEGMENT
        table = &j.dc[j.base[pos] & 3]
        if j.base[pos] & 0x10:
            table = &j.ac[j.base[pos] & 3]
        total = 0
        for i in range(16):
            total += j.base[pos + 1 + i]
        if total > 256 or end - pos - 17 < total:
            return SCAN_SEGMENT
        for i in range(total):
            table.symbols[i] = j.base[pos + 17 + i]
        rc = build(table, j.base + pos + 1)
        if rc != SCAN_OK:
            return rc
        if j.base[pos] & 0x10:
            build_several(table)
        pos += 17 + total
    return SCAN_OK


cdef int read_frame(Jpeg* j, int64_t pos, int64_t length) noexcept nogil:
    """A SOF segment (B.2.2)."""
    cdef int i
    if length < 6 or j.parts:
        return SCAN_SEGMENT
    j.rows = load_u16(j.base + pos + 1, True)
    j.columns = load_u16(j.base + pos + 3, True)
    j.parts = j.base[pos + 5]
    if not 1 <= j.parts <= MOST_PARTS or length != 6 + 3 * j.parts or not j.rows or not j.columns:
        return SCAN_SEGMENT
    for i in range(j.parts):
        j.part[i].id = j.base[pos + 6 + 3 * i]
        j.part[i].across = j.base[pos + 7 + 3 * i] >> 4
        j.part[i].down = j.base[pos + 7 + 3 * i] & 15
        j.part[i].seen = False
        if not (1 <= j.part[i].across <= 4 and 1 <= j.part[i].down <= 4):
            return SCAN_SEGMENT
    return SCAN_OK


cdef inline int64_t over(int64_t a, int64_t b) noexcept nogil:
    return (a + b - 1) // b


cdef int64_t count_mcus(Jpeg* j, int chosen) noexcept nogil:
    """Those of a scan of every component (chosen < 0), or of one (A.2)."""
    cdef int across = 1
    cdef int down = 1
    cdef int i
    for i in range(j.parts):
        across = max(across, j.part[i].across)
        down = max(down, j.part[i].down)
    if chosen < 0:
        return over(j.columns, 8 * across) * over(j.rows, 8 * down)
    return (
        over(over(<int64_t> j.columns * j.part[chosen].across, across), 8)
        * over(over(<int64_t> j.rows * j.part[chosen].down, down), 8)
    )


cdef int restart(Jpeg* j, int64_t number) noexcept nogil:
    """Align and pass the marker RSTm."""
    while j.pos + 1 < j.end and j.base[j.pos] == 0xFF and j.base[j.pos + 1] == 0xFF:
        j.pos += 1
    if j.pos + 1 >= j.end:
        return SCAN_CUT
    if j.count >= 8 or j.base[j.pos] != 0xFF or j.base[j.pos + 1] != 0xD0 + (number & 7):
        return SCAN_RESTART
    j.pos += 2
    j.bits = 0
    j.count = 0
    return SCAN_OK


cdef int read_blocks(Jpeg* j, int64_t mcus, int blocks, Table** dc, Table** ac) noexcept nogil:
    """The entropy-coded data of a scan, to the marker after it."""
    cdef int64_t n
    cdef int i, rc
    j.bits = 0
    j.count = 0
    for n in range(mcus):
        if j.interval and n and n % j.interval == 0:
            refill(j)
            rc = restart(j, n // j.interval - 1)
            if rc != SCAN_OK:
                return rc
        for i in range(blocks):
            rc = read_block(j, dc[i], ac[i])
            if rc != SCAN_OK:
                return rc
    refill(j)
    j.bits <<= j.count & 7
    j.count &= ~7
    while j.count >= 8 and j.bits >> 56 == 0:  # zeros, as some append, harm nothing
        j.bits <<= 8
        j.count -= 8
        refill(j)
    return SCAN_OK if j.count < 8 else SCAN_LONG


cdef int read_scan(Jpeg* j, int64_t pos, int64_t length) noexcept nogil:
    """A SOS segment (B.2.3) and its data."""
    cdef Table* dc[MOST_BLOCKS]
    cdef Table* ac[MOST_BLOCKS]
    cdef int blocks = 0
    cdef int chosen = -1
    cdef int count, more, i, k, n
    count = j.base[pos] if length else 0
    if not j.parts or not 1 <= count <= j.parts or length != 4 + 2 * count:
        return SCAN_SEGMENT
    for i in range(count):
        k = 0
        while k < j.parts and j.part[k].id != j.base[pos + 1 + 2 * i]:
            k += 1
        if k == j.parts or j.base[pos + 2 + 2 * i] & 0xCC:
            return SCAN_SEGMENT
        j.part[k].seen = True
        chosen = k if count == 1 else -1
        more = 1 if count == 1 else j.part[k].across * j.part[k].down
        if blocks + more > MOST_BLOCKS:
            return SCAN_SEGMENT
        for n in range(blocks, blocks + more):
            dc[n] = &j.dc[j.base[pos + 2 + 2 * i] >> 4]
            ac[n] = &j.ac[j.base[pos + 2 + 2 * i] & 15]
            if not dc[n].present or not ac[n].present:
                return SCAN_TABLE
        blocks += more
    j.pos = pos + length
    return read_blocks(j, count_mcus(j, chosen), blocks, dc, ac)


cdef int read_segment(Jpeg* j, int marker, int64_t pos, int64_t length) noexcept nogil:
    if marker == 0xC4:
        return read_tables(j, pos, pos + length)
    if marker == 0xC0 or marker == 0xC1:
        return read_frame(j, pos, length)
    if marker == 0xDA:
        return read_scan(j, pos, length)
    if 0xC0 <= marker <= 0xCF and marker != 0xC8 or marker == 0xF7:
        return SCAN_OTHER
    if marker == 0xDD:
        if length != 2:
            return SCAN_SEGMENT
        j.interval = load_u16(j.base + pos, True)
    return SCAN_OK


cdef int read_stream(Jpeg* j) noexcept nogil:
    """From SOI to EOI."""
    cdef int64_t length, pos
    cdef int marker, i, rc
    j.pos = 2
    while True:
        if j.end - j.pos < 2:
            return SCAN_CUT
        if j.base[j.pos] != 0xFF:
            return SCAN_MARKER
        while j.pos + 1 < j.end and j.base[j.pos + 1] == 0xFF:
            j.pos += 1
        if j.end - j.pos < 2:
            return SCAN_CUT
        marker = j.base[j.pos + 1]
        if marker == 0xD9:
            break
        j.pos += 2
        if marker == 1 or 0xD0 <= marker <= 0xD8:
            continue
        if j.end - j.pos < 2:
            return SCAN_CUT
        length = load_u16(j.base + j.pos, True)
        if length < 2:
            return SCAN_SEGMENT
        if length > j.end - j.pos:
            return SCAN_CUT
        pos = j.pos + 2
        j.pos += length
        rc = read_segment(j, marker, pos, length - 2)
        if rc != SCAN_OK:
            return rc
    for i in range(j.parts):
        if not j.part[i].seen:
            return SCAN_MISSING
    return SCAN_OK if j.parts else SCAN_MISSING


def check_scans(frame):
    """Read every block of a code stream that begins with SOI; False for a process other than sequential Huffman DCT.

    Raises TruncatedError where blocks are missing, DecodeError for what no encoder writes; with the offset.
    """
    cdef Jpeg jpeg
    cdef Py_buffer source
    cdef int rc
    memset(&jpeg, 0, sizeof(Jpeg))
    PyObject_GetBuffer(frame, &source, PyBUF_SIMPLE)
    try:
        jpeg.base = <const uint8_t*> source.buf
        jpeg.end = source.len
        with nogil:
            rc = read_stream(&jpeg)
    finally:
        PyBuffer_Release(&source)
    if rc < 0:
        raise (TruncatedError if rc == SCAN_CUT else DecodeError)(_TEXTS[-rc], offset=jpeg.pos)
    return rc == SCAN_OK
