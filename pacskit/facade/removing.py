"""What is done to what is stored already: deleted, restored, rejected, given to another patient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pacskit.core.enums import Level
from pacskit.core.errors import ConfigurationError
from pacskit.facade.identifiers import UNIQUE_KEYS
from pacskit.storage import Removed, Swept
from pacskit.storage.corrections import Patient
from pacskit.storage.index.correcting import Correction
from pacskit.storage.provenance import Derivation, Provenance, derive, provenance_of

if TYPE_CHECKING:
    from pacskit.storage import Store
    from pacskit.storage.quarantine import Quarantine

__all__ = ["Removing"]

_KEYWORDS: Final = frozenset(UNIQUE_KEYS.values())


def _unique(level: Level | str, uids: str | Iterable[str], above: dict[str, str]) -> dict[str, Sequence[str]]:
    """Return unique keys by their keywords."""
    if unknown := sorted(set(above) - _KEYWORDS):
        raise ConfigurationError(f"what is above a level is named by its unique keys, not by {', '.join(unknown)}")
    named: dict[str, Sequence[str]] = {keyword: [value] for keyword, value in above.items()}
    named[UNIQUE_KEYS[Level(level)]] = [uids] if isinstance(uids, str) else list(uids)
    return named


class Removing:
    """The verbs of an archive that change what is there. Keys above the level narrow what its own keys name."""

    _store: Store

    def delete(
        self, level: Level | str, uids: str | Iterable[str], *, who: str = "", reason: str = "", **above: str
    ) -> int:
        """Delete patients, studies, series or instances; return how many instances that were.

        They are invisible at once, and can be restored until the grace of the settings is over; `sweep` removes them
        then.
        """
        return self._store.removals.delete(Level(level), _unique(level, uids, above), who=who, reason=reason)

    def deleted(
        self, level: Level | str | None = None, uids: str | Iterable[str] = (), **above: str
    ) -> Iterator[Removed]:
        """Iterate over what has been deleted, replaced or rejected and can be restored."""
        if level is None:
            return self._store.removals.listed()
        return self._store.removals.listed(Level(level), _unique(level, uids, above))

    def restore(
        self, level: Level | str | None = None, uids: str | Iterable[str] = (), *, ids: Iterable[int] = (), **above: str
    ) -> int:
        """Restore what was deleted or rejected; return how many instances that were.

        A version that was replaced is named by the ``id`` that `deleted` has for it, and takes the other one's place.
        Where an instance has come anew meanwhile it stays.
        """
        if level is None:
            return self._store.removals.restore("ALL", None, *ids)
        return self._store.removals.restore(Level(level), _unique(level, uids, above), *ids)

    def sweep(self, now: datetime | None = None, *, dry_run: bool = False) -> Swept:
        """Remove for good what is due (``now`` is the moment to go by); return how much that was, or would be."""
        return self._store.removals.sweep(now, dry_run=dry_run)

    def reject(
        self, level: Level | str, uids: str | Iterable[str], reason: str, *, description: str = "", **above: str
    ) -> list[str]:
        """Make rejection notes (IHE IOCM), one for each study; return their SOP Instance UIDs.

        ``reason`` is ``quality``, ``patient safety``, ``worklist`` or ``retention``, or the title's code of DCM. The
        notes are stored, and obeyed as those that others send: by default what they name is hidden.
        """
        store = self._store
        store.catch_up()
        found = list(store.index.locate(Level(level), _unique(level, uids, above)))
        made = store.removals.reject(found, reason, description)
        return [one.instance.sop_instance_uid for one in made if one.instance is not None]

    @property
    def quarantine(self) -> Quarantine | None:
        """What was sent and could not be taken; None where the settings keep none (``quarantine_bytes=0``)."""
        return self._store.quarantine

    # Where instances come from

    def provenance(self, sop_instance_uid: str) -> Provenance:
        """Return who sent an instance, when, its SHA-256, its corrections, and what was made of what.

        Raises InstanceNotFound.
        """
        return provenance_of(self._store, sop_instance_uid)

    def derive(
        self, sop_instance_uid: str, parent_uid: str, kind: str, *, who: str = "", **parameters: str | float | bool
    ) -> bool:
        """Record that an instance was made of another one; return False where that is on record already.

        ``kind`` is a word for how: ``transcoded``, ``coerced``, ``de-identified``, ``recompressed``.
        """
        return derive(self._store, Derivation(sop_instance_uid, parent_uid, kind, who=who, parameters=parameters))

    # Corrections

    def merge_patients(
        self, source: str | tuple[str, str], into: Patient, *, who: str = "", reason: str = ""
    ) -> Correction:
        """Give all studies of a patient to another one, and those that come later.

        Patients are named by ID, by ID and issuer, or by attributes, who need not be known yet. The objects stay as
        they are; answers, and what is retrieved, name the other patient.
        """
        store = self._store
        return store.corrections.get(store.corrections.merge(source, into, who=who, reason=reason))

    def move_study(
        self, study_uids: str | Sequence[str], to_patient: Patient, *, who: str = "", reason: str = ""
    ) -> Correction:
        """Give studies to another patient, named as for `merge_patients`."""
        store = self._store
        return store.corrections.get(store.corrections.move(study_uids, to_patient, who=who, reason=reason))

    def corrections(self, study_uid: str | None = None) -> list[Correction]:
        """Return what has been merged and moved, the last one first."""
        return self._store.corrections.listed(study_uid)

    def undo(self, correction: int, *, who: str = "") -> Correction:
        """Take a correction back, named by its ``id``; later ones of the same studies come before."""
        return self._store.corrections.undo(correction, who=who)
