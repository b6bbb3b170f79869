# The first bytes of files, and what of them was wanted.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from pacskit_ext._grammar cimport Scanner

cdef enum:
    LAST_STEP = -0x80000000   # ends a path

cdef enum State:
    DONE = 0
    MORE = 1                  # bytes after those given are needed
    APART = 2                 # deflated, or to be guessed at: for the ordinary reader
    NO_PREFIX = 3
    SHORT = 4
    NO_META = 5
    NO_SYNTAX = 6
    LONG = 7                  # the header is longer than the limit
    WRONG = 8                 # what rc, offset and tag say
    SYSTEM = 9                # what the operating system's error number says

cdef struct Step:
    uint32_t tag
    int64_t index             # of the item to go into, from the end when negative; or LAST_STEP

cdef struct Grammar:
    uint8_t uid[64]
    Py_ssize_t length
    bint implicit
    bint big
    bint apart

cdef struct Found:
    int64_t at                # in the arena; -1 for an absent attribute
    int64_t length
    int64_t offset            # in the file
    int64_t charset_at        # of Specific Character Set's value in the arena; -1 for none
    int64_t charset_length
    uint32_t tag
    uint16_t vr
    uint8_t flags

cdef struct Head:
    int state
    int rc
    int system
    bint dicomdir
    int64_t size
    int64_t offset
    uint32_t tag
    Py_ssize_t syntax_length
    uint8_t syntax[64]

cdef struct Reader:
    Scanner scanner
    uint8_t* buffer           # the head of one file
    int64_t room
    uint8_t* arena            # the values of all files
    int64_t used
    int64_t arena_room
    int64_t max_header
    int64_t max_value
    bint force

cdef class Keys:
    cdef readonly tuple names
    cdef dict blank
    cdef Step* steps
    cdef uint32_t* begins
    cdef uint32_t count
    cdef uint32_t* wanted
    cdef uint32_t wanted_count
    cdef uint32_t stop
    cdef Grammar* grammars
    cdef Py_ssize_t grammar_count
    cdef add_grammar(self, bytes uid, bint implicit, bint big, bint apart)

cdef int read_head(
    Keys keys, Reader* r, const uint8_t* p, int64_t have, int64_t total, Head* head, Found* found
) noexcept nogil
cdef int read_file(Keys keys, Reader* r, const char* path, Head* head, Found* found) noexcept nogil
cdef int set_up(Reader* r, int64_t max_header, int64_t max_value, int max_depth, uint32_t max_elements, bint force)
cdef void tear_down(Reader* r) noexcept
