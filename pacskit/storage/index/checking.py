"""Questions that those ask who check the index against the objects, and count again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from pacskit.storage.index.dialect import Connection
from pacskit.storage.index.locate import locate_pages
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.writing import Transaction
from pacskit.storage.records import StoredInstance

__all__ = [
    "Miscounted",
    "count_on",
    "gather_again",
    "has_object",
    "instance_pages",
    "known_keys",
    "miscounted",
    "recount",
    "removed_count",
    "removed_pages",
]

_STEP: Final = 10_000  # rows that one statement looks at, so that none lasts long

_KNOWN: Final = (
    "SELECT blob_key FROM instance WHERE blob_key IN (SELECT value FROM json_each(?))"
    " UNION ALL SELECT blob_key FROM removed WHERE blob_key IN (SELECT value FROM json_each(?))"
    " UNION ALL SELECT blob_key FROM retired WHERE blob_key IN (SELECT value FROM json_each(?))"
)

_WRONG: Final = {
    "series": """
        SELECT e.pk FROM series e WHERE e.pk > ? AND e.pk <= ? AND (e.instance_count = 0
            OR e.instance_count <> (SELECT count(*) FROM instance i WHERE i.series = e.pk))
    """,
    "study": """
        SELECT s.pk FROM study s WHERE s.pk > ? AND s.pk <= ? AND (s.instance_count = 0
            OR s.series_count <> (SELECT count(*) FROM series e WHERE e.study = s.pk)
            OR s.instance_count <> (SELECT count(*) FROM instance i JOIN series e ON e.pk = i.series
                WHERE e.study = s.pk)
            OR s.modalities_in_study <> (SELECT coalesce(group_concat(modality, '\\'), '') FROM
                (SELECT DISTINCT modality FROM series x WHERE x.study = s.pk AND modality <> '' ORDER BY modality)
                AS found)
            OR s.sop_classes_in_study <> (SELECT coalesce(group_concat(sop_class_uid, '\\'), '') FROM
                (SELECT DISTINCT i.sop_class_uid FROM instance i JOIN series e ON e.pk = i.series
                WHERE e.study = s.pk ORDER BY 1) AS found))
    """,
    "patient": """
        SELECT p.pk FROM patient p WHERE p.pk > ? AND p.pk <= ? AND (p.instance_count = 0
            OR p.study_count <> (SELECT count(*) FROM study s WHERE s.patient = p.pk)
            OR p.series_count <> (SELECT count(*) FROM series e JOIN study s ON s.pk = e.study WHERE s.patient = p.pk)
            OR p.instance_count <> (SELECT count(*) FROM instance i JOIN series e ON e.pk = i.series
                JOIN study s ON s.pk = e.study WHERE s.patient = p.pk))
    """,
}

_BELOW: Final = {
    "series": (
        "SELECT e.pk, s.pk, s.patient FROM series e JOIN study s ON s.pk = e.study"
        " WHERE e.pk IN (SELECT CAST(value AS bigint) FROM json_each(?))"
    ),
    "study": (
        "SELECT coalesce(e.pk, -1), s.pk, s.patient FROM study s LEFT JOIN series e ON e.study = s.pk"
        " WHERE s.pk IN (SELECT CAST(value AS bigint) FROM json_each(?))"
    ),
    "patient": (
        "SELECT coalesce(e.pk, -1), coalesce(s.pk, -1), p.pk FROM patient p LEFT JOIN study s ON s.patient = p.pk"
        " LEFT JOIN series e ON e.study = s.pk WHERE p.pk IN (SELECT CAST(value AS bigint) FROM json_each(?))"
    ),
}
_LAST: Final = {
    "series": "SELECT coalesce(max(pk), 0) FROM series",
    "study": "SELECT coalesce(max(pk), 0) FROM study",
    "patient": "SELECT coalesce(max(pk), 0) FROM patient",
}


_REMOVED_PAGE: Final = (
    "SELECT pk, patient_id, study_instance_uid, series_instance_uid, sop_instance_uid, sop_class_uid,"
    " transfer_syntax_uid, blob_key, data_offset, data_length, sha256 FROM removed WHERE pk > ? ORDER BY pk LIMIT ?"
)
_HAS_OBJECT: Final = " UNION ALL ".join(
    f"SELECT 1 FROM {table} WHERE blob_key = ? AND sop_instance_uid = ? AND data_offset = ? AND data_length = ?"
    for table in ("instance", "removed")
)


class Miscounted(NamedTuple):
    """A row whose counters, modalities or SOP classes are not those of what is below it."""

    level: str
    pk: int


def instance_pages(index: SqlIndex, after: int, size: int) -> Iterator[list[tuple[int, StoredInstance]]]:
    """Iterate over all instances and their numbers in pages; nothing is held between two of them."""
    ((sql, parameters),) = locate_pages(index.reader, "ALL", {})
    while True:
        with index.reader() as connection:
            rows = connection.execute(sql, (*parameters, after, size)).fetchall()
        if not rows:
            return
        after = rows[-1][0]
        yield [(row[0], StoredInstance(*row[1:])) for row in rows]


def removed_pages(index: SqlIndex, after: int, size: int) -> Iterator[list[tuple[int, StoredInstance]]]:
    """Iterate as `instance_pages` does over those that were removed and may come back."""
    while True:
        with index.reader() as connection:
            rows = connection.execute(_REMOVED_PAGE, (after, size)).fetchall()
        if not rows:
            return
        after = rows[-1][0]
        yield [(row[0], StoredInstance(*row[1:])) for row in rows]


def removed_count(index: SqlIndex) -> int:
    """Return how many they are."""
    with index.reader() as connection:
        return int(connection.execute("SELECT count(*) FROM removed").fetchone()[0])


def has_object(index: SqlIndex, instance: StoredInstance) -> bool:
    """Whether an object is still one that was removed and may come back, or has come back."""
    facts = (instance.key, instance.sop_instance_uid, instance.offset, instance.length)
    with index.reader() as connection:
        return connection.execute(_HAS_OBJECT, facts * 2).fetchone() is not None


def known_keys(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Return those of some keys that an instance has, one that was removed and may come back, or a tombstone."""
    named = json.dumps(list(keys))
    return {key for (key,) in connection.execute(_KNOWN, (named,) * 3).fetchall()}


