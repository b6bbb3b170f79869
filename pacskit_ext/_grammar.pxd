# The scanner's state, the function that runs it over one data set, and the steps of one element.
from libc.stdint cimport int64_t, uint8_t, uint32_t

from pacskit_ext._slots cimport Item, Note, Slot

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
    Note* notes
    uint32_t nnotes
    uint32_t note_cap
    bint salvage               # keep what comes before damage
    bint halted                # damage was met: every level closes with what it has
    int64_t at                 # where the error is
    uint32_t tag               # in which element

cdef int scan_level(
    Scanner* s, int64_t pos, int64_t end, bint undefined, bint announced, int depth, uint32_t owner, Item* item
) noexcept nogil
cdef int push_slot(Scanner* s, Slot* slot) noexcept nogil
cdef int close_level(Scanner* s, uint32_t bottom, Item* item) noexcept nogil
cdef int try_unknown(Scanner* s, Slot* slot, int depth) noexcept nogil
