"""Images in tiles: regions of the total pixel matrix, of which only the tiles that they touch are decoded.

PS3.3 C.8.12.4.1.1 (slide microscopy), C.7.6.17.3 (order of frames) and C.8.12.6.1 (positions of tiles).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import tag_for
from pacskit.core.errors import DecodeError, LimitError
from pacskit.encoding.attributes import integer, items, required, text
from pacskit.encoding.codecs import DecodeLimits, Region
from pacskit.encoding.pixels.reader import PixelReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Tile", "TotalPixelMatrix"]

_LIMITS = DecodeLimits()


@dataclass(frozen=True, slots=True)
class Tile:
    """A frame and where its first pixel is in the total pixel matrix, from 0."""

    frame: int
    top: int
    left: int


class TotalPixelMatrix:
    """The matrix that the frames of an image are tiles of; keep one to read many regions.

    Parameters
    ----------
    dataset
        A data set with a total pixel matrix, whose tiles fill it (``TILED_FULL``) or say where they are.
    limits
        What a frame may cost, and with ``max_bytes`` a region.

    Attributes
    ----------
    rows, columns
        The size of the matrix.
    channels
        What there is of each place: the identifiers of the optical paths, or the numbers of the segments; one empty
        name where the data set has neither.
    focal_planes
        How many planes there are, in the order of their depth (``TILED_FULL``) or of their Z offsets.
    reader
        The frames.
    """

    __slots__ = ("_stacks", "_step", "channels", "columns", "focal_planes", "is_full", "reader", "rows")

    def __init__(self, dataset: Dataset, *, limits: DecodeLimits = _LIMITS) -> None:
        self.rows: int = required(dataset, "TotalPixelMatrixRows")
        self.columns: int = required(dataset, "TotalPixelMatrixColumns")
        if self.rows < 1 or self.columns < 1:
            raise DecodeError("a total pixel matrix without pixels", tag=tag_for("TotalPixelMatrixRows"))
        self.reader = PixelReader(dataset, limits=limits)
        self._step = self.reader.format.rows, self.reader.format.columns
        self.is_full: bool = text(dataset, "DimensionOrganizationType") == "TILED_FULL"
        self.focal_planes = 1
        self._stacks: dict[tuple[int, int], list[Tile]] = {}
        if self.is_full:
            self.channels: tuple[str, ...] = _channels(dataset) or ("",)
            self.focal_planes = integer(dataset, "TotalPixelMatrixFocalPlanes") or 1
            self._check_full()
        else:
            self.channels = ()
            self._arrange(dataset)

    def _check_full(self) -> None:
        down, across = self._grid
        wanted = down * across * self.focal_planes * len(self.channels)
        if wanted != self.reader.number_of_frames:
            raise DecodeError(
                f"{self.reader.number_of_frames} frames; {down} by {across} tiles of {self.focal_planes} focal planes "
                f"and {len(self.channels)} channels are {wanted}",
                tag=tag_for("NumberOfFrames"),
            )

    @property
    def _grid(self) -> tuple[int, int]:
        """How many tiles there are below and beside one another."""
        return -(-self.rows // self._step[0]), -(-self.columns // self._step[1])

    def _arrange(self, dataset: Dataset) -> None:
        """Take the places of the tiles out of the functional groups."""
        own = items(dataset, "PerFrameFunctionalGroupsSequence")
        shared: list[Dataset] = list(items(dataset, "SharedFunctionalGroupsSequence")[:1])
        if len(own) != self.reader.number_of_frames:
            raise DecodeError(
                f"{len(own)} items of functional groups for {self.reader.number_of_frames} frames",
                tag=tag_for("PerFrameFunctionalGroupsSequence"),
            )
        found = [_place(number, [item, *shared]) for number, item in enumerate(own)]
        known = _channels(dataset)
        named = {name for name, _, _ in found}
        self.channels = (*(one for one in known if one in named), *sorted(named - set(known)))
        depths = sorted({depth for _, depth, _ in found})
        self.focal_planes = len(depths)
        channel, plane = ({one: at for at, one in enumerate(them)} for them in (self.channels, depths))
        for name, depth, tile in found:
            self._stacks.setdefault((channel[name], plane[depth]), []).append(tile)

    def tiles(
        self, region: tuple[int, int, int, int] | None = None, *, channel: int | str = 0, focal_plane: int = 0
    ) -> Iterator[Tile]:
        """Iterate over the tiles that a region (top, left, rows, columns) touches, all where None."""
        wanted = Region(*region) if region is not None else Region(0, 0, self.rows, self.columns)
        wanted.check(self.rows, self.columns)
        number = self._channel(channel)
        if not 0 <= focal_plane < self.focal_planes:
            raise IndexError(f"there are {self.focal_planes} focal planes")
        high, wide = self._step
        if not self.is_full:
            for tile in self._stacks.get((number, focal_plane), ()):
                inside = tile.top < wanted.top + wanted.rows and tile.left < wanted.left + wanted.columns
                if inside and tile.top + high > wanted.top and tile.left + wide > wanted.left:
                    yield tile
            return
        down, across = self._grid
        first = (number * self.focal_planes + focal_plane) * down * across
        for row in range(wanted.top // high, -(-(wanted.top + wanted.rows) // high)):
            for column in range(wanted.left // wide, -(-(wanted.left + wanted.columns) // wide)):
                yield Tile(first + row * across + column, row * high, column * wide)

    def _channel(self, channel: int | str) -> int:
        if isinstance(channel, str):
            if channel not in self.channels:
                raise KeyError(channel)
            return self.channels.index(channel)
        if not 0 <= channel < len(self.channels):
            raise IndexError(f"there are {len(self.channels)} channels")
        return channel

    def region(
        self,
        top: int,
        left: int,
        rows: int,
        columns: int,
        *,
        channel: int | str = 0,
        focal_plane: int = 0,
        fill: float = 0,
        threads: int | None = None,
    ) -> NDArray[Any]:
        """Return stored values of a rectangle of the matrix: (rows, columns) or (rows, columns, samples).

        Where there is no tile, it is ``fill``. Tiles are decoded in ``threads`` as `PixelReader.frames` does.
        """
        format = self.reader.format
        tiles = list(self.tiles((top, left, rows, columns), channel=channel, focal_plane=focal_plane))
        size = rows * columns * format.samples * self.reader.dtype.itemsize
        if size > self.reader.limits.max_bytes:
            raise LimitError(f"a region of {size} bytes; the limit is {self.reader.limits.max_bytes}")
        out = np.full((rows, columns, *format.shape[2:]), fill, self.reader.dtype)
        frames = self.reader.frames([tile.frame for tile in tiles], threads=threads)
        for tile, pixels in zip(tiles, frames, strict=True):
            above, beside = tile.top - top, tile.left - left
            part = pixels[max(0, -above) : rows - above, max(0, -beside) : columns - beside]
            at = max(0, above), max(0, beside)
            out[at[0] : at[0] + part.shape[0], at[1] : at[1] + part.shape[1]] = part
        return out


def _channels(dataset: Dataset) -> tuple[str, ...]:
    """The names of what the data set has of each place, in their order."""
    paths = items(dataset, "OpticalPathSequence")
    if paths:
        return tuple(text(path, "OpticalPathIdentifier") or str(number) for number, path in enumerate(paths, 1))
    if text(dataset, "SegmentationType") == "LABELMAP":  # all segments are in the same frames
        return ()
    return tuple(str(integer(one, "SegmentNumber")) for one in items(dataset, "SegmentSequence"))


def _place(frame: int, groups: list[Dataset]) -> tuple[str, float, Tile]:
    """The channel and the depth of a frame, and where it is."""
    position = _first(groups, "PlanePositionSlideSequence")
    if position is None:
        raise DecodeError(f"frame {frame} does not say where it is", tag=tag_for("PlanePositionSlideSequence"))
    top, left = (
        required(position, f"{name}PositionInTotalImagePixelMatrix") - 1 for name in ("Row", "Column")
    )  # which are counted from 1
    path, segment = _first(groups, "OpticalPathIdentificationSequence"), _first(groups, "SegmentIdentificationSequence")
    name = ""
    if path is not None:
        name = text(path, "OpticalPathIdentifier") or ""
    elif segment is not None:
        name = str(integer(segment, "ReferencedSegmentNumber"))
    return name, float(position.get("ZOffsetInSlideCoordinateSystem") or 0), Tile(frame, top, left)


def _first(groups: list[Dataset], sequence: str) -> Dataset | None:
    return next((found[0] for group in groups if (found := items(group, sequence))), None)
