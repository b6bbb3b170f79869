"""Dataset to data-set bytes, and data-set bytes from one uncompressed syntax to another."""

from __future__ import annotations

import zlib
from array import array
from typing import TYPE_CHECKING, Final

from pacskit.core.config import ReadOptions
from pacskit.core.dataset import Dataset
from pacskit.core.element import DataElement, DeferredElement
from pacskit.core.errors import EncodeError
from pacskit.core.uid import UID
from pacskit.encoding.reader import decode
from pacskit.encoding.transfer_syntax import UNCOMPRESSED, grammar
from pacskit_ext import _writer

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["changes_pixels", "encode", "transcode"]

_WORDS: Final = {"OW": "H", "OF": "I", "OL": "I", "OD": "Q", "OV": "Q"}
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)


def changes_pixels(dataset: Dataset, target: str) -> bool:
    """Whether writing in ``target`` needs the pixels to be compressed, decompressed or recompressed."""
    source = dataset.transfer_syntax
    if source is None or source == target or not (grammar(source).encapsulated or grammar(target).encapsulated):
        return False
    return any(tag in dataset for tag in _PIXELS)


def _refuse_pixel_change(dataset: Dataset, target: str) -> None:
    if changes_pixels(dataset, target):
        source = UID(dataset.transfer_syntax or "").name
        message = (
            f"pixel data is not converted from {source} to {UID(target).name} by writing it: see Dataset.transcode"
        )
        raise EncodeError(message, tag=0x7FE00010)


def _with_words_swapped(dataset: Dataset) -> Dataset:
    """The data set for a big endian syntax: values that were deferred are little endian bytes."""
    twin: Dataset | None = None
    for element in dataset.changed_elements():
        replaced: DataElement | None = None
        if element.VR == "SQ":
            items = [_with_words_swapped(item) for item in element.value]
            if any(item is not old for item, old in zip(items, element.value, strict=True)):
                replaced = DataElement(element.tag, "SQ", items)
        elif isinstance(element, DeferredElement) and element.raw is not None and str(element.VR) in _WORDS:
            words = array(_WORDS[str(element.VR)])
            whole = len(element.raw) // words.itemsize * words.itemsize
            words.frombytes(element.raw[:whole])
            words.byteswap()
            replaced = DataElement(element.tag, str(element.VR), words.tobytes() + bytes(element.raw[whole:]))
        if replaced is not None:
            twin = dataset.copy() if twin is None else twin
            twin.add(replaced)
    return dataset if twin is None else twin


def _deflate(plain: Buffer) -> bytes:
    machine = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = machine.compress(plain) + machine.flush()
    return data + b"\0" if len(data) & 1 else data


def encode(dataset: Dataset, transfer_syntax: str) -> bytes:
    """The bytes of a data set in a transfer syntax, without preamble or meta.

    What was read and not changed is copied; between the uncompressed syntaxes it is converted as bytes. Raises
    EncodeError for a value that its VR does not allow and for pixel data that would have to be (de)compressed.
    """
    implicit, big, deflated, encapsulated = grammar(transfer_syntax)
    if dataset.transfer_syntax == transfer_syntax:
        original = _writer.encoded_source(dataset) if deflated else _writer.source_copy(dataset)
        if original is not None:
            return bytes(original)
    _refuse_pixel_change(dataset, transfer_syntax)
    if big:
        dataset = _with_words_swapped(dataset)
    if deflated:
        return _deflate(_writer.encode(dataset, implicit=False))
    return _writer.encode(dataset, implicit=implicit, big=big, encapsulated=encapsulated)


def transcode(data: Buffer, source: str, target: str, *, options: ReadOptions | None = None) -> bytes:
    """Convert data-set bytes from one syntax to another without making Python values.

    Raises EncodeError unless both are uncompressed (deflated counts as such), or the same.
    """
    if source == target:
        return bytes(data)
    if source not in UNCOMPRESSED or target not in UNCOMPRESSED:
        raise EncodeError(f"no conversion from {UID(source).name} to {UID(target).name}")
    return encode(decode(data, source, options=options or ReadOptions()), target)