def miscounted(index: SqlIndex) -> Iterator[Miscounted]:
    """Iterate over the rows that have to be counted again."""
    for level, sql in _WRONG.items():
        with index.reader() as connection:
            (last,) = connection.execute(_LAST[level]).fetchone()
        for begin in range(0, last, _STEP):
            with index.reader() as connection:
                rows = connection.execute(sql, (begin, begin + _STEP)).fetchall()
            for (pk,) in rows:
                yield Miscounted(level, pk)


def recount(index: SqlIndex, rows: Iterable[Miscounted]) -> None:
    """Count rows again, and what is above them; one that has nothing below it goes."""
    wanted = list(rows)

    def work(batch: Transaction) -> None:
        batch.forget_known()
        parents: set[tuple[int, int, int]] = set()
        for level, sql in _BELOW.items():
            pks = json.dumps([str(one.pk) for one in wanted if one.level == level])
            parents.update((row[0], row[1], row[2]) for row in batch.execute(sql, (pks,)).fetchall())
        execute = batch.execute
        for study in {one[1] for one in parents}:  # what a study's row says of SOP classes comes from this table
            execute(_MISSING_CLASSES, (study,))
        batch.prune(parents)

    index.run_alone(work)


def count_on(index: SqlIndex) -> None:
    """Have changes numbered on from the last one, in an index whose rows have come from another one."""
    index.run_alone(lambda batch: batch.execute(_LAST_CHANGE).rowcount)


_LAST_CHANGE: Final = "UPDATE state SET value = (SELECT coalesce(max(last), 0) FROM change) WHERE name = 'change'"


def gather_again(index: SqlIndex) -> None:
    """Have the values of attributes that have been made searchable gathered from the first row on."""

    def work(batch: Transaction) -> None:
        for level, sql in _ANEW.items():
            batch.execute(sql, (level,))

    index.run_alone(work)


_ANEW: Final = {
    level: f"UPDATE tag SET position = 0, done = 0, ready = 0, last = (SELECT coalesce(max(pk), 0) FROM {table}),"
    f" total = (SELECT count(*) FROM {table}) WHERE level = ?"
    for level, table in (("PATIENT", "patient"), ("STUDY", "study"), ("SERIES", "series"), ("IMAGE", "instance"))
}
_MISSING_CLASSES: Final = (
    "INSERT INTO study_sop_class (study, sop_class_uid) SELECT DISTINCT e.study, i.sop_class_uid FROM instance i"
    " JOIN series e ON e.pk = i.series WHERE e.study = ? ON CONFLICT DO NOTHING"
)
