"""Where a scan finds files: folders, and members of zip and tar archives, as jobs for threads."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Final, Protocol

from pacskit.core.config import ReadOptions, Strictness
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, LimitError, PacsError
from pacskit.encoding.part10 import dcmread, read_part10
from pacskit_ext._headers import ScanRow, read_bytes, read_files
from pacskit_ext._heads import END, Keys

__all__ = ["Job", "Path", "Reader", "ScanLimits", "find_jobs"]

Path = tuple[tuple[int, int], ...]  # tags and the item to go into; END after the last

_BATCH: Final = 64
_FIRST: Final = 1 << 14
_FREE: Final = 1 << 24  # what may be inflated before its ratio counts
_COMPRESSED: Final = {
    ".tar.gz": gzip.open, ".tgz": gzip.open, ".tar.bz2": bz2.open, ".tbz2": bz2.open,
    ".tar.xz": lzma.open, ".txz": lzma.open,
}  # fmt: skip
_DICOMDIR: Final = "1.2.840.10008.1.3.10"
_DAMAGE: Final = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanLimits:
    """Budgets for files and archives that nobody has vouched for; beyond one, a row carries a LimitError.

    Parameters
    ----------
    max_header
        How many bytes of one file or member are read for what is asked for.
    max_value
        How many bytes one value may have.
    max_members
        How many members of one archive are looked at.
    max_ratio
        How many bytes each compressed byte may become, once 16 MiB have been inflated.
    """

    max_header: int = 64 << 20
    max_value: int = 1 << 20
    max_members: int = 1_000_000
    max_ratio: int = 200


class Job(Protocol):
    """A piece of work for one thread at a time."""

    @property
    def count(self) -> int | None:
        """How many rows it will give; None where that is not known."""

    def run(self) -> tuple[list[ScanRow], bool]:
        """Do a part; return its rows and whether there is more to do."""

    def close(self) -> None:
        """Let go of what is open; the job is not run again."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How one file or member becomes a row. Safe to use from many threads."""

    keys: Keys
    paths: tuple[Path, ...]
    limits: ScanLimits
    options: ReadOptions
    force: bool

    def _budgets(self) -> dict[str, Any]:
        return {
            "max_header": self.limits.max_header,
            "max_value": self.limits.max_value,
            "max_depth": self.options.max_depth,
            "max_elements": self.options.max_elements,
            "force": self.force,
        }

    def failed(self, path: str, error: Exception, member: str | None = None, size: int | None = None) -> ScanRow:
        """Return the row of what could not be read."""
        known = isinstance(error, (PacsError, OSError)) and not isinstance(error, gzip.BadGzipFile)
        why = error if known else DecodeError(f"the archive or file is damaged: {error}")
        return ScanRow(path, member, size, error=why.with_traceback(None), values=dict.fromkeys(self.keys.names))

    def files(self, paths: list[str]) -> list[ScanRow]:
        """Return the rows of files, in order."""
        if self.options.strictness is not Strictness.LENIENT:
            return [self._apart(path) for path in paths]
        if os.name == "nt":
            return [self._file(path) for path in paths]
        rows = read_files(self.keys, paths, **self._budgets())
        return [self._apart(path) if row is None else row for path, row in zip(paths, rows, strict=True)]

    def _file(self, path: str) -> ScanRow:
        try:
            with open(path, "rb") as stream:
                return self.stream(stream, path, None, os.fstat(stream.fileno()).st_size)
        except OSError as error:
            return self.failed(path, error)

    def _apart(self, path: str) -> ScanRow:
        """Read a deflated file, or one whose syntax must be guessed, as any data set."""
        size = None
        try:
            size = os.stat(path).st_size
            return self._row(dcmread(path, **self._wanted()), path, None, size)
        except (PacsError, OSError) as error:
            return self.failed(path, error, size=size)

    def stream(self, stream: IO[bytes], path: str, member: str | None, size: int, packed: int | None = None) -> ScanRow:
        """Return the row of a file that can only be read forwards; ``packed`` is its compressed size."""
        data = b""
        want = _FIRST
        while True:
            data += stream.read(min(want, size, self.limits.max_header) - len(data))
            found = read_bytes(self.keys, data, path, member, total=size, **self._budgets())
            if found is None or self.options.strictness is not Strictness.LENIENT:
                data += stream.read(max(0, min(size, self.limits.max_header + 1) - len(data)))
                if len(data) > self.limits.max_header:
                    raise LimitError(f"more than {self.limits.max_header} bytes would have to be read")
                return self._row(read_part10(data, **self._wanted()), path, member, size)
            if found is not True:
                return found
            if len(data) < min(want, size):
                raise EOFError("the member is shorter than the archive says")
            if packed is not None and len(data) * 8 > _FREE and size > packed * self.limits.max_ratio:
                raise LimitError(f"{packed} bytes would become {size}")
            want *= 8

    def _wanted(self) -> dict[str, Any]:
        tags = [path[0][0] for path in self.paths]
        return {"specific_tags": [*tags, 0x00280103], "force": self.force, "options": self.options}

    def _row(self, dataset: Dataset, path: str, member: str | None, size: int) -> ScanRow:
        values = dict.fromkeys(self.keys.names)
        error: Exception | None = None
        for name, steps in zip(self.keys.names, self.paths, strict=True):
            try:
                values[name] = _value(dataset, steps, self.limits.max_value)
            except DecodeError as found:
                error = error or found.with_traceback(None)
        is_dicomdir = dataset.file_meta.get("MediaStorageSOPClassUID") == _DICOMDIR
        return ScanRow(
            path, member, size, error=error, transfer_syntax=dataset.transfer_syntax, values=values,
            is_dicomdir=is_dicomdir,
        )  # fmt: skip


