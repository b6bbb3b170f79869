"""Siemens CSA headers, (0029,xx10) and (0029,xx20), and the protocol text in them.

The format is not published; this reads CSA1 and CSA2 as nibabel and GDCM describe them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pacskit.core.errors import DecodeError, LimitError, TruncatedError

if TYPE_CHECKING:
    from pacskit.core.dataset import Dataset

__all__ = ["CSAElement", "CSAHeader", "CSAValue", "csa_header", "parse_ascconv", "parse_csa"]

CSAValue = str | int | float

_CREATOR = "SIEMENS CSA HEADER"
_OFFSETS = {"image": 0x10, "series": 0x20}
_MOST = 1000  # elements, and items of one; real headers have about a hundred
_TAG = struct.Struct("<64si4s3i")
_ITEM = struct.Struct("<4i")
_FLOATS = frozenset({"FL", "FD", "DS"})
_INTEGERS = frozenset({"SS", "US", "SL", "UL", "IS"})
_ASCCONV = re.compile(r"### ASCCONV BEGIN[^\n]{0,500}###\s*\n(.*?)\n?### ASCCONV END ###", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CSAElement:
    """One named element: ``vm`` is what the header declares, ``values`` what it holds."""

    name: str
    vr: str
    vm: int
    values: tuple[CSAValue, ...]


class CSAHeader(Mapping[str, tuple[CSAValue, ...]]):
    """The elements of a CSA header by name: ``header["B_value"]`` is the tuple of its values, empty where it has none.

    ``version`` is 1 or 2, the kind of CSA format.
    """

    def __init__(self, version: int, elements: Mapping[str, CSAElement]) -> None:
        self.version = version
        self.elements = elements

    def __getitem__(self, name: str) -> tuple[CSAValue, ...]:
        return self.elements[name].values

    def __iter__(self) -> Iterator[str]:
        return iter(self.elements)

    def __len__(self) -> int:
        return len(self.elements)

    def __repr__(self) -> str:
        return f"<CSAHeader CSA{self.version}, {len(self)} elements>"

    def value(self, name: str, default: CSAValue | None = None) -> CSAValue | None:
        """The first value of an element; ``default`` where it is absent or empty."""
        values = self.get(name)
        return values[0] if values else default

    @property
    def protocol_text(self) -> str | None:
        """The text of the measurement protocol (``MrPhoenixProtocol`` or ``MrProtocol``), or None."""
        for name in ("MrPhoenixProtocol", "MrProtocol"):
            value = self.value(name)
            if isinstance(value, str) and value:
                return value
        return None

    @property
    def protocol(self) -> dict[str, CSAValue]:
        """The assignments of the protocol's ASCCONV part by name; empty where there is none."""
        text = self.protocol_text
        return parse_ascconv(text) if text is not None else {}


def csa_header(dataset: Dataset, kind: Literal["image", "series"] = "image") -> CSAHeader:
    """Read the CSA header of an image or of its series.

    Raises KeyError where the data set has none, DecodeError where it is damaged.
    """
    element = dataset.get_private_item(0x0029, _OFFSETS[kind], _CREATOR)
    if not isinstance(element.value, bytes):
        raise DecodeError("a CSA header is bytes", tag=element.tag)
    return parse_csa(element.value, tag=element.tag)


def parse_csa(data: bytes, *, tag: int | None = None) -> CSAHeader:
    """Read the bytes of a CSA header.

    Raises TruncatedError where they end early, LimitError over a thousand elements or items, DecodeError where they
    are no CSA header.
    """
    return _Parser(data, tag).header()


