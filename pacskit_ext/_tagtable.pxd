# The data dictionary (PS3.6, PS3.7 annex E). VR codes are the two characters as they stand in an
# explicit-VR element read little endian: first | second << 8. Where the standard leaves the choice
# open the code is a lower-case pair: "xs" US or SS, "ox" OB or OW, "xw" US or SS or OW, "uw" US or OW,
# "na" none (items and delimiters).
from libc.stdint cimport uint16_t, uint32_t

cdef uint16_t tag_vr(uint32_t tag) noexcept nogil     # 0 when unknown
cdef uint32_t keyword_tag(const char* utf8, Py_ssize_t n, bint* found) noexcept nogil
cdef object keyword_of(uint32_t tag)                  # "" when unknown
