"""Reading a DICOMDIR: the records by their offsets, and by their order where the offsets are not to be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, LimitError, PacsError, TruncatedError
from pacskit.encoding.dicomdir.keys import CHILDREN, rank
from pacskit.encoding.dicomdir.problems import FileSetError, Problem, ProblemKind
from pacskit.encoding.dicomdir.records import Node, Record, Root, record_for
from pacskit.encoding.part10 import _parse_head, read_part10
from pacskit.encoding.transfer_syntax import EXPLICIT_LITTLE, grammar
from pacskit_ext._reader import scan

__all__ = ["Directory", "DirectoryLimits", "read_directory"]

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
RECORDS = 0x00041220
_ITEM = 0xFFFEE000
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryLimits:
    """Budgets for a DICOMDIR that nobody has vouched for.

    Parameters
    ----------
    max_bytes
        How big it may be.
    max_records
        How many records it may have.
    max_depth
        How deep records may stand below each other; four levels are usual.
    """

    max_bytes: int = 1 << 30
    max_records: int = 250_000
    max_depth: int = 16


@dataclass(slots=True)
class Directory:
    """What was read: the data set of the DICOMDIR without its records, the tree of records, what was wrong."""

    header: Dataset
    root: Root
    problems: list[Problem] = field(default_factory=list)


class _Entry:
    """A record and its links."""

    __slots__ = ("in_use", "lower", "next", "offset", "placed", "record")

    def __init__(self, record: Record, offset: int) -> None:
        self.record = record
        self.offset = offset
        self.next = _number(record.dataset, "OffsetOfTheNextDirectoryRecord")
        self.lower = _number(record.dataset, "OffsetOfReferencedLowerLevelDirectoryEntity")
        self.in_use = _number(record.dataset, "RecordInUseFlag", 0xFFFF) != 0
        self.placed = False


def _number(dataset: Dataset, keyword: str, default: int = 0) -> int:
    value = dataset.get(keyword)
    return value if isinstance(value, int) else default


def read_directory(data: bytes, *, limits: DirectoryLimits | None = None) -> Directory:
    """Read a DICOMDIR from its bytes.

    Raises FileSetError when it is none, UnsafePathError when a file-ID leads out of the directory, DecodeError when it
    is damaged beyond what its order can tell, LimitError over a budget.
    """
    limits = limits or DirectoryLimits()
    if len(data) > limits.max_bytes:
        raise LimitError(f"the DICOMDIR has more than {limits.max_bytes} bytes")
    problems: list[Problem] = []
    dataset = _decode(data, limits, problems)
    if RECORDS not in dataset:
        raise FileSetError("this is no DICOMDIR: the Directory Record Sequence is missing")
    sequence = dataset["DirectoryRecordSequence"]
    if sequence.VR != "SQ":
        raise FileSetError("this is no DICOMDIR: the Directory Record Sequence is no sequence")
    if len(sequence.value) > limits.max_records:
        raise LimitError(f"the DICOMDIR has more than {limits.max_records} records", tag=RECORDS)
    entries = _entries(list(sequence.value), data, problems)
    root = Root()
    _Links(entries, problems, limits).build(root, _number(dataset, _FIRST))
    last = root.children[-1].offset if root.children else 0
    if not problems and _number(dataset, _LAST) != last:
        problems.append(Problem(ProblemKind.BROKEN_OFFSET, "the offset of the last record is another one's"))
    _check_header(dataset, problems)
    header = dataset.copy()
    del header[RECORDS]
    return Directory(header, root, problems)


_LAST = "OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity"
_FIRST = "OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity"


def _check_header(dataset: Dataset, problems: list[Problem]) -> None:
    if dataset.transfer_syntax != EXPLICIT_LITTLE:
        problems.append(Problem(ProblemKind.WRONG_ENCODING, "a DICOMDIR is in Explicit VR Little Endian (PS3.10 8.6)"))
    if dataset.file_meta.get("MediaStorageSOPClassUID") != MEDIA_STORAGE_DIRECTORY:
        problems.append(Problem(ProblemKind.CLASS_MISMATCH, "the file meta names another SOP class than a directory's"))
    if _number(dataset, "FileSetConsistencyFlag"):
        problems.append(Problem(ProblemKind.INCONSISTENT, "the File-set Consistency Flag says so (PS3.3 F.3.2.2)"))


# ---- from bytes to records --------------------------------------------------------------------------


def _decode(data: bytes, limits: DirectoryLimits, problems: list[Problem]) -> Dataset:
    options = ReadOptions(max_depth=64, max_elements=64 * limits.max_records, max_inflated=limits.max_bytes)
    try:
        return read_part10(data, options=options)
    except LimitError:
        raise
    except TruncatedError as error:
        for repaired in _shortened(data):
            try:
                dataset = read_part10(repaired, options=options)
            except DecodeError:
                continue
            problems.append(Problem(ProblemKind.TRUNCATED, "the DICOMDIR ends early"))
            return dataset
        raise error from None


class _Gap(NamedTuple):
    """Where a truncated DICOMDIR can be mended: its length field, its last item and that one's length field."""

    length_at: int
    start: int
    item: int


