"""The first bytes of files, read and scanned without the GIL, no further than the last attribute wanted.

The one place where the native ring opens files: from Python each would take the GIL four times, for which the threads
of a scan would wait in turn. Which files, how many at a time and what becomes of errors is decided by the caller.
"""

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy, memset

from pacskit_ext._errors cimport RC_LENGTH, RC_NOMEM, RC_OK, RC_TRUNCATED
from pacskit_ext._grammar cimport Scanner, scan_level
from pacskit_ext._numbers cimport is_blank
from pacskit_ext._slots cimport F_BIG, F_EXTERNAL, F_FRAGMENTS, F_IMPLICIT, F_ITEMS, Item, Slot, find_slot
from pacskit_ext._span cimport load_u16
from pacskit_ext._tagtable cimport tag_vr
from pacskit_ext._vrcode cimport VR_OB, VR_OW, VR_SQ, VR_SS, VR_UN, VR_US, VR_ox, VR_uw, VR_xs, VR_xw

cdef extern from *:
    """
    #include <errno.h>
    #if defined(_WIN32)
    static int pk_open(const char *path) { (void) path; return -ENOSYS; }
    static int64_t pk_size(int fd) { (void) fd; return -ENOSYS; }
    static int64_t pk_read(int fd, void *to, int64_t n, int64_t at) {
        (void) fd; (void) to; (void) n; (void) at; return -ENOSYS;
    }
    static void pk_close(int fd) { (void) fd; }
    #else
    #include <fcntl.h>
    #include <sys/stat.h>
    #include <unistd.h>
    static int pk_open(const char *path) {
        int fd;
        do { fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); } while (fd < 0 && errno == EINTR);
        return fd < 0 ? -errno : fd;
    }
    static int64_t pk_size(int fd) {
        struct stat st;
        if (fstat(fd, &st) < 0) return -errno;
        if (S_ISDIR(st.st_mode)) return -EISDIR;
        return S_ISREG(st.st_mode) ? (int64_t) st.st_size : -EINVAL;
    }
    static int64_t pk_read(int fd, void *to, int64_t n, int64_t at) {
        int64_t done = 0;
        while (done < n) {
            ssize_t got = pread(fd, (char *) to + done, (size_t) (n - done), (off_t) (at + done));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return -errno;
            if (got == 0) break;
            done += got;
        }
        return done;
    }
    static void pk_close(int fd) { close(fd); }
    #endif
    """
    int pk_open(const char* path) noexcept nogil
    int64_t pk_size(int fd) noexcept nogil
    int64_t pk_read(int fd, void* to, int64_t n, int64_t at) noexcept nogil
    void pk_close(int fd) noexcept nogil

cdef enum:
    SPECIFIC_CHARACTER_SET = 0x00080005
    PIXEL_REPRESENTATION = 0x00280103
    TRANSFER_SYNTAX = 0x00020010
    MEDIA_SOP_CLASS = 0x00020002
    META = 132                # where the File Meta Information begins (PS3.10 7.1)
    PIXELS = 0x7FE00000
    FIRST_READ = 16384


END = LAST_STEP


