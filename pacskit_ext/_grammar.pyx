"""The grammar of data sets: one pass over the bytes, without the GIL, that leaves a table of offsets.

Implicit and explicit VR, both byte orders, defined and undefined lengths (PS3.5 7.1 to 7.5), encapsulated pixel data
(PS3.5 A.4), UN of undefined length as implicit VR little endian (PS3.5 6.2.2).
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport qsort, realloc
from libc.string cimport memcmp, memcpy, memset

from pacskit_ext._errors cimport RC_BAD_ITEM, RC_BAD_LENGTH, RC_COUNT, RC_DEPTH, RC_NOMEM, RC_OK, RC_TRUNCATED
from pacskit_ext._slots cimport (
    F_BIG, F_EXTERNAL, F_FRAGMENTS, F_IMPLICIT, F_ITEMS, F_PARTIAL, F_REPAIRED, F_UNDEFINED, F_UNSORTED, NOTE_CUT_VALUE,
    NOTE_DAMAGED, NOTE_DOUBLE, NOTE_ELEMENT_IMPLICIT, NOTE_LEVEL_EXPLICIT, NOTE_LEVEL_IMPLICIT, NOTE_ODD_LENGTH,
    NOTE_ORDER, NOTE_PADDING, NOTE_STRAY_DELIMITER, NOTE_UNKNOWN_VR,
)
from pacskit_ext._span cimport load_u16, load_u32
from pacskit_ext._tagtable cimport tag_vr
from pacskit_ext._vrcode cimport VR_OB, VR_OW, VR_SQ, VR_UN, VR_na, VR_ox, is_upper_pair, vr_is_known, vr_is_long

cdef enum:
    ITEM = 0xFFFEE000
    ITEM_END = 0xFFFEE00D
    SEQUENCE_END = 0xFFFEE0DD
    PIXEL_DATA = 0x7FE00010
    SPECIFIC_CHARACTER_SET = 0x00080005
    UNDEFINED = 0xFFFFFFFF
    MOST_NOTES = 1000          # more than that say nothing new

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


cdef void note(Scanner* s, int kind, int64_t at, uint32_t tag) noexcept nogil:
    """Remember what was tolerated; without memory for it the scan goes on all the same."""
    if s.nnotes >= MOST_NOTES:
        return
    if s.nnotes == s.note_cap and grow(<void**> &s.notes, &s.note_cap, s.nnotes + 1, sizeof(Note)) != RC_OK:
        return
    s.notes[s.nnotes].kind = kind
    s.notes[s.nnotes].at = at
    s.notes[s.nnotes].tag = tag
    s.nnotes += 1


cdef bint halts(Scanner* s, int rc) noexcept nogil:
    """Whether an error ends the scan with what has been read, rather than in vain."""
    if not s.salvage or rc == RC_NOMEM or rc == RC_COUNT or rc == RC_DEPTH:
        return False
    if not s.halted:
        note(s, NOTE_DAMAGED, s.at, s.tag)
        s.halted = True
    return True


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
                note(s, NOTE_DOUBLE, level[i + 1].offset - level[i + 1].header, level[i].tag)
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
        if nested or not vr_is_known(vr):
            return True
        note(s, NOTE_LEVEL_EXPLICIT, pos, load_tag(s.base + pos, s.big))
        return False
    if is_upper_pair(vr):
        return False
    note(s, NOTE_LEVEL_IMPLICIT, pos, load_tag(s.base + pos, s.big))
    return True


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
        if not implicit:
            note(s, NOTE_ELEMENT_IMPLICIT, pos, slot.tag)
        slot.flags |= F_IMPLICIT
        slot.vr = tag_vr(slot.tag)
        if slot.vr == 0:
            slot.vr = VR_UN
        length[0] = load_u32(p + 4, s.big)
        return RC_OK
    slot.vr = vr
    if not vr_is_known(vr):
        note(s, NOTE_UNKNOWN_VR, pos, slot.tag)
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
        rc = RC_OK
        tag = length = 0
        if end - pos < 8:
            rc = fail(s, RC_TRUNCATED, pos, slot.tag)
        else:
            tag = load_tag(s.base + pos, s.big)
            length = load_u32(s.base + pos + 4, s.big)
        if tag == SEQUENCE_END:
            slot.flags |= F_UNDEFINED
            break
        if rc == RC_OK and (tag != ITEM or length == UNDEFINED):
            rc = fail(s, RC_BAD_ITEM, pos, slot.tag)
        if rc == RC_OK and length > end - pos - 8:
            rc = fail(s, RC_TRUNCATED, pos, slot.tag)
        if rc == RC_OK:
            item.offset = pos + 8
            item.length = length
            rc = push_item(s, &item)
        if rc != RC_OK:
            if not halts(s, rc):
                return rc
            slot.flags |= F_REPAIRED
            break
        pos += 8 + <int64_t> length
    slot.length = pos - slot.offset
    slot.flags |= F_FRAGMENTS
    return close_items(s, bottom, slot)


cdef int scan_item(Scanner* s, int64_t* pos, int64_t end, bint implicit, int depth, uint32_t owner) noexcept nogil:
    """One item from its tag on; moves ``pos`` behind it."""
    cdef uint32_t length = load_u32(s.base + pos[0] + 4, s.big)
    cdef int64_t after
    cdef Item item
    cdef int rc
    memset(&item, 0, sizeof(Item))
    item.offset = pos[0] + 8
    if length == UNDEFINED:
        item.flags = F_UNDEFINED
        rc = scan_level(s, item.offset, end, True, implicit, depth, owner, &item)
        after = item.offset + item.length + (0 if s.halted else 8)
    else:
        after = item.offset + <int64_t> length
        if after > end:
            rc = fail(s, RC_TRUNCATED if end == s.size else RC_BAD_LENGTH, pos[0], owner)
            if not s.salvage:
                return rc
            note(s, NOTE_CUT_VALUE, pos[0], owner)
            rc = scan_level(s, item.offset, end, False, implicit, depth, owner, &item)
            s.halted = True
            after = end
        else:
            rc = scan_level(s, item.offset, after, False, implicit, depth, owner, &item)
    if rc == RC_OK:
        rc = push_item(s, &item)
    pos[0] = after
    return rc


cdef int scan_items(Scanner* s, Slot* slot, int64_t end, bint undefined, bint implicit, int depth) noexcept nogil:
    """The items of a sequence; ``end`` is where its value ends, or where its container does when undefined."""
    cdef uint32_t bottom = s.nopen_items
    cdef int64_t pos = slot.offset
    cdef uint32_t tag
    cdef int rc
    if depth > s.max_depth:
        return fail(s, RC_DEPTH, pos, slot.tag)
    while (undefined or pos < end) and not s.halted:
        if end - pos < 8:
            rc = fail(s, RC_TRUNCATED if undefined else RC_BAD_LENGTH, pos, slot.tag)
        else:
            tag = load_tag(s.base + pos, s.big)
            if tag == SEQUENCE_END:
                if undefined:
                    break
                note(s, NOTE_STRAY_DELIMITER, pos, slot.tag)
                pos += 8
                continue
            rc = scan_item(s, &pos, end, implicit, depth, slot.tag) if tag == ITEM else fail(
                s, RC_BAD_ITEM, pos, slot.tag
            )
        if rc != RC_OK and not halts(s, rc):
            return rc
    slot.length = pos - slot.offset
    slot.flags |= F_ITEMS
    if s.halted:
        slot.flags |= F_REPAIRED
    if undefined:
        slot.flags |= F_UNDEFINED
    return close_items(s, bottom, slot)


cdef int try_unknown(Scanner* s, Slot* slot, int depth) noexcept nogil:
    """A UN value of known length whose attribute is a sequence: its items, or plain bytes where it has none."""
    cdef uint32_t nslots = s.nslots, nitems = s.nitems, nopen = s.nopen, nopen_items = s.nopen_items
    cdef int64_t length = slot.length
    cdef bint big = s.big
    cdef uint8_t flags = slot.flags
    cdef bint salvage = s.salvage
    cdef uint32_t nnotes = s.nnotes
    cdef int rc
    s.big = s.salvage = False
    rc = scan_items(s, slot, slot.offset + length, False, True, depth + 1)
    s.big, s.salvage = big, salvage
    if rc == RC_NOMEM or rc == RC_COUNT or rc == RC_DEPTH:
        return rc
    if rc != RC_OK or slot.length != length:
        s.nslots, s.nitems, s.nopen, s.nopen_items, s.nnotes = nslots, nitems, nopen, nopen_items, nnotes
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


cdef inline bint may_be_external(Slot* slot, uint32_t length) noexcept nogil:
    """Whether a last value may be supplied later: not what others need to be read, nor what has elements in it."""
    return length > 64 and slot.tag != SPECIFIC_CHARACTER_SET and slot.vr != VR_SQ and slot.vr != VR_UN


cdef int scan_value(Scanner* s, Slot* slot, uint32_t length, int64_t end, bint implicit, int depth) noexcept nogil:
    """Find the end of one element's value, descending into what it contains."""
    cdef int rc
    if length == UNDEFINED:
        return scan_undefined(s, slot, end, implicit, depth)
    slot.length = length
    if length > end - slot.offset:
        if depth == 0 and slot.offset + length == s.total and may_be_external(slot, length):
            slot.flags |= F_EXTERNAL
            return RC_OK
        rc = fail(s, RC_TRUNCATED if end == s.size else RC_BAD_LENGTH, slot.offset - slot.header, slot.tag)
        if not s.salvage or slot.vr == VR_SQ:
            return rc
        note(s, NOTE_CUT_VALUE, s.at, slot.tag)
        s.halted = True
        slot.length = end - slot.offset
        slot.flags |= F_REPAIRED
        return RC_OK
    if length & 1 and slot.vr != VR_SQ:
        note(s, NOTE_ODD_LENGTH, slot.offset - slot.header, slot.tag)
    if slot.vr == VR_SQ:
        return scan_items(s, slot, slot.offset + length, False, implicit, depth + 1)
    if slot.vr == VR_UN and length >= 8 and tag_vr(slot.tag) == VR_SQ:
        return try_unknown(s, slot, depth)
    return RC_OK


