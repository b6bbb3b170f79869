"""DICOM files (PS3.10 7): preamble, prefix, File Meta Information, data set."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from pacskit._version import __version__
from pacskit.core import slots
from pacskit.core.config import ReadOptions, Strictness
from pacskit.core.dataset import Dataset
from pacskit.core.diagnostics import Diagnostic, DiagnosticKind
from pacskit.core.errors import DecodeError, EncodeError, TruncatedError
from pacskit.core.filemeta import FileMeta
from pacskit.core.types import RangeSource
from pacskit.core.uid import UID
from pacskit.encoding.check import check_values
from pacskit.encoding.deferred import Head, read_deferred, size_in_bytes, stream_parts
from pacskit.encoding.ranges import FileRange, StreamRange
from pacskit.encoding.reader import decode, stop_for
from pacskit.encoding.transfer_syntax import EXPLICIT_LITTLE, grammar
from pacskit.encoding.writer import changes_pixels, encode
from pacskit_ext import _writer
from pacskit_ext._reader import scan
from pacskit_ext._table import wrap

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION_NAME",
    "dcmopen",
    "dcmread",
    "dcmwrite",
    "file_meta_bytes",
    "read_part10",
]

IMPLEMENTATION_CLASS_UID = UID("2.25.271370093527814086374107266413906134205")
IMPLEMENTATION_VERSION_NAME = f"PACSKIT_{__version__}"[:16]

_PREAMBLE = 128
_HEAD = 1 << 15
_DEFER = 1 << 16
_DEFAULT = ReadOptions()


class _Head(NamedTuple):
    """Where things are in a file: the first byte of the meta (-1 for none) and of the data set, and its syntax."""

    meta: int
    start: int
    syntax: str
    notes: tuple[Diagnostic, ...] = ()


def _guess_syntax(data: memoryview) -> str:
    """The syntax of a data set with nothing before it, from its first element."""
    if len(data) >= 6 and data[4:6].tobytes().isalpha() and data[4:6].tobytes().isupper():
        big = data[0] == 0 and data[1] != 0 and data[1] < 0x20
        return "1.2.840.10008.1.2.2" if big else EXPLICIT_LITTLE
    return "1.2.840.10008.1.2"


def _parse_head(data: Buffer, force: bool) -> _Head:
    view = memoryview(data)
    prefix = view[_PREAMBLE : _PREAMBLE + 4].tobytes()
    if prefix == b"DICM":
        begin = _PREAMBLE + 4
    elif not force:
        if len(view) < _PREAMBLE + 4:
            raise TruncatedError("too short for a DICOM file", offset=len(view))
        raise DecodeError(
            "not a DICOM file: no prefix after the preamble; force=True reads it all the same", offset=128
        )
    else:
        begin = 4 if view[:4].tobytes() == b"DICM" else 0
    notes = () if begin > _PREAMBLE else (Diagnostic(DiagnosticKind.NO_PREFIX, "", begin),)
    if view[begin : begin + 2].tobytes() != b"\x02\x00":
        if not force:
            raise DecodeError("the File Meta Information is missing", offset=begin)
        guess = _guess_syntax(view[begin:])
        return _Head(-1, begin, guess, (*notes, Diagnostic(DiagnosticKind.NO_META, "", begin, f"read as {guess}")))
    meta = scan(data, implicit=False, start=begin, only_group=2)
    syntax = wrap(meta, FileMeta).get("TransferSyntaxUID")
    if not syntax or not isinstance(syntax, str):  # several values, or another VR
        if not force:
            raise DecodeError("the File Meta Information names no transfer syntax", tag=0x00020010, offset=begin)
        syntax = _guess_syntax(view[meta.stopped :])
        notes = (*notes, Diagnostic(DiagnosticKind.GUESSED_SYNTAX, "TransferSyntaxUID", None, f"read as {syntax}"))
    return _Head(begin, meta.stopped, syntax, notes)


def read_part10(
    data: Buffer,
    *,
    stop_before_pixels: bool = False,
    specific_tags: Iterable[int | str | tuple[int, int]] | None = None,
    force: bool = False,
    total: int = -1,
    options: ReadOptions = _DEFAULT,
) -> Dataset:
    """Read a DICOM file that is in memory or mapped; the data set keeps ``data`` and copies nothing."""
    head = _parse_head(data, force)
    dataset = decode(
        data,
        head.syntax,
        start=head.start,
        total=total,
        stop_before_pixels=stop_before_pixels,
        specific_tags=specific_tags,
        options=options,
    )
    if head.notes:
        if options.strictness is Strictness.STRICT:
            raise head.notes[0].error()
        dataset._notes = head.notes
    if head.meta >= 0:
        dataset.file_meta = lambda: wrap(scan(data, implicit=False, start=head.meta, only_group=2), FileMeta)
        if head.meta == _PREAMBLE + 4:
            dataset.preamble = bytes(memoryview(data)[:_PREAMBLE])
    return dataset


def _read_head(fd: int, size: int, read: Any) -> Dataset:
    """Read as little of the file as holds what was asked for, in growing pieces."""
    want = _HEAD
    while True:
        data = os.pread(fd, want, 0)
        try:
            return read(data)  # type: ignore[no-any-return]
        except TruncatedError:
            if len(data) >= size or len(data) < want:
                raise
        want *= 8


def _read_all(fd: int, size: int) -> bytes:
    data = os.read(fd, size + 1)
    if len(data) == size:
        return data
    parts = [data]
    while part := os.read(fd, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _read_range(fd: int, offset: int, length: int) -> bytes:
    data = os.pread(fd, length, offset)
    if len(data) == length:
        return data
    parts = [data]
    while part := os.pread(fd, length - sum(map(len, parts)), offset + sum(map(len, parts))):
        parts.append(part)
    return b"".join(parts)


def _read_split(fd: int, size: int, read: Any) -> Dataset | None:
    """Read head and last value apart, so that big pixel data is read into its place once; None if it is not last."""
    try:
        dataset = read(os.pread(fd, _HEAD, 0), total=size)
    except TruncatedError:
        return None
    pending = dataset.scan.pending()
    if pending is not None:
        dataset.scan.supply(_read_range(fd, *pending))
    elif dataset.scan.stopped != size:
        return None
    return dataset  # type: ignore[no-any-return]


def _ranges(source: str | os.PathLike[str] | BinaryIO | RangeSource) -> RangeSource:
    if isinstance(source, (str, os.PathLike)):
        return FileRange(source)
    return source if isinstance(source, RangeSource) else StreamRange(source)


def _where(data: Buffer, force: bool, stop: int) -> Head:
    head = _parse_head(data, force)
    return Head(head.start, head.syntax, stop)


def dcmread(
    source: str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview | RangeSource,
    *,
    stop_before_pixels: bool = False,
    specific_tags: Iterable[int | str | tuple[int, int]] | None = None,
    force: bool = False,
    defer_size: float | str | None = None,
    options: ReadOptions = _DEFAULT,
) -> Dataset:
    """Read a DICOM file.

    Parameters
    ----------
    source
        A path, a file open for reading in binary, the file's bytes, or a range source: any object with ``read_at``.
    stop_before_pixels
        End before the pixel data, and read no more of the file than that needs.
    specific_tags
        Keep only these attributes (and Specific Character Set), by keyword or tag.
    force
        Read a file without prefix, meta or transfer syntax too, guessing what is missing.
    defer_size
        Leave values longer than this where they are until they are touched: bytes, or text such as ``"512 KB"``. For a
        range source 64 KiB when nothing is said. Bytes in memory are never copied, so none of those are deferred.
    options
        Budgets for nesting, element count and inflated size.

    Raises DecodeError, TruncatedError or LimitError with offset and tag, OSError when the file cannot be read;
    touching a deferred value raises SourceError when it cannot be had any more.
    """
    specific_tags = None if specific_tags is None else tuple(specific_tags)

    def read(data: Buffer, total: int = -1) -> Dataset:
        return read_part10(
            data,
            total=total,
            stop_before_pixels=stop_before_pixels,
            specific_tags=specific_tags,
            force=force,
            options=options,
        )

    if isinstance(source, (bytes, bytearray, memoryview)):
        return read(source)
    is_path = isinstance(source, (str, os.PathLike))
    if defer_size is not None or (not is_path and isinstance(source, RangeSource)):
        limit = _DEFER if defer_size is None else size_in_bytes(defer_size)
        stop = stop_for(stop_before_pixels, specific_tags)
        return read_deferred(_ranges(source), limit, options, lambda data: _where(data, force, stop), read)
    if not isinstance(source, (str, os.PathLike)):
        return read(source.read())  # type: ignore[union-attr]  # a range source is not here
    fd = os.open(source, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        size = os.fstat(fd).st_size
        if options.strictness is Strictness.SALVAGE:  # which cannot tell a piece of a file from a damaged one
            return read(_read_all(fd, size))
        if (stop_before_pixels or specific_tags is not None) and size > _HEAD:
            return _read_head(fd, size, read)
        if size > 2 * _HEAD and (dataset := _read_split(fd, size, read)) is not None:
            return dataset
        return read(_read_all(fd, size))
    finally:
        os.close(fd)


class dcmopen:
    """Open a DICOM file by mapping it: nothing is read before it is touched, whatever the size.

    A context manager that gives the Dataset, for threads what any Dataset is. Its values that were decoded stay valid
    afterwards. The file must not be truncated by others while it is open: that ends the process, as with any mapped
    file.

    >>> with dcmopen("whole_slide.dcm") as ds:  # doctest: +SKIP
    ...     print(ds.NumberOfFrames)
    """

    def __init__(self, path: str | os.PathLike[str], *, force: bool = False, options: ReadOptions = _DEFAULT) -> None:
        self.path = path
        self.force = force
        self.options = options

    def __enter__(self) -> Dataset:
        import mmap

        with Path(self.path).open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return read_part10(data, force=self.force, options=self.options)

    def __exit__(self, *exc: object) -> None:
        """The mapping ends with the last value that is a view of it."""


def file_meta_bytes(
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax: str,
    *,
    source_ae: str | None = None,
    sending_ae: str | None = None,
    receiving_ae: str | None = None,
) -> bytes:
    """The bytes before the data set of a DICOM file: preamble, prefix and File Meta Information (PS3.10 7.1)."""
    before, after = _around_instance(sop_class_uid, transfer_syntax, source_ae, sending_ae, receiving_ae)
    instance = _writer.encode(FileMeta(MediaStorageSOPInstanceUID=sop_instance_uid), implicit=False)
    return _with_length(None, before + instance + after)


@lru_cache(maxsize=256)
def _around_instance(sop_class_uid: str, syntax: str, *titles: str | None) -> tuple[bytes, bytes]:
    """The meta's elements before and after the SOP Instance UID: the same for all that one peer sends of a kind."""
    before = FileMeta(FileMetaInformationVersion=b"\0\1", MediaStorageSOPClassUID=sop_class_uid)
    after = FileMeta(
        TransferSyntaxUID=syntax,
        ImplementationClassUID=IMPLEMENTATION_CLASS_UID,
        ImplementationVersionName=IMPLEMENTATION_VERSION_NAME,
    )
    for who, value in zip(("Source", "Sending", "Receiving"), titles, strict=True):
        if value:
            setattr(after, f"{who}ApplicationEntityTitle", value)
    return _writer.encode(before, implicit=False), _writer.encode(after, implicit=False)


