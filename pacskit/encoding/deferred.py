"""Reading with big values left where they are, and writing them without holding them."""

from __future__ import annotations

import os
import re
import struct
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from pacskit.core.config import ReadOptions, Strictness
from pacskit.core.dataset import Dataset
from pacskit.core.element import DataElement, DeferredElement
from pacskit.core.errors import DecodeError, EncodeError, TruncatedError
from pacskit.encoding.ranges import Ranges
from pacskit.encoding.reader import decode
from pacskit.encoding.skim import Gap, Skim
from pacskit.encoding.transfer_syntax import grammar

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from pacskit.core.types import RangeSource

    Encode = Callable[[Dataset, str], Buffer]

__all__ = ["read_deferred", "size_in_bytes", "stream_parts"]

_UNITS: Final = {
    "": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
}  # fmt: skip
_CHUNK: Final = 1 << 22
_TOKEN: Final = 32
_ITEM: Final = b"\xfe\xff\x00\xe0\x18\0\0\0"  # a token parses as a fragment too
_UNDEFINED: Final = 0xFFFFFFFF


def size_in_bytes(size: float | str) -> int:
    """How many bytes ``"512 KB"`` and the like are, as pydicom counts: a kB has 1000, a KiB 1024.

    >>> size_in_bytes("512 KB"), size_in_bytes("1.5 MiB"), size_in_bytes(4096)
    (512000, 1572864, 4096)
    """
    if size == float("inf"):
        return sys.maxsize
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", str(size))
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError(f"{size!r} is no size in bytes, such as 4096 or '512 KB'")
    return int(float(match[1]) * _UNITS[match[2].lower()])


# -- reading -----------------------------------------------------------------------------------------------------------


class Head(NamedTuple):
    """Where the data set begins, how it is laid out, and the tag to stop at (0 for none)."""

    start: int
    syntax: str
    stop: int


def read_deferred(
    source: RangeSource,
    limit: int,
    options: ReadOptions,
    head_of: Callable[[Buffer], Head],
    read: Callable[[Buffer], Dataset],
) -> Dataset:
    """Read a DICOM file of which the values over ``limit`` bytes are read when they are touched.

    ``head_of`` tells from the first bytes where the data set is, and raises TruncatedError for more of them; ``read``
    makes a data set of a file in memory. What is deflated, and what is to be salvaged, is read whole.
    """
    ranges = Ranges(source)
    keep: frozenset[int] = frozenset()
    while True:
        skim = Skim(ranges, limit, options, keep)
        head = _head(skim, head_of)
        syntax = grammar(head.syntax)
        is_small = ranges.size is not None and ranges.size <= limit
        if is_small or syntax.deflated or options.strictness is Strictness.SALVAGE:
            while skim.have(len(skim.kept), 1 << 22):
                continue
        else:
            skim.run(head.start, syntax, head.stop)
        try:
            dataset = read(skim.kept)
        except DecodeError as error:
            error.offset = _in_source(skim.gaps, error.offset)
            raise
        nested = _install(dataset, skim.gaps, ranges)
        if not nested:
            return dataset
        keep |= nested


def _head(skim: Skim, head_of: Callable[[Buffer], Head]) -> Head:
    want = 1 << 16
    while True:
        there = skim.have(0, want)
        try:
            return head_of(bytes(skim.kept))
        except TruncatedError:
            if there < want:
                raise
        want *= 4


def _in_source(gaps: list[Gap], offset: int | None) -> int | None:
    """Where a byte of what was kept is in the source."""
    if offset is None or not gaps:
        return offset
    index = bisect_right(gaps, offset, key=lambda gap: gap.offset - gap.removed)
    return offset if index == 0 else offset + gaps[index - 1].removed + gaps[index - 1].length


def _install(dataset: Dataset, gaps: Iterable[Gap], ranges: Ranges) -> frozenset[int]:
    """Put deferred elements where values were left out; return the offsets of values that are sequences after all."""
    nested = set()
    for gap in gaps:
        table = _table_at(dataset, gap)
        if table is None or gap.tag not in table:
            continue  # an attribute that was not wanted
        stub = table[gap.tag]
        if stub.offset != gap.offset - gap.removed:
            continue  # a double, of which another one counts
        if stub.VR == "SQ":
            nested.add(gap.offset)
        else:
            table.add(DeferredElement(stub, ranges.read, gap.offset, gap.length, gap.undefined))
    return frozenset(nested)


