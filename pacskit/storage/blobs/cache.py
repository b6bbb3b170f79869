"""Parts of blobs on the local disk: what was read last, up to a size and an age.

A part is a file named by its place in the blob. Files are written without a sync, so what another boot of the machine
left is not believed; the end of the process does them no harm.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from time import time as now
from typing import NamedTuple

from pacskit.storage.blobs.base import Buffer

__all__ = ["Part", "PartCache"]

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_TOUCH = 60.0  # seconds between two notes on disk of a part's use


class Part(NamedTuple):
    """Bytes ``start`` to ``stop`` of a blob; ``whole`` where these are all of it."""

    name: str
    start: int
    stop: int
    whole: bool

    @property
    def size(self) -> int:
        return self.stop - self.start


class PartCache:
    """Parts of blobs in a directory that one process has for itself. Any number of threads use it."""

    def __init__(self, directory: Path, *, max_bytes: int, max_age: float | None) -> None:
        self.max_bytes = max_bytes
        self.max_age = max_age
        self.used = 0
        self._directory = directory
        self._lock = threading.Lock()
        self._parts: OrderedDict[Part, float] = OrderedDict()  # the least recently used first, with the time of that
        self._of: dict[str, set[Part]] = {}
        self._numbers = count(1)
        self._open()

    def _open(self) -> None:
        try:
            boot = _BOOT.read_text("ascii").strip()
        except OSError:
            boot = ""
        mark = self._directory / "boot"
        if not boot or not mark.is_file() or mark.read_text("ascii", "replace") != boot:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory.mkdir(parents=True, exist_ok=True)
            mark.write_text(boot, "ascii")
        shutil.rmtree(self._directory / "new", ignore_errors=True)
        (self._directory / "new").mkdir()
        found = []
        for path in self._directory.glob("??/*/*"):
            part = _part(path)
            status = path.stat()
            if part is None or status.st_size != part.size:
                path.unlink()
            else:
                found.append((status.st_mtime, part))
        for used, part in sorted(found):
            self._note(part, used)
        with self._lock:
            self._trim()

    def _path(self, part: Part) -> Path:
        return self._directory / part.name[:2] / part.name / f"{part.start}-{part.stop}{'w' * part.whole}"

    def _note(self, part: Part, used: float) -> None:
        if part in self._parts:
            self.used -= part.size
        self._parts[part] = used
        self._parts.move_to_end(part)
        self._of.setdefault(part.name, set()).add(part)
        self.used += part.size

    def _forget(self, part: Part) -> None:
        del self._parts[part]
        self.used -= part.size
        of = self._of[part.name]
        of.discard(part)
        path = self._path(part)
        with suppress(OSError):
            path.unlink()
        if not of:
            del self._of[part.name]
            with suppress(OSError):
                path.parent.rmdir()

    def _trim(self) -> None:
        """Let go of what is too old, and of what was not used for longest where there is too much."""
        oldest = -1.0 if self.max_age is None else now() - self.max_age
        for part, used in list(self._parts.items()):
            if self.used <= self.max_bytes and used >= oldest:
                return
            self._forget(part)

    def find(self, key: str, start: int, length: int) -> tuple[int, Part] | None:
        """Open the file of a part that has all of a range; its descriptor is the caller's to close."""
        return self._find(key, lambda part: part.whole or (part.start <= start and start + length <= part.stop))

    def find_whole(self, key: str) -> tuple[int, Part] | None:
        """Open the file of a whole blob; its descriptor is the caller's to close."""
        return self._find(key, lambda part: part.whole)

    def _find(self, key: str, fits: Callable[[Part], bool]) -> tuple[int, Part] | None:
        name = _name(key)
        with self._lock:
            if self.max_age is not None:
                self._trim()
            for part in self._of.get(name, ()):
                if fits(part):
                    return self._use(part)
        return None

    def _use(self, part: Part) -> tuple[int, Part] | None:
        used = now()
        path = self._path(part)
        try:
            file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError:  # somebody has cleared the directory
            self._forget(part)
            return None
        if used - self._parts[part] > _TOUCH:
            with suppress(OSError):
                os.utime(path)
        self._parts[part] = used
        self._parts.move_to_end(part)
        return file, part

    def add(self, key: str, start: int, data: Buffer, *, whole: bool = False) -> None:
        """Keep bytes of a blob. A disk that is full is no error."""
        if len(data) > self.max_bytes or not len(data):
            return
        with suppress(OSError):
            path = self.fresh()
            path.write_bytes(data)
            self.adopt(key, path, Part(_name(key), start, start + len(data), whole))

    def add_whole(self, key: str, path: Path, size: int) -> None:
        """Keep a file that has all of a blob, and take it away from where it is."""
        self.adopt(key, path, Part(_name(key), 0, size, True))

    def fresh(self) -> Path:
        """Return the path of a file to be written."""
        return self._directory / "new" / f"{next(self._numbers):x}"

    def adopt(self, key: str, path: Path, part: Part) -> None:
        """Keep a file as a part of a blob, and take it away from where it is."""
        with self._lock:
            try:
                if part.size > self.max_bytes:
                    path.unlink()
                    return
                final = self._path(part)
                final.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, final)
            except OSError:
                with suppress(OSError):
                    path.unlink()
                return
            for other in [one for one in self._of.get(part.name, ()) if part.whole and one != part]:
                self._forget(other)
            self._note(part, now())
            self._trim()

    def drop(self, key: str) -> None:
        """Let go of all parts of a blob."""
        with self._lock:
            for part in list(self._of.get(_name(key), ())):
                self._forget(part)


def _name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _part(path: Path) -> Part | None:
    whole = path.name.endswith("w")
    start, dash, stop = path.name.removesuffix("w").partition("-")
    if not (dash and start.isdecimal() and stop.isdecimal()):
        return None
    return Part(path.parent.name, int(start), int(stop), whole)
