"""Elements and data sets over a scan: nothing is decoded before it is touched, and what was not touched is not kept."""

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.ref cimport PyObject, Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t, uint16_t, uint32_t

from pacskit_ext._charset cimport DEFAULT, CharacterSet
from pacskit_ext._errors import DecodeError
from pacskit_ext._inherited cimport Surroundings
from pacskit_ext._objects cimport has_dict, new_object, untrack
from pacskit_ext._private cimport name_of, nested_scan, private_vr
from pacskit_ext._reader cimport (
    F_BIG, F_EXTERNAL, F_FRAGMENTS, F_IMPLICIT, F_ITEMS, F_UNDEFINED, Item, Scan, Slot, value_at,
)
from pacskit_ext._recent cimport LONGEST
from pacskit_ext._slots cimport chosen_vr, find_slot
from pacskit_ext._span cimport load_u16
from pacskit_ext._tagtable cimport keyword_of, tag_vr
from pacskit_ext._values cimport TAG, MultiValue, code_of, multiplicity, tag_of, text_of, vr_of
from pacskit_ext._vr cimport charset_of, coerce_value, decode_again, decode_value
from pacskit_ext._vrcode cimport VR_SQ, VR_UI, VR_UN, VR_ox, VR_xs, is_binary, swap_width

cdef enum:
    SPECIFIC_CHARACTER_SET = 0x00080005
    PIXEL_REPRESENTATION = 0x00280103

cdef object _REMOVED = object()
cdef tuple _NOTHING = ()


cdef class Sequence(MultiValue):
    """The items of an SQ element: a list of data sets."""

    def __init__(self, items=()):
        list.__init__(self, [_checked(item) for item in items])

    def append(self, value):
        MultiValue.append(self, _checked(value))

    def extend(self, values):
        MultiValue.extend(self, [_checked(item) for item in values])

    def insert(self, index, value):
        MultiValue.insert(self, index, _checked(value))

    def __setitem__(self, index, item):
        self.changed = True
        checked = [_checked(one) for one in item] if isinstance(index, slice) else _checked(item)
        list.__setitem__(self, index, checked)

    def __iadd__(self, items):
        self.extend(items)
        return self

    def __reduce__(self):
        return Sequence, (list(self),)


cdef object _checked(object item):
    if not isinstance(item, SlotTable):
        raise TypeError(f"an item of a sequence is a Dataset, not {type(item).__name__}")
    return item


