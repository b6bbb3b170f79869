"""Files that are there already, taken into an archive: copied, or where they lie.

A file that stays where it is gets a name among the objects: a hard link, or a symbolic one that leads out of the
directory. Deleting an object removes that name and nothing else, so whoever owns the file keeps it. What is DICOM the
first bytes say, and neither names nor suffixes: an Orthanc storage folder is one like any other, its attachments that
are compressed (8 bytes of length and a zlib stream) being copied whatever was asked for. What would have been copied
and does not parse is copied to the quarantine, where there is one.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pacskit.core.errors import ConfigurationError, DecodeError, PacsError, StorageError
from pacskit.encoding import decode
from pacskit.encoding.head import data_set_start
from pacskit.storage.attributes import text_of
from pacskit.storage.errors import InstanceRejected, InvalidInstance, OutOfSpace, UnderHold, storage_error
from pacskit.storage.filesystem import FileStore
from pacskit.storage.frameindex import has_frames, make_frames
from pacskit.storage.layout import with_generation
from pacskit.storage.parallel import Pace, batched, in_order, workers_for
from pacskit.storage.reading import read_instance
from pacskit.storage.records import DuplicatePolicy, NewInstance, Outcome
from pacskit.storage.tasks import Journal

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from pacskit.core.dataset import Dataset
    from pacskit.storage.store import Store

__all__ = ["How", "Import", "ImportReport", "Skipped"]

How = Literal["copy", "link", "in-place"]
_PIECE: Final = 32
_REASONS: Final = {"directory": "it is a DICOMDIR", "header": "it is an image without its pixels"}
_ZLIB: Final = 0x78
_MOST_INFLATED: Final = 4 << 30
_KEPT: Final = 1000  # files that are remembered as left out, for when it is resumed

Progress = Callable[[int, "int | None", int], object]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is not in the archive now, or that came with a remark (``salvaged``, ``copied``).

    ``kind`` is ``other`` (no DICOM), ``damaged``, ``duplicate``, ``directory`` (a DICOMDIR), ``header`` (an image
    without its pixels), ``refused`` (by a rejection note or a hold) or ``unreadable``.
    """

    kind: str
    path: str
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What an import has done so far."""

    files: int = 0
    stored: int = 0
    replaced: int = 0
    duplicates: int = 0
    bytes: int = 0
    resumed: bool = False
    skipped: list[Skipped] = field(default_factory=list)


class _Done(NamedTuple):
    path: str
    size: int
    outcome: Outcome | None
    remark: Skipped | None


class _Linked(NamedTuple):
    """A file that has a name among the objects, and no row yet."""

    path: Path
    size: int
    new: NewInstance


class Import:
    """An import of a folder into a store.

    Parameters
    ----------
    how
        ``"copy"``; ``"link"``: hard links, on the same file system; ``"in-place"``: symbolic links, for files on any.
        Who changes a file that stays where it is changes the object, which ``pacskit verify`` finds where digests are
        kept.
    duplicates
        What happens to instances that are stored already; as the store has it if left out.
    workers
        Threads that read.
    rate
        How many bytes a second are read at most.
    restart
        Begin anew, and not where an earlier import of this folder was broken off.
    progress
        Called with the number of files done, None, and bytes read since the last call.
    """

    def __init__(
        self,
        store: Store,
        folder: str | os.PathLike[str],
        *,
        how: How = "copy",
        duplicates: DuplicatePolicy | str | None = None,
        workers: int | None = None,
        rate: float | None = None,
        restart: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self._store = store
        self._folder = Path(folder).absolute()
        self._how = how
        self._policy = store.duplicates if duplicates is None else DuplicatePolicy(duplicates)
        self._workers = workers_for(workers)
        self._pace = Pace(rate)
        self._progress = progress or (lambda done, total, size: None)
        self._restart = restart
        self.report = ImportReport()
        if how != "copy" and not isinstance(store.blobs, FileStore):
            raise ConfigurationError("files stay where they are only where the objects of the archive are files too")
        if not self._folder.is_dir():
            raise ConfigurationError("there is no folder of that name")

    def run(self) -> ImportReport:
        """Do it. Raises StorageError where the archive cannot take any more; what is wrong with a file is reported."""
        name = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:32]
        journal, report = Journal(self._store.index, f"import {name}"), self.report
        if not self._restart and journal.resume():
            report.resumed, report.files, report.bytes = True, journal.task.done, journal.task.size
            report.skipped += [Skipped(**dict(one)) for one in journal.task.found]
        pieces = batched(_files(self._folder, journal.task.cursor), _PIECE)
        try:
            for done in in_order(self._take_all, pieces, self._workers):
                self._note(done)
                cursor = os.path.relpath(done[-1].path, self._folder)
                found = tuple(asdict(one) for one in report.skipped[:_KEPT])
                journal.note(cursor=_text(cursor), done=report.files, size=report.bytes, found=found)
        finally:
            self._pace.stop()
        self._store.catch_up()
        journal.end()
        return report

    def _note(self, done: list[_Done]) -> None:
        report = self.report
        report.files += len(done)
        report.bytes += sum(one.size for one in done)
        report.stored += sum(one.outcome is Outcome.STORED for one in done)
        report.replaced += sum(one.outcome is Outcome.REPLACED for one in done)
        report.duplicates += sum(one.outcome in {Outcome.IGNORED, Outcome.REJECTED} for one in done)
        report.skipped += [one.remark for one in done if one.remark is not None]
        self._progress(report.files, None, sum(one.size for one in done))

    def _take_all(self, paths: list[Path]) -> list[_Done]:
        """Take some files; those that stay where they are come into the index together."""
        taken = [self._take(path) for path in paths]
        linked = [one for one in taken if isinstance(one, _Linked)]
        try:
            done = iter(self._settle(linked))
        except BaseException:
            self._unlink([one.new.key for one in linked])
            raise
        return [next(done) if isinstance(one, _Linked) else one for one in taken]

    def _settle(self, linked: list[_Linked]) -> list[_Done]:
        """Index files that have names; where one of them may not be replaced, the others may."""
        try:
            outcomes = self._index(linked)
        except UnderHold as error:
            if len(linked) > 1:
                return [self._settle([one])[0] for one in linked]
            (one,) = linked
            self._unlink([one.new.key])
            return [_Done(str(one.path), one.size, None, Skipped("refused", _text(one.path), str(error)))]
        return [
            self._done(one.path, one.size, outcome, one.new.sop_instance_uid)
            for one, outcome in zip(linked, outcomes, strict=True)
        ]

    def _index(self, linked: list[_Linked]) -> list[Outcome]:
        if not linked:
            return []
        store = self._store
        store.blobs.sync_names([one.new.key for one in linked])
        results = store.index_all([(one.new, self._policy) for one in linked])
        left = [one.new.key for one, (outcome, _) in zip(linked, results, strict=True)
                if outcome in {Outcome.IGNORED, Outcome.REJECTED}]  # fmt: skip
        self._unlink(left)
        store.discard_replaced([key for _, key in results if key is not None])
        return [outcome for outcome, _ in results]

    def _take(self, path: Path) -> _Done | _Linked:
        """Take a file, or say why not."""
        size = 0
        try:
            size = path.stat().st_size
            self._pace.take(size)
            return self._import(path, size)
        except (OutOfSpace, _Full):
            raise
        except (InstanceRejected, UnderHold) as error:
            return _Done(str(path), size, None, Skipped("refused", _text(path), str(error)))
        except (DecodeError, InvalidInstance) as error:
            if self._how == "copy" and self._store.quarantine is not None:
                self._store.quarantine.keep(path, error, source=_text(path))
            return _Done(str(path), size, None, Skipped("damaged", _text(path), f"{type(error).__name__}: {error}"))
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            return _Done(str(path), size, None, Skipped("unreadable", _text(path), reason))

    def _import(self, path: Path, size: int) -> _Done | _Linked:
        with path.open("rb") as file:
            first = file.read(1 << 12)
        kind = _kind_of(first)
        if kind == "other":
            return _Done(str(path), size, None, Skipped("other", _text(path), "it is no DICOM file"))
        if kind == "whole" and self._how != "copy":
            return self._adopt(path, size)
        if kind == "whole":
            with path.open("rb") as file:  # a data set may look at the bytes for longer: the map goes when it does
                return self._copy(path, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ), size, None)
        data = path.read_bytes()
        remark = None
        if kind == "compressed":
            data = _inflated(data)
            remark = None if self._how == "copy" else Skipped("copied", _text(path), "it is compressed")
            if _kind_of(data[:200]) != "whole":
                return _Done(str(path), size, None, Skipped("other", _text(path), "it is no DICOM file, compressed"))
        elif kind == "bare":
            data = bytes(128) + b"DICM" + data.removeprefix(b"DICM")
            remark = Skipped("salvaged", _text(path), "it has no preamble, and was copied")
        return self._copy(path, data, size, remark)

    def _copy(self, path: Path, data: Buffer, size: int, remark: Skipped | None) -> _Done:
        start, syntax = data_set_start(data)
        head = decode(data, syntax, start=start, stop_before_pixels=True, options=self._store.options)
        uids = text_of(head, "SOPClassUID"), text_of(head, "SOPInstanceUID")
        if (kind := _kind_of_head(head)) is not None:
            return _Done(str(path), size, None, Skipped(kind, _text(path), _REASONS[kind]))
        with self._store.begin(*uids, syntax, duplicates=self._policy) as ingest:
            ingest.quarantines = False  # the file is kept as it is
            with memoryview(data) as view:
                ingest.write(view[start:])
            stored = ingest.secure()
            ingest.follow_up()
        outcome = Outcome.STORED if stored is None else stored.outcome
        return self._done(path, size, outcome, uids[1], remark)

    def _done(self, path: Path, size: int, outcome: Outcome, uid: str, remark: Skipped | None = None) -> _Done:
        if outcome in {Outcome.IGNORED, Outcome.REJECTED}:
            remark = Skipped("duplicate", _text(path), f"{uid} is there already")
        return _Done(str(path), size, outcome, remark)

    # files that stay where they are

    def _adopt(self, path: Path, size: int) -> _Done | _Linked:
        """Take a file into the index as it lies."""
        store = self._store
        with path.open("rb", buffering=0) as file:
            mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
            start, syntax = data_set_start(mapped)
            head = decode(mapped, syntax, start=start, stop_before_pixels=True, options=store.options)
            if (kind := _kind_of_head(head)) is not None:
                return _Done(str(path), size, None, Skipped(kind, _text(path), _REASONS[kind]))
            new = read_instance(file, "", size, digest=store.digest, options=store.options)
        uid = new.sop_instance_uid
        if store.index.refuses(uid):
            raise InstanceRejected("a rejection note says that this instance is not to be taken again")
        if store.admit is not None:
            store.admit()
        if self._policy is not DuplicatePolicy.REPLACE and store.get(uid) is not None:
            return self._done(path, size, Outcome.IGNORED, uid)
        frames = make_frames(path, store.options) if has_frames(new) else None
        key = self._link(path, store.layout(new.study_instance_uid, new.series_instance_uid, uid))
        return _Linked(path, size, replace(new, key=key, frames=frames))

    def _link(self, path: Path, wanted: str) -> str:
        """Give a file a name among the objects; return it."""
        files = self._store.blobs
        if not isinstance(files, FileStore):
            raise StorageError("the objects are no files")
        key = wanted
        while True:
            final = files.path(key)
            final.parent.mkdir(parents=True, exist_ok=True)
            try:
                if self._how == "link":
                    os.link(path.resolve(), final)
                else:
                    os.symlink(path.resolve(), final)
            except FileExistsError:
                with suppress(FileNotFoundError):
                    if final.samefile(path) and not self._store.index.has_key(key):
                        return key  # of an import that was broken off
                key = with_generation(wanted, os.urandom(4).hex())
                continue
            except FileNotFoundError:
                if not path.exists():
                    raise
                continue
            except OSError as error:
                raise _Full(storage_error(error, "linking a file")) from error
            return key

    def _unlink(self, keys: list[str]) -> None:
        files = self._store.blobs
        if isinstance(files, FileStore):
            files.drop(keys)


class _Full(StorageError):
    """Nothing more can be linked: the folder is on another file system, or the disk is full."""

    def __init__(self, error: PacsError) -> None:
        super().__init__(f"{error}; files on another file system stay where they are with in-place")


def _files(folder: Path, after: str) -> Iterator[Path]:
    """Iterate over the files below a folder in the order of their paths, those behind ``after``."""

    def walk(below: str) -> Iterator[str]:
        try:
            with os.scandir(folder / below) as entries:
                found = sorted(one.name + "/" * one.is_dir(follow_symlinks=False) for one in entries)
        except PermissionError:
            return
        for name in found:
            path = below + name
            if not name.endswith("/"):
                if path > after:
                    yield path
            elif path > after or after.startswith(path):
                yield from walk(path)

    return (folder / path for path in walk(""))


def _kind_of(first: bytes) -> str:
    """Say what a file is, by its first bytes: ``whole``, ``bare`` (no preamble), ``compressed`` or ``other``."""
    if first[128:132] == b"DICM":
        return "whole"
    if first[:4] == b"DICM" or first[:2] == b"\x02\x00":
        return "bare"
    return "compressed" if len(first) > 10 and first[8] == _ZLIB else "other"


def _inflated(data: bytes) -> bytes:
    """Return what Orthanc has compressed: a length of 8 bytes, and a zlib stream (RFC 1950) of so much."""
    length = int.from_bytes(data[:8], "little")
    if length > _MOST_INFLATED:
        return b""
    state = zlib.decompressobj()
    try:
        found = state.decompress(data[8:], length + 1)
    except zlib.error:
        return b""
    return found if len(found) == length else b""


def _kind_of_head(head: Dataset) -> str | None:
    """Say what kind of data set this is that is no instance; None for one that is.

    Beside a compressed image Orthanc keeps its attributes up to the pixels, under the same SOP Instance UID.
    """
    if "DirectoryRecordSequence" in head:
        return "directory"
    scan = head.scan
    ends = scan is not None and scan.stopped == scan.size and "PixelDataProviderURL" not in head
    return "header" if ends and "Rows" in head and "BitsAllocated" in head else None


def _text(path: object) -> str:
    """A name that no encoding refuses."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