def _value(dataset: Any, steps: Path, limit: int) -> Any:
    if steps[0][0] >> 16 == 2:
        dataset = dataset.file_meta
    for tag, index in steps:
        if tag not in dataset:
            return None
        element = dataset[tag]
        if index == END:
            if (element.length or 0) > limit:
                raise LimitError("a value is longer than the limit", tag=tag, offset=element.offset)
            return None if element.VR == "SQ" else element.value
        if element.VR != "SQ" or not -len(element.value) <= index < len(element.value):
            return None
        dataset = element.value[index]
    return None


# -- jobs --------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Files:
    reader: Reader
    paths: list[str]

    @property
    def count(self) -> int | None:
        return len(self.paths)

    def run(self) -> tuple[list[ScanRow], bool]:
        return self.reader.files(self.paths), False

    def close(self) -> None:
        """Nothing is open between two files."""


@dataclass(slots=True)
class _Rows:
    rows: list[ScanRow]

    @property
    def count(self) -> int | None:
        return len(self.rows)

    def run(self) -> tuple[list[ScanRow], bool]:
        return self.rows, False

    def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class _Zip:
    """An archive that several jobs read from; ZipFile itself takes turns on the file."""

    archive: zipfile.ZipFile
    users: int = 0

    def release(self) -> None:
        self.users -= 1
        if self.users == 0:
            self.archive.close()


@dataclass(slots=True)
class _ZipMembers:
    reader: Reader
    path: str
    shared: _Zip
    members: list[zipfile.ZipInfo]

    @property
    def count(self) -> int | None:
        return len(self.members)

    def run(self) -> tuple[list[ScanRow], bool]:
        return [self._member(info) for info in self.members], False

    def _member(self, info: zipfile.ZipInfo) -> ScanRow:
        try:
            with self.shared.archive.open(info) as stream:
                return self.reader.stream(stream, self.path, info.filename, info.file_size, info.compress_size)
        except (PacsError, OSError, *_DAMAGE) as error:
            return self.reader.failed(self.path, error, info.filename, info.file_size)

    def close(self) -> None:
        self.shared.release()


class _Inflated(io.RawIOBase):
    """A compressed stream that is refused once it has become too much for what it was."""

    def __init__(self, path: str, opener: Any, limit: int) -> None:
        self._source: BinaryIO = open(path, "rb")  # noqa: SIM115
        self._plain: IO[bytes] = opener(self._source, "rb")
        self._limit = limit
        self._made = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self._plain.read(size if 0 <= size < 1 << 20 else 1 << 20)
        self._made += len(data)
        if self._made > _FREE and self._made > self._source.tell() * self._limit:
            raise LimitError(f"{self._source.tell()} bytes became more than {self._made}")
        return data

    def close(self) -> None:
        if not self.closed:
            self._plain.close()
            self._source.close()
        super().close()


