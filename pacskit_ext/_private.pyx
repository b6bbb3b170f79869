"""Private attributes of a scan: their VR and name by creator, and the items that hide in a value."""

from cpython.buffer cimport PyBUF_SIMPLE, PyObject_GetBuffer
from cpython.unicode cimport PyUnicode_DecodeLatin1
from libc.stdint cimport int64_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from pacskit_ext._errors cimport RC_NOMEM, RC_OK
from pacskit_ext._grammar cimport Scanner, close_level, push_slot, try_unknown
from pacskit_ext._reader cimport F_FRAGMENTS, F_IMPLICIT, F_ITEMS, Item, Scan, Slot
from pacskit_ext._tagtable import lookup
from pacskit_ext._vrcode cimport VR_AT, VR_SQ, VR_UN, swap_width, vr_is_long


cdef uint16_t private_vr(Scan scan, object creator, uint32_t tag, int64_t length) except 0:
    """The VR in the dictionary of the data set; UN where there is none, or the length cannot be right for it."""
    cdef uint16_t vr
    if scan.private_code is None:
        from pacskit_ext._privatetable import vr_code
        scan.private_code = vr_code
    vr = scan.private_code(scan.private, creator, tag)
    return VR_UN if length % (4 if vr == VR_AT else swap_width(vr)) else vr


cdef uint16_t slot_vr(Scan scan, Slot* level, uint32_t index) except 0:
    """The VR of a slot of a level; of a private one of implicit VR that which its creator's dictionary gives.

    UN stays what is a sequence there, and what is too long for a 16-bit length (PS3.5 6.2.2).
    """
    cdef Slot* slot = level + index
    cdef uint32_t creator = (slot.tag & 0xFFFF0000U) | ((slot.tag >> 8) & 0xFF)
    cdef uint32_t lo = 0
    cdef uint32_t hi = index
    cdef uint32_t mid
    cdef uint16_t vr
    if slot.vr != VR_UN or not slot.tag & 0x10000 or (slot.tag & 0xFFFF) < 0x1000:
        return slot.vr
    if not slot.flags & F_IMPLICIT or slot.flags & (F_ITEMS | F_FRAGMENTS):
        return slot.vr
    while lo < hi:
        mid = (lo + hi) >> 1
        if level[mid].tag < creator:
            lo = mid + 1
        else:
            hi = mid
    if lo == index or level[lo].tag != creator or level[lo].length > 64:
        return VR_UN
    name = PyUnicode_DecodeLatin1(<const char*> scan.base + level[lo].offset, level[lo].length, NULL).strip(" \0")
    vr = private_vr(scan, name, slot.tag, slot.length)
    return VR_UN if vr == VR_SQ or (slot.length > 0xFFFF and not vr_is_long(vr)) else vr


cdef object name_of(Scan scan, object creator, uint32_t tag):
    """The name of an attribute, of a private one in its creator's dictionary; says so where it is unknown."""
    found = lookup(tag)
    if found is not None and found[3]:
        return found[3]
    if tag & 0x10000:
        from pacskit_ext._privatetable import name_of as private_name
        return private_name(scan.private if scan is not None else None, creator, tag)
    return "Group Length" if tag & 0xFFFF == 0 else "Unknown attribute"


cdef Scan nested_scan(Scan outer, Slot* slot, int depth):
    """A scan whose one slot is ``slot`` with the items of its value; None where the value has none.

    It counts against the depth and the number of elements that the data set may have.
    """
    cdef Scan inner
    cdef Scanner s
    cdef Slot own = slot[0]
    cdef Item root
    cdef int rc
    memset(&root, 0, sizeof(Item))
    memset(&s, 0, sizeof(Scanner))
    s.base, s.size, s.total = outer.base, slot.offset + slot.length, -1
    s.max_depth, s.max_elements = outer.max_depth, outer.max_elements
    with nogil:
        rc = try_unknown(&s, &own, depth)
        if rc == RC_OK and own.flags & F_ITEMS:
            rc = push_slot(&s, &own)
            if rc == RC_OK:
                rc = close_level(&s, 0, &root)
        free(s.open)
        free(s.open_items)
        free(s.notes)
    inner = Scan.__new__(Scan)
    inner.slots, inner.slot_count = s.slots, s.nslots     # freed with it
    inner.items, inner.item_count = s.items, s.nitems
    if rc == RC_NOMEM:
        raise MemoryError
    if rc != RC_OK or root.count == 0:
        return None
    PyObject_GetBuffer(outer.source, &inner.view, PyBUF_SIMPLE)
    inner.exported = True
    inner.outer = outer
    inner.source, inner.encoded, inner.base, inner.size = outer.source, outer.encoded, outer.base, outer.size
    inner.implicit, inner.private, inner.private_code = True, outer.private, outer.private_code
    inner.max_depth, inner.max_elements = outer.max_depth, outer.max_elements
    inner.root = root
    return inner
