"""The private dictionary as a static C table, and dictionaries that add a vendor's rows to it (PS3.5 7.8)."""
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp

from pacskit_ext._values cimport code_of, vr_of

cdef extern from "_privatetable_generated.h" nogil:
    ctypedef struct Creator "pk_creator":
        uint32_t text
        uint16_t first
        uint16_t count
        uint8_t length
    ctypedef struct Row "pk_private":
        uint32_t tag
        uint32_t name
        uint16_t vr
        uint8_t kind_vm             # two bits for the kind of pattern, six for the multiplicity
        uint8_t name_length
    const Creator* CREATORS "pk_creators"
    const Row* ROWS "pk_privates"
    const char** VMS "pk_private_vms"
    const char* TEXT "(const char*)&pk_private_text"
    const int CREATOR_COUNT "PK_CREATOR_COUNT"
    const int ROW_COUNT "PK_PRIVATE_COUNT"

cdef enum:
    KINDS = 3
    VR_UN = 0x4E55


cdef inline uint32_t _open(int kind) noexcept nogil:
    # The digits that a kind of pattern gives: ggggeeee, ggggxxee, ggxxxxee.
    return 0xFFFFFFFFU if kind == 0 else 0xFFFF00FFU if kind == 1 else 0xFF0000FFU


cdef const Creator* _creator(const char* name, Py_ssize_t n) noexcept nogil:
    cdef int lo = 0
    cdef int hi = CREATOR_COUNT
    cdef int mid, order
    cdef const Creator* it
    while lo < hi:
        mid = (lo + hi) >> 1
        it = CREATORS + mid
        order = memcmp(TEXT + it.text, name, it.length if it.length < n else n)
        if order == 0 and it.length == n:
            return it
        if order < 0 or (order == 0 and it.length < n):
            lo = mid + 1
        else:
            hi = mid
    return NULL


cdef const Row* _row(const Creator* creator, uint32_t tag) noexcept nogil:
    cdef int kind, lo, hi, mid
    cdef uint64_t wanted, key
    for kind in range(KINDS):
        wanted = (<uint64_t> (tag & _open(kind)) << 2) | kind
        lo, hi = creator.first, creator.first + creator.count
        while lo < hi:
            mid = (lo + hi) >> 1
            key = (<uint64_t> ROWS[mid].tag << 2) | (ROWS[mid].kind_vm >> 6)
            if key == wanted:
                return ROWS + mid
            if key < wanted:
                lo = mid + 1
            else:
                hi = mid
    return NULL


cdef const Row* _find(object creator, uint32_t tag):
    cdef Py_ssize_t n = 0
    cdef const char* utf8
    cdef const Creator* found
    if not isinstance(creator, str):
        return NULL
    try:
        utf8 = PyUnicode_AsUTF8AndSize(creator, &n)
    except UnicodeEncodeError:      # a lone surrogate is in no creator's name
        return NULL
    found = _creator(utf8, n)
    return _row(found, tag) if found != NULL else NULL


cdef str _text(uint32_t offset, int length):
    return PyUnicode_DecodeUTF8(TEXT + offset, length, NULL)


cdef tuple _facts(const Row* row):
    return str(vr_of(row.vr)), VMS[row.kind_vm & 63].decode("ascii"), _text(row.name, row.name_length)


cdef str _pattern(uint64_t key):
    cdef int kind = key & 3
    cdef uint32_t tag = <uint32_t> (key >> 2)
    if kind == 0:
        return f"{tag:08X}"
    if kind == 1:
        return f"{tag >> 16:04X}xx{tag & 0xFF:02X}"
    return f"{tag >> 24:02X}xxxx{tag & 0xFF:02X}"


def _key(str pattern not None):
    """A pattern as a number. Raises ValueError for one that names no private data elements."""
    digits = pattern.replace(",", "").strip("()").upper().replace("X", "x")
    kind = {(): 0, (4, 5): 1, (2, 3, 4, 5): 2}.get(tuple([i for i, digit in enumerate(digits) if digit == "x"]))
    try:
        tag = int(digits.replace("x", "0"), 16)
    except ValueError:
        kind = None
    if kind is None or len(digits) != 8 or (kind < 2 and not tag & 0x10000) or (kind == 0 and tag & 0xFFFF < 0x1000):
        raise ValueError(f"{pattern!r} is no pattern of private elements, such as 0029xx10 (PS3.5 7.8.1)")
    return (tag & _open(kind)) << 2 | kind


