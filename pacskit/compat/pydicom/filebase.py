"""pydicom's file objects, as far as readers and writers need them."""

from __future__ import annotations

import io
import struct
from typing import Any

__all__ = ["DicomBytesIO", "DicomFileLike", "DicomIO"]


class DicomIO:
    """A buffer with the encoding in which it is read or written."""

    def __init__(self, buffer: Any) -> None:
        buffer = getattr(buffer, "parent", buffer)
        for name in ("seek", "tell"):
            if not callable(getattr(buffer, name, None)):
                raise TypeError(f"'buffer' must have '{name}()' and 'read()' or 'write()' methods")
        self.parent: Any = buffer
        self._implicit: bool | None = None
        self._little: bool | None = None

    @property
    def is_implicit_VR(self) -> bool:
        """Whether there are no VRs."""
        if self._implicit is None:
            raise AttributeError(f"{type(self).__name__}.is_implicit_VR' has not been set")
        return self._implicit

    @is_implicit_VR.setter
    def is_implicit_VR(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"'{type(self).__name__}.is_implicit_VR' must be bool")
        self._implicit = value

    @property
    def is_little_endian(self) -> bool:
        """Whether numbers are little endian."""
        if self._little is None:
            raise AttributeError(f"{type(self).__name__}.is_little_endian' has not been set")
        return self._little

    @is_little_endian.setter
    def is_little_endian(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"'{type(self).__name__}.is_little_endian' must be bool")
        self._little = value

    @property
    def name(self) -> str | None:
        """The name of the file, if it has one."""
        return self.__dict__.get("_name") or getattr(self.parent, "name", None)

    @name.setter
    def name(self, name: str) -> None:
        self.__dict__["_name"] = name

    def read(self, size: int = -1, /) -> bytes:
        """Read bytes."""
        return self.parent.read(size)  # type: ignore[no-any-return]

    def write(self, data: Any, /) -> int:
        """Write bytes."""
        return self.parent.write(data)  # type: ignore[no-any-return]

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a position."""
        return self.parent.seek(offset, whence)  # type: ignore[no-any-return]

    def tell(self) -> int:
        """The position."""
        return self.parent.tell()  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the buffer."""
        self.parent.close()

    def _order(self, code: str) -> str:
        return f"{'<' if self.is_little_endian else '>'}{code}"

    def read_exact(self, length: int) -> bytes:
        """Read this many bytes; EOFError when there are fewer."""
        data = self.read(length)
        if len(data) != length:
            raise EOFError(f"Unexpected end of file. Read {len(data)} bytes of {length} expected")
        return data

    def read_UL(self) -> int:
        """Read a number of 32 bits."""
        return int(struct.unpack(self._order("L"), self.read_exact(4))[0])

    def read_US(self) -> int:
        """Read a number of 16 bits."""
        return int(struct.unpack(self._order("H"), self.read_exact(2))[0])

    def read_tag(self) -> tuple[int, int]:
        """Read a tag."""
        return self.read_US(), self.read_US()

    def write_UL(self, value: int) -> None:
        """Write a number of 32 bits."""
        self.write(struct.pack(self._order("L"), value))

    def write_US(self, value: int) -> None:
        """Write a number of 16 bits."""
        self.write(struct.pack(self._order("H"), value))

    def write_tag(self, tag: int) -> None:
        """Write a tag."""
        self.write_US(int(tag) >> 16)
        self.write_US(int(tag) & 0xFFFF)

    def __enter__(self) -> DicomIO:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class DicomFileLike(DicomIO):
    """The older name of `DicomIO`."""


class DicomBytesIO(DicomIO):
    """A `DicomIO` in memory."""

    def __init__(self, initial_bytes: Any = b"") -> None:
        super().__init__(io.BytesIO(initial_bytes))

    def getvalue(self) -> bytes:
        """All that was written."""
        return self.parent.getvalue()  # type: ignore[no-any-return]

    def getbuffer(self) -> memoryview:
        """A view of all that was written."""
        return self.parent.getbuffer()  # type: ignore[no-any-return]
