"""The bytes of the upper layer that arrive (PS3.8 9.3): PDU framing, PDV hand-out.

`Framer.divert` and `Framer.take_in` use descriptors, against the rule that native code touches no files: a big object
comes in many small pieces, and to call Python for each of them costs as much as the disk does.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport EINTR, EIO, errno
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove

from pacskit_ext._errors cimport RC_BAD_PDU, RC_BAD_PDV, RC_LENGTH, raise_rc
from pacskit_ext._span cimport load_u32

cdef extern from *:
    """
    #if defined(_WIN32)
    #include <io.h>
    static long long write_to(int descriptor, const void* data, long long size) {
        return _write(descriptor, data, (unsigned)(size > 0x40000000 ? 0x40000000 : size));
    }
    static long long receive_ready(int descriptor, void* data, long long size) {
        return -1;
    }
    static void acknowledge(int descriptor) {
    }
    #else
    #include <netinet/in.h>
    #include <netinet/tcp.h>
    #include <sys/socket.h>
    #include <unistd.h>
    /* What has arrived already; the caller waits elsewhere, where there is a deadline. */
    static long long receive_ready(int descriptor, void* data, long long size) {
        return (long long)recv(descriptor, data, (size_t)size, MSG_DONTWAIT);
    }
    /* A peer with Nagle's algorithm holds the rest of its message back until we have said that we have this much. */
    static void acknowledge(int descriptor) {
    #ifdef TCP_QUICKACK
        int on = 1;
        setsockopt(descriptor, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    #endif
    }
    static long long write_to(int descriptor, const void* data, long long size) {
        return (long long)write(descriptor, data, (size_t)size);
    }
    #endif
    """
    long long write_to(int descriptor, const void* data, long long size) noexcept nogil
    long long receive_ready(int descriptor, void* data, long long size) noexcept nogil
    void acknowledge(int descriptor) noexcept nogil

cdef enum:
    PDU_HEADER = 6
    PDV_HEADER = 6            # item length (4), context id (1), message control header (1)
    ASSOCIATE_MIN = 68
    SMALL_WRITE = 16384       # less than that waits for more before it is written to a file
    BIG_PDV = 65536           # worth handing out the beginning of before the rest is there
    AT_ONCE = 1 << 22         # what `take_in` takes before it lets others look at the clock
    # What there is to hand out
    NOTHING = 0
    CHUNK = 1
    WHOLE = 2
    # A-ABORT reasons of the service provider (PS3.8 9.3.8)
    REASON_UNRECOGNIZED_PDU = 1
    REASON_INVALID_PARAMETER = 6


@cython.final
@cython.no_gc
cdef class _Block:
    """Memory that lives as long as anything points into it."""
    cdef uint8_t* data
    cdef Py_ssize_t size
    cdef Py_ssize_t readers   # PDVs that have been handed out and are still alive

    def __cinit__(self, Py_ssize_t size):
        self.data = <uint8_t*>malloc(size)
        if self.data == NULL:
            raise MemoryError
        self.size = size

    def __dealloc__(self):
        free(self.data)


@cython.final
@cython.no_gc
@cython.freelist(4)
cdef class _Window:
    """The writable free part of a block."""
    cdef _Block block
    cdef Py_ssize_t offset
    cdef Py_ssize_t size

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.block.data + self.offset, self.size, 0, flags)


@cython.final
@cython.freelist(16)
cdef class Pdu:
    """A complete PDU other than P-DATA-TF: its type and the bytes after the header."""
    cdef readonly int type
    cdef readonly bytes data

    def __init__(self, int type, bytes data):
        self.type = type
        self.data = data

    def __repr__(self):
        return f"Pdu({self.type}, {len(self.data)} bytes)"


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class Pdv:
    """Bytes of one presentation data value, over the receive buffer (readable through the buffer protocol).

    ``is_last`` is set on the bytes that complete the command or data set. A PDV may come in several of these, as if
    the peer had fragmented more finely.
    """
    cdef _Block block
    cdef Py_ssize_t offset
    cdef Py_ssize_t size
    cdef readonly int context_id
    cdef readonly bint is_command
    cdef readonly bint is_last

    def __dealloc__(self):
        if self.block is not None:
            self.block.readers -= 1

    def __len__(self):
        return self.size

    def __getbuffer__(self, Py_buffer* view, int flags):
        if self.block is None:
            raise BufferError("a Pdv comes from a Framer only")
        PyBuffer_FillInfo(view, self, self.block.data + self.offset, self.size, 1, flags)

    def __repr__(self):
        return f"Pdv({self.context_id}, command={self.is_command}, last={self.is_last}, {self.size} bytes)"


@cython.final
cdef class Framer:
    """Cut a byte stream into PDUs and PDVs.

    A driver writes received bytes into `get_buffer`, tells `feed` how many, and takes events from `next_event` until
    it gives None. P-DATA is passed on as it comes, so that memory does not depend on the length of a PDU; only other
    PDUs are collected whole, within ``max_associate``. A PDV that is still referenced is never overwritten: the
    framer then goes on in a new buffer. A PDV that fits into the buffer comes in one piece.

    Not for use by several threads at the same time.
    """
    cdef _Block block
    cdef Py_ssize_t start             # first byte not yet processed
    cdef Py_ssize_t end               # one past the last byte received
    cdef Py_ssize_t need              # length of the whole PDU being collected, 0 when there is none
    cdef uint32_t pdu_left            # bytes left in the P-DATA-TF PDU
    cdef uint32_t pdv_left            # bytes left in the PDV
    cdef uint32_t max_pdu
    cdef uint32_t max_associate
    cdef Py_ssize_t capacity
    cdef int context_id
    cdef int control
    cdef long long base               # stream position of the first byte of the block
    cdef int descriptor               # where the data set goes that is diverted, else -1
    cdef int diverted_context
    cdef long long room               # bytes that may still be diverted
    cdef long long poured             # bytes that have been
    cdef int write_error
    cdef Py_ssize_t ready             # length of the chunk that can be handed out
    cdef bint ended                   # whether that chunk is the end of what was diverted
    cdef Py_ssize_t wanted            # how much of the next data set is to be handed out early, 0 for no hurry
    cdef readonly int fault           # A-ABORT reason once the stream is broken, else 0

    def __init__(self, max_pdu=131072, max_associate=1 << 20, capacity=None):
        if not 0 <= max_pdu <= 0xFFFFFFFF or not 0 < max_associate <= 0x7FFFFFFF:
            raise ValueError("a PDU length is a 32 bit number")
        if capacity is None:
            capacity = 131072 if max_pdu == 0 else min(max(max_pdu, 4096), 1 << 20)
        if not 64 <= capacity <= 1 << 30:
            raise ValueError("a receive buffer has 64 bytes to 1 GiB")
        self.max_pdu = max_pdu
        self.max_associate = max_associate
        self.capacity = capacity + 2 * (PDU_HEADER + PDV_HEADER)
        self.descriptor = -1
        self.block = _Block(self.capacity)

    @property
    def receiving(self):
        """Whether a PDU has begun and is not complete."""
        return self.pdu_left > 0 or self.end > self.start

    cdef inline bint hurrying(self) noexcept:
        """Whether the PDV that has begun is to be handed out as soon as ``wanted`` bytes of it are there."""
        return self.wanted > 0 and self.pdv_left >= BIG_PDV and not self.control & 1

    cdef inline bint fits(self) noexcept:
        """Whether the PDV that has begun has room in the buffer as a whole."""
        return <Py_ssize_t>self.pdv_left <= self.capacity - PDU_HEADER - PDV_HEADER

    def get_buffer(self):
        """Return a writable view of the free space."""
        cdef _Window window
        cdef Py_ssize_t left = self.end - self.start
        self._make_room()
        window = _Window.__new__(_Window)
        window.block = self.block
        window.offset = self.end
        window.size = self.block.size - self.end
        if self.hurrying() and left < self.wanted:
            window.size = min(window.size, self.wanted - left)
        return memoryview(window)

    cdef int _make_room(self) except -1:
        """Have free space behind what has been received."""
        cdef _Block block
        cdef Py_ssize_t left = self.end - self.start
        cdef Py_ssize_t size = max(self.capacity, self.need)
        cdef Py_ssize_t room = max(<Py_ssize_t>self.pdv_left - left, 0) + PDU_HEADER + PDV_HEADER
        if self.diverting():
            room = self.capacity // 2
        if self.block.readers > 0 or self.block.size != size:
            if left >= size:
                size = left + self.capacity
            block = _Block(size)
            memcpy(block.data, self.block.data + self.start, left)
            self.block = block
            self._rebase(left)
        elif left == 0:
            self._rebase(0)
        elif self.start > 0 and (self.need or self.block.size - self.end < room):
            memmove(self.block.data, self.block.data + self.start, left)
            self._rebase(left)
        if self.end == self.block.size:
            raise BufferError("the buffer is full of events that nobody took")
        return 0

    cdef void _rebase(self, Py_ssize_t left) noexcept:
        self.base += self.start
        self.start = 0
        self.end = left

    def feed(self, Py_ssize_t n):
        """Take note that ``n`` bytes were written at the beginning of the last `get_buffer`."""
        if n < 0 or n > self.block.size - self.end:
            raise ValueError("more bytes than the buffer has room for")
        self.end += n
        if self.fault:
            self.start = self.end     # nothing after a broken PDU has a meaning

    def discard(self):
        """Take no further notice of what comes: the association is over."""
        self.fault = REASON_INVALID_PARAMETER
        self.start = self.end
        self.pdu_left = self.pdv_left = 0
        self.need = 0
        self.descriptor = -1
        self.ended = False

    def divert(self, int descriptor, int context_id, long long room=-1):
        """Write the rest of the data set in ``context_id`` to ``descriptor`` as it comes.

        Its end is told by a last, empty `Pdv`; `undivert` says how much went there. After ``room`` bytes, or when a
        write fails, the rest is handed out as ever.
        """
        self.descriptor = descriptor
        self.diverted_context = context_id
        self.room = room if room >= 0 else 0x7FFFFFFFFFFFFFFF
        self.poured = 0
        self.write_error = 0

    def undivert(self):
        """Hand everything out again; return how many bytes were diverted, and the errno of a write that failed or 0."""
        self.descriptor = -1
        return self.poured, self.write_error

    cdef inline bint diverting(self) noexcept:
        return (
            self.descriptor >= 0 and self.pdv_left > 0 and not self.control & 1
            and self.context_id == self.diverted_context
        )

    cdef void _pour(self, Py_ssize_t n) noexcept:
        """Write ``n`` bytes of the PDV; end the diversion where that is not possible."""
        cdef int descriptor = self.descriptor
        cdef const uint8_t* p = self.block.data + self.start
        cdef Py_ssize_t done = 0
        cdef long long written
        cdef int error = 0
        if n > self.room:
            self.descriptor = -1
            return
        with nogil:
            while done < n:
                written = write_to(descriptor, p + done, n - done)
                if written > 0:
                    done += written
                elif written == 0 or errno != EINTR:
                    error = EIO if written == 0 else errno
                    break
        if error:
            self.write_error = error
            self.descriptor = -1
        self.room -= done
        self.poured += done
        self.start += done
        self.pdv_left -= <uint32_t>done
        self.pdu_left -= <uint32_t>done

    def hasten(self, Py_ssize_t wanted):
        """Hand out ``wanted`` bytes of the next data set as soon as they are there, where it begins with a big PDV."""
        self.wanted = min(max(wanted, 0), BIG_PDV)

    def take_in(self, int source):
        """Receive from the socket ``source`` what has arrived already, while all of it is diverted; return how much.

        Stops at what has to be handed out, and after a few MiB. Nothing is awaited.
        """
        cdef long long total = 0
        cdef long long count
        cdef uint8_t* free_space
        cdef Py_ssize_t room
        if self.fault:
            return 0
        while total < AT_ONCE and self.descriptor >= 0 and self._advance() == NOTHING:
            if self.descriptor < 0 or (self.pdv_left > 0 and not self.diverting()):
                break
            self._make_room()
            free_space = self.block.data + self.end
            room = self.block.size - self.end
            with nogil:
                count = receive_ready(source, free_space, room)
            if count <= 0:
                break
            self.end += <Py_ssize_t>count
            total += count
        if total:
            acknowledge(source)
        return total

    def next_event(self):
        """Return the next `Pdu` or `Pdv`, or None when more bytes are needed; raise DecodeError on a broken stream."""
        cdef int found
        if self.fault:
            raise_rc(RC_BAD_PDU, self.base + self.start, 0)
        found = self._advance()
        if found == NOTHING:
            return None
        if found == CHUNK:
            self.ended = False
            return self._chunk(self.ready)
        return self._whole()

    cdef int _advance(self) except -1:
        """Go on to what can be handed out next, and say what that is; what is diverted goes its way."""
        cdef Py_ssize_t avail
        cdef const uint8_t* p
        if self.ended:
            return CHUNK
        while True:
            avail = self.end - self.start
            if self.pdv_left > 0:
                if avail > 0 and self.diverting():
                    if avail < min(min(<Py_ssize_t>self.pdv_left, SMALL_WRITE), self.capacity // 4):
                        return NOTHING
                    self._pour(min(<Py_ssize_t>self.pdv_left, avail))
                    if self.pdv_left == 0 and self.control & 2:
                        return self._end()
                    continue
                if avail == 0 or (avail < <Py_ssize_t>self.pdv_left and self.fits()):
                    if avail == 0 or avail < self.wanted or not self.hurrying():
                        return NOTHING
                self.ready = min(<Py_ssize_t>self.pdv_left, avail)
                return CHUNK
            p = self.block.data + self.start
            if self.pdu_left > 0:
                if self.pdu_left < PDV_HEADER:
                    self._fail(RC_BAD_PDV, REASON_INVALID_PARAMETER)
                if avail < PDV_HEADER:
                    return NOTHING
                self._begin_pdv(p)
                if self.pdv_left == 0 and self.control & 2:
                    return self._end()
                continue
            if avail == 0:
                return NOTHING
            if not 1 <= p[0] <= 7:
                self._fail(RC_BAD_PDU, REASON_UNRECOGNIZED_PDU)
            if avail < PDU_HEADER:
                return NOTHING
            if p[0] != 4:
                return WHOLE
            self._begin_data(load_u32(p + 2, True))

    cdef inline int _end(self) noexcept:
        self.ready = 0
        self.ended = True
        return CHUNK

    cdef int _fail(self, int rc, int reason) except -1:
        self.fault = reason
        return raise_rc(rc, self.base + self.start, 0)

    cdef int _begin_data(self, uint32_t length) except -1:
        if length < PDV_HEADER:
            self._fail(RC_BAD_PDU, REASON_INVALID_PARAMETER)
        if self.max_pdu and length > self.max_pdu:
            self._fail(RC_LENGTH, REASON_INVALID_PARAMETER)
        self.pdu_left = length
        self.start += PDU_HEADER
        return 0

    cdef int _begin_pdv(self, const uint8_t* p) except -1:
        cdef uint32_t length = load_u32(p, True)
        # The item length covers context id and control header, and the item must end inside its PDU.
        if length < 2 or length > self.pdu_left - 4:
            self._fail(RC_BAD_PDV, REASON_INVALID_PARAMETER)
        if not p[4] & 1:
            self._fail(RC_BAD_PDV, REASON_INVALID_PARAMETER)    # context ids are odd
        self.context_id = p[4]
        self.control = p[5]
        self.pdv_left = length - 2
        self.pdu_left -= PDV_HEADER
        self.start += PDV_HEADER
        return 0

    cdef Pdv _chunk(self, Py_ssize_t n):
        cdef Pdv pdv = Pdv.__new__(Pdv)
        if not self.control & 1:
            self.wanted = 0
        pdv.block = self.block
        self.block.readers += 1
        pdv.offset = self.start
        pdv.size = n
        self.start += n
        self.pdv_left -= <uint32_t>n
        self.pdu_left -= <uint32_t>n
        pdv.context_id = self.context_id
        pdv.is_command = self.control & 1
        pdv.is_last = self.control & 2 and self.pdv_left == 0
        return pdv

    cdef object _whole(self):
        cdef const uint8_t* p = self.block.data + self.start
        cdef int type = p[0]
        cdef uint32_t length = load_u32(p + 2, True)
        cdef Py_ssize_t avail = self.end - self.start
        if type <= 2:
            if length < ASSOCIATE_MIN:
                self._fail(RC_BAD_PDU, REASON_INVALID_PARAMETER)
            if length > self.max_associate:
                self._fail(RC_LENGTH, REASON_INVALID_PARAMETER)
        elif length != 4:
            self._fail(RC_BAD_PDU, REASON_INVALID_PARAMETER)
        if avail < PDU_HEADER + <Py_ssize_t>length:
            self.need = PDU_HEADER + <Py_ssize_t>length
            return None
        self.need = 0
        data = PyBytes_FromStringAndSize(<char*>self.block.data + self.start + PDU_HEADER, length)
        self.start += PDU_HEADER + <Py_ssize_t>length
        return Pdu(type, data)
