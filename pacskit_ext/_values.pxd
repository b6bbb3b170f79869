from libc.stdint cimport int64_t, uint32_t

cdef class DS(float):
    cdef readonly str original_string

cdef class MultiValue(list):
    cdef public bint changed

cdef object TAG
cdef object PERSON_NAME
cdef object DATE
cdef object TIME
cdef object DATE_TIME
cdef object INTEGER_STRING
cdef object vr_of(int code)
cdef object new_ds(double number, str text)
cdef object new_is(int64_t number)
cdef Py_ssize_t multiplicity(object value)
cdef str text_of(object value)
cdef int code_of(object vr) except -1
cdef uint32_t tag_of(object key) except? 0xFFFFFFFF
cdef object keyword_tag_of(str keyword)
