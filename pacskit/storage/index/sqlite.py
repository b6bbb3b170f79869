"""The index in an SQLite file: WAL, one writer at a time with group commit, readers beside it.

The counters of patients, studies and series, the modalities and SOP classes of a study change in the transaction that
changes the instances. Every value reaches SQL as a parameter.

**Who is a patient.** Patient ID together with its issuer. Objects without a Patient ID are not merged: each of their
studies has a patient of its own (``anchor`` is then the Study Instance UID). A study belongs to the patient named by
its first object; what that object left empty is filled in from the first object of a later series.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from pacskit.core.errors import PacsError
from pacskit.storage.attributes import decode_attributes, encode_attributes
from pacskit.storage.errors import storage_error
from pacskit.storage.fuzzy import matches_fuzzily
from pacskit.storage.index.find import Match, find_matches
from pacskit.storage.index.locate import locate_pages
from pacskit.storage.index.query import FUZZY, FindOptions, plan
from pacskit.storage.index.rows import (
    COUNTS,
    FILL_PATIENT,
    FILL_STUDY,
    INSERT_INSTANCE,
    INSERT_PATIENT,
    INSERT_SERIES,
    INSERT_STUDY,
    RECOUNT,
    SELECT_INSTANCE,
    Fill,
)
from pacskit.storage.index.schema import migrate
from pacskit.storage.index.writer import GroupCommit
from pacskit.storage.records import (
    Commit,
    Counts,
    Deletion,
    DuplicatePolicy,
    NewInstance,
    Outcome,
    Parents,
    StoredInstance,
)

__all__ = ["SQLiteIndex"]

BUSY_SECONDS = 30.0  # another process may hold the write lock; a transaction is short
MAX_KNOWN = 20_000
IDLE_READERS = 8
PAGE = 256


class _Series:
    """A series that exists, and the SOP classes its study is known to have."""

    __slots__ = ("classes", "patient", "pk", "study")

    def __init__(self, pk: int, study: int, patient: int, classes: set[str]) -> None:
        self.pk, self.study, self.patient, self.classes = pk, study, patient, classes


class _Transaction:
    """What the jobs of one transaction share: counters not yet written, series not yet certain."""

    def __init__(self, index: SQLiteIndex, execute: Callable[..., sqlite3.Cursor]) -> None:
        self.execute = execute
        self.added: dict[tuple[str, str], _Series] = {}
        self.new_classes: list[tuple[_Series, str]] = []
        self._index = index
        self._known = index.known_series(execute)
        self._counts: dict[int, tuple[_Series, int]] = {}
        self.forget = False

    def series(self, study_uid: str, series_uid: str) -> _Series | None:
        key = (study_uid, series_uid)
        return self.added.get(key) or self._known.get(key)

    def count(self, series: _Series) -> None:
        self._counts[series.pk] = (series, self._counts.get(series.pk, (series, 0))[1] + 1)

    def flush(self) -> None:
        """Write the counters."""
        if not self._counts:
            return
        now = _now()
        studies: dict[int, int] = {}
        patients: dict[int, int] = {}
        for pk, (series, number) in self._counts.items():
            self.execute("UPDATE series SET instance_count = instance_count + ? WHERE pk = ?", (number, pk))
            studies[series.study] = studies.get(series.study, 0) + number
            patients[series.patient] = patients.get(series.patient, 0) + number
        for pk, number in studies.items():
            self.execute(
                "UPDATE study SET instance_count = instance_count + ?, updated = ? WHERE pk = ?", (number, now, pk)
            )
        for pk, number in patients.items():
            self.execute("UPDATE patient SET instance_count = instance_count + ? WHERE pk = ?", (number, pk))
        self._counts = {}

    def committed(self) -> None:
        """Remember the series that are now there."""
        known = self._known
        if self.forget or len(known) + len(self.added) > MAX_KNOWN:
            known.clear()
        if not self.forget:
            known.update(self.added)
            for series, uid in self.new_classes:
                series.classes.add(uid)


class SQLiteIndex:
    """An index in a file; ``commit="object"`` makes it survive a power cut, ``"os"`` the end of the process."""

    def __init__(self, path: str | os.PathLike[str], *, commit: Commit = "os") -> None:
        self._path = os.fspath(path)
        self._known: dict[tuple[str, str], _Series] = {}
        self._data_version = -1
        self._idle: list[sqlite3.Connection] = []
        self._pool = threading.Lock()
        self._closed = False
        with _translated("opening the index"):
            self._connection = self._connect()
            self._connection.execute("PRAGMA journal_mode = WAL")
            # both survive the end of the process; NORMAL syncs at checkpoints only
            self._connection.execute(
                "PRAGMA synchronous = FULL" if commit == "object" else "PRAGMA synchronous = NORMAL"
            )
            self._connection.execute("PRAGMA wal_autocheckpoint = 4000")
            migrate(self._connection)
        execute = self._connection.execute
        self._writer: GroupCommit[_Transaction] = GroupCommit(self._connection, lambda: _Transaction(self, execute))

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -8000")
        connection.create_function(FUZZY, -1, matches_fuzzily, deterministic=True)
        return connection

    # reading

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for reading; it belongs to the borrower until it comes back."""
        with self._pool:
            connection = self._idle.pop() if self._idle else None
        with _translated("reading the index"):
            if connection is None:
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
            try:
                yield connection
            finally:
                with self._pool:
                    keep = not self._closed and len(self._idle) < IDLE_READERS
                    if keep:
                        self._idle.append(connection)
                if not keep:
                    connection.close()

    def get(self, sop_instance_uid: str) -> StoredInstance | None:
        """Return the instance of a SOP Instance UID."""
        with self.reader() as connection:
            row = connection.execute(SELECT_INSTANCE + " WHERE i.sop_instance_uid = ?", (sop_instance_uid,)).fetchone()
        return StoredInstance(*row) if row else None

    def has_key(self, key: str) -> bool:
        """Whether an instance is stored under a key."""
        with self.reader() as connection:
            return connection.execute("SELECT 1 FROM instance WHERE blob_key = ?", (key,)).fetchone() is not None

    def knows_series(self, study_uid: str, series_uid: str) -> bool:
        """Whether the series has been seen lately; its parents then need not be read."""
        return (study_uid, series_uid) in self._known

    def locate(self, level: str, unique: dict[str, Sequence[str]]) -> Iterator[StoredInstance]:
        """Iterate over the instances below what unique keys name; nothing is held while the caller is busy with one."""
        for sql, parameters in locate_pages(self.reader, level, unique):
            last = 0
            while True:
                with self.reader() as connection:
                    rows = connection.execute(sql, (*parameters, last, PAGE)).fetchall()
                for row in rows:
                    yield StoredInstance(*row[1:])
                if len(rows) < PAGE:
                    break
                last = rows[-1][0]

    def find(
        self, level: str, model: str, identifier: Iterable[Any], options: FindOptions | None = None
    ) -> Iterator[Match]:
        """Iterate over what matches an identifier; a wrong one raises at once (PS3.4 C.4.1)."""
        options = options or FindOptions()
        return find_matches(self.reader, plan(level, model, identifier, options), options)

    def instances(self) -> Iterator[StoredInstance]:
        """Iterate over all instances."""
        return self.locate("ALL", {})

    def counts(self) -> Counts:
        """Return how much there is."""
        with self.reader() as connection:
            return Counts(*connection.execute(COUNTS).fetchone())

    def retired(self, session: str) -> list[str]:
        """Return the keys of a session's tombstones."""
        with self.reader() as connection:
            return [key for (key,) in connection.execute("SELECT blob_key FROM retired WHERE session = ?", (session,))]

    def is_retired(self, key: str) -> bool:
        """Whether a key has a tombstone."""
        with self.reader() as connection:
            return connection.execute("SELECT 1 FROM retired WHERE blob_key = ?", (key,)).fetchone() is not None

    # writing

    def _run(self, work: Callable[[_Transaction], Any]) -> Any:
        with _translated("writing the index"):
            return self._writer.run(work)

    def known_series(self, execute: Callable[..., sqlite3.Cursor]) -> dict[tuple[str, str], _Series]:
        """Return the cache of series, emptied if another process has written; for a transaction that holds the lock."""
        version = execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            self._known.clear()
            self._data_version = version
        return self._known

    def ingest(self, new: NewInstance, policy: DuplicatePolicy, *, session: str) -> tuple[Outcome, str | None]:
        """Index an instance; return its outcome, and the key of the object that it replaced."""
        result: tuple[Outcome, str | None] = self._run(lambda batch: self._ingest(batch, new, policy, session))
        return result

    def ingest_all(
        self, new: Sequence[tuple[NewInstance, DuplicatePolicy]], *, session: str
    ) -> list[tuple[Outcome, str | None]]:
        """Index instances in one transaction, as `ingest` does each: all of them or none."""
        result: list[tuple[Outcome, str | None]] = self._run(
            lambda batch: [self._ingest(batch, one, policy, session) for one, policy in new]
        )
        return result

    def _ingest(
        self, batch: _Transaction, new: NewInstance, policy: DuplicatePolicy, session: str
    ) -> tuple[Outcome, str | None]:
        series = batch.series(new.study_instance_uid, new.series_instance_uid)
        if series is not None and self._insert(batch, series, new):
            return Outcome.STORED, None
        row = batch.execute(
            "SELECT pk, blob_key FROM instance WHERE sop_instance_uid = ?", (new.sop_instance_uid,)
        ).fetchone()
        if row is None:  # so the series was not known
            self._insert(batch, self._add_series(batch, new), new)
            return Outcome.STORED, None
        if policy != DuplicatePolicy.REPLACE:
            return (Outcome.IGNORED if policy == DuplicatePolicy.IGNORE else Outcome.REJECTED), None
        pk, old = row
        _, parents = self._remove(batch, [pk], session)
        self._insert(batch, self._add_series(batch, new), new)
        batch.flush()
        _prune(batch, parents)
        return Outcome.REPLACED, old

    @staticmethod
    def _insert(batch: _Transaction, series: _Series, new: NewInstance) -> bool:
        """Insert an instance row, unless its UID is there."""
        inserted = batch.execute(
            INSERT_INSTANCE,
            (series.pk, new.sop_instance_uid, new.sop_class_uid, new.transfer_syntax_uid, new.instance_number, new.key,
             new.offset, new.length, new.sha256, new.received, new.attributes),
        ).rowcount  # fmt: skip
        if not inserted:
            return False
        batch.count(series)
        if new.sop_class_uid not in series.classes:
            batch.execute("INSERT OR IGNORE INTO study_sop_class VALUES (?, ?)", (series.study, new.sop_class_uid))
            batch.execute(RECOUNT["sop classes"], (series.study,))
            batch.new_classes.append((series, new.sop_class_uid))
        return True

    def _add_series(self, batch: _Transaction, new: NewInstance) -> _Series:
        """Find or make the rows that an instance hangs below."""
        parents = new.parents()
        execute = batch.execute
        study = execute(
            "SELECT pk, patient FROM study WHERE study_instance_uid = ?", (new.study_instance_uid,)
        ).fetchone()
        if study is None:
            patient_pk = self._patient(batch, new, parents)
            row = {**parents.study, "patient": patient_pk, "updated": _now()}
            study_pk = execute(INSERT_STUDY, row).lastrowid
            execute("UPDATE patient SET study_count = study_count + 1 WHERE pk = ?", (patient_pk,))
        else:
            study_pk, patient_pk = study
            _fill(batch, FILL_STUDY, study_pk, parents.study)
        found = execute(
            "SELECT pk FROM series WHERE study = ? AND series_instance_uid = ?", (study_pk, new.series_instance_uid)
        ).fetchone()
        if found is None:
            series_pk = execute(INSERT_SERIES, {**parents.series, "study": study_pk}).lastrowid
            execute("UPDATE study SET series_count = series_count + 1 WHERE pk = ?", (study_pk,))
            execute("UPDATE patient SET series_count = series_count + 1 WHERE pk = ?", (patient_pk,))
            execute(RECOUNT["modalities"], (study_pk,))
        else:
            series_pk = found[0]
        classes = {uid for (uid,) in execute("SELECT sop_class_uid FROM study_sop_class WHERE study = ?", (study_pk,))}
        series = _Series(int(series_pk or 0), int(study_pk or 0), patient_pk, classes)
        batch.added[_names(new)] = series
        return series

    @staticmethod
    def _patient(batch: _Transaction, new: NewInstance, parents: Parents) -> int:
        row = dict(parents.patient)
        anchor = "" if row["patient_id"] else new.study_instance_uid
        found = batch.execute(
            "SELECT pk FROM patient WHERE patient_id = ? AND issuer_of_patient_id = ? AND anchor = ?",
            (row["patient_id"], row["issuer_of_patient_id"], anchor),
        ).fetchone()
        if found is None:
            return int(batch.execute(INSERT_PATIENT, {**row, "anchor": anchor}).lastrowid or 0)
        pk = int(found[0])
        _fill(batch, FILL_PATIENT, pk, row)
        return pk

    def delete(self, level: str, unique: dict[str, Sequence[str]], *, session: str) -> Deletion:
        """Delete what unique keys name; the keys of its objects have tombstones until ``forget_retired``."""

        def work(batch: _Transaction) -> Deletion:
            @contextmanager
            def here() -> Iterator[sqlite3.Connection]:
                yield self._connection

            pks: list[int] = []
            for sql, parameters in locate_pages(here, level, unique):
                pks += [row[0] for row in batch.execute(sql, (*parameters, 0, -1))]
            keys, parents = self._remove(batch, pks, session)
            _prune(batch, parents)
            return Deletion(len(keys), tuple(keys))

        result: Deletion = self._run(work)
        return result

    def _remove(self, batch: _Transaction, pks: list[int], session: str) -> tuple[list[str], set[tuple[int, int, int]]]:
        """Remove instance rows; return the keys of their objects, and the series, study and patient of each."""
        batch.flush()
        batch.forget = True
        batch.added.clear()
        self._known.clear()
        keys: list[str] = []
        parents: set[tuple[int, int, int]] = set()
        for pk in pks:
            key, *above = batch.execute(
                "SELECT i.blob_key, e.pk, s.pk, s.patient FROM instance i JOIN series e ON e.pk = i.series "
                "JOIN study s ON s.pk = e.study WHERE i.pk = ?",
                (pk,),
            ).fetchone()
            keys.append(key)
            parents.add((above[0], above[1], above[2]))
            batch.execute("DELETE FROM instance WHERE pk = ?", (pk,))
            batch.execute("INSERT OR REPLACE INTO retired (blob_key, session) VALUES (?, ?)", (key, session))
        return keys, parents

    def forget_retired(self, keys: Sequence[str]) -> None:
        """Drop the tombstones of keys whose objects are gone."""
        if keys:
            self._run(lambda batch: [batch.execute("DELETE FROM retired WHERE blob_key = ?", (key,)) for key in keys])

    def close(self) -> None:
        """Close the connections; those lent out close when they come back."""
        with self._pool:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        with suppress(sqlite3.Error):
            self._connection.close()