cdef class PrivateDictionary:
    """VR, VM and name of private attributes by creator: a vendor's own rows before the published ones.

    Pass it to ``ReadOptions(private=...)``; no dictionary is shared behind the back of two libraries in one process.

    >>> vendor = PrivateDictionary().add("ACME 1.0", "0011xx01", "DS", "1", "Dose Index")
    >>> vendor.entry("ACME 1.0", 0x00111001)
    ('DS', '1', 'Dose Index')
    >>> vendor.entry("SIEMENS CSA HEADER", 0x00291010)
    ('OB', '1', 'CSA Image Header Info')
    """

    def __init__(self, bint standard=True):
        self.rows = {}
        self.standard = standard

    def add(self, str creator not None, str pattern not None, str vr not None, str vm="1", str name="Unknown"):
        """Add or replace a row; ``pattern`` is ``ggggxxee``, or ``ggggeeee`` for one block only. Returns itself."""
        creator = creator.strip(" ")
        if not creator or len(creator) > 64 or "\\" in creator:
            raise ValueError(f"{creator!r} is no private creator: an LO of 1 to 64 characters (PS3.5 7.8.1)")
        key, code = _key(pattern), code_of(vr)
        self.rows.setdefault(creator, {})[key] = (str(vr_of(code)), vm, name, code)
        return self

    def merged(self, PrivateDictionary other not None):
        """A new dictionary with the rows of both; where both have one, that of ``other``."""
        cdef PrivateDictionary both = PrivateDictionary(standard=self.standard or other.standard)
        for source in (self, other):
            for creator, rows in (<PrivateDictionary> source).rows.items():
                both.rows.setdefault(creator, {}).update(rows)
        return both

    cdef tuple own(self, object creator, uint32_t tag):
        cdef int kind
        cdef dict rows
        rows = self.rows.get(creator) if self.rows and isinstance(creator, str) else None
        if rows:
            for kind in range(KINDS):
                row = rows.get(<uint64_t> (tag & _open(kind)) << 2 | kind)
                if row is not None:
                    return <tuple> row
        return None

    cdef uint16_t code(self, object creator, uint32_t tag) except? 0xFFFF:
        cdef const Row* row
        cdef tuple own = self.own(creator, tag)
        if own is not None:
            return own[3]
        row = _find(creator, tag) if self.standard else NULL
        return row.vr if row != NULL else 0

    def entry(self, str creator not None, uint32_t tag):
        """``(vr, vm, name)`` of an attribute, None when this dictionary does not know it."""
        cdef const Row* row
        cdef tuple own = self.own(creator, tag)
        if own is not None:
            return own[:3]
        row = _find(creator, tag) if self.standard else NULL
        return _facts(row) if row != NULL else None

    def __contains__(self, creator):
        cdef Py_ssize_t n = 0
        cdef const char* utf8
        if not isinstance(creator, str):
            return False
        utf8 = PyUnicode_AsUTF8AndSize(creator, &n)
        return creator in self.rows or (self.standard and _creator(utf8, n) != NULL)

    def __iter__(self):
        """Each row as ``(creator, pattern, vr, vm, name)``: the own ones, then the published ones."""
        cdef int i, k
        cdef const Row* row
        for creator, rows in self.rows.items():
            for key, facts in rows.items():
                yield (creator, _pattern(key), *facts[:3])
        for i in range(CREATOR_COUNT if self.standard else 0):
            creator = _text(CREATORS[i].text, CREATORS[i].length)
            for k in range(CREATORS[i].count):
                row = ROWS + CREATORS[i].first + k
                yield (creator, _pattern((<uint64_t> row.tag << 2) | (row.kind_vm >> 6)), *_facts(row))

    def __len__(self):
        return sum([len(rows) for rows in self.rows.values()]) + (ROW_COUNT if self.standard else 0)

    def __repr__(self):
        return f"<PrivateDictionary, {len(self)} elements>"

    def __reduce__(self):
        return _rebuilt, (self.standard, self.rows)


def _rebuilt(bint standard, dict rows):
    cdef PrivateDictionary dictionary = PrivateDictionary(standard=standard)
    dictionary.rows = rows
    return dictionary


cdef PrivateDictionary _STANDARD = PrivateDictionary()


def vr_code(PrivateDictionary dictionary, creator, uint32_t tag):
    """The VR code of a private attribute, that of UN when it is unknown; ``dictionary`` None is the published one."""
    cdef uint16_t code = (dictionary if dictionary is not None else _STANDARD).code(creator, tag)
    return code if code else VR_UN


def name_of(PrivateDictionary dictionary, creator, uint32_t tag):
    """What to print for a private attribute, in pydicom's form: its name in brackets, else ``Private tag data``."""
    entry = (dictionary if dictionary is not None else _STANDARD).entry(creator, tag) if creator is not None else None
    return f"[{entry[2]}]" if entry is not None else "Private tag data"
