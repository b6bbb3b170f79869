"""JSON text as it grows (RFC 8259): a buffer of UTF-8, and how strings, numbers and bytes look in it."""

from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from pacskit_ext._errors import EncodeError
from pacskit_ext._span cimport bswap16, bswap32, bswap64
from pacskit_ext._vrcode cimport VR_DS

cdef extern from "Python.h":
    object PyUnicode_DecodeUTF8(const char* s, Py_ssize_t size, const char* errors)
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    char* PyOS_double_to_string(double value, char code, int precision, int flags, int* kind) except NULL
    enum: Py_DTSF_ADD_DOT_0

cdef enum:
    PIECE = 24576            # bytes that become base64 at a time: whole threes, whole units of every VR

cdef const char* HEX = b"0123456789ABCDEF"
cdef const char* BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


# -- kernels ---------------------------------------------------------------------------------------------------------

cdef int escape(char* out, const uint8_t* p, int64_t n, bint latin1) noexcept nogil:
    """Copy text with what JSON wants escaped (RFC 8259 7); at most six bytes for one. Gives the bytes written."""
    cdef int64_t i
    cdef char* q = out
    cdef uint8_t c
    for i in range(n):
        c = p[i]
        if c >= 0x80 and latin1:
            q[0] = 0xC0 | (c >> 6)
            q[1] = 0x80 | (c & 0x3F)
            q += 2
        elif c >= 0x20 and c != 0x22 and c != 0x5C:
            q[0] = c
            q += 1
        elif c == 0x22 or c == 0x5C:
            q[0] = 0x5C
            q[1] = c
            q += 2
        elif c == 0x0A or c == 0x0D or c == 0x09:
            q[0] = 0x5C
            q[1] = 0x6E if c == 0x0A else 0x72 if c == 0x0D else 0x74
            q += 2
        else:
            memcpy(q, b"\\u00", 4)
            q[4] = HEX[c >> 4]
            q[5] = HEX[c & 15]
            q += 6
    return <int> (q - out)


cdef int64_t to_base64(char* out, const uint8_t* p, int64_t n) noexcept nogil:
    cdef int64_t i = 0
    cdef char* q = out
    cdef uint32_t three
    while i + 3 <= n:
        three = (<uint32_t> p[i] << 16) | (<uint32_t> p[i + 1] << 8) | p[i + 2]
        q[0] = BASE64[three >> 18]
        q[1] = BASE64[(three >> 12) & 63]
        q[2] = BASE64[(three >> 6) & 63]
        q[3] = BASE64[three & 63]
        q += 4
        i += 3
    if i < n:
        three = <uint32_t> p[i] << 16
        if i + 1 < n:
            three |= <uint32_t> p[i + 1] << 8
        q[0] = BASE64[three >> 18]
        q[1] = BASE64[(three >> 12) & 63]
        q[2] = BASE64[(three >> 6) & 63] if i + 1 < n else 0x3D
        q[3] = 0x3D
        q += 4
    return q - out


cdef void swap_into(uint8_t* out, const uint8_t* p, int64_t n, int width) noexcept nogil:
    """Copy with the bytes of each unit reversed; what is left of a unit at the end as it is."""
    cdef int64_t i = 0
    cdef int64_t whole = n - n % width
    cdef uint16_t v16
    cdef uint32_t v32
    cdef uint64_t v64
    while i < whole:
        if width == 2:
            memcpy(&v16, p + i, 2)
            v16 = bswap16(v16)
            memcpy(out + i, &v16, 2)
        elif width == 4:
            memcpy(&v32, p + i, 4)
            v32 = bswap32(v32)
            memcpy(out + i, &v32, 4)
        else:
            memcpy(&v64, p + i, 8)
            v64 = bswap64(v64)
            memcpy(out + i, &v64, 8)
        i += width
    if n > whole:
        memcpy(out + whole, p + whole, n - whole)