class _Parser:
    """A place in the bytes; every step checks that what it takes is there."""

    def __init__(self, data: bytes, tag: int | None) -> None:
        self.data = data
        self.tag = tag
        self.version = 2 if data[:4] == b"SV10" else 1
        self.at = 8 if self.version == 2 else 0
        self.shift = 0  # CSA1 adds the first element's number of items to each length

    def take(self, layout: struct.Struct) -> tuple[bytes | int, ...]:
        if len(self.data) - self.at < layout.size:
            raise TruncatedError("the CSA header ends early", offset=self.at, tag=self.tag)
        self.at += layout.size
        return layout.unpack_from(self.data, self.at - layout.size)

    def header(self) -> CSAHeader:
        (count, check) = self.take(struct.Struct("<2I"))
        if check != 77:  # in every header seen: "M"
            raise DecodeError("no CSA header", offset=self.at - 4, tag=self.tag)
        self.limit(int(count), "elements")
        elements = [self.element(first=index == 0) for index in range(int(count))]
        return CSAHeader(self.version, {element.name: element for element in elements})

    def limit(self, count: int, what: str) -> None:
        if not 0 <= count <= _MOST:
            raise LimitError(f"a CSA header of {count} {what}", offset=self.at, tag=self.tag)

    def element(self, first: bool) -> CSAElement:
        raw_name, vm, raw_vr, _, count, _ = self.take(_TAG)
        name, vr = _text(raw_name), _text(raw_vr)
        self.limit(int(vm), f"values in {name!r}")
        self.limit(int(count), f"items in {name!r}")
        if first:
            self.shift = int(count)
        items = self.items(int(count))
        return CSAElement(name, vr, int(vm), self.values(vr, items[: int(vm)] if vm else items))

    def items(self, count: int) -> list[str]:
        found: list[str] = []
        for _ in range(count):
            lengths = self.take(_ITEM)
            length = int(lengths[1]) if self.version == 2 else int(lengths[0]) - self.shift
            if self.version == 1 and (length < 0 or length > len(self.data) - self.at):
                break  # CSA1 ends an element so
            if not 0 <= length <= len(self.data) - self.at:
                raise TruncatedError("an item of the CSA header is cut off", offset=self.at, tag=self.tag)
            found.append(_text(self.data[self.at : self.at + length]))
            self.at += length + (-length % 4)
        return found

    def values(self, vr: str, items: list[str]) -> tuple[CSAValue, ...]:
        """The items as what their VR makes of them, without the empty ones that fill up the end."""
        while items and not items[-1].strip():
            items.pop()
        convert = float if vr in _FLOATS else int if vr in _INTEGERS else None
        if convert is None:
            return tuple(items)
        try:
            return tuple(convert(item) for item in items if item.strip())
        except ValueError:
            raise DecodeError(f"a number of VR {vr} in the CSA header is none", offset=self.at, tag=self.tag) from None


def _text(data: bytes | int) -> str:
    """Latin-1 up to the first NUL."""
    return data.partition(b"\0")[0].decode("latin-1") if isinstance(data, bytes) else str(data)


def parse_ascconv(text: str) -> dict[str, CSAValue]:
    """The assignments between ``### ASCCONV BEGIN`` and ``### ASCCONV END`` by name; numbers as numbers.

    >>> text = '### ASCCONV BEGIN ###\\nsSliceArray.lSize = 32\\ntName = ""ep2d""\\nx = 0x1F\\n### ASCCONV END ###'
    >>> parse_ascconv(text)
    {'sSliceArray.lSize': 32, 'tName': 'ep2d', 'x': 31}
    """
    found = _ASCCONV.search(text)
    values: dict[str, CSAValue] = {}
    for line in found[1].splitlines() if found else ():
        name, equals, value = line.partition("=")
        if equals and name.strip():
            values[name.strip()] = _assigned(value.strip())
    return values


def _assigned(text: str) -> CSAValue:
    if text.startswith('"'):
        return text[2:-2] if len(text) >= 4 and text.startswith('""') else text[1:-1]
    number = text.partition("#")[0].strip()  # a comment may follow
    for convert in (lambda digits: int(digits, 0), float):
        try:
            return convert(number)
        except ValueError:
            continue
    return text
