"""An element whose value stays in the file, or wherever it was read from, until it is touched."""

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int64_t, uint8_t

from pacskit_ext._element cimport DataElement
from pacskit_ext._slots cimport F_BIG
from pacskit_ext._tagtable cimport keyword_of
from pacskit_ext._values cimport MultiValue, vr_of
from pacskit_ext._vr cimport decode_value
from pacskit_ext._vrcode cimport VR_UN, is_binary


cdef class DeferredElement(DataElement):
    """An attribute of which header, place and length are known, and the value is read when it is asked for.

    ``reader(offset, length, tag)`` gives bytes of the source or raises; it is called once for the whole value, which is
    then kept. Copies share what is deferred; a pickle holds the value.
    """

    def __init__(self, DataElement stub not None, reader, int64_t offset, int64_t length, bint undefined=False):
        self.tag_, self.vr_, self.charset, self.owner = stub.tag_, stub.vr_, stub.charset, stub.owner
        self.big = stub.slot != NULL and stub.slot.flags & F_BIG and stub.slot.vr != VR_UN
        self.reader, self.at, self.size, self.undefined = reader, offset, length, undefined
        self.changed = True           # not in what the data set was scanned from

    cdef bytes fetch(self):
        if self.data is None:
            self.data = self.reader(self.at, self.size, self.tag_)
        return self.data

    cdef decode(self):
        cdef bytes data = self.fetch()
        if is_binary(self.vr_):
            self.value_ = data
        else:
            self.value_ = decode_value(
                <const uint8_t*> PyBytes_AS_STRING(data), len(data), self.vr_, self.big, self.charset, self.tag_,
                self.at,
            )
        self.decoded = True

    cdef int put(self, object value) except -1:
        DataElement.put(self, value)
        self.reader = self.data = None
        return 0

    @property
    def is_deferred(self):
        """Whether the value is still to be read."""
        return self.reader is not None and self.data is None

    @property
    def is_binary(self):
        """Whether the value is bytes, whatever the character set."""
        return is_binary(self.vr_)

    def read(self, int64_t start, int64_t length):
        """Some bytes of the value, from ``start`` on; nothing is kept."""
        if start < 0 or length < 0 or start + length > self.size or self.reader is None:
            raise ValueError("no such bytes are deferred")
        if self.data is not None:
            return self.data[start : start + length]
        return self.reader(self.at + start, length, self.tag_)

    @property
    def raw(self):
        """A read-only view of the value's bytes, which are read for it; None once a value was assigned."""
        return memoryview(self.fetch()) if self.reader is not None else None

    @property
    def offset(self):
        """Where the value begins in the file; None once a value was assigned."""
        return self.at if self.reader is not None else None

    @property
    def length(self):
        """Bytes of the value in the file; None once a value was assigned."""
        return self.size if self.reader is not None else None

    @property
    def is_modified(self):
        """Whether the value is another than the file has."""
        return self.reader is None or (isinstance(self.value_, MultiValue) and (<MultiValue> self.value_).changed)

    @property
    def is_little_endian(self):
        return self.reader is None or not self.big

    @property
    def is_undefined_length(self):
        """Whether the file gave the length as undefined (PS3.5 7.1)."""
        return self.reader is not None and self.undefined

    @property
    def VM(self):
        """How many values there are; bytes are one, and are not read for it."""
        if is_binary(self.vr_) and self.reader is not None:
            return 1 if self.size else 0
        return DataElement.VM.__get__(self)

    def __eq__(self, other):
        cdef DeferredElement twin
        if isinstance(other, DeferredElement):
            twin = other
            if self.is_deferred and self.reader == twin.reader and self.at == twin.at and self.size == twin.size:
                return self.tag_ == twin.tag_ and self.vr_ == twin.vr_
        return DataElement.__eq__(self, other)

    __hash__ = None

    def __str__(self):
        if not self.is_deferred:
            return DataElement.__str__(self)
        return (
            f"({self.tag_ >> 16:04X},{self.tag_ & 0xFFFF:04X}) {keyword_of(self.tag_)[:35]:<35} "
            f"{vr_of(self.vr_)}: <deferred, {self.size} bytes>"
        )

    __repr__ = __str__

    def __reduce__(self):
        return DataElement, (self.tag_, str(vr_of(self.vr_)), self.get())

    def twin(self, memo=None):
        """A copy that can be changed without touching this one; what is deferred stays so in both."""
        cdef DeferredElement copy
        if not self.is_deferred:
            return DataElement(self.tag_, vr_of(self.vr_), self.get())
        copy = DeferredElement.__new__(DeferredElement)
        copy.tag_, copy.vr_, copy.charset, copy.owner = self.tag_, self.vr_, self.charset, self.owner
        copy.reader, copy.at, copy.size = self.reader, self.at, self.size
        copy.big, copy.undefined, copy.changed = self.big, self.undefined, True
        return copy

    __deepcopy__ = twin
