"""What is done to what is stored already, awaited: the verbs of `pacskit.facade.removing`, in threads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pacskit.core.enums import Level
from pacskit.network.aio_calls import Calls
from pacskit.storage import Removed, Swept
from pacskit.storage.corrections import Patient
from pacskit.storage.index.correcting import Correction
from pacskit.storage.provenance import Provenance

if TYPE_CHECKING:
    from pacskit.facade.archive import Archive

__all__ = ["Removing"]


class Removing:
    """The verbs of an archive that change what is there, as `pacskit.Archive` has them."""

    _archive: Archive
    _calls: Calls

    async def delete(
        self, level: Level | str, uids: str | Iterable[str], *, who: str = "", reason: str = "", **above: str
    ) -> int:
        """Delete patients, studies, series or instances; return how many instances that were."""
        archive = self._archive
        count: int = await self._calls.call(lambda: archive.delete(level, uids, who=who, reason=reason, **above))
        return count

    async def deleted(
        self, level: Level | str | None = None, uids: str | Iterable[str] = (), **above: str
    ) -> list[Removed]:
        """Return what has been deleted, replaced or rejected and can be restored."""
        found: list[Removed] = await self._calls.call(lambda: list(self._archive.deleted(level, uids, **above)))
        return found

    async def restore(
        self, level: Level | str | None = None, uids: str | Iterable[str] = (), *, ids: Iterable[int] = (), **above: str
    ) -> int:
        """Restore what was deleted or rejected, or versions by their ids; return how many instances that were."""
        count: int = await self._calls.call(lambda: self._archive.restore(level, uids, ids=ids, **above))
        return count

    async def sweep(self, now: datetime | None = None, *, dry_run: bool = False) -> Swept:
        """Remove for good what is due; return how much that was, or would be."""
        done: Swept = await self._calls.call(lambda: self._archive.sweep(now, dry_run=dry_run))
        return done

    async def reject(
        self, level: Level | str, uids: str | Iterable[str], reason: str, *, description: str = "", **above: str
    ) -> list[str]:
        """Make rejection notes (IHE IOCM), one for each study; return their SOP Instance UIDs."""
        archive = self._archive
        made: list[str] = await self._calls.call(
            lambda: archive.reject(level, uids, reason, description=description, **above)
        )
        return made

    async def merge_patients(
        self, source: str | tuple[str, str], into: Patient, *, who: str = "", reason: str = ""
    ) -> Correction:
        """Give all studies of a patient to another one, and those that come later."""
        archive = self._archive
        made: Correction = await self._calls.call(lambda: archive.merge_patients(source, into, who=who, reason=reason))
        return made

    async def move_study(
        self, study_uids: str | Sequence[str], to_patient: Patient, *, who: str = "", reason: str = ""
    ) -> Correction:
        """Give studies to another patient."""
        archive = self._archive
        made: Correction = await self._calls.call(
            lambda: archive.move_study(study_uids, to_patient, who=who, reason=reason)
        )
        return made

    async def undo(self, correction: int, *, who: str = "") -> Correction:
        """Take a correction back, named by its ``id``."""
        done: Correction = await self._calls.call(lambda: self._archive.undo(correction, who=who))
        return done

    async def provenance(self, sop_instance_uid: str) -> Provenance:
        """Return where an instance came from."""
        found: Provenance = await self._calls.call(self._archive.provenance, sop_instance_uid)
        return found
