"""Paths to elements inside sequences: ``ReferencedSeriesSequence[0].SeriesInstanceUID``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pacskit.core.tag import Tag

if TYPE_CHECKING:
    from pacskit.core.dataset import Dataset
    from pacskit.core.element import DataElement

__all__ = ["Step", "assign", "element_at", "item_at", "name_of", "parse", "remove_at"]

_STEP = re.compile(r"(?P<name>\w+|\([0-9A-Fa-f]{4},? ?[0-9A-Fa-f]{4}\))(?:\[(?P<index>-?\d+)\])?")


class Step(NamedTuple):
    """One part of a path: an attribute, and which item of it."""

    tag: Tag
    item: int | None


def parse(path: str) -> tuple[Step, ...]:
    """Split a path; names are keywords, ``ggggeeee`` or ``(gggg,eeee)``. Raises ValueError for what is no path."""
    steps = []
    pos = 0
    while True:
        match = _STEP.match(path, pos)
        if match is None:
            raise ValueError(f"{path!r} is no path: a keyword or tag is expected at {pos}")
        index = match["index"]
        steps.append(Step(Tag(match["name"]), None if index is None else int(index)))
        pos = match.end()
        if pos == len(path):
            break
        if path[pos] != ".":
            raise ValueError(f"{path!r} is no path: a dot is expected at {pos}")
        pos += 1
    for step in steps[:-1]:
        if step.item is None:
            raise ValueError(f"{path!r} does not say which item of {name_of(step.tag)}")
    return tuple(steps)


def name_of(tag: Tag) -> str:
    """The keyword of a tag, or the tag where it has none."""
    return tag.keyword or str(tag)


def _item(dataset: Dataset, step: Step) -> Dataset:
    items = dataset[step.tag].value
    if not isinstance(items, list) or step.item is None or dataset[step.tag].VR != "SQ":
        raise KeyError(f"{name_of(step.tag)} has no items")
    try:
        return items[step.item]  # type: ignore[no-any-return]
    except IndexError:
        raise KeyError(f"{name_of(step.tag)} has {len(items)} items") from None


def _holder(dataset: Dataset, steps: tuple[Step, ...]) -> Dataset:
    for step in steps[:-1]:
        dataset = _item(dataset, step)
    return dataset


def element_at(dataset: Dataset, path: str) -> DataElement:
    """The element that a path ends in; KeyError when there is none."""
    steps = parse(path)
    if steps[-1].item is not None:
        raise ValueError(f"{path!r} ends in an item, not in an element")
    return _holder(dataset, steps)[steps[-1].tag]


def item_at(dataset: Dataset, path: str) -> Dataset:
    """The item that a path ends in; KeyError when there is none."""
    steps = parse(path)
    if steps[-1].item is None:
        raise ValueError(f"{path!r} ends in an element, not in an item")
    return _item(_holder(dataset, steps), steps[-1])


def remove_at(dataset: Dataset, path: str) -> None:
    """Remove the element, or the item, that a path ends in."""
    steps = parse(path)
    holder = _holder(dataset, steps)
    if steps[-1].item is None:
        del holder[steps[-1].tag]
    else:
        _item(holder, steps[-1])
        del holder[steps[-1].tag].value[steps[-1].item]


def assign(dataset: Dataset, path: str, value: Any) -> None:
    """Set an attribute by path, making sequences and the next item of one where they are missing."""
    steps = parse(path)
    if steps[-1].item is not None:
        raise ValueError(f"{path!r} ends in an item, not in an element")
    for step in steps[:-1]:
        if step.tag not in dataset:
            dataset.add_value(step.tag, [])
        items = dataset[step.tag].value
        if step.item == len(items):
            items.append(type(dataset)())
        dataset = _item(dataset, step)
    dataset.add_value(steps[-1].tag, value)
