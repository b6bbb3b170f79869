"""Where an instance came from, and what was made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pacskit.core.errors import InstanceNotFound
from pacskit.storage.index.correcting import Correction, list_corrections
from pacskit.storage.index.removing import moment
from pacskit.storage.text import clean

if TYPE_CHECKING:
    from pacskit.storage.index.dialect import Connection
    from pacskit.storage.index.writing import Transaction
    from pacskit.storage.store import Store

__all__ = ["Derivation", "Provenance", "derive", "provenance_of"]


@dataclass(frozen=True, slots=True)
class Derivation:
    """An instance that was made of another one: how (``transcoded``, ``de-identified`` …), and with what parameters."""

    sop_instance_uid: str
    parent_uid: str
    kind: str
    moment: str = ""
    who: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who sent an instance, when, and what its data set was then; what it was made of, and what of it.

    ``sha256`` is that of the data set as it was received, apart from the File Meta Information; None where the settings
    keep none. ``calling`` and ``called`` are AE titles. ``state`` is ``stored``, or why it is not: ``deleted``,
    ``replaced``, ``rejected``.
    """

    sop_instance_uid: str
    state: str
    received: str
    calling: str
    called: str
    host: str
    transfer_syntax_uid: str
    length: int
    sha256: str | None
    corrections: tuple[Correction, ...] = ()
    parents: tuple[Derivation, ...] = ()
    children: tuple[Derivation, ...] = ()


_COLUMNS = "received, source, transfer_syntax_uid, data_length, sha256"


def provenance_of(store: Store, uid: str) -> Provenance:
    """Return where an instance came from. Raises InstanceNotFound for one that is not here, and not removed either."""
    store.catch_up()
    with store.index.reader() as connection:
        row = connection.execute(
            "SELECT i.received, i.source, i.transfer_syntax_uid, i.data_length, i.sha256, s.study_instance_uid"
            " FROM instance i JOIN series e ON e.pk = i.series JOIN study s ON s.pk = e.study"
            " WHERE i.sop_instance_uid = ?",
            (uid,),
        ).fetchone()
        state = "stored"
        if row is None:
            sql = f"SELECT {_COLUMNS}, study_instance_uid, kind FROM removed WHERE sop_instance_uid = ?"
            found = connection.execute(f"{sql} ORDER BY pk DESC LIMIT 1", (uid,)).fetchone()
            if found is None:
                raise InstanceNotFound(uid)
            *row, state = found
        received, source, syntax, length, digest, study = row
        calling, called, host = [*source.split("\\"), "", "", ""][:3]
        return Provenance(
            uid, state, received, calling, called, host, syntax, length,
            None if digest is None else bytes(digest).hex(),
            tuple(list_corrections(connection, study)),
            _derivations(connection, "sop_instance_uid", uid),
            _derivations(connection, "parent_uid", uid),
        )  # fmt: skip


def _derivations(connection: Connection, column: str, uid: str) -> tuple[Derivation, ...]:
    sql = f"SELECT sop_instance_uid, parent_uid, kind, moment, who, parameters FROM derivation WHERE {column} = ?"
    rows = connection.execute(f"{sql} ORDER BY pk", (uid,)).fetchall()
    return tuple(
        Derivation(child, parent, kind, when, who, json.loads(parameters))
        for child, parent, kind, when, who, parameters in rows
    )


def derive(store: Store, made: Derivation) -> bool:
    """Record a derivation; return False where it is on record already, whoever did it."""
    parameters = json.dumps(dict(made.parameters), sort_keys=True)
    values = (clean(made.sop_instance_uid), clean(made.parent_uid), clean(made.kind))

    def work(batch: Transaction) -> bool:
        known = batch.execute(
            "SELECT 1 FROM derivation WHERE sop_instance_uid = ? AND parent_uid = ? AND kind = ? AND parameters = ?",
            (*values, parameters),
        ).fetchone()
        if known is None:
            batch.execute(
                "INSERT INTO derivation (sop_instance_uid, parent_uid, kind, moment, who, parameters)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (*values, made.moment or moment(), clean(made.who), parameters),
            )
        return known is None

    return bool(store.index.run(work))
