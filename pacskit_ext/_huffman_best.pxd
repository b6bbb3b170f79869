# The best Huffman codes for counted symbols (T.81 K.2).
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset

from pacskit_ext._huffman cimport CodeTable

cdef enum:
    SYMBOLS = 17             # categories of a difference


cdef inline void limit_lengths(int* of_length) noexcept nogil:
    """Figure K.3: no code longer than 16 bits; the lengths stay a full tree."""
    cdef int i = SYMBOLS + 1
    cdef int j
    while i > 16:
        if of_length[i] == 0:
            i -= 1
            continue
        j = i - 2
        while of_length[j] == 0:
            j -= 1
        of_length[i] -= 2
        of_length[i - 1] += 1
        of_length[j + 1] += 2
        of_length[j] -= 1


cdef inline void join_least(uint64_t* frequency, int* length, int* group) noexcept nogil:
    """Figure K.1: code lengths, by joining the two rarest groups until one is left; all are one bit longer then.

    Of equal ones the last is the rarest, so that the symbol behind all others gets a longest code.
    """
    cdef int i, first, second
    while True:
        first = second = -1
        for i in range(SYMBOLS + 1):
            if frequency[i] == 0:
                continue
            if first < 0 or frequency[i] <= frequency[first]:
                second = first
                first = i
            elif second < 0 or frequency[i] <= frequency[second]:
                second = i
        if second < 0:
            return
        frequency[first] += frequency[second]
        frequency[second] = 0
        for i in range(SYMBOLS + 1):
            if group[i] == first or group[i] == second:
                group[i] = first
                length[i] += 1


cdef inline void best_table(CodeTable* table, const uint64_t* counts) noexcept nogil:
    """K.2: one symbol more than there are, the rarest, keeps the code of ones alone free. Some count is not 0."""
    cdef uint64_t frequency[SYMBOLS + 1]
    cdef int length[SYMBOLS + 1]
    cdef int group[SYMBOLS + 1]
    cdef int of_length[SYMBOLS + 2]
    cdef int i, n
    memset(table, 0, sizeof(CodeTable))
    memset(of_length, 0, sizeof(of_length))
    for i in range(SYMBOLS + 1):
        frequency[i] = counts[i] * 64 if i < SYMBOLS else 1     # so that its length never counts
        length[i] = 0
        group[i] = i
    join_least(frequency, length, group)
    for i in range(SYMBOLS + 1):
        of_length[length[i]] += length[i] > 0
    limit_lengths(of_length)
    n = 16
    while of_length[n] == 0:
        n -= 1
    of_length[n] -= 1
    for n in range(1, 17):
        table.counts[n] = <uint8_t> of_length[n]
    for n in range(1, SYMBOLS + 1):
        for i in range(SYMBOLS):
            if length[i] == n:
                table.symbols[table.total] = <uint8_t> i
                table.total += 1
