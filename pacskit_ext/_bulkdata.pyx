"""An element whose value is elsewhere: fetched when it is first asked for (PS3.18 F.2.6, PS3.19 A.1)."""

from pacskit_ext._charset cimport DEFAULT
from pacskit_ext._element cimport DataElement
from pacskit_ext._errors import DecodeError, EncodeError
from pacskit_ext._tagtable cimport keyword_of
from pacskit_ext._values cimport code_of, tag_of, vr_of


cdef class BulkDataElement(DataElement):
    """An attribute whose value is bulk data, to be had at ``uri``.

    ``value`` calls ``resolver(tag, vr, uri)`` once, when it is first touched, and keeps what it gives; without a
    resolver it raises DecodeError. Until then the element copies, prints and goes out again as the reference it is.
    """

    def __init__(self, tag, vr, uri, resolver=None):
        self.tag_ = tag_of(tag)
        self.vr_ = code_of(vr)
        self.charset = DEFAULT
        self.uri = str(uri)
        self.resolver = resolver
        self.changed = True

    @property
    def is_resolved(self):
        """Whether the value is there."""
        return self.decoded

    cdef decode(self):
        if self.resolver is None:
            raise DecodeError("the value is bulk data, and nothing was given to fetch it with", tag=self.tag_)
        value = self.resolver(f"{self.tag_:08X}", str(vr_of(self.vr_)), self.uri)
        try:
            self.put(value)
        except EncodeError as error:
            raise DecodeError(f"the bulk data do not fit the VR: {error.message}", tag=self.tag_) from error

    def __eq__(self, other):
        cdef BulkDataElement twin
        if isinstance(other, BulkDataElement):
            twin = other
            if not self.decoded and not twin.decoded:
                return self.tag_ == twin.tag_ and self.vr_ == twin.vr_ and self.uri == twin.uri
        return DataElement.__eq__(self, other)

    __hash__ = None

    def __str__(self):
        if self.decoded:
            return DataElement.__str__(self)
        return (
            f"({self.tag_ >> 16:04X},{self.tag_ & 0xFFFF:04X}) {keyword_of(self.tag_)[:35]:<35} "
            f"{vr_of(self.vr_)}: <bulk data at {self.uri}>"
        )

    __repr__ = __str__

    def __reduce__(self):
        if self.decoded:
            return DataElement, (self.tag_, str(vr_of(self.vr_)), self.get())
        return BulkDataElement, (self.tag_, str(vr_of(self.vr_)), self.uri, self.resolver)

    def twin(self, memo=None):
        """A copy that can be changed without touching this one."""
        if self.decoded:
            return DataElement.twin(self)
        return BulkDataElement(self.tag_, vr_of(self.vr_), self.uri, self.resolver)

    __deepcopy__ = twin