cdef class Keys:
    """The attributes wanted, as paths of tags and item numbers, and the grammars of transfer syntaxes."""

    def __cinit__(self):
        self.steps = NULL
        self.begins = NULL
        self.wanted = NULL
        self.grammars = NULL

    def __init__(self, names, paths, grammars):
        """``paths``: for each name pairs of tag and item, END for the last item; ``grammars``: UID to three truths."""
        cdef Py_ssize_t i, k
        self.names = tuple(names)
        self.blank = dict.fromkeys(self.names)
        flat = [step for path in paths for step in path]
        tags = sorted({path[0][0] for path in paths} | {SPECIFIC_CHARACTER_SET, PIXEL_REPRESENTATION})
        highest = max([path[0][0] for path in paths] + [SPECIFIC_CHARACTER_SET])
        if any([tag_vr(path[len(path) - 1][0]) == VR_xs for path in paths]):
            highest = max(highest, PIXEL_REPRESENTATION)
        self.stop = highest + 1
        self.count = <uint32_t> len(self.names)
        self.steps = <Step*> malloc((len(flat) + 1) * sizeof(Step))
        self.begins = <uint32_t*> malloc((self.count + 1) * sizeof(uint32_t))
        self.wanted = <uint32_t*> malloc(len(tags) * sizeof(uint32_t))
        self.grammars = <Grammar*> malloc((len(grammars) + 1) * sizeof(Grammar))
        if self.steps == NULL or self.begins == NULL or self.wanted == NULL or self.grammars == NULL:
            raise MemoryError
        k = 0
        for i, path in enumerate(paths):
            self.begins[i] = <uint32_t> k
            for tag, index in path:
                self.steps[k].tag, self.steps[k].index = tag, index
                k += 1
        self.wanted_count = <uint32_t> len(tags)
        for i, tag in enumerate(tags):
            self.wanted[i] = tag
        self.grammar_count = 0
        for uid, (implicit, big, apart) in grammars.items():
            self.add_grammar(uid.encode(), implicit, big, apart)

    cdef add_grammar(self, bytes uid, bint implicit, bint big, bint apart):
        cdef Grammar* grammar = self.grammars + self.grammar_count
        if len(uid) > 64:
            raise ValueError("a UID has at most 64 characters")
        memcpy(grammar.uid, PyBytes_AS_STRING(uid), len(uid))
        grammar.length = len(uid)
        grammar.implicit, grammar.big, grammar.apart = implicit, big, apart
        self.grammar_count += 1

    def __dealloc__(self):
        free(self.steps)
        free(self.begins)
        free(self.wanted)
        free(self.grammars)


# -- without the GIL -----------------------------------------------------------------------------------------------


cdef inline Slot* find(Slot* slots, uint32_t n, uint32_t tag) noexcept nogil:
    cdef int64_t index = find_slot(slots, n, tag)
    return slots + index if index >= 0 else NULL


cdef int64_t keep(Reader* r, const uint8_t* p, int64_t n) noexcept nogil:
    """Copy a value to the arena; returns where it is, -1 without memory."""
    cdef int64_t room = r.arena_room
    cdef uint8_t* wider
    if r.used + n > room:
        while room < r.used + n:
            room = room * 2 if room else 65536
        wider = <uint8_t*> realloc(r.arena, room)
        if wider == NULL:
            return -1
        r.arena = wider
        r.arena_room = room
    if n:
        memcpy(r.arena + r.used, p, n)
    r.used += n
    return r.used - n


cdef void start(Reader* r, const uint8_t* p, int64_t have, int64_t total) noexcept nogil:
    r.scanner.base, r.scanner.size, r.scanner.total = p, have, total
    r.scanner.nslots = r.scanner.nitems = r.scanner.nopen = r.scanner.nopen_items = r.scanner.nnotes = 0
    r.scanner.stop_tag = r.scanner.only_group = 0
    r.scanner.wanted = NULL
    r.scanner.wanted_count = 0
    r.scanner.big = False


cdef uint16_t resolve(Slot* slot, int sign) noexcept nogil:
    """The VR of a slot, choices made from context as in a data set."""
    cdef uint16_t vr = slot.vr
    if vr == VR_UN and not slot.flags & F_IMPLICIT:
        vr = tag_vr(slot.tag)
        if vr == 0 or vr == VR_SQ or vr == VR_ox:
            return VR_UN
    if vr == VR_xs:
        return VR_SS if sign == 1 else VR_US
    if vr == VR_ox:
        return VR_OB if slot.flags & F_FRAGMENTS else VR_OW
    if vr == VR_uw or vr == VR_xw:
        return VR_US if slot.length == 2 else VR_OW
    return vr


