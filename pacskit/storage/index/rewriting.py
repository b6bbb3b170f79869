"""The row of an instance whose object has been written anew: the same instance, in another transfer syntax."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pacskit.storage.index.changes import INSTANCE_REPLACED
from pacskit.storage.index.frames import keep_frames
from pacskit.storage.index.holds import check_holds
from pacskit.storage.index.removing import Why, set_aside

if TYPE_CHECKING:
    from pacskit.storage.index.repository import SqlIndex
    from pacskit.storage.index.writing import Transaction
    from pacskit.storage.records import NewInstance, StoredInstance

__all__ = ["RECOMPRESSION", "Rewritten", "received_digest", "rewrite"]

RECOMPRESSION: Final = "recompression"
_UPDATE: Final = (
    "UPDATE instance SET transfer_syntax_uid = ?, blob_key = ?, data_offset = ?, data_length = ?, sha256 = ?,"
    " attributes = ? WHERE pk = ?"
)
_DERIVED: Final = (
    "INSERT INTO derivation (sop_instance_uid, parent_uid, kind, moment, who, parameters) VALUES (?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What became of it: whether the row is the new one, and whether the old object is to go at once."""

    done: bool
    goes: bool


def rewrite(
    batch: Transaction, old: StoredInstance, new: NewInstance, said: Mapping[str, Any], session: str
) -> Rewritten:
    """Give an instance its new object; ``said`` is what is to be known of that. The old object is set aside or retired.

    Nothing happens where the instance has another object than ``old`` by now. Raises UnderHold.
    """
    batch.must_be_alone()
    row = batch.execute(
        "SELECT pk FROM instance WHERE sop_instance_uid = ? AND blob_key = ?", (old.sop_instance_uid, old.key)
    ).fetchone()
    if row is None:
        return Rewritten(False, False)
    why = Why("replaced", reason=RECOMPRESSION)
    due = batch.removal.due(why)
    if due is None:
        check_holds(batch, [row[0]])
        batch.retire(old.key, session)
    else:
        set_aside(batch, row[0], why, due)
    batch.execute("DELETE FROM frame_table WHERE instance = ?", (row[0],))
    batch.execute(
        _UPDATE, (new.transfer_syntax_uid, new.key, new.offset, new.length, new.sha256, new.attributes, row[0])
    )
    keep_frames(batch.connection, [new])
    now = f"{datetime.now(UTC):%Y%m%d%H%M%S.%f}"
    uid = new.sop_instance_uid
    batch.execute(_DERIVED, (uid, uid, RECOMPRESSION, now, "", json.dumps(dict(said))))
    batch.changes.note(INSTANCE_REPLACED, study=new.study_instance_uid, series=new.series_instance_uid, instances=[uid])
    batch.changes.study_changed(new.study_instance_uid)
    return Rewritten(True, due is None)


def received_digest(index: SqlIndex, sop_instance_uid: str) -> bytes | None:
    """Return the SHA-256 of the data set that was received, also where it has been recompressed since."""
    sql = "SELECT parameters FROM derivation WHERE sop_instance_uid = ? AND kind = ? ORDER BY pk LIMIT 1"
    with index.reader() as connection:
        row = connection.execute(sql, (sop_instance_uid, RECOMPRESSION)).fetchone()
    if row is not None:
        return bytes.fromhex(json.loads(row[0])["sha256"])
    found = index.get(sop_instance_uid)
    return None if found is None else found.sha256