cdef int number_text(char* out, const uint8_t* p, int64_t n, bint fraction) noexcept nogil:
    """Write a DS or IS as JSON has it: no plus sign, no zeros before it, a digit on each side of the point.

    Gives the bytes written, at most ``n + 1``; 0 where the text is no number, or one that a double may not hold.
    """
    cdef int64_t i = 0
    cdef int64_t begin
    cdef char* q = out
    cdef int digits = 0
    cdef bint significant = False
    cdef bint any_digit = False
    if n and (p[0] == 0x2D or p[0] == 0x2B):
        if p[0] == 0x2D:
            q[0] = 0x2D
            q += 1
        i = 1
    while i < n and p[i] == 0x30:
        any_digit = True
        i += 1
    if i == n or not 0x30 <= p[i] <= 0x39:
        q[0] = 0x30
        q += 1
    while i < n and 0x30 <= p[i] <= 0x39:
        any_digit = significant = True
        digits += 1
        q[0] = p[i]
        q += 1
        i += 1
    if fraction and i < n and p[i] == 0x2E:
        i += 1
        begin = i
        while i < n and 0x30 <= p[i] <= 0x39:
            if i == begin:
                q[0] = 0x2E
                q += 1
            any_digit = True
            significant = significant or p[i] != 0x30
            digits += significant
            q[0] = p[i]
            q += 1
            i += 1
    if not any_digit or digits > 15:
        return 0
    if fraction and i < n and (p[i] == 0x45 or p[i] == 0x65):
        q[0] = 0x65
        q += 1
        i += 1
        if i < n and (p[i] == 0x2B or p[i] == 0x2D):
            q[0] = p[i]
            q += 1
            i += 1
        begin = i
        while i < n and p[i] == 0x30:
            i += 1
        if i == n and i > begin:
            i -= 1
        if i == n or n - i > 2:
            return 0                 # an exponent that may be none of a double's
        while i < n and 0x30 <= p[i] <= 0x39:
            q[0] = p[i]
            q += 1
            i += 1
    return <int> (q - out) if i == n else 0


# -- the buffer ------------------------------------------------------------------------------------------------------

