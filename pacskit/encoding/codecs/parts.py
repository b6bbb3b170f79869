"""Less of a JPEG 2000 or HTJ2K frame: the lower resolutions, and the tiles of a region, as code streams of their own.

A decoder that always decodes everything is given a stream in which there is no more. For a lower resolution the image
and its tiles are 2**n times smaller and have n decompositions fewer (ISO/IEC 15444-1 B.2 to B.5: every coordinate of
the resolutions that are left stays what it was); their packets are the first of each tile where the progression is by
resolution. For a region the tiles that it does not touch are left out, and the others keep their place on the grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import error as StructError
from struct import pack_into, unpack_from
from typing import Final

from pacskit.core.errors import CodecTruncatedError
from pacskit.encoding.codecs.base import Declined, Region
from pacskit.encoding.codecs.headers import CodeStreamHeader

__all__ = ["Part", "part_of"]

_SIZ, _COD, _COC, _POC, _TLM, _PLM, _PPM, _PPT = 0xFF51, 0xFF52, 0xFF53, 0xFF5F, 0xFF55, 0xFF57, 0xFF60, 0xFF61
_SOT, _SOD = 0xFF90, 0xFF93
_EOC: Final = b"\xff\xd9"
_ELSEWHERE: Final = {
    _COC: "a component with a coding style of its own",
    _POC: "changes of progression",
} | dict.fromkeys((_PPM, _PPT), "packed packet headers")
_LAYERS_FIRST, _BY_RESOLUTION = 0, frozenset({1, 2})  # LRCP; RLCP, RPCL (A.6.1)


@dataclass(frozen=True, slots=True)
class Part:
    """A code stream that holds a part of a frame: which pixels, at its resolution."""

    stream: bytes
    top: int
    left: int
    rows: int
    columns: int


@dataclass(slots=True)
class _Grid:
    """The image size segment: x and y of where the image ends and begins, of a tile's size, of where tiles begin."""

    end: list[int]
    origin: list[int]
    tile: list[int]
    first: list[int]

    def count(self, axis: int) -> int:
        return -(-(self.end[axis] - self.first[axis]) // self.tile[axis])

    def pack(self, segment: bytearray) -> None:
        pack_into(">8I", segment, 6, *self.end, *self.origin, *self.tile, *self.first)


def part_of(frame: memoryview, header: CodeStreamHeader, levels: int, region: Region | None) -> Part:
    """Return what there is of ``region`` (all where None) at 1/2**levels of the resolution, as a code stream.

    Raises Declined where no such stream can be made without decoding.
    """
    if header.subsampled:
        raise Declined("components of different sizes have no part of their own")
    try:
        return _part_of(frame, header, levels, region)
    except (StructError, IndexError) as error:
        raise CodecTruncatedError("the code stream ends within a header", offset=len(frame)) from error


def _part_of(frame: memoryview, header: CodeStreamHeader, levels: int, region: Region | None) -> Part:
    segments = list(_segments(frame, header.start + 2, _SOT))
    size = next(segment for marker, segment in segments if marker == _SIZ)
    values = list(unpack_from(">8I", size, 6))
    grid = _Grid(values[:2], values[2:4], values[4:6], values[6:])
    origin = tuple(grid.origin)
    across = grid.count(0)
    chosen = _cut(grid, region)
    _shrink(grid, levels)
    made = bytearray(frame[header.start : header.start + 2])
    for marker, segment in segments:
        if marker == _SIZ:
            grid.pack(segment)
        elif marker == _COD:
            _lower(segment, levels)
        if marker not in {_TLM, _PLM}:  # which list the lengths of what is not there
            made += segment
    for index, start, stop in _tile_parts(frame, header):
        if index in chosen:
            at = len(made)
            made += frame[start:stop]
            row, column = divmod(index, across)
            pack_into(">H", made, at + 4, (row - chosen.top) * chosen.columns + column - chosen.left)
    left, top = (grid.origin[axis] - (-(-origin[axis] >> levels)) for axis in (0, 1))
    columns, rows = (grid.end[axis] - grid.origin[axis] for axis in (0, 1))
    return Part(bytes(made) + _EOC, top, left, rows, columns)


def _segments(frame: memoryview, at: int, last: int) -> Iterator[tuple[int, bytearray]]:
    """Yield the marker segments up to ``last``; decline those that make a part more than a matter of headers."""
    while True:
        (marker,) = unpack_from(">H", frame, at)
        if marker == last:
            return
        if marker in _ELSEWHERE:
            raise Declined(_ELSEWHERE[marker])
        (length,) = unpack_from(">H", frame, at + 2)
        if marker < 0xFF00 or length < 2:
            raise CodecTruncatedError("a marker segment was expected here", offset=at)
        yield marker, bytearray(frame[at : at + 2 + length])
        at += 2 + length


def _tile_parts(frame: memoryview, header: CodeStreamHeader) -> Iterator[tuple[int, int, int]]:
    """Yield the tile index of each tile-part, where it begins and where it ends."""
    at, end = header.data, len(frame) if header.end is None else header.end - len(_EOC)
    while at < end:
        marker, index, length = unpack_from(">H2xHI", frame, at)
        stop = at + length if length else end
        if marker != _SOT or stop <= at + 12 or stop > end:
            raise CodecTruncatedError("tile-parts do not follow one another", offset=at)
        for inner, _ in _segments(frame, at + 12, _SOD):
            if inner == _COD:
                raise Declined("a tile with a coding style of its own")
        yield index, at, stop
        at = stop


@dataclass(frozen=True, slots=True)
class _Tiles:
    """Tiles in a rectangle: their rows and columns in a grid ``across`` wide."""

    top: int
    left: int
    rows: int
    columns: int
    across: int

    def __contains__(self, index: int) -> bool:
        row, column = divmod(index, self.across)
        return 0 <= row - self.top < self.rows and 0 <= column - self.left < self.columns


def _cut(grid: _Grid, region: Region | None) -> _Tiles:
    """Make ``grid`` that of the tiles which ``region`` touches, and return them."""
    across, down = grid.count(0), grid.count(1)
    if region is None:
        return _Tiles(0, 0, down, across, across)
    found = []
    for axis, start, length in ((0, region.left, region.columns), (1, region.top, region.rows)):
        begin = grid.origin[axis] + start - grid.first[axis]
        low, high = begin // grid.tile[axis], -(-(begin + length) // grid.tile[axis])
        found.append((low, high - low))
        corner = grid.first[axis]
        grid.first[axis] = corner + low * grid.tile[axis]
        grid.end[axis] = min(grid.end[axis], corner + high * grid.tile[axis])
        grid.origin[axis] = max(grid.origin[axis], grid.first[axis])
    (left, columns), (top, rows) = found
    return _Tiles(top, left, rows, columns, across)


def _shrink(grid: _Grid, levels: int) -> None:
    """Divide a grid by 2**levels."""
    for axis in (0, 1):
        single = grid.count(axis) == 1
        if not single and (grid.tile[axis] | grid.first[axis]) & ((1 << levels) - 1):
            raise Declined(f"tiles of {grid.tile[axis]} pixels are not divided by {1 << levels}")
        for values in (grid.end, grid.origin, grid.first):
            values[axis] = -(-values[axis] >> levels)
        grid.tile[axis] = grid.end[axis] - grid.first[axis] if single else grid.tile[axis] >> levels


def _lower(segment: bytearray, levels: int) -> None:
    """Take decompositions out of a coding style segment (15444-1 A.6.1)."""
    style, order, layers, depth = segment[4], segment[5], int.from_bytes(segment[6:8], "big"), segment[9]
    if levels == 0:
        return
    if levels > depth:
        raise Declined(f"the code stream has {depth} lower resolutions, not {levels}")
    if order not in _BY_RESOLUTION and not (order == _LAYERS_FIRST and layers == 1):
        raise Declined("the code stream does not begin with its lower resolutions")
    segment[9] = depth - levels
    if style & 1:  # the sizes of precincts, lowest resolution first
        del segment[len(segment) - levels :]
        pack_into(">H", segment, 2, len(segment) - 2)
