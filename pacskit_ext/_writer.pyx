"""The data-set writer: what was not changed is copied, or converted between the uncompressed syntaxes, as bytes."""

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from pacskit_ext._bytes cimport new_bytes
from pacskit_ext._charset cimport DEFAULT, CharacterSet
from pacskit_ext._element cimport DataElement, SlotTable, Sequence
from pacskit_ext._errors import DecodeError, EncodeError
from pacskit_ext._private cimport slot_vr
from pacskit_ext._reader cimport (
    F_BIG, F_EXTERNAL, F_FRAGMENTS, F_IMPLICIT, F_ITEMS, F_PARTIAL, F_REPAIRED, F_UNDEFINED, Item, Scan, Slot, value_at,
)
from pacskit_ext._slots cimport chosen_vr
from pacskit_ext._span cimport store_u16, store_u32
from pacskit_ext._swap cimport copy_swapped_free
from pacskit_ext._vr cimport encode_value
from pacskit_ext._vrcode cimport (
    VR_OB, VR_OW, VR_SQ, VR_SS, VR_UN, VR_US, VR_ox, VR_uw, VR_xs, VR_xw, is_text, swap_width, vr_is_known, vr_is_long,
    vr_is_padded_with_space,
)

cdef extern from "Python.h":
    int _PyBytes_Resize(PyObject** bytes, Py_ssize_t newsize) except -1

cdef enum:
    ITEM = 0xFFFEE000
    ITEM_END = 0xFFFEE00D
    SEQUENCE_END = 0xFFFEE0DD
    PIXEL_DATA = 0x7FE00010
    BITS_ALLOCATED = 0x00280100
    SPECIFIC_CHARACTER_SET = 0x00080005
    UNDEFINED = 0xFFFFFFFF


cdef bint is_whole(SlotTable table) noexcept:
    """Whether the content stands in the source in one piece."""
    return not table.item.flags & F_PARTIAL and table.item.offset + table.item.length <= table.scan.size


cdef inline bint fits(uint16_t vr, int64_t length) noexcept:
    """Whether an explicit header of this VR can have the length (PS3.5 6.2.2)."""
    return length <= 0xFFFF or vr_is_long(vr)