cdef int scan_element(
    Scanner* s, int64_t pos, int64_t end, bint implicit, int depth, uint32_t owner, Slot* slot
) noexcept nogil:
    """One element from its tag on: header and value."""
    cdef uint32_t length = 0
    cdef int rc = read_header(s, pos, end, implicit, slot, &length)
    if rc != RC_OK:
        return rc
    if slot.vr == VR_na:
        return fail(s, RC_BAD_ITEM, pos, owner if slot.tag == ITEM_END else slot.tag)
    return scan_value(s, slot, length, end, implicit, depth)


cdef inline bint ends_top(Scanner* s, int64_t* pos, int64_t end) noexcept nogil:
    """Whether a data set that is in no sequence ends here: at padding, or where the caller wants it to."""
    cdef uint32_t tag
    if end - pos[0] >= 4:
        tag = load_tag(s.base + pos[0], s.big)
        if (s.stop_tag and tag >= s.stop_tag and tag >> 16 != 0xFFFE) or (s.only_group and tag >> 16 != s.only_group):
            return True
        if tag != 0:
            return False
    if not all_zero(s.base + pos[0], end - pos[0]):
        return False
    note(s, NOTE_PADDING, pos[0], 0)
    pos[0] = end          # padding stays with the content
    return True


cdef inline void check_order(Scanner* s, Slot* slot, int64_t* last, Item* item) noexcept nogil:
    if slot.tag <= last[0]:
        if slot.tag < last[0]:
            note(s, NOTE_ORDER, slot.offset - slot.header, slot.tag)
        item.flags |= F_UNSORTED
    last[0] = slot.tag


