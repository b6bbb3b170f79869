# Huffman codes of JPEG's lossless process: SSSS, the number of bits of a difference (T.81 C.2, F.2.2.3, H.1.2.2).
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from pacskit_ext._span cimport load_u64

cdef extern from *:
    """
    #if defined(_MSC_VER)
    #include <intrin.h>
    static __inline unsigned int pk_bit_length(unsigned int v) {
        unsigned long n; return _BitScanReverse(&n, v) ? n + 1 : 0;
    }
    #else
    static inline unsigned int pk_bit_length(unsigned int v) {
        return 31u ^ (unsigned int) __builtin_clz(2 * v + 1);
    }
    #endif
    """
    uint32_t bit_length "pk_bit_length"(uint32_t value) noexcept nogil     # of values below 2**31

cdef enum:
    MAX_CATEGORY = 16
    LOOK_BITS = 11           # as many bits are looked up at once
    LOOK_SIZE = 2048
    BAD_CODE = 0x10000       # no difference: the bits are no code of the table


cdef struct CodeTable:
    uint8_t counts[17]       # codes of each length, from 1
    uint8_t symbols[17]      # in the order of their codes
    uint8_t total
    bint defined


cdef inline bint table_is_prefix_free(const CodeTable* t) noexcept nogil:
    # C.2: codes are numbered by length, so that they are too many when they do not fit in their bits.
    cdef uint32_t code = 0
    cdef int n
    for n in range(1, 17):
        code = (code << 1) + t.counts[n]
        if code > (<uint32_t> 1 << n):
            return False
    return True


# -- decoding ------------------------------------------------------------------------------------------------------
#
# The next LOOK_BITS bits find an entry. It has the bits of a code with those of its difference, and what must be added
# to these bits to give the difference, modulo 2**16: the code and the first bit of the difference (its sign) tell both.
# Where another code and all of its difference are within the LOOK_BITS too, it has that difference, and the bits of
# both. 0 stands for a code that is longer or none.
#
#     0-7: bits of all   8-15: of the first   16-31: to be added   32-47: the second difference   48-: how many, 1 or 2

cdef struct Reservoir:
    uint64_t word            # bits not yet used, from the highest
    uint64_t ahead           # the eight bytes at p
    const uint8_t* p         # what follows; eight bytes more can be read
    int64_t left             # as many bits of the word are counted


cdef inline void reservoir_open(Reservoir* r, const uint8_t* p) noexcept nogil:
    r.word = 0
    r.left = 0
    r.p = p
    r.ahead = load_u64(p, True)


cdef inline void reservoir_fill(Reservoir* r) noexcept nogil:
    # At least 56 bits; those beyond the ones counted are right and are laid over themselves next time.
    r.word |= r.ahead >> r.left
    r.p += (63 - r.left) >> 3
    r.left |= 56
    r.ahead = load_u64(r.p, True)


cdef inline int64_t reservoir_used(const Reservoir* r, const uint8_t* begin) noexcept nogil:
    return 8 * <int64_t> (r.p - begin) - r.left


cdef inline void look_up_fill(uint64_t* look, uint32_t first, uint32_t count, uint32_t add, int bits) noexcept nogil:
    cdef uint64_t entry = (<uint64_t> 1 << 48) | (<uint64_t> (add & 0xFFFF) << 16) | <uint64_t> (bits * 0x101)
    cdef uint32_t i
    for i in range(first, first + count):
        look[i] = entry


cdef inline void look_up_pair(uint64_t* look) noexcept nogil:
    """To each entry the second difference, where it is within the bits too."""
    cdef uint64_t second
    cdef uint32_t i, rest, bits, more
    for i in range(<uint32_t> LOOK_SIZE):
        bits = (look[i] >> 8) & 0xFF
        if bits == 0 or bits >= LOOK_BITS:
            continue
        rest = (i << bits) & (LOOK_SIZE - 1)
        second = look[rest]
        more = (second >> 8) & 0xFF
        if more == 0 or bits + more > LOOK_BITS:
            continue
        rest = ((rest >> (LOOK_BITS - more)) + <uint32_t> (second >> 16)) & 0xFFFF
        look[i] += (<uint64_t> 1 << 48) + (<uint64_t> rest << 32) + more