def _prune(batch: _Transaction, parents: set[tuple[int, int, int]]) -> None:
    """Count again what lost an instance, and drop what has none left."""
    execute = batch.execute
    for series in {one[0] for one in parents}:
        execute(RECOUNT["series"], (series,))
        execute("DELETE FROM series WHERE pk = ? AND instance_count = 0", (series,))
    for study in {one[1] for one in parents}:
        for what in ("study", "modalities", "lost sop classes", "sop classes"):
            execute(RECOUNT[what], (study,))
        execute("DELETE FROM study WHERE pk = ? AND instance_count = 0", (study,))
    for patient in {one[2] for one in parents}:
        execute(RECOUNT["patient"], (patient,))
        execute("DELETE FROM patient WHERE pk = ? AND instance_count = 0", (patient,))


def _names(new: NewInstance) -> tuple[str, str]:
    return new.study_instance_uid, new.series_instance_uid


def _fill(batch: _Transaction, fill: Fill, pk: int, row: Any) -> None:
    """Fill in what a row has empty."""
    current = batch.execute(fill.select, (pk,)).fetchone()
    changed = False
    values: dict[str, Any] = {"pk": pk}
    for column, value in zip(fill.columns, current, strict=True):
        if column == "attributes":
            have = decode_attributes(value)
            more = {key: one for key, one in decode_attributes(row["attributes"]).items() if key not in have}
            values[column] = encode_attributes({**have, **more}) if more else value
        else:
            values[column] = row[column] if value == "" else value
        changed = changed or values[column] != value
    if changed:
        batch.execute(fill.update, values)


def _now() -> str:
    return f"{datetime.now(UTC):%Y%m%d%H%M%S.%f}"


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except PacsError:
        raise
    except sqlite3.Error as error:
        raise storage_error(error, doing) from error
