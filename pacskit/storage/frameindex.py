"""Where the frames of stored objects are: found as they arrive, and read one by one.

The table of an object is made from its header and, where it is encapsulated, the headers of its items; pixels are not
read for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pacskit.core.element import DeferredElement
from pacskit.core.errors import PacsError
from pacskit.encoding import dcmread
from pacskit.encoding.frames import FrameIndex
from pacskit.encoding.transfer_syntax import grammar
from pacskit.storage.blobs.frametable import FrameTable
from pacskit.storage.errors import FrameNotFound

if TYPE_CHECKING:
    from pacskit.core.config import ReadOptions
    from pacskit.core.dataset import Dataset
    from pacskit.core.types import RangeSource
    from pacskit.storage.base import ObjectFiles
    from pacskit.storage.index.repository import SqlIndex
    from pacskit.storage.records import NewInstance, StoredInstance

__all__ = ["has_frames", "make_frames", "read_frames", "value_range"]

_NUMBER_OF_FRAMES: Final = '"00280008":["IS","'
_SMALL: Final = 1 << 12  # bytes of a value that is read with the header
_PIXELS: Final = (0x7FE00010, 0x7FE00008, 0x7FE00009)


def has_frames(new: NewInstance) -> bool:
    """Whether a table is worth keeping: several frames, or frames whose place cannot be computed."""
    _, found, value = new.attributes.partition(_NUMBER_OF_FRAMES)
    return (found != "" and value.partition('"')[0].strip() not in {"0", "1"}) or (
        grammar(new.transfer_syntax_uid).encapsulated
    )


def make_frames(source: Path | RangeSource, options: ReadOptions) -> bytes | None:
    """Return the packed table of an object; None where its frames are no ranges, or cannot be told."""
    try:
        dataset = dcmread(source, defer_size=_SMALL, options=options)
        if not any(_is_left(dataset, tag) for tag in _PIXELS):
            return None  # small enough to be read with the header
        return FrameTable.of(dataset).to_bytes()
    except (PacsError, OSError, ValueError, LookupError):
        return None


def _is_left(dataset: Dataset, tag: int) -> bool:
    """Whether a value is still where it was read from, so that it is known where that is."""
    return tag in dataset and isinstance(dataset[tag], DeferredElement)


def read_frames(
    index: SqlIndex, files: ObjectFiles, instance: StoredInstance, numbers: Sequence[int], options: ReadOptions
) -> list[bytes]:
    """Return frames of an instance, from 0: code streams, or native bytes. Raises FrameNotFound, DecodeError."""
    packed = index.frames(instance.sop_instance_uid, instance.key)
    if packed is not None:
        table = FrameTable.from_bytes(packed)
        _check(numbers, len(table))
        return table.read(files, instance.key, numbers)
    source = files.source(instance.key, instance.offset + instance.length)
    found = FrameIndex(dcmread(source, defer_size=_SMALL, options=options))
    _check(numbers, len(found))
    return [found.frame(number) for number in numbers]


def _check(numbers: Sequence[int], count: int) -> None:
    for number in numbers:
        if not 0 <= number < count:
            raise FrameNotFound(f"there is no frame {number}: the instance has {count}")


def value_range(files: ObjectFiles, instance: StoredInstance, tag: int, options: ReadOptions) -> tuple[int, int] | None:
    """Where a big value of the top level is in the object, ``(start, length)``; None for what comes with the header."""
    source = files.source(instance.key, instance.offset + instance.length)
    dataset = dcmread(source, defer_size=_SMALL, options=options)
    if tag not in dataset:
        return None
    element = dataset[tag]
    if not isinstance(element, DeferredElement) or element.offset is None or element.length is None:
        return None
    return element.offset, element.length