cdef int take(Keys keys, uint32_t key, Reader* r, Item* root, Found* found) noexcept nogil:
    """Follow one path from the top and keep what it leads to."""
    cdef Scanner* s = &r.scanner
    cdef Step* step = keys.steps + keys.begins[key]
    cdef Item* level = root
    cdef Slot* charset = NULL
    cdef Slot* slot
    cdef Slot* other
    cdef int64_t index
    cdef int sign = -1
    found.at = -1
    while True:
        other = find(s.slots + level.first, level.count, SPECIFIC_CHARACTER_SET)
        charset = other if other != NULL else charset
        other = find(s.slots + level.first, level.count, PIXEL_REPRESENTATION)
        if other != NULL and other.length == 2:
            sign = load_u16(s.base + other.offset, (other.flags & F_BIG) != 0) & 1
        slot = find(s.slots + level.first, level.count, step.tag)
        if slot == NULL:
            return RC_OK
        if step.index == LAST_STEP:
            break
        index = step.index + slot.count if step.index < 0 else step.index
        if not slot.flags & F_ITEMS or not 0 <= index < slot.count:
            return RC_OK
        level = s.items + slot.first + index
        step += 1
    s.at, s.tag = slot.offset, slot.tag
    if slot.flags & (F_ITEMS | F_FRAGMENTS):
        return RC_OK
    if slot.length > r.max_value:
        return RC_LENGTH
    if slot.flags & F_EXTERNAL:
        return RC_TRUNCATED
    found.length, found.offset, found.tag, found.flags = slot.length, slot.offset, slot.tag, slot.flags
    found.vr = resolve(slot, sign)
    found.charset_at = -1
    if charset != NULL:
        found.charset_length = charset.length
        found.charset_at = keep(r, s.base + charset.offset, charset.length)
        if found.charset_at < 0:
            return RC_NOMEM
    found.at = keep(r, s.base + slot.offset, slot.length)
    return RC_OK if found.at >= 0 else RC_NOMEM


cdef int take_all(Keys keys, bint of_meta, Reader* r, Item* root, Found* found) noexcept nogil:
    """Follow the paths that begin in the File Meta Information, or those in the data set."""
    cdef uint32_t i
    cdef int rc
    for i in range(keys.count):
        if (keys.steps[keys.begins[i]].tag >> 16 == 2) == of_meta:
            rc = take(keys, i, r, root, found + i)
            if rc != RC_OK:
                return rc
    return RC_OK


cdef int wrong(Reader* r, Head* head, int rc, bint whole) noexcept nogil:
    if rc == RC_TRUNCATED and not whole:
        return MORE
    head.rc, head.offset, head.tag = rc, r.scanner.at, r.scanner.tag
    return WRONG


cdef Grammar* grammar_of(Keys keys, Head* head) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(keys.grammar_count):
        if keys.grammars[i].length == head.syntax_length and memcmp(
            keys.grammars[i].uid, head.syntax, head.syntax_length
        ) == 0:
            return keys.grammars + i
    return NULL


cdef int read_meta(Reader* r, const uint8_t* p, int64_t have, int64_t total, Head* head, Item* root) noexcept nogil:
    """Prefix and File Meta Information (PS3.10 7.1)."""
    cdef Slot* slot
    cdef const uint8_t* uid = NULL
    cdef int64_t n = 0
    cdef int rc
    if have < META + 2:
        return MORE if have < total else APART if r.force else SHORT
    if memcmp(p + 128, b"DICM", 4) != 0:
        return APART if r.force else NO_PREFIX
    if p[META] != 2 or p[META + 1] != 0:
        return APART if r.force else NO_META
    start(r, p, have, total)
    r.scanner.only_group = 2
    rc = scan_level(&r.scanner, META, have, False, False, 0, 0, root)
    if rc != RC_OK:
        return wrong(r, head, rc, have == total)
    if root.offset + root.length == have and have < total:
        return MORE              # nothing tells yet that the meta ends here
    slot = find(r.scanner.slots + root.first, root.count, TRANSFER_SYNTAX)
    if slot != NULL:
        uid, n = p + slot.offset, slot.length
    while n and is_blank(uid[n - 1]):
        n -= 1
    while n and is_blank(uid[0]):
        uid += 1
        n -= 1
    if n == 0 or n > 64 or memchr(uid, 0x5C, n) != NULL:      # one UID (PS3.5 9.1)
        return APART if r.force else NO_SYNTAX
    memcpy(head.syntax, uid, n)
    head.syntax_length = n
    slot = find(r.scanner.slots + root.first, root.count, MEDIA_SOP_CLASS)
    head.dicomdir = slot != NULL and slot.length >= 20 and memcmp(p + slot.offset, b"1.2.840.10008.1.3.10", 20) == 0
    return DONE


