from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef class JsonText:
    cdef char* base
    cdef int64_t used
    cdef int64_t room
    cdef int64_t chunk
    cdef object sink
    cdef char* reserve(self, int64_t n) except NULL
    cdef int pour(self) except -1
    cdef int put(self, const char* p, int64_t n) except -1
    cdef int put_char(self, char c) except -1
    cdef int put_text(self, const uint8_t* p, int64_t n, bint latin1) except -1
    cdef int put_str(self, object text, uint32_t tag) except -1
    cdef int put_int(self, int64_t value) except -1
    cdef int put_unsigned(self, uint64_t value) except -1
    cdef int put_wide(self, object value) except -1
    cdef int put_double(self, double value) except -1
    cdef int put_number_text(self, const uint8_t* p, int64_t n, uint16_t vr, bint latin1) except -1
    cdef int put_tag(self, uint32_t tag) except -1
    cdef int put_name(self, const uint8_t* p, int64_t n) except -1
    cdef int put_base64(self, const uint8_t* p, int64_t n, int width) except -1

cdef void swap_into(uint8_t* out, const uint8_t* p, int64_t n, int width) noexcept nogil
