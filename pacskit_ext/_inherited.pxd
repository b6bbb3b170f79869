from pacskit_ext._charset cimport CharacterSet

cdef class Surroundings:         # what the items of a data set's sequences inherit from it
    cdef CharacterSet charset
    cdef int sign
    cdef int depth               # how many sequences the items are in
    cdef object item_class
    cdef object element_class
