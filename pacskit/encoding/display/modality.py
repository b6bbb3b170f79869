"""From stored values to those of the modality: rescale or table (PS3.3 C.11.1, C.7.6.16.2.9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.encoding.attributes import integer, items, number, required, text
from pacskit.encoding.display.lut import LookupTable, read_table
from pacskit.encoding.functional_groups import functional_groups, is_enhanced

__all__ = ["Rescale", "apply_modality_lut", "apply_rescale", "modality_range", "modality_transform", "stored_range"]

_GROUP = "PixelValueTransformationSequence"


@dataclass(frozen=True, slots=True)
class Rescale:
    """Output = stored value x ``slope`` + ``intercept``; ``kind`` is the Rescale Type, such as HU."""

    slope: float = 1.0
    intercept: float = 0.0
    kind: str | None = None

    def apply(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The values of the modality."""
        out: NDArray[np.float64] = values * np.float64(self.slope)
        out += self.intercept
        return out


def _rescale(place: Dataset) -> Rescale | None:
    slope, intercept = number(place, "RescaleSlope"), number(place, "RescaleIntercept")
    if slope is None or intercept is None:
        return None
    if slope == 0:
        raise DecodeError("Rescale Slope is 0: every value would be the same", tag=0x00281053)
    return Rescale(slope, intercept, text(place, "RescaleType"))


def is_signed(ds: Dataset) -> bool:
    """Whether stored values are signed (Pixel Representation 1)."""
    return integer(ds, "PixelRepresentation") == 1


def modality_transform(ds: Dataset, frame: int = 0, *, signed: bool | None = None) -> LookupTable | Rescale | None:
    """The modality transformation of a frame: its Modality LUT, else its rescale; None where there is neither.

    ``signed`` tells of the stored values for a data set without pixels, such as a presentation state.
    """
    tables = items(ds, "ModalityLUTSequence")
    if tables and tables[0].get("LUTDescriptor") is not None:
        return read_table(tables[0], signed=is_signed(ds) if signed is None else signed)
    if is_enhanced(ds):
        item = functional_groups(ds, frame).get(_GROUP)
        if item is not None:
            return _rescale(item)
    return _rescale(ds)


def stored_range(ds: Dataset) -> tuple[int, int]:
    """The least and the largest value that Bits Stored and Pixel Representation allow."""
    bits = integer(ds, "BitsStored") or required(ds, "BitsAllocated")
    if not 1 <= bits <= 64:
        raise DecodeError(f"Bits Stored is {bits}", tag=0x00280101)
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed(ds) else (0, (1 << bits) - 1)


def modality_range(ds: Dataset, transform: LookupTable | Rescale | None) -> tuple[float, float]:
    """The least and the largest value that the modality transformation can give."""
    if isinstance(transform, LookupTable):
        return 0.0, float(transform.largest)
    low, high = stored_range(ds)
    if transform is None:
        return float(low), float(high)
    ends = (low * transform.slope + transform.intercept, high * transform.slope + transform.intercept)
    return min(ends), max(ends)


def apply_modality_lut(arr: NDArray[Any], ds: Dataset, frame: int | None = None) -> NDArray[Any]:
    """Turn stored values into those of the modality, as float64 for a rescale; unchanged where there is none.

    The frames of an enhanced object may each have their own rescale: an array whose first axis is as long as there
    are frames is transformed frame by frame unless ``frame`` says that it is one of them.
    """
    if frame is None and is_enhanced(ds):
        count = integer(ds, "NumberOfFrames") or 1
        if count > 1 and arr.ndim > 2 and arr.shape[0] == count:
            return np.stack([apply_modality_lut(arr[n], ds, n) for n in range(count)])
    transform = modality_transform(ds, frame or 0)
    return arr if transform is None else transform.apply(arr)


apply_rescale = apply_modality_lut
