# The checked cursor: every length is compared with what is left before the pointer moves.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(_MSC_VER)
    #include <stdlib.h>
    #define pk_bswap16 _byteswap_ushort
    #define pk_bswap32 _byteswap_ulong
    #define pk_bswap64 _byteswap_uint64
    #else
    #define pk_bswap16 __builtin_bswap16
    #define pk_bswap32 __builtin_bswap32
    #define pk_bswap64 __builtin_bswap64
    #endif
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #error "pacskit needs a little endian host"
    #endif
    """
    uint16_t bswap16 "pk_bswap16"(uint16_t value) noexcept nogil
    uint32_t bswap32 "pk_bswap32"(uint32_t value) noexcept nogil
    uint64_t bswap64 "pk_bswap64"(uint64_t value) noexcept nogil


cdef struct Span:
    const uint8_t* base      # first byte of the source
    int64_t pos              # next byte to read
    int64_t end              # one past the last byte that may be read


cdef inline uint16_t load_u16(const uint8_t* p, bint big) noexcept nogil:
    cdef uint16_t v
    memcpy(&v, p, 2)
    return bswap16(v) if big else v


cdef inline uint32_t load_u32(const uint8_t* p, bint big) noexcept nogil:
    cdef uint32_t v
    memcpy(&v, p, 4)
    return bswap32(v) if big else v


cdef inline uint64_t load_u64(const uint8_t* p, bint big) noexcept nogil:
    cdef uint64_t v
    memcpy(&v, p, 8)
    return bswap64(v) if big else v


cdef inline void store_u16(uint8_t* p, uint16_t v, bint big) noexcept nogil:
    if big:
        v = bswap16(v)
    memcpy(p, &v, 2)


cdef inline void store_u32(uint8_t* p, uint32_t v, bint big) noexcept nogil:
    if big:
        v = bswap32(v)
    memcpy(p, &v, 4)


cdef inline void store_u64(uint8_t* p, uint64_t v, bint big) noexcept nogil:
    if big:
        v = bswap64(v)
    memcpy(p, &v, 8)


cdef inline int64_t span_left(const Span* s) noexcept nogil:
    return s.end - s.pos


cdef inline const uint8_t* span_take(Span* s, int64_t n) noexcept nogil:
    # NULL when fewer than n bytes are left; the position then stays where it was.
    cdef const uint8_t* p
    if n < 0 or n > s.end - s.pos:
        return NULL
    p = s.base + s.pos
    s.pos += n
    return p