@cython.no_gc
@cython.freelist(256)
cdef class DataElement:
    """One attribute of a data set: tag, VR and value.

    ``DataElement(tag, vr, value)`` makes one; those of a data set that was read decode their value when it is first
    asked for. Assigning ``value`` accepts what reading gives, and Python dates, numbers, lists and numpy arrays.
    """

    def __cinit__(self):
        self.slot = NULL

    def __init__(self, tag, vr, value=None):
        self.tag_ = tag_of(tag)
        self.vr_ = code_of(vr)
        self.charset = DEFAULT
        self.put(value)

    cdef object get(self):
        if not self.decoded:
            self.decode()
        return self.value_

    cdef decode(self):
        cdef Slot* slot = self.slot
        cdef object value
        if slot.flags & F_ITEMS:
            value = self.items()
        else:
            if slot.flags & F_EXTERNAL and self.scan.external is None:
                raise DecodeError("the value was not read", tag=self.tag_, offset=slot.offset)
            if slot.flags & F_EXTERNAL and is_binary(self.vr_):
                value = self.scan.external
            elif self.scan.recent != NULL and 0 < slot.length <= LONGEST and swap_width(self.vr_) == 1:
                value = decode_again(self.scan, slot, self.vr_, self.charset)
            else:        # UN of known length is little endian whatever the data set is (PS3.5 6.2.2)
                value = decode_value(
                    value_at(self.scan, slot), slot.length, self.vr_, slot.flags & F_BIG and slot.vr != VR_UN,
                    self.charset, self.tag_, slot.offset,
                )
            if self.vr_ == VR_SQ:
                value = Sequence.__new__(Sequence)
        value = value if type(self) is DataElement else self.value_read(value)
        if not self.decoded:      # another thread may have been first, while Python code ran in this one
            self.value_, self.decoded, self.within = value, True, None

    def value_read(self, value):
        """What a value that was read becomes; for subclasses, which may have value types of their own."""
        return value

    def value_assigned(self, value):
        """What a value that is assigned becomes; for subclasses, as `value_read`. A sequence stays a Sequence."""
        return coerce_value(value, self.vr_, self.tag_)

    cdef object items(self):
        cdef Surroundings outside = self.within  # first: making an object may let another thread run
        cdef Sequence sequence = Sequence.__new__(Sequence)
        cdef Item* item = self.scan.items + self.slot.first
        cdef bint plain = not has_dict(outside.item_class)
        cdef SlotTable table
        cdef uint32_t i
        for i in range(self.slot.count):
            table = <SlotTable?> new_object(outside.item_class, _NOTHING)
            table.attach_within(self.scan, item + i, outside)
            if plain:
                untrack(table)
            list.append(sequence, table)
        untrack(sequence)
        return sequence

    cdef int put(self, object value) except -1:
        cdef Sequence sequence
        value = self.value_assigned(value) if type(self) is not DataElement else value
        if self.vr_ == VR_SQ:
            if isinstance(value, Sequence):
                sequence = value
            else:
                sequence = Sequence(value if value is not None else ())
            value = sequence
        elif type(self) is DataElement:
            value = coerce_value(value, self.vr_, self.tag_)
        self.value_ = value
        self.decoded = self.changed = True
        self.within = None
        return 0

    cdef bint is_changed(self) except -1:
        if self.changed:
            return True
        if not self.decoded or not isinstance(self.value_, MultiValue):
            return False
        if (<MultiValue> self.value_).changed:
            return True
        if self.vr_ == VR_SQ:
            for item in <Sequence> self.value_:
                if (<SlotTable> item).is_changed():
                    return True
        return False

    @property
    def tag(self):
        return TAG(self.tag_)

    @property
    def VR(self):
        return vr_of(self.vr_)

    @property
    def vr(self):
        return vr_of(self.vr_)

    @VR.setter
    def VR(self, vr):
        value = self.get()
        self.vr_ = code_of(vr)
        self.put(value)

    @property
    def value(self):
        return self.get()

    @value.setter
    def value(self, value):
        self.put(value)

    @property
    def VM(self):
        """How many values there are; 1 for a sequence and for bytes, 0 when empty."""
        value = self.get()
        return 1 if isinstance(value, Sequence) else multiplicity(value)

    @property
    def keyword(self):
        return keyword_of(self.tag_)

    @property
    def name(self):
        """The attribute's name in PS3.6, in brackets in the private dictionary; says so where it is unknown."""
        return name_of(self.scan, self.owner, self.tag_)

    @property
    def is_private(self):
        return bool(self.tag_ & 0x10000)

    @property
    def private_creator(self):
        """Who reserved the block of this private attribute (PS3.5 7.8.1); None when nobody did."""
        return self.owner

    @property
    def is_empty(self):
        return not self.get() if self.vr_ == VR_SQ else self.VM == 0

    @property
    def is_undefined_length(self):
        """Whether the source gave the length as undefined (PS3.5 7.1)."""
        return self.slot != NULL and not self.changed and (self.slot.flags & F_UNDEFINED) != 0

    @property
    def is_modified(self):
        return self.is_changed()

    @property
    def is_little_endian(self):
        return self.slot == NULL or self.changed or not self.slot.flags & F_BIG or self.slot.vr == VR_UN

    @property
    def length(self):
        """Bytes of the value in the source, without a delimitation item; None for an element that was not read."""
        return self.slot.length if self.slot != NULL and not self.changed else None

    @property
    def offset(self):
        """Where the value begins in the source; None for an element that was not read."""
        return self.slot.offset if self.slot != NULL and not self.changed else None

    @property
    def raw(self):
        """A read-only view of the value's bytes in the source, not copied; None for an element that was not read."""
        if self.slot == NULL or self.changed:
            return None
        if self.slot.flags & F_EXTERNAL:
            return memoryview(self.scan.external)
        view = memoryview(self.scan.source).cast("B")
        return view[self.slot.offset : self.slot.offset + self.slot.length].toreadonly()

    def __eq__(self, other):
        cdef DataElement one
        if not isinstance(other, DataElement):
            return NotImplemented
        one = <DataElement> other
        return self.tag_ == one.tag_ and self.vr_ == one.vr_ and self.get() == one.get()

    def __str__(self):
        value = self.get()
        text = f"<Sequence, {len(value)} item(s)>" if isinstance(value, Sequence) else text_of(value)
        if self.vr_ == VR_UI and isinstance(value, str):
            text = value.name if value else "''"
        return f"({self.tag_ >> 16:04X},{self.tag_ & 0xFFFF:04X}) {self.name[:35]:<35} {vr_of(self.vr_)}: {text}"

    __repr__ = __str__

    def __reduce__(self):
        return type(self), (self.tag_, str(vr_of(self.vr_)), self.get())

    def twin(self, memo=None):
        """A copy that can be changed without touching this one."""
        cdef object own_class = type(self)
        cdef DataElement copy = own_class.__new__(own_class)
        cdef object value = self.get()
        copy.tag_, copy.vr_, copy.charset, copy.owner = self.tag_, self.vr_, self.charset, self.owner
        copy.slot, copy.scan, copy.changed, copy.decoded = self.slot, self.scan, self.is_changed(), True
        if isinstance(value, Sequence):
            value = type(value)([item.copy() for item in value])
        elif isinstance(value, MultiValue):
            value = value.twin()
        copy.value_ = value
        return copy

    __deepcopy__ = twin


