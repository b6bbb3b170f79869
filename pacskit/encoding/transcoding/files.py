"""Files from one transfer syntax to another in bounded memory: a frame is read, converted and written at a time."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, Protocol

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.errors import EncodeError, TranscodeError
from pacskit.core.types import RangeSource
from pacskit.core.uid import UID
from pacskit.encoding.codecs import EncodeOptions
from pacskit.encoding.deferred import Head, read_deferred, stream_parts
from pacskit.encoding.part10 import _head_bytes, _meta_for, dcmread
from pacskit.encoding.reader import decode
from pacskit.encoding.transcoding.comparing import Difference, compare_pixels
from pacskit.encoding.transcoding.conversion import (
    Conversion,
    Settings,
    native_length,
    own_meta,
    prepare,
    reported,
    swapped_words,
)
from pacskit.encoding.transcoding.plan import PIXEL_DATA, Step
from pacskit.encoding.transfer_syntax import EXPLICIT_LITTLE, grammar
from pacskit.encoding.writer import encode

if TYPE_CHECKING:
    from typing_extensions import Buffer, Unpack

    from pacskit.encoding.transcoding.conversion import Policy

__all__ = ["Place", "Transcoded", "transcode_body", "transcode_file"]

_OPTIONS: Final = EncodeOptions()
_DEFER: Final = 1 << 16
_PIECE: Final = 1 << 20
_RATIO: Final = 0x00282112
_TABLE, _AFTER = 0x7FE00000, 0x7FE00011
_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
_LONG: Final = Struct("<I")
_LONGER: Final = Struct("<Q")
_MOST: Final = 0xFFFFFFFE
_BASIC: Final = 1 << 31  # raw bytes up to which a Basic Offset Table is sure to reach


@dataclass(frozen=True, slots=True)
class Transcoded:
    """What became of a file.

    Parameters
    ----------
    source, target
        The transfer syntaxes.
    step
        How frames got from one to the other.
    frames
        How many there are; 0 where they were not looked at.
    lossy
        Whether this conversion lost something.
    sop_instance_uid
        That of the result, a new one where the policy says so.
    size_before, size_after
        Bytes of the files, or of the data sets.
    difference
        How the pixels compare, where that was asked for.
    """

    source: UID
    target: UID
    step: Step
    frames: int
    lossy: bool
    sop_instance_uid: str
    size_before: int
    size_after: int
    difference: Difference | None = None


def transcode_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    syntax: str,
    options: EncodeOptions = _OPTIONS,
    *,
    verify: bool = False,
    overwrite: bool = True,
    force: bool = False,
    **policy: Unpack[Policy],
) -> Transcoded:
    """Write a file in another transfer syntax; a few frames are in memory at a time, whatever the size.

    The file is written beside and renamed, so that it is whole or not there, and ``target`` may be ``source``. Data
    sets are held whole that are deflated, or go to or come from Explicit VR Big Endian without frames being decoded.

    Parameters
    ----------
    verify
        Compare the pixels before the file gets its name: those converted without loss must be equal, else
        TranscodeError.
    overwrite
        Whether a file that is there is replaced; else FileExistsError.
    force
        Read a file without prefix or meta, too.

    The others are those of ``transcode``, and so are the errors; OSError where a file cannot be read or written.
    """
    settings = Settings(options=options, **policy)
    path = Path(target)
    if not overwrite and path.exists():
        raise FileExistsError(f"{path} exists")
    size = os.stat(source).st_size
    dataset = dcmread(source, defer_size=_DEFER, force=force)
    made = prepare(dataset, syntax, settings)
    staging = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    difference = None
    try:
        with staging.open("xb") as file:
            _write_file(file, dataset, made)
            after = file.tell()
        if verify and made.step is not Step.NOTHING and made.reader is not None:
            difference = _verified(dataset, staging, made)
        if overwrite:
            staging.replace(path)
        else:
            os.link(staging, path)  # which does not replace what has come to be there
            staging.unlink()
    except BaseException:
        staging.unlink(missing_ok=True)
        raise
    return _result(made, size, after, difference)


def _result(made: Conversion, before: int, after: int, difference: Difference | None = None) -> Transcoded:
    uid = str(made.dataset.get("SOPInstanceUID") or "")
    return Transcoded(
        made.source, made.target, made.step, made.number_of_frames, made.lossy, uid, before, after, difference
    )


def _verified(dataset: Dataset, staging: Path, made: Conversion) -> Difference:
    found = compare_pixels(dataset, dcmread(staging, defer_size=_DEFER), limits=made.settings.limits)
    if found.largest and not made.lossy:
        raise TranscodeError(
            f"the pixels differ by up to {found.largest:g} after a conversion without loss",
            source=made.source, target=made.target, tag=PIXEL_DATA,
        )  # fmt: skip
    return found


def _write_file(file: BinaryIO, dataset: Dataset, made: Conversion) -> None:
    if made.step is Step.NOTHING:
        dataset.save_as(file, check=False)
        return
    twin = made.dataset
    own_meta(twin, made.target)
    file.write(_head_bytes(_meta_for(twin, made.target), twin.preamble))
    _write_body(file, made)


# -- a data set within an open file ------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where a data set is in a file, and how it is laid out."""

    offset: int
    length: int
    transfer_syntax: str


