"""RLE Lossless frames (PS3.5 annex G), decoded into interleaved samples and encoded from them, without the GIL.

A segment is one byte plane: of each sample in turn, its bytes from the most significant down. Planes are decoded
block by block and merged while they are in the first cache.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset

from pacskit_ext._errors import DecodeError, EncodeError, TruncatedError
from pacskit_ext._span cimport load_u32, load_u64, store_u16, store_u32, store_u64

cdef extern from *:
    """
    #if defined(_MSC_VER)
    #include <intrin.h>
    static __inline int pk_first_bit(unsigned __int64 v) { unsigned long i; _BitScanForward64(&i, v); return (int) i; }
    #else
    #define pk_first_bit(v) __builtin_ctzll(v)
    #endif
    #define PK_ONES UINT64_C(0x0101010101010101)
    #define PK_HIGHS UINT64_C(0x8080808080808080)
    #define PK_EVERY_7TH UINT64_C(0x0002040810204081)
    """
    int first_bit "pk_first_bit"(uint64_t v) noexcept nogil
    const uint64_t ONES "PK_ONES"
    const uint64_t HIGHS "PK_HIGHS"
    const uint64_t EVERY_7TH "PK_EVERY_7TH"

cdef enum:
    HEADER = 64
    MAX_SEGMENTS = 15
    BLOCK = 4096           # bytes of a plane that are decoded before they are merged
    LONGEST = 128          # what one code can stand for
    CHUNK = 32             # bytes that are copied at once, some of them perhaps beyond the end
    ROOM = BLOCK + LONGEST + CHUNK

cdef enum:
    RLE_OK = 0
    RLE_CUT = -1           # a segment ends before its plane is full
    RLE_LONG = -2          # a segment goes on after its plane is full
    RLE_NOMEM = -3


cdef struct Segment:
    const uint8_t* at
    const uint8_t* end
    int64_t ahead          # bytes of the last code that belong to the next block


# -- decoding ----------------------------------------------------------------------------------------------------------


cdef inline void copy_run(uint8_t* to, const uint8_t* source, int64_t n) noexcept nogil:
    """n to 128 bytes in chunks: up to CHUNK - 1 more are read and written."""
    cdef int64_t i = CHUNK
    memcpy(to, source, CHUNK)
    while i < n:
        memcpy(to + i, source + i, CHUNK)
        i += CHUNK


cdef inline void fill_run(uint8_t* to, uint8_t value, int64_t n) noexcept nogil:
    cdef int64_t i = CHUNK
    memset(to, value, CHUNK)
    while i < n:
        memset(to + i, value, CHUNK)
        i += CHUNK


cdef int64_t unpack(Segment* s, uint8_t* to, int64_t have, int64_t want, const uint8_t* limit) noexcept nogil:
    """Decode until there are ``want`` bytes or a few more; returns how many, RLE_CUT at the end of the segment.

    Up to ``limit`` may be read, and LONGEST + CHUNK bytes more than ``want`` written (G.3.2).
    """
    cdef const uint8_t* p = s.at
    cdef const uint8_t* end = s.end
    cdef int64_t n
    while have < want:
        if end - p < 2:
            s.at = p
            return RLE_CUT
        n = p[0]
        if n < 128:
            n += 1
            if end - p - 1 < n:
                s.at = p
                return RLE_CUT
            if limit - p > LONGEST + CHUNK:
                copy_run(to + have, p + 1, n)
            else:
                memcpy(to + have, p + 1, n)
            p += 1 + n
            have += n
        elif n > 128:
            n = 257 - n
            fill_run(to + have, p[1], n)
            p += 2
            have += n
        else:
            p += 1
    s.at = p
    return have


cdef inline void merge(
    const uint8_t* planes, uint8_t* out, int64_t n, int cells, const int* order
) noexcept nogil:
    """Put byte i of each plane into cell i; ``order`` has the plane of each byte of a cell."""
    cdef const uint8_t* a = planes + order[0] * ROOM
    cdef const uint8_t* b = planes + order[1 if cells > 1 else 0] * ROOM
    cdef const uint8_t* c = planes + order[2 if cells > 2 else 0] * ROOM
    cdef int64_t i
    cdef int k
    if cells == 1:
        memcpy(out, a, n)
    elif cells == 2:
        for i in range(n):
            store_u16(out + 2 * i, a[i] | (<int> b[i] << 8), False)
    elif cells == 3:
        for i in range(n):
            out[3 * i] = a[i]
            out[3 * i + 1] = b[i]
            out[3 * i + 2] = c[i]
    else:
        for k in range(cells):
            a = planes + order[k] * ROOM
            for i in range(n):
                out[cells * i + k] = a[i]


cdef inline void spread_bits(const uint8_t* packed, uint8_t* out, int64_t n) noexcept nogil:
    """One byte a bit, the first bit of a byte is its least significant (PS3.5 8.1.1)."""
    cdef uint64_t v
    cdef int64_t i
    for i in range(n // 8):
        # bit k moves into byte k: seven bits by multiplication, which cannot carry, the last one by itself
        v = ((<uint64_t> (packed[i] & 0x7F) * EVERY_7TH) & ONES) | (<uint64_t> (packed[i] >> 7) << 56)
        store_u64(out + 8 * i, v, False)
    for i in range(n & ~<int64_t> 7, n):
        out[i] = (packed[i >> 3] >> (i & 7)) & 1


cdef int decode_planes(
    Segment* segments, int cells, const int* order, uint8_t* out, int64_t size, int64_t bits, const uint8_t* limit,
    int* bad,
) noexcept nogil:
    """Planes of ``size`` bytes into ``out``; with ``bits`` the one plane holds that many pixels of one bit."""
    cdef uint8_t* planes = <uint8_t*> malloc(<size_t> cells * ROOM)
    cdef uint8_t* plane
    cdef int64_t done = 0
    cdef int64_t want, got
    cdef int k
    cdef int rc = RLE_OK
    if planes == NULL:
        return RLE_NOMEM
    while done < size and rc == RLE_OK:
        want = min(<int64_t> BLOCK, size - done)
        for k in range(cells):
            plane = planes + k * ROOM
            got = unpack(segments + k, plane, segments[k].ahead, want, limit)
            if got < 0:
                bad[0] = k
                rc = RLE_CUT
                break
            segments[k].ahead = got - want
        if rc != RLE_OK:
            break
        if bits:
            spread_bits(planes, out + 8 * done, min(8 * want, bits - 8 * done))
        else:
            merge(planes, out + done * cells, want, cells, order)
        done += want
        for k in range(cells):
            plane = planes + k * ROOM
            memmove(plane, plane + want, <size_t> segments[k].ahead)
    free(planes)
    if rc == RLE_OK:
        for k in range(cells):
            if segments[k].ahead:
                bad[0] = k
                return RLE_LONG
    return rc


cdef int find_segments(Py_buffer* frame, Segment* segments, int expected) except -1:
    """Check the header (G.5): as many segments as the pixels have bytes, in ascending order, inside the frame."""
    cdef const uint8_t* base = <const uint8_t*> frame.buf
    cdef uint32_t count, offset
    cdef uint32_t before = HEADER
    cdef int k
    if frame.len < HEADER:
        raise TruncatedError(f"an RLE frame of {frame.len} bytes has no header", offset=frame.len)
    count = load_u32(base, False)
    if count < 1 or count > MAX_SEGMENTS:
        raise DecodeError(f"an RLE header with {count} segments", offset=0)
    if count != <uint32_t> expected:
        raise DecodeError(f"{count} RLE segments for pixels of {expected} bytes", offset=0)
    for k in range(expected):
        offset = load_u32(base + 4 + 4 * k, False)
        if offset < before or (k == 0 and offset != HEADER):
            raise DecodeError(f"RLE segment {k} begins at {offset}, before what comes before it", offset=4 + 4 * k)
        if offset > frame.len:
            raise TruncatedError(f"RLE segment {k} begins at {offset}, after the frame's end", offset=4 + 4 * k)
        segments[k].at = base + offset
        segments[k].ahead = 0
        if k:
            segments[k - 1].end = base + offset
        before = offset
    segments[expected - 1].end = base + frame.len
    return 0


cdef int check_cells(int samples, int bits_allocated, int* cells) except -1:
    if bits_allocated not in (1, 8, 16, 32, 64) or samples < 1 or (bits_allocated == 1 and samples != 1):
        raise ValueError(f"RLE cannot hold {samples} samples of {bits_allocated} bits")
    if samples * max(1, bits_allocated // 8) > MAX_SEGMENTS:
        raise ValueError(f"{samples} samples of {bits_allocated} bits need more than {MAX_SEGMENTS} RLE segments")
    cells[0] = samples * max(1, bits_allocated // 8)
    return 0


cdef void plane_order(int samples, int cells, int* order) noexcept nogil:
    """Which plane each byte of a cell comes from: samples in turn, the most significant byte first (G.2)."""
    cdef int width = cells // samples
    cdef int k
    for k in range(cells):
        order[k] = k // width * width + (width - 1 - k % width)


def decode(frame, out, *, int64_t rows, int64_t columns, int samples, int bits_allocated):
    """Fill ``out`` with the little endian samples of a frame, colour by pixel; one byte a pixel where it has one bit.

    Raises TruncatedError where a segment ends before its plane is full, DecodeError for a header that does not fit
    and a segment that goes on after its plane is full; each with the offset in the frame.
    """
    cdef Py_buffer source, target
    cdef Segment[MAX_SEGMENTS] segments
    cdef int[MAX_SEGMENTS] order
    cdef int cells = 0
    cdef int bad = 0
    cdef int64_t pixels = rows * columns
    cdef int64_t bits = pixels if bits_allocated == 1 else 0
    cdef int64_t size = (pixels + 7) // 8 if bits else pixels
    cdef int64_t at
    cdef int rc
    check_cells(samples, bits_allocated, &cells)
    PyObject_GetBuffer(frame, &source, PyBUF_SIMPLE)
    try:
        PyObject_GetBuffer(out, &target, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            if rows < 1 or columns < 1 or target.len != pixels * cells:
                raise ValueError(f"out has {target.len} bytes; the frame {pixels * cells}")
            find_segments(&source, segments, cells)
            plane_order(samples, cells, order)
            with nogil:
                rc = decode_planes(
                    segments, cells, order, <uint8_t*> target.buf, size, bits,
                    <const uint8_t*> source.buf + source.len, &bad,
                )
        finally:
            PyBuffer_Release(&target)
        at = segments[bad].at - <const uint8_t*> source.buf
    finally:
        PyBuffer_Release(&source)
    if rc == RLE_NOMEM:
        raise MemoryError
    if rc == RLE_CUT:
        raise TruncatedError(f"RLE segment {bad} ends before its {size} bytes", offset=at)
    if rc == RLE_LONG:
        raise DecodeError(f"RLE segment {bad} goes on after its {size} bytes", offset=at)


# -- encoding ----------------------------------------------------------------------------------------------------------


cdef inline int64_t next_run(const uint8_t* p, int64_t i, int64_t n) noexcept nogil:
    """Where three equal bytes stand next; n where they do not. Ten bytes after the last are read."""
    cdef uint64_t here, differ, zero
    while i < n - 2:
        here = load_u64(p + i, False)
        differ = (here ^ load_u64(p + i + 1, False)) | (here ^ load_u64(p + i + 2, False))
        zero = (differ - ONES) & ~differ & HIGHS  # its lowest bit is right
        if zero:
            i += first_bit(zero) >> 3
            return i if i < n - 2 else n
        i += 8
    return n


cdef inline int64_t run_end(const uint8_t* p, int64_t i, int64_t n) noexcept nogil:
    """Where bytes equal to the one at i end."""
    cdef uint64_t value = ONES * p[i]
    cdef uint64_t differ
    i += 3
    while i < n:
        differ = load_u64(p + i, False) ^ value
        if differ:
            i += first_bit(differ) >> 3
            return i if i < n else n
        i += 8
    return n


cdef inline uint8_t* put_literal(uint8_t* to, const uint8_t* p, int64_t n) noexcept nogil:
    cdef int64_t part
    if n == 2 and p[0] == p[1]:
        to[0] = 255
        to[1] = p[0]
        return to + 2
    while n > 0:
        part = min(n, <int64_t> LONGEST)
        to[0] = <uint8_t> (part - 1)
        copy_run(to + 1, p, part)
        to += 1 + part
        p += part
        n -= part
    return to


cdef uint8_t* pack_row(uint8_t* to, const uint8_t* p, int64_t n) noexcept nogil:
    """One row of one plane (G.3.1); CHUNK bytes after both ends may be touched."""
    cdef int64_t i = 0
    cdef int64_t run, end, part
    while i < n:
        run = next_run(p, i, n)
        if run > i:
            to = put_literal(to, p + i, run - i)
        if run == n:
            break
        end = run_end(p, run, n)
        while end - run > 1:
            part = min(end - run, <int64_t> LONGEST)
            to[0] = <uint8_t> (257 - part)
            to[1] = p[run]
            to += 2
            run += part
        i = run  # one byte left of a long run begins the next literal
    return to


cdef inline void take_plane(uint8_t* to, const uint8_t* p, int64_t n, int cells) noexcept nogil:
    """Every cells-th byte."""
    cdef int64_t i
    if cells == 1:
        memcpy(to, p, n)
    elif cells == 2:
        for i in range(n):
            to[i] = p[2 * i]
    elif cells == 3:
        for i in range(n):
            to[i] = p[3 * i]
    else:
        for i in range(n):
            to[i] = p[cells * i]


cdef void gather_bits(uint8_t* to, const uint8_t* p, int64_t n) noexcept nogil:
    """Eight pixels a byte; any value but 0 is 1."""
    cdef int64_t i
    memset(to, 0, (n + 7) // 8)
    for i in range(n):
        to[i >> 3] |= <uint8_t> ((p[i] != 0) << (i & 7))


cdef int64_t encode_planes(
    uint8_t* out, uint8_t* row, const uint8_t* pixels, int64_t rows, int64_t columns, int cells, const int* order
) noexcept nogil:
    """The frame; returns its length, or -1 where an offset does not fit in its field."""
    cdef int[MAX_SEGMENTS] byte_of
    cdef uint8_t* to = out + HEADER
    cdef int64_t r
    cdef int k
    for k in range(cells):
        byte_of[order[k]] = k
    memset(out, 0, HEADER)
    store_u32(out, <uint32_t> cells, False)
    for k in range(cells):
        if (to - out) >> 32:
            return -1
        store_u32(out + 4 + 4 * k, <uint32_t> (to - out), False)
        for r in range(rows):
            take_plane(row, pixels + r * columns * cells + byte_of[k], columns, cells)
            to = pack_row(to, row, columns)
        if (to - out) & 1:
            to[0] = 0
            to += 1
    return to - out


cdef bytes encode_pixels(const uint8_t* pixels, int64_t rows, int64_t columns, int cells, const int* order, bint bits):
    cdef int64_t width = columns if not bits else (rows * columns + 7) // 8
    cdef int64_t lines = rows if not bits else 1
    cdef int64_t worst = HEADER + <int64_t> cells * (lines * (width + width // LONGEST + 1) + 1) + 2 * CHUNK
    cdef uint8_t* out = <uint8_t*> malloc(worst)
    cdef uint8_t* row = <uint8_t*> malloc(width + 2 * CHUNK)
    cdef uint8_t* packed = <uint8_t*> malloc(width if bits else 1)
    cdef int64_t length = 0
    try:
        if out == NULL or row == NULL or packed == NULL:
            raise MemoryError
        with nogil:
            memset(row + width, 0, 2 * CHUNK)
            if bits:
                gather_bits(packed, pixels, rows * columns)
                pixels = packed
            length = encode_planes(out, row, pixels, lines, width, cells, order)
        if length < 0:
            raise EncodeError("the frame is too long for the offsets of RLE (4 GiB)")
        return PyBytes_FromStringAndSize(<char*> out, length)
    finally:
        free(out)
        free(row)
        free(packed)


def encode(pixels, *, int64_t rows, int64_t columns, int samples, int bits_allocated):
    """The frame of little endian samples, colour by pixel; one byte a pixel where it has one bit."""
    cdef Py_buffer source
    cdef int[MAX_SEGMENTS] order
    cdef int cells = 0
    check_cells(samples, bits_allocated, &cells)
    plane_order(samples, cells, order)
    PyObject_GetBuffer(pixels, &source, PyBUF_SIMPLE)
    try:
        if rows < 1 or columns < 1 or source.len != rows * columns * cells:
            raise ValueError(f"{source.len} bytes; the frame has {rows * columns * cells}")
        return encode_pixels(<const uint8_t*> source.buf, rows, columns, cells, order, bits_allocated == 1)
    finally:
        PyBuffer_Release(&source)
