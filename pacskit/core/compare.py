"""What differs between two data sets, and how to bring them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pacskit.core.errors import PacsError
from pacskit.core.paths import name_of

if TYPE_CHECKING:
    from pacskit.core.dataset import Dataset
    from pacskit.core.element import DataElement

__all__ = ["Change", "ChangeKind", "Conflict", "MergeConflict", "diff", "merge"]


class ChangeKind(StrEnum):
    """What happened to an element, or to an item, from the first data set to the second."""

    ADDED = "+"
    REMOVED = "-"
    CHANGED = "!"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``before`` and ``after`` are elements, or items where the number of items differs."""

    kind: ChangeKind
    path: str
    before: DataElement | Dataset | None
    after: DataElement | Dataset | None

    def __str__(self) -> str:
        lines = []
        for sign, side in (("-", self.before), ("+", self.after)):
            if side is not None:
                text = str(side).replace("\n", f"\n{sign}   ")
                lines.append(f"{sign} {self.path}: {text}")
        return "\n".join(lines)


def diff(before: Dataset, after: Dataset, prefix: str = "") -> Iterator[Change]:
    """Iterate over the differences in ascending order, sequences item by item. Equal values in another VR differ."""
    for tag in sorted({*before.tags(), *after.tags()}):
        old: DataElement | None = before.get(tag)
        new: DataElement | None = after.get(tag)
        one = old if old is not None else new
        if one is None:
            continue
        path = prefix + name_of(one.tag)
        if old is None or new is None:
            yield Change(ChangeKind.ADDED if old is None else ChangeKind.REMOVED, path, old, new)
        elif old.VR == "SQ" and new.VR == "SQ":
            yield from _diff_items(old, new, path)
        elif old != new:
            yield Change(ChangeKind.CHANGED, path, old, new)


def _diff_items(old: DataElement, new: DataElement, path: str) -> Iterator[Change]:
    both = min(len(old.value), len(new.value))
    for index in range(both):
        yield from diff(old.value[index], new.value[index], f"{path}[{index}].")
    for index in range(both, len(old.value)):
        yield Change(ChangeKind.REMOVED, f"{path}[{index}]", old.value[index], None)
    for index in range(both, len(new.value)):
        yield Change(ChangeKind.ADDED, f"{path}[{index}]", None, new.value[index])


class Conflict(StrEnum):
    """What merging does with an attribute that both have with different values."""

    ERROR = "error"
    OURS = "ours"
    THEIRS = "theirs"


class MergeConflict(PacsError, ValueError):
    """Two data sets disagree; ``changes`` are the differences."""

    def __init__(self, changes: list[Change]) -> None:
        super().__init__(f"the data sets disagree about {', '.join(change.path for change in changes[:5])}")
        self.changes = changes


def merge(ours: Dataset, theirs: Dataset, conflict: Conflict | str = Conflict.ERROR) -> list[Change]:
    """Take into ``ours`` what only ``theirs`` has, sequences as a whole; return the differences that were decided.

    Raises MergeConflict, with nothing taken, when the policy is to raise and the data sets disagree.
    """
    policy = Conflict(conflict)
    decided = []
    taken = []
    for element in theirs:
        if element.tag not in ours:
            taken.append(element)
        elif ours[element.tag] != element:
            path = name_of(element.tag)
            decided.append(Change(ChangeKind.CHANGED, path, ours[element.tag], element))
            if policy is Conflict.THEIRS:
                taken.append(element)
    if decided and policy is Conflict.ERROR:
        raise MergeConflict(decided)
    for element in taken:
        ours.add(element.twin())
    return decided