class _Descriptor:
    """Some bytes of an open file, as a range source; threads need not take turns."""

    def __init__(self, file: int, length: int) -> None:
        self._file = file
        self.size = length

    def read_at(self, offset: int, size: int, /) -> bytes:
        parts = []
        while size and (part := os.pread(self._file, min(size, _PIECE * 64), offset)):
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def transcode_body(
    source: int,
    place: Place,
    target: BinaryIO,
    syntax: str,
    options: EncodeOptions = _OPTIONS,
    **policy: Unpack[Policy],
) -> Transcoded:
    """Convert the data set that an open file has at ``place``, as for sending: no preamble, no meta.

    ``source`` is a descriptor, ``target`` a file open for writing, in which one can seek. See ``transcode``.
    """
    settings = Settings(options=options, **policy)
    offset, length, source_syntax = place
    ranges: RangeSource = _Descriptor(source, offset + length)

    def read(data: Buffer) -> Dataset:
        return decode(data, source_syntax, start=offset)

    head = Head(offset, source_syntax, 0)
    dataset = read_deferred(ranges, _DEFER, ReadOptions(), lambda data: head, read)
    made = prepare(dataset, syntax, settings)
    start = target.tell()
    _write_body(target, made)
    return _result(made, length, target.tell() - start)


# -- writing -----------------------------------------------------------------------------------------------------------


class _Writes(Protocol):
    def write(self, data: Buffer, /) -> object: ...


def _write_body(file: BinaryIO, made: Conversion) -> None:
    """The data set from where the file stands."""
    layout = grammar(made.target)
    if made.step in {Step.NOTHING, Step.BYTES}:
        parts = stream_parts(made.dataset, made.target, encode)
        for part in parts if parts is not None else [encode(made.dataset, made.target)]:
            file.write(part)
    elif layout.encapsulated:
        _write_encapsulated(file, made)
    elif layout.deflated:
        deflating = _Deflating(file)
        _write_native(deflating, made)
        deflating.finish()
    else:
        _write_native(file, made)


def _part(dataset: Dataset, syntax: str, start: int, stop: int | None) -> bytes:
    """The elements with tags from ``start`` to before ``stop``; sequences that were not changed keep their form."""
    part = dataset.copy()
    del part[0:start]
    if stop is not None:
        del part[stop:]
    part.transfer_syntax = None
    return encode(part, syntax)


