"""Legal holds, put on and taken off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from pacskit.core.errors import ConfigurationError
from pacskit.storage.entities import LegalHold
from pacskit.storage.index.collection import Collection
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.text import clean

__all__ = ["Holds"]


class Holds:
    """The legal holds of an archive. What one is on is not deleted: that raises UnderHold.

    What is replaced meanwhile is set aside, and can be restored as long as the hold is on.
    """

    def __init__(self, index: SqlIndex) -> None:
        self._records = Collection(index, LegalHold)

    def put(self, *, study_uid: str = "", patient_id: str = "", reason: str = "", by: str = "") -> LegalHold:
        """Hold a study, or everything of a patient; a hold that is there already is written anew."""
        key = self._key(study_uid, patient_id)
        since = f"{datetime.now(UTC):%Y%m%d%H%M%S.%f}"
        made = LegalHold(key, clean(study_uid), clean(patient_id), clean(reason), clean(by), since)
        self._records.put(made)
        return made

    def release(self, *, study_uid: str = "", patient_id: str = "") -> bool:
        """Take a hold off; return whether there was one."""
        return self._records.delete(self._key(study_uid, patient_id))

    @staticmethod
    def _key(study_uid: str, patient_id: str) -> str:
        if bool(study_uid) == bool(patient_id):
            raise ConfigurationError("a hold is on a study or on a patient")
        return f"study {clean(study_uid)}" if study_uid else f"patient {clean(patient_id)}"

    def __iter__(self) -> Iterator[LegalHold]:
        after = ""
        while some := self._records.list(after=after):
            for one in some:
                yield one.record
            after = some[-1].record.id