cdef class Writer:
    """Bytes of one data set in one transfer syntax, made front to back; lengths of sequences are patched."""
    cdef bytes out               # grows; only the first `used` bytes count
    cdef uint8_t* base
    cdef int64_t used
    cdef int64_t room
    cdef bint implicit
    cdef bint big
    cdef bint encapsulated

    def __cinit__(self, *, bint implicit, bint big, bint encapsulated=False, int64_t expected=4096):
        self.implicit = implicit
        self.big = big
        self.encapsulated = encapsulated
        self.out = new_bytes(expected)
        self.base = <uint8_t*> PyBytes_AS_STRING(self.out)
        self.room = expected

    cdef int need(self, int64_t n) except -1:
        cdef int64_t room = self.room
        cdef bytes bigger
        if self.used + n <= room:
            return 0
        while room < self.used + n:
            room = room + (room >> 1) + 4096
        bigger = new_bytes(room)
        memcpy(PyBytes_AS_STRING(bigger), self.base, self.used)
        self.out = bigger
        self.base = <uint8_t*> PyBytes_AS_STRING(bigger)
        self.room = room
        return 0

    cdef int copy(self, const uint8_t* p, int64_t n) except -1:
        self.need(n)
        copy_swapped_free(self.base + self.used, p, n, 1)
        self.used += n
        return 0

    cdef int put_tag(self, uint32_t tag) except -1:
        self.need(12)
        store_u16(self.base + self.used, tag >> 16, self.big)
        store_u16(self.base + self.used + 2, tag & 0xFFFF, self.big)
        self.used += 4
        return 0

    cdef int put_u32(self, uint32_t value) except -1:
        self.need(4)
        store_u32(self.base + self.used, value, self.big)
        self.used += 4
        return 0

    cdef int64_t put_header(self, uint32_t tag, uint16_t vr, int64_t length) except -1:
        """Tag, VR and length; returns where a 32-bit length stands, to patch it, or 0."""
        if length > 0xFFFFFFFE and length != UNDEFINED:
            raise EncodeError(f"a value of {length} bytes is longer than an element can be", tag=tag)
        self.put_tag(tag)
        if self.implicit:
            self.put_u32(<uint32_t> length)
            return self.used - 4
        if not vr_is_known(vr):
            vr = VR_UN
        if not vr_is_long(vr) and length > 0xFFFF:
            vr = VR_UN            # PS3.5 6.2.2: too long for a 16-bit length
        self.base[self.used] = vr & 0xFF
        self.base[self.used + 1] = vr >> 8
        if vr_is_long(vr):
            store_u16(self.base + self.used + 2, 0, False)
            self.used += 4
            self.put_u32(<uint32_t> length)
            return self.used - 4
        store_u16(self.base + self.used + 2, <uint16_t> length, self.big)
        self.used += 4
        return 0

    cdef int put_delimiter(self, uint32_t tag) except -1:
        self.put_tag(tag)
        return self.put_u32(0)

    cdef bint is_same(self, uint32_t flags) noexcept:
        return ((flags & F_IMPLICIT) != 0) == self.implicit and ((flags & F_BIG) != 0) == self.big

    cdef uint16_t known(self, Scan scan, Slot* level, uint32_t index) except 0:
        """The VR of a slot, which is looked for only where it will be written."""
        return level[index].vr if self.implicit else slot_vr(scan, level, index)

    # -- from the source, without Python values --------------------------------------------------------------------

    cdef int put_slot(self, Scan scan, Slot* slot, SlotTable table, int sign, uint16_t vr) except -1:
        """One element as it is, or converted; ``vr`` is what an explicit header says, a choice still open."""
        cdef const uint8_t* p = value_at(scan, slot)
        cdef int width
        cdef bint pad
        if self.is_same(slot.flags) and slot.flags & F_EXTERNAL:
            self.copy(scan.base + slot.offset - slot.header, slot.header)
            return self.copy(p, slot.length)
        if self.is_same(slot.flags) and not slot.flags & F_REPAIRED:
            return self.copy(p - slot.header, slot.header + slot.length + (8 if slot.flags & F_UNDEFINED else 0))
        if slot.flags & F_ITEMS:
            return self.put_items(scan, slot, table, sign)
        if slot.flags & F_FRAGMENTS:
            return self.put_fragments(scan, slot)
        vr = chosen_vr(vr, slot, sign)
        if slot.tag & 0xFFFF == 0 and slot.tag >> 16 > 2:
            return 0              # a group length of the other encoding would be wrong; it is retired (PS3.5 7.2)
        pad = slot.length & 1 and slot.flags & F_REPAIRED       # cut off in the middle; others stay as they were
        self.put_header(slot.tag, vr, slot.length + pad)
        self.need(slot.length + 1)
        width = swap_width(vr) if self.big != ((slot.flags & F_BIG) != 0) else 1
        copy_swapped_free(self.base + self.used, p, slot.length, width)
        self.base[self.used + slot.length] = 0x20 if vr_is_padded_with_space(vr) else 0
        self.used += slot.length + pad
        return 0

    cdef int put_fragments(self, Scan scan, Slot* slot) except -1:
        cdef Item* item = scan.items + slot.first
        cdef uint32_t i
        self.put_header(slot.tag, VR_OB, UNDEFINED)
        for i in range(slot.count):
            self.put_tag(ITEM)
            self.put_u32(<uint32_t> item[i].length)
            self.copy(scan.base + item[i].offset, item[i].length)
        return self.put_delimiter(SEQUENCE_END)

    cdef int put_items(self, Scan scan, Slot* slot, SlotTable table, int sign) except -1:
        """A sequence of the source in another encoding; its kind of length stays."""
        cdef Item* item = scan.items + slot.first
        cdef bint undefined = slot.flags & F_UNDEFINED != 0
        cdef int64_t patch, begin, item_begin
        cdef uint32_t i, k
        cdef int inner
        cdef Slot* slots
        patch = self.put_header(slot.tag, VR_SQ, UNDEFINED if undefined else 0)
        begin = self.used
        for i in range(slot.count):
            self.put_tag(ITEM)
            self.put_u32(UNDEFINED if item[i].flags & F_UNDEFINED else 0)
            item_begin = self.used
            slots = scan.slots + item[i].first
            inner = sign
            for k in range(item[i].count):
                if slots[k].tag == 0x00280103 and slots[k].length == 2:
                    inner = scan.base[slots[k].offset + (1 if slots[k].flags & F_BIG else 0)] & 1
                self.put_slot(scan, slots + k, table, inner, self.known(scan, slots, k))
            if item[i].flags & F_UNDEFINED:
                self.put_delimiter(ITEM_END)
            else:
                store_u32(self.base + item_begin - 4, <uint32_t> (self.used - item_begin), self.big)
        if undefined:
            return self.put_delimiter(SEQUENCE_END)
        store_u32(self.base + patch, <uint32_t> (self.used - begin), self.big)
        return 0

    # -- from Python values ----------------------------------------------------------------------------------------

    cdef int put_element(self, DataElement element, SlotTable table, CharacterSet charset) except -1:
        cdef uint16_t vr = element.vr_
        cdef bytes data
        value = element.get()
        if vr == VR_SQ:
            return self.put_sequence(element, table, charset)
        if vr == VR_xs:
            vr = VR_SS if isinstance(value, int) and value < 0 else VR_US
        elif vr == VR_ox:
            vr = self.pixel_vr(element, table)
        elif vr == VR_uw or vr == VR_xw:
            vr = VR_OW if isinstance(value, bytes) else VR_US
        if isinstance(value, list) and value and isinstance(value[0], bytes):
            raise EncodeError("fragments are written by encapsulating them first", tag=element.tag_)
        data = encode_value(value, vr, self.big, charset, element.tag_)
        if element.tag_ == PIXEL_DATA and self.encapsulated:
            self.put_header(element.tag_, VR_OB, UNDEFINED)
            self.copy(<const uint8_t*> PyBytes_AS_STRING(data), len(data))
            return self.put_delimiter(SEQUENCE_END)
        self.put_header(element.tag_, vr, len(data))
        return self.copy(<const uint8_t*> PyBytes_AS_STRING(data), len(data))

    cdef uint16_t pixel_vr(self, DataElement element, SlotTable table):
        """OB or OW (PS3.5 8.1.2): OW in implicit VR and for more than 8 bits."""
        cdef DataElement bits
        if self.implicit or table is None:
            return VR_OW
        if self.encapsulated:
            return VR_OB
        bits = table.element(BITS_ALLOCATED)
        return VR_OB if bits is not None and bits.get() is not None and bits.get() <= 8 else VR_OW

    cdef int put_sequence(self, DataElement element, SlotTable table, CharacterSet charset) except -1:
        cdef int64_t patch, begin, item_begin
        patch = self.put_header(element.tag_, VR_SQ, 0)
        begin = self.used
        for item in <Sequence> element.get():
            self.put_tag(ITEM)
            self.put_u32(0)
            item_begin = self.used
            self.put_table(<SlotTable> item, charset)
            store_u32(self.base + item_begin - 4, self.checked(self.used - item_begin, element.tag_), self.big)
        store_u32(self.base + patch, self.checked(self.used - begin, element.tag_), self.big)
        return 0

    cdef uint32_t checked(self, int64_t length, uint32_t tag) except? 0xFFFFFFFF:
        if length > 0xFFFFFFFE:
            raise EncodeError("a sequence is longer than 4 GiB", tag=tag)
        return <uint32_t> length

    cdef CharacterSet target_charset(self, SlotTable table, CharacterSet inherited):
        """The character set that (0008,0005) now says."""
        cdef DataElement element = table.element(SPECIFIC_CHARACTER_SET)
        if element is None:
            return inherited
        if not element.is_changed() and element.scan is table.scan:
            return table.charset()
        value = element.get()
        try:
            return CharacterSet(tuple(value) if isinstance(value, list) else (value or "",))
        except DecodeError as error:
            raise EncodeError(error.message, tag=SPECIFIC_CHARACTER_SET) from None

    cdef int put_table(self, SlotTable table, CharacterSet inherited) except -1:
        """The elements of ``table``; the source's content as it is where nothing has to change."""
        cdef CharacterSet charset
        cdef CharacterSet source
        cdef bint recode
        if table.scan is not None and self.can_copy(table) and (inherited is None or inherited == table.charset()):
            return self.copy(table.scan.base + table.item.offset, table.item.length)
        charset = self.target_charset(table, inherited if inherited is not None else DEFAULT)
        source = table.charset() if table.scan is not None else DEFAULT
        recode = source.codecs != charset.codecs
        if table.extra:
            for element in table.elements():
                self.put_one(<DataElement> element, table, charset, recode)
            return 0
        return self.put_slots(table, charset, recode)

    cdef bint can_copy(self, SlotTable table) except -1:
        return (
            not table.is_changed()
            and is_whole(table)
            and self.is_same_all(table.scan, table.slots, table.nslots)
        )

    cdef bint is_same_all(self, Scan scan, Slot* slots, uint32_t n) noexcept:
        cdef uint32_t i
        for i in range(n):
            if not self.is_same(slots[i].flags):
                return False
        return True

    cdef int put_slots(self, SlotTable table, CharacterSet charset, bint recode) except -1:
        """The slots of a table without additions; elements are made only for what Python has touched."""
        cdef uint32_t i
        cdef DataElement element
        cdef int sign = table.sign()
        for i in range(table.nslots):
            if table.is_removed(i):
                continue
            element = table.cached(i)
            if recode and (is_text(table.slots[i].vr) or table.slots[i].vr == VR_UN or table.slots[i].flags & F_ITEMS):
                element = table.at(i)
            if element is None or not (recode or element.is_changed()):
                self.put_slot(table.scan, table.slots + i, table, sign, self.known(table.scan, table.slots, i))
            else:
                self.put_one(element, table, charset, recode)
        return 0

    cdef int put_one(self, DataElement element, SlotTable table, CharacterSet charset, bint recode) except -1:
        cdef bint as_read = element.slot != NULL and not element.is_changed()
        cdef uint16_t vr = element.slot.vr if element.slot != NULL else 0
        if as_read and is_text(element.vr_):
            as_read = element.charset.codecs == charset.codecs
        elif as_read and element.vr_ == VR_SQ:
            as_read = not recode and (element.scan is table.scan or element.scan.outer is table.scan)
        if as_read:
            if element.slot.vr == VR_UN and element.slot.flags & F_IMPLICIT and fits(element.vr_, element.slot.length):
                vr = element.vr_
            return self.put_slot(element.scan, element.slot, table, table.sign(), vr)
        return self.put_element(element, table, charset)

    cdef bytes finish(self):
        """The bytes written; the writer must not be used again."""
        cdef PyObject* raw = <PyObject*> self.out
        cdef bytes result
        Py_INCREF(self.out)
        self.out = None
        _PyBytes_Resize(&raw, self.used)      # the only reference is ours
        result = <bytes> raw
        Py_DECREF(result)
        return result