cdef inline void look_up_build(uint64_t* look, const CodeTable* t) noexcept nogil:
    cdef uint32_t code = 0
    cdef uint32_t half, at
    cdef int n, s
    cdef int next_symbol = 0
    memset(look, 0, LOOK_SIZE * sizeof(uint64_t))
    for n in range(1, LOOK_BITS + 1):
        code <<= 1
        for _ in range(t.counts[n]):
            s = t.symbols[next_symbol]
            next_symbol += 1
            at = code << (LOOK_BITS - n)
            if s == 0:
                look_up_fill(look, at, 1 << (LOOK_BITS - n), -code, n)
            elif s == 16:
                look_up_fill(look, at, 1 << (LOOK_BITS - n), 32768 - code, n)
            elif n < LOOK_BITS:
                half = 1 << (LOOK_BITS - n - 1)
                look_up_fill(look, at, half, 1 - (<uint32_t> 1 << s) - (code << s), n + s)
                look_up_fill(look, at + half, half, -(code << s), n + s)
            code += 1
    look_up_pair(look)


cdef inline uint32_t take_slowly(Reservoir* r, const CodeTable* t) noexcept nogil:
    """The next difference modulo 2**16, whatever its code's length; BAD_CODE where there is none."""
    cdef uint32_t code = 0
    cdef uint32_t first = 0
    cdef uint32_t bits
    cdef int at = 0
    cdef int n, s
    reservoir_fill(r)
    for n in range(1, 17):
        code = <uint32_t> (r.word >> (64 - n))
        first <<= 1
        if code < first + t.counts[n]:
            break
        first += t.counts[n]
        at += t.counts[n]
    else:
        return BAD_CODE
    s = t.symbols[at + code - first]
    if s == 0 or s == 16:
        bits = 32768 if s == 16 else 0
        s = 0
    else:
        bits = <uint32_t> (r.word >> (64 - n - s)) & ((<uint32_t> 1 << s) - 1)
        if not bits >> (s - 1):
            bits = (bits + 1 - (<uint32_t> 1 << s)) & 0xFFFF
    r.word <<= n + s
    r.left -= n + s
    reservoir_fill(r)
    return bits


cdef inline uint32_t take(Reservoir* r, const uint64_t* look, const CodeTable* t) noexcept nogil:
    """The next difference; only its 16 lower bits count, unless it is BAD_CODE. At most 28 bits are used."""
    cdef uint64_t entry = look[r.word >> (64 - LOOK_BITS)]
    cdef uint32_t difference
    cdef Reservoir copy
    if entry == 0:
        copy = r[0]          # so that the one in use can stay in registers
        difference = take_slowly(&copy, t)
        r[0] = copy
        return difference
    difference = <uint32_t> ((r.word >> (-(entry >> 8) & 63)) + (entry >> 16)) & 0xFFFF
    r.word <<= (entry >> 8) & 63
    r.left -= (entry >> 8) & 63
    return difference


cdef inline int64_t take_some(Reservoir* r, const uint64_t* look, const CodeTable* t, uint16_t* d) noexcept nogil:
    """The next difference, or the next two: how many; 0 where there is no code. ``d`` has room for two."""
    cdef uint64_t entry = look[r.word >> (64 - LOOK_BITS)]
    cdef uint32_t difference
    cdef Reservoir copy
    if entry == 0:
        copy = r[0]
        difference = take_slowly(&copy, t)
        r[0] = copy
        d[0] = <uint16_t> difference
        return not difference & BAD_CODE
    d[0] = <uint16_t> ((r.word >> (-(entry >> 8) & 63)) + (entry >> 16))
    d[1] = <uint16_t> (entry >> 32)
    r.word <<= entry & 63
    r.left -= entry & 63
    return entry >> 48


# -- encoding ------------------------------------------------------------------------------------------------------

cdef struct Code:
    uint32_t bits            # the code, moved up by the bits of the difference
    uint32_t mask            # these bits
    uint32_t length          # of both


cdef inline void codes_assign(Code* codes, const CodeTable* t) noexcept nogil:
    cdef uint32_t code = 0
    cdef int at = 0
    cdef int n, s, extra
    memset(codes, 0, (MAX_CATEGORY + 1) * sizeof(Code))
    for n in range(1, 17):
        code <<= 1
        for _ in range(t.counts[n]):
            s = t.symbols[at]
            extra = s if s < 16 else 0
            codes[s].bits = code << extra
            codes[s].mask = (<uint32_t> 1 << extra) - 1
            codes[s].length = n + extra
            code += 1
            at += 1
