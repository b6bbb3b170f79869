# The table that a scan of a data set leaves behind: slots (elements), items (of sequences, or fragments).
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from pacskit_ext._vrcode cimport VR_OB, VR_OW, VR_SS, VR_US, VR_ox, VR_uw, VR_xs, VR_xw

cdef enum:
    F_UNDEFINED = 1      # the length field said undefined; a delimitation item follows
    F_ITEMS = 2          # a sequence: first/count are its items, each with slots of its own
    F_FRAGMENTS = 4      # encapsulated: first/count are fragments
    F_IMPLICIT = 8       # the element's header is implicit VR
    F_BIG = 16           # the element is big endian
    F_REPAIRED = 32      # slots only: header and length in the source do not say what is here
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

# What a scan tolerated, and where.
cdef enum:
    NOTE_ELEMENT_IMPLICIT = 1    # an element without VR among elements with one
    NOTE_LEVEL_IMPLICIT = 2      # a level that has no VRs although the transfer syntax says so
    NOTE_LEVEL_EXPLICIT = 3      # the other way round
    NOTE_ORDER = 4               # a tag that is not above the one before it
    NOTE_DOUBLE = 5              # a tag that was there already; the last one counts
    NOTE_PADDING = 6             # zeros after the last element
    NOTE_UNKNOWN_VR = 7          # two capitals that are no VR
    NOTE_ODD_LENGTH = 8          # a value of odd length
    NOTE_STRAY_DELIMITER = 9     # a delimitation item that nothing asked for
    NOTE_CUT_VALUE = 10          # a value that ends with the source before its length
    NOTE_DAMAGED = 11            # what follows does not parse and was left out

cdef struct Note:
    int kind
    uint32_t tag
    int64_t at


cdef inline int64_t find_slot(const Slot* slots, uint32_t count, uint32_t tag) noexcept nogil:
    """The index of the slot of a tag among slots in ascending order, -1 for none."""
    cdef uint32_t lo = 0
    cdef uint32_t hi = count
    cdef uint32_t mid
    while lo < hi:
        mid = (lo + hi) >> 1
        if slots[mid].tag < tag:
            lo = mid + 1
        else:
            hi = mid
    if lo < count and slots[lo].tag == tag:
        return lo
    return -1


cdef inline uint16_t chosen_vr(uint16_t vr, const Slot* slot, int sign) noexcept nogil:
    """The VR where the dictionary leaves a choice, made from context (PS3.5 annex A, PS3.3 C.7.6.3)."""
    if vr == VR_xs:
        return VR_SS if sign == 1 else VR_US
    if vr == VR_ox:
        return VR_OB if slot.flags & F_FRAGMENTS else VR_OW
    if vr == VR_uw or vr == VR_xw:
        return VR_US if slot.length == 2 else VR_OW
    return vr
