# The VRs as the two characters of an explicit header, first in the low byte; lower case where the dictionary leaves a
# choice. What each is like (PS3.5 6.2, table 7.1-1).
from libc.stdint cimport uint16_t

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


cdef inline bint vr_is_known(uint16_t vr) noexcept nogil:
    return (
        vr == VR_UI or vr == VR_CS or vr == VR_LO or vr == VR_SH or vr == VR_DS or vr == VR_IS or vr == VR_DA
        or vr == VR_TM or vr == VR_PN or vr == VR_US or vr == VR_SQ or vr == VR_UL or vr == VR_OW or vr == VR_OB
        or vr == VR_FD or vr == VR_FL or vr == VR_UN or vr == VR_AE or vr == VR_AS or vr == VR_AT or vr == VR_DT
        or vr == VR_LT or vr == VR_OD or vr == VR_OF or vr == VR_OL or vr == VR_OV or vr == VR_SL or vr == VR_SS
        or vr == VR_ST or vr == VR_SV or vr == VR_UC or vr == VR_UR or vr == VR_UT or vr == VR_UV
    )


cdef inline bint vr_is_long(uint16_t vr) noexcept nogil:
    # Whether the explicit header of this VR has a 32-bit length (PS3.5 table 7.1-1).
    return (
        vr == VR_SQ or vr == VR_OW or vr == VR_OB or vr == VR_UN or vr == VR_UT or vr == VR_UC or vr == VR_UR
        or vr == VR_OF or vr == VR_OD or vr == VR_OL or vr == VR_OV or vr == VR_SV or vr == VR_UV
    )


cdef inline bint is_text(uint16_t vr) noexcept nogil:
    # Whether (0008,0005) governs the value (PS3.5 6.1.2.3).
    return (
        vr == VR_LO or vr == VR_SH or vr == VR_PN or vr == VR_LT or vr == VR_ST or vr == VR_UT or vr == VR_UC
    )


cdef inline bint is_binary(uint16_t vr) noexcept nogil:
    # Whether the value reads as bytes.
    return (
        vr == VR_OB or vr == VR_OW or vr == VR_UN or vr == VR_OF or vr == VR_OD or vr == VR_OL or vr == VR_OV
        or vr == VR_ox
    )


cdef inline int swap_width(uint16_t vr) noexcept nogil:
    # Bytes of the units that byte order applies to; 1 where it does not.
    if (
        vr == VR_US or vr == VR_SS or vr == VR_OW or vr == VR_AT or vr == VR_xs or vr == VR_ox or vr == VR_xw
        or vr == VR_uw
    ):
        return 2
    if vr == VR_UL or vr == VR_SL or vr == VR_FL or vr == VR_OF or vr == VR_OL:
        return 4
    if vr == VR_FD or vr == VR_OD or vr == VR_OV or vr == VR_SV or vr == VR_UV:
        return 8
    return 1


cdef inline bint is_upper_pair(uint16_t vr) noexcept nogil:
    cdef int a = vr & 0xFF
    cdef int b = vr >> 8
    return 0x41 <= a <= 0x5A and 0x41 <= b <= 0x5A


cdef inline bint vr_is_padded_with_space(uint16_t vr) noexcept nogil:
    return not is_binary(vr) and swap_width(vr) == 1 and vr != VR_UI
