"""Palettes: tables of colours for stored values, whole or in segments (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6 and C.7.9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import tag_for
from pacskit.core.errors import DecodeError
from pacskit.core.uid import UID
from pacskit_ext._color import look_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Palette", "apply_palette", "palette_of"]

_COLORS: Final = ("Red", "Green", "Blue")
_MOST: Final = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """A table of colours.

    Parameters
    ----------
    first
        The stored value of the first row; those below take that row, too.
    table
        A row for each value: (entries, 3), or 4 with alpha, of ``uint8`` or ``uint16``.
    """

    first: int
    table: NDArray[Any]

    def __call__(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the colours of stored values, (*shape, 3 or 4)."""
        kind = array.dtype.str[1:]
        if kind not in {"u1", "u2", "u4", "i1", "i2", "i4"} or array.dtype.byteorder == ">":
            raise TypeError(f"{array.dtype} is no index into a palette")
        table = np.ascontiguousarray(self.table)
        out = np.empty((*array.shape, table.shape[1]), table.dtype)
        look_up(np.ascontiguousarray(array), kind, table, table.shape[1] * table.itemsize, self.first, out)
        return out

    def covers(self, array: NDArray[Any]) -> NDArray[np.bool_]:
        """Which stored values a supplemental palette colours; the others are gray (PS3.3 C.7.6.19)."""
        found: NDArray[np.bool_] = array >= self.first
        return found


def _fail(keyword: str, message: str) -> DecodeError:
    return DecodeError(message, tag=tag_for(keyword))


def _descriptor(dataset: Dataset, color: str) -> tuple[int, int, int]:
    """Number of entries, first value, bits of an entry."""
    keyword = f"{color}PaletteColorLookupTableDescriptor"
    value = dataset.get(keyword)
    if value is None and "PaletteColorLookupTableUID" in dataset:
        uid = UID(str(dataset.get("PaletteColorLookupTableUID")))
        raise _fail(
            keyword, f"{keyword} is missing: the palette is only named ({uid.name or uid}), its tables are not here"
        )
    if value is None:
        raise _fail(keyword, f"{keyword} is missing")
    if not isinstance(value, (list, tuple)) or len(value) != 3 or not all(isinstance(one, int) for one in value):
        raise _fail(keyword, "a descriptor has three numbers")
    entries, first, bits = (int(one) for one in value)
    entries &= 0xFFFF  # a count is unsigned even where the VR is SS, for the sake of the first value
    if dataset.get("PixelRepresentation") == 1 and first > 0x7FFF:
        first -= 0x10000
    if bits not in {8, 16}:
        raise _fail(keyword, f"entries of {bits} bits are not of 8 or 16")
    return entries or _MOST, first, bits


