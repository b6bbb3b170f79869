"""Headers of GE and Philips that are well defined: GE's protocol block, Philips' stacks."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pacskit.core.errors import DecodeError, LimitError, TruncatedError

if TYPE_CHECKING:
    from pacskit.core.dataset import Dataset

__all__ = ["PhilipsStack", "ge_protocol", "ge_protocol_text", "philips_stacks"]

_ASSIGNMENT = re.compile(r'^(?:set\s+)?(\w+)\s+"(.*)"\s*$')


def ge_protocol_text(dataset: Dataset, *, limit: int = 16 << 20) -> str:
    """The text of GE's compressed protocol data block, (0025,xx1B) of GEMS_SERS_01, at most ``limit`` bytes.

    Raises KeyError where the data set has none, DecodeError, TruncatedError or LimitError where it is damaged.
    """
    element = dataset.get_private_item(0x0025, 0x1B, "GEMS_SERS_01")
    data, tag = element.value, element.tag
    if not isinstance(data, bytes) or len(data) < 4:
        raise DecodeError("GE's protocol block is bytes after a length", tag=tag)
    length = int.from_bytes(data[:4], "little")
    if length > len(data) - 4:
        raise TruncatedError("GE's protocol block ends early", tag=tag, offset=4)
    machine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = machine.decompress(data[4 : 4 + length], limit)
    except zlib.error as error:
        raise DecodeError(f"GE's protocol block is damaged: {error}", tag=tag, offset=4) from error
    if not machine.eof:
        kind = LimitError if machine.unconsumed_tail or len(plain) >= limit else TruncatedError
        raise kind(f"GE's protocol block inflates to more than {limit} bytes or ends early", tag=tag, offset=4)
    return plain.decode("latin-1")


def ge_protocol(dataset: Dataset, *, limit: int = 16 << 20) -> dict[str, str]:
    """The settings of GE's protocol data block by name (``PSEQ``, ``FLIPANG``); errors as `ge_protocol_text`.

    Lines ``NAME "value"`` are read, bare, after ``set``, or inside the XML of newer scanners.
    """
    found = (_ASSIGNMENT.match(line.strip()) for line in ge_protocol_text(dataset, limit=limit).splitlines())
    return {match[1]: match[2] for match in found if match}


@dataclass(frozen=True, slots=True)
class PhilipsStack:
    """A stack of parallel or radial slices: an item of (2001,xx5F), whose other attributes are in ``item``."""

    number_of_slices: int | None
    slice_number: int | None
    type: str | None
    radial_angle: float | None
    radial_axis: str | None
    item: Dataset


def philips_stacks(dataset: Dataset) -> list[PhilipsStack]:
    """The stacks of a Philips MR image, (2001,xx5F) of ``Philips Imaging DD 001``.

    Raises KeyError where the data set has none.
    """
    creator = "Philips Imaging DD 001"
    element = dataset.get_private_item(0x2001, 0x5F, creator)
    if element.VR != "SQ":
        raise DecodeError("the stacks of a Philips image are a sequence", tag=element.tag)
    stacks = []
    for item in element.value:
        blocks = item.private_blocks(0x2001, creator)
        slices, angle, axis, number, kind = (
            next((block[offset].value for block in blocks if offset in block), None)
            for offset in (0x2D, 0x32, 0x33, 0x35, 0x36)
        )
        stacks.append(PhilipsStack(slices, number, kind, angle, axis, item))
    return stacks
