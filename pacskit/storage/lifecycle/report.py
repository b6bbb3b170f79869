"""What a cycle did, or would do."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Action", "Report", "TierStatus"]


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was to be done.

    ``what`` is ``recall``, ``move``, ``recompress`` or ``delete``; ``rule`` the policy; ``uid`` the SOP or Series
    Instance UID that is meant; ``outcome`` is ``done``, ``planned`` (by a dry run), ``skipped`` (somebody else was
    faster, or it is better as it is) or ``failed``, and ``error`` the kind of the error then.
    """

    what: str
    rule: str
    uid: str
    source: str
    target: str
    instances: int
    bytes: int
    outcome: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The actions of a cycle, and how many copies were swept away that nothing referred to."""

    dry_run: bool
    actions: tuple[Action, ...]
    swept: int = 0

    @property
    def failed(self) -> tuple[Action, ...]:
        """Those that failed."""
        return tuple(one for one in self.actions if one.outcome == "failed")

    def count(self, what: str = "", outcome: str = "") -> tuple[int, int]:
        """Return instances and bytes of the actions of a kind and an outcome; by default of all done or planned."""
        wanted = {outcome} if outcome else {"done", "planned"}
        found = [one for one in self.actions if one.outcome in wanted and what in ("", one.what)]
        return sum(one.instances for one in found), sum(one.bytes for one in found)

    def __str__(self) -> str:
        parts = []
        for what, word in (
            ("recall", "recalled"), ("move", "moved"), ("recompress", "recompressed"), ("delete", "deleted"),
        ):  # fmt: skip
            instances, size = self.count(what)
            if instances:
                parts.append(f"{instances} instances of {size} bytes {'would be ' * self.dry_run}{word}")
        if self.failed:
            parts.append(f"{len(self.failed)} actions failed")
        return "; ".join(parts) or "nothing to do"


@dataclass(frozen=True, slots=True)
class TierStatus:
    """How many instances of the archive are in a tier, and how many bytes; how many of them are wanted at home."""

    name: str
    instances: int
    bytes: int
    wanted: int = 0