cdef class JsonText:
    """Text in a buffer that grows, or that goes to ``sink`` whenever it holds ``chunk`` bytes."""

    def __dealloc__(self):
        PyMem_Free(self.base)

    def punctuate(self, str text not None):
        """Append text as it is: what stands between data sets."""
        cdef bytes data = text.encode("ascii")
        self.put(data, len(data))

    def take(self):
        """The text so far, which is then forgotten."""
        text = PyUnicode_DecodeUTF8(self.base, self.used, NULL)
        self.used = 0
        return text

    cdef int pour(self) except -1:
        if self.sink is not None and self.used >= self.chunk:
            self.sink(self.take())
        return 0

    cdef char* reserve(self, int64_t n) except NULL:
        cdef int64_t room
        cdef char* bigger
        if self.room - self.used < n:
            room = self.room * 2 if self.room else 16384
            while room - self.used < n:
                room *= 2
            bigger = <char*> PyMem_Realloc(self.base, room)
            if bigger == NULL:
                raise MemoryError
            self.base, self.room = bigger, room
        return self.base + self.used

    cdef int put(self, const char* p, int64_t n) except -1:
        memcpy(self.reserve(n), p, n)
        self.used += n
        return 0

    cdef int put_char(self, char c) except -1:
        self.reserve(1)[0] = c
        self.used += 1
        return 0

    cdef int put_text(self, const uint8_t* p, int64_t n, bint latin1) except -1:
        cdef int64_t part
        self.put_char(0x22)
        while n:
            part = n if n < 65536 else 65536
            self.used += escape(self.reserve(part * 6), p, part, latin1)
            p += part
            n -= part
        self.put_char(0x22)
        return 0

    cdef int put_str(self, object text, uint32_t tag) except -1:
        cdef Py_ssize_t n = 0
        cdef const char* p
        try:
            p = PyUnicode_AsUTF8AndSize(text, &n)
        except UnicodeEncodeError:
            raise EncodeError("the text is no Unicode", tag=tag) from None
        return self.put_text(<const uint8_t*> p, n, False)

    cdef int put_int(self, int64_t value) except -1:
        cdef uint64_t rest = <uint64_t> value
        if value < 0:
            self.put_char(0x2D)
            rest = 0 - rest
        return self.put_unsigned(rest)

    cdef int put_unsigned(self, uint64_t value) except -1:
        cdef char[24] digits
        cdef int at = 24
        while True:
            at -= 1
            digits[at] = 0x30 + <char> (value % 10)
            value //= 10
            if value == 0:
                break
        return self.put(digits + at, 24 - at)

    cdef int put_wide(self, object value) except -1:
        """An SV or UV: as text where a reader's double would lose digits (PS3.18 F.2.3)."""
        cdef bytes text = b"%d" % value
        if -(1 << 53) <= value <= 1 << 53:
            return self.put(text, len(text))
        return self.put_text(text, len(text), False)

    cdef int put_double(self, double value) except -1:
        cdef char* text
        cdef int64_t n = 0
        if value != value:
            return self.put(b'"NaN"', 5)        # JSON has no number for these
        if value - value != 0:
            return self.put(b'"Infinity"', 10) if value > 0 else self.put(b'"-Infinity"', 11)
        text = PyOS_double_to_string(value, b"r", 0, Py_DTSF_ADD_DOT_0, NULL)
        while text[n]:
            n += 1
        try:
            return self.put(text, n)
        finally:
            PyMem_Free(text)

    cdef int put_number_text(self, const uint8_t* p, int64_t n, uint16_t vr, bint latin1) except -1:
        """A DS or IS: a number, or the text where a reader would get another number or none (PS3.18 F.2.3)."""
        cdef int written = number_text(self.reserve(n + 8), p, n, vr == VR_DS) if n < 64 else 0
        if written:
            self.used += written
            return 0
        return self.put_text(p, n, latin1)

    cdef int put_tag(self, uint32_t tag) except -1:
        cdef char* q = self.reserve(10)
        cdef int i
        q[0] = 0x22
        for i in range(8):
            q[1 + i] = HEX[(tag >> (28 - 4 * i)) & 15]
        q[9] = 0x22
        self.used += 10
        return 0

    cdef int put_name(self, const uint8_t* p, int64_t n) except -1:
        """A person name in UTF-8: an object of its component groups that are not empty (PS3.18 F.2.2)."""
        cdef const uint8_t* sign
        cdef int64_t part
        cdef int group = 0
        cdef bint first = True
        self.put_char(0x7B)
        while n:
            sign = <const uint8_t*> memchr(p, 0x3D, n) if group < 2 else NULL
            part = sign - p if sign != NULL else n
            if part:
                if not first:
                    self.put_char(0x2C)
                first = False
                if group == 0:
                    self.put(b'"Alphabetic":', 13)
                elif group == 1:
                    self.put(b'"Ideographic":', 14)
                else:
                    self.put(b'"Phonetic":', 11)
                self.put_text(p, part, False)
            if sign == NULL:
                break
            group += 1
            p += part + 1
            n -= part + 1
        return self.put_char(0x7D)

    cdef int put_base64(self, const uint8_t* p, int64_t n, int width) except -1:
        """Bytes as a string; ``width`` is of the units whose byte order is to be turned round, else 1."""
        cdef uint8_t[PIECE] swapped
        cdef int64_t part
        self.put_char(0x22)
        while n:
            part = n if n < PIECE else PIECE
            if width > 1:
                swap_into(swapped, p, part, width)
                self.used += to_base64(self.reserve(part // 3 * 4 + 4), swapped, part)
            else:
                self.used += to_base64(self.reserve(part // 3 * 4 + 4), p, part)
            p += part
            n -= part
            self.pour()
        return self.put_char(0x22)
