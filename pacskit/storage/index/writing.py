"""What changes the index, in one transaction.

The counters of patients, studies and series, the modalities and SOP classes of a study change in the transaction that
changes the instances. Rows that several writers may want are touched in one order: series, studies, patients.

**Who is a patient.** Patient ID together with its issuer. Objects without a Patient ID are not merged: each of their
studies has a patient of its own (``anchor`` is then the Study Instance UID). A study belongs to the patient named by
its first object; what that object left empty is filled in from the first object of a later series.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from pacskit.storage.attributes import decode_attributes, encode_attributes
from pacskit.storage.index.changes import (
    CHANGES_TOPIC,
    INSTANCE_DELETED,
    INSTANCE_REPLACED,
    PATIENT_CHANGED,
    PATIENT_DELETED,
    PATIENT_NEW,
    SERIES_DELETED,
    SERIES_NEW,
    STUDY_NEW,
    Changes,
    Retention,
)
from pacskit.storage.index.correcting import merged_into
from pacskit.storage.index.dialect import Connection, Dialect
from pacskit.storage.index.frames import keep_frames
from pacskit.storage.index.holds import check_holds, is_held
from pacskit.storage.index.removing import DELETED, REPLACED, Removal, Why, moment, note_rejections, rejected, set_aside
from pacskit.storage.index.rows import (
    ADD_TO_PATIENT,
    ADD_TO_SERIES,
    ADD_TO_STUDY,
    FILL_PATIENT,
    FILL_STUDY,
    INSERT_INSTANCE,
    INSERT_PATIENT,
    INSERT_SERIES,
    INSERT_STUDY,
    PRUNE,
    RECOUNT,
    RETIRE,
    Fill,
)
from pacskit.storage.index.tags import note_new
from pacskit.storage.records import DuplicatePolicy, NewInstance, Outcome, Parents

__all__ = ["Conflict", "Ingestion", "Known", "MustBeAlone", "Offered", "Result", "Transaction"]

MAX_KNOWN = 20_000

Offered = tuple[NewInstance, DuplicatePolicy]
Result = tuple[Outcome, str | None]


class MustBeAlone(Exception):
    """The transaction removes something: it has to begin again while nobody else writes."""


class Conflict(Exception):
    """Another writer made what this one wanted to make: once again, and it is there."""


class _Series:
    """A series that exists, and the SOP classes its study is known to have."""

    __slots__ = ("classes", "patient", "pk", "study")

    def __init__(self, pk: int, study: int, patient: int, classes: set[str]) -> None:
        self.pk, self.study, self.patient, self.classes = pk, study, patient, classes


class Known(dict[tuple[str, str], _Series]):
    """The series that are certain to be there, by the UIDs of study and series."""


class Ingestion:
    """Instances to index; several at once go into one statement."""

    __slots__ = ("new", "session")

    def __init__(self, new: Sequence[Offered], session: str) -> None:
        self.new, self.session = new, session

    def __call__(self, batch: Transaction) -> list[Result]:
        """Do it alone."""
        return batch.ingest(self.new, self.session)


class Transaction:
    """What the jobs of one transaction share: counters not yet written, series not yet certain.

    ``alone``: nobody else writes, so rows may go. ``doubtful``: a transaction that nobody knows the end of may have
    brought some of these instances. ``tagged``: some attributes have been made searchable, and new instances are noted.
    What happens is noted in ``changes``; ``topics`` are what others are told of when it has been committed.
    """

    def __init__(
        self,
        connection: Connection,
        known: Known,
        *,
        alone: bool = True,
        doubtful: bool = False,
        tagged: bool = False,
        dialect: Dialect = Dialect.SQLITE,
        retention: Retention | None = None,
    ) -> None:
        self.connection = connection
        self.execute = connection.execute
        self.removed = False
        self.removal = Removal()
        self.rejecting = self.correcting = False  # whether there are rejection notes, and corrections
        self.changes = Changes()
        self.topics: set[str] = set()
        self._dialect = dialect
        self._retention = retention or Retention()
        self._known = known
        self._alone = alone
        self._doubtful = doubtful
        self.tagged = tagged
        self.noted: list[str] = []  # instances to look at for attributes that have been made searchable
        self._added: dict[tuple[str, str], _Series] = {}
        self._new_classes: list[tuple[_Series, str]] = []
        self._classes: set[tuple[int, str]] = set()  # of a study, not yet written
        self._counts: dict[int, int] = {}
        self._studies: dict[int, list[int]] = {}  # by key: how many series and instances more
        self._patients: dict[int, list[int]] = {}  # by key: how many studies, series and instances more
        self._modalities: set[int] = set()  # studies whose modalities may be others

    def run(self, works: Sequence[Callable[[Any], Any]]) -> list[Any]:
        """Do the work of jobs, in order; instances that are to be indexed with as few statements as can be."""
        results: list[Any] = []
        for session, group in groupby(works, lambda one: one.session if isinstance(one, Ingestion) else None):
            if session is None:
                results += [work(self) for work in group]
                continue
            several = [one for one in group if isinstance(one, Ingestion)]
            found = iter(self.ingest([each for one in several for each in one.new], session))
            results += [[next(found) for _ in one.new] for one in several]
        return results

    def announce(self, *topics: str) -> None:
        """Tell all processes that something of these topics has changed, when it has been committed."""
        self.topics.update(topics)

    # indexing

    def ingest(self, new: Sequence[Offered], session: str) -> list[Result]:
        """Index instances as if one after the other; return of each what became of it, and whose place it took."""
        results: list[Result] = [(Outcome.STORED, None)] * len(new)
        placed: list[tuple[int, _Series]] = []
        rows: list[tuple[Any, ...]] = []
        late: list[int] = []
        seen: set[str] = set()
        made: set[int] = set()
        there = self._keys([one.sop_instance_uid for one, _ in new]) if self._doubtful else {}
        for at, (one, _) in enumerate(new):
            uid = one.sop_instance_uid
            if there.get(uid) == one.key:
                continue
            series = self._series(one)
            if series is None:
                if uid in seen or self._find(uid) is not None:
                    late.append(at)  # may be a duplicate, which makes no series
                    continue
                series = self._add_series(one)
                made.add(series.pk)
            seen.add(uid)
            placed.append((at, series))
            rows.append(_row(series, one))
        if rows and self.connection.executemany(INSERT_INSTANCE, rows).rowcount != len(rows):
            there = self._keys(list(seen))
            late += [at for at, _ in placed if there.get(new[at][0].sop_instance_uid) != new[at][0].key]
            apart = set(late)
            placed = [one for one in placed if one[0] not in apart]
            if made - {series.pk for _, series in placed}:
                raise Conflict  # another writer brought the object for which a series has been made here
        keep_frames(self.connection, [new[at][0] for at, _ in placed])
        for at, series in placed:
            self._count(series, new[at][0].sop_class_uid)
        self.changes.stored([new[at][0] for at, _ in placed])
        if self.tagged:
            self.noted += [one.sop_instance_uid for one, _ in new]
        for at in sorted(late):
            results[at] = self._ingest_duplicate(*new[at], session)
        self._obey([one for (one, _), (outcome, _) in zip(new, results, strict=True)
                    if outcome in {Outcome.STORED, Outcome.REPLACED}], session)  # fmt: skip
        return results

    def _obey(self, new: Sequence[NewInstance], session: str) -> None:
        """Take away what rejection notes among new instances name, and what those name that came before."""
        if self.rejecting:
            received = {one.sop_instance_uid: one.received for one in new}
            for uid, (code, note) in rejected(self.connection, received, self.removal.refuse, received).items():
                found = self._find(uid)
                if found is not None:
                    self.take_away([found[0]], session, Why("rejected", note, code=code))
        for one in new:
            if one.note is not None and self.removal.notes:
                pks = note_rejections(self, one.note, one.sop_instance_uid, one.received)
                self.take_away(pks, session, Why("rejected", one.sop_instance_uid, code=one.note.code))

    def take_away(self, pks: list[int], session: str, why: Why) -> tuple[str, ...]:
        """Remove instances, and what they leave empty; return the keys of objects that are to go at once."""
        keys, parents = self.remove(pks, session, why)
        self.prune(parents)
        return tuple(keys)

    def _keys(self, uids: list[str]) -> dict[str, str]:
        found = self.execute(
            "SELECT sop_instance_uid, blob_key FROM instance"
            " WHERE sop_instance_uid IN (SELECT value FROM json_each(?))",
            (json.dumps(uids),),
        )
        return dict(found.fetchall())

    def _find(self, uid: str) -> tuple[int, str] | None:
        row: tuple[int, str] | None = self.execute(
            "SELECT pk, blob_key FROM instance WHERE sop_instance_uid = ?", (uid,)
        ).fetchone()
        return row

    def _ingest_duplicate(self, new: NewInstance, policy: DuplicatePolicy, session: str) -> Result:
        row = self._find(new.sop_instance_uid)
        if row is None:
            raise Conflict
        if policy != DuplicatePolicy.REPLACE:
            return (Outcome.IGNORED if policy == DuplicatePolicy.IGNORE else Outcome.REJECTED), None
        pk, _ = row
        keys, parents = self.remove([pk], session, REPLACED)
        series = self._add_series(new)
        self.execute(INSERT_INSTANCE, _row(series, new))
        keep_frames(self.connection, [new])
        self._count(series, new.sop_class_uid)
        study, uid = new.study_instance_uid, new.sop_instance_uid
        self.changes.note(INSTANCE_REPLACED, study=study, series=new.series_instance_uid, instances=[uid])
        self.changes.study_changed(study)
        self.write_counters()
        self.prune(parents)
        return Outcome.REPLACED, keys[0] if keys else None

    def _series(self, new: NewInstance) -> _Series | None:
        key = (new.study_instance_uid, new.series_instance_uid)
        return self._added.get(key) or self._known.get(key)

    def _count(self, series: _Series, sop_class: str) -> None:
        self._counts[series.pk] = self._counts.get(series.pk, 0) + 1
        self._studies.setdefault(series.study, [0, 0])[1] += 1
        self._patients.setdefault(series.patient, [0, 0, 0])[2] += 1
        if sop_class not in series.classes and (series.study, sop_class) not in self._classes:
            self._classes.add((series.study, sop_class))
            self._new_classes.append((series, sop_class))

    def _add_series(self, new: NewInstance) -> _Series:
        """Find or make the rows that an instance hangs below."""
        parents = new.parents()
        study_pk, patient_pk = self._study(new, parents)
        found = self.execute(
            "SELECT pk FROM series WHERE study = ? AND series_instance_uid = ?", (study_pk, new.series_instance_uid)
        ).fetchone()
        if found is None:
            found = self.execute(INSERT_SERIES, {**parents.series, "study": study_pk}).fetchone()
            if found is None:
                raise Conflict
            self._studies.setdefault(study_pk, [0, 0])[0] += 1
            self._patients.setdefault(patient_pk, [0, 0, 0])[1] += 1
            self._modalities.add(study_pk)
            modality = {"modality": str(parents.series.get("modality") or "")}
            self.changes.note(SERIES_NEW, study=new.study_instance_uid, series=new.series_instance_uid, detail=modality)
        rows = self.execute("SELECT sop_class_uid FROM study_sop_class WHERE study = ?", (study_pk,))
        series = _Series(found[0], study_pk, patient_pk, {uid for (uid,) in rows.fetchall()})
        self._added[new.study_instance_uid, new.series_instance_uid] = series
        return series

    def _study(self, new: NewInstance, parents: Parents) -> tuple[int, int]:
        found = self.execute(
            "SELECT pk, patient FROM study WHERE study_instance_uid = ?", (new.study_instance_uid,)
        ).fetchone()
        if found is not None:
            if self._fill(FILL_STUDY, found[0], parents.study):
                self.changes.study_changed(new.study_instance_uid)
            return int(found[0]), int(found[1])
        correction, row = 0, dict(parents.patient)
        if self.correcting:
            correction, row = merged_into(self, new.study_instance_uid, row)
        patient = self.patient(new.study_instance_uid, row)
        made = self.execute(INSERT_STUDY, {**parents.study, "patient": patient, "updated": _now()}).fetchone()
        if made is None:
            raise Conflict
        if correction:
            self.execute("UPDATE study SET correction = ? WHERE pk = ?", (correction, made[0]))
        self._patients.setdefault(patient, [0, 0, 0])[0] += 1
        self.changes.note(STUDY_NEW, patient=_identity(row), study=new.study_instance_uid)
        return int(made[0]), patient

    def patient(self, study_uid: str, row: dict[str, Any]) -> int:
        """Find or make the patient of a study; one without an ID is nobody else's."""
        anchor = "" if row["patient_id"] else study_uid
        found = self.execute(
            "SELECT pk FROM patient WHERE patient_id = ? AND issuer_of_patient_id = ? AND anchor = ?",
            (row["patient_id"], row["issuer_of_patient_id"], anchor),
        ).fetchone()
        if found is not None:
            if self._fill(FILL_PATIENT, found[0], row):
                self.changes.note(PATIENT_CHANGED, patient=_identity(row))
            return int(found[0])
        made = self.execute(INSERT_PATIENT, {**row, "anchor": anchor}).fetchone()
        if made is None:
            raise Conflict
        self.changes.note(PATIENT_NEW, patient=_identity(row))
        return int(made[0])

    def _fill(self, fill: Fill, pk: int, row: Any) -> bool:
        """Fill in what a row has empty; return whether there was something."""
        current = self.execute(fill.select, (pk,)).fetchone()
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
            self.execute(fill.update, values)
        return changed

    # removing

    def must_be_alone(self) -> None:
        """Begin again, unless nobody else writes."""
        if not self._alone:
            raise MustBeAlone

    def forget_known(self) -> None:
        """Begin to change what series hang below: what is known of them, here and elsewhere, is so no more."""
        self.must_be_alone()
        self.write_counters()
        self.removed = True
        self._added.clear()
        self._known.clear()

    def retire(self, key: str, session: str) -> None:
        """Set the tombstone of an object that is about to go."""
        self.execute(RETIRE, (key, session, _now()))

    def remove(self, pks: list[int], session: str, why: Why = DELETED) -> tuple[list[str], set[tuple[int, int, int]]]:
        """Remove instance rows; return the keys of objects that go at once, and series, study and patient of each."""
        self.forget_known()
        due = self.removal.due(why)
        if why.kind == "deleted":  # what else is set aside is kept while a hold is on it
            check_holds(self, pks)
        elif due is None and is_held(self, pks):
            due = moment()
        keys: list[str] = []
        parents: set[tuple[int, int, int]] = set()
        for pk in pks:
            key, *above, study, series, uid = self.execute(
                "SELECT i.blob_key, e.pk, s.pk, s.patient, s.study_instance_uid, e.series_instance_uid,"
                " i.sop_instance_uid FROM instance i JOIN series e ON e.pk = i.series "
                "JOIN study s ON s.pk = e.study WHERE i.pk = ?",
                (pk,),
            ).fetchone()
            self.changes.study_changed(study)
            if why.kind != "replaced":
                self.changes.note(INSTANCE_DELETED, study=study, series=series, instances=[uid])
            parents.add((above[0], above[1], above[2]))
            if due is None:
                keys.append(key)
                self.retire(key, session)
            else:
                set_aside(self, pk, why, due)
            self.execute("DELETE FROM instance WHERE pk = ?", (pk,))
        return keys, parents

    def prune(self, parents: set[tuple[int, int, int]]) -> None:
        """Count again what lost an instance, and drop what has none left."""
        execute = self.execute
        for series in {one[0] for one in parents}:
            execute(RECOUNT["series"], (series,))
            for uid, above in execute(PRUNE["series"], (series,)).fetchall():
                self.changes.note(SERIES_DELETED, study=above, series=uid)
        for study in {one[1] for one in parents}:
            for what in ("study", "modalities", "lost sop classes", "sop classes"):
                execute(RECOUNT[what], (study,))
            for uid, patient_id, issuer in execute(PRUNE["study"], (study,)).fetchall():
                self.changes.study_deleted(uid, (patient_id, issuer))
        for patient in {one[2] for one in parents}:
            execute(RECOUNT["patient"], (patient,))
            for identity in execute(PRUNE["patient"], (patient,)).fetchall():
                self.changes.note(PATIENT_DELETED, patient=tuple(identity))

    # the end

    def flush(self) -> None:
        """Write what has been gathered, and last the changes: from there on others wait for the end of this."""
        self.write_counters()
        if self.changes.write(self.connection, self._dialect, self._retention):
            self.topics.add(CHANGES_TOPIC)

    def write_counters(self) -> None:
        """Write the counters; from here on the rows of studies belong to this transaction."""
        many, now = self.connection.executemany, _now()
        if self.noted:
            note_new(self, self.noted)
        if self._counts:
            many(ADD_TO_SERIES, [(number, pk) for pk, number in sorted(self._counts.items())])
        if self._studies:
            many(ADD_TO_STUDY, [(*more, now, pk) for pk, more in sorted(self._studies.items())])
        if self._patients:
            many(ADD_TO_PATIENT, [(*more, pk) for pk, more in sorted(self._patients.items())])
        for study in sorted(self._modalities):
            self.execute(RECOUNT["modalities"], (study,))
        if self._classes:
            many("INSERT INTO study_sop_class (study, sop_class_uid) VALUES (?, ?) ON CONFLICT DO NOTHING",
                 sorted(self._classes))  # fmt: skip
            for study in sorted({study for study, _ in self._classes}):
                self.execute(RECOUNT["sop classes"], (study,))
        self._counts, self._studies, self._patients = {}, {}, {}
        self._modalities, self._classes = set(), set()

    def committed(self) -> None:
        """Remember the series that are now there."""
        known = self._known
        if self.removed or len(known) + len(self._added) > MAX_KNOWN:
            known.clear()
        if not self.removed:
            known.update(self._added)
            for series, uid in self._new_classes:
                series.classes.add(uid)


def _identity(row: dict[str, Any]) -> tuple[str, str]:
    return str(row["patient_id"]), str(row["issuer_of_patient_id"])


def _row(series: _Series, new: NewInstance) -> tuple[Any, ...]:
    return (
        series.pk, new.sop_instance_uid, new.sop_class_uid, new.transfer_syntax_uid, new.instance_number, new.key,
        new.offset, new.length, new.sha256, new.received, new.attributes, new.source,
    )  # fmt: skip


def _now() -> str:
    return f"{datetime.now(UTC):%Y%m%d%H%M%S.%f}"