def _table_at(dataset: Dataset, gap: Gap) -> Dataset | None:
    for tag, index in gap.path:
        if tag not in dataset or dataset[tag].VR != "SQ" or index >= len(dataset[tag].value):
            return None
        dataset = dataset[tag].value[index]
    return dataset


# -- writing -----------------------------------------------------------------------------------------------------------

_Step = tuple[int, int]


class _Left(NamedTuple):
    """A deferred value that can go from the source to the target as it is."""

    path: tuple[_Step, ...]
    element: DeferredElement
    token: bytes


def _streamable(dataset: Dataset, big: bool, path: tuple[_Step, ...] = ()) -> Iterator[_Left]:
    for element in dataset.changed_elements():
        if element.VR == "SQ":
            for index, item in enumerate(element.value):
                yield from _streamable(item, big, (*path, (int(element.tag), index)))
        elif isinstance(element, DeferredElement) and element.is_deferred and element.is_binary:
            token = _ITEM + os.urandom(_TOKEN - len(_ITEM))
            yield from [_Left(path, element, token)] if element.VR in ("OB", "UN") or not big else []


def stream_parts(dataset: Dataset, syntax: str, encode: Encode) -> Iterator[Buffer] | None:
    """The data set in ``syntax`` piece by piece, deferred values in chunks; None where there are none to stream."""
    layout = grammar(syntax)
    left = [] if layout.deflated else list(_streamable(dataset, layout.big))
    if not left:
        return None
    twin = dataset.copy()
    for one in left:
        _item_at(twin, one.path).add(DataElement(one.element.tag, str(one.element.VR), one.token))
    data = bytearray(encode(twin, syntax))
    number = struct.Struct(">I" if layout.big else "<I")
    parsed = decode(bytes(data), syntax) if any(one.path for one in left) else twin
    lengths = [(*_containers(parsed, data, one.path, number), data.index(one.token) - 4) for one in left]
    for one, places in zip(left, lengths, strict=True):
        if (
            one.element.is_undefined_length
        ):  # OB by PS3.5 A.4; some write OW or UN, and an unchanged file stays as it is
            at = places[-1] - 4
            data[at : at + 2] = str(one.element.VR).encode()
        _add_to_lengths(data, places, (one.element.length or 0) - _TOKEN, number, int(one.element.tag))
    return _interleave(data, left)


def _item_at(dataset: Dataset, path: tuple[_Step, ...]) -> Dataset:
    for tag, index in path:
        dataset = dataset[tag].value[index]
    return dataset


def _containers(parsed: Dataset, data: bytearray, path: tuple[_Step, ...], number: struct.Struct) -> list[int]:
    """Where the lengths of the sequences and items of a path stand; a sequence that was changed has them all."""
    places = []
    for tag, index in path:
        sequence = parsed[tag]
        at = sequence.offset or 0
        places.append(at - 4)
        for _ in range(index):
            at += 8 + number.unpack_from(data, at + 4)[0]
        places.append(at + 4)
        parsed = sequence.value[index]
    return places


def _add_to_lengths(data: bytearray, places: Iterable[int], more: int, number: struct.Struct, tag: int) -> None:
    for at in places:
        (length,) = number.unpack_from(data, at)
        if length == _UNDEFINED:
            continue
        if length + more >= _UNDEFINED:
            raise EncodeError("a sequence is longer than 4 GiB", tag=tag)
        number.pack_into(data, at, length + more)


def _interleave(data: bytearray, left: list[_Left]) -> Iterator[Buffer]:
    view = memoryview(data)
    done = 0
    for one in sorted(left, key=lambda one: data.index(one.token)):
        at = data.index(one.token)
        yield view[done:at]
        length = one.element.length or 0
        for start in range(0, length, _CHUNK):
            yield one.element.read(start, min(_CHUNK, length - start))
        done = at + _TOKEN
    yield view[done:]