def _head_bytes(meta: FileMeta, preamble: bytes | None) -> bytes:
    """Preamble, prefix and meta with the elements that are always the same, and the group length."""
    meta = meta.copy()
    if any(tag >> 16 != 2 for tag in meta.tags()):
        raise EncodeError("the File Meta Information has elements outside group 0002")
    if not meta.get("FileMetaInformationVersion"):
        meta.FileMetaInformationVersion = b"\0\1"
    if not meta.get("ImplementationClassUID"):
        meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
        meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    if "FileMetaInformationGroupLength" in meta:
        del meta.FileMetaInformationGroupLength
    return _with_length(preamble, _writer.encode(meta, implicit=False))


def _with_length(preamble: bytes | None, body: bytes) -> bytes:
    length = b"\x02\x00\x00\x00UL\x04\x00" + len(body).to_bytes(4, "little")
    return (preamble or bytes(_PREAMBLE)) + b"DICM" + length + body


def _meta_for(dataset: Dataset, syntax: UID) -> FileMeta:
    meta = dataset.file_meta.copy()
    if meta.get("TransferSyntaxUID") != syntax:
        meta.TransferSyntaxUID = syntax
    for keyword, source in (
        ("MediaStorageSOPClassUID", "SOPClassUID"),
        ("MediaStorageSOPInstanceUID", "SOPInstanceUID"),
    ):
        value = dataset.get(source)
        if value and meta.get(keyword) != value:
            setattr(meta, keyword, value)
    return meta


