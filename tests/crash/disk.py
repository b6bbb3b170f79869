"""A disk that forgets what was not synced: a journal of calls is played to it, and cut anywhere.

What a power cut may leave behind (each of these by itself, whatever order the calls had):

- Bytes written to a file since its last ``fsync`` or ``fdatasync`` are there, are not there (where the file has become
  longer over that, there are zeros), or are there by sectors of 512 bytes. So it is with its size.
- Entries of a directory (made, linked, renamed, removed) since that directory's last ``fsync`` are there or not. A
  rename takes place as a whole, in both directories. ``fsync`` of a new file does *not* keep its entry: POSIX does not
  say so, though most file systems do.
- ``syncfs`` and ``sync`` keep everything.

Memory that is mapped for writing (the ``-shm`` file of SQLite) is lost as a whole, as its users have to expect.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

__all__ = ["Disk", "Op", "Record", "Taste", "read_journal"]

SECTOR = 512
_HEAD = struct.Struct("<Biq3I")


class Op(IntEnum):
    """What a record is of."""

    OPEN = 1
    WRITE = 2
    TRUNCATE = 3
    RENAME = 4
    LINK = 5
    UNLINK = 6
    MKDIR = 7
    RMDIR = 8
    FSYNC = 9
    SYNCFS = 10
    CLOSE = 11
    MARK = 12


@dataclass(frozen=True, slots=True)
class Record:
    """One call, or a mark of the workload's (its text is ``data``)."""

    op: Op
    descriptor: int
    number: int
    path: str
    other: str
    data: bytes


def read_journal(path: Path) -> Iterator[Record]:
    """Iterate over the calls of a process that has ended."""
    with open(path, "rb") as file:
        while head := file.read(_HEAD.size):
            op, descriptor, number, one, two, size = _HEAD.unpack(head)
            yield Record(Op(op), descriptor, number, file.read(one).decode(), file.read(two).decode(), file.read(size))


@dataclass(frozen=True)
class Taste:
    """How likely it is that what was not synced is there all the same."""

    data: float
    entries: float

    @classmethod
    def any(cls, chance: random.Random) -> Taste:
        """One of the extremes, or something in between."""
        return cls(chance.choice((0.0, 0.5, 1.0)), chance.choice((0.0, 0.1, 0.5, 0.9, 1.0)))


class _File:
    """Bytes: those that are safe, and what has been done to them since."""

    def __init__(self) -> None:
        self.safe = bytearray()
        self.changes: list[tuple[int, bytes | None]] = []  # where and what; None: the size

    def sync(self) -> None:
        for at, data in self.changes:
            _change(self.safe, at, data)
        self.changes.clear()

    def after(self, chance: random.Random, likely: float) -> bytes:
        content = bytearray(self.safe)
        for at, data in self.changes:
            if chance.random() < likely:
                _change(content, at, data)
            elif data is not None:
                how = chance.randrange(3)
                if how == 0:  # long enough, and empty
                    _change(content, max(at + len(data), len(content)), None)
                elif how == 1:
                    _some(content, at, data, chance)
        return bytes(content)


def _change(content: bytearray, at: int, data: bytes | None) -> None:
    if data is None:
        del content[at:]
    if len(content) < at:
        content += bytes(at - len(content))
    if data is not None:
        content[at : at + len(data)] = data


def _some(content: bytearray, at: int, data: bytes, chance: random.Random) -> None:
    """Write some of the sectors."""
    start = 0
    while start < len(data):
        end = min(len(data), start + SECTOR - (at + start) % SECTOR)
        if chance.random() < 0.5:
            _change(content, at + start, data[start:end])
        start = end


class _Directory:
    """Names: as the process sees them, those that are safe, and what has been done since."""

    def __init__(self) -> None:
        self.live: dict[str, _Node] = {}
        self.safe: dict[str, _Node] = {}
        self.changes: list[_Change] = []

    def sync(self) -> None:
        for change in self.changes:
            if not change.is_safe:
                change.is_safe = True
                for directory, name, node in change.parts:
                    _enter(directory.safe, name, node)
        self.changes.clear()

    def after(self, kept: Callable[[_Change], bool]) -> dict[str, _Node]:
        entries = dict(self.safe)
        for change in self.changes:
            if not change.is_safe and kept(change):
                for directory, name, node in change.parts:
                    if directory is self:
                        _enter(entries, name, node)
        return entries


_Node = _File | _Directory