cdef int scan_level(
    Scanner* s, int64_t pos, int64_t end, bint undefined, bint announced, int depth, uint32_t owner, Item* item
) noexcept nogil:
    """The elements of one data set; leaves ``item`` with its slots and the length of its content."""
    cdef uint32_t bottom = s.nopen
    cdef int64_t last = -1
    cdef bint implicit = found_implicit(s, pos, end, announced, depth > 0)
    cdef bint closed = False
    cdef uint32_t nslots, nitems
    cdef Slot slot
    cdef int rc
    item.offset = pos
    if depth == 0 and implicit:
        item.flags |= F_IMPLICIT
    while pos < end and not s.halted:
        if depth == 0 and ends_top(s, &pos, end):
            break
        if end - pos < 8:
            rc = fail(s, RC_TRUNCATED if end == s.size else RC_BAD_LENGTH, pos, owner)
        elif undefined and load_tag(s.base + pos, s.big) == ITEM_END:
            closed = True
            break
        else:
            nslots, nitems = s.nslots, s.nitems
            rc = scan_element(s, pos, end, implicit, depth, owner, &slot)
        if rc == RC_OK:
            pos = slot.offset + slot.length + (8 if slot.flags & F_UNDEFINED and not s.halted else 0)
            if depth == 0 and s.wanted != NULL and not is_wanted(s, slot.tag):
                item.flags |= F_PARTIAL
                s.nslots, s.nitems = nslots, nitems      # what it holds is not wanted either
                continue
            check_order(s, &slot, &last, item)
            rc = push_slot(s, &slot)
        if rc != RC_OK and not halts(s, rc):
            return rc
    if undefined and not closed and not s.halted:
        rc = fail(s, RC_TRUNCATED if end == s.size else RC_BAD_LENGTH, pos, owner)
        if not halts(s, rc):
            return rc
    if s.halted:
        item.flags |= F_PARTIAL
    item.length = pos - item.offset
    return close_level(s, bottom, item)