def _words(dataset: Dataset, keyword: str) -> NDArray[np.uint16]:
    """The value of a table as 16-bit words, whatever its VR."""
    element = dataset[keyword]
    if element.raw is not None:
        raw, order = element.raw, "<u2" if element.is_little_endian else ">u2"
        return np.frombuffer(raw[: len(raw) // 2 * 2], order).astype("<u2")
    value = element.value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return np.frombuffer(bytes(value)[: len(value) // 2 * 2], "<u2")
    return np.asarray(value, np.uint16)


def _plain(dataset: Dataset, keyword: str, entries: int) -> NDArray[Any]:
    """A whole table: words, or bytes two to a word (PS3.3 C.7.6.3.1.6)."""
    words = _words(dataset, keyword)
    if len(words) >= entries:
        return words[:entries]
    packed = words.view(np.uint8)
    if len(packed) >= entries:
        return packed[:entries]
    raise _fail(keyword, f"{len(packed)} bytes are no {entries} entries")


class _Segments:
    """Segments made into a table (PS3.3 C.7.9.2)."""

    def __init__(self, data: NDArray[Any], keyword: str, entries: int) -> None:
        self.data = data
        self.keyword = keyword
        self.entries = entries
        self.out: list[int] = []

    def fail(self, message: str) -> DecodeError:
        return _fail(self.keyword, message)

    def take(self, at: int, count: int) -> list[int]:
        if at + count > len(self.data):
            raise self.fail("a segment reaches past the end of the table")
        return [int(one) for one in self.data[at : at + count]]

    def expand(self) -> NDArray[Any]:
        """Every segment in turn, until there are as many entries as there should be."""
        at = 0
        while len(self.out) < self.entries:
            at = self.segment(at, nested=False)
        if len(self.out) != self.entries:
            raise self.fail(f"the segments have more than {self.entries} entries")
        return np.array(self.out, self.data.dtype)

    def segment(self, at: int, *, nested: bool) -> int:
        """One segment; returns where the next one is."""
        code, length = self.take(at, 2)
        if length == 0:
            raise self.fail("a segment of nothing")
        if code == 0:
            self.out += self.take(at + 2, length)
            return at + 2 + length
        if code == 1:
            self.line(length, self.take(at + 2, 1)[0])
            return at + 3
        if code != 2:
            raise self.fail(f"{code} is no kind of segment")
        if nested:
            raise self.fail("an indirect segment that points to another one")
        return self.again(at + 2, length)

    def line(self, length: int, end: int) -> None:
        """``length`` entries that end with ``end``, on a line from the one before; rounded, halves to the even."""
        if not self.out:
            raise self.fail("a linear segment with nothing before it")
        begin = self.out[-1]
        steps = np.arange(1, length + 1, dtype=np.float64)
        self.out += [int(one) for one in np.rint(begin + (end - begin) * steps / length)]

    def again(self, at: int, count: int) -> int:
        """Segments that are there already: the offset is in bytes, its low half first."""
        if self.data.itemsize == 1:
            size, offset = 4, int.from_bytes(bytes(self.take(at, 4)), "little")
        else:
            low, high = self.take(at, 2)
            size, offset = 2, (high << 16 | low) // 2
        for _ in range(count):
            offset = self.segment(offset, nested=True)
            if len(self.out) > self.entries:
                break
        return at + size


def _table(dataset: Dataset, color: str, entries: int, bits: int) -> NDArray[Any]:
    keyword = f"{color}PaletteColorLookupTableData"
    if keyword in dataset:
        return _plain(dataset, keyword, entries)
    segmented = "Segmented" + keyword
    if segmented in dataset:
        words = _words(dataset, segmented)
        return _Segments(words.view(np.uint8) if bits == 8 else words, segmented, entries).expand()
    raise _fail(keyword, f"{keyword} is missing, and so is {segmented}")


def palette_of(dataset: Dataset) -> Palette:
    """Return the palette that a data set has; DecodeError with the tag of what is missing or wrong.

    One that is only named (Palette Color Lookup Table UID) has to be merged from its own object first.
    """
    described = [_descriptor(dataset, color) for color in _COLORS]
    if len(set(described)) != 1:
        raise _fail("GreenPaletteColorLookupTableDescriptor", "the three descriptors differ")
    entries, first, bits = described[0]
    columns = [_table(dataset, color, entries, bits) for color in _COLORS]
    if "AlphaPaletteColorLookupTableData" in dataset or "SegmentedAlphaPaletteColorLookupTableData" in dataset:
        columns.append(_table(dataset, "Alpha", entries, bits))
    if len({column.dtype for column in columns}) != 1:
        raise _fail("RedPaletteColorLookupTableData", "the tables have entries of several sizes")
    table = np.stack(columns, axis=-1)
    if bits == 8 and table.dtype == np.uint16 and int(table.max(initial=0)) <= 0xFF:
        table = table.astype(np.uint8)
    return Palette(first, table)


def apply_palette(array: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """Return the colours of stored values by the data set's palette: (*shape, 3), 4 where there is alpha.

    They have 8 or 16 bits as the palette has. Values outside take its first or last colour.
    """
    return palette_of(dataset)(array)
