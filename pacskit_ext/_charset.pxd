cdef enum:
    KIND_ASCII = 0
    KIND_LATIN1 = 1
    KIND_UTF8 = 2
    KIND_SINGLE = 3      # one codec for the whole value
    KIND_ISO2022 = 4     # code extension by escape sequences

cdef class CharacterSet:
    cdef readonly tuple terms
    cdef readonly tuple codecs
    cdef int kind
    cdef tuple escapes       # (escape, codec) of every extension in force
    cdef object decode(self, const char* p, Py_ssize_t n, bint is_name)

cdef CharacterSet DEFAULT
cdef CharacterSet charset_for(tuple terms)
