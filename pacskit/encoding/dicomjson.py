"""The DICOM JSON Model (PS3.18 annex F), both ways.

``Dataset.to_json`` and ``Dataset.from_json`` are these functions. ``write`` and ``iter_datasets`` take a file each and
hold one piece, or one data set, at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, LimitError
from pacskit.core.values import DS
from pacskit.encoding.textmodel import BINARY, INTEGERS, REALS, Builder, ElementHandler, TextSink, UriHandler
from pacskit_ext._json import JsonWriter
from pacskit_ext._jsonsplit import ArraySplitter

__all__ = ["from_json", "iter_datasets", "read", "to_json", "to_json_dict", "write"]

_DEFAULT = ReadOptions()
_CHUNK = 1 << 16
_ASCII = frozenset({"AE", "AS", "CS", "DA", "DT", "TM", "UI", "UR"})  # text that no character set governs


# -- writing ---------------------------------------------------------------------------------------------------------


def to_json(
    dataset: Dataset,
    bulk_data_threshold: int = 1024,
    bulk_data_element_handler: ElementHandler | None = None,
    dump_handler: Callable[[dict[str, Any]], str] | None = None,
    suppress_invalid_tags: bool = False,
    *,
    keep_character_set: bool = False,
) -> str:
    """The data set as a DICOM JSON Model object; the first five parameters are pydicom's.

    Parameters
    ----------
    bulk_data_threshold
        Length in base64 above which a value of bytes is shown to the handler.
    bulk_data_element_handler
        Given the element, says the URI that stands for its value, or None to have it inline.
    dump_handler
        Makes the text of a dict, for those who want another layout.
    suppress_invalid_tags
        Leave out an attribute whose value is not what its VR demands, rather than raise DecodeError.
    keep_character_set
        Keep the Specific Character Set of the source, as a record (PS3.18 F.2.2 note 3). By default it says what
        the text is in, ``ISO_IR 192``.

    A DS or IS is a number when JSON can write it as it stands, else text; SV and UV are text where a double would
    lose digits (PS3.18 F.2.3). FL and FD that are not finite are the texts ``NaN``, ``Infinity`` and ``-Infinity``.
    Group lengths and groups 0000 and 0002 are left out. Raises DecodeError for values that the source has wrong,
    EncodeError for values that were assigned and cannot be written.
    """
    if dump_handler is not None:
        return dump_handler(
            to_json_dict(
                dataset,
                bulk_data_threshold,
                bulk_data_element_handler,
                suppress_invalid_tags,
                keep_character_set=keep_character_set,
            )
        )
    writer = JsonWriter(
        bulk_data_threshold=bulk_data_threshold,
        bulk_data_element_handler=bulk_data_element_handler,
        suppress_invalid_tags=suppress_invalid_tags,
        keep_character_set=keep_character_set,
    )
    writer.write(dataset)
    return writer.take()


def to_json_dict(
    dataset: Dataset,
    bulk_data_threshold: int = 1024,
    bulk_data_element_handler: ElementHandler | None = None,
    suppress_invalid_tags: bool = False,
    *,
    keep_character_set: bool = False,
) -> dict[str, Any]:
    """The data set as what a JSON parser makes of ``to_json``."""
    text = to_json(
        dataset,
        bulk_data_threshold,
        bulk_data_element_handler,
        None,
        suppress_invalid_tags,
        keep_character_set=keep_character_set,
    )
    return json.loads(text)  # type: ignore[no-any-return]


def write(
    datasets: Dataset | Iterable[Dataset],
    file: TextSink,
    *,
    bulk_data_threshold: int = 1024,
    bulk_data_element_handler: ElementHandler | None = None,
    suppress_invalid_tags: bool = False,
    keep_character_set: bool = False,
) -> None:
    """Write one data set as an object, or any number as an array, to a text file; what is written is not kept.

    The options are those of ``to_json``.
    """
    writer = JsonWriter(
        bulk_data_threshold=bulk_data_threshold,
        bulk_data_element_handler=bulk_data_element_handler,
        suppress_invalid_tags=suppress_invalid_tags,
        keep_character_set=keep_character_set,
        sink=file.write,
        chunk=_CHUNK,
    )
    if isinstance(datasets, Dataset):
        writer.write(datasets)
    else:
        separator = "["
        for dataset in datasets:
            writer.punctuate(separator)
            writer.write(dataset)
            separator = ","
        writer.punctuate("]" if separator == "," else "[]")
    file.write(writer.take())


# -- reading ---------------------------------------------------------------------------------------------------------


class _Reader(Builder):
    """Data sets of what a JSON parser gave."""

    def dataset(self, model: object) -> Dataset:
        """One DICOM JSON Model object (PS3.18 F.2.2)."""
        if not isinstance(model, dict):
            self.refuse("a data set is a JSON object")
        dataset = Dataset()
        for name, attribute in model.items():
            self.open(name)
            if not isinstance(attribute, dict):
                self.refuse("an attribute is a JSON object")
            vr = self.vr(attribute.get("vr"))
            value = attribute.get("Value")
            if value and len(attribute) == 2 and isinstance(value, list) and value != [None]:  # as most are
                self.add(dataset, vr, self.values(vr, value))
                continue
            given = [key for key in ("Value", "InlineBinary", "BulkDataURI") if key in attribute]
            if len(given) > 1:
                self.refuse(f"an attribute has either {given[0]} or {given[1]}")
            self.attribute(dataset, vr, given[0] if given else "", attribute)
        return dataset

    def attribute(self, dataset: Dataset, vr: str, key: str, attribute: dict[str, Any]) -> None:
        """Put one attribute in."""
        value = attribute[key] if key else None
        if key in ("InlineBinary", "BulkDataURI"):
            if isinstance(value, list) and len(value) == 1:
                value = value[0]  # as the example of PS3.18 F.4 once had it
            if key == "BulkDataURI":
                self.add_reference(dataset, vr, value)
            else:
                self.add(dataset, vr, self.bytes_of(vr, value))
        elif value is None or (vr != "SQ" and value in ([], [None])):
            self.add(dataset, vr, None)
        elif not isinstance(value, list):
            self.refuse("Value is an array")
        else:
            self.add(dataset, vr, self.values(vr, value))

    def values(self, vr: str, values: list[Any]) -> Any:
        """The Python values of a Value array (PS3.18 F.2.4)."""
        if vr in _ASCII:
            return [value if isinstance(value, str) else self.string(vr, value) for value in values]
        if vr in ("DS", "IS"):
            return [self.number_text(value) for value in values]
        if vr == "SQ":
            return self.items(values)
        if vr in BINARY:
            self.refuse(f"a value of VR {vr} is InlineBinary or BulkDataURI")
        if vr in INTEGERS:
            return [self.integer(vr, value) for value in values]
        if vr in REALS:
            return [self.real(value) for value in values]
        if vr == "AT":
            return [self.attribute_tag(value) for value in values]
        if vr == "PN":
            return [self.name(value) for value in values]
        return [self.string(vr, value) for value in values]

    def items(self, values: list[Any]) -> list[Dataset]:
        tag = self.tag
        items = []
        for index, value in enumerate(values):
            self.enter(tag, index)
            items.append(self.dataset({} if value is None else value))
            self.leave()
        return items

    def string(self, vr: str, value: object) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            self.refuse(f"a value of VR {vr} is a string")
        return self.text(vr, value)

    def number_text(self, value: object) -> object:
        """A DS or IS: numbers keep the text that they had in JSON."""
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float, str))):
            self.refuse("a value of VR DS or IS is a number or a string")
        return value

    def name(self, value: object) -> str:
        """A person name: its component groups, or the text that some servers send instead."""
        if isinstance(value, dict):
            groups = [value.get(key) or "" for key in ("Alphabetic", "Ideographic", "Phonetic")]
            if not all(isinstance(group, str) for group in groups):
                self.refuse("the component groups of a person name are strings")
            value = "=".join(groups).rstrip("=")
        return self.string("PN", value)


def _parse(text: str | bytes | bytearray, options: ReadOptions) -> Any:
    if len(text) > options.max_text:
        raise LimitError(f"more JSON than the limit of {options.max_text} bytes")
    try:
        return json.loads(text, parse_float=DS)
    except json.JSONDecodeError as error:
        raise DecodeError(f"not JSON: {error.msg}", offset=error.pos) from error
    except UnicodeDecodeError as error:
        raise DecodeError("not JSON: the text is no Unicode", offset=error.start) from error
    except ValueError as error:
        raise DecodeError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise LimitError("JSON nests deeper than can be read") from error


def _build(model: object, handler: UriHandler | None, options: ReadOptions) -> Dataset:
    reader = _Reader(options, handler)
    try:
        return reader.finish(reader.dataset(model))
    except RecursionError as error:
        raise LimitError("sequences nest deeper than can be read", path=None) from error


def from_json(
    model: str | bytes | bytearray | dict[str, Any],
    bulk_data_uri_handler: UriHandler | None = None,
    *,
    options: ReadOptions = _DEFAULT,
) -> Dataset:
    """A data set of a DICOM JSON Model object: its text, or what a JSON parser made of it.

    Parameters
    ----------
    bulk_data_uri_handler
        Gives the value of a BulkDataURI, from ``(tag, vr, uri)`` or the URI alone; called when the value is first
        touched. Without one the attribute is there, writes back as the same BulkDataURI, and raises DecodeError
        when its value is asked for.
    options
        Budgets for nesting, element count and length of the text.

    Raises DecodeError, with the path of the attribute, for all that is not what PS3.18 F.2 says. Taken though it is
    not: a person name as plain text, a number as text, null for NaN, and an array of one around InlineBinary.
    """
    if isinstance(model, (str, bytes, bytearray)):
        model = _parse(model, options)
    return _build(model, bulk_data_uri_handler, options)


def iter_datasets(
    file: IO[str] | IO[bytes],
    bulk_data_uri_handler: UriHandler | None = None,
    *,
    options: ReadOptions = _DEFAULT,
) -> Iterator[Dataset]:
    """The data sets of a file with an array of objects (or one object), each as soon as its text is there.

    The budgets hold for each data set. Raises DecodeError as ``from_json`` does.
    """
    splitter = ArraySplitter(max_bytes=options.max_text)
    while piece := _next_piece(file):
        for text in splitter.feed(piece):
            yield _build(_parse(text, options), bulk_data_uri_handler, options)
    splitter.close()


def _next_piece(file: IO[str] | IO[bytes]) -> bytes:
    try:
        piece = file.read(_CHUNK)
        return piece.encode() if isinstance(piece, str) else piece
    except UnicodeError as error:
        raise DecodeError("not JSON: the text is no Unicode") from error


def read(
    file: IO[str] | IO[bytes],
    bulk_data_uri_handler: UriHandler | None = None,
    *,
    options: ReadOptions = _DEFAULT,
) -> list[Dataset]:
    """All data sets of a file with an array of objects, or with one object."""
    return list(iter_datasets(file, bulk_data_uri_handler, options=options))
