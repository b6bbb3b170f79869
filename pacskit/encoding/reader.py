"""Data-set bytes to Dataset."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from pacskit.core.config import ReadOptions, Strictness
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, LimitError, TruncatedError
from pacskit.core.uid import UID
from pacskit.encoding.transfer_syntax import EXPLICIT_LITTLE, grammar
from pacskit_ext._reader import scan
from pacskit_ext._table import tag_from, wrap

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["decode", "inflate", "rewrap", "stop_for"]

_SPECIFIC_CHARACTER_SET = 0x00080005
_DEFAULT = ReadOptions()
_FREE = 16 << 20
_PIECE = 1 << 16
PIXELS = 0x7FE00000
_Made = TypeVar("_Made", bound=Dataset)


def inflate(data: Buffer, limit: int, *, ratio: int | None = None, offset: int = 0) -> bytes:
    """Inflate a deflated data set (PS3.5 A.5) of at most ``limit`` bytes, each of which became at most ``ratio``.

    Raises TruncatedError when the stream ends early, DecodeError when it is damaged, LimitError over a limit.
    """
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    view = memoryview(data).cast("B")
    parts: list[bytes] = []
    made = taken = 0
    rest: Buffer = b""
    while not machine.eof:
        if not rest:
            rest = view[taken : taken + _PIECE]
            taken += len(rest)
        if not rest:
            raise TruncatedError("the deflated data set ends early", offset=offset)
        try:
            parts.append(machine.decompress(rest, min(_FREE, limit - made + 1)))
        except zlib.error as error:
            raise DecodeError(f"the deflated data set is damaged: {error}", offset=offset) from error
        rest = machine.unconsumed_tail
        made += len(parts[-1])
        used = taken - len(rest)
        if made > limit or (ratio is not None and made > max(_FREE, used * ratio)):
            raise LimitError(f"{used} bytes of the deflated data set become more than {made}", offset=offset)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def stop_for(stop_before_pixels: bool, specific_tags: Iterable[int | str | tuple[int, int]] | None) -> int:
    """The tag to stop reading before; 0 for none."""
    if stop_before_pixels:
        return PIXELS + 8
    wanted = None if specific_tags is None else max(map(tag_from, specific_tags), default=0)
    return PIXELS if wanted is not None and wanted < PIXELS else 0


def decode(
    data: Buffer,
    transfer_syntax: str = EXPLICIT_LITTLE,
    *,
    start: int = 0,
    total: int = -1,
    stop_before_pixels: bool = False,
    specific_tags: Iterable[int | str | tuple[int, int]] | None = None,
    options: ReadOptions = _DEFAULT,
) -> Dataset:
    """Read a data set from bytes that are in ``transfer_syntax``; the data set keeps them and copies nothing.

    ``start`` is where in ``data`` it begins. When ``data`` is only the head of ``total`` bytes, a last value that ends
    there is left for ``dataset.scan.supply``. Raises TruncatedError, DecodeError or LimitError with offset and tag.
    """
    encoded = None
    implicit, big, deflated, _ = grammar(transfer_syntax)
    if deflated:
        encoded = memoryview(data)[start:]
        data, start = inflate(encoded, options.max_inflated, ratio=options.max_ratio, offset=start), 0
    wanted = None
    specific_tags = None if specific_tags is None else tuple(specific_tags)
    stop = stop_for(stop_before_pixels, specific_tags)
    if specific_tags is not None:
        wanted = {tag_from(key) for key in specific_tags}
        wanted.add(_SPECIFIC_CHARACTER_SET)
    table = scan(
        data,
        implicit=implicit,
        big=big,
        start=start,
        total=-1 if deflated else total,
        stop_tag=stop,
        wanted=wanted,
        max_depth=options.max_depth,
        max_elements=options.max_elements,
        salvage=options.strictness is Strictness.SALVAGE,
        encoded=encoded,
        private=options.private,
    )
    dataset = wrap(table, Dataset)
    dataset.transfer_syntax = transfer_syntax if isinstance(transfer_syntax, UID) else UID(transfer_syntax)
    if options.strictness is Strictness.STRICT and (found := dataset.diagnostics):
        raise found[0].error()
    return dataset


def rewrap(dataset: Dataset, table_class: type[_Made], item_class: type[Dataset]) -> _Made:
    """What was read as ``dataset`` as a data set of a subclass, its items of ``item_class``; changes are not taken."""
    if dataset.scan is None:
        raise ValueError("the data set was not read")
    made = wrap(dataset.scan, table_class, item_class)
    made._syntax = dataset.transfer_syntax
    made._notes = getattr(dataset, "_notes", ())
    return made
