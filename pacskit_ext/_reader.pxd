# The table of a data set as an object.
from cpython.buffer cimport Py_buffer
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int64_t, uint8_t, uint32_t

from pacskit_ext._recent cimport Recent
from pacskit_ext._slots cimport (
    F_BIG, F_EXTERNAL, F_FRAGMENTS, F_IMPLICIT, F_ITEMS, F_PARTIAL, F_REPAIRED, F_UNDEFINED, F_UNSORTED, Item, Note,
    Slot,
)

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
    cdef Note* notes
    cdef readonly uint32_t note_count
    cdef readonly bytes external       # the value of the F_EXTERNAL slot, once supplied
    cdef readonly object private       # the dictionary of private attributes; None is the published one
    cdef object private_code           # its look-up of VRs, imported when first needed
    cdef Scan outer                    # of a value that was scanned later: the scan that has it as one slot
    cdef int max_depth
    cdef uint32_t max_elements
    cdef Recent* recent                # NULL where there are too few elements for it
    cdef object recent_charset         # of the text in it

cdef inline const uint8_t* value_at(Scan scan, Slot* slot):
    if slot.flags & F_EXTERNAL:
        return <const uint8_t*> PyBytes_AS_STRING(scan.external)
    return scan.base + slot.offset