cdef int read_level(
    Keys keys, Reader* r, const uint8_t* p, int64_t have, int64_t total, Grammar* grammar, int64_t begin,
    uint32_t stop, Found* found
) noexcept nogil:
    """The attributes wanted of the data set that begins at ``begin``, scanned up to the tag ``stop``."""
    cdef Item root
    cdef int rc
    start(r, p, have, total)
    r.scanner.big = grammar != NULL and grammar.big
    r.scanner.wanted, r.scanner.wanted_count, r.scanner.stop_tag = keys.wanted, keys.wanted_count, stop
    memset(&root, 0, sizeof(Item))
    rc = scan_level(&r.scanner, begin, have, False, grammar != NULL and grammar.implicit, 0, 0, &root)
    if rc == RC_OK and root.offset + root.length == have and have < total:
        return RC_TRUNCATED      # the bytes end between two elements
    return rc if rc != RC_OK else take_all(keys, False, r, &root, found)


cdef int read_head(
    Keys keys, Reader* r, const uint8_t* p, int64_t have, int64_t total, Head* head, Found* found
) noexcept nogil:
    """The attributes wanted from the first bytes of a file; MORE where those are too few."""
    cdef Item root
    cdef Grammar* grammar
    cdef int64_t begin, mark
    cdef int64_t used = r.used
    cdef int rc
    memset(&root, 0, sizeof(Item))
    rc = read_meta(r, p, have, total, head, &root)
    if rc != DONE:
        return rc
    grammar = grammar_of(keys, head)
    if grammar != NULL and grammar.apart:
        return APART
    begin = root.offset + root.length
    rc = take_all(keys, True, r, &root, found)
    if rc != RC_OK:
        return wrong(r, head, rc, have == total)
    mark = r.used
    # All of the header that is here, where attributes out of order are found too; else up to the last one wanted.
    rc = read_level(keys, r, p, have, total, grammar, begin, PIXELS, found)
    if rc != RC_OK and rc != RC_NOMEM:
        r.used = mark
        rc = read_level(keys, r, p, have, total, grammar, begin, keys.stop, found)
    if rc == RC_OK:
        return DONE
    r.used = used
    return wrong(r, head, rc, have == total)


cdef int read_pieces(Keys keys, Reader* r, int fd, Head* head, Found* found) noexcept nogil:
    """As much of an open file as the attributes wanted need, in growing pieces."""
    cdef int64_t want = FIRST_READ
    cdef int64_t have = 0
    cdef int64_t got
    cdef uint8_t* wider
    cdef int state
    while True:
        want = min(want, head.size, r.max_header)
        if want > r.room:
            wider = <uint8_t*> realloc(r.buffer, want)
            if wider == NULL:
                head.rc = RC_NOMEM
                return WRONG
            r.buffer, r.room = wider, want
        got = pk_read(fd, r.buffer + have, want - have, have)
        if got < 0:
            head.system = <int> -got
            return SYSTEM
        have += got
        if have < want:
            head.size = have     # somebody cut it since
        state = read_head(keys, r, r.buffer, have, head.size, head, found)
        if state != MORE:
            return state
        if have >= r.max_header:
            return LONG
        want = have * 8


cdef int read_file(Keys keys, Reader* r, const char* path, Head* head, Found* found) noexcept nogil:
    cdef int fd = pk_open(path)
    cdef int state
    memset(head, 0, sizeof(Head))
    head.size = -1
    if fd < 0:
        head.system = -fd
        return SYSTEM
    head.size = pk_size(fd)
    if head.size < 0:
        head.system = <int> -head.size
        head.size = -1
        state = SYSTEM
    else:
        state = read_pieces(keys, r, fd, head, found)
    pk_close(fd)
    return state


cdef int set_up(Reader* r, int64_t max_header, int64_t max_value, int max_depth, uint32_t max_elements, bint force):
    memset(r, 0, sizeof(Reader))
    r.scanner.max_depth, r.scanner.max_elements = max_depth, max_elements
    r.max_header, r.max_value, r.force = max(max_header, META + 2), max_value, force
    return 0


cdef void tear_down(Reader* r) noexcept:
    free(r.scanner.slots)
    free(r.scanner.open)
    free(r.scanner.items)
    free(r.scanner.open_items)
    free(r.scanner.notes)
    free(r.buffer)
    free(r.arena)
