"""Some attributes of many files as rows: what a folder scan gives."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memset

from pacskit_ext._charset cimport DEFAULT, CharacterSet, charset_for
from pacskit_ext._errors cimport raise_rc
from pacskit_ext._errors import DecodeError, LimitError, TruncatedError
from pacskit_ext._heads cimport (
    APART, DONE, LONG, MORE, NO_META, NO_PREFIX, NO_SYNTAX, SHORT, SYSTEM, Found, Head, Keys, Reader, read_file,
    read_head, set_up, tear_down,
)
from pacskit_ext._slots cimport F_BIG
from pacskit_ext._uid import UID
from pacskit_ext._vr cimport decode_value
from pacskit_ext._vrcode cimport VR_CS

cdef extern from "Python.h":
    bytes PyUnicode_EncodeFSDefault(object path)
    char* strerror(int code)

cdef enum:
    SPECIFIC_CHARACTER_SET = 0x00080005
    TRANSFER_SYNTAX = 0x00020010
    META = 132                # where the File Meta Information begins (PS3.10 7.1)


cdef class ScanRow:
    """What a scan found in one file or member of an archive.

    ``values`` has every key that was asked for; an absent attribute is None. ``error`` says why a file could not be
    read, or the first value that could not be decoded; ``size`` is None where nothing told it.
    """
    cdef readonly str path
    cdef readonly object member
    cdef readonly object size
    cdef readonly object error
    cdef readonly object transfer_syntax
    cdef readonly dict values
    cdef readonly bint is_dicomdir

    def __init__(
        self, path, member=None, size=None, *, error=None, transfer_syntax=None, values=None, is_dicomdir=False
    ):
        self.path = path
        self.member = member
        self.size = size
        self.error = error
        self.transfer_syntax = transfer_syntax
        self.values = values if values is not None else {}
        self.is_dicomdir = is_dicomdir

    def __getitem__(self, key):
        return self.values[key]

    def get(self, key, default=None):
        """The value of a key, or ``default`` where it was not asked for, is absent or could not be read."""
        value = self.values.get(key)
        return default if value is None else value

    def _facts(self):
        return self.path, self.member, self.size, self.transfer_syntax, self.values, self.is_dicomdir

    def __eq__(self, other):
        if not isinstance(other, ScanRow):
            return NotImplemented
        return self._facts() == other._facts() and repr(self.error) == repr(other.error)

    __hash__ = None

    def __repr__(self):
        name = self.path if self.member is None else f"{self.path}!{self.member}"
        what = repr(self.error) if self.error is not None else f"{len(self.values)} values"
        return f"<ScanRow {name}: {what}>"

    def __reduce__(self):
        return _row, (*self._facts(), self.error)


def _row(path, member, size, transfer_syntax, values, is_dicomdir, error):
    return ScanRow(
        path, member, size, error=error, transfer_syntax=transfer_syntax, values=values, is_dicomdir=is_dicomdir
    )


cdef object error_of(Head* head, str path):
    """The exception that a head stands for; not raised, a row carries it."""
    if head.state == SYSTEM:
        return OSError(head.system, strerror(head.system).decode("utf-8", "replace"), path)
    if head.state == SHORT:
        return TruncatedError("too short for a DICOM file", offset=head.size)
    if head.state == NO_PREFIX:
        return DecodeError("not a DICOM file: no prefix after the preamble", offset=128)
    if head.state == NO_META:
        return DecodeError("the File Meta Information is missing", offset=META)
    if head.state == NO_SYNTAX:
        return DecodeError("the File Meta Information names no transfer syntax", tag=TRANSFER_SYNTAX, offset=META)
    if head.state == LONG:
        return LimitError("what was asked for is not in the first bytes that the limit allows to read")
    try:
        raise_rc(head.rc, head.offset, head.tag)
    except (DecodeError, MemoryError) as error:
        return error.with_traceback(None)


cdef class Charsets:
    """The character sets of a batch: mostly one."""
    cdef bytes last
    cdef CharacterSet found

    cdef CharacterSet of(self, const uint8_t* p, int64_t n):
        if self.last is None or len(self.last) != n or memcmp(PyBytes_AS_STRING(self.last), p, n) != 0:
            value = decode_value(p, n, VR_CS, False, DEFAULT, SPECIFIC_CHARACTER_SET, 0)
            self.found = charset_for(tuple(value) if isinstance(value, list) else (value,))
            self.last = p[:n]
        return self.found


cdef ScanRow row_of(Keys keys, Reader* r, Head* head, Found* found, str path, object member, Charsets charsets):
    cdef ScanRow row = ScanRow.__new__(ScanRow)
    cdef CharacterSet charset
    cdef uint32_t i
    row.path, row.member = path, member
    row.size = head.size if head.size >= 0 else None
    if head.syntax_length:
        row.transfer_syntax = UID(head.syntax[:head.syntax_length].decode("latin-1"))
    row.is_dicomdir = head.dicomdir
    row.values = keys.blank.copy()
    if head.state != DONE:
        row.error = error_of(head, path)
        return row
    for i in range(keys.count):
        if found[i].at < 0:
            continue
        try:
            charset = DEFAULT
            if found[i].charset_at >= 0:
                charset = charsets.of(r.arena + found[i].charset_at, found[i].charset_length)
            row.values[keys.names[i]] = decode_value(
                r.arena + found[i].at, found[i].length, found[i].vr, (found[i].flags & F_BIG) != 0, charset,
                found[i].tag, found[i].offset,
            )
        except DecodeError as error:
            if row.error is None:
                row.error = error.with_traceback(None)
    return row


def read_files(
    Keys keys not None, list paths not None, *, int64_t max_header, int64_t max_value, int max_depth,
    uint32_t max_elements, bint force=False,
):
    """Rows of the files at ``paths``, in order; None for one that the ordinary reader has to read."""
    cdef Py_ssize_t n = len(paths)
    cdef Py_ssize_t i
    cdef Reader r
    cdef Charsets charsets = Charsets()
    cdef list encoded = [PyUnicode_EncodeFSDefault(path) for path in paths]
    cdef list rows = []
    cdef const char** names = <const char**> malloc((n + 1) * sizeof(char*))
    cdef Head* heads = <Head*> malloc((n + 1) * sizeof(Head))
    cdef Found* found = <Found*> malloc((n * keys.count + 1) * sizeof(Found))
    set_up(&r, max_header, max_value, max_depth, max_elements, force)
    try:
        if names == NULL or heads == NULL or found == NULL:
            raise MemoryError
        for i in range(n):
            names[i] = PyBytes_AS_STRING(encoded[i])
        with nogil:
            for i in range(n):
                heads[i].state = read_file(keys, &r, names[i], heads + i, found + i * keys.count)
        for i in range(n):
            rows.append(
                None if heads[i].state == APART
                else row_of(keys, &r, heads + i, found + i * keys.count, paths[i], None, charsets)
            )
        return rows
    finally:
        tear_down(&r)
        free(names)
        free(heads)
        free(found)


def read_bytes(
    Keys keys not None, data, str path not None, member=None, *, int64_t total, int64_t max_header,
    int64_t max_value, int max_depth, uint32_t max_elements, bint force=False,
):
    """The row of a file whose first bytes are ``data``; True where more are needed, None for the ordinary reader."""
    cdef Reader r
    cdef Head head
    cdef Py_buffer view
    cdef int64_t have
    cdef Found* found = <Found*> malloc((keys.count + 1) * sizeof(Found))
    set_up(&r, max_header, max_value, max_depth, max_elements, force)
    memset(&head, 0, sizeof(Head))
    head.size = total
    if found == NULL:
        raise MemoryError
    try:
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            have = view.len
            with nogil:
                head.state = read_head(keys, &r, <const uint8_t*> view.buf, have, max(total, have), &head, found)
        finally:
            PyBuffer_Release(&view)
        if head.state == MORE and have < r.max_header:
            return True
        if head.state == MORE:
            head.state = LONG
        return None if head.state == APART else row_of(keys, &r, &head, found, path, member, Charsets())
    finally:
        tear_down(&r)
        free(found)
