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

cdef enum:
    VR_AE = 0x4541
    VR_AS = 0x5341
    VR_AT = 0x5441
    VR_CS = 0x5343
    VR_DA = 0x4144
    VR_DS = 0x5344
    VR_DT = 0x5444
    VR_FD = 0x4446
    VR_FL = 0x4C46
    VR_IS = 0x5349
    VR_LO = 0x4F4C
    VR_LT = 0x544C
    VR_OB = 0x424F
    VR_OD = 0x444F
    VR_OF = 0x464F
    VR_OL = 0x4C4F
    VR_OV = 0x564F
    VR_OW = 0x574F
    VR_PN = 0x4E50
    VR_SH = 0x4853
    VR_SL = 0x4C53
    VR_SQ = 0x5153
    VR_SS = 0x5353
    VR_ST = 0x5453
    VR_SV = 0x5653
    VR_TM = 0x4D54
    VR_UC = 0x4355
    VR_UI = 0x4955
    VR_UL = 0x4C55
    VR_UN = 0x4E55
    VR_UR = 0x5255
    VR_US = 0x5355
    VR_UT = 0x5455
    VR_UV = 0x5655
    VR_xs = 0x7378       # US or SS
    VR_ox = 0x786F       # OB or OW
    VR_xw = 0x7778       # US or SS or OW
    VR_uw = 0x7775       # US or OW
    VR_na = 0x616E       # none: items and delimiters

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


cdef bint vr_is_long(uint16_t vr) noexcept nogil
cdef bint vr_is_known(uint16_t vr) noexcept nogil
