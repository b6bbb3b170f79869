"""Frames of encapsulated pixel data that were left in the file: each is read by its range (PS3.5 A.4)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from pacskit.core.element import DeferredElement
from pacskit.core.errors import DecodeError, TruncatedError
from pacskit_ext._frames import parse_fragments

if TYPE_CHECKING:
    from pacskit_ext._frames import Fragments

__all__ = ["RangeFrames", "frames_by_range"]

_ITEM: Final = 0xE000FFFE  # as a little endian number, for what is encapsulated is little endian
_HEADER: Final = struct.Struct("<II")


class RangeFrames:
    """Encapsulated frames of which only the places are known."""

    __slots__ = ("_begins", "_element", "_ends", "_lengths", "source")

    def __init__(
        self, element: DeferredElement, begins: list[int], end: int, source: str, lengths: tuple[int, ...] = ()
    ) -> None:
        self._element = element
        self._begins = begins
        self._ends = [*begins[1:], end]
        self._lengths = lengths
        self.source = source

    def __len__(self) -> int:
        return len(self._begins)

    def _error(self, message: str, at: int) -> DecodeError:
        return DecodeError(message, offset=(self._element.offset or 0) + at, tag=int(self._element.tag))

    def _parts(self, frame: int) -> tuple[int, Fragments]:
        """Where a frame begins in the value, and its fragments, which are all that is read."""
        if not 0 <= frame < len(self._begins):
            raise IndexError(f"there are {len(self._begins)} frames")
        start, stop = self._begins[frame], self._ends[frame]
        data = self._element.read(start, stop - start)
        try:  # a Basic Offset Table without entries stands for the one that is not in this range
            return start - 8, parse_fragments(_HEADER.pack(_ITEM, 0) + data)
        except DecodeError as error:
            raise self._error(f"a frame is not made of whole fragments: {error.message}", start) from error

    def _cut(self, frame: int, fragments: Fragments) -> list[tuple[int, int]]:
        """Offset and length of each fragment, without what the Extended Offset Table says is padding."""
        spans = [fragments.span(index) for index in range(len(fragments))]
        if self._lengths:
            have = sum(length for _, length in spans)
            excess = have - self._lengths[frame]
            if not 0 <= excess <= spans[-1][1]:
                raise self._error(f"a frame of {have} bytes has {self._lengths[frame]} by its table", spans[0][0])
            spans[-1] = (spans[-1][0], spans[-1][1] - excess)
        return spans

    def spans(self, frame: int) -> tuple[tuple[int, int], ...]:
        """Where the fragments of a frame are in the file."""
        shift, fragments = self._parts(frame)
        shift += self._element.offset or 0
        return tuple((offset + shift, length) for offset, length in self._cut(frame, fragments))

    def views(self, frame: int) -> tuple[memoryview, ...]:
        """The fragments of a frame, read."""
        _, fragments = self._parts(frame)
        return tuple(fragments.view[offset : offset + length] for offset, length in self._cut(frame, fragments))

    def join(self, frame: int) -> bytes:
        """Return the bytes of a frame, read."""
        return b"".join(self.views(frame))


def frames_by_range(
    element: DeferredElement,
    expected: int,
    extended: tuple[bytes, bytes] | None,
    *,
    ignore_tables: bool = False,
    max_fragments: int = 20_000_000,
) -> RangeFrames | None:
    """The frames of a deferred value by its offset tables, or one for each fragment.

    None where that does not do: then all of it has to be read, which shows what is wrong with a table too.
    """
    size = element.length or 0
    table_size = _item(element, 0, size)
    first = 8 + table_size
    if ignore_tables or (extended is None and not table_size):
        return _by_fragments(element, first, size, expected or 1, max_fragments)
    if extended is not None:
        offsets, lengths = (struct.unpack(f"<{len(table) // 8}Q", table[: len(table) // 8 * 8]) for table in extended)
        name = "extended"
    else:
        table = element.read(8, table_size)
        offsets, lengths, name = struct.unpack(f"<{table_size // 4}I", table[: table_size // 4 * 4]), (), "basic"
    if expected not in (0, len(offsets)) or len(lengths) not in (0, len(offsets)) or offsets[:1] != (0,):
        return None
    begins = [first + offset for offset in offsets]
    if any(start >= stop for start, stop in zip(begins, [*begins[1:], size], strict=True)):
        return None
    return RangeFrames(element, begins, size, name, lengths)


def _item(element: DeferredElement, at: int, size: int) -> int:
    """The length of the item at a place in the value."""
    where = (element.offset or 0) + at
    if size - at < 8:
        raise TruncatedError("the source ends inside an element", offset=where, tag=int(element.tag))
    tag, length = _HEADER.unpack(element.read(at, 8))
    if tag != _ITEM:
        raise DecodeError("an item or delimitation tag was expected here", offset=where, tag=int(element.tag))
    if length > size - at - 8:
        raise TruncatedError("the source ends inside an element", offset=where, tag=int(element.tag))
    return int(length)


def _by_fragments(
    element: DeferredElement, first: int, size: int, expected: int, max_fragments: int
) -> RangeFrames | None:
    """One frame of all fragments, or one for each; None where several frames share several fragments otherwise."""
    if expected == 1:
        return RangeFrames(element, [first], size, "fragments")
    begins: list[int] = []
    at = first
    while at < size:
        begins.append(at)
        if len(begins) > min(expected, max_fragments):
            return None
        at += 8 + _item(element, at, size)
    return RangeFrames(element, begins, size, "fragments") if len(begins) == expected else None
