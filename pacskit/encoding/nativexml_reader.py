"""The Native DICOM Model (PS3.19 A.1) read while it arrives: expat's events to elements, no tree between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn
from xml.parsers import expat

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, LimitError
from pacskit.encoding.textmodel import BINARY, INTEGERS, REALS, Builder, UriHandler

__all__ = ["NAMESPACE", "DocumentReader"]

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"

_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_LONGEST_TAG = 1 << 20
_GAP = 65536  # values that may be missing between two numbers
# What may stand in what.
_CHILDREN = {
    "": {"NativeDicomModel"},
    "NativeDicomModel": {"DicomAttribute"},
    "Item": {"DicomAttribute"},
    "DicomAttribute": {"Value", "Item", "PersonName", "BulkData", "InlineBinary"},
    "PersonName": set(_GROUPS),
    "Alphabetic": set(_COMPONENTS),
    "Ideographic": set(_COMPONENTS),
    "Phonetic": set(_COMPONENTS),
}
_LEAVES = {"Value", "InlineBinary", *_COMPONENTS}


@dataclass(slots=True)
class _Attribute:
    """A DicomAttribute that is open."""

    tag: int
    vr: str
    creator: str
    kind: str = ""  # the element that its values are in
    values: list[Any] = field(default_factory=list)
    uri: str = ""


@dataclass(slots=True)
class _Level:
    """A data set that is open, and its private attributes that have no block yet."""

    dataset: Dataset
    private: list[tuple[_Attribute, Any]] = field(default_factory=list)


class DocumentReader(Builder):
    """One document: ``feed`` it bytes, ``close`` gives the data set."""

    def __init__(self, options: ReadOptions, handler: UriHandler | None, *, is_text: bool) -> None:
        super().__init__(options, handler)
        self.parser = expat.ParserCreate("utf-8" if is_text else None, namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.ExternalEntityRefHandler = self.external
        self.size = 0
        self.names: list[str] = [""]
        self.levels = [_Level(Dataset())]
        self.attributes: list[_Attribute] = []
        self.pieces: list[str] = []
        self.name: dict[str, dict[str, str]] = {}

    # -- the document

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        self.size += len(data)
        if self.size > self.options.max_text:
            raise LimitError(f"more XML than the limit of {self.options.max_text} bytes")
        self._parse(data, False)
        if self.size - self.parser.CurrentByteIndex > _LONGEST_TAG + len(data):
            # Expat looks at what it waits for from its beginning each time.
            raise LimitError(f"a tag or a comment of more than {_LONGEST_TAG} bytes", path=self.path())

    def close(self) -> Dataset:
        """The data set, once the document has ended."""
        self._parse(b"", True)
        return self.finish(self.levels[0].dataset)

    def _parse(self, data: bytes, final: bool) -> None:
        try:
            self.parser.Parse(data, final)
        except expat.ExpatError as error:
            raise DecodeError(f"not XML: {error}", offset=self.parser.ErrorByteIndex, path=self.path()) from error
        except DecodeError as error:
            if error.offset is None:
                error.offset = self.parser.CurrentByteIndex
            raise
        except (LookupError, ValueError) as error:  # an encoding that is unknown, or of more than one byte
            raise DecodeError(f"not XML: {error}", offset=self.parser.ErrorByteIndex) from error

    def doctype(self, *_: object) -> NoReturn:
        """Refuse what entities would be declared in."""
        raise DecodeError("a document type declaration is not taken")

    def external(self, *_: object) -> NoReturn:
        """Refuse to look outside the document."""
        raise DecodeError("an external entity is not taken")

    # -- expat's events

    def start(self, name: str, given: dict[str, str]) -> None:
        """A start tag."""
        space, _, local = name.rpartition(" ")
        if space not in ("", NAMESPACE) or local not in _CHILDREN.get(self.names[-1], ()):
            self.refuse("an element that the Native DICOM Model has not here")
        self.names.append(local)
        self.pieces = []
        if local == "DicomAttribute":
            tag = self.open(given.get("tag"))
            self.attributes.append(_Attribute(tag, self.vr(given.get("vr")), given.get("privateCreator", "")))
        elif local in ("Value", "Item", "PersonName", "BulkData", "InlineBinary"):
            self.start_value(self.attributes[-1], local, given)
        elif local in _GROUPS:
            self.name[local] = {}

    def start_value(self, attribute: _Attribute, name: str, given: dict[str, str]) -> None:
        """The start tag of what an attribute holds."""
        allowed = {"SQ": {"Item"}, "PN": {"PersonName", "BulkData"}}.get(attribute.vr, {"Value", "BulkData"})
        if attribute.vr in BINARY:
            allowed = {"InlineBinary", "BulkData"}
        if name not in allowed or (attribute.kind and (name != attribute.kind or name in ("InlineBinary", "BulkData"))):
            self.refuse(f"{name} in an attribute of VR {attribute.vr}")
        attribute.kind = name
        if name == "BulkData":
            uuid = given.get("uuid", "")
            attribute.uri = given.get("uri", "") or (f"urn:uuid:{uuid}" if uuid else "")
            if not attribute.uri:
                self.refuse("BulkData without URI or UUID")
        elif name == "Item":
            self.enter(attribute.tag, len(attribute.values))
            self.levels.append(_Level(Dataset()))
        elif name != "InlineBinary":
            self.number(attribute, given.get("number"))
            self.name = {}

    def number(self, attribute: _Attribute, text: str | None) -> None:
        """Fill up to the value's number: those that are not there are empty."""
        if text is None:
            return
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            self.refuse("the number of a value is a number")
        gap = int(text) - 1 - len(attribute.values)
        if gap < 0:
            self.refuse("values are not in the order of their numbers")
        if gap > _GAP:
            raise LimitError(f"{gap} values are missing", tag=self.tag, path=self.path())
        attribute.values.extend([""] * gap)

    def characters(self, text: str) -> None:
        """Text, which means something only where a value is."""
        if self.names[-1] in _LEAVES:
            self.pieces.append(text)
        elif not text.isspace():
            self.refuse("text outside a value")

    def end(self, _: str) -> None:
        """An end tag."""
        local = self.names.pop()
        if local in ("Value", "InlineBinary"):
            self.attributes[-1].values.append("".join(self.pieces))
        elif local in _COMPONENTS:
            self.name[self.names[-1]][local] = "".join(self.pieces)
        elif local == "PersonName":
            self.attributes[-1].values.append(self.person())
        elif local == "Item":
            self.end_item()
        elif local == "DicomAttribute":
            self.end_attribute(self.attributes.pop())
        elif local == "NativeDicomModel":
            self.place_private(self.levels[-1])
        self.pieces = []

    def person(self) -> str:
        """The text of a person name."""
        groups = []
        for group in _GROUPS:
            parts = self.name.get(group, {})
            last = max((_COMPONENTS.index(part) + 1 for part in parts), default=0)
            groups.append("^".join(parts.get(part, "") for part in _COMPONENTS[:last]))
        return "=".join(groups).rstrip("=")

    def end_item(self) -> None:
        level = self.levels.pop()
        self.place_private(level)
        self.leave()
        self.attributes[-1].values.append(level.dataset)

    def end_attribute(self, attribute: _Attribute) -> None:
        self.tag = attribute.tag
        level = self.levels[-1]
        value = None if attribute.kind == "BulkData" else self.value(attribute)
        private = attribute.tag & 0x10000 and not attribute.tag & 0xFF00
        if private and attribute.creator:
            level.private.append((attribute, value))
        else:
            self.place(level.dataset, attribute, value)

    def place(self, dataset: Dataset, attribute: _Attribute, value: Any) -> None:
        if attribute.kind == "BulkData":
            self.add_reference(dataset, attribute.vr, attribute.uri)
        else:
            self.add(dataset, attribute.vr, value)

    # -- values

    def value(self, attribute: _Attribute) -> Any:
        """What an attribute holds, as its VR has it."""
        vr, values = attribute.vr, attribute.values
        if not values or (vr != "SQ" and values == [""]):
            return None
        if vr == "SQ":
            return values
        if vr in BINARY:
            return self.bytes_of(vr, values[0])
        if vr in INTEGERS:
            return [self.integer(vr, value.strip()) for value in values]
        if vr in REALS:
            return [self.real(value.strip()) for value in values]
        if vr == "AT":
            return [self.attribute_tag(value.strip()) for value in values]
        return [self.text(vr, value) for value in values]

    # -- private attributes

    def place_private(self, level: _Level) -> None:
        """Give private attributes the block of their creator (PS3.5 7.8.1)."""
        blocks: dict[tuple[int, str], int] = {}
        for attribute, value in level.private:
            group = attribute.tag >> 16
            block = blocks.get((group, attribute.creator))
            if block is None:
                self.tag = attribute.tag
                block = blocks[group, attribute.creator] = self.block(level.dataset, group, attribute.creator)
            self.tag = attribute.tag | block << 8
            self.place(level.dataset, attribute, value)
        level.private = []

    def block(self, dataset: Dataset, group: int, creator: str) -> int:
        """The block that a creator has reserved, or reserves now."""
        free = 0
        for block in range(0x10, 0x100):
            element = dataset.get((group << 16) | block)
            if element is None:
                free = free or block
            elif element.value == creator:
                return block
        if not free:
            self.refuse("no block of private attributes is free")
        dataset.add_new((group << 16) | free, "LO", creator)
        return free