def encode(SlotTable table not None, *, bint implicit, bint big=False, bint encapsulated=False):
    """The bytes of a data set in one of the uncompressed encodings. Raises EncodeError with the tag."""
    cdef int64_t expected = 4096
    cdef Writer writer
    if table.scan is not None:
        expected += table.item.length
        writer = Writer(implicit=implicit, big=big, encapsulated=encapsulated, expected=0)
        if writer.can_copy(table):
            return copied(table)
    writer = Writer(implicit=implicit, big=big, encapsulated=encapsulated, expected=expected)
    writer.put_table(table, None)
    return writer.finish()


cdef bytes copied(SlotTable table):
    cdef bytes out = new_bytes(table.item.length)
    copy_swapped_free(<uint8_t*> PyBytes_AS_STRING(out), table.scan.base + table.item.offset, table.item.length, 1)
    return out


def source_copy(SlotTable table not None):
    """The bytes that `source_of` shows; None where the data set was changed."""
    if table.scan is None or not is_whole(table) or table.is_changed():
        return None
    return copied(table)


def source_of(SlotTable table not None):
    """A view of the source of an unchanged data set, in whatever encoding it was read; None where it was changed."""
    if table.scan is None or not is_whole(table) or table.is_changed():
        return None
    view = memoryview(table.scan.source).cast("B")
    return view[table.item.offset : table.item.offset + table.item.length].toreadonly()


def encoded_source(SlotTable table not None):
    """What an unchanged data set was inflated from, else None."""
    if table.scan is None or table.scan.encoded is None or table.is_changed() or table.item.flags & F_PARTIAL:
        return None
    return table.scan.encoded
