"""The Native DICOM Model (PS3.19 A.1) as XML, both ways.

``Dataset.to_xml`` and ``Dataset.from_xml`` are these functions. ``write`` hands the document to a file in pieces, and
``read`` takes one in pieces: no tree is made of it.
"""

from __future__ import annotations

import math
import re
from binascii import b2a_base64
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import IO, TYPE_CHECKING, Any

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.element import BulkDataElement, DataElement
from pacskit.core.errors import DecodeError, EncodeError, LimitError, PacsError
from pacskit.encoding.nativexml_reader import NAMESPACE, DocumentReader
from pacskit.encoding.textmodel import BINARY, INTEGERS, ElementHandler, TextSink, UriHandler
from pacskit_ext._json import little_endian
from pacskit_ext._table import ElementTable

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["from_xml", "read", "to_xml", "write"]

_DEFAULT = ReadOptions()
_CHUNK = 1 << 16
_PIECE = 3 << 14
_DEEPEST = 1000
_SPECIFIC_CHARACTER_SET = 0x00080005
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_SINGLE = frozenset({"LT", "ST", "UT", "UR"})
# What no XML 1.0 document can hold, not even as a character reference (XML 1.0 2.2).
_IMPOSSIBLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})
_ATTRIBUTE_ESCAPES = _ESCAPES | str.maketrans({"\n": "&#10;", "\t": "&#9;"})


# -- writing ---------------------------------------------------------------------------------------------------------


class _Writer:
    """One document, given to ``sink`` in pieces."""

    def __init__(
        self,
        sink: Callable[[str], object],
        threshold: int,
        handler: ElementHandler | None,
        skip_invalid: bool,
        keep_character_set: bool,
    ) -> None:
        self.sink = sink
        self.threshold = threshold // 4 * 3
        self.handler = handler
        self.skip_invalid = skip_invalid
        self.keep_character_set = keep_character_set
        self.parts: list[str] = []
        self.size = 0
        self.depth = 0

    def put(self, text: str) -> None:
        self.parts.append(text)
        self.size += len(text)
        if self.size >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        self.sink("".join(self.parts))
        self.parts, self.size = [], 0

    def document(self, dataset: Dataset) -> None:
        self.put(
            f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">\n'
        )
        self.attributes(dataset)
        self.put("</NativeDicomModel>\n")
        self.flush()

    def attributes(self, dataset: ElementTable) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise EncodeError(f"sequences nest deeper than {_DEEPEST}")
        creators: dict[int, str] = {}
        for element in dataset:
            tag = int(element.tag)
            if not tag & 0xFFFF or tag >> 16 in (0, 2):
                continue
            if element.tag.is_private_creator and element.VR == "LO" and isinstance(element.value, str):
                creators[tag] = str(element.value)
            if element.VR == "SQ":
                self.sequence(element, creators)
                continue
            try:
                text = self.attribute(element, creators)
            except PacsError:
                if not self.skip_invalid:
                    raise
                continue
            for piece in text:
                self.put(piece)
        self.depth -= 1

    def head(self, element: DataElement, vr: str, creators: dict[int, str]) -> str:
        """The start tag: private attributes go by block-less tag and creator (PS3.19 table A.1.5-2)."""
        tag = int(element.tag)
        more = f' keyword="{element.keyword}"' if element.keyword else ""
        creator = creators.get((tag & 0xFFFF0000) | ((tag >> 8) & 0xFF), "") if tag & 0x10000 else ""
        if creator:
            block = (tag >> 8) & 0xFF
            first = min(b & 0xFF for b, name in creators.items() if name == creator and b >> 16 == tag >> 16)
            if first == block:
                tag &= 0xFFFF00FF
            more = f' privateCreator="{_escaped(creator, element, _ATTRIBUTE_ESCAPES)}"'
        return f'<DicomAttribute tag="{tag:08X}" vr="{vr}"{more}>\n'

    def sequence(self, element: DataElement, creators: dict[int, str]) -> None:
        self.put(self.head(element, "SQ", creators))
        for number, item in enumerate(element.value, 1):
            self.put(f'<Item number="{number}">\n')
            self.attributes(item)
            self.put("</Item>\n")
        self.put("</DicomAttribute>\n")

    def attribute(self, element: DataElement, creators: dict[int, str]) -> Iterator[str]:
        """The text of an attribute; all that can go wrong does before the first piece is given out."""
        if isinstance(element, BulkDataElement) and not element.is_resolved:
            body: Iterator[str] = iter((_reference(element.uri, element),))
            vr = str(element.VR)
        else:
            value = element.value
            vr = _chosen_vr(element, value)
            if vr in BINARY:
                body = self.bytes_of(element, value)
            elif vr == "PN":
                body = iter([_person(name, number, element) for number, name in enumerate(_many(value), 1)])
            else:
                body = iter(self.values(element, vr, value))
        return _joined(self.head(element, vr, creators), body)

    def values(self, element: DataElement, vr: str, value: Any) -> list[str]:
        if element.tag == _SPECIFIC_CHARACTER_SET and value and not self.keep_character_set:
            value = "ISO_IR 192"
        many = [value] if vr in _SINGLE and value else _many(value)
        return [
            f'<Value number="{number}">{_escaped(_text(vr, one, element), element)}</Value>\n'
            for number, one in enumerate(many, 1)
        ]

    def bytes_of(self, element: DataElement, value: Any) -> Iterator[str]:
        if isinstance(value, list):  # fragments of encapsulated data (PS3.5 A.4)
            padded = [bytes(one) + b"\0" * (len(one) % 2) for one in value]
            value = b"".join(b"\xfe\xff\x00\xe0" + len(one).to_bytes(4, "little") + one for one in padded)
        data = little_endian(element) if value is not None else b""
        if data is None:
            data = value
        if not len(data):
            return iter(())
        if self.handler is not None and len(data) > self.threshold:
            uri = self.handler(element)
            if uri is not None:
                return iter((_reference(uri, element),))
        return _inline(data)


