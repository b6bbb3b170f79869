# The byte order of many units at once.
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) \\
        && !defined(__SANITIZE_ADDRESS__)
    #define PK_WIDE __attribute__((target_clones("avx2", "default")))     /* which one is decided when it is loaded */
    #else
    #define PK_WIDE
    #endif
    #define PK_SWAP(bits) \\
        PK_WIDE static void pk_swap##bits(uint8_t* out, const uint8_t* p, int64_t n) { \\
            for (int64_t i = 0; i < n; i++) { \\
                uint##bits##_t unit; \\
                memcpy(&unit, p + i * (bits / 8), bits / 8); \\
                unit = pk_bswap##bits(unit); \\
                memcpy(out + i * (bits / 8), &unit, bits / 8); \\
            } \\
        }
    PK_SWAP(16)
    PK_SWAP(32)
    PK_SWAP(64)
    """
    void _swap16 "pk_swap16"(uint8_t* out, const uint8_t* p, int64_t n) noexcept nogil
    void _swap32 "pk_swap32"(uint8_t* out, const uint8_t* p, int64_t n) noexcept nogil
    void _swap64 "pk_swap64"(uint8_t* out, const uint8_t* p, int64_t n) noexcept nogil


cdef inline void copy_swapped(uint8_t* out, const uint8_t* p, int64_t n, int width) noexcept nogil:
    """Copy with the byte order of each unit reversed; bytes past the last whole unit as they are."""
    cdef int64_t whole = n - n % width
    if width == 2:
        _swap16(out, p, whole // 2)
    elif width == 4:
        _swap32(out, p, whole // 4)
    elif width == 8:
        _swap64(out, p, whole // 8)
    else:
        whole = 0
    if n > whole:
        memcpy(out + whole, p + whole, n - whole)


cdef inline void copy_swapped_free(uint8_t* out, const uint8_t* p, int64_t n, int width) noexcept:
    """The same; others may run meanwhile where it takes a while."""
    if n < 1 << 16:
        copy_swapped(out, p, n, width)
    else:
        with nogil:
            copy_swapped(out, p, n, width)
