"""A store of stores: blobs are put into the first tier, moved between tiers, and read wherever they are.

Where a blob is, the database of the index says, so that every process that shares it finds the same, and the next one
too. A blob is moved in this order: the copy is noted, made, read back and compared by SHA-256, made the blob's place in
one transaction, and then its source is removed. A process that ends anywhere on the way leaves at least one whole copy,
and a record that says where; what it leaves beside that, `TieredStore.sweep` removes. No name is ever written twice.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace as replaced
from datetime import UTC, datetime, timedelta
from itertools import islice
from time import monotonic
from types import TracebackType
from typing import Final, Literal, Self, TypeVar

from pacskit.core.errors import ConfigurationError, StorageError
from pacskit.storage.blobs.base import BlobInfo, BlobReader, BlobStore, Buffer, Source, check_key, check_ranges
from pacskit.storage.blobs.errors import BlobDamaged, BlobExists, BlobNotFound
from pacskit.storage.blobs.tierstate import LEASE, Copy, Location, TierState, Trash, moment
from pacskit.storage.index.repository import SqlIndex

__all__ = ["Recall", "TieredStore"]

Recall = Literal["never", "later", "now"]

_NOTES: Final = 256  # reads that are noted together
_TOGETHER: Final = 60.0  # seconds
_GRAIN: Final = timedelta(hours=1)  # reads of a blob that are closer together count as one
_BATCH: Final = 100
_RENEW: Final = LEASE.total_seconds() / 4
_OWN: Final = re.compile(r"--t[0-9a-f]{12}$")

_log = logging.getLogger("pacskit.storage")

T = TypeVar("T")


class TieredStore:
    """A blob store over others, which stay the caller's to close unless they are ``owned``.

    Parameters
    ----------
    index
        Whose database says where blobs are.
    tiers
        The stores by their names, the one that blobs are put into first.
    recall
        What becomes of a blob that is read from another tier: it stays (``never``), comes back with the next cycle of
        its `Lifecycle` (``later``), or before it is read (``now``). It is read from where it is if it cannot come.
    grain
        Reads of a blob that are closer together count as one. Those of a minute are noted together, and a process that
        is killed forgets the last ones. None: reads are not noted, as those of who only checks or copies.
    """

    def __init__(
        self,
        index: SqlIndex,
        tiers: Mapping[str, BlobStore],
        *,
        recall: Recall = "later",
        grain: timedelta | None = _GRAIN,
        owned: ExitStack | None = None,
    ) -> None:
        if not tiers:
            raise ConfigurationError("a tiered store has at least one tier")
        if recall not in ("never", "later", "now"):
            raise ConfigurationError(f"recall is never, later or now, not {recall!r}")
        self.tiers = dict(tiers)
        self.home = next(iter(self.tiers))
        self.recall = recall
        self._owned = owned
        self.grain = grain
        self.state = TierState(index, self.home, list(self.tiers))
        self._first = self.tiers[self.home]
        self._lock = threading.Lock()
        self._accessed: dict[str, str] = {}
        self._wanted: dict[str, str] = {}
        self._due = monotonic()

    def __repr__(self) -> str:
        return f"TieredStore({', '.join(self.tiers)})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tier(self, key: str) -> str:
        """Return the name of the tier that a blob is in; BlobNotFound where there is none."""
        return self._at(key, lambda store, found: (store.head(found.place), found.tier)[1])

    def path_of(self, key: str) -> Location:
        """Return where a blob is recorded to be."""
        return self.state.find(check_key(key))

    # writing

    def put_stream(
        self,
        key: str,
        source: Source,
        *,
        size: int | None = None,
        replace: bool = False,
        sha256: bytes | None = None,
    ) -> BlobInfo:
        """See `BlobStore.put_stream`: into the first tier."""
        check_key(key)
        state = self.state
        found = state.find(key)
        if not replace and not state.is_home(found):
            raise BlobExists("there is a blob of that key", key=key)
        if replace or state.is_soiled(self.home, key):
            return self._put_apart(key, source, size, sha256, replace)
        info = self._first.put_stream(key, source, size=size, sha256=sha256)
        now = state.find(key)  # asked again: the blob of somebody who was faster may have moved away meanwhile
        if not state.is_home(now):
            self._first.delete(key)
            raise BlobExists("there is a blob of that key", key=key)
        if now.since or now.accessed or now.sha256:
            state.refresh(key)
        return _named(info, now)

    def _put_apart(self, key: str, source: Source, size: int | None, sha256: bytes | None, replace: bool) -> BlobInfo:
        """Put a blob under a name that nobody had, as readers may still be at that of another one."""
        copy = self.state.begin_new(key, now=moment())
        try:
            if not replace:
                self._check_new(key)
            info = self._first.put_stream(copy.place, source, size=size, sha256=sha256)
            mine, old = self.state.record_new(copy, info.size, replace=replace, now=moment())
        except BaseException:
            self._give_up(copy)
            raise
        self._dispose(old)
        if not mine:
            raise BlobExists("there is a blob of that key", key=key)
        return _named(info, replaced(copy.source, place=copy.place, edition=copy.token))

    def _check_new(self, key: str) -> None:
        with suppress(BlobNotFound):
            self._first.head(key)
            raise BlobExists("there is a blob of that key", key=key)

    def delete(self, keys: str | Iterable[str]) -> None:
        """See `BlobStore.delete`: in every tier."""
        every = iter([keys] if isinstance(keys, str) else keys)
        while some := [check_key(key) for key in islice(every, _BATCH)]:
            # at home first: who begins to move one of them from now on finds nothing there
            self._first.delete(some)
            self._dispose(self.state.forget(some, now=moment()))

    # reading

    def _at(self, key: str, read: Callable[[BlobStore, Location], T]) -> T:
        """Read a blob where it is; once more where it was moved meanwhile."""
        found = self.state.find(check_key(key))
        while True:
            try:
                return read(self.tiers[found.tier], found)
            except BlobNotFound:
                again = self.state.find(key)
                if again.is_at(found) and not self._look_around(found):
                    raise BlobNotFound("there is no blob of that key", key=key) from None
                found = self.state.find(key)

    def _look_around(self, lost: Location) -> bool:
        """Look for a blob where it is not recorded to be, as after its index was lost or restored; record where."""
        for name, store in self.tiers.items():
            if name == lost.tier and lost.place == lost.key:
                continue
            with suppress(BlobNotFound):
                store.head(lost.key)
                if self.state.relocate(lost, name):
                    return True
        return False

    def _note(self, found: Location) -> None:
        """Take note of a read."""
        if self.grain is None:
            return
        now = datetime.now(UTC)
        away = found.tier != self.home and self.recall == "later" and not found.wanted
        if not away and found.accessed > moment(now - self.grain):
            return
        with self._lock:
            self._accessed[found.key] = moment(now)
            if away:
                self._wanted[found.key] = moment(now)
            due = len(self._accessed) >= _NOTES or monotonic() > self._due
        if due:
            self.flush()

    def flush(self) -> None:
        """Write down what was read."""
        with self._lock:
            accessed, self._accessed = self._accessed, {}
            wanted, self._wanted = self._wanted, {}
            self._due = monotonic() + _TOGETHER
        self.state.note(accessed, wanted)

    def _arrive(self, key: str) -> None:
        """Have a blob at home before it is read, where that is wanted and can be."""
        if self.recall != "now":
            return
        found = self.state.find(check_key(key))
        if found.tier != self.home:
            try:
                self.move(key, self.home)
            except StorageError as error:
                _log.warning("an object could not be recalled (%s)", type(error).__name__)

    def get(self, key: str, *, start: int = 0, length: int | None = None, sha256: bytes | None = None) -> BlobReader:
        """See `BlobStore.get`. What is read goes on where the blob is moved to meanwhile."""
        check_ranges([(start, length or 0)])
        self._arrive(key)

        def begin(store: BlobStore, found: Location) -> _Reading:
            return _Reading(self, found, store.get(found.place, start=start, length=length), start, length)

        reading = self._at(key, begin)
        self._note(reading.found)
        return BlobReader(reading.info, iter(reading), sha256=sha256, close=reading.close)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See `BlobStore.get_range`."""
        return self.get_ranges(key, [(start, length)])[0]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See `BlobStore.get_ranges`."""
        check_ranges(ranges)
        self._arrive(key)

        def read(store: BlobStore, found: Location) -> tuple[list[bytes], Location]:
            return store.get_ranges(found.place, ranges), found

        data, found = self._at(key, read)
        self._note(found)
        return data

    def head(self, key: str) -> BlobInfo:
        """See `BlobStore.head`. The version changes when the blob is moved, too."""
        return self._at(key, lambda store, found: _named(store.head(found.place), found))

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[BlobInfo]:
        """See `BlobStore.list`: the first tier, and then the others. What is moved meanwhile may be listed twice."""
        begun = moment()
        found = self.state.find(after) if after else None
        at_home = found is None or self.state.is_home(found)
        home = self._first.list(prefix, after=after if at_home else "")
        return self._list(home if at_home else iter(()), prefix.removesuffix("/"), "" if at_home else after, begun)

    def _list(self, home: Iterator[BlobInfo], prefix: str, after: str, begun: str) -> Iterator[BlobInfo]:
        while some := list(islice(home, _BATCH)):
            rows = self.state.find_all([info.key for info in some])
            for info in some:
                row = rows.get(info.key)
                if (row is None or self.state.is_home(row)) and not _OWN.search(info.key):
                    yield info
        condition, parameters = " AND (tier <> ? OR place <> blob_key OR since >= ?)", [self.home, begun]
        if prefix:
            condition += " AND blob_key >= ? AND blob_key < ?"
            parameters += [f"{prefix}/", f"{prefix}0"]  # "0" follows "/"
        for row in self.state.rows(after, condition, parameters):
            with suppress(BlobNotFound):
                yield self.head(row.key)

    def sign(self, key: str, *, seconds: float, method: str = "GET") -> str:
        """See `BlobStore.sign`: an address in the tier where the blob is."""
        return self._at(key, lambda store, found: store.sign(found.place, seconds=seconds, method=method))

    def close(self) -> None:
        """Write down what was read, and close what is owned."""
        owned, self._owned = self._owned, None
        with ExitStack() as closing:
            if owned is not None:
                closing.push(owned)
            self.flush()

    # moving

    def move(
        self,
        key: str,
        tier: str,
        *,
        offset: int = 0,
        digest: bytes | None = None,
        only_if_idle: bool = False,
    ) -> int | None:
        """Move a blob into a tier; return how many bytes that were, None where there was nothing to do.

        ``digest``: the SHA-256 that its bytes from ``offset`` on must have; BlobDamaged where they do not, and it stays
        where it is. ``only_if_idle``: somebody else who is moving it is not disturbed. Raises BlobNotFound too.
        """
        if tier not in self.tiers:
            raise ConfigurationError(f"there is no tier {tier!r}")
        name = check_key(key)
        while True:
            found = self.state.find(key)
            if found.tier == tier:
                return None
            self._at(key, lambda store, found: store.head(found.place))
            copy = self.state.begin(key, tier, name, now=moment(), only_if_idle=only_if_idle)
            if copy is None:
                return None
            try:
                return self._move(copy, offset, digest)
            except BlobExists:
                if not name:
                    raise
                name = ""  # it is somebody else's there
            except (BlobNotFound, BlobDamaged):
                if self.state.find(key).is_at(copy.source):
                    raise  # and not moved by somebody else meanwhile

    def _move(self, copy: Copy, offset: int, digest: bytes | None) -> int | None:
        target = self.tiers[copy.tier]
        try:
            size, sha256 = self._copy(copy, target, offset, digest)
            _verify(target, copy.place, size, sha256)
            moved = self.state.record(copy, size, sha256, now=moment())
        except BlobExists:
            self.state.disown(copy)
            raise
        except BaseException:
            self._give_up(copy)
            raise
        if not moved:
            self._give_up(copy)
            return None
        self.state.index.secure()  # before the source goes: a power cut must not bring the old record back
        self._dispose([Trash(copy.source.tier, copy.source.place)])
        return size

    def _copy(self, copy: Copy, target: BlobStore, offset: int, digest: bytes | None) -> tuple[int, bytes]:
        source = copy.source
        hashing = _Hashing(offset if digest is not None else None, lambda: self.state.renew(copy))
        with self.tiers[source.tier].get(source.place) as reader:
            info = target.put_stream(copy.place, hashing.through(reader), size=reader.info.size)
        whole = hashing.whole.digest()
        if source.sha256 not in (None, whole) or (digest is not None and hashing.part.digest() != digest):
            raise BlobDamaged("the blob does not have the digest that it was stored with", key=source.key)
        return info.size, whole

    def _give_up(self, copy: Copy) -> None:
        """Remove a copy that came to nothing, or leave it to the next sweep."""
        try:
            self.state.abandon(copy)
            self._dispose([Trash(copy.tier, copy.place)])
        except StorageError as error:
            _log.warning("a copy is left for the next sweep (%s)", type(error).__name__)

    def _dispose(self, copies: Sequence[Trash]) -> int:
        """Remove copies that are on the list of what goes; those that cannot be removed now stay on it."""
        gone: list[Trash] = []
        for one in copies:
            if one.tier not in self.tiers:
                continue
            try:
                self.tiers[one.tier].delete(one.place)
            except StorageError as error:
                _log.warning("a copy is left for the next sweep (%s)", type(error).__name__)
            else:
                gone.append(one)
        self.state.gone(gone)
        return len(gone)

    def sweep(self, now: datetime | None = None) -> int:
        """Remove what moves, deletions and processes that were killed have left; return how many copies that were.

        A copy that is being made is left alone until an hour after it was heard of.
        """
        done = 0
        while some := self.state.trash(now or datetime.now(UTC)):
            gone = self._dispose(some)
            done += gone
            if gone < len(some):
                break
        return done

    def adopt(self) -> int:
        """Take over blobs of other tiers that the index does not know, as after it was lost; return how many."""
        found = 0
        for name, store in self.tiers.items():
            listed = store.list()
            while some := list(islice(listed, _BATCH)):
                pairs = [(_OWN.sub("", info.key), info.key) for info in some]
                if name == self.home:
                    found += self.state.adopt(name, [one for one in pairs if one[0] != one[1]])
                else:
                    found += self.state.adopt(name, [one for one in pairs if not self._is_at_home(one[0])])
        return found

    def _is_at_home(self, key: str) -> bool:
        with suppress(BlobNotFound):
            self._first.head(key)
            return True
        return False


class _Reading:
    """A blob that is being read, also when its copy goes because it was moved."""

    def __init__(self, store: TieredStore, found: Location, reader: BlobReader, start: int, length: int | None) -> None:
        self.found = found
        self.info = _named(reader.info, found)
        self._store = store
        self._reader = reader
        self._at = start
        self._stop = self.info.size if length is None else min(self.info.size, start + length)

    def __iter__(self) -> Iterator[Buffer]:
        while True:
            try:
                for part in self._reader:
                    self._at += len(part)
                    yield part
                return
            except (BlobNotFound, BlobDamaged):
                if not self._go_on():
                    raise

    def _go_on(self) -> bool:
        """Go on at the new place; False where there is none, or another blob has it."""
        store, found = self._store, self.found
        now = store.state.find(found.key)
        if now.is_at(found) or now.edition != found.edition:
            return False
        self._reader.close()
        self.found = now
        self._reader = store.tiers[now.tier].get(now.place, start=self._at, length=self._stop - self._at)
        return True

    def close(self) -> None:
        self._reader.close()


class _Hashing:
    """Digests of what goes through: of all of it, and of what follows an offset."""

    def __init__(self, offset: int | None, tick: Callable[[], None]) -> None:
        self.whole = hashlib.sha256()
        self.part = hashlib.sha256()
        self._skip = offset
        self._tick = tick
        self._next = monotonic() + _RENEW

    def through(self, parts: Iterable[Buffer]) -> Iterator[Buffer]:
        for part in parts:
            self.whole.update(part)
            if self._skip is not None:
                self.part.update(memoryview(part)[min(self._skip, len(part)) :])
                self._skip = max(0, self._skip - len(part))
            if monotonic() > self._next:
                self._tick()
                self._next = monotonic() + _RENEW
            yield part


def _verify(store: BlobStore, place: str, size: int, sha256: bytes) -> None:
    """Read a copy back. Raises BlobDamaged."""
    with store.get(place, sha256=sha256) as reader:
        if sum(len(part) for part in reader) != size:
            raise BlobDamaged("a copy is shorter than the blob", key=place)


def _named(info: BlobInfo, found: Location) -> BlobInfo:
    """Return what a store says of a copy as what is said of the blob."""
    return BlobInfo(found.key, info.size, info.modified, f"{found.tier}:{found.edition}:{info.version}")
