"""The data-set scanner: one pass over the bytes, without the GIL, that leaves a table of offsets.

Grammars: implicit and explicit VR, both byte orders, defined and undefined lengths (PS3.5 7.1 to 7.5), encapsulated
pixel data (PS3.5 A.4), UN of undefined length as implicit VR little endian (PS3.5 6.2.2).
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy, memset

from pacskit_ext._errors cimport RC_BAD_ITEM, RC_BAD_LENGTH, RC_COUNT, RC_DEPTH, RC_NOMEM, RC_OK, RC_TRUNCATED, raise_rc
from pacskit_ext._span cimport load_u16, load_u32
from pacskit_ext._tagtable cimport tag_vr
from pacskit_ext._vrcode cimport VR_OB, VR_OW, VR_SQ, VR_UN, VR_na, VR_ox, is_upper_pair, vr_is_known, vr_is_long

cdef enum:
    ITEM = 0xFFFEE000
    ITEM_END = 0xFFFEE00D
    SEQUENCE_END = 0xFFFEE0DD
    PIXEL_DATA = 0x7FE00010
    UNDEFINED = 0xFFFFFFFF


cdef inline uint32_t load_tag(const uint8_t* p, bint big) noexcept nogil:
    return (<uint32_t> load_u16(p, big) << 16) | load_u16(p + 2, big)


cdef inline int fail(Scanner* s, int rc, int64_t at, uint32_t tag) noexcept nogil:
    s.at = at
    s.tag = tag
    return rc


cdef int grow(void** block, uint32_t* cap, uint32_t need, size_t width) noexcept nogil:
    cdef uint64_t wide = cap[0]
    cdef void* bigger
    while wide < need:
        wide = wide * 2 if wide else 64
    bigger = realloc(block[0], wide * width)
    if bigger == NULL:
        return RC_NOMEM
    block[0] = bigger
    cap[0] = <uint32_t> wide
    return RC_OK


cdef int push_slot(Scanner* s, Slot* slot) noexcept nogil:
    if s.nslots + s.nopen >= s.max_elements:
        return fail(s, RC_COUNT, slot.offset - slot.header, slot.tag)
    if s.nopen == s.open_cap and grow(<void**> &s.open, &s.open_cap, s.nopen + 1, sizeof(Slot)) != RC_OK:
        return RC_NOMEM
    s.open[s.nopen] = slot[0]
    s.nopen += 1
    return RC_OK


cdef int push_item(Scanner* s, Item* item) noexcept nogil:
    # Items count against the same budget: a fragment or an empty item costs memory too.
    if s.nitems + s.nopen_items >= s.max_elements:
        return fail(s, RC_COUNT, item.offset - 8, ITEM)
    if s.nopen_items == s.open_item_cap and grow(
        <void**> &s.open_items, &s.open_item_cap, s.nopen_items + 1, sizeof(Item)
    ) != RC_OK:
        return RC_NOMEM
    s.open_items[s.nopen_items] = item[0]
    s.nopen_items += 1
    return RC_OK


cdef int by_tag(const void* a, const void* b) noexcept nogil:
    cdef const Slot* x = <const Slot*> a
    cdef const Slot* y = <const Slot*> b
    if x.tag != y.tag:
        return -1 if x.tag < y.tag else 1
    return -1 if x.offset < y.offset else 1


cdef int close_level(Scanner* s, uint32_t bottom, Item* item) noexcept nogil:
    """Move the slots of one level to where they stay; sort and keep the last of doubles where the source did not."""
    cdef uint32_t n = s.nopen - bottom
    cdef uint32_t i, kept
    cdef Slot* level = s.open + bottom
    if item.flags & F_UNSORTED:
        qsort(level, n, sizeof(Slot), by_tag)
        kept = 0
        for i in range(n):
            if i + 1 < n and level[i].tag == level[i + 1].tag:
                continue
            level[kept] = level[i]
            kept += 1
        n = kept
    if s.nslots + n > s.slot_cap and grow(<void**> &s.slots, &s.slot_cap, s.nslots + n, sizeof(Slot)) != RC_OK:
        return RC_NOMEM
    if n:
        memcpy(s.slots + s.nslots, level, n * sizeof(Slot))
    item.first = s.nslots
    item.count = n
    s.nslots += n
    s.nopen = bottom
    return RC_OK


cdef int close_items(Scanner* s, uint32_t bottom, Slot* slot) noexcept nogil:
    cdef uint32_t n = s.nopen_items - bottom
    if s.nitems + n > s.item_cap and grow(<void**> &s.items, &s.item_cap, s.nitems + n, sizeof(Item)) != RC_OK:
        return RC_NOMEM
    if n:
        memcpy(s.items + s.nitems, s.open_items + bottom, n * sizeof(Item))
    slot.first = s.nitems
    slot.count = n
    s.nitems += n
    s.nopen_items = bottom
    return RC_OK


cdef bint is_wanted(Scanner* s, uint32_t tag) noexcept nogil:
    cdef uint32_t lo = 0
    cdef uint32_t hi = s.wanted_count
    cdef uint32_t mid
    while lo < hi:
        mid = (lo + hi) >> 1
        if s.wanted[mid] < tag:
            lo = mid + 1
        else:
            hi = mid
    return lo < s.wanted_count and s.wanted[lo] == tag


cdef inline bint all_zero(const uint8_t* p, int64_t n) noexcept nogil:
    return p[0] == 0 and memcmp(p, p + 1, n - 1) == 0


cdef bint found_implicit(Scanner* s, int64_t pos, int64_t end, bint implicit, bint nested) noexcept nogil:
    """What the first element says of its level, against what was announced.

    Some writers leave items of an explicit data set implicit; a few leave the whole set so. Letters where the VR
    belongs would as a length mean a first value of 16 to 23 kB, so they are believed at the top.
    """
    cdef uint16_t vr
    if end - pos < 8 or load_tag(s.base + pos, s.big) >> 16 == 0xFFFE:
        return implicit
    vr = load_u16(s.base + pos + 4, False)
    if implicit:
        return not (not nested and vr_is_known(vr))
    return not is_upper_pair(vr)


cdef int read_header(Scanner* s, int64_t pos, int64_t end, bint implicit, Slot* slot, uint32_t* length) noexcept nogil:
    cdef const uint8_t* p = s.base + pos
    cdef uint16_t vr
    slot.tag = load_tag(p, s.big)
    slot.flags = F_BIG if s.big else 0
    slot.header = 8
    slot.first = 0
    slot.count = 0
    slot.length = 0
    slot.offset = pos + 8
    if slot.tag >> 16 == 0xFFFE:
        slot.vr = VR_na
        length[0] = load_u32(p + 4, s.big)
        return RC_OK
    vr = load_u16(p + 4, False)
    if implicit or not is_upper_pair(vr):
        # A pair that is no VR in an explicit level: the writer fell back to implicit for this element.
        slot.flags |= F_IMPLICIT
        slot.vr = tag_vr(slot.tag)
        if slot.vr == 0:
            slot.vr = VR_UN
        length[0] = load_u32(p + 4, s.big)
        return RC_OK
    slot.vr = vr
    # A VR of a later edition has the long form (PS3.5 7.1.2); its two reserved bytes tell it from a short one.
    if vr_is_long(vr) or (not vr_is_known(vr) and p[6] == 0 and p[7] == 0):
        if end - pos < 12:
            return fail(s, RC_TRUNCATED, pos, slot.tag)
        slot.header = 12
        slot.offset = pos + 12
        length[0] = load_u32(p + 8, s.big)
    else:
        length[0] = load_u16(p + 6, s.big)
    return RC_OK


cdef int scan_fragments(Scanner* s, Slot* slot, int64_t end) noexcept nogil:
    """Items of encapsulated data up to the sequence delimitation item (PS3.5 A.4)."""
    cdef uint32_t bottom = s.nopen_items
    cdef int64_t pos = slot.offset
    cdef uint32_t tag, length
    cdef Item item
    cdef int rc
    memset(&item, 0, sizeof(Item))
    while True:
        if end - pos < 8:
            return fail(s, RC_TRUNCATED, pos, slot.tag)
        tag = load_tag(s.base + pos, s.big)
        length = load_u32(s.base + pos + 4, s.big)
        if tag == SEQUENCE_END:
            slot.length = pos - slot.offset
            slot.flags |= F_FRAGMENTS | F_UNDEFINED
            return close_items(s, bottom, slot)
        if tag != ITEM or length == UNDEFINED:
            return fail(s, RC_BAD_ITEM, pos, slot.tag)
        if length > end - pos - 8:
            return fail(s, RC_TRUNCATED, pos, slot.tag)
        item.offset = pos + 8
        item.length = length
        rc = push_item(s, &item)
        if rc != RC_OK:
            return rc
        pos += 8 + <int64_t> length


cdef int scan_items(Scanner* s, Slot* slot, int64_t end, bint undefined, bint implicit, int depth) noexcept nogil:
    """The items of a sequence; ``end`` is where its value ends, or where its container does when undefined."""
    cdef uint32_t bottom = s.nopen_items
    cdef int64_t pos = slot.offset
    cdef int64_t after
    cdef uint32_t tag, length
    cdef Item item
    cdef int rc
    if depth > s.max_depth:
        return fail(s, RC_DEPTH, pos, slot.tag)
    while undefined or pos < end:
        if end - pos < 8:
            return fail(s, RC_TRUNCATED if undefined else RC_BAD_LENGTH, pos, slot.tag)
        tag = load_tag(s.base + pos, s.big)
        length = load_u32(s.base + pos + 4, s.big)
        if tag == SEQUENCE_END:
            if undefined:
                break
            pos += 8          # a delimiter nobody needs, tolerated inside a defined length
            continue
        if tag != ITEM:
            return fail(s, RC_BAD_ITEM, pos, slot.tag)
        memset(&item, 0, sizeof(Item))
        item.offset = pos + 8
        if length == UNDEFINED:
            item.flags = F_UNDEFINED
            rc = scan_level(s, pos + 8, end, True, implicit, depth, slot.tag, &item)
            after = item.offset + item.length + 8
        else:
            if length > end - pos - 8:
                return fail(s, RC_TRUNCATED if end == s.size else RC_BAD_LENGTH, pos, slot.tag)
            rc = scan_level(s, pos + 8, pos + 8 + <int64_t> length, False, implicit, depth, slot.tag, &item)
            after = pos + 8 + <int64_t> length
        if rc == RC_OK:
            rc = push_item(s, &item)
        if rc != RC_OK:
            return rc
        pos = after
    slot.length = pos - slot.offset
    slot.flags |= F_ITEMS
    if undefined:
        slot.flags |= F_UNDEFINED
    return close_items(s, bottom, slot)


cdef int try_unknown(Scanner* s, Slot* slot, int depth) noexcept nogil:
    """A UN value of known length whose attribute is a sequence: its items, or plain bytes where it has none."""
    cdef uint32_t nslots = s.nslots, nitems = s.nitems, nopen = s.nopen, nopen_items = s.nopen_items
    cdef int64_t length = slot.length
    cdef bint big = s.big
    cdef uint8_t flags = slot.flags
    cdef int rc
    s.big = False
    rc = scan_items(s, slot, slot.offset + length, False, True, depth + 1)
    s.big = big
    if rc == RC_NOMEM or rc == RC_COUNT or rc == RC_DEPTH:
        return rc
    if rc != RC_OK or slot.length != length:
        s.nslots, s.nitems, s.nopen, s.nopen_items = nslots, nitems, nopen, nopen_items
        slot.flags = flags
        slot.length = length
        slot.first = slot.count = 0
    return RC_OK


cdef int scan_undefined(Scanner* s, Slot* slot, int64_t end, bint implicit, int depth) noexcept nogil:
    cdef bint big = s.big
    cdef int rc
    if slot.tag == PIXEL_DATA or slot.vr == VR_OB or slot.vr == VR_OW or slot.vr == VR_ox:
        return scan_fragments(s, slot, end)
    if slot.vr == VR_UN and not (slot.flags & F_IMPLICIT):
        s.big = False        # PS3.5 6.2.2: UN of undefined length is implicit VR little endian inside
        rc = scan_items(s, slot, end, True, True, depth + 1)
        s.big = big
        return rc
    if slot.vr != VR_SQ and not (slot.flags & F_IMPLICIT):
        return fail(s, RC_BAD_LENGTH, slot.offset - slot.header, slot.tag)
    return scan_items(s, slot, end, True, implicit, depth + 1)


cdef int scan_value(Scanner* s, Slot* slot, uint32_t length, int64_t end, bint implicit, int depth) noexcept nogil:
    """Find the end of one element's value, descending into what it contains."""
    if length == UNDEFINED:
        return scan_undefined(s, slot, end, implicit, depth)
    slot.length = length
    if length > end - slot.offset:
        if depth == 0 and slot.offset + length == s.total and slot.vr != VR_SQ and slot.vr != VR_UN:
            slot.flags |= F_EXTERNAL
            return RC_OK
        return fail(s, RC_TRUNCATED if end == s.size else RC_BAD_LENGTH, slot.offset - slot.header, slot.tag)
    if slot.vr == VR_SQ:
        return scan_items(s, slot, slot.offset + length, False, implicit, depth + 1)
    if slot.vr == VR_UN and length >= 8 and tag_vr(slot.tag) == VR_SQ:
        return try_unknown(s, slot, depth)
    return RC_OK


