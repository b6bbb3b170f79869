"""What the two text forms of a data set share when they are read: budgets, paths, values of each VR."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, NoReturn, Protocol

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.element import BulkDataElement, DataElement
from pacskit.core.errors import DecodeError, EncodeError, LimitError
from pacskit_ext._tagtable import keyword_for

__all__ = ["BINARY", "INTEGERS", "REALS", "TEXTS", "Builder", "ElementHandler", "Resolver", "TextSink", "UriHandler"]

ElementHandler = Callable[[DataElement], str | None]
Resolver = Callable[[str, str, str], Any]
UriHandler = Resolver | Callable[[str], Any]

BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
REALS = frozenset({"FL", "FD"})
INTEGERS = {
    "US": (0, 0xFFFF),
    "SS": (-0x8000, 0x7FFF),
    "UL": (0, 0xFFFFFFFF),
    "SL": (-0x80000000, 0x7FFFFFFF),
    "UV": (0, (1 << 64) - 1),
    "SV": (-(1 << 63), (1 << 63) - 1),
}
TEXTS = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
_KNOWN = BINARY | REALS | set(INTEGERS) | TEXTS | {"AT", "SQ"}
_WIDE = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_BLANKS = {ord(c): None for c in " \t\r\n"}
_SPECIFIC_CHARACTER_SET = 0x00080005


class TextSink(Protocol):
    """What text is written to: any open text file."""

    def write(self, text: str, /) -> object:
        """Take the next piece."""


def _three_parameters(handler: UriHandler | None) -> Resolver | None:
    """A resolver of tag, VR and URI, of one that may want the URI alone (pydicom's rule)."""
    if handler is None:
        return None
    try:
        kinds = [p.kind for p in signature(handler).parameters.values() if p.default is Parameter.empty]
    except ValueError:  # a builtin without a signature
        kinds = [Parameter.POSITIONAL_ONLY]
    function: Callable[..., Any] = handler
    if len(kinds) != 1 or kinds[0] is Parameter.VAR_POSITIONAL:
        return function
    return lambda _tag, _vr, uri: function(uri)


def _name(tag: int) -> str:
    return keyword_for(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


class Builder:
    """Makes elements of what a text form says, within the budgets of ``options``; errors carry the path."""

    def __init__(self, options: ReadOptions, handler: UriHandler | None) -> None:
        self.options = options
        self.resolver = _three_parameters(handler)
        self.left = options.max_elements
        self.steps: list[tuple[int, int]] = []  # sequence and index of every item that is open
        self.tag = -1
        self.is_wide = False

    def path(self) -> str | None:
        """Where the reader is: ``ContentSequence[2].PersonName``."""
        parts = [f"{_name(tag)}[{index}]" for tag, index in self.steps]
        if self.tag >= 0:
            parts.append(_name(self.tag))
        return ".".join(parts) or None

    def refuse(self, message: str, cause: Exception | None = None) -> NoReturn:
        """Raise DecodeError about the attribute that is being read."""
        raise DecodeError(message, tag=self.tag if self.tag >= 0 else None, path=self.path()) from cause

    def count(self) -> None:
        """One more element or item."""
        self.left -= 1
        if self.left < 0:
            raise LimitError(f"more elements than the limit of {self.options.max_elements}", path=self.path())

    def enter(self, tag: int, index: int) -> None:
        """An item begins."""
        if len(self.steps) >= self.options.max_depth:
            raise LimitError(f"sequences nest deeper than the limit of {self.options.max_depth}", path=self.path())
        self.steps.append((tag, index))
        self.tag = -1
        self.count()

    def leave(self) -> None:
        """The item that began last ends."""
        self.tag = self.steps.pop()[0]

    def open(self, text: object) -> int:
        """The tag of the attribute that begins."""
        self.tag = -1
        if not isinstance(text, str) or len(text) != 8 or not text.isalnum() or not text.isascii():
            self.refuse("the name of an attribute is eight hexadecimal digits")
        try:
            tag = int(text, 16)
        except ValueError:
            self.refuse("the name of an attribute is eight hexadecimal digits")
        self.count()
        self.tag = tag
        if tag >> 16 == 0xFFFE:
            self.refuse("an item or a delimitation item is no attribute")
        return tag

    def vr(self, vr: object) -> str:
        """The VR, when it is one of the standard's."""
        if not isinstance(vr, str) or vr not in _KNOWN:
            self.refuse("the VR is missing" if vr is None else "not a value representation")
        return vr

    def add(self, dataset: Dataset, vr: str, value: Any) -> None:
        """Put an element in; group lengths are dropped and group 0002 goes to the File Meta Information."""
        tag = self.tag
        if not tag & 0xFFFF:
            return
        try:
            element = DataElement(tag, vr, value)
        except (EncodeError, DecodeError) as error:
            self.refuse(error.message, error)
        self.put(dataset, element)

    def put(self, dataset: Dataset, element: DataElement) -> None:
        """Put a finished element where it belongs."""
        if self.tag >> 16 == 2 and not self.steps:
            dataset.file_meta.add(element)
        else:
            dataset.add(element)

    def add_reference(self, dataset: Dataset, vr: str, uri: object) -> None:
        """Put in an element whose value is fetched when it is touched."""
        if not isinstance(uri, str) or vr == "SQ":
            self.refuse("not a reference to bulk data")
        self.put(dataset, BulkDataElement(self.tag, vr, uri, self.resolver))

    def bytes_of(self, vr: str, text: object) -> bytes:
        """The value of an InlineBinary."""
        if vr not in BINARY:
            self.refuse(f"a value of VR {vr} is not bytes")
        if not isinstance(text, str):
            self.refuse("base64 is text")
        try:
            return binascii.a2b_base64(text.translate(_BLANKS), strict_mode=True)
        except ValueError as error:
            self.refuse("not base64", error)

    def integer(self, vr: str, value: object) -> int:
        """A whole number that fits the VR; text and fractions of nothing are taken for what they say."""
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            self.refuse(f"a value of VR {vr} is a whole number")
        try:
            number = int(value)
        except (ValueError, OverflowError) as error:
            self.refuse(f"a value of VR {vr} is a whole number", error)
        low, high = INTEGERS[vr]
        if not low <= number <= high or (isinstance(value, float) and number != value):
            self.refuse(f"the number does not fit the VR {vr}")
        return number

    def real(self, value: object) -> float:
        """A binary floating point number; text for those that JSON cannot write."""
        if value is None:
            return float("nan")
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            self.refuse("a value of VR FL or FD is a number")
        try:
            return float(value)
        except (ValueError, OverflowError) as error:
            self.refuse("a value of VR FL or FD is a number", error)

    def attribute_tag(self, value: object) -> int:
        """The value of an AT: eight hexadecimal digits."""
        try:
            return int(value, 16) if isinstance(value, str) and len(value) == 8 and value.isalnum() else self.no_tag()
        except ValueError:
            self.no_tag()

    def no_tag(self) -> NoReturn:
        """Say what the value of an AT would be."""
        self.refuse("a value of VR AT is eight hexadecimal digits")

    def text(self, vr: str, value: str) -> str:
        """Text, remembering whether the default repertoire can express it."""
        if not self.is_wide and vr in _WIDE and not value.isascii():
            self.is_wide = True
        return value

    def finish(self, dataset: Dataset) -> Dataset:
        """Declare Unicode where the text needs it and nothing else was declared (PS3.18 F.2, PS3.5 6.1)."""
        if self.is_wide and _SPECIFIC_CHARACTER_SET not in dataset:
            dataset.add_new(_SPECIFIC_CHARACTER_SET, "CS", "ISO_IR 192")
        return dataset