def _joined(head: str, body: Iterator[str]) -> Iterator[str]:
    yield head
    yield from body
    yield "</DicomAttribute>\n"


def _inline(data: Buffer) -> Iterator[str]:
    view = memoryview(data)
    yield "<InlineBinary>"
    for start in range(0, len(view), _PIECE):
        yield b2a_base64(view[start : start + _PIECE], newline=False).decode("ascii")
    yield "</InlineBinary>\n"


def _reference(uri: str, element: DataElement) -> str:
    kind, text = ("uuid", uri[9:]) if uri.lower().startswith("urn:uuid:") else ("uri", uri)
    return f'<BulkData {kind}="{_escaped(text, element, _ATTRIBUTE_ESCAPES)}"/>\n'


def _many(value: Any) -> list[Any]:
    if value is None or (isinstance(value, str) and not value):
        return []
    return value if isinstance(value, list) else [value]


def _chosen_vr(element: DataElement, value: Any) -> str:
    """One VR where the dictionary leaves a choice that no data set has made."""
    vr = str(element.VR)
    if " or " not in vr:
        return vr
    if vr == "OB or OW" or isinstance(value, bytes):
        return "OW"
    return "SS" if any(isinstance(one, int) and one < 0 for one in _many(value)) else "US"


def _text(vr: str, value: Any, element: DataElement) -> str:
    if value is None:
        return ""
    if vr == "AT":
        return f"{int(value):08X}"
    if vr in ("FL", "FD"):
        return _real(float(value))
    if vr in INTEGERS and not isinstance(value, int):
        raise EncodeError(f"{type(value).__name__} is not a whole number", tag=int(element.tag))
    return str(value)


def _real(value: float) -> str:
    """A number as XML Schema's ``double`` writes it."""
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "INF" if value > 0 else "-INF"


def _person(name: Any, number: int, element: DataElement) -> str:
    groups = str(name).split("=", 2) if name else []
    inner = []
    for title, group in zip(_GROUPS, groups, strict=False):
        if group:
            parts = group.split("^", 4)
            # Each component that has its place in the text, so that what was written comes back.
            texts = [
                f"<{tag}>{_escaped(part, element)}</{tag}>"
                for tag, part in zip_longest(_COMPONENTS[: len(parts)], parts)
            ]
            inner.append(f"<{title}>{''.join(texts)}</{title}>")
    return f'<PersonName number="{number}">{"".join(inner)}</PersonName>\n'


