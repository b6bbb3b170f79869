"""What an archive has acknowledged, what it was asked and has not answered, and whether it still keeps its word."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from pacskit.core.dataset import Dataset
from pacskit.encoding import encode
from pacskit.storage import Store, StoredInstance

__all__ = ["CT", "EXPLICIT", "Ledger", "disagreements", "made", "study_of"]

CT: Final = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
_SIZES: Final = (200, 200, 5_000, 40_000, 40_000, 150_000)


def study_of(uid: str) -> str:
    """The study of an instance of `made`."""
    return uid.rpartition(".")[0].rpartition(".")[0]


@lru_cache(256)
def made(uid: str, version: int) -> tuple[bytes, bytes]:
    """An object, as it follows from its UID and version, and its digest."""
    study = study_of(uid)
    chance = random.Random(f"{uid} {version}")
    ds = Dataset(
        SOPClassUID=CT,
        SOPInstanceUID=uid,
        StudyInstanceUID=study,
        SeriesInstanceUID=uid.rpartition(".")[0],
        PatientID=study[-12:],
        Modality="CT",
        InstanceNumber=version,
    )
    ds.PixelData = chance.randbytes(chance.choice(_SIZES))
    data = encode(ds, EXPLICIT)
    return data, sha256(data).digest()


class Ledger:
    """For each instance, the digests that it may have; None: it may be absent. Calls may come from many threads.

    An instance belongs to one sender, but for ``shared`` ones, of which any version that was ever sent may be there.
    """

    def __init__(self) -> None:
        self.may_be: dict[str, set[bytes | None]] = {}
        self.acknowledged = 0
        self._sent: dict[str, set[bytes]] = {}
        self._lock = threading.Lock()

    def storing(self, uid: str, digest: bytes) -> None:
        """It is sent: from now on it may be there."""
        with self._lock:
            self.may_be.setdefault(uid, {None}).add(digest)
            self._sent.setdefault(uid, set()).add(digest)

    def stored(self, uid: str, digest: bytes, *, shared: bool = False) -> None:
        """It is acknowledged: from now on it has to be there."""
        with self._lock:
            self.acknowledged += 1
            if shared:
                self.may_be[uid].discard(None)
            else:
                self.may_be[uid] = {digest}

    def deleting(self, uid: str) -> None:
        """From now on it may be gone."""
        with self._lock:
            self.may_be[uid].add(None)

    def deleted(self, uid: str) -> None:
        """It has to be gone."""
        with self._lock:
            self.may_be[uid] = {None}

    def present(self) -> list[str]:
        """The instances that have to be there."""
        with self._lock:
            return [uid for uid, allowed in self.may_be.items() if None not in allowed]

    def problems(self, found: dict[str, bytes], *, within: set[str] | None = None) -> Iterator[str]:
        """Compare with what is there, in some studies or in all."""
        for uid, allowed in self.may_be.items():
            if (within is None or study_of(uid) in within) and found.get(uid) not in allowed:
                yield self._explain(uid, found.get(uid))
        for uid in found.keys() - self.may_be.keys():
            yield f"{uid}: never sent, and there"

    def strangers(self, found: dict[str, bytes]) -> Iterator[str]:
        """What is there, and is nothing that was ever sent as a whole."""
        for uid, digest in found.items():
            if digest not in self._sent.get(uid, ()):
                yield f"{uid}: half-written, and visible"

    def _explain(self, uid: str, digest: bytes | None) -> str:
        if digest is None:
            return f"{uid}: acknowledged, and lost"
        if digest not in self._sent[uid]:
            return f"{uid}: half-written, and visible"
        return f"{uid}: " + ("deleted, and there" if self.may_be[uid] == {None} else "another version is there")

    def settle(self, found: dict[str, bytes]) -> None:
        """From now on what is there has to stay, and what is not must not come back."""
        with self._lock:
            for uid in self.may_be:
                self.may_be[uid] = {found.get(uid)}


_COUNTERS: Final = (
    "SELECT count(*) FROM series e WHERE instance_count <> (SELECT count(*) FROM instance i WHERE i.series = e.pk)",
    "SELECT count(*) FROM study s WHERE instance_count <> "
    "(SELECT sum(e.instance_count) FROM series e WHERE e.study = s.pk)",
    "SELECT count(*) FROM study s WHERE series_count <> (SELECT count(*) FROM series e WHERE e.study = s.pk)",
    "SELECT count(*) FROM patient p WHERE instance_count <> "
    "(SELECT sum(s.instance_count) FROM study s WHERE s.patient = p.pk)",
    "SELECT count(*) FROM patient p WHERE study_count <> (SELECT count(*) FROM study s WHERE s.patient = p.pk)",
    "SELECT count(*) FROM series e WHERE NOT EXISTS (SELECT 1 FROM instance i WHERE i.series = e.pk)",
    "SELECT count(*) FROM study s WHERE NOT EXISTS (SELECT 1 FROM series e WHERE e.study = s.pk)",
    "SELECT count(*) FROM patient p WHERE NOT EXISTS (SELECT 1 FROM study s WHERE s.patient = p.pk)",
)


def _digest(store: Store, instance: StoredInstance) -> bytes:
    """The digest of what is in the file, whatever the index says."""
    try:
        return sha256(store.path(instance).read_bytes()[instance.offset :]).digest()
    except FileNotFoundError:
        return b""


def disagreements(store: Store) -> tuple[list[str], dict[str, bytes]]:
    """What is wrong in a store at rest that nobody else has open, and the digest of each instance in it."""
    wrong = [f"{one.kind}: {one.key}" for one in store.verify(digest=True)]
    found = {one.sop_instance_uid: _digest(store, one) for one in store.index.instances()}
    wrong += [
        f"in staging: {path.name}" for path in store.files.staging.iterdir() if store.files.session not in path.name
    ]
    with suppress(FileNotFoundError):  # a prepared file is not there before the first object
        wrong += [f"in staging: {path.name}" for path in store.files.own.iterdir() if path.stat().st_size]
    index: Any = store.index
    with index.reader() as connection:
        for sql in _COUNTERS:
            if connection.execute(sql).fetchone()[0] != 0:
                wrong.append(f"counters: {sql}")
        left = connection.execute("SELECT count(*) FROM retired").fetchone()[0]
        wrong += [f"tombstones: {left}"] if left else []
    return wrong, found
