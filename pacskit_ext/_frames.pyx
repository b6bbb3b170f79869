"""Encapsulated pixel data as it stands in the source: fragments, offset tables, frames (PS3.5 A.4, PS3.3 C.7.6.3.1.8).

Nothing is decoded and nothing copied before bytes are asked for.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from pacskit_ext._element cimport DataElement
from pacskit_ext._errors import DecodeError, LimitError, TruncatedError
from pacskit_ext._slots cimport F_BIG, F_FRAGMENTS, Item, Slot
from pacskit_ext._span cimport load_u16, load_u32, load_u64

cdef enum:
    ITEM = 0xFFFEE000
    SEQUENCE_END = 0xFFFEE0DD
    PIXEL_DATA = 0x7FE00010
    EXTENDED_TABLE = 0x7FE00001
    EXTENDED_LENGTHS = 0x7FE00002
    UNDEFINED = 0xFFFFFFFF

cdef enum:
    FRAME_OK = 0
    FRAME_ORDER = -1       # an offset is not that of a fragment after the one before
    FRAME_LENGTH = -2      # a length is not that of the frame
    FRAME_COUNT = -3       # not so many frames


@cython.no_gc        # the collector would clear a memoryview that is read here, and CPython crashes over that
cdef class Fragments:
    """The fragments of one value, the Basic Offset Table apart; offsets count from the first byte of the source."""
    cdef object owner            # keeps the items alive: the scan, or None where they are our own
    cdef Item* all               # the first is the Basic Offset Table
    cdef Item* own
    cdef const uint8_t* base
    cdef Py_buffer buffer
    cdef bint exported
    cdef readonly object view    # the source as read-only bytes
    cdef readonly uint32_t count
    cdef readonly bint big

    def __cinit__(self):
        self.own = NULL
        self.all = NULL
        self.exported = False

    def __dealloc__(self):
        free(self.own)
        if self.exported:
            PyBuffer_Release(&self.buffer)

    def __len__(self):
        return self.count

    cdef Item* item(self, int64_t index) except NULL:
        if index < 0:
            index += self.count
        if not 0 <= index < self.count:
            raise IndexError(f"there are {self.count} fragments")
        return self.all + 1 + index

    def span(self, int64_t index):
        """Where a fragment begins in the source, and its length."""
        cdef Item* item = self.item(index)
        return item.offset, item.length

    def __getitem__(self, int64_t index):
        """A view of one fragment; nothing is copied."""
        cdef Item* item = self.item(index)
        return self.view[item.offset : item.offset + item.length]

    @property
    def table_span(self):
        """Where the value of the Basic Offset Table begins in the source, and its length, 0 for an empty one."""
        return self.all.offset, self.all.length

    @property
    def basic_offsets(self):
        """The entries of the Basic Offset Table: bytes from the item tag after it to the first one of each frame."""
        cdef const uint8_t* table = self.base + self.all.offset
        self.check_table()
        return tuple([load_u32(table + 4 * k, self.big) for k in range(self.all.length // 4)])

    cdef int check_table(self) except -1:
        if self.all.length % 4:
            raise DecodeError(
                f"the Basic Offset Table has {self.all.length} bytes, no multiple of 4",
                offset=self.all.offset, tag=PIXEL_DATA,
            )
        return 0


def fragments_of(DataElement element not None):
    """The fragments of an element that was read, None where its value is not encapsulated or no longer the source's."""
    cdef Fragments result
    cdef Slot* slot = element.slot
    if slot == NULL or element.is_changed() or not slot.flags & F_FRAGMENTS:
        return None
    if slot.count == 0:
        raise DecodeError("encapsulated pixel data without a Basic Offset Table", offset=slot.offset, tag=slot.tag)
    result = Fragments.__new__(Fragments)
    result.owner = element.scan
    result.all = element.scan.items + slot.first
    result.base = element.scan.base
    result.view = memoryview(element.scan.source).cast("B").toreadonly()
    result.count = slot.count - 1
    result.big = (slot.flags & F_BIG) != 0
    return result


cdef int parse_items(Fragments f, int64_t size, uint32_t limit, int64_t* at) noexcept nogil:
    """Items up to a delimiter or the end; 0, or which error: 1 no item, 2 cut, 3 too many, 4 no memory."""
    cdef int64_t pos = 0
    cdef uint32_t capacity = 0
    cdef uint32_t n = 0
    cdef uint32_t tag, length
    cdef Item* wider
    while pos < size:
        at[0] = pos
        if size - pos < 8:
            return 2
        tag = (<uint32_t> load_u16(f.base + pos, f.big) << 16) | load_u16(f.base + pos + 2, f.big)
        length = load_u32(f.base + pos + 4, f.big)
        if tag == SEQUENCE_END:
            break
        if tag != ITEM or length == UNDEFINED:
            return 1
        if length > size - pos - 8:
            return 2
        if n == limit:
            return 3
        if n == capacity:
            capacity = capacity * 2 if capacity else 16
            wider = <Item*> realloc(f.own, <size_t> capacity * sizeof(Item))
            if wider == NULL:
                return 4
            f.own = wider
        memset(f.own + n, 0, sizeof(Item))
        f.own[n].offset = pos + 8
        f.own[n].length = length
        n += 1
        pos += 8 + <int64_t> length
    f.all = f.own
    f.count = n
    return 0


