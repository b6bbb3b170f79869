"""Lookup tables: descriptor, data and how values find their entry (PS3.3 C.11.1.1.1, C.11.2.1.1, C.11.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.encoding.attributes import array, missing, text

__all__ = ["LookupTable", "read_table"]

_DESCRIPTOR = 0x00283002
_DATA = 0x00283006


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A table of unsigned entries of ``bits`` bits; ``first`` is the value that the first entry stands for."""

    first: int
    bits: int
    data: NDArray[np.uint16] = field(repr=False)
    explanation: str | None = None
    kind: str | None = None

    def __len__(self) -> int:
        return int(self.data.size)

    @property
    def largest(self) -> int:
        """The largest entry that ``bits`` allow."""
        return int((1 << self.bits) - 1)

    def apply(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        """Look values up; those below the first have its entry, those above the last have that one."""
        if values.dtype.kind == "f":
            values = np.rint(np.nan_to_num(values))
        index = np.clip(
            values.astype(np.float64 if values.dtype.kind == "f" else np.int64) - self.first, 0, len(self) - 1
        )
        return self.data[index.astype(np.intp)]


def _descriptor(item: Dataset) -> tuple[int, int, int]:
    value: Any = item.get("LUTDescriptor")
    if value is None:
        raise missing("LUTDescriptor")
    try:
        entries, first, bits = (int(each) for each in value)
    except (TypeError, ValueError) as error:
        raise DecodeError("LUT Descriptor has not three numbers", tag=_DESCRIPTOR) from error
    return (entries & 0xFFFF) or 65536, first & 0xFFFF, bits & 0xFFFF


def _entries(item: Dataset, count: int, bits: int) -> NDArray[np.uint16]:
    """The entries as they stand: 16 bits each, or two of 8 bits in a word."""
    if "LUTData" not in item:
        raise missing("LUTData")
    element = item[_DATA]
    words = array(item, "LUTData")
    if words.dtype.kind not in "iu" or words.dtype.itemsize > 2:
        raise DecodeError(f"LUT Data is {element.VR}, not US or OW", tag=_DATA)
    if words.dtype.itemsize == 1:
        words = words[: words.size // 2 * 2].view("<u2" if element.is_little_endian else ">u2")
    words = words.astype(np.uint16)
    if words.size == count:
        return words
    if bits == 8 and words.size == (count + 1) // 2:
        return words.astype("<u2").view(np.uint8)[:count].astype(np.uint16)
    raise DecodeError(f"LUT Data has {words.size} words for {count} entries of {bits} bits", tag=_DATA)


def read_table(item: Dataset, *, signed: bool) -> LookupTable:
    """Read the table of an item of a LUT sequence.

    ``signed`` says whether the values that are looked up are: the descriptor's second value is then, whatever its VR.
    An entry count of 0 is 65,536. Raises DecodeError where the descriptor is none (8 to 16 bits), or where data
    of another length or larger entries contradict it.
    """
    count, first, bits = _descriptor(item)
    if not 8 <= bits <= 16:
        raise DecodeError(f"LUT Descriptor gives entries of {bits} bits, not of 8 to 16", tag=_DESCRIPTOR)
    data = _entries(item, count, bits)
    largest = int(data.max())
    if largest >= 1 << bits:
        raise DecodeError(f"LUT Data has an entry {largest}, which {bits} bits do not hold", tag=_DATA)
    if signed and first >= 0x8000:
        first -= 0x10000
    data.flags.writeable = False
    return LookupTable(first, bits, data, text(item, "LUTExplanation"), text(item, "ModalityLUTType"))
