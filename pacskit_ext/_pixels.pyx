"""Native pixel cells to stored values: bits, unused bits, byte order, planes and subsampled chrominance (PS3.5 8)."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pacskit_ext._span cimport bswap16, bswap32, bswap64

ctypedef fused word:
    uint8_t
    uint16_t
    uint32_t
    uint64_t


cdef struct Cell:
    # How a stored value stands in its cell (PS3.5 8.1.1).
    int shift             # bits below it
    uint64_t mask         # as many ones as Bits Stored
    uint64_t sign         # its highest bit where it is signed, else 0
    bint swap             # cells are in the other byte order


cdef int describe(Cell* cell, int size, int bits, int high, bint signed, bint swap) except -1:
    if size not in (1, 2, 4, 8):
        raise ValueError("cells have 1, 2, 4 or 8 bytes")
    if not 1 <= bits <= 8 * size or not bits - 1 <= high < 8 * size:
        raise ValueError("the stored bits are not within the cell")
    cell.shift = high + 1 - bits
    cell.mask = ~<uint64_t> 0 if bits == 64 else (<uint64_t> 1 << bits) - 1
    cell.sign = <uint64_t> 1 << (bits - 1) if signed else 0
    cell.swap = swap
    return 0


cdef inline word load(const uint8_t* p, word kind) noexcept nogil:
    cdef word v
    memcpy(&v, p, sizeof(word))
    return v


cdef inline word swapped(word v) noexcept nogil:
    if word is uint16_t:
        return bswap16(v)
    elif word is uint32_t:
        return bswap32(v)
    elif word is uint64_t:
        return bswap64(v)
    else:
        return v


cdef inline word stored(word v, int shift, word mask, word sign) noexcept nogil:
    # Without the bits around it; signed ones by two's complement.
    v = (v >> shift) & mask
    return <word> (<word> (v ^ sign) - sign)


# -- what needs no change ----------------------------------------------------------------------------------------------


cdef bint clean(const uint8_t* p, int64_t n, Cell* cell, word kind) noexcept nogil:
    """Whether every cell of ``n`` is the stored value already: nothing but sign bits above it."""
    cdef word sign = <word> cell.sign
    cdef word mask = <word> cell.mask
    cdef word found
    cdef int64_t i
    cdef int64_t part
    if cell.shift:
        return False
    while n > 0:
        part = n if n < 16384 else 16384
        found = 0
        for i in range(part):
            found |= <word> (load(p + i * <int64_t> sizeof(word), kind) + sign)
        if found & <word> ~mask:
            return False
        p += part * <int64_t> sizeof(word)
        n -= part
    return True


cdef bint clean_by_size(const uint8_t* p, int64_t n, int size, Cell* cell) noexcept nogil:
    if size == 1:
        return clean(p, n, cell, <uint8_t> 0)
    if size == 2:
        return clean(p, n, cell, <uint16_t> 0)
    if size == 4:
        return clean(p, n, cell, <uint32_t> 0)
    return clean(p, n, cell, <uint64_t> 0)


def are_stored_values(source, int size, int bits, int high, bint signed):
    """Whether cells of ``size`` bytes in this machine's order are the stored values as they stand."""
    cdef Py_buffer view
    cdef Cell cell
    cdef bint result
    describe(&cell, size, bits, high, signed, False)
    PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
    try:
        if view.len > 4096:
            with nogil:
                result = clean_by_size(<const uint8_t*> view.buf, view.len // size, size, &cell)
        else:
            result = clean_by_size(<const uint8_t*> view.buf, view.len // size, size, &cell)
        return result
    finally:
        PyBuffer_Release(&view)


# -- cells to values ---------------------------------------------------------------------------------------------------


cdef void take(const uint8_t* p, word* out, int64_t n, int64_t step, Cell* cell) noexcept nogil:
    """Write the values of ``n`` cells to every ``step``-th place. ``p`` may be ``out`` when ``step`` is 1."""
    cdef int shift = cell.shift
    cdef word mask = <word> cell.mask
    cdef word sign = <word> cell.sign
    cdef int64_t i
    if cell.swap:
        for i in range(n):
            out[i * step] = stored(swapped(load(p + i * <int64_t> sizeof(word), mask)), shift, mask, sign)
    elif step == 1:
        for i in range(n):
            out[i] = stored(load(p + i * <int64_t> sizeof(word), mask), shift, mask, sign)
    else:
        for i in range(n):
            out[i * step] = stored(load(p + i * <int64_t> sizeof(word), mask), shift, mask, sign)


cdef void take_planes(
    const uint8_t* p, word* out, int64_t frames, int64_t plane, int64_t samples, Cell* cell
) noexcept nogil:
    """Frames of whole planes to frames of pixels."""
    cdef int64_t sample
    while frames > 0:
        for sample in range(samples):
            take(p, out + sample, plane, samples, cell)
            p += plane * <int64_t> sizeof(word)
        out += plane * samples
        frames -= 1


cdef void take_by_size(
    const uint8_t* p, void* out, int64_t frames, int64_t plane, int64_t samples, int size, Cell* cell
) noexcept nogil:
    if size == 1:
        take_planes(p, <uint8_t*> out, frames, plane, samples, cell)
    elif size == 2:
        take_planes(p, <uint16_t*> out, frames, plane, samples, cell)
    elif size == 4:
        take_planes(p, <uint32_t*> out, frames, plane, samples, cell)
    else:
        take_planes(p, <uint64_t*> out, frames, plane, samples, cell)


def take_values(
    source, out, int size, int bits, int high, bint signed, *, bint swap=False, int64_t plane=0, int samples=1
):
    """Fill ``out`` with the stored values of the cells of ``source``.

    With ``samples`` of more than 1 the source has frames of so many planes of ``plane`` cells each (Planar
    Configuration 1), and ``out`` gets them by pixel. Both may be the same buffer when there are no planes.
    """
    cdef Py_buffer view, target
    cdef Cell cell
    cdef int64_t cells, frames
    describe(&cell, size, bits, high, signed, swap)
    if samples < 1 or plane < 0 or (samples > 1 and plane == 0):
        raise ValueError("planes have pixels")
    PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
    try:
        PyObject_GetBuffer(out, &target, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            cells = target.len // size
            if samples == 1:
                frames, plane = 1, cells
            else:
                frames = cells // (plane * samples)
            if target.len % size or frames * plane * samples != cells or view.len < target.len:
                raise ValueError("the source and its place differ in size")
            if <size_t> target.buf % size:
                raise ValueError("the place is not aligned")
            if target.len > 4096:
                with nogil:
                    take_by_size(<const uint8_t*> view.buf, target.buf, frames, plane, samples, size, &cell)
            else:
                take_by_size(<const uint8_t*> view.buf, target.buf, frames, plane, samples, size, &cell)
        finally:
            PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&view)


# -- single bits -------------------------------------------------------------------------------------------------------


cdef inline void spread(uint8_t* out, uint64_t bits) noexcept nogil:
    """Eight bits to eight bytes, the lowest first: each is copied to every byte, kept in its own, and made 1."""
    bits = (bits * <uint64_t> 0x0101010101010101) & <uint64_t> 0x8040201008040201
    bits = ((bits + <uint64_t> 0x7F7F7F7F7F7F7F7F) >> 7) & <uint64_t> 0x0101010101010101
    memcpy(out, &bits, 8)


cdef void unpack(const uint8_t* p, int shift, int64_t n, uint8_t* out) noexcept nogil:
    """``n`` bits from bit ``shift`` of ``p`` on; no byte past the last bit's is read."""
    cdef int64_t whole = n >> 3
    cdef int64_t i
    if shift == 0:
        for i in range(whole):
            spread(out + 8 * i, p[i])
    else:
        for i in range(whole):
            spread(out + 8 * i, ((p[i] | <uint64_t> p[i + 1] << 8) >> shift) & 0xFF)
    for i in range(whole << 3, n):
        out[i] = (p[(i + shift) >> 3] >> ((i + shift) & 7)) & 1


def unpack_bits(source, int64_t first, out):
    """Fill ``out`` with bits from bit ``first`` on, a byte of 0 or 1 for each (PS3.5 8.1.1: the lowest comes first)."""
    cdef Py_buffer view, target
    cdef const uint8_t* p
    PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
    try:
        PyObject_GetBuffer(out, &target, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            if first < 0 or target.len > view.len * 8 - first:
                raise ValueError("the source has not so many bits")
            p = <const uint8_t*> view.buf + (first >> 3)
            if target.len > 4096:
                with nogil:
                    unpack(p, first & 7, target.len, <uint8_t*> target.buf)
            else:
                unpack(p, first & 7, target.len, <uint8_t*> target.buf)
        finally:
            PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&view)


# -- YBR_FULL_422 ------------------------------------------------------------------------------------------------------


cdef void widen(const uint8_t* p, word* out, int64_t pairs, Cell* cell) noexcept nogil:
    """Y1 Y2 CB CR to two pixels that share their chrominance (PS3.3 C.7.6.3.1.2)."""
    cdef int shift = cell.shift
    cdef word mask = <word> cell.mask
    cdef word v[4]
    cdef int64_t i
    cdef int k
    for i in range(pairs):
        for k in range(4):
            v[k] = load(p + (4 * i + k) * <int64_t> sizeof(word), mask)
            if cell.swap:
                v[k] = swapped(v[k])
            v[k] = stored(v[k], shift, mask, 0)
        out[6 * i] = v[0]
        out[6 * i + 1] = v[2]
        out[6 * i + 2] = v[3]
        out[6 * i + 3] = v[1]
        out[6 * i + 4] = v[2]
        out[6 * i + 5] = v[3]


def widen_422(source, out, int size, int bits, int high, *, bint swap=False):
    """Fill ``out`` with YBR_FULL pixels for native YBR_FULL_422 cells of 1 or 2 bytes."""
    cdef Py_buffer view, target
    cdef Cell cell
    cdef int64_t pairs
    describe(&cell, size, bits, high, False, swap)
    PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
    try:
        PyObject_GetBuffer(out, &target, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            pairs = target.len // (6 * size)
            if size > 2 or pairs * 6 * size != target.len or view.len < pairs * 4 * size:
                raise ValueError("the source and its place differ in size")
            if <size_t> target.buf % size:
                raise ValueError("the place is not aligned")
            with nogil:
                if size == 1:
                    widen(<const uint8_t*> view.buf, <uint8_t*> target.buf, pairs, &cell)
                else:
                    widen(<const uint8_t*> view.buf, <uint16_t*> target.buf, pairs, &cell)
        finally:
            PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&view)