class _Tar:
    """An archive that is read from front to end, some members at a time."""

    def __init__(self, reader: Reader, path: str, opener: Any) -> None:
        self._reader = reader
        self._path = path
        self._opener = opener
        self._stream: IO[bytes] | _Inflated | None = None
        self._archive: tarfile.TarFile | None = None
        self._seen = 0

    @property
    def count(self) -> int | None:
        return None

    def _open(self) -> tarfile.TarFile:
        if self._opener is None:
            self._stream = open(self._path, "rb")  # noqa: SIM115
            return tarfile.open(fileobj=self._stream, mode="r:")
        self._stream = _Inflated(self._path, self._opener, self._reader.limits.max_ratio)
        return tarfile.open(fileobj=self._stream, mode="r|")

    def run(self) -> tuple[list[ScanRow], bool]:
        rows: list[ScanRow] = []
        try:
            if self._archive is None:
                self._archive = self._open()
            while len(rows) < _BATCH:
                info = self._archive.next()
                if info is None:
                    return rows, False
                self._archive.members = []  # type: ignore[attr-defined]  # it would keep each
                self._seen += 1
                if self._seen > self._reader.limits.max_members:
                    raise LimitError(f"more than {self._reader.limits.max_members} members")
                if info.isreg():
                    rows.append(self._member(self._archive, info))
            return rows, True
        except (PacsError, OSError, *_DAMAGE) as error:
            return [*rows, self._reader.failed(self._path, error)], False

    def _member(self, archive: tarfile.TarFile, info: tarfile.TarInfo) -> ScanRow:
        stream = archive.extractfile(info)
        if stream is None:
            raise EOFError("a member without data")
        try:
            return self._reader.stream(stream, self._path, info.name, info.size)
        except DecodeError as error:
            if self._stream is not None and isinstance(error, LimitError) and self._opener is not None:
                raise
            return self._reader.failed(self._path, error, info.name, info.size)

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()
        if self._stream is not None:
            self._stream.close()


# -- finding -----------------------------------------------------------------------------------------------------------


def _walk(reader: Reader, folder: str, recursive: bool, follow_links: bool) -> Iterator[str | ScanRow]:
    """Yield the files of a folder in order of their names, those of its folders after its own.

    Only the names of the folders that are being walked are held.
    """
    waiting = [folder]
    seen: set[tuple[int, int]] = set()
    while waiting:
        here = waiting.pop()
        folders: list[str] = []
        names: list[str] = []
        try:
            if follow_links:
                status = os.stat(here)
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
            with os.scandir(here) as entries:
                for entry in entries:
                    (folders if entry.is_dir(follow_symlinks=follow_links) else names).append(entry.name)
        except OSError as error:
            yield reader.failed(here, error)
        for name in sorted(names):
            yield os.path.join(here, name)
        if recursive:
            waiting.extend(os.path.join(here, name) for name in sorted(folders, reverse=True))


def _zip_jobs(reader: Reader, path: str) -> Iterator[Job]:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, *_DAMAGE) as error:
        yield _Rows([reader.failed(path, error)])
        return
    members = [info for info in archive.infolist() if not info.filename.endswith("/")]
    too_many = len(members) > reader.limits.max_members
    shared = _Zip(archive, users=1)
    try:
        for first in range(0, min(len(members), reader.limits.max_members), _BATCH):
            shared.users += 1
            last = min(first + _BATCH, reader.limits.max_members)
            yield _ZipMembers(reader, path, shared, members[first:last])
    finally:
        shared.release()
    if too_many:
        yield _Rows([reader.failed(path, LimitError(f"more than {reader.limits.max_members} members"))])


def _archive_jobs(reader: Reader, path: str) -> Iterator[Job] | None:
    """The jobs of an archive, None for any other file."""
    name = path.lower()
    if name.endswith(".zip"):
        return _zip_jobs(reader, path)
    if name.endswith(".tar"):
        return iter([_Tar(reader, path, None)])
    for suffix, opener in _COMPRESSED.items():
        if name.endswith(suffix):
            return iter([_Tar(reader, path, opener)])
    return None


def find_jobs(
    reader: Reader, paths: Iterable[str], *, recursive: bool, follow_links: bool, archives: bool
) -> Generator[Job]:
    """Yield jobs in the order of the files found."""
    batch: list[str] = []
    size = 4  # grows, so that a few files are shared among the threads too
    for found in _found(reader, paths, recursive, follow_links):
        inside = _archive_jobs(reader, found) if archives and isinstance(found, str) else None
        if isinstance(found, str) and inside is None:
            batch.append(found)
        if batch and (len(batch) >= size or inside is not None or isinstance(found, ScanRow)):
            yield _Files(reader, batch)
            batch, size = [], min(size * 2, _BATCH)
        if isinstance(found, ScanRow):
            yield _Rows([found])
        yield from inside or ()
    if batch:
        yield _Files(reader, batch)


def _found(reader: Reader, paths: Iterable[str], recursive: bool, follow_links: bool) -> Iterator[str | ScanRow]:
    for path in paths:
        if "\0" in path:
            yield reader.failed(path, ValueError("a path cannot contain a null character"))
        elif os.path.isdir(path):
            yield from _walk(reader, path, recursive, follow_links)
        else:
            yield path