class _Deflating:
    """Deflates what is written (PS3.5 A.5)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._machine = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._count = 0

    def write(self, data: Buffer, /) -> None:
        self._put(self._machine.compress(data))

    def finish(self) -> None:
        self._put(self._machine.flush())
        if self._count % 2:
            self._put(b"\0")

    def _put(self, data: bytes) -> None:
        self._count += len(data)
        self._file.write(data)


def _write_native(file: _Writes, made: Conversion) -> None:
    target, layout = made.target, grammar(made.target)
    length = native_length(made.frames, made.number_of_frames) if made.frames is not None else 0
    if length > _MOST:
        raise TranscodeError(
            f"{length} bytes of native pixel data are more than a value has",
            source=made.source, target=target, tag=PIXEL_DATA,
        )  # fmt: skip
    vr, plain = made.vr, EXPLICIT_LITTLE if layout.deflated else target
    file.write(_part(made.dataset, plain, 0, _TABLE))
    order = "big" if layout.big else "little"
    head = b"".join(number.to_bytes(2, order) for number in (0x7FE0, 0x0010))  # type: ignore[arg-type]
    head += b"" if layout.implicit else vr.encode() + b"\0\0"
    file.write(head + length.to_bytes(4, order))  # type: ignore[arg-type]
    written = 0
    for cells in made.cells():
        file.write(swapped_words(cells) if layout.big and vr == "OW" else cells)
        written += len(cells)
    file.write(b"\0" * (length - written))
    file.write(_part(made.dataset, plain, _AFTER, None))


def _write_encapsulated(file: BinaryIO, made: Conversion) -> None:
    """Fragments as they are made; tables and ratio are put in afterwards."""
    target, count = made.target, made.number_of_frames
    ratio = _write_head(file, made)
    extended = made.raw > _BASIC or (made.reader is None and count > 1 and _source_size(made) > _BASIC)
    tables = (0, 0)
    if extended:
        places = []
        for tag in (0x0001, 0x0002):
            file.write(b"\xe0\x7f" + tag.to_bytes(2, "little") + b"OV\0\0" + _LONG.pack(8 * count))
            places.append(file.tell())
            file.write(bytes(8 * count))
        tables = (places[0], places[1])
    file.write(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + _ITEM + _LONG.pack(0 if extended else 4 * count))
    if not extended:
        tables = (file.tell(), 0)
        file.write(bytes(4 * count))
    offsets, lengths = _write_fragments(file, made)
    file.write(_DELIMITER + _part(made.dataset, target, _AFTER, None))
    end = file.tell()
    if not extended and offsets and offsets[-1] > 0xFFFFFFFF:
        raise EncodeError("a Basic Offset Table does not reach beyond 4 GiB", tag=PIXEL_DATA)
    number = _LONGER if extended else _LONG
    _put(file, tables[0], b"".join(map(number.pack, offsets)))
    if extended:
        _put(file, tables[1], b"".join(map(number.pack, lengths)))
    if ratio is not None:
        _put(file, ratio, made.ratio(sum(lengths)).encode())
    file.seek(end)


def _source_size(made: Conversion) -> int:
    if made.index is None:
        return 0
    return sum(span.length for number in range(made.number_of_frames) for span in made.index.spans(number))


def _write_head(file: BinaryIO, made: Conversion) -> int | None:
    """All that comes before the pixels; return where the ratio of the compression is to be put."""
    if not made.lossy:
        file.write(_part(made.dataset, made.target, 0, _TABLE))
        return None
    file.write(_part(made.dataset, made.target, 0, _RATIO))
    rest = _part(made.dataset, made.target, _RATIO, _TABLE)
    length = int.from_bytes(rest[6:8], "little")
    value = rest[8 : 8 + length].rstrip(b" ")
    place = file.tell() + 8 + len(value) - 8
    file.write(rest)
    return place


def _write_fragments(file: BinaryIO, made: Conversion) -> tuple[list[int], list[int]]:
    offsets: list[int] = []
    lengths: list[int] = []
    at = 0
    for stream in reported(made):
        padding = len(stream) % 2
        file.write(_ITEM + _LONG.pack(len(stream) + padding))
        file.write(stream)
        file.write(b"\0" * padding)
        offsets.append(at)
        lengths.append(len(stream))
        at += 8 + len(stream) + padding
    return offsets, lengths


def _put(file: BinaryIO, place: int, data: bytes) -> None:
    file.seek(place)
    file.write(data)
