from libc.stdint cimport int64_t

from pacskit_ext._element cimport DataElement

cdef class DeferredElement(DataElement):
    cdef object reader
    cdef int64_t at
    cdef int64_t size
    cdef bint big
    cdef bint undefined
    cdef bytes data
    cdef bytes fetch(self)
