"""A data set read past its big values: what is kept of the source, and where the rest of it lies.

What is skimmed is what PS3.5 7 says. At the first departure from it the rest of the source is kept as it is, for the
ordinary reader to judge, so that both read the same.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from pacskit.core.config import ReadOptions
from pacskit.core.dictionary import entry_for
from pacskit.core.errors import LimitError, TruncatedError
from pacskit.encoding.ranges import Ranges
from pacskit.encoding.transfer_syntax import Grammar

__all__ = ["Gap", "Skim"]

_FIRST: Final = 1 << 16
_JUMP: Final = 1 << 12
_MOST: Final = 1 << 20
_UNDEFINED: Final = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA: Final = 0x7FE00010
_EXTENDED_TABLE: Final = 0x7FE00001
_SHORT: Final = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_KNOWN: Final = _SHORT | _LONG
_WORDS: Final = frozenset(b"OD OF OL OV OW".split())
_NEVER: Final = frozenset((0x00080005, 0x00280103))  # what other values are read by

Path = tuple[tuple[int, int], ...]


class Gap(NamedTuple):
    """A value that was left where it is: the way to its element, its bytes, what had been left out before it."""

    path: Path
    tag: int
    offset: int
    length: int
    undefined: bool
    removed: int


class _OddError(Exception):
    """Not as PS3.5 says; the rest of the source is kept."""


class _Header(NamedTuple):
    tag: int
    vr: bytes  # as written, or as the dictionary has it; empty for none
    size: int
    width: int  # bytes of the length
    length: int


class Skim:
    """The bytes of a source without its big values.

    ``kept`` has the source from its first byte on, each value left out being empty in it, with the lengths of what it
    is in made smaller. ``gaps`` has the values left out, in order.
    """

    def __init__(self, source: Ranges, limit: int, options: ReadOptions, keep: frozenset[int] = frozenset()) -> None:
        self.kept = bytearray()
        self.gaps: list[Gap] = []
        self._source = source
        self._limit = limit
        self._options = options
        self._keep = keep  # offsets of values that are not to be left out
        self._loaded = 0  # how far the source has been read, or passed over
        self._removed = 0
        self._step = _FIRST
        self._elements = 0
        self._lengths: list[int] = []  # where the defined lengths of what we are in stand in ``kept``
        self._path: list[tuple[int, int]] = []
        self._peeked = (0, b"")
        self._extended = (0, 0)  # where the last entry of an Extended Offset Table is: in the source, in ``kept``
        self._stop = 0
        self._implicit = self._encapsulated = False
        self._arrange(False)

    def _arrange(self, big: bool) -> None:
        order = ">" if big else "<"
        self._two = struct.Struct(order + "H")
        self._four = struct.Struct(order + "I")
        self._eight = struct.Struct(order + "Q")
        self._tag_and_length = struct.Struct(order + "HHI")
        self._big = big

    # -- bytes -------------------------------------------------------------------------------------------------------

    def have(self, position: int, length: int) -> int:
        """Read on until ``length`` bytes from ``position`` are kept; return how many there are, fewer at the end."""
        missing = position + length - self._loaded
        while missing > 0:
            data = self._source.up_to(self._loaded, max(missing, self._step))
            self.kept += data
            if len(self.kept) > self._options.max_kept:
                raise LimitError(f"more than {self._options.max_kept} bytes would have to be kept", offset=position)
            self._loaded += len(data)
            missing -= len(data)
            self._step = min(self._step * 4, _MOST)
            if not data:
                break
        return max(0, min(length, self._loaded - position))

    def _peek(self, position: int, length: int) -> bytes:
        """Bytes that are not kept, unless they are already."""
        if position + length <= self._loaded:
            at = position - self._removed
            return bytes(self.kept[at : at + length])
        at = position - self._peeked[0]
        if at < 0 or at + length > len(self._peeked[1]):
            self._peeked = (position, self._source.up_to(position, max(length, _JUMP)))
            at = 0
        return self._peeked[1][at : at + length]

    def _drop(self, start: int, stop: int) -> None:
        """Leave the bytes between two places out."""
        at = start - self._removed
        if stop <= self._loaded:
            del self.kept[at : stop - self._removed]
        else:
            del self.kept[at:]
            self._loaded = stop
            self._step = _JUMP
        self._removed += stop - start

    # -- elements ----------------------------------------------------------------------------------------------------

    def run(self, start: int, syntax: Grammar, stop: int) -> None:
        """Skim the data set that begins at ``start``, up to the first tag at or after ``stop`` if that is not 0."""
        self._stop, self._implicit, self._encapsulated = stop, syntax.implicit, syntax.encapsulated
        self._arrange(syntax.big)
        try:
            self._level(start, None)
        except _OddError:
            while self.have(self._loaded, _MOST):
                continue

    def _level(self, position: int, end: int | None, undefined: bool = False) -> int:
        """The elements of a data set or item; return where it ends. ``end`` is None for the end of the source."""
        last = 0
        top = not self._path
        while end is None or position < end:
            there = self.have(position, 12)
            if top and there == 0:
                return position
            if there < 8 or (end is not None and end - position < 8):
                raise _OddError
            group, number, length = self._tag_and_length.unpack_from(self.kept, position - self._removed)
            tag = group << 16 | number
            if undefined and tag == _ITEM_END:
                return position + 8
            if top and self._stop and tag >= self._stop and group != 0xFFFE:
                self._drop(position, self._loaded)
                return position
            if tag <= last or group == 0xFFFE:
                raise _OddError
            self._count(position, last := tag)
            position = self._element(position, self._header(position, tag, length, there), end)
        if undefined:
            raise _OddError
        return position

    def _count(self, position: int, tag: int) -> None:
        self._elements += 1
        if self._elements > self._options.max_elements:
            raise LimitError("more elements than the limit", offset=position, tag=tag)

    def _header(self, position: int, tag: int, length: int, there: int) -> _Header:
        at = position - self._removed
        vr = bytes(self.kept[at + 4 : at + 6])
        if self._implicit:
            if not self._path and vr in _KNOWN:  # VRs after all
                raise _OddError
            entry = entry_for(tag)
            return _Header(tag, entry.vr.encode() if entry is not None else b"", 8, 4, length)
        if vr in _SHORT:
            return _Header(tag, vr, 8, 2, self._two.unpack_from(self.kept, at + 6)[0])
        if vr not in _LONG or there < 12:
            raise _OddError
        return _Header(tag, vr, 12, 4, self._four.unpack_from(self.kept, at + 8)[0])

    def _element(self, position: int, header: _Header, end: int | None) -> int:
        value = position + header.size
        if header.length == _UNDEFINED:
            return self._undefined(value, header, end)
        after = value + header.length
        if end is not None and after > end:
            raise _OddError
        if self._source.size is not None and after > self._source.size:
            raise TruncatedError("the source ends inside an element", offset=position, tag=header.tag)
        if header.tag == _EXTENDED_TABLE and header.length >= 8:
            self._extended = (after - 8, after - 8 - self._removed)
        if header.length <= self._limit:
            return after
        if header.vr == b"SQ":
            self._lengths.append(value - 4 - self._removed)
            self._items(value, after, header.tag)
            self._lengths.pop()
        elif self._may_be_left_out(header, value):
            self._leave_out(value, after, after, header)
        return after

    def _may_be_left_out(self, header: _Header, value: int) -> bool:
        group, number = header.tag >> 16, header.tag & 0xFFFF
        if header.tag in _NEVER or value in self._keep or header.length & 1 or number == 0:
            return False
        if header.tag == _PIXEL_DATA and self._encapsulated:  # native in an encapsulated syntax
            return False
        if self._big and header.vr in _WORDS:  # these would have to be swapped whenever they are touched
            return False
        if header.vr == b"UN":  # it may be a sequence all the same (PS3.5 6.2.2)
            entry = entry_for(header.tag)
            return entry is None or entry.vr != "SQ"
        return not (group & 1 and number < 0x100)

    def _leave_out(self, value: int, stop: int, after: int, header: _Header) -> None:
        """Leave a value out, of an undefined length if something follows before ``after``."""
        if self._source.size is None and not self._source.up_to(after - 1, 1, header.tag):
            raise TruncatedError("the source ends inside an element", offset=value - header.size, tag=header.tag)
        at = value - self._removed - header.width
        self.kept[at : at + header.width] = bytes(header.width)
        self.gaps.append(Gap(tuple(self._path), header.tag, value, stop - value, stop != after, self._removed))
        self._drop(value, after)
        for length in self._lengths:
            (before,) = self._four.unpack_from(self.kept, length)
            self._four.pack_into(self.kept, length, before - (after - value))

    # -- sequences ---------------------------------------------------------------------------------------------------

    def _undefined(self, value: int, header: _Header, end: int | None) -> int:
        if header.tag == _PIXEL_DATA or header.vr in (b"OB", b"OW", b"OB or OW"):
            return self._fragments(value, header, end)
        implicit = self._implicit
        if header.vr not in (b"SQ", b"UN") and not implicit:
            raise _OddError
        if header.vr == b"UN":  # implicit VR little endian inside (PS3.5 6.2.2)
            if self._big:
                raise _OddError
            self._implicit = True
        after = self._items(value, end, header.tag, undefined=True)
        self._implicit = implicit
        return after

    def _items(self, position: int, end: int | None, owner: int, *, undefined: bool = False) -> int:
        if len(self._path) >= self._options.max_depth:
            raise LimitError("sequences nest deeper than the limit", offset=position, tag=owner)
        index = 0
        while undefined or (end is not None and position < end):
            if self.have(position, 8) < 8 or (end is not None and end - position < 8):
                raise _OddError
            group, number, length = self._tag_and_length.unpack_from(self.kept, position - self._removed)
            if undefined and (group, number) == (0xFFFE, 0xE0DD):
                return position + 8
            if (group, number) != (0xFFFE, 0xE000):
                raise _OddError
            self._count(position, owner)
            position = self._item(position + 8, length, end, (owner, index))
            index += 1
        return position

    def _item(self, start: int, length: int, end: int | None, step: tuple[int, int]) -> int:
        undefined = length == _UNDEFINED
        after = start + length
        if not undefined:
            if end is not None and after > end:
                raise _OddError
            if length <= self._limit:
                return after
            self._lengths.append(start - 4 - self._removed)
        self._path.append(step)
        reached = self._level(start, end if undefined else after, undefined)
        self._path.pop()
        if undefined:
            return reached
        self._lengths.pop()
        return after

    # -- encapsulated data -------------------------------------------------------------------------------------------

    def _fragments(self, value: int, header: _Header, end: int | None) -> int:
        """Encapsulated data (PS3.5 A.4): its end is found by the offset tables, or from fragment to fragment."""
        stop = self._end_of_fragments(value, header.tag)
        if end is not None and stop + 8 > end:
            raise _OddError
        if stop - value > self._limit and header.tag == _PIXEL_DATA and self._encapsulated:
            self._leave_out(value, stop, stop + 8, header)
        return stop + 8

    def _end_of_fragments(self, value: int, owner: int) -> int:
        tag, length = self._fragment(value, owner)
        if tag == _SEQUENCE_END:
            return value
        position = first = value + 8 + length
        if length >= 4:
            position = first + self._four.unpack(self._peek(first - 4, 4))[0]
        elif self._extended[0] and not self._path:
            position = first + self._eight.unpack(self._last_entry())[0]
        if self._peek(position, 4) != self._two.pack(0xFFFE) + self._two.pack(0xE000):
            position = first
        while True:
            tag, length = self._fragment(position, owner)
            if tag == _SEQUENCE_END:
                return position
            position += 8 + length

    def _last_entry(self) -> bytes:
        """The last entry of the Extended Offset Table, which may have been left out itself."""
        offset, at = self._extended
        if any(gap.tag == _EXTENDED_TABLE and not gap.path for gap in self.gaps):
            return self._source.read(offset, 8, _EXTENDED_TABLE)
        return bytes(self.kept[at : at + 8])

    def _fragment(self, position: int, owner: int) -> tuple[int, int]:
        data = self._peek(position, 8)
        if len(data) < 8:
            raise TruncatedError("the source ends inside an element", offset=position, tag=owner)
        group, number, length = self._tag_and_length.unpack(data)
        tag = group << 16 | number
        if tag not in (_ITEM, _SEQUENCE_END) or length == _UNDEFINED:
            raise _OddError
        self._count(position, owner)
        return tag, length
