from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint16_t, uint32_t

from pacskit_ext._charset cimport CharacterSet
from pacskit_ext._inherited cimport Surroundings
from pacskit_ext._reader cimport Item, Scan, Slot
from pacskit_ext._values cimport MultiValue

cdef class Sequence(MultiValue):
    pass

cdef class DataElement:
    cdef uint32_t tag_
    cdef uint16_t vr_
    cdef bint decoded
    cdef bint changed            # no longer what the source says
    cdef Slot* slot              # in scan's table; NULL for an element that was made, not read
    cdef Scan scan
    cdef Surroundings within     # only until a sequence is decoded: what its items inherit
    cdef CharacterSet charset
    cdef object value_
    cdef object owner            # the private creator of its block, None for none
    cdef object get(self)
    cdef decode(self)
    cdef object items(self)
    cdef int put(self, object value) except -1
    cdef bint is_changed(self) except -1

cdef class SlotTable:
    cdef object __weakref__
    cdef readonly Scan scan
    cdef Slot* slots
    cdef uint32_t nslots
    cdef Item item
    cdef PyObject** cache        # one element a slot once touched; NULL before, the removed marker after del
    cdef dict extra              # tag → element that the source has not
    cdef CharacterSet own_charset
    cdef Surroundings outside    # what this item inherits; None for a data set that is in no sequence
    cdef Surroundings inside     # what its own items do, once one is asked for
    cdef object item_class
    cdef object element_class    # a subclass of DataElement for the elements, None for DataElement itself
    cdef bint altered            # elements were set, added or removed
    cdef uint32_t block          # the private creator element asked for last, and what it says
    cdef object block_owner
    cdef int64_t find(self, uint32_t tag) noexcept nogil
    cdef DataElement at(self, int64_t index)
    cdef DataElement new_element(self)
    cdef DataElement element(self, uint32_t tag)
    cdef DataElement cached(self, int64_t index)
    cdef bint is_removed(self, int64_t index)
    cdef int store(self, DataElement element) except -1
    cdef CharacterSet charset(self)
    cdef int sign(self)
    cdef uint16_t resolve(self, Slot* slot)
    cdef object creator_of(self, uint32_t tag)
    cdef int own(self, DataElement element) except -1
    cdef bint is_changed(self) except -1
    cdef list elements(self)
    cdef remove(self, uint32_t tag)
    cdef Surroundings surroundings(self)
    cdef attach(self, Scan scan, Item* item, object item_class)
    cdef attach_within(self, Scan scan, Item* item, Surroundings outside)