@dataclass(eq=False)
class _Change:
    """Names that come (with what they name) or go, all at once."""

    parts: list[tuple[_Directory, str, _Node | None]]
    is_safe: bool = False


def _enter(entries: dict[str, _Node], name: str, node: _Node | None) -> None:
    if node is None:
        entries.pop(name, None)
    else:
        entries[name] = node


@dataclass
class Disk:
    """What is below ``root``; ``syncs`` off: a disk that lies about them, for trying the trials themselves."""

    root: str
    syncs: bool = True
    _top: _Directory = field(default_factory=_Directory)
    _open: dict[int, _Node] = field(default_factory=dict)
    _nodes: list[_Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._nodes.append(self._top)

    def load(self, folder: Path) -> None:
        """Begin with what is in a folder, all of it safe."""
        files: dict[int, _File] = {}

        def take(directory: _Directory, path: Path) -> None:
            for entry in os.scandir(path):
                node: _Node
                if entry.is_dir():
                    node = self._made(_Directory())
                    assert isinstance(node, _Directory)
                    take(node, path / entry.name)
                else:
                    found = files.get(entry.inode())
                    node = found or files.setdefault(entry.inode(), _File())
                    if found is None:
                        self._made(node)
                        node.safe += (path / entry.name).read_bytes()
                directory.live[entry.name] = directory.safe[entry.name] = node

        take(self._top, folder)

    def play(self, record: Record) -> None:
        """Do what a call did."""
        op = record.op
        if op in {Op.WRITE, Op.TRUNCATE}:
            self._file(record).changes.append((record.number, record.data if op is Op.WRITE else None))
        elif op in {Op.UNLINK, Op.RMDIR}:
            self._enter((record.path, None))
        elif op is Op.MKDIR:
            self._enter((record.path, self._made(_Directory())))
        elif op is Op.LINK:
            self._enter((record.other, self._at(record.path)))
        elif op is Op.RENAME:
            self._enter((record.path, None), (record.other, self._at(record.path)))
        elif op is Op.OPEN:
            self._opened(record)
        elif op is Op.CLOSE:
            del self._open[record.descriptor]
        elif self.syncs and op in {Op.FSYNC, Op.SYNCFS}:
            for node in [self._open[record.descriptor]] if op is Op.FSYNC else self._nodes:
                node.sync()

    def _made(self, node: _Node) -> _Node:
        self._nodes.append(node)
        return node

    def _parts(self, path: str) -> list[str]:
        return [part for part in path.removeprefix(self.root).split("/") if part]

    def _parent(self, path: str) -> tuple[_Directory, str]:
        *above, name = self._parts(path)
        at: _Node = self._top
        for part in above:
            assert isinstance(at, _Directory)
            at = at.live[part]
        assert isinstance(at, _Directory)
        return at, name

    def _at(self, path: str) -> _Node:
        if not self._parts(path):
            return self._top
        directory, name = self._parent(path)
        return directory.live[name]

    def _enter(self, *entries: tuple[str, _Node | None]) -> None:
        change = _Change([(*self._parent(path), node) for path, node in entries])
        for directory, name, node in change.parts:
            _enter(directory.live, name, node)
            if not directory.changes or directory.changes[-1] is not change:
                directory.changes.append(change)

    def _opened(self, record: Record) -> None:
        if record.number & os.O_CREAT:
            directory, name = self._parent(record.path)
            if name not in directory.live:
                self._enter((record.path, self._made(_File())))
        node = self._at(record.path)
        if record.number & os.O_TRUNC and isinstance(node, _File):
            node.changes.append((0, None))
        self._open[record.descriptor] = node

    def _file(self, record: Record) -> _File:
        node = self._at(record.path) if record.path else self._open[record.descriptor]
        assert isinstance(node, _File)
        return node

    # the power cut

    def leave(self, folder: Path, chance: random.Random, taste: Taste) -> None:
        """Write to ``folder`` what a power cut may leave behind now."""
        files: dict[_File, Path] = {}
        kept: dict[_Change, bool] = {}

        def keep(change: _Change) -> bool:
            return kept.setdefault(change, chance.random() < taste.entries)

        def lay_out(directory: _Directory, path: Path) -> None:
            path.mkdir()
            for name, node in directory.after(keep).items():
                if isinstance(node, _Directory):
                    lay_out(node, path / name)
                elif node in files:
                    (path / name).hardlink_to(files[node])
                elif not name.endswith("-shm"):
                    (path / name).write_bytes(node.after(chance, taste.data))
                    files[node] = path / name

        lay_out(self._top, folder)