def _shortened(data: bytes) -> list[bytes]:
    """A truncated DICOMDIR with lengths that end where the file does: with its last record, and without."""
    head = _parse_head(data, False)
    implicit, big, deflated, _ = grammar(head.syntax)
    if deflated:
        return []
    order: Any = "big" if big else "little"
    try:
        at = scan(data, implicit=implicit, big=big, start=head.start, stop_tag=RECORDS).stopped
    except DecodeError:
        return []
    gap = _walk(data, at + (4 if implicit else 8), order)
    if gap is None:
        return []
    mended = []
    for end in dict.fromkeys((len(data), gap.item)):
        copy = bytearray(data[:end])
        copy[gap.length_at : gap.length_at + 4] = (end - gap.start).to_bytes(4, order)
        if gap.item + 8 <= end:
            copy[gap.item + 4 : gap.item + 8] = (end - gap.item - 8).to_bytes(4, order)
        mended.append(bytes(copy))
    return mended


def _walk(data: bytes, length_at: int, order: Any) -> _Gap | None:
    """Find the item that the end of the file cuts, among items of known length."""
    if length_at + 4 > len(data):
        return None
    mark = b"\xff\xfe\xe0\x00" if order == "big" else b"\xfe\xff\x00\xe0"
    start = at = length_at + 4
    while data[at : at + 4] == mark and at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], order)
        if length == _UNDEFINED or at + 8 + length > len(data):
            break
        at += 8 + length
    return _Gap(length_at, start, at)


def _entries(items: list[Dataset], data: bytes, problems: list[Problem]) -> list[_Entry]:
    entries = []
    for item in items:
        offset = _item_offset(item, data)
        if offset < 0:
            problems.append(Problem(ProblemKind.UNKNOWN_RECORD, "an empty record"))
            continue
        try:
            entries.append(_Entry(record_for(item, offset=offset), offset))
        except PacsError as error:
            if getattr(error, "offset", 0) is None:
                error.offset = offset  # type: ignore[attr-defined]
            raise
    return entries


def _item_offset(item: Dataset, data: bytes) -> int:
    """Where an item begins in the file: 8 bytes before its first element's header, which has 8 or 12."""
    marks = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
    tags = item.tags()
    if tags:
        first = item[tags[0]].offset
        if first is not None and data[first - 16 : first - 12] in marks:
            return first - 16
    starts = [element.offset for element in item if element.offset is not None]
    if not starts:
        return -1
    return min(starts) - (20 if data[min(starts) - 20 : min(starts) - 16] in marks else 16)


# ---- from records to the tree -----------------------------------------------------------------------


