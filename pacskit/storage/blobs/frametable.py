"""Where the frames of an object are in its blob, kept beside it: a frame is one range, whatever its transfer syntax.

Made once, from the object while it is at hand; a few bytes for native frames, a few for each encapsulated one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, Self

from pacskit.core.errors import DecodeError, TruncatedError

if TYPE_CHECKING:
    from pacskit.core.dataset import Dataset

__all__ = ["FrameTable"]

_MAGIC: Final = b"pkf1"
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_MOST: Final = 1 << 29  # bytes of a table that is unpacked
_LAST: Final = 1 << 63


class Ranged(Protocol):
    """What has blobs by range."""

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]: ...


Spans = tuple[tuple[int, int], ...]


class FrameTable(Sequence[Spans]):
    """For each frame ``(start, length)`` of its fragments in the blob. It does not change: threads may share it.

    >>> table = FrameTable([((100, 10),), ((118, 12), (138, 4))])
    >>> FrameTable.from_bytes(table.to_bytes())[1]
    ((118, 12), (138, 4))
    """

    __slots__ = ("_spans",)

    def __init__(self, spans: Iterable[Spans]) -> None:
        self._spans = tuple(spans)

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Make the table of a data set that was read from the object's file, with or without its pixel data.

        ValueError where the frames are no ranges of the file: a deflated one, frames of bits that share bytes, or bytes
        that stand in big endian words.
        """
        from pacskit.encoding.frames import FrameIndex

        if str(dataset.transfer_syntax) == _DEFLATED:
            raise ValueError("the frames of a deflated object are no ranges of its file")
        index = FrameIndex(dataset)
        if index.has_swapped_bytes:
            raise ValueError("the bytes of the frames stand in big endian words")
        return cls(tuple((span.offset, span.length) for span in index.spans(frame)) for frame in range(len(index)))

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, frame: int) -> Spans:  # type: ignore[override]
        return self._spans[frame]

    def read(self, store: Ranged, key: str, frames: Sequence[int]) -> list[bytes]:
        """Read frames: their code streams, or native bytes. Neighbouring fragments are one request."""
        wanted = [self._spans[frame] for frame in frames]
        parts = iter(store.get_ranges(key, [span for spans in wanted for span in spans]))
        found = []
        for spans in wanted:
            pieces = [next(parts) for _ in spans]
            if [len(piece) for piece in pieces] != [length for _, length in spans]:
                raise TruncatedError("the blob ends inside a frame", offset=spans[-1][0])
            found.append(b"".join(pieces))
        return found

    def to_bytes(self) -> bytes:
        """Return the table packed, to be kept."""
        numbers = [len(self._spans)]
        end = 0
        for spans in self._spans:
            numbers.append(len(spans))
            for start, length in spans:
                numbers += [start - end, length]
                end = start + length
        return _MAGIC + zlib.compress(struct.pack(f"<{len(numbers)}q", *numbers), 6)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return a table that was packed. DecodeError for anything else."""
        numbers = iter(_unpack(data))
        try:
            spans, end = [], 0
            for _ in range(next(numbers)):
                one = []
                for _ in range(next(numbers)):
                    start = end + next(numbers)
                    end = start + next(numbers)
                    if not 0 <= start <= end <= _LAST:
                        raise DecodeError("a frame table with a frame that cannot be")
                    one.append((start, end - start))
                spans.append(tuple(one))
        except StopIteration:
            raise TruncatedError("a frame table that is cut off") from None
        if next(numbers, None) is not None:
            raise DecodeError("a frame table with something behind it")
        return cls(spans)


def _unpack(data: bytes) -> tuple[int, ...]:
    if data[:4] != _MAGIC:
        raise DecodeError("not a frame table")
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(data[4:], _MOST)
    except zlib.error as error:
        raise DecodeError("a frame table that is damaged") from error
    if not unpacker.eof or unpacker.unused_data or len(plain) % 8:
        raise DecodeError("a frame table that is damaged")
    return struct.unpack(f"<{len(plain) // 8}q", plain)