def _is_conformant(meta: FileMeta) -> bool:
    """Whether the meta has what PS3.10 7.1 requires, and its group length is right."""
    source = _writer.source_of(meta)
    required = (0x00020000, 0x00020001, 0x00020002, 0x00020003, 0x00020010, 0x00020012)
    if source is None or any(tag not in meta for tag in required):
        return False
    return bool(meta["FileMetaInformationGroupLength"].value == len(source) - 12)


def _head_for(dataset: Dataset, syntax: UID) -> bytes:
    """The file's own head when it was right and still is, else one made anew."""
    meta = _meta_for(dataset, syntax)
    if dataset.preamble is not None and not meta.is_modified and _is_conformant(meta):
        source = _writer.source_of(meta)
        if source is not None:
            return dataset.preamble + b"DICM" + bytes(source)
    return _head_bytes(meta, dataset.preamble)


def _write(path: str | os.PathLike[str], parts: Iterable[Buffer], overwrite: bool) -> None:
    """Write a file that is whole or not there."""
    target = Path(path)
    if not overwrite and target.exists():
        raise FileExistsError(f"{target} exists")
    staging = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    try:
        with staging.open("xb", buffering=0) as file:
            for part in parts:
                view = memoryview(part)
                while view:
                    view = view[file.write(view) :]
        staging.replace(target)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise


def dcmwrite(
    target: str | os.PathLike[str] | BinaryIO,
    dataset: Dataset,
    *,
    transfer_syntax: str | None = None,
    overwrite: bool = True,
    check: bool = True,
) -> None:
    """Write a DICOM file.

    The data set goes out in ``transfer_syntax``, its pixels decoded and encoded without loss where that must be; else
    in the one its meta names, else in the one it was read in, else in Explicit VR Little Endian. A file that was read
    and not changed comes back byte for byte, its meta made conformant where it was not. A path is written beside and
    renamed, so that it is whole or not there.

    Values that were set are checked for length and multiplicity, unless ``check`` is false. Raises EncodeError with tag
    and path, FileExistsError when ``overwrite`` is false.
    """
    if check:
        check_values(dataset)
    if transfer_syntax is not None and changes_pixels(dataset, transfer_syntax):
        dataset = _without_loss(dataset, transfer_syntax)
    syntax = UID(
        transfer_syntax or dataset.file_meta.get("TransferSyntaxUID") or dataset.transfer_syntax or EXPLICIT_LITTLE
    )
    body = stream_parts(dataset, syntax, encode)
    parts = chain([_head_for(dataset, syntax)], body if body is not None else [_body(dataset, syntax)])
    if isinstance(target, (str, os.PathLike)):
        _write(target, parts, overwrite)
        return
    for part in parts:
        target.write(part)


def _without_loss(dataset: Dataset, syntax: str) -> Dataset:
    """The data set transcoded; as it is where that would lose something, which is for the caller to ask for."""
    from pacskit.encoding.codecs.base import is_lossless

    return slots.transcode(dataset, syntax) if is_lossless(syntax) else dataset


def _body(dataset: Dataset, syntax: str) -> Buffer:
    if dataset.transfer_syntax == syntax and not grammar(syntax).deflated:
        source = _writer.source_of(dataset)
        if source is not None:
            return source
    return encode(dataset, syntax)