cdef int scan_level(
    Scanner* s, int64_t pos, int64_t end, bint undefined, bint announced, int depth, uint32_t owner, Item* item
) noexcept nogil:
    """The elements of one data set; leaves ``item`` with its slots and the length of its content."""
    cdef uint32_t bottom = s.nopen
    cdef int64_t begin = pos
    cdef int64_t last = -1
    cdef uint32_t length = 0
    cdef bint implicit = found_implicit(s, pos, end, announced, depth > 0)
    cdef bint closed = False
    cdef uint32_t nslots, nitems
    cdef Slot slot
    cdef int rc
    if depth == 0 and implicit:
        item.flags |= F_IMPLICIT
    while pos < end:
        if end - pos < 8:
            if depth == 0 and all_zero(s.base + pos, end - pos):
                pos = end
                break
            return fail(s, RC_TRUNCATED if end == s.size else RC_BAD_LENGTH, pos, owner)
        rc = read_header(s, pos, end, implicit, &slot, &length)
        if rc != RC_OK:
            return rc
        if slot.tag == ITEM_END:
            if undefined:
                closed = True
                break
            return fail(s, RC_BAD_ITEM, pos, owner)
        if slot.vr == VR_na:
            return fail(s, RC_BAD_ITEM, pos, slot.tag)
        if depth == 0:
            if (s.stop_tag and slot.tag >= s.stop_tag) or (s.only_group and slot.tag >> 16 != s.only_group):
                break
            if slot.tag == 0 and all_zero(s.base + pos, end - pos):
                pos = end        # padding after the last element, kept with the content
                break
        nslots, nitems = s.nslots, s.nitems
        rc = scan_value(s, &slot, length, end, implicit, depth)
        if rc != RC_OK:
            return rc
        pos = slot.offset + slot.length + (8 if slot.flags & F_UNDEFINED else 0)
        if depth == 0 and s.wanted != NULL and not is_wanted(s, slot.tag):
            item.flags |= F_PARTIAL
            s.nslots, s.nitems = nslots, nitems      # what it holds is not wanted either
            continue
        if slot.tag <= last:
            item.flags |= F_UNSORTED
        last = slot.tag
        rc = push_slot(s, &slot)
        if rc != RC_OK:
            return rc
    if undefined and not closed:
        return fail(s, RC_TRUNCATED if end == s.size else RC_BAD_LENGTH, pos, owner)
    item.offset = begin
    item.length = pos - begin
    return close_level(s, bottom, item)


