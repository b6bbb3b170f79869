"""Command sets: group 0000 in Implicit VR Little Endian (PS3.7 6.3, annex E)."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeASCII, PyUnicode_DecodeLatin1
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from pacskit_ext._errors cimport RC_BAD_ITEM, RC_BAD_LENGTH, RC_OK, RC_TRUNCATED, raise_rc
from pacskit_ext._errors import DecodeError, EncodeError
from pacskit_ext._span cimport Span, load_u16, load_u32, span_left, span_take, store_u16, store_u32

cdef enum Kind:
    KIND_US
    KIND_UI
    KIND_AE
    KIND_LO
    KIND_AT

cdef enum:
    SLOTS = 24
    COMMAND_FIELD = 2
    DATA_SET_TYPE = 7
    NO_DATA_SET = 0x0101
    MAX_UID = 64
    MAX_LO = 64

# The elements of PS3.7 table E.1-1, ascending; a slot is an index into these.
cdef uint16_t[SLOTS] ELEMENTS = [
    0x0002, 0x0003, 0x0100, 0x0110, 0x0120, 0x0600, 0x0700, 0x0800, 0x0900, 0x0901, 0x0902, 0x0903,
    0x1000, 0x1001, 0x1002, 0x1005, 0x1008, 0x1020, 0x1021, 0x1022, 0x1023, 0x1030, 0x1031, 0xFFFF,
]
cdef int[SLOTS] KINDS = [
    KIND_UI, KIND_UI, KIND_US, KIND_US, KIND_US, KIND_AE, KIND_US, KIND_US, KIND_US, KIND_AT, KIND_LO, KIND_US,
    KIND_UI, KIND_UI, KIND_US, KIND_AT, KIND_US, KIND_US, KIND_US, KIND_US, KIND_US, KIND_AE, KIND_US, KIND_US,
]
cdef dict SLOT_OF = {name: index for index, name in enumerate((
    "affected_sop_class_uid", "requested_sop_class_uid", "command_field", "message_id",
    "message_id_being_responded_to", "move_destination", "priority", "command_data_set_type", "status",
    "offending_element", "error_comment", "error_id", "affected_sop_instance_uid", "requested_sop_instance_uid",
    "event_type_id", "attribute_identifier_list", "action_type_id", "number_of_remaining_suboperations",
    "number_of_completed_suboperations", "number_of_failed_suboperations", "number_of_warning_suboperations",
    "move_originator_ae", "move_originator_message_id",
))}


cdef struct Value:
    const uint8_t* data      # NULL when the element is absent
    uint32_t length


cdef int scan(Span* s, Value* values) noexcept nogil:
    """Find the known elements; others are passed over."""
    cdef const uint8_t* p
    cdef const uint8_t* value
    cdef uint32_t length
    cdef uint16_t element
    cdef int slot
    while span_left(s) > 0:
        p = span_take(s, 8)
        if p == NULL:
            return RC_TRUNCATED
        if load_u16(p, False) != 0:
            return RC_BAD_ITEM
        element = load_u16(p + 2, False)
        length = load_u32(p + 4, False)
        value = span_take(s, length)
        if value == NULL:
            return RC_TRUNCATED
        for slot in range(SLOTS - 1):
            if ELEMENTS[slot] >= element:
                if ELEMENTS[slot] == element:
                    if KINDS[slot] == KIND_US and length != 2 or KINDS[slot] == KIND_AT and length & 3:
                        return RC_BAD_LENGTH
                    values[slot].data = value
                    values[slot].length = length
                break
    return RC_OK


cdef inline uint32_t trimmed(Value v) noexcept nogil:
    while v.length and (v.data[v.length - 1] == 0 or v.data[v.length - 1] == 32):
        v.length -= 1
    return v.length


cdef object text(Value v, int kind, uint32_t tag):
    cdef uint32_t i
    v.length = trimmed(v)
    if kind == KIND_LO:
        return PyUnicode_DecodeLatin1(<char*>v.data, min(v.length, 4 * MAX_LO), NULL)
    while kind == KIND_AE and v.length and v.data[0] == 32:
        v.data += 1
        v.length -= 1
    if v.length > MAX_UID:
        raise DecodeError("a UID or AE title is too long", tag=tag)
    for i in range(v.length):
        if not (33 if kind == KIND_UI else 32) <= v.data[i] < 127:
            raise DecodeError("a UID or AE title has a character that it may not have", tag=tag)
    return PyUnicode_DecodeASCII(<char*>v.data, v.length, NULL)


cdef object convert(Value v, int slot):
    cdef int kind = KINDS[slot]
    cdef uint32_t i
    if kind == KIND_US:
        return load_u16(v.data, False)
    if kind == KIND_AT:
        return [(<uint32_t>load_u16(v.data + i, False) << 16) | load_u16(v.data + i + 2, False)
                for i in range(0, v.length, 4)]
    return text(v, kind, ELEMENTS[slot])


@cython.final
cdef class Template:
    """How one kind of message is coded: its command field, its class, its (field name, is mandatory) pairs."""
    cdef readonly int command_field
    cdef readonly object factory
    cdef tuple names
    cdef int count
    cdef int[SLOTS] slots
    cdef bint[SLOTS] mandatory

    def __init__(self, int command_field, factory, tuple fields):
        self.command_field = command_field
        self.factory = factory
        ordered = sorted((SLOT_OF[name], name, bool(must)) for name, must in fields)
        if len(ordered) >= SLOTS:
            raise ValueError("more fields than a command set has")
        self.names = tuple([name for _, name, _ in ordered])
        self.count = len(ordered)
        for i, (slot, _, must) in enumerate(ordered):
            self.slots[i] = slot
            self.mandatory[i] = must

    cdef object build(self, Value* values):
        cdef dict found = {}
        cdef int i, slot
        for i in range(self.count):
            slot = self.slots[i]
            if values[slot].data != NULL:
                found[self.names[i]] = convert(values[slot], slot)
            elif self.mandatory[i]:
                raise DecodeError("a mandatory element of the command set is missing", tag=ELEMENTS[slot])
        return self.factory(**found)

    def encode(self, message, bint has_data):
        """Return the command set of ``message``; fields that are None are left out."""
        cdef list parts = [None] * SLOTS
        cdef Py_ssize_t total = 0
        cdef int i, slot
        for i in range(self.count):
            value = getattr(message, self.names[i])
            if value is not None:
                slot = self.slots[i]
                part = to_wire(value, KINDS[slot], ELEMENTS[slot])
                parts[slot] = part
                total += 8 + (2 if KINDS[slot] == KIND_US else (len(<bytes>part) + 1) & ~1)
        parts[COMMAND_FIELD] = self.command_field
        parts[DATA_SET_TYPE] = 1 if has_data else NO_DATA_SET
        total += 20
        return assemble(parts, total)


cdef object to_wire(object value, int kind, uint32_t tag):
    cdef bytes raw
    if kind == KIND_US:
        if not 0 <= value <= 0xFFFF:
            raise EncodeError(f"{value} is not a 16 bit number", tag=tag)
        return value
    if kind == KIND_AT:
        return b"".join([(<int>(item >> 16)).to_bytes(2, "little") + (<int>(item & 0xFFFF)).to_bytes(2, "little")
                         for item in value])
    try:
        raw = value.encode("latin-1" if kind == KIND_LO else "ascii")
    except UnicodeEncodeError:
        if kind != KIND_LO:
            raise EncodeError("a UID or AE title has a character that it may not have", tag=tag) from None
        raw = value.encode("ascii", "replace")
    if kind == KIND_LO:
        return raw[:MAX_LO]
    if len(raw) > (MAX_UID if kind == KIND_UI else 16):
        raise EncodeError("a UID or AE title is too long", tag=tag)
    return raw


cdef bytes assemble(list parts, Py_ssize_t total):
    """Write the group length and then each part."""
    cdef bytes out = PyBytes_FromStringAndSize(NULL, total + 12)
    cdef uint8_t* p = <uint8_t*>PyBytes_AS_STRING(out)
    cdef uint32_t length, padded
    cdef int slot
    store_u32(p, 0, False)
    store_u32(p + 4, 4, False)
    store_u32(p + 8, <uint32_t>total, False)
    p += 12
    for slot in range(SLOTS - 1):
        part = parts[slot]
        if part is None:
            continue
        store_u16(p, 0, False)
        store_u16(p + 2, ELEMENTS[slot], False)
        if KINDS[slot] == KIND_US:
            store_u32(p + 4, 2, False)
            store_u16(p + 8, <uint16_t>part, False)
            p += 10
            continue
        length = <uint32_t>len(<bytes>part)
        padded = (length + 1) & ~<uint32_t>1
        store_u32(p + 4, padded, False)
        memcpy(p + 8, PyBytes_AS_STRING(part), length)
        if padded != length:
            p[8 + length] = 0 if KINDS[slot] == KIND_UI else 32
        p += 8 + padded
    return out


def decode_command(data, dict templates):
    """Return (message, whether a data set follows); raise DecodeError when the command set is not sound."""
    cdef Value[SLOTS] values
    cdef Py_buffer view
    cdef Span s
    cdef int rc, i
    for i in range(SLOTS):
        values[i].data = NULL
        values[i].length = 0
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        s.base = <const uint8_t*>view.buf
        s.pos = 0
        s.end = view.len
        rc = scan(&s, values)
        if rc != RC_OK:
            raise_rc(rc, s.pos, 0)
        if values[COMMAND_FIELD].data == NULL:
            raise DecodeError("the command set has no command field", tag=0x0100)
        if values[DATA_SET_TYPE].data == NULL:
            raise DecodeError("the command set has no data set type", tag=0x0800)
        template = templates.get(load_u16(values[COMMAND_FIELD].data, False))
        if template is None:
            raise DecodeError("not a DIMSE command field", tag=0x0100)
        message = (<Template?>template).build(values)
        return message, load_u16(values[DATA_SET_TYPE].data, False) != NO_DATA_SET
    finally:
        PyBuffer_Release(&view)