def _escaped(text: str, element: DataElement, table: dict[int, Any] = _ESCAPES) -> str:
    wrong = _IMPOSSIBLE.search(text)
    if wrong:
        raise EncodeError(f"XML has no character U+{ord(wrong[0]):04X}", tag=int(element.tag))
    return text.translate(table)


def to_xml(
    dataset: Dataset,
    bulk_data_threshold: int = 1024,
    bulk_data_element_handler: ElementHandler | None = None,
    *,
    suppress_invalid_tags: bool = False,
    keep_character_set: bool = False,
) -> str:
    """The data set as a Native DICOM Model document; the parameters are those of ``dicomjson.to_json``.

    Values are the text that DICOM has for them; FL and FD that are not finite are ``NaN``, ``INF`` and ``-INF``.
    Group lengths and groups 0000 and 0002 are left out. Raises DecodeError for values that the source has wrong,
    EncodeError for text that XML cannot hold (control characters) and values that cannot be written.
    """
    parts: list[str] = []
    _Writer(
        parts.append, bulk_data_threshold, bulk_data_element_handler, suppress_invalid_tags, keep_character_set
    ).document(dataset)
    return "".join(parts)


def write(
    dataset: Dataset,
    file: TextSink,
    *,
    bulk_data_threshold: int = 1024,
    bulk_data_element_handler: ElementHandler | None = None,
    suppress_invalid_tags: bool = False,
    keep_character_set: bool = False,
) -> None:
    """Write the document to a text file that is encoded in UTF-8, in pieces. The options are those of ``to_xml``."""
    _Writer(
        file.write, bulk_data_threshold, bulk_data_element_handler, suppress_invalid_tags, keep_character_set
    ).document(dataset)


# -- reading ---------------------------------------------------------------------------------------------------------


def from_xml(
    document: str | bytes | bytearray,
    bulk_data_uri_handler: UriHandler | None = None,
    *,
    options: ReadOptions = _DEFAULT,
) -> Dataset:
    """A data set of a Native DICOM Model document.

    Parameters
    ----------
    bulk_data_uri_handler
        Gives the value of a BulkData, from ``(tag, vr, uri)`` or the URI alone (``urn:uuid:...`` for a UUID); called
        when the value is first touched. Without one the attribute is there, writes back as the same reference, and
        raises DecodeError when its value is asked for.
    options
        Budgets for nesting, element count and length of the document.

    Private attributes without a block take that of their creator, or the first one free (PS3.5 7.8.1). Raises
    DecodeError, with the path of the attribute, for all that is not the model. A document type declaration is
    refused, and with it every entity but the five of XML itself; nothing outside the document is ever opened.
    """
    reader = DocumentReader(options, bulk_data_uri_handler, is_text=isinstance(document, str))
    if len(document) > options.max_text:
        raise LimitError(f"more XML than the limit of {options.max_text} bytes")
    reader.feed(_bytes_of(document))
    return reader.close()


def read(
    file: IO[str] | IO[bytes],
    bulk_data_uri_handler: UriHandler | None = None,
    *,
    options: ReadOptions = _DEFAULT,
) -> Dataset:
    """A data set of a file with a Native DICOM Model document, parsed while it is read."""
    reader: DocumentReader | None = None
    try:
        while piece := file.read(_CHUNK):
            if reader is None:
                reader = DocumentReader(options, bulk_data_uri_handler, is_text=isinstance(piece, str))
            reader.feed(_bytes_of(piece))
    except UnicodeDecodeError as error:
        raise DecodeError("not XML: the text is not in its encoding", offset=error.start) from error
    if reader is None:
        raise DecodeError("not XML: there is nothing")
    return reader.close()


def _bytes_of(text: str | bytes | bytearray) -> bytes:
    try:
        return text.encode() if isinstance(text, str) else bytes(text)
    except UnicodeEncodeError as error:
        raise DecodeError("not XML: the text is no Unicode", offset=error.start) from error
