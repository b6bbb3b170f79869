"""Functional groups of multi-frame objects: what is said of one frame, or of all of them (PS3.3 C.7.6.16).

>>> from pacskit import Dataset
>>> shared = Dataset(PixelMeasuresSequence=[Dataset(SliceThickness=2)])
>>> ds = Dataset(NumberOfFrames=2, SharedFunctionalGroupsSequence=[shared])
>>> functional_groups(ds, 1).value("PixelMeasuresSequence", "SliceThickness")
2
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import tag_for
from pacskit.core.errors import DecodeError
from pacskit.encoding.attributes import integer, items

__all__ = ["FunctionalGroups", "functional_groups", "is_enhanced", "number_of_frames"]


class FunctionalGroups:
    """The functional group macros of one frame: its own first, then those that all frames share."""

    __slots__ = ("_dataset", "_levels", "frame")

    def __init__(self, dataset: Dataset, levels: tuple[Dataset, ...], frame: int) -> None:
        self._dataset = dataset
        self._levels = levels
        self.frame = frame

    def __contains__(self, sequence: str) -> bool:
        return self.get(sequence) is not None

    def __getitem__(self, sequence: str) -> Dataset:
        found = self.get(sequence)
        if found is None:
            raise KeyError(sequence)
        return found

    def __iter__(self) -> Iterator[str]:
        """The keywords of the sequences that apply to the frame."""
        seen = set()
        for level in self._levels:
            for element in level:
                if element.VR == "SQ" and element.keyword and element.keyword not in seen:
                    seen.add(element.keyword)
                    yield element.keyword

    def get(self, sequence: str) -> Dataset | None:
        """The first item of a functional group sequence, the frame's before the shared; None where there is none."""
        found = self.items(sequence)
        return found[0] if found else None

    def items(self, sequence: str) -> tuple[Dataset, ...]:
        """All items of a functional group sequence."""
        for level in self._levels:
            found = items(level, sequence)
            if found:
                return found
        return ()

    def value(self, sequence: str, keyword: str, default: Any = None) -> Any:
        """An attribute of a functional group, else that of the data set itself, else ``default``."""
        found = self.get(sequence)
        for place in (found, self._dataset):
            if place is not None:
                value = place.get(keyword)
                if value is not None:
                    return value
        return default

    def holder(self, sequence: str, keyword: str) -> Dataset:
        """Where an attribute is to be read: the item that has it, else the data set."""
        found = self.get(sequence)
        return found if found is not None and keyword in found else self._dataset


def is_enhanced(ds: Dataset) -> bool:
    """Whether the data set describes its frames in functional groups."""
    return "SharedFunctionalGroupsSequence" in ds or "PerFrameFunctionalGroupsSequence" in ds


def number_of_frames(ds: Dataset) -> int:
    """Number of Frames, 1 where it is absent."""
    found = integer(ds, "NumberOfFrames")
    if found is not None and found < 0:
        raise DecodeError(f"Number of Frames is {found}", tag=tag_for("NumberOfFrames"))
    return found or 1


def functional_groups(ds: Dataset, frame: int = 0) -> FunctionalGroups:
    """The functional groups of a frame, numbered from 0; for an object without any, those are empty.

    Raises IndexError for a frame that there is not, DecodeError where the frame has no item although others do.
    """
    count = number_of_frames(ds)
    if not 0 <= frame < count:
        raise IndexError(f"there are {count} frames")
    levels: list[Dataset] = []
    own = items(ds, "PerFrameFunctionalGroupsSequence")
    if own and frame >= len(own):
        raise DecodeError(
            f"{len(own)} items of functional groups for {count} frames", tag=tag_for("PerFrameFunctionalGroupsSequence")
        )
    if own:
        levels.append(own[frame])
    levels += items(ds, "SharedFunctionalGroupsSequence")[:1]
    return FunctionalGroups(ds, tuple(levels), frame)