class _Links:
    """Puts records where their offsets say, and the others where their order and type say."""

    def __init__(self, entries: list[_Entry], problems: list[Problem], limits: DirectoryLimits) -> None:
        self.entries = [entry for entry in entries if entry.record.record_type != "MRDR"]
        self.by_offset = {entry.offset: entry for entry in entries}
        self.problems = problems
        self.limits = limits
        self.shift = 0

    def build(self, root: Root, first: int) -> None:
        """Put all records below ``root``."""
        if not self.entries:
            return
        self._resolve_shared()
        self.shift = self._shift(first)
        if self.shift:
            self._report(ProblemKind.BROKEN_OFFSET, f"all offsets are off by {self.shift} bytes", None)
        targets = {link + self.shift for entry in self.entries for link in (entry.next, entry.lower) if link}
        if first + self.shift in targets:
            self._report(ProblemKind.BROKEN_OFFSET, "the first offset leads into the middle of the tree", None)
        else:
            self._follow(root, first)
        rest = [entry for entry in self.entries if not entry.placed and entry.in_use]
        if not rest:
            return
        if not targets:
            self._report(ProblemKind.NO_OFFSETS, "no record has a link to another", None)
        for entry in rest if targets else ():
            if entry.offset not in targets:
                self._report(
                    ProblemKind.ORPHAN_RECORD, f"no offset leads to the {entry.record.record_type} record", entry
                )
        self._nest(root, targets)
        self._nest(root, set())

    def _report(self, kind: ProblemKind, message: str, entry: _Entry | None) -> None:
        self.problems.append(Problem(kind, message, offset=entry.offset if entry else None))

    def _resolve_shared(self) -> None:
        """Take the file-ID from the retired Multi-Referenced File Directory Record that a record points at."""
        for entry in self.entries:
            target = self.by_offset.get(_number(entry.record.dataset, "MRDRDirectoryRecordOffset"))
            if target is None or target.record.record_type != "MRDR":
                continue
            for keyword in ("ReferencedFileID", *_IN_FILE):
                if keyword in target.record.dataset and not entry.record.dataset.get(keyword):
                    setattr(entry.record.dataset, keyword, target.record.dataset.get(keyword))
            del entry.record.dataset.MRDRDirectoryRecordOffset
            entry.record = record_for(entry.record.dataset, offset=entry.offset)

    def _shift(self, first: int) -> int:
        """How far all offsets are off, 0 unless that makes every one right."""
        if not first or first in self.by_offset:
            return 0
        shift = self.entries[0].offset - first
        links = [link for entry in self.entries for link in (entry.next, entry.lower) if link]
        return shift if links and all(link + shift in self.by_offset for link in links) else 0

    def _follow(self, node: Node, first: int) -> None:
        """Put a record, those that follow it and those below them below ``node``."""
        stack: list[tuple[Node, bool, int, int]] = [(node, True, first, 1)]
        while stack:
            parent, in_use, offset, depth = stack.pop()
            if depth > self.limits.max_depth:
                raise LimitError(f"records stand more than {self.limits.max_depth} deep", offset=offset, tag=RECORDS)
            least = _least(parent)
            while offset:
                entry = self.by_offset.get(offset + self.shift)
                if (
                    entry is None
                    or entry.placed
                    or rank(entry.record.record_type) < least
                    or _stands_above(entry.record, parent)
                ):
                    self._report(ProblemKind.BROKEN_OFFSET, "an offset leads to no record that may stand there", entry)
                    break
                entry.placed = True
                below = in_use and entry.in_use
                if below:
                    entry.record.attach(parent)
                if entry.lower:
                    stack.append((entry.record if below else parent, below, entry.lower, depth + 1))
                offset = entry.next

    def _nest(self, root: Root, targets: set[int]) -> None:
        """Put records that have no place, with what they lead to, below the last one before them that stands higher."""
        last: list[Node | None] = [None, None, None]
        for entry in self.entries:
            if not entry.in_use:
                continue
            depth = self._depth(entry)
            if not entry.placed and entry.offset not in targets:
                own = rank(entry.record.record_type)
                higher = () if entry.record.record_type in _TOP else reversed(last[:depth])
                above = next((node for node in higher if node is not None and _least(node) <= own), root)
                self._follow(above, entry.offset - self.shift)
            if depth < 3:
                last[depth:] = [entry.record, *[None] * (2 - depth)]

    def _depth(self, entry: _Entry) -> int:
        """The rank of a record, or what it must be for what is below it."""
        own = rank(entry.record.record_type)
        below = self.by_offset.get(entry.lower + self.shift) if entry.lower else None
        lower = own if below is None else rank(below.record.record_type)
        return max(lower - 1, 0) if lower < own == 3 else own


_TOP = CHILDREN["ROOT"] - {"PRIVATE"}
_IN_FILE = (
    "ReferencedSOPClassUIDInFile",
    "ReferencedSOPInstanceUIDInFile",
    "ReferencedTransferSyntaxUIDInFile",
)


def _stands_above(record: Record, node: Node) -> bool:
    """Whether ``node`` is ``record`` or stands below it: the other way round they would make a circle."""
    above: Node | None = node
    while isinstance(above, Record):
        if above is record:
            return True
        above = above.parent
    return False


def _least(node: Node) -> int:
    """The least rank of records below ``node``: deeper than the nearest patient, study or series, going up."""
    while isinstance(node, Record):
        own = rank(node.record_type)
        if own < 3 or node.parent is None:
            return min(own + 1, 3)
        node = node.parent
    return 0
