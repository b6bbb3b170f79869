# The private dictionary: VR, VM and name of the attributes that vendors have published, by creator (PS3.5 7.8).
# Nothing imports this module before a private attribute without a VR, or the name of one, is asked for.
from libc.stdint cimport uint16_t, uint32_t

cdef class PrivateDictionary:
    cdef dict rows               # creator → {pattern key: (vr, vm, name, VR code)}
    cdef readonly bint standard  # whether the published rows stand behind
    cdef tuple own(self, object creator, uint32_t tag)
    cdef uint16_t code(self, object creator, uint32_t tag) except? 0xFFFF