def parse_fragments(source, *, bint big=False, uint32_t max_fragments=50_000_000):
    """The fragments in the bytes of an encapsulated value, Basic Offset Table first.

    Raises DecodeError or TruncatedError with the offset, LimitError over ``max_fragments``.
    """
    cdef Fragments result = Fragments.__new__(Fragments)
    cdef int64_t at = 0
    cdef int64_t size
    cdef int rc
    PyObject_GetBuffer(source, &result.buffer, PyBUF_SIMPLE)
    result.exported = True
    result.base = <const uint8_t*> result.buffer.buf
    size = result.buffer.len
    result.view = memoryview(source).cast("B").toreadonly()
    result.big = big
    with nogil:
        rc = parse_items(result, size, max_fragments, &at)
    if rc == 4:
        raise MemoryError
    if rc == 3:
        raise LimitError("more fragments than the limit", offset=at, tag=PIXEL_DATA)
    if rc == 2:
        raise TruncatedError("the source ends inside a fragment", offset=at, tag=PIXEL_DATA)
    if rc == 1:
        raise DecodeError("an item or delimitation tag was expected here", offset=at, tag=PIXEL_DATA)
    if result.count == 0:
        raise DecodeError("encapsulated pixel data without a Basic Offset Table", offset=at, tag=PIXEL_DATA)
    result.count -= 1
    return result


cdef class Frames:
    """Which fragments are which frame's."""
    cdef readonly Fragments fragments
    cdef uint32_t* starts        # first fragment of each frame, and one past the last
    cdef int64_t* lengths        # bytes of each frame without padding; NULL where nothing says so
    cdef readonly uint32_t count
    cdef readonly str source     # what divided them: "extended", "basic", "fragments" or "markers"

    def __cinit__(self):
        self.starts = NULL
        self.lengths = NULL

    def __dealloc__(self):
        free(self.starts)
        free(self.lengths)

    def __len__(self):
        return self.count

    cdef uint32_t at(self, int64_t frame) except? 0xFFFFFFFF:
        if not 0 <= frame < self.count:
            raise IndexError(f"there are {self.count} frames")
        return <uint32_t> frame

    cdef int64_t part(self, uint32_t frame, uint32_t index, int64_t left) noexcept:
        """Bytes of one fragment that belong to the frame, of which ``left`` are still to come."""
        cdef int64_t length = self.fragments.all[1 + index].length
        return left if self.lengths != NULL and left < length else length

    def fragment_range(self, int64_t frame):
        """Numbers of the first fragment of a frame and of the one after its last."""
        cdef uint32_t n = self.at(frame)
        return self.starts[n], self.starts[n + 1]

    def spans(self, int64_t frame):
        """Where the bytes of one frame are in the source: pairs of offset and length, one a fragment."""
        cdef uint32_t n = self.at(frame)
        cdef int64_t left = self.lengths[n] if self.lengths != NULL else 0
        cdef int64_t length
        cdef uint32_t i
        cdef list out = []
        for i in range(self.starts[n], self.starts[n + 1]):
            length = self.part(n, i, left)
            out.append((self.fragments.all[1 + i].offset, length))
            left -= length
        return tuple(out)

    def views(self, int64_t frame):
        """Views of the fragments of one frame; nothing is copied."""
        view = self.fragments.view
        return tuple([view[offset : offset + length] for offset, length in self.spans(frame)])

    def join(self, int64_t frame):
        """The bytes of one frame, its fragments put together."""
        cdef uint32_t n = self.at(frame)
        cdef int64_t left = self.lengths[n] if self.lengths != NULL else 0
        cdef int64_t total = 0
        cdef int64_t length
        cdef uint32_t i
        cdef bytes out
        cdef char* to
        for i in range(self.starts[n], self.starts[n + 1]):
            total += self.fragments.all[1 + i].length
        if self.lengths != NULL:
            total = self.lengths[n]
        out = PyBytes_FromStringAndSize(NULL, total)
        to = PyBytes_AS_STRING(out)
        for i in range(self.starts[n], self.starts[n + 1]):
            length = self.part(n, i, left)
            memcpy(to, self.fragments.base + self.fragments.all[1 + i].offset, length)
            to += length
            left -= length
        return out

    cdef int room(self, uint32_t frames) except -1:
        self.starts = <uint32_t*> malloc((<size_t> frames + 1) * sizeof(uint32_t))
        if self.starts == NULL:
            raise MemoryError
        self.count = frames
        self.starts[frames] = self.fragments.count
        return 0


