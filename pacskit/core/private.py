"""Private attributes (PS3.5 7.8): blocks, their creators, and what is known of vendors' attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from pacskit.core.errors import PrivateGroupFull
from pacskit.core.tag import Tag

if TYPE_CHECKING:
    from pacskit.core.dataset import Dataset
    from pacskit.core.element import DataElement
    from pacskit_ext._privatetable import PrivateDictionary

__all__ = ["PrivateAttributes", "PrivateBlock", "PrivateDictionary"]

_FORBIDDEN = frozenset({0x0001, 0x0003, 0x0005, 0x0007, 0xFFFF})  # PS3.5 7.1


def __getattr__(name: str) -> Any:
    if name == "PrivateDictionary":  # its table is loaded for those who ask
        from pacskit_ext._privatetable import PrivateDictionary

        return PrivateDictionary
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _odd(group: int) -> int:
    if not group & 1 or not 0 <= group <= 0xFFFF:
        raise ValueError(f"{group:04X} is no private group: those are odd (PS3.5 7.8.1)")
    return group


def _trimmed(creator: object) -> str:
    return creator.strip(" ") if isinstance(creator, str) else ""


class PrivateBlock:
    """The elements (gggg,bb00) to (gggg,bbFF) of a data set that one private creator has reserved.

    >>> from pacskit.core.dataset import Dataset
    >>> ds = Dataset()
    >>> block = ds.private_block(0x0011, "ACME 1.0", create=True)
    >>> block.add_new(0x01, "DS", "1.5")
    >>> block[0x01].value, str(block.get_tag(0x01)), 0x02 in block
    (1.5, '(0011,1001)', False)
    """

    __slots__ = ("block_start", "dataset", "group", "private_creator")

    def __init__(self, dataset: Dataset, group: int, private_creator: str, creator_element: int) -> None:
        self.dataset = dataset
        self.group = group
        self.private_creator = private_creator
        self.block_start = creator_element << 8

    def get_tag(self, element_offset: int) -> Tag:
        """The tag of an offset in the block. Raises ValueError for one outside 00 to FF."""
        if not 0 <= element_offset <= 0xFF:
            raise ValueError("the offset in a private block is 0x00 to 0xFF")
        return Tag(self.group << 16 | self.block_start | element_offset)

    def __contains__(self, element_offset: int) -> bool:
        return self.get_tag(element_offset) in self.dataset

    def __getitem__(self, element_offset: int) -> DataElement:
        return self.dataset[self.get_tag(element_offset)]

    def __delitem__(self, element_offset: int) -> None:
        del self.dataset[self.get_tag(element_offset)]

    def __iter__(self) -> Iterator[DataElement]:
        first = self.group << 16 | self.block_start
        return iter([self.dataset[tag] for tag in self.dataset.tags() if first <= tag <= first + 0xFF])

    def __len__(self) -> int:
        first = self.group << 16 | self.block_start
        return sum(first <= tag <= first + 0xFF for tag in self.dataset.tags())

    def get(self, element_offset: int, default: Any = None) -> Any:
        """The value at an offset, ``default`` where there is none."""
        return self[element_offset].value if element_offset in self else default

    def add_new(self, element_offset: int, vr: str, value: Any) -> None:
        """Make an element at an offset, replacing the one that is there."""
        self.dataset.add_new(self.get_tag(element_offset), vr, value)

    def __repr__(self) -> str:
        return f"<PrivateBlock {self.private_creator!r} ({self.group:04X},{self.block_start >> 8:02X}xx)>"


class PrivateAttributes:
    """What a data set says of its private attributes."""

    __slots__ = ()

    def _creator_elements(self, group: int) -> list[DataElement]:
        dataset = cast("Dataset", self)
        first = _odd(group) << 16
        return [dataset[tag] for tag in dataset.tags() if first + 0x10 <= tag <= first + 0xFF]

    @property
    def private_dictionary(self) -> PrivateDictionary:
        """The dictionary that private attributes are looked up in: what ``ReadOptions.private`` said."""
        from pacskit_ext._privatetable import PrivateDictionary

        scan = cast("Dataset", self).scan
        return scan.private if scan is not None and scan.private is not None else PrivateDictionary()

    def private_creators(self, group: int) -> list[str]:
        """The private creators of a group, in the order of their blocks. Raises ValueError for an even group."""
        return [element.value for element in self._creator_elements(group)]

    def private_blocks(self, group: int, private_creator: str | None = None) -> list[PrivateBlock]:
        """Every block of a group, or those of one creator, which may have reserved several."""
        wanted = None if private_creator is None else _trimmed(private_creator)
        return [
            PrivateBlock(cast("Dataset", self), group, _trimmed(element.value), element.tag.element)
            for element in self._creator_elements(group)
            if wanted is None or _trimmed(element.value) == wanted
        ]

    def private_block(self, group: int, private_creator: str, create: bool = False) -> PrivateBlock:
        """The first block that a creator has reserved in a group.

        With ``create`` the first free one is reserved where there is none (PS3.5 7.8.1): free is a block without
        creator and without elements. Raises KeyError when the creator has none, ValueError for an even group or a
        creator that is no LO of 1 to 64 characters, PrivateGroupFull when no block is free.
        """
        name = _trimmed(private_creator)
        if not name:
            raise ValueError("a private creator has a name")
        blocks = self.private_blocks(group, name)
        if blocks:
            return blocks[0]
        if not create:
            raise KeyError(f"private creator {name!r} has no block in group {group:04X}")
        if len(name) > 64 or "\\" in name:
            raise ValueError(f"{name!r} is no private creator: it is an LO of one value (PS3.5 6.2, 7.8.1)")
        return self._reserve(group, name)

    def _reserve(self, group: int, creator: str) -> PrivateBlock:
        dataset = cast("Dataset", self)
        if group in _FORBIDDEN:
            raise ValueError(f"group {group:04X} may not be used (PS3.5 7.1)")
        elements = [tag & 0xFFFF for tag in dataset.tags() if tag >> 16 == group]
        taken = {element if element <= 0xFF else element >> 8 for element in elements}
        free = next((block for block in range(0x10, 0x100) if block not in taken), None)
        if free is None:
            raise PrivateGroupFull(group)
        dataset.add_new(group << 16 | free, "LO", creator)
        return PrivateBlock(dataset, group, creator, free)

    def get_private_item(self, group: int, element_offset: int, private_creator: str) -> DataElement:
        """The element at an offset of a creator's blocks, whichever holds it. Raises KeyError when none does."""
        block = self.private_block(group, private_creator)
        for candidate in self.private_blocks(group, private_creator):
            if element_offset in candidate:
                return candidate[element_offset]
        return block[element_offset]

    def private_orphans(self) -> list[DataElement]:
        """The private elements of this data set (not of its items) whose block nobody has reserved."""
        dataset = cast("Dataset", self)
        tags = dataset.tags()
        reserved = {tag for tag in tags if tag & 0x10000 and 0x10 <= tag & 0xFFFF <= 0xFF}
        return [
            dataset[tag]
            for tag in tags
            if tag & 0x10000
            and tag & 0xFFFF
            and tag not in reserved
            and (tag & 0xFFFF0000 | (tag >> 8 & 0xFF)) not in reserved
        ]

    def remove_private_tags(self) -> int:
        """Remove every private element at every depth; returns how many, a sequence with all in it being one."""
        dataset = cast("Dataset", self)
        private = [tag for tag in dataset.tags() if tag & 0x10000]
        for tag in private:
            del dataset[tag]
        count = len(private)
        for element in dataset:
            if element.VR == "SQ":
                count += sum(item.remove_private_tags() for item in element.value)
        return count
