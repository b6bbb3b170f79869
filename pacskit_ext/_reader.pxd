# The table that a scan of a data set leaves behind: slots (elements), items (of sequences, or fragments).
from cpython.buffer cimport Py_buffer
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

cdef enum:
    F_UNDEFINED = 1      # the length field said undefined; a delimitation item follows
    F_ITEMS = 2          # a sequence: first/count are its items, each with slots of its own
    F_FRAGMENTS = 4      # encapsulated: first/count are fragments
    F_IMPLICIT = 8       # the element's header is implicit VR
    F_BIG = 16           # the element is big endian
    F_UNSORTED = 32      # items only: slots were not in ascending order, or doubled, in the source
    F_PARTIAL = 64       # items only: some elements of the content were passed over
    F_EXTERNAL = 128     # the value is not in the source but supplied beside it: the last one of a big file

cdef struct Slot:
    uint32_t tag
    uint16_t vr          # the two characters, first in the low byte
    uint8_t header       # bytes of tag, VR and length before the value: 8 or 12
    uint8_t flags
    int64_t offset       # first byte of the value in the source
    int64_t length       # bytes of the value, delimitation item excluded
    uint32_t first       # first item or fragment
    uint32_t count

cdef struct Item:
    int64_t offset       # first byte of the content
    int64_t length       # bytes of the content, delimitation item excluded
    uint32_t first       # first slot
    uint32_t count
    uint32_t flags

cdef class Scan:
    cdef Py_buffer view
    cdef bint exported
    cdef const uint8_t* base
    cdef readonly int64_t size
    cdef Slot* slots
    cdef readonly uint32_t slot_count
    cdef Item* items
    cdef readonly uint32_t item_count
    cdef Item root
    cdef readonly bint implicit
    cdef readonly bint big
    cdef readonly int64_t stopped      # where scanning stopped; size when it read to the end
    cdef readonly object source        # the object whose buffer this is
    cdef readonly object encoded       # what the source was inflated from, or None
    cdef readonly bytes external       # the value of the F_EXTERNAL slot, once supplied

cdef inline const uint8_t* value_at(Scan scan, Slot* slot):
    if slot.flags & F_EXTERNAL:
        return <const uint8_t*> PyBytes_AS_STRING(scan.external)
    return scan.base + slot.offset

# What the scanner works on; _headers uses it too.
cdef struct Scanner:
    const uint8_t* base
    int64_t size
    int64_t total              # bytes of the file, of which the source may be only the head
    bint big
    int max_depth
    uint32_t max_elements
    uint32_t stop_tag          # top level: stop before this tag and what follows it; 0 reads all
    uint32_t only_group        # top level: stop at the first tag outside this group; 0 reads all
    const uint32_t* wanted     # top level: keep only these, ascending; NULL keeps all
    uint32_t wanted_count
    Slot* slots                # finished levels, each contiguous
    uint32_t nslots
    uint32_t slot_cap
    Slot* open                 # levels still being read, one above the other
    uint32_t nopen
    uint32_t open_cap
    Item* items
    uint32_t nitems
    uint32_t item_cap
    Item* open_items
    uint32_t nopen_items
    uint32_t open_item_cap
    int64_t at                 # where the error is
    uint32_t tag               # in which element

cdef int scan_level(
    Scanner* s, int64_t pos, int64_t end, bint undefined, bint announced, int depth, uint32_t owner, Item* item
) noexcept nogil
