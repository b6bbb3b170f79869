"""Cutting an array of JSON objects into the objects while it is still arriving."""

from libc.stdint cimport int64_t, uint8_t

from pacskit_ext._errors import DecodeError, LimitError


cdef class ArraySplitter:
    """Cuts the UTF-8 text of a JSON array of objects into the objects, while the text arrives in pieces.

    Looks at brackets and quotes only; what it gives out is for a JSON parser to judge. One object alone counts as an
    array of one. Raises DecodeError for what is neither, LimitError for an object over ``max_bytes``.
    """
    cdef bytearray held          # the object that has begun and not ended
    cdef int64_t max_bytes
    cdef int64_t seen            # bytes before this piece
    cdef int64_t depth           # brackets open inside the object
    cdef int state               # 0 nothing yet, 1 before an object, 2 after one, 3 inside one, 4 ended
    cdef bint array
    cdef bint quoted
    cdef bint escaped

    def __init__(self, int64_t max_bytes):
        self.held = bytearray()
        self.max_bytes = max_bytes

    def feed(self, bytes data not None):
        """The objects that end in this piece, as bytes."""
        cdef const uint8_t* p = data
        cdef int64_t n = len(data)
        cdef int64_t i = 0
        cdef int64_t start = 0
        cdef list out = []
        while i < n:
            if self.state == 3:
                i = self.inside(p, i, n)
                if self.state == 3:
                    break
                self.held += data[start:i]
                self.check()
                out.append(bytes(self.held))
                self.held = bytearray()
            elif self.between(p[i], self.seen + i):
                start = i
                i += 1
            else:
                i += 1
        if self.state == 3:
            self.held += data[start:]
            self.check()
        self.seen += n
        return out

    def close(self):
        """Say that the text has ended; raises DecodeError when it should not have."""
        if self.state != 4:
            raise DecodeError("the JSON text ends early", offset=self.seen)

    cdef int check(self) except -1:
        if len(self.held) > self.max_bytes:
            raise LimitError(f"a data set has more than {self.max_bytes} bytes of JSON", offset=self.seen)
        return 0

    cdef int64_t inside(self, const uint8_t* p, int64_t i, int64_t n) noexcept nogil:
        cdef uint8_t c
        while i < n:
            c = p[i]
            i += 1
            if self.quoted:
                if self.escaped:
                    self.escaped = False
                elif c == 0x5C:
                    self.escaped = True
                elif c == 0x22:
                    self.quoted = False
            elif c == 0x22:
                self.quoted = True
            elif c == 0x7B or c == 0x5B:
                self.depth += 1
            elif c == 0x7D or c == 0x5D:
                self.depth -= 1
                if self.depth == 0:
                    self.state = 2 if self.array else 4
                    break
        return i

    cdef bint between(self, uint8_t c, int64_t at) except -1:
        """Take one character outside the objects: true when an object begins with it."""
        if c == 0x20 or c == 0x0A or c == 0x0D or c == 0x09:
            return False
        if self.state == 0 and at == 0 and c == 0xEF or self.state == 0 and at < 3 and c in (0xBB, 0xBF):
            return False          # a byte order mark, which parsers may ignore (RFC 8259 8.1)
        if self.state == 0 and c == 0x5B:
            self.array, self.state = True, 5
            return False
        if c == 0x7B and self.state in (0, 1, 5):
            self.state, self.depth = 3, 1
            return True
        if c == 0x2C and self.state == 2:
            self.state = 1
            return False
        if c == 0x5D and self.state in (2, 5):
            self.state = 4
            return False
        raise DecodeError("not a JSON array of data sets", offset=at)
