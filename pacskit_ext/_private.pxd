# Private attributes of a scan: their VR and name by creator, and the items that hide in a value (PS3.5 7.8, 6.2.2).
from libc.stdint cimport int64_t, uint16_t, uint32_t

from pacskit_ext._reader cimport Scan, Slot

cdef uint16_t private_vr(Scan scan, object creator, uint32_t tag, int64_t length) except 0
cdef uint16_t slot_vr(Scan scan, Slot* level, uint32_t index) except 0
cdef object name_of(Scan scan, object creator, uint32_t tag)
cdef Scan nested_scan(Scan outer, Slot* slot, int depth)
