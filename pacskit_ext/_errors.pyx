"""The errors of the native ring, and the one place that turns a return code into an exception."""


class PacsError(Exception):
    """Base of every error that pacskit raises."""


class DecodeError(PacsError, ValueError):
    """Bytes that are not what the standard says.

    ``offset`` is the byte position in the source, ``tag`` the attribute being read, as an integer
    (``0xggggeeee``), ``path`` the readable way to it; each is None where it is not known.
    """

    def __init__(self, message, *, offset=None, tag=None, path=None):
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.tag = tag
        self.path = path

    def __str__(self):
        where = []
        if self.path is not None:
            where.append(str(self.path))
        elif self.tag is not None:
            where.append(f"({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})")
        if self.offset is not None:
            where.append(f"offset {self.offset}")
        return f"{self.message} [{', '.join(where)}]" if where else self.message

    def __reduce__(self):
        return _rebuild, (type(self), self.message, self.offset, self.tag, self.path)


class TruncatedError(DecodeError, EOFError):
    """The source ends before the structure that it announces."""


class LimitError(DecodeError):
    """A budget (depth, count, length, decompressed size) was exceeded."""


class EncodeError(PacsError, ValueError):
    """A value that cannot be written as its VR or transfer syntax demands; ``tag`` names the attribute."""

    def __init__(self, message, *, tag=None, path=None):
        super().__init__(message)
        self.message = message
        self.tag = tag
        self.path = path

    def __str__(self):
        if self.path is not None:
            return f"{self.message} [{self.path}]"
        if self.tag is not None:
            return f"{self.message} [({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})]"
        return self.message

    def __reduce__(self):
        return _rebuild_encode, (type(self), self.message, self.tag, self.path)


def _rebuild(cls, message, offset, tag, path):
    return cls(message, offset=offset, tag=tag, path=path)


def _rebuild_encode(cls, message, tag, path):
    return cls(message, tag=tag, path=path)


cdef dict _MESSAGES = {
    RC_TRUNCATED: (TruncatedError, "the source ends inside an element"),
    RC_BAD_VR: (DecodeError, "not a value representation"),
    RC_BAD_ITEM: (DecodeError, "an item or delimitation tag was expected here"),
    RC_DEPTH: (LimitError, "sequences nest deeper than the limit"),
    RC_COUNT: (LimitError, "more elements than the limit"),
    RC_LENGTH: (LimitError, "a value is longer than the limit"),
    RC_BAD_LENGTH: (DecodeError, "an element reaches past the end of what contains it"),
    RC_BAD_PDU: (DecodeError, "not a PDU"),
    RC_BAD_PDV: (DecodeError, "a presentation data value has a bad length"),
    RC_BAD_TEXT: (DecodeError, "text that its VR does not allow"),
    RC_BAD_ORDER: (DecodeError, "elements are not in ascending order"),
}


cdef int raise_rc(int rc, long long offset, unsigned int tag) except -1:
    """Raise the exception that ``rc`` stands for."""
    if rc == RC_NOMEM:
        raise MemoryError
    cls, message = _MESSAGES.get(rc, (DecodeError, f"native error {rc}"))
    raise cls(message, offset=offset if offset >= 0 else None, tag=tag if tag else None)
