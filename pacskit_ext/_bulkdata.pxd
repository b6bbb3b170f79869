from pacskit_ext._element cimport DataElement

cdef class BulkDataElement(DataElement):
    cdef readonly str uri
    cdef object resolver
