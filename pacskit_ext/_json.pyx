"""The DICOM JSON Model (PS3.18 F.2) written straight from slots: values that nobody touched are never made."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from pacskit_ext._bulkdata cimport BulkDataElement
from pacskit_ext._charset cimport KIND_SINGLE, CharacterSet
from pacskit_ext._element cimport DataElement, Sequence, SlotTable
from pacskit_ext._inherited cimport Surroundings
from pacskit_ext._errors import DecodeError, EncodeError, PacsError
from pacskit_ext._jsontext cimport JsonText, swap_into
from pacskit_ext._reader cimport F_BIG, F_EXTERNAL, F_FRAGMENTS, F_ITEMS, Scan, Slot, value_at
from pacskit_ext._span cimport load_u16, load_u32, load_u64
from pacskit_ext._vr cimport decode_value
from pacskit_ext._vrcode cimport (
    VR_AE, VR_AT, VR_CS, VR_DS, VR_FD, VR_FL, VR_IS, VR_LT, VR_OW, VR_PN, VR_SL, VR_SQ, VR_SS, VR_ST, VR_SV, VR_UI,
    VR_UL, VR_UN, VR_UR, VR_US, VR_UT, VR_ox, VR_uw, VR_xs, VR_xw, is_binary, is_text, swap_width, vr_is_known,
)

cdef enum:
    SPECIFIC_CHARACTER_SET = 0x00080005
    DEEPEST = 1000           # of sequences made by hand, which may hold themselves; scans have their own limit


cdef inline bint is_blank(uint8_t c) noexcept nogil:
    return c == 0x20 or c == 0


cdef bint is_plain(const uint8_t* p, int64_t n) noexcept nogil:
    """Whether all is ASCII without an escape sequence of ISO 2022."""
    cdef int64_t i
    for i in range(n):
        if p[i] >= 0x80 or p[i] == 0x1B:
            return False
    return True


cdef double float_at(const uint8_t* p, uint16_t vr, bint big) noexcept nogil:
    cdef uint32_t u32
    cdef uint64_t u64
    cdef float f32
    cdef double f64
    if vr == VR_FL:
        u32 = load_u32(p, big)
        memcpy(&f32, &u32, 4)
        return f32
    u64 = load_u64(p, big)
    memcpy(&f64, &u64, 8)
    return f64


# -- the writer ------------------------------------------------------------------------------------------------------

cdef class JsonWriter(JsonText):
    """Data sets as JSON text, in a buffer that grows, or that goes to ``sink`` whenever it holds ``chunk`` bytes."""
    cdef int64_t threshold       # bytes of a binary value above which the handler is asked
    cdef object handler
    cdef bint keep_charset
    cdef bint skip_invalid
    cdef bint separate           # a comma comes before the next element
    cdef int depth

    def __init__(
        self, int64_t bulk_data_threshold=1024, bulk_data_element_handler=None, bint keep_character_set=False,
        bint suppress_invalid_tags=False, sink=None, int64_t chunk=65536
    ):
        self.threshold = bulk_data_threshold // 4 * 3
        self.handler = bulk_data_element_handler
        self.keep_charset = keep_character_set
        self.skip_invalid = suppress_invalid_tags
        self.sink = sink
        self.chunk = chunk

    def write(self, SlotTable table not None):
        """Append one data set."""
        self.depth = 0
        self.write_table(table)

    cdef int open_element(self, uint32_t tag, uint16_t vr) except -1:
        cdef char* q
        if self.separate:
            self.put_char(0x2C)
        self.put_tag(tag)
        q = self.reserve(10)
        memcpy(q, b':{"vr":"', 8)
        q[8] = vr & 0xFF
        q[9] = vr >> 8
        self.used += 10
        return self.put_char(0x22)

    cdef int close_element(self) except -1:
        self.put_char(0x7D)
        self.separate = True
        return self.pour()

    # -- data sets

    cdef int write_table(self, SlotTable table) except -1:
        cdef DataElement element
        cdef Slot* slot
        cdef uint32_t i
        self.depth += 1
        if self.depth > DEEPEST:
            raise EncodeError(f"sequences nest deeper than {DEEPEST}")
        self.put_char(0x7B)
        self.separate = False
        if table.altered:
            for element in table.elements():
                self.write_element(element)
        else:
            for i in range(table.nslots):
                element = table.cached(i)
                if element is not None:
                    self.write_element(element)
                    continue
                slot = table.slots + i
                if is_written(slot.tag):
                    self.write_slot(table, slot, i)
        self.depth -= 1
        return self.put_char(0x7D)

    cdef int write_slot(self, SlotTable table, Slot* slot, uint32_t index) except -1:
        cdef uint16_t vr = table.resolve(slot)
        cdef DataElement element = None
        if vr == VR_UN and slot.tag & 0x10000:       # the private dictionary may know better
            return self.write_element(table.at(index))
        if not slot.flags & F_ITEMS:
            if self.handler is not None and slot.length > self.threshold and is_opaque(vr):
                element = table.at(index)
            return self.write_leaf(table.scan, slot, vr, table.charset(), element)
        self.open_element(slot.tag, VR_SQ)
        return self.write_items(table.scan, slot, table.surroundings())

    cdef int write_items(self, Scan scan, Slot* slot, Surroundings outside) except -1:
        cdef SlotTable item
        cdef uint32_t i
        if slot.count:
            self.put(b',"Value":[', 10)
        for i in range(slot.count):
            item = SlotTable.__new__(SlotTable)
            item.attach_within(scan, scan.items + slot.first + i, outside)
            if i:
                self.put_char(0x2C)
            self.write_table(item)
        if slot.count:
            self.put_char(0x5D)
        return self.close_element()

    cdef int write_element(self, DataElement element) except -1:
        cdef Slot* slot = element.slot
        if not is_written(element.tag_):
            return 0
        if isinstance(element, BulkDataElement) and not element.decoded:
            self.open_element(element.tag_, element.vr_)
            self.put_uri((<BulkDataElement> element).uri, element.tag_)
            return self.close_element()
        if slot != NULL and slot.flags & F_ITEMS and not element.decoded:
            self.open_element(element.tag_, VR_SQ)
            return self.write_items(element.scan, slot, element.within)
        if slot != NULL and not slot.flags & F_ITEMS and not element.is_changed():
            return self.write_leaf(element.scan, slot, element.vr_, element.charset, element)
        return self.write_value(element)

    cdef int write_leaf(
        self, Scan scan, Slot* slot, uint16_t vr, CharacterSet charset, DataElement element
    ) except -1:
        """An element as the source has it."""
        cdef int64_t start = self.used
        cdef bint separate = self.separate
        cdef const uint8_t* p
        if not vr_is_known(vr):
            vr = VR_UN
        try:
            if slot.flags & F_EXTERNAL and scan.external is None:
                raise DecodeError("the value was not read", tag=slot.tag, offset=slot.offset)
            p = value_at(scan, slot)
            self.open_element(slot.tag, vr)
            if slot.length and slot.tag == SPECIFIC_CHARACTER_SET and vr == VR_CS and not self.keep_charset:
                self.put(b',"Value":["ISO_IR 192"]', 23)
            elif is_binary(vr):
                self.put_opaque(p, slot.length, vr, slot.flags if is_big(slot) else 0, element)
            elif vr != VR_SQ:
                if self.skip_invalid and (vr == VR_DS or vr == VR_IS):
                    decode_value(p, slot.length, vr, False, charset, slot.tag, slot.offset)     # or raise
                self.put_source(p, slot, vr, charset)
        except PacsError:
            if not self.skip_invalid:
                raise
            self.used, self.separate = start, separate
            return 0
        return self.close_element()

    cdef int put_uri(self, object uri, uint32_t tag) except -1:
        if not isinstance(uri, str):
            raise EncodeError(f"a URI is text, not {type(uri).__name__}", tag=tag)
        self.put(b',"BulkDataURI":', 15)
        return self.put_str(uri, tag)

    cdef int put_opaque(
        self, const uint8_t* p, int64_t n, uint16_t vr, int flags, DataElement element
    ) except -1:
        """The bytes of a value in base64, little endian (PS3.18 F.2.7), or where the handler says they are."""
        cdef int width = swap_width(vr) if flags & F_BIG and not flags & F_FRAGMENTS else 1
        if n == 0:
            return 0
        if self.handler is not None and n > self.threshold and element is not None:
            uri = self.handler(element)
            if uri is not None:
                return self.put_uri(uri, element.tag_)
        self.put(b',"InlineBinary":', 16)
        return self.put_base64(p, n, width)

    cdef int put_source(self, const uint8_t* p, Slot* slot, uint16_t vr, CharacterSet charset) except -1:
        """The values of a VR other than SQ and those of bytes, from the bytes of the source."""
        cdef int64_t n = slot.length
        cdef bint named = vr == VR_PN
        if swap_width(vr) > 1:
            return self.put_numbers(p, slot, vr)
        while n and is_blank(p[n - 1]):
            n -= 1
        if n == 0:
            return 0
        if is_text(vr) and not (is_plain(p, n) and (charset.kind < KIND_SINGLE or charset.codecs[0] != "shift_jis")):
            text = charset.decode(<const char*> p, n, named)
            return self.put_strings(text.split("\\") if not is_single(vr) else [text], vr, slot.tag)
        self.put(b',"Value":[', 10)
        if is_single(vr):
            self.put_text(p, n, True)
        else:
            self.put_pieces(p, n, vr)
        return self.put_char(0x5D)

    cdef int put_pieces(self, const uint8_t* p, int64_t n, uint16_t vr) except -1:
        """The values between backslashes, each without its padding; null where one is empty (PS3.18 F.2.5)."""
        cdef const uint8_t* end = p + n
        cdef const uint8_t* bar
        cdef const uint8_t* stop
        cdef bint lead = vr == VR_DS or vr == VR_IS or vr == VR_AE or vr == VR_CS or vr == VR_UI
        while True:
            bar = <const uint8_t*> memchr(p, 0x5C, end - p) if p < end else NULL
            stop = bar if bar != NULL else end
            while stop > p and is_blank((stop - 1)[0]):
                stop -= 1
            while lead and p < stop and is_blank(p[0]):
                p += 1
            if vr == VR_PN:
                while stop > p and (stop - 1)[0] == 0x3D:
                    stop -= 1
            if p == stop:
                self.put(b"null", 4)
            elif vr == VR_DS or vr == VR_IS:
                self.put_number_text(p, stop - p, vr, True)
            elif vr == VR_PN:
                self.put_name(p, stop - p)
            else:
                self.put_text(p, stop - p, True)
            if bar == NULL:
                return 0
            self.put_char(0x2C)
            p = bar + 1

    cdef int put_numbers(self, const uint8_t* p, Slot* slot, uint16_t vr) except -1:
        cdef int width = 4 if vr == VR_AT else swap_width(vr)
        cdef bint big = is_big(slot)
        cdef int64_t i = 0
        if slot.length % width:
            raise DecodeError(
                f"a value of {slot.length} bytes is no multiple of {width}", tag=slot.tag, offset=slot.offset
            )
        if slot.length == 0:
            return 0
        self.put(b',"Value":[', 10)
        while i < slot.length:
            if i:
                self.put_char(0x2C)
            if vr == VR_US:
                self.put_int(load_u16(p + i, big))
            elif vr == VR_SS:
                self.put_int(<int16_t> load_u16(p + i, big))
            elif vr == VR_UL:
                self.put_int(load_u32(p + i, big))
            elif vr == VR_SL:
                self.put_int(<int32_t> load_u32(p + i, big))
            elif vr == VR_AT:
                self.put_tag((<uint32_t> load_u16(p + i, big) << 16) | load_u16(p + i + 2, big))
            elif vr == VR_FL or vr == VR_FD:
                self.put_double(float_at(p + i, vr, big))
            elif vr == VR_SV:
                self.put_wide(<int64_t> load_u64(p + i, big))
            else:
                self.put_wide(load_u64(p + i, big))
            i += width
        return self.put_char(0x5D)

    # -- values that were made or changed

    cdef int write_value(self, DataElement element) except -1:
        cdef int64_t start = self.used
        cdef bint separate = self.separate
        cdef uint16_t vr = element.vr_
        cdef object value
        if vr == VR_SQ:
            self.open_element(element.tag_, vr)
            return self.write_sequence(element.get())
        try:
            value = element.get()
            vr = chosen_vr(vr, value)
            self.open_element(element.tag_, vr)
            if is_binary(vr):
                self.put_bytes(value, vr, element)
            else:
                self.put_values(value, vr, element.tag_)
        except PacsError:
            if not self.skip_invalid:
                raise
            self.used, self.separate = start, separate
            return 0
        return self.close_element()

    cdef int write_sequence(self, Sequence items) except -1:
        cdef bint first = True
        if items:
            self.put(b',"Value":[', 10)
        for item in items:
            if not first:
                self.put_char(0x2C)
            first = False
            self.write_table(<SlotTable?> item)
        if items:
            self.put_char(0x5D)
        return self.close_element()

    cdef int put_bytes(self, object value, uint16_t vr, DataElement element) except -1:
        cdef bytes data
        if isinstance(value, list):          # fragments of encapsulated data (PS3.5 A.4)
            data = b"".join(
                [b"\xfe\xff\x00\xe0" + (len(v) + len(v) % 2).to_bytes(4, "little") + v + b"\0" * (len(v) % 2)
                 for v in value]
            )
        else:
            data = bytes(value) if value is not None else b""
        return self.put_opaque(data, len(data), vr, 0, element)

    cdef int put_values(self, object value, uint16_t vr, uint32_t tag) except -1:
        cdef object many = value if isinstance(value, (list, tuple)) else (value,)
        cdef bint first = True
        if value is None or (isinstance(value, (str, list, tuple)) and len(value) == 0):
            return 0
        if tag == SPECIFIC_CHARACTER_SET and vr == VR_CS and not self.keep_charset:
            return self.put(b',"Value":["ISO_IR 192"]', 23)
        if isinstance(value, str) and (is_text(vr) or swap_width(vr) == 1):
            many = (value.rstrip(" \0=" if vr == VR_PN else " \0"),)     # padding alone is no value
            if not many[0]:
                return 0
        if swap_width(vr) == 1:
            return self.put_strings([None if v is None else str(v) for v in many], vr, tag)
        self.put(b',"Value":[', 10)
        for one in many:
            if not first:
                self.put_char(0x2C)
            first = False
            if one is None:
                self.put(b"null", 4)
            elif vr == VR_AT:
                self.put_tag(one)
            elif vr == VR_FL or vr == VR_FD:
                self.put_double(one)
            elif not isinstance(one, int):
                raise EncodeError(f"{type(one).__name__} is not a whole number", tag=tag)
            else:
                self.put_wide(one)
        return self.put_char(0x5D)

    cdef int put_strings(self, list many, uint16_t vr, uint32_t tag) except -1:
        cdef bint first = True
        cdef bytes data
        self.put(b',"Value":[', 10)
        for one in many:
            if not first:
                self.put_char(0x2C)
            first = False
            one = one.rstrip(" \0") if one is not None else ""
            if vr == VR_PN:
                one = one.rstrip("=")
            if not one:
                self.put(b"null", 4)
            elif vr == VR_PN or vr == VR_DS or vr == VR_IS:
                try:
                    data = one.encode()
                except UnicodeEncodeError:
                    raise EncodeError("the text is no Unicode", tag=tag) from None
                if vr == VR_PN:
                    self.put_name(data, len(data))
                else:
                    self.put_number_text(data, len(data), vr, False)
            else:
                self.put_str(one, tag)
        return self.put_char(0x5D)


cdef inline bint is_big(Slot* slot) noexcept nogil:
    # UN of known length is little endian whatever the data set is (PS3.5 6.2.2).
    return slot.flags & F_BIG != 0 and slot.vr != VR_UN


cdef inline bint is_written(uint32_t tag) noexcept nogil:
    # Group lengths are not (PS3.18 F.2.2); command and file meta are no part of the data set.
    return tag & 0xFFFF != 0 and tag >> 16 != 0 and tag >> 16 != 2


cdef inline bint is_single(uint16_t vr) noexcept nogil:
    return vr == VR_LT or vr == VR_ST or vr == VR_UT or vr == VR_UR


cdef inline bint is_opaque(uint16_t vr) noexcept nogil:
    return is_binary(vr) or not (vr_is_known(vr))


cdef uint16_t chosen_vr(uint16_t vr, object value):
    """One VR where the dictionary leaves a choice that no data set has made."""
    if vr == VR_xs or ((vr == VR_xw or vr == VR_uw) and not isinstance(value, bytes)):
        many = value if isinstance(value, list) else (value,)
        return VR_SS if any([isinstance(v, int) and v < 0 for v in many]) else VR_US
    if vr == VR_xw or vr == VR_uw or vr == VR_ox:
        return VR_OW
    return vr


def little_endian(DataElement element not None):
    """The bytes of an element of a binary VR in little endian order, not copied where the source has them so.

    None for an element that was not read, or was changed.
    """
    cdef Slot* slot = element.slot
    cdef int width = swap_width(element.vr_)
    cdef bytes out
    if slot == NULL or element.is_changed():
        return None
    if slot.flags & F_EXTERNAL and element.scan.external is None:
        raise DecodeError("the value was not read", tag=slot.tag, offset=slot.offset)
    if not is_big(slot) or slot.flags & F_FRAGMENTS or width == 1:
        return element.raw
    out = PyBytes_FromStringAndSize(NULL, slot.length)
    swap_into(<uint8_t*> PyBytes_AS_STRING(out), value_at(element.scan, slot), slot.length, width)
    return out
