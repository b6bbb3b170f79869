"""What came and could not be taken: its bytes, and why, in a directory beside the archive's objects.

An entry is a file with the bytes and, written after it, a record in JSON. There is at most so much of it, and for at
most so long: the oldest goes first. Whoever sent it has been told that it was not stored. Of a file that is met again,
by another import or at the next start, there is one entry.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pacskit.core.errors import DecodeError, InstanceNotFound, StorageError
from pacskit.encoding.head import read_head
from pacskit.storage.errors import storage_error
from pacskit.storage.index.removing import moment

if TYPE_CHECKING:
    from pacskit.storage.records import Stored
    from pacskit.storage.store import Store

__all__ = ["Quarantine", "Quarantined", "Retried", "quarantine_in"]

_log = logging.getLogger("pacskit.storage")

_DAY: Final = 86400.0
_ABANDONED: Final = 3600.0  # seconds after which bytes without a record are nobody's any more
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Something that could not be taken: ``kind`` is the error, ``reason`` what it said."""

    id: str
    moment: str
    kind: str
    reason: str
    size: int
    sha256: str
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    transfer_syntax_uid: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of an entry that was tried again: ``stored`` where it has been, else the error."""

    id: str
    stored: Stored | None
    error: str = ""


_Results: TypeAlias = "list[Retried]"  # within the class, list is what it lists
_Paths: TypeAlias = "list[Path]"


class Quarantine:
    """The quarantine of a store. Any number of threads and processes use it at once."""

    def __init__(
        self, store: Store, directory: str | os.PathLike[str], *, size: int = 1 << 30, days: float = 30
    ) -> None:
        self.directory = Path(directory)
        self.size = size
        self.days = days
        self._store = store

    # keeping

    def keep(self, content: Any, error: Exception, **facts: str) -> str | None:
        """Keep bytes, or what is in a file; return their id, None where that cannot be.

        ``facts`` are fields of `Quarantined`. A file stays where it is.
        """
        try:
            return self._keep(content, error, facts)
        except OSError as problem:  # what went wrong before is what is told
            _log.error("what could not be taken cannot be kept either: %s", storage_error(problem, "quarantine"))
            return None

    def _keep(self, content: Any, error: Exception, facts: dict[str, str]) -> str | None:
        now = moment()
        name = f"{now.replace('.', '')}-{secrets.token_hex(4)}"
        size = os.path.getsize(content) if isinstance(content, Path) else memoryview(content).nbytes
        if size > self.size:
            _log.warning("what could not be taken is more than the quarantine may hold: %d bytes", size)
            return None
        if isinstance(content, Path) and (known := self._known(content, size, facts.get("source", ""))):
            return known
        self.expire(room=size)
        self.directory.mkdir(parents=True, exist_ok=True)
        staging = self.directory / f"{name}.part"
        try:
            digest = _write(staging, content)
            staging.rename(self._bytes(name))
            record = Quarantined(name, now, type(error).__name__, str(error)[:1000], size, digest, **facts)
            staging.write_text(json.dumps(asdict(record)), "utf-8")
            staging.rename(self._record(name))
        except BaseException:
            staging.unlink(missing_ok=True)
            self._bytes(name).unlink(missing_ok=True)
            raise
        return name

    def _known(self, path: Path, size: int, source: str) -> str | None:
        """Return the entry of a file that has been met before as it is now."""
        same = [one for one in self.list() if (one.size, one.source) == (size, source)]
        if not same:
            return None
        with open(path, "rb", buffering=0) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return next((one.id for one in same if one.sha256 == digest), None)

    def expire(self, *, room: int = 0) -> int:
        """Remove what is too old, and the oldest where ``room`` more bytes would be too much; return how many."""
        oldest = moment(-self.days * _DAY)
        entries = [*self.list()]
        total, gone = sum(one.size for one in entries) + room, 0
        for one in entries:
            if one.moment >= oldest and total <= self.size:
                break
            self._unlink(one.id)
            total, gone = total - one.size, gone + 1
        known = {one.id for one in entries}
        for path in self._files():
            if path.suffix != ".json" and path.stem not in known and _is_abandoned(path):
                path.unlink(missing_ok=True)
        return gone

    # asking

    def list(self) -> Iterator[Quarantined]:
        """Iterate over what is there, the oldest first."""
        names = {one.name for one in fields(Quarantined)}
        for path in sorted(one for one in self._files() if one.suffix == ".json"):
            try:
                read = json.loads(path.read_text("utf-8"))
                yield Quarantined(**{name: value for name, value in read.items() if name in names})
            except FileNotFoundError:  # somebody else has removed it
                continue
            except (ValueError, TypeError, AttributeError):
                _log.error("a record of the quarantine cannot be read: %s", path.name)

    def path(self, entry: str) -> Path:
        """Return the file with the bytes of an entry. Raises InstanceNotFound."""
        if not self._record(entry).exists():
            raise InstanceNotFound(entry)
        return self._bytes(entry)

    def export(self, entry: str, target: str | os.PathLike[str]) -> Path:
        """Copy the bytes of an entry to a file, or into a folder; return where they are then."""
        try:
            return Path(shutil.copyfile(self.path(entry), _target(Path(target), f"{entry}.dcm")))
        except OSError as error:
            raise storage_error(error, "copying out of the quarantine") from error

    # ending

    def retry(self, entries: Sequence[str] = ()) -> _Results:
        """Store entries again, all where none are named; those that are stored leave the quarantine."""
        done = []
        for one in entries or [each.id for each in self.list()]:
            path = self.path(one)
            try:
                stored = self._store_again(path)
            except (DecodeError, StorageError) as error:
                done.append(Retried(one, None, f"{type(error).__name__}: {error}"))
                continue
            self._unlink(one)
            done.append(Retried(one, stored))
        return done

    def _store_again(self, path: Path) -> Stored:
        head = read_head(path)
        begun = self._store.begin(head.sop_class_uid, head.sop_instance_uid, head.transfer_syntax)
        with begun as ingest, open(path, "rb", buffering=0) as file:
            ingest.quarantines = False  # it is there already
            file.seek(head.offset)
            while piece := file.read(_PIECE):
                ingest.write(piece)
            return ingest.commit()

    def remove(self, entries: Sequence[str]) -> int:
        """Remove entries for good; return how many were there."""
        count = 0
        for one in entries:
            count += self._record(one).exists()
            self._unlink(one)
        return count

    def _unlink(self, entry: str) -> None:
        self._record(entry).unlink(missing_ok=True)  # first: bytes without a record are nobody's
        self._bytes(entry).unlink(missing_ok=True)

    def _files(self) -> _Paths:
        return [*self.directory.iterdir()] if self.directory.is_dir() else []

    def _bytes(self, entry: str) -> Path:
        return self.directory / f"{_checked(entry)}.dcm"

    def _record(self, entry: str) -> Path:
        return self.directory / f"{_checked(entry)}.json"


def quarantine_in(directory: str | os.PathLike[str], *, size: int, days: float) -> Callable[[Store], Quarantine | None]:
    """Return what gives the store of an archive its quarantine; None where that may hold nothing."""
    place = Path(directory) / "quarantine"
    return lambda store: Quarantine(store, place, size=size, days=days) if size else None


def _checked(entry: str) -> str:
    """Refuse what would lead out of the directory."""
    if not entry or not all(one.isalnum() or one == "-" for one in entry):
        raise InstanceNotFound(entry)
    return entry


def _target(target: Path, name: str) -> Path:
    return target / name if target.is_dir() else target


def _is_abandoned(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _ABANDONED
    except FileNotFoundError:
        return False


def _write(path: Path, content: Any) -> str:
    """Write bytes, or what is in a file; return their SHA-256."""
    state = hashlib.sha256()
    with open(path, "xb", buffering=0) as file:
        if isinstance(content, Path):
            with open(content, "rb", buffering=0) as source:
                while piece := source.read(_PIECE):
                    state.update(piece)
                    _write_all(file, piece)
        else:
            state.update(content)
            _write_all(file, content)
    return state.hexdigest()


def _write_all(file: Any, content: Any) -> None:
    with memoryview(content) as whole, whole.cast("B") as view:
        at = 0
        while at < len(view):
            at += file.write(view[at : at + _PIECE])
