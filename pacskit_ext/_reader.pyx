"""The data-set reader: the table of offsets that a scan leaves, as an object that keeps the source alive."""

import struct

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from pacskit_ext._errors cimport RC_OK, RC_TRUNCATED, raise_rc
from pacskit_ext._grammar cimport Scanner, scan_level
from pacskit_ext._recent cimport WORTHWHILE, free_recent, new_recent
from pacskit_ext._slots cimport F_EXTERNAL, F_IMPLICIT, F_ITEMS, Item, Slot


@cython.no_gc        # the collector would clear a memoryview that is read here, and CPython crashes over that
cdef class Scan:
    """The elements of one data set as offsets into a buffer; immutable, shared by every view of it."""

    def __cinit__(self):
        self.exported = False
        self.slots = NULL
        self.items = NULL
        self.notes = NULL
        self.recent = NULL
        self.encoded = None
        self.external = None
        memset(&self.root, 0, sizeof(Item))

    def __dealloc__(self):
        free(self.slots)
        free(self.items)
        free(self.notes)
        free_recent(self.recent)
        if self.exported:
            PyBuffer_Release(&self.view)

    def pending(self):
        """Offset and length of a last value that is yet to be supplied, or None."""
        cdef Slot* last
        if self.external is not None or self.root.count == 0:
            return None
        last = self.slots + self.root.first + self.root.count - 1
        return (last.offset, last.length) if last.flags & F_EXTERNAL else None

    def supply(self, bytes value not None):
        """Give the value that ``pending`` asked for; raises TruncatedError when it is not that long."""
        wanted = self.pending()
        if wanted is None:
            raise ValueError("no value is pending")
        if len(value) != wanted[1]:
            raise_rc(RC_TRUNCATED, wanted[0], self.slots[self.root.first + self.root.count - 1].tag)
        self.external = value

    def noted(self):
        """What was tolerated: kind, tag and offset of each, in the order met."""
        return [(self.notes[i].kind, self.notes[i].tag, self.notes[i].at) for i in range(self.note_count)]

    def ancestors(self, int64_t offset):
        """The sequences and items that the byte at ``offset`` is in, from the outside: tag and index of each."""
        cdef Item* level = &self.root
        cdef Slot* slot
        cdef Item* item
        cdef uint32_t i, k
        cdef list out = []
        cdef bint deeper = True
        while deeper:
            deeper = False
            for i in range(level.count):
                slot = self.slots + level.first + i
                if slot.flags & F_ITEMS and slot.offset <= offset < slot.offset + slot.length:
                    for k in range(slot.count):
                        item = self.items + slot.first + k
                        if item.offset <= offset < item.offset + item.length:
                            out.append((slot.tag, k))
                            level = item
                            deeper = True
                            break
                    break
        return out

    def __sizeof__(self):
        return object.__sizeof__(self) + self.slot_count * sizeof(Slot) + self.item_count * sizeof(Item)


def scan(
    source,
    *,
    bint implicit,
    bint big=False,
    int64_t start=0,
    int64_t total=-1,
    uint32_t stop_tag=0,
    uint32_t only_group=0,
    wanted=None,
    int max_depth=128,
    uint32_t max_elements=0xFFFFFFF0,
    bint salvage=False,
    encoded=None,
    private=None,
):
    """Scan the data set in ``source`` (any contiguous buffer) from byte ``start``.

    ``stop_tag`` ends the scan before the first top-level tag at or after it, ``only_group`` before the first of
    another group; ``wanted`` is an iterable of top-level tags to keep, the others being passed over. ``total`` is the
    size of the file when ``source`` is only its head: a value ending exactly there is left ``pending``. ``salvage``
    keeps what comes before damage; ``private`` is the dictionary of private attributes. Raises TruncatedError,
    DecodeError or LimitError with offset and tag.
    """
    cdef Scan result = Scan.__new__(Scan)
    cdef Scanner s
    cdef bytes tags
    cdef int rc
    PyObject_GetBuffer(source, &result.view, PyBUF_SIMPLE)
    result.exported = True
    result.source = source
    result.encoded, result.private = encoded, private
    result.max_depth, result.max_elements = max_depth, max_elements
    result.base = <const uint8_t*> result.view.buf
    result.size = result.view.len
    if start < 0 or start > result.size:
        raise ValueError(f"start {start} is outside the source of {result.size} bytes")
    memset(&s, 0, sizeof(Scanner))
    s.base, s.size, s.big, s.total = result.base, result.size, big, total
    s.max_depth, s.max_elements, s.stop_tag, s.only_group = max_depth, max_elements, stop_tag, only_group
    s.salvage = salvage
    if wanted is not None:
        distinct = sorted(set(wanted))
        tags = struct.pack(f"={len(distinct)}I", *distinct)
        s.wanted, s.wanted_count = <const uint32_t*> PyBytes_AS_STRING(tags), <uint32_t> len(distinct)
    with nogil:
        rc = scan_level(&s, start, s.size, False, implicit, 0, 0, &result.root)
        free(s.open)
        free(s.open_items)
    # The table belongs to the result from here, so that an error frees it too.
    result.slots, result.slot_count = s.slots, s.nslots
    result.items, result.item_count = s.items, s.nitems
    result.notes, result.note_count = s.notes, s.nnotes
    if rc != RC_OK:
        raise_rc(rc, s.at, s.tag)
    if s.nslots >= WORTHWHILE:
        result.recent = new_recent()
    result.implicit = (result.root.flags & F_IMPLICIT) != 0
    result.big = big
    result.stopped = result.root.offset + result.root.length
    return result