cdef class SlotTable:
    """Elements of a scan, overlaid by what was changed since."""

    _element_class = None

    def __cinit__(self, *args, **keywords):
        self.slots, self.cache, self.nslots = NULL, NULL, 0
        self.item_class = type(self)
        self.element_class = _NOTHING        # looked up when it is needed

    def __dealloc__(self):
        cdef uint32_t i
        if self.cache != NULL:
            for i in range(self.nslots):
                Py_XDECREF(self.cache[i])
            PyMem_Free(self.cache)

    cdef attach(self, Scan scan, Item* item, object item_class):
        self.scan = scan
        self.item = item[0]
        self.slots = scan.slots + item.first if item.count else NULL
        self.nslots = item.count
        self.item_class = item_class

    cdef attach_within(self, Scan scan, Item* item, Surroundings outside):
        self.attach(scan, item, outside.item_class)
        self.element_class = outside.element_class
        self.outside = outside

    cdef Surroundings surroundings(self):
        cdef Surroundings made
        if self.inside is None:
            made = Surroundings.__new__(Surroundings)
            made.charset, made.sign = self.charset(), self.sign()
            made.depth = self.outside.depth + 1 if self.outside is not None else 1
            made.item_class = self.item_class
            made.element_class = self.item_class._element_class
            self.inside = made
        return self.inside

    # -- look-up ---------------------------------------------------------------------------------------------------

    cdef int64_t find(self, uint32_t tag) noexcept nogil:
        return find_slot(self.slots, self.nslots, tag)

    cdef DataElement cached(self, int64_t index):
        if self.cache == NULL or self.cache[index] == NULL or self.is_removed(index):
            return None
        return <DataElement> self.cache[index]

    cdef bint is_removed(self, int64_t index):
        return self.cache != NULL and self.cache[index] == <PyObject*> _REMOVED

    cdef DataElement at(self, int64_t index):
        """The element of one slot, made on first touch; the slot must not be removed."""
        cdef DataElement element
        cdef Slot* slot
        if self.cache == NULL:
            self.cache = <PyObject**> PyMem_Calloc(self.nslots, sizeof(PyObject*))
            if self.cache == NULL:
                raise MemoryError
        if self.cache[index] != NULL:
            return <DataElement> self.cache[index]
        slot = self.slots + index
        element = self.new_element()
        element.tag_ = slot.tag
        element.vr_ = self.resolve(slot)
        element.slot = slot
        element.scan = self.scan
        if slot.tag & 0x10000:
            self.own(element)
        if element.slot.flags & F_ITEMS:
            element.within = self.surroundings()
        else:
            element.charset = self.charset()
        if self.cache[index] == NULL:            # else another thread was first
            Py_INCREF(element)
            self.cache[index] = <PyObject*> element
        return <DataElement> self.cache[index]

    cdef DataElement new_element(self):
        cdef object cls = self.element_class
        if cls is _NOTHING:
            cls = self.element_class = self._element_class
        return DataElement.__new__(DataElement) if cls is None else cls.__new__(cls)

    cdef DataElement element(self, uint32_t tag):
        cdef int64_t index = self.find(tag)
        if index >= 0:
            return None if self.is_removed(index) else self.at(index)
        return self.extra.get(tag) if self.extra is not None else None

    cdef uint16_t resolve(self, Slot* slot):
        """The VR of a slot, with the dictionary's choices made from context (PS3.5 annex A, PS3.3 C.7.6.3)."""
        cdef uint16_t vr = slot.vr
        if slot.flags & F_ITEMS:
            return VR_SQ
        if vr == VR_UN and not slot.flags & (F_IMPLICIT | F_FRAGMENTS):
            vr = tag_vr(slot.tag)
            if vr == 0 or vr == VR_SQ or vr == VR_ox:
                return VR_UN
        return chosen_vr(vr, slot, self.sign() if vr == VR_xs else -1)

    cdef object creator_of(self, uint32_t tag):
        """The private creator that reserved the block of a tag here (PS3.5 7.8.1); None for none."""
        cdef DataElement creator
        cdef uint32_t block = (tag & 0xFFFF0000U) | ((tag >> 8) & 0xFF)
        if not tag & 0x10000 or (tag & 0xFFFF) < 0x1000:
            return None
        if block != self.block:        # elements of one block are mostly asked for in a row
            creator = self.element(block)
            self.block_owner = creator.get() if creator is not None else None
            self.block = block
        return self.block_owner

    cdef int own(self, DataElement element) except -1:
        """Tell a private element of the source its creator, and its VR where the source has none."""
        cdef Scan nested
        cdef uint16_t vr
        element.owner = self.creator_of(element.tag_)
        if element.owner is None or element.vr_ != VR_UN or element.slot.flags & (F_FRAGMENTS | F_EXTERNAL):
            return 0
        vr = private_vr(self.scan, element.owner, element.tag_, element.slot.length)
        if vr == VR_SQ and element.slot.length:
            nested = nested_scan(self.scan, element.slot, self.outside.depth if self.outside is not None else 0)
            if nested is None:
                return 0
            element.scan, element.slot = nested, nested.slots + nested.root.first
        element.vr_ = chosen_vr(vr, element.slot, self.sign())
        return 0

    cdef CharacterSet charset(self):
        """The character set that the source's text is in."""
        cdef int64_t index
        cdef Slot* slot
        if self.own_charset is None:
            index = self.find(SPECIFIC_CHARACTER_SET)
            if index >= 0:
                slot = self.slots + index
                self.own_charset = charset_of(self.scan.base + slot.offset, slot.length, slot.offset)
            else:
                self.own_charset = self.outside.charset if self.outside is not None else DEFAULT
        return self.own_charset

    cdef int sign(self):
        """Pixel Representation here or in what holds this item: 1 signed, 0 unsigned, -1 unknown."""
        cdef int64_t index = self.find(PIXEL_REPRESENTATION)
        cdef Slot* slot
        if index >= 0 and not self.is_removed(index):
            slot = self.slots + index
            if slot.length == 2:
                return load_u16(self.scan.base + slot.offset, (slot.flags & F_BIG) != 0) & 1
        if self.extra is not None and PIXEL_REPRESENTATION in self.extra:
            return 1 if (<DataElement> self.extra[PIXEL_REPRESENTATION]).get() else 0
        return self.outside.sign if self.outside is not None else -1

    cdef bint is_changed(self) except -1:
        """Whether writing must look at the elements, rather than copy the source."""
        cdef uint32_t i
        if self.altered or self.scan is None:
            return True
        if self.cache != NULL:
            for i in range(self.nslots):
                if self.cache[i] != NULL and (<DataElement> self.cache[i]).is_changed():
                    return True
        return False

    cdef list elements(self):
        """All elements in ascending order."""
        cdef list out = [self.at(i) for i in range(self.nslots) if not self.is_removed(i)]
        if self.extra:
            out.extend(self.extra.values())
            out.sort(key=by_tag)
        return out

    # -- change ----------------------------------------------------------------------------------------------------

    cdef int store(self, DataElement element) except -1:
        cdef int64_t index = self.find(element.tag_)
        self.altered = True
        self.block = 0
        self.inside = None
        if element.tag_ & 0x10000:
            element.owner = self.creator_of(element.tag_) or element.owner
        if index >= 0:
            if self.cache == NULL:
                self.at(index)
            Py_INCREF(element)
            Py_XDECREF(self.cache[index])
            self.cache[index] = <PyObject*> element
            return 0
        if self.extra is None:
            self.extra = {}
        self.extra[element.tag_] = element
        return 0

    cdef remove(self, uint32_t tag):
        cdef int64_t index = self.find(tag)
        if index >= 0 and not self.is_removed(index):
            if self.cache == NULL:
                self.at(index)
            Py_XDECREF(self.cache[index])
            Py_INCREF(_REMOVED)
            self.cache[index] = <PyObject*> _REMOVED
        elif self.extra is None or self.extra.pop(tag, None) is None:
            raise KeyError(TAG(tag))
        self.altered = True
        self.block = 0
        self.inside = None


def by_tag(DataElement element):
    return element.tag_