cdef class Scan:
    """The elements of one data set as offsets into a buffer; immutable, shared by every view of it."""

    def __cinit__(self):
        self.exported = False
        self.slots = NULL
        self.items = NULL
        self.encoded = None
        self.external = None
        memset(&self.root, 0, sizeof(Item))

    def __dealloc__(self):
        free(self.slots)
        free(self.items)
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
    encoded=None,
):
    """Scan the data set in ``source`` (any contiguous buffer) from byte ``start``.

    ``stop_tag`` ends the scan before the first top-level tag at or after it, ``only_group`` before the first of
    another group; ``wanted`` is an iterable of top-level
    tags to keep, the others being passed over. ``total`` is the size of the file when ``source`` is only its head: a
    value ending exactly there is left ``pending``. Raises TruncatedError, DecodeError, LimitError, with offset and tag.
    """
    cdef Scan result = Scan.__new__(Scan)
    cdef Scanner s
    cdef list tags
    cdef uint32_t* wanted_tags = NULL
    cdef Py_ssize_t i
    cdef int rc
    PyObject_GetBuffer(source, &result.view, PyBUF_SIMPLE)
    result.exported = True
    result.source = source
    result.encoded = encoded
    result.base = <const uint8_t*> result.view.buf
    result.size = result.view.len
    if start < 0 or start > result.size:
        raise ValueError(f"start {start} is outside the source of {result.size} bytes")
    memset(&s, 0, sizeof(Scanner))
    s.base, s.size, s.big, s.total = result.base, result.size, big, total
    s.max_depth, s.max_elements, s.stop_tag, s.only_group = max_depth, max_elements, stop_tag, only_group
    if wanted is not None:
        tags = sorted(set(wanted))
        wanted_tags = <uint32_t*> malloc((len(tags) + 1) * sizeof(uint32_t))
        if wanted_tags == NULL:
            raise MemoryError
        for i in range(len(tags)):
            wanted_tags[i] = tags[i]
        s.wanted, s.wanted_count = wanted_tags, <uint32_t> len(tags)
    with nogil:
        rc = scan_level(&s, start, s.size, False, implicit, 0, 0, &result.root)
        free(s.open)
        free(s.open_items)
        free(wanted_tags)
    # The table belongs to the result from here, so that an error frees it too.
    result.slots, result.slot_count = s.slots, s.nslots
    result.items, result.item_count = s.items, s.nitems
    if rc != RC_OK:
        raise_rc(rc, s.at, s.tag)
    result.implicit = (result.root.flags & F_IMPLICIT) != 0
    result.big = big
    result.stopped = result.root.offset + result.root.length
    return result
