"""The bytes of the upper layer that are sent (PS3.8 9.3.5): messages cut into P-DATA-TF PDUs."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from pacskit_ext._span cimport store_u32

cdef enum:
    PDV_HEADER = 6            # item length (4), context id (1), message control header (1)
    SMALL_MESSAGE = 16384     # up to here one copy is cheaper than a gathered write


cdef inline void put_header(uint8_t* p, uint32_t payload, int context_id, int control) noexcept nogil:
    p[0] = 4
    p[1] = 0
    store_u32(p + 2, payload + PDV_HEADER, True)
    store_u32(p + 6, payload + 2, True)
    p[10] = <uint8_t>context_id
    p[11] = <uint8_t>control


def payload_size(Py_ssize_t max_pdu, Py_ssize_t own=131072):
    """Return how many bytes a fragment carries at the peer's ``max_pdu``; ``own`` stands in for 0 (any length).

    Even wherever there is room for it, as several implementations rely on even fragments.
    """
    cdef Py_ssize_t size = (own if max_pdu == 0 else max_pdu) - PDV_HEADER
    if size < 1:
        raise ValueError(f"nothing fits into a PDU of {max_pdu} bytes")
    return size & ~<Py_ssize_t>1 if size > 1 else size


cdef bytes small_message(int context_id, Py_ssize_t size, object data, int control, bytes before):
    """Frame ``data`` after ``before`` into one bytes object."""
    cdef Py_buffer view
    cdef Py_ssize_t done = 0, n, length, at = len(before)
    cdef bytes out
    cdef uint8_t* p
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        length = view.len
        n = (length + size - 1) // size if length else 1
        out = PyBytes_FromStringAndSize(NULL, at + length + 12 * n)
        p = <uint8_t*>PyBytes_AS_STRING(out)
        memcpy(p, PyBytes_AS_STRING(before), at)
        p += at
        while True:
            n = min(size, length - done)
            put_header(p, <uint32_t>n, context_id, control if done + n == length else control & 1)
            memcpy(p + 12, <uint8_t*>view.buf + done, n)
            done += n
            p += 12 + n
            if done == length:
                return out
    finally:
        PyBuffer_Release(&view)


cdef list gather(int context_id, Py_ssize_t size, list views, int control, bytes before):
    """Frame ``views`` without copying them: headers and slices, in the order in which they go out."""
    cdef list out = []
    cdef uint8_t header[12]
    cdef Py_ssize_t total = 0, done = 0, room, offset, n, index = 0
    for view in views:
        total += len(view)
    offset = 0
    while True:
        room = min(size, total - done)
        done += room
        put_header(header, <uint32_t>room, context_id, control if done == total else control & 1)
        head = PyBytes_FromStringAndSize(<char*>header, 12)
        out.append(before + head if before else head)
        before = b""
        while room:
            view = views[index]
            n = min(room, len(view) - offset)
            if n == 0:
                index += 1
                offset = 0
                continue
            out.append(view[offset:offset + n])
            offset += n
            room -= n
        if done == total:
            return out


def frame(int context_id, data, Py_ssize_t size, *, bint command=False, bint last=True, bytes before=b""):
    """Return the buffers that carry ``data`` as P-DATA-TF PDUs of up to ``size`` payload bytes each.

    ``data`` is bytes-like or a list of such; ``before`` goes out in front (PDUs framed already); without ``last`` the
    command or data set goes on in a later call.
    """
    cdef int control = command | (last << 1)
    cdef list views
    if not context_id & 1 or not 1 <= context_id <= 255:
        raise ValueError("a context id is an odd number up to 255")
    if size < 1:
        raise ValueError("a fragment has at least one byte")
    if isinstance(data, (list, tuple)):
        views = [_flat(item) for item in data]
    elif isinstance(data, bytes) and len(<bytes>data) <= SMALL_MESSAGE:
        return [small_message(context_id, size, data, control, before)]
    else:
        view = _flat(data)
        if len(view) <= SMALL_MESSAGE:
            return [small_message(context_id, size, view, control, before)]
        views = [view]
    return gather(context_id, size, views, control, before)


cdef object _flat(object item):
    view = memoryview(item)
    return view if view.format == "B" and view.ndim == 1 and view.c_contiguous else view.cast("B")
