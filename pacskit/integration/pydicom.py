"""Data sets to and from pydicom, decoding nothing that was not decoded already."""

from __future__ import annotations

import importlib
import io
from types import ModuleType
from typing import Any

from pacskit.core.dataset import Dataset
from pacskit.core.element import DataElement
from pacskit.core.errors import ConfigurationError
from pacskit.core.filemeta import FileMeta
from pacskit.core.uid import UID
from pacskit.encoding import decode, encode

__all__ = ["from_pydicom", "to_pydicom"]

_IMPLICIT = "1.2.840.10008.1.2"
_EXPLICIT = "1.2.840.10008.1.2.1"
_BIG = "1.2.840.10008.1.2.2"
_UNDEFINED = 0xFFFFFFFF
# From this size on a binary value is a stream over our bytes rather than a copy of them.
_BIG_VALUE = 1 << 16
_BUFFERED = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})


class ViewStream(io.BufferedIOBase):
    """A read-only stream over bytes that belong to another: what pydicom takes as a buffered value."""

    def __init__(self, view: memoryview) -> None:
        super().__init__()
        self.view = view
        self._at = 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position."""
        base = (0, self._at, len(self.view))[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """The position."""
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """A copy of the next ``size`` bytes."""
        stop = len(self.view) if size is None or size < 0 else self._at + size
        data = bytes(self.view[self._at : stop])
        self._at += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """Copy into a buffer."""
        target = memoryview(buffer).cast("B")
        part = self.view[self._at : self._at + len(target)]
        target[: len(part)] = part
        self._at += len(part)
        return len(part)

    def __deepcopy__(self, memo: dict[int, Any]) -> ViewStream:
        return ViewStream(self.view)


def _pydicom() -> ModuleType:
    try:
        return importlib.import_module("pydicom")
    except ImportError as error:
        raise ConfigurationError("pydicom is not installed: 'pip install pydicom'") from error


def _part(name: str) -> Any:
    return importlib.import_module(f"pydicom.{name}")


def to_pydicom(dataset: Dataset) -> Any:
    """The same data set as a ``pydicom.FileDataset``, with file meta, preamble and encoding.

    What was read and not changed becomes raw elements, which pydicom decodes when they are touched. Pixel data and
    other binary values of 64 KiB and more are streams over our bytes (pydicom's buffered values), so that they are
    not copied; encapsulated ones are bytes. Raises ConfigurationError when pydicom is not installed.
    """
    _pydicom()
    made = _part("dataset").FileDataset(io.BytesIO(), {}, preamble=dataset.preamble)
    settled, kept = _settled(dataset)
    implicit, big = _layout(settled)
    _fill(made, settled, implicit, big)
    for element in kept:
        made[int(element.tag)] = _streamed(element)
    made.file_meta = _part("dataset").FileMetaDataset()
    meta = Dataset(list(dataset.file_meta))
    if len(meta):
        _fill(made.file_meta, decode(encode(meta, _EXPLICIT)), False, False)
    syntax = dataset.transfer_syntax
    if syntax is not None and "TransferSyntaxUID" not in made.file_meta:
        made.file_meta.TransferSyntaxUID = str(syntax)
    made.buffer = None
    return made


def _layout(dataset: Dataset) -> tuple[bool, bool]:
    scan = dataset.scan
    return (False, False) if scan is None else (bool(scan.implicit), bool(scan.big))


def _fill(made: Any, dataset: Any, implicit: bool, big: bool, codecs: list[str] | None = None) -> None:
    """Put the elements of ``dataset`` into a data set of pydicom's; ``codecs`` are those of what holds it."""
    raw_class, element_class = _part("dataelem").RawDataElement, _part("dataelem").DataElement
    tag_class, sequence_class, data_class = _part("tag").BaseTag, _part("sequence").Sequence, _part("dataset").Dataset
    terms = dataset.get("SpecificCharacterSet")
    if terms or codecs is None:
        codecs = _part("charset").convert_encodings(list(terms) if isinstance(terms, list) else terms or "ISO_IR 6")
    made.set_original_encoding(implicit, not big, codecs)
    for element in dataset:
        tag = tag_class(int(element.tag))
        vr = str(element.VR)
        if vr == "SQ":
            items = []
            for item in element.value:
                other = data_class()
                _fill(other, item, implicit, big, codecs)
                other.is_undefined_length_sequence_item = False
                items.append(other)
            target = element_class(tag, "SQ", sequence_class(items), already_converted=True)
            target.is_undefined_length = element.is_undefined_length
            made[tag] = target
            continue
        if _is_big_value(element):
            made[tag] = _streamed(element)
        else:
            value = bytes(element.raw or b"")
            length = _UNDEFINED if element.is_undefined_length else len(value)
            made[tag] = raw_class(tag, vr, length, value, element.offset or 0, implicit, not big)


def _streamed(element: DataElement) -> Any:
    made = _part("dataelem").DataElement(int(element.tag), str(element.VR), None)
    made.value = ViewStream(element.raw or memoryview(b""))
    return made


def _is_big_value(element: DataElement) -> bool:
    view = element.raw
    return (
        view is not None
        and str(element.VR) in _BUFFERED
        and len(view) >= _BIG_VALUE
        and not element.is_undefined_length
    )


def _settled(dataset: Dataset) -> tuple[Dataset, list[DataElement]]:
    """The data set with all that was assigned as bytes, and apart from it the big values that nobody touched."""
    if not dataset.is_modified:
        return dataset, []
    syntax = dataset.transfer_syntax or dataset.file_meta.get("TransferSyntaxUID") or _EXPLICIT
    kept = [element for element in dataset if _is_big_value(element)]
    rest = dataset.copy()
    for element in kept:
        del rest[element.tag]
    return decode(encode(rest, syntax), syntax), kept


def from_pydicom(dataset: Any) -> Dataset:
    """The same data set as ours, with file meta, preamble and transfer syntax.

    pydicom encodes it once (raw elements are copied, not decoded) and nothing is decoded here.
    Raises ConfigurationError when pydicom is not installed.
    """
    _pydicom()
    meta = getattr(dataset, "file_meta", None)
    syntax = meta.get("TransferSyntaxUID") if meta is not None else None
    implicit, little = _encoding_of(dataset, syntax)
    made = decode(_written(dataset, implicit, little), {(True, True): _IMPLICIT, (False, False): _BIG}.get(
        (implicit, little), _EXPLICIT
    ))  # fmt: skip
    if syntax is not None:
        made.transfer_syntax = UID(str(syntax))
    if meta is not None and len(meta):
        made.file_meta = FileMeta(decode(_written(meta, False, True)))
    preamble = getattr(dataset, "preamble", None)
    made.preamble = preamble if preamble and len(preamble) == 128 else None
    return made


def _encoding_of(dataset: Any, syntax: Any) -> tuple[bool, bool]:
    if syntax is not None and not syntax.is_private and syntax.is_transfer_syntax:
        return bool(syntax.is_implicit_VR), bool(syntax.is_little_endian)
    implicit, little = dataset.original_encoding
    return (False, True) if implicit is None else (bool(implicit), bool(little))


def _written(dataset: Any, implicit: bool, little: bool) -> bytes:
    fp = _part("filebase").DicomBytesIO()
    fp.is_implicit_VR = implicit
    fp.is_little_endian = little
    _part("filewriter").write_dataset(fp, dataset)
    return bytes(fp.getvalue())