cdef int divide_by_table(
    Frames frames, const uint8_t* table, int width, bint big, uint32_t* bad
) noexcept nogil:
    """Match each entry of an offset table with the fragment that begins there."""
    cdef Item* items = frames.fragments.all + 1
    cdef int64_t first = items[0].offset - 8
    cdef uint32_t n = 0
    cdef uint32_t i
    cdef uint64_t want, here
    for i in range(frames.fragments.count):
        if n == frames.count:
            break
        want = load_u32(table + 4 * <int64_t> n, big) if width == 4 else load_u64(table + 8 * <int64_t> n, big)
        here = <uint64_t> (items[i].offset - 8 - first)
        bad[0] = n
        if here > want or (i == 0 and want != 0):
            return FRAME_ORDER
        if here == want:
            frames.starts[n] = i
            n += 1
    bad[0] = n
    return FRAME_OK if n == frames.count else FRAME_ORDER


cdef int check_lengths(Frames frames, const uint8_t* table, bint big, uint32_t* bad) noexcept nogil:
    """Each length must end in the last fragment of its frame."""
    cdef Item* items = frames.fragments.all + 1
    cdef uint64_t length
    cdef int64_t total
    cdef uint32_t n, i
    for n in range(frames.count):
        length = load_u64(table + 8 * <int64_t> n, big)
        total = 0
        for i in range(frames.starts[n], frames.starts[n + 1]):
            total += items[i].length
        bad[0] = n
        i = frames.starts[n + 1] - 1
        if length > <uint64_t> total or length + <uint64_t> items[i].length < <uint64_t> total:
            return FRAME_LENGTH
        frames.lengths[n] = <int64_t> length
    return FRAME_OK


cdef bint begins_image(const uint8_t* p, int64_t n) noexcept nogil:
    """Whether a fragment begins a code stream: JPEG and JPEG-LS SOI, JPEG 2000 SOC or JP2, JPEG XL, an RLE header."""
    cdef uint32_t segments
    if n >= 3 and p[0] == 0xFF and p[1] == 0xD8 and p[2] == 0xFF:
        return True
    if n >= 4 and p[0] == 0xFF and p[1] == 0x4F and p[2] == 0xFF and p[3] == 0x51:
        return True
    if n >= 12 and p[0] == 0 and p[1] == 0 and p[2] == 0 and p[3] == 12 and (
        load_u32(p + 4, True) == 0x6A502020 or load_u32(p + 4, True) == 0x4A584C20
    ):
        return True
    if n >= 2 and p[0] == 0xFF and p[1] == 0x0A:
        return True
    if n >= 64:
        segments = load_u32(p, False)
        return 1 <= segments <= 15 and load_u32(p + 4, False) == 64
    return False


cdef bint ends_image(const uint8_t* p, int64_t n) noexcept nogil:
    """Whether a fragment ends with EOI or EOC, which padding may follow."""
    cdef int64_t i
    for i in range(n - 2, max(<int64_t> -1, n - 11), -1):
        if p[i] == 0xFF and p[i + 1] == 0xD9:
            return True
    return False


cdef int divide_by_markers(Frames frames, bint by_ends) noexcept nogil:
    cdef Item* items = frames.fragments.all + 1
    cdef const uint8_t* base = frames.fragments.base
    cdef uint32_t n = 0
    cdef uint32_t i
    cdef bint begins
    for i in range(frames.fragments.count):
        if by_ends:
            begins = i == 0 or ends_image(base + items[i - 1].offset, items[i - 1].length)
        else:
            begins = begins_image(base + items[i].offset, items[i].length)
        if not begins:
            continue
        if n == frames.count or (n == 0 and i > 0):
            return FRAME_COUNT
        frames.starts[n] = i
        n += 1
    i = frames.fragments.count - 1
    if by_ends and not ends_image(base + items[i].offset, items[i].length):
        return FRAME_COUNT
    return FRAME_OK if n == frames.count else FRAME_COUNT


cdef Frames frames_over(Fragments fragments, uint32_t count, str source):
    cdef Frames frames = Frames.__new__(Frames)
    if fragments.count == 0:
        raise DecodeError("no fragment follows the Basic Offset Table", offset=fragments.all.offset, tag=PIXEL_DATA)
    frames.fragments = fragments
    frames.source = source
    frames.room(count)
    return frames


