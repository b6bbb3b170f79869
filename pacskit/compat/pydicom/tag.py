"""pydicom's tags."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pacskit.core import dictionary
from pacskit.core import tag as core

__all__ = [
    "BaseTag",
    "ItemDelimiterTag",
    "ItemTag",
    "SequenceDelimiterTag",
    "Tag",
    "TagType",
    "TupleTag",
    "tag_in_exception",
]


class BaseTag(core.Tag):
    """A tag that compares with whatever can be made into one."""

    __slots__ = ()

    def __new__(cls, value: Any, element: int | None = None) -> BaseTag:
        return int.__new__(cls, value) if element is None else int.__new__(cls, (value << 16) | element)

    def __lt__(self, other: Any) -> bool:
        return int(self) < _comparable(other)

    def __le__(self, other: Any) -> bool:
        return int(self) <= _comparable(other)

    def __gt__(self, other: Any) -> bool:
        return int(self) > _comparable(other)

    def __ge__(self, other: Any) -> bool:
        return int(self) >= _comparable(other)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return int(self) == int(other)
        try:
            return int(self) == int(Tag(other))
        except (TypeError, ValueError, OverflowError):
            return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = int.__hash__

    @property
    def elem(self) -> int:
        """The number of the element."""
        return self.element

    @property
    def json_key(self) -> str:
        """The key of the DICOM JSON model (PS3.18 F.2)."""
        return f"{int(self):08X}"

    @property
    def private_creator(self) -> BaseTag:
        """The tag of the private creator that reserves the block of this one (PS3.5 7.8.1)."""
        return BaseTag((int(self) & 0xFFFF0000) | (int(self) & 0xFFFF) >> 8)


def _comparable(other: Any) -> int:
    if isinstance(other, int):
        return int(other)
    try:
        return int(Tag(other))
    except (TypeError, ValueError) as error:
        raise TypeError("Cannot compare Tag with non-Tag item") from error


TagType = int | str | tuple[int, int] | BaseTag


def _number(value: Any) -> int:
    return int(value, 16) if isinstance(value, str) else value


def _from_pair(first: Any, second: Any) -> BaseTag:
    if type(first) is not type(second) or not isinstance(first, (int, str)):
        raise TypeError(
            f"Unable to create an element tag from '({first}, {second})': both arguments must be the same type and "
            "str or int"
        )
    try:
        group, element = _number(first), _number(second)
    except ValueError as error:
        raise ValueError(f"Unable to create an element tag from '({first}, {second})': not hexadecimal") from error
    for number in (group, element):
        _check_range(number, 0xFFFF, f"({first}, {second})")
    return BaseTag(group << 16 | element)


def _check_range(number: int, most: int, shown: object) -> None:
    if number < 0:
        raise ValueError(f"Unable to create an element tag from '{shown}': tags must be positive")
    if number > most:
        raise OverflowError(
            f"Unable to create an element tag from '{shown}': the group and element values are limited to a maximum "
            "of 2-bytes each"
        )


def Tag(arg: Any, arg2: Any = None) -> BaseTag:
    """Make a tag of a number, a keyword, hexadecimal text or a pair."""
    if isinstance(arg, BaseTag):
        return arg
    if arg2 is not None:
        return _from_pair(arg, arg2)
    if isinstance(arg, (tuple, list)):
        if len(arg) != 2:
            raise ValueError(f"Unable to create an element tag from '{arg}': the length of the argument must be 2")
        return _from_pair(arg[0], arg[1])
    if isinstance(arg, str):
        return _from_text(arg)
    if not isinstance(arg, int):
        raise TypeError(f"Unable to create an element tag from '{arg}' ({type(arg).__name__})")
    _check_range(arg, 0xFFFFFFFF, arg)
    return BaseTag(arg)


def _from_text(text: str) -> BaseTag:
    try:
        number = int(text, 16)
    except ValueError:
        known = dictionary.tag_for(text)
        if known is None:
            raise ValueError(
                f"Unable to create an element tag from '{text}': unknown DICOM element keyword or an invalid int"
            ) from None
        return BaseTag(known)
    _check_range(number, 0xFFFFFFFF, text)
    return BaseTag(number)


def TupleTag(group_elem: tuple[int, int]) -> BaseTag:
    """Make a tag of a pair of numbers, unchecked."""
    return BaseTag(group_elem[0] << 16 | group_elem[1])


@contextmanager
def tag_in_exception(tag: int) -> Iterator[None]:
    """Name the tag in whatever the block raises."""
    try:
        yield
    except Exception as error:
        raise type(error)(f"With tag {tag} got exception: {error}") from error


ItemTag = TupleTag((0xFFFE, 0xE000))
ItemDelimiterTag = TupleTag((0xFFFE, 0xE00D))
SequenceDelimiterTag = TupleTag((0xFFFE, 0xE0DD))
