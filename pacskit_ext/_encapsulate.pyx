"""Frames to the bytes of encapsulated pixel data (PS3.5 A.4), and frames of single bits out of native ones."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from pacskit_ext._errors import EncodeError, TruncatedError
from pacskit_ext._span cimport store_u32, store_u64

cdef enum:
    PIXEL_DATA = 0x7FE00010


cdef struct Part:
    const uint8_t* base
    int64_t length


cdef inline int64_t fragment_size(int64_t length, int64_t parts) noexcept nogil:
    """Bytes of each fragment but the last: even (PS3.5 A.4)."""
    cdef int64_t size = length // parts
    return size + (size & 1)


cdef uint8_t* put_item(uint8_t* to, const uint8_t* data, int64_t length) noexcept nogil:
    """An item with its data, padded to an even length; returns where the next one goes."""
    memcpy(to, b"\xFE\xFF\x00\xE0", 4)
    store_u32(to + 4, <uint32_t> (length + (length & 1)), False)
    if length:
        memcpy(to + 8, data, length)
    if length & 1:
        to[8 + length] = 0
    return to + 8 + length + (length & 1)


cdef uint8_t* put_frame(uint8_t* to, Part* frame, int64_t parts) noexcept nogil:
    cdef int64_t size = fragment_size(frame.length, parts)
    cdef int64_t i
    for i in range(parts - 1):
        to = put_item(to, frame.base + i * size, size)
    return put_item(to, frame.base + (parts - 1) * size, frame.length - (parts - 1) * size)


cdef int check_frame(Part* frame, int64_t index, int64_t parts) except -1:
    cdef int64_t size = fragment_size(frame.length, parts)
    if frame.length == 0:
        raise EncodeError(f"frame {index} is empty", tag=PIXEL_DATA)
    if (parts - 1) * size >= frame.length:
        raise EncodeError(f"frame {index} of {frame.length} bytes is too short for {parts} fragments", tag=PIXEL_DATA)
    if frame.length - (parts - 1) * size > 0xFFFFFFFE or size > 0xFFFFFFFE:
        raise EncodeError(f"frame {index} of {frame.length} bytes needs more fragments", tag=PIXEL_DATA)
    return 0


cdef bytes put_all(Part* frames, int64_t n, int64_t parts, bint basic, uint8_t* offsets, uint8_t* lengths):
    cdef int64_t total = 0
    cdef int64_t head = 8 + (4 * n if basic else 0)
    cdef int64_t i
    cdef bytes out
    cdef uint8_t* to
    cdef uint8_t* base
    for i in range(n):
        check_frame(frames + i, i, parts)
        if basic and total > 0xFFFFFFFF:
            raise EncodeError("the Basic Offset Table cannot reach beyond 4 GiB: use the extended one", tag=PIXEL_DATA)
        if offsets != NULL:
            store_u64(offsets + 8 * i, <uint64_t> total, False)
            store_u64(lengths + 8 * i, <uint64_t> (frames[i].length + (frames[i].length & 1)), False)
        total += frames[i].length + (frames[i].length & 1) + 8 * parts
    if head > 0xFFFFFFF0:
        raise EncodeError("more frames than a Basic Offset Table has room for", tag=PIXEL_DATA)
    out = PyBytes_FromStringAndSize(NULL, head + total)
    base = <uint8_t*> PyBytes_AS_STRING(out)
    with nogil:
        memcpy(base, b"\xFE\xFF\x00\xE0", 4)
        store_u32(base + 4, <uint32_t> (head - 8), False)
        to = base + head
        for i in range(n):
            if basic:
                store_u32(base + 8 + 4 * i, <uint32_t> (to - base - head), False)
            to = put_frame(to, frames + i, parts)
    return out


def encapsulate(frames, *, bint basic=True, bint extended=False, int fragments_per_frame=1):
    """The bytes of encapsulated pixel data without the delimiter; with ``extended`` also the two tables' bytes.

    The lengths are None with several fragments a frame (PS3.3 C.7.6.3).

    Raises EncodeError for an empty frame, one that is too short for so many fragments, and offsets beyond 32 bits.
    """
    cdef list held = list(frames)
    cdef int64_t n = len(held)
    cdef int64_t got = 0
    cdef int64_t i
    cdef bytes out
    cdef bytes offsets = None
    cdef bytes lengths = None
    cdef Py_buffer* views = <Py_buffer*> malloc((n + 1) * sizeof(Py_buffer))
    cdef Part* parts = <Part*> malloc((n + 1) * sizeof(Part))
    try:
        if views == NULL or parts == NULL:
            raise MemoryError
        if n == 0:
            raise EncodeError("there is no frame to encapsulate", tag=PIXEL_DATA)
        if fragments_per_frame < 1:
            raise EncodeError("a frame has one fragment at least", tag=PIXEL_DATA)
        for i in range(n):
            PyObject_GetBuffer(held[i], views + i, PyBUF_SIMPLE)
            got = i + 1
            parts[i].base = <const uint8_t*> views[i].buf
            parts[i].length = views[i].len
        if not extended:
            return put_all(parts, n, fragments_per_frame, basic, NULL, NULL)
        offsets = PyBytes_FromStringAndSize(NULL, 8 * n)
        lengths = PyBytes_FromStringAndSize(NULL, 8 * n)
        out = put_all(
            parts, n, fragments_per_frame, False,
            <uint8_t*> PyBytes_AS_STRING(offsets), <uint8_t*> PyBytes_AS_STRING(lengths),
        )
        return out, offsets, lengths if fragments_per_frame == 1 else None
    finally:
        for i in range(got):
            PyBuffer_Release(views + i)
        free(views)
        free(parts)


# -- native frames of single bits ----------------------------------------------------------------------------------


def take_bits(source, int64_t first, int64_t count):
    """``count`` bits from bit ``first`` on, moved to begin with the lowest bit of the first byte (PS3.5 8.1.1).

    Bits past the last one are 0. Raises TruncatedError where the source has not so many.
    """
    cdef Py_buffer view
    cdef const uint8_t* p
    cdef uint8_t* to
    cdef bytes out
    cdef int64_t size = (count + 7) // 8
    cdef int shift = first & 7
    cdef int64_t i, last
    if first < 0 or count < 0:
        raise ValueError("bits are counted from 0")
    PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
    try:
        if first + count > view.len * 8:
            raise TruncatedError("the source ends inside a frame", offset=view.len, tag=PIXEL_DATA)
        out = PyBytes_FromStringAndSize(NULL, size)
        to = <uint8_t*> PyBytes_AS_STRING(out)
        p = <const uint8_t*> view.buf + (first >> 3)
        last = view.len - (first >> 3)
        with nogil:
            for i in range(size):
                to[i] = p[i] >> shift
                if shift and i + 1 < last:
                    to[i] |= <uint8_t> (p[i + 1] << (8 - shift))
            if count & 7:
                to[size - 1] &= <uint8_t> ((1 << (count & 7)) - 1)
        return out
    finally:
        PyBuffer_Release(&view)
