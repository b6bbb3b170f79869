# New bytes objects of any size.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t

cdef extern from *:
    """
    #include <stdint.h>
    #if defined(__linux__)
    #include <sys/mman.h>
    #endif
    #if defined(MADV_HUGEPAGE)
    /* Fresh memory is cleared page by page when it is first written to, which costs more than filling it does. */
    static void pk_expect_filled(char* p, int64_t n) {
        const uintptr_t huge = (uintptr_t) 1 << 21;
        uintptr_t first = ((uintptr_t) p + huge - 1) & ~(huge - 1);
        uintptr_t last = ((uintptr_t) p + (uintptr_t) n) & ~(huge - 1);
        if (last > first) madvise((void*) first, last - first, MADV_HUGEPAGE);
    }
    #else
    #define pk_expect_filled(p, n) ((void) (p), (void) (n))
    #endif
    """
    void _expect_filled "pk_expect_filled"(char* p, int64_t n) noexcept nogil

cdef enum:
    LARGE = 1 << 23


cdef inline bytes new_bytes(int64_t n):
    """Bytes to be filled in."""
    cdef bytes made = PyBytes_FromStringAndSize(NULL, n)
    if n >= LARGE:
        _expect_filled(PyBytes_AS_STRING(made), n)
    return made
