from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from pacskit_ext._charset cimport CharacterSet
from pacskit_ext._reader cimport Scan, Slot

cdef object decode_value(
    const uint8_t* p, int64_t n, uint16_t vr, bint big, CharacterSet charset, uint32_t tag, int64_t offset
)
cdef CharacterSet charset_of(const uint8_t* p, int64_t n, int64_t offset)
cdef object decode_again(Scan scan, Slot* slot, uint16_t vr, CharacterSet charset)
cdef object empty_value(uint16_t vr)
cdef bytes encode_value(object value, uint16_t vr, bint big, CharacterSet charset, uint32_t tag)
cdef object coerce_value(object value, uint16_t vr, uint32_t tag)
cdef bint is_single_text(uint16_t vr) noexcept nogil
