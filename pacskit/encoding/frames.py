"""Frames of pixel data as they are stored, without decoding them (PS3.5 8 and A.4, PS3.3 C.7.6.3).

>>> from pacskit.encoding.frames import encapsulate, generate_frames
>>> list(generate_frames(encapsulate([b"first!", b"second"]), number_of_frames=2))
[b'first!', b'second']
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeGuard

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.element import DataElement, DeferredElement
from pacskit.core.errors import DecodeError, TruncatedError
from pacskit.core.uid import UID
from pacskit.encoding.rangeframes import RangeFrames, frames_by_range
from pacskit.encoding.transfer_syntax import TransferSyntax, grammar
from pacskit_ext import _encapsulate, _frames
from pacskit_ext._frames import Fragments, Frames, fragments_of, parse_fragments

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "BitRange",
    "FrameIndex",
    "Span",
    "encapsulate",
    "encapsulate_extended",
    "frame_bytes",
    "generate_fragments",
    "generate_frames",
    "get_frame",
    "iter_frames",
    "parse_basic_offsets",
    "set_frames",
]

Table = Literal["basic", "extended", "none"]

_PIXEL_DATA: Final = 0x7FE00010
_PIXELS: Final = (0x7FE00010, 0x7FE00008, 0x7FE00009)  # Pixel Data, Float and Double Float Pixel Data
_TABLE: Final = 0x7FE00001
_LENGTHS: Final = 0x7FE00002
_DEFAULT: Final = ReadOptions()
_VIDEO: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))


class Span(NamedTuple):
    """Bytes of a source."""

    offset: int
    length: int


class BitRange(NamedTuple):
    """Bits of native pixel data: ``bits`` of them, from bit ``bit`` (0 is the lowest) of the byte at ``offset``."""

    offset: int
    bit: int
    bits: int


class FrameIndex:
    """Where each frame of a data set is, encapsulated or native; frames are numbered from 0.

    The index refers to the bytes that the data set was read from and copies none of them. Its fields do not change: any
    number of threads use it at once.
    Pixel data that was deferred stays where it is: a frame reads its own range, found by an offset table, by its size
    when native, or as one fragment; only where several frames share fragments without a table is all of it read.

    Parameters
    ----------
    dataset
        A data set with Pixel Data, Float Pixel Data or Double Float Pixel Data.
    ignore_tables
        Divide encapsulated pixel data without its offset tables, where those are wrong.

    Raises DecodeError with offset and tag where tables, fragments and Number of Frames do not agree.
    """

    __slots__ = ("_bits", "_element", "_frames", "_swapped", "is_encapsulated", "number_of_frames")

    def __init__(self, dataset: Dataset, *, ignore_tables: bool = False, options: ReadOptions = _DEFAULT) -> None:
        self._element = _pixels_of(dataset)
        self._frames: Frames | RangeFrames | None = None
        self._bits = 0
        self._swapped = False
        if _is_left(self._element) and self._element.is_undefined_length:
            self._frames = _divide_by_range(dataset, self._element, ignore_tables, options)
        if self._frames is not None:
            self.is_encapsulated: bool = True
            self.number_of_frames: int = len(self._frames)
            return
        fragments = _fragments(dataset, self._element, options)
        self.is_encapsulated = fragments is not None
        if fragments is None:
            self.number_of_frames = _frame_count(dataset) or 1
            self._bits = _frame_bits(dataset, self._element)
            self._swapped = _has_swapped_bytes(dataset, self._element)
            self._check_native()
        else:
            _refuse_video(dataset, fragments)
            self._frames = _divide(dataset, fragments, ignore_tables)
            self.number_of_frames = len(self._frames)

    def __len__(self) -> int:
        return self.number_of_frames

    def __iter__(self) -> Iterator[bytes]:
        return (self.frame(n) for n in range(self.number_of_frames))

    @property
    def divided_by(self) -> str:
        """What says where frames begin: ``extended`` or ``basic`` table, ``fragments``, ``markers``, or ``size``."""
        return "size" if self._frames is None else self._frames.source

    @property
    def fragments(self) -> Fragments | None:
        """The fragments of encapsulated pixel data, as views by number; None for native. Deferred data is read."""
        if isinstance(self._frames, RangeFrames):
            return parse_fragments(_native(self._element))
        return None if self._frames is None else self._frames.fragments

    @property
    def native(self) -> memoryview | None:
        """All bytes of native pixel data as they are in the source; None for encapsulated."""
        return _native(self._element) if self._frames is None else None

    def native_part(self, start: int, stop: int) -> memoryview:
        """Some bytes of native pixel data, fewer at its end; of a deferred value no others are read."""
        return _part(self._element, start, stop)

    @property
    def has_swapped_bytes(self) -> bool:
        """Whether native cells of a byte or a bit stand in big endian words (PS3.5 8.2), which ``frame`` undoes."""
        return self._swapped

    def fragment_range(self, frame: int) -> range:
        """Return the numbers of the fragments of an encapsulated frame."""
        if self._frames is None:
            raise ValueError("native pixel data has no fragments")
        if isinstance(self._frames, RangeFrames):
            counts = [len(self._frames.spans(number)) for number in range(frame + 1)]
            return range(sum(counts[:-1]), sum(counts))
        return range(*self._frames.fragment_range(frame))

    def spans(self, frame: int) -> tuple[Span, ...]:
        """Where the bytes of one frame are in the source, one span for each fragment.

        The source is what the data set was read from: the file, or what a deflated one was inflated to; for pixel
        data that was assigned, its bytes. Raises ValueError for a native frame that does not begin and end with a
        byte: ``bit_range`` tells where that is.
        """
        if self._frames is not None:
            whole = isinstance(self._element, DeferredElement) and not isinstance(self._frames, RangeFrames)
            shift = (self._element.offset or 0) if whole else 0
            return tuple(Span(offset + shift, length) for offset, length in self._frames.spans(frame))
        place = self.bit_range(frame)
        if place.bit or place.bits % 8:
            raise ValueError(f"frame {frame} does not begin and end with a byte: see bit_range")
        return (Span(place.offset, place.bits // 8),)

    def bit_range(self, frame: int) -> BitRange:
        """Where one native frame is in the source, to the bit (PS3.5 8.1.1: frames of single bits are not padded)."""
        if self._frames is not None:
            raise ValueError("encapsulated frames are bytes: see spans")
        first = self._check(frame) * self._bits
        return BitRange((self._element.offset or 0) + first // 8, first % 8, self._bits)

    def views(self, frame: int) -> tuple[memoryview, ...]:
        """Views of the bytes of one frame, one for each fragment; nothing is copied."""
        if self._frames is not None:
            return self._frames.views(frame)
        (span,) = self.spans(frame)
        start = span.offset - (self._element.offset or 0)
        return (_part(self._element, start, start + span.length),)

    def frame(self, frame: int) -> bytes:
        """Return the bytes of one frame: the code stream, or native pixels in the byte order of the source.

        Frames of single bits are moved to begin with a byte; bytes that a big endian OW value has swapped are put
        right. What encapsulation padded is kept unless the Extended Offset Table tells it apart.
        """
        if self._frames is not None:
            return self._frames.join(frame)
        first = self._check(frame) * self._bits
        start, stop = first // 16 * 2, -(-(first + self._bits) // 16) * 2
        data, first = _part(self._element, start, stop), first - start * 8
        if self._swapped:
            words = bytearray(data)
            words[0::2], words[1::2] = words[1::2], words[0::2]
            data = memoryview(words)
        if first % 8 or self._bits % 8:
            return _encapsulate.take_bits(data, first, self._bits)
        return bytes(data[first // 8 : (first + self._bits) // 8])

    def _check(self, frame: int) -> int:
        if not 0 <= frame < self.number_of_frames:
            raise IndexError(f"there are {self.number_of_frames} frames")
        return frame

    def _check_native(self) -> None:
        have = self._element.length
        have = len(_native(self._element)) if have is None else have
        if have * 8 < self._bits * self.number_of_frames:
            raise TruncatedError(
                f"{self.number_of_frames} frames of {self._bits} bits do not fit in {have} bytes",
                offset=self._element.offset,
                tag=int(self._element.tag),
            )


def _pixels_of(dataset: Dataset) -> DataElement:
    for tag in _PIXELS:
        if tag in dataset:
            return dataset[tag]
    raise DecodeError("the data set has no pixel data", tag=_PIXEL_DATA)


def _number(dataset: Dataset, keyword: str, default: int | None = None) -> int | None:
    value = dataset.get(keyword)
    if value is None or value == "":
        return default
    if not isinstance(value, int) or value < 0:
        raise DecodeError(f"{keyword} is no count", tag=int(dataset[keyword].tag))
    return int(value)


def _frame_count(dataset: Dataset) -> int | None:
    """Number of Frames; None where it is absent, or 0 as some writers have it for one."""
    return _number(dataset, "NumberOfFrames") or None


def _native(element: DataElement) -> memoryview:
    raw = element.raw
    if raw is not None:
        return raw
    value = element.value
    return memoryview(value if isinstance(value, (bytes, bytearray, memoryview)) else b"").cast("B").toreadonly()


def _is_left(element: DataElement) -> TypeGuard[DeferredElement]:
    """Whether the value is still where it was read from."""
    return isinstance(element, DeferredElement) and element.is_deferred


def _part(element: DataElement, start: int, stop: int) -> memoryview:
    """Some bytes of native pixel data, fewer at its end; of a deferred value no others are read."""
    if _is_left(element):
        stop = min(stop, element.length or 0)
        return memoryview(element.read(start, stop - start))
    return _native(element)[start:stop]


def _divide_by_range(
    dataset: Dataset, element: DeferredElement, ignore_tables: bool, options: ReadOptions
) -> RangeFrames | None:
    if (_syntax(dataset) or "").removesuffix(".1") in _VIDEO:
        return None
    extended = None
    if not ignore_tables and _TABLE in dataset:
        lengths = bytes(_native(dataset[_LENGTHS])) if _LENGTHS in dataset else b""
        extended = (bytes(_native(dataset[_TABLE])), lengths)
    expected = _frame_count(dataset) or 0
    return frames_by_range(element, expected, extended, ignore_tables=ignore_tables, max_fragments=options.max_elements)


def _syntax(dataset: Dataset) -> str | None:
    value: Any = dataset.transfer_syntax or dataset.file_meta.get("TransferSyntaxUID")
    return str(value) if value else None


def _fragments(dataset: Dataset, element: DataElement, options: ReadOptions) -> Fragments | None:
    """The fragments of an element that was read or assigned; None where it is native, as without a transfer syntax."""
    found = fragments_of(element)
    if found is not None or int(element.tag) != _PIXEL_DATA:
        return found
    if element.offset is not None and not element.is_undefined_length:
        return None
    syntax = _syntax(dataset)
    if syntax is None or not grammar(syntax).encapsulated:
        return None
    return parse_fragments(_native(element), max_fragments=options.max_elements)


def _refuse_video(dataset: Dataset, fragments: Fragments) -> None:
    syntax = (_syntax(dataset) or "").removesuffix(".1")  # .1: the fragmentable form (PS3.5 8.2.5)
    if syntax in _VIDEO:
        raise DecodeError(
            "a video stream has no frames of its own; its fragments are the stream",
            offset=fragments.table_span[0],
            tag=_PIXEL_DATA,
        )


def _divide(dataset: Dataset, fragments: Fragments, ignore_tables: bool) -> Frames:
    expected = _frame_count(dataset)
    if not ignore_tables and _TABLE in dataset:
        table = dataset[_TABLE]
        lengths = _native(dataset[_LENGTHS]) if _LENGTHS in dataset else None
        where = -1 if table.offset is None else table.offset
        return _frames.frames_by_extended_table(
            fragments, _native(table), lengths, expected or 0, offset=where, big=fragments.big
        )
    if not ignore_tables and fragments.table_span[1]:
        return _frames.frames_by_basic_table(fragments, expected or 0)
    return _frames.frames_without_table(fragments, expected or 1)


def _frame_bits(dataset: Dataset, element: DataElement) -> int:
    """Bits of one native frame."""
    rows, columns = _number(dataset, "Rows"), _number(dataset, "Columns")
    default = {0x7FE00008: 32, 0x7FE00009: 64}.get(int(element.tag))
    allocated = _number(dataset, "BitsAllocated", default)
    if rows is None or columns is None or allocated is None:
        raise DecodeError("Rows, Columns and Bits Allocated are needed to find native frames", tag=int(element.tag))
    samples = _number(dataset, "SamplesPerPixel", 1) or 1
    bits = rows * columns * samples * allocated
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422" and samples == 3:
        bits = bits // 3 * 2  # two pixels share their chrominance (PS3.3 C.7.6.3.1.2)
    if bits == 0:
        raise DecodeError("a native frame has no pixels", tag=int(element.tag))
    return bits


def _has_swapped_bytes(dataset: Dataset, element: DataElement) -> bool:
    """Whether units under 16 bits stand in big endian words (PS3.5 8.2)."""
    big = element.offset is not None and not element.is_little_endian
    return big and element.VR == "OW" and (_number(dataset, "BitsAllocated", 16) or 16) <= 8


# -- one data set ------------------------------------------------------------------------------------------------------


def frame_bytes(dataset: Dataset, frame: int = 0) -> bytes:
    """Return the stored bytes of one frame, from 0; keep a ``FrameIndex`` to read many in any order."""
    return FrameIndex(dataset).frame(frame)


def iter_frames(dataset: Dataset) -> Iterator[bytes]:
    """Yield the stored bytes of every frame in turn."""
    return iter(FrameIndex(dataset))


def set_frames(
    dataset: Dataset,
    frames: Iterable[Buffer],
    transfer_syntax: str,
    *,
    table: Table = "basic",
    fragments_per_frame: int = 1,
) -> None:
    """Give a data set encapsulated pixel data: the code streams ``frames``, which are in ``transfer_syntax``.

    Sets Pixel Data, Number of Frames (left out for one frame that had none), both Extended Offset Table attributes
    and the transfer syntax. What describes the pixels (Rows, Photometric Interpretation, …) is the caller's to set.
    """
    if not grammar(transfer_syntax).encapsulated:
        raise ValueError(f"{UID(transfer_syntax).name} is not an encapsulated transfer syntax")
    held = list(frames)
    offsets = lengths = None
    if table == "extended":
        data, offsets, lengths = _encapsulate.encapsulate(held, extended=True, fragments_per_frame=fragments_per_frame)
    else:
        data = encapsulate(held, table=table, fragments_per_frame=fragments_per_frame)
    for tag, value in ((_TABLE, offsets), (_LENGTHS, lengths)):
        if value is not None:
            dataset.add_new(tag, "OV", value)
        elif tag in dataset:
            del dataset[tag]
    for tag in _PIXELS[1:]:
        if tag in dataset:
            del dataset[tag]
    dataset.add_new(_PIXEL_DATA, "OB", data)
    if len(held) > 1 or "NumberOfFrames" in dataset:
        dataset.NumberOfFrames = len(held)
    syntax = TransferSyntax(transfer_syntax)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.transfer_syntax = syntax


# -- bytes of an encapsulated value, under pydicom's names -------------------------------------------------------------


def encapsulate(frames: Iterable[Buffer], *, table: Table = "basic", fragments_per_frame: int = 1) -> bytes:
    """Return the value of encapsulated Pixel Data for code streams, without the delimiter that the writer adds.

    Raises EncodeError where a Basic Offset Table cannot reach (4 GiB) or a frame is too short for its fragments. With
    ``extended`` the Basic Offset Table is empty, and ``encapsulate_extended`` or ``set_frames`` gives the other one.
    """
    return _encapsulate.encapsulate(frames, basic=table == "basic", fragments_per_frame=fragments_per_frame)


def encapsulate_extended(frames: Iterable[Buffer]) -> tuple[bytes, bytes, bytes]:
    """Return the values of Pixel Data, Extended Offset Table and Extended Offset Table Lengths."""
    data, offsets, lengths = _encapsulate.encapsulate(frames, extended=True)
    return data, offsets, lengths or b""


def parse_basic_offsets(buffer: Buffer) -> tuple[int, ...]:
    """Return the entries of the Basic Offset Table; none for an empty one."""
    return parse_fragments(buffer).basic_offsets


def generate_fragments(buffer: Buffer) -> Iterator[memoryview]:
    """Yield a view of each fragment after the Basic Offset Table."""
    fragments = parse_fragments(buffer)
    return (fragments[n] for n in range(len(fragments)))


def _divided(
    buffer: Buffer, number_of_frames: int | None, extended_offsets: tuple[Buffer, Buffer | None] | None
) -> Frames:
    fragments = parse_fragments(buffer)
    if extended_offsets is not None:
        return _frames.frames_by_extended_table(fragments, *extended_offsets, number_of_frames or 0)
    if fragments.table_span[1]:
        return _frames.frames_by_basic_table(fragments, number_of_frames or 0)
    if number_of_frames is None and len(fragments) > 1:
        raise ValueError("without an offset table the number of frames must be given")
    return _frames.frames_without_table(fragments, number_of_frames or 1)


def generate_frames(
    buffer: Buffer,
    *,
    number_of_frames: int | None = None,
    extended_offsets: tuple[Buffer, Buffer | None] | None = None,
) -> Iterator[bytes]:
    """Yield each frame of an encapsulated value, its fragments joined.

    ``extended_offsets`` are the values of Extended Offset Table and Extended Offset Table Lengths, as bytes.
    """
    frames = _divided(buffer, number_of_frames, extended_offsets)
    return (frames.join(n) for n in range(len(frames)))


def get_frame(
    buffer: Buffer,
    index: int,
    *,
    number_of_frames: int | None = None,
    extended_offsets: tuple[Buffer, Buffer | None] | None = None,
) -> bytes:
    """Return one frame of an encapsulated value, from 0."""
    return _divided(buffer, number_of_frames, extended_offsets).join(index)