cdef check_count(Fragments fragments, int64_t found, int64_t expected, str name, tag):
    if expected > 0 and found != expected:
        raise DecodeError(
            f"the {name} has {found} entries for {expected} frames", offset=fragments.all.offset, tag=tag
        )


def frames_by_basic_table(Fragments fragments not None, int64_t expected=0):
    """Divide fragments by the Basic Offset Table; ``expected`` frames, 0 for as many as the table has.

    Raises DecodeError with the offset of the entry that does not point at a fragment.
    """
    cdef Frames frames
    cdef uint32_t bad = 0
    cdef int rc
    fragments.check_table()
    check_count(fragments, fragments.all.length // 4, expected, "Basic Offset Table", PIXEL_DATA)
    frames = frames_over(fragments, <uint32_t> (fragments.all.length // 4), "basic")
    with nogil:
        rc = divide_by_table(frames, fragments.base + fragments.all.offset, 4, fragments.big, &bad)
    if rc != FRAME_OK:
        raise DecodeError(
            f"entry {bad} of the Basic Offset Table is not where a fragment after the last frame begins",
            offset=fragments.all.offset + 4 * <int64_t> bad, tag=PIXEL_DATA,
        )
    return frames


def frames_by_extended_table(
    Fragments fragments not None, offsets, lengths=None, int64_t expected=0, *, int64_t offset=-1, bint big=False
):
    """Divide fragments by the Extended Offset Table and its lengths, both as bytes (PS3.3 C.7.6.3.1.8).

    The lengths are there where each frame is one fragment. ``offset`` is where the table stands in the source, to
    name the place of an error.
    """
    cdef Frames frames
    cdef Py_buffer table
    cdef uint32_t bad = 0
    cdef int rc
    cdef Py_ssize_t n = len(memoryview(offsets).cast("B"))
    place = offset if offset >= 0 else None
    if n == 0 or n % 8 or (lengths is not None and len(memoryview(lengths).cast("B")) != n):
        raise DecodeError(
            "the Extended Offset Table and its lengths are not as many 64-bit numbers", offset=place, tag=EXTENDED_TABLE
        )
    check_count(fragments, n // 8, expected, "Extended Offset Table", EXTENDED_TABLE)
    if n // 8 > fragments.count:
        raise DecodeError("the Extended Offset Table has more entries than there are fragments", offset=place,
                          tag=EXTENDED_TABLE)
    frames = frames_over(fragments, <uint32_t> (n // 8), "extended")
    PyObject_GetBuffer(offsets, &table, PyBUF_SIMPLE)
    try:
        with nogil:
            rc = divide_by_table(frames, <const uint8_t*> table.buf, 8, big, &bad)
    finally:
        PyBuffer_Release(&table)
    if rc == FRAME_OK and lengths is not None:
        frames.lengths = <int64_t*> malloc(n)
        if frames.lengths == NULL:
            raise MemoryError
        PyObject_GetBuffer(lengths, &table, PyBUF_SIMPLE)
        try:
            with nogil:
                rc = check_lengths(frames, <const uint8_t*> table.buf, big, &bad)
        finally:
            PyBuffer_Release(&table)
    if rc == FRAME_LENGTH:
        raise DecodeError(f"entry {bad} of the Extended Offset Table Lengths is not the length of its frame",
                          tag=EXTENDED_LENGTHS)
    if rc != FRAME_OK:
        raise DecodeError(
            f"entry {bad} of the Extended Offset Table is not where a fragment after the last frame begins",
            offset=offset + 8 * <int64_t> bad if offset >= 0 else None, tag=EXTENDED_TABLE,
        )
    return frames


def frames_without_table(Fragments fragments not None, int64_t expected):
    """Divide fragments into ``expected`` frames with no table: all, one each, or where code streams begin or end.

    Raises DecodeError where fragments are too few or nothing tells where frames begin.
    """
    cdef Frames frames
    cdef uint32_t i
    cdef int rc
    if not 1 <= expected <= fragments.count:
        raise DecodeError(
            f"{fragments.count} fragments cannot be {expected} frames", offset=fragments.all.offset, tag=PIXEL_DATA
        )
    frames = frames_over(fragments, <uint32_t> expected, "fragments")
    if expected == 1:
        frames.starts[0] = 0
        return frames
    if expected == fragments.count:
        for i in range(fragments.count):
            frames.starts[i] = i
        return frames
    frames.source = "markers"
    with nogil:
        rc = divide_by_markers(frames, False)
        if rc != FRAME_OK:
            rc = divide_by_markers(frames, True)
    if rc != FRAME_OK:
        raise DecodeError(
            f"no offset table, and no markers that divide {fragments.count} fragments into {expected} frames",
            offset=fragments.all.offset, tag=PIXEL_DATA,
        )
    return frames
