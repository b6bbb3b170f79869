"""The gray-scale transformations of one frame as one function of stored values (PS3.4 N.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.encoding.attributes import integer
from pacskit.encoding.display.lut import LookupTable
from pacskit.encoding.display.modality import Rescale, is_signed, modality_range, modality_transform
from pacskit.encoding.display.presentation import is_inverted, normalized
from pacskit.encoding.display.voi import Window, voi_tables, windows
from pacskit_ext import _display

__all__ = ["GrayPipeline", "WindowChoice", "choose_voi", "pipeline_for"]

WindowChoice = Window | LookupTable | tuple[float, float] | int | str

_BLOCK: Final = 1 << 18  # values of a kind without tables are transformed so many at a time


@dataclass(frozen=True, slots=True)
class GrayPipeline:
    """Modality, VOI and presentation transformations, one after the other.

    ``domain`` is the range of modality values that is spread over the output where there is no ``voi``;
    ``presentation`` a Presentation LUT; ``inverted`` says that the least value is white.
    """

    modality: LookupTable | Rescale | None
    voi: Window | LookupTable | None
    domain: tuple[float, float]
    presentation: LookupTable | None = None
    inverted: bool = False

    def normalize(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """The output for stored values, from 0 (black) to 1 (white)."""
        values = stored if self.modality is None else self.modality.apply(stored)
        if isinstance(self.voi, LookupTable):
            out = self.voi.apply(values) / np.float64(self.voi.largest)
        elif self.voi is not None:
            out = self.voi.normalize(values)
        else:
            low, high = self.domain
            out = (np.asarray(values, np.float64) - low) / (high - low if high > low else 1.0)
            np.clip(out, 0.0, 1.0, out=out)
        if self.presentation is not None:
            out = normalized(self.presentation, out)
        return 1.0 - out if self.inverted else out

    def render(self, stored: NDArray[Any], *, bits: Literal[8, 16] = 8) -> NDArray[Any]:
        """The output as unsigned integers of 8 or 16 bits, rounded to the nearest; the GIL is released in between."""
        out = np.empty(stored.shape, np.uint8 if bits == 8 else np.uint16)
        stored = np.require(stored, stored.dtype.newbyteorder("="), ["C", "A"])
        if stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2:
            self._by_table(stored, out)
        else:
            self._by_blocks(stored.reshape(-1), out.reshape(-1))
        return out

    def _by_table(self, stored: NDArray[Any], out: NDArray[Any]) -> None:
        """Compute an entry for each value between the least and the largest, then look up."""
        width = stored.dtype.itemsize
        found = _display.value_range(stored.data, width, stored.dtype.kind == "i")
        if found is None:
            return
        values = np.arange(found[0], found[1] + 1, dtype=np.int64)
        table = np.zeros(1 << 8 * width, out.dtype)
        table[values & ((1 << 8 * width) - 1)] = self._quantize(values, out.dtype)
        _display.apply_table(stored.data, width, table.data, out.dtype.itemsize, out.data)

    def _by_blocks(self, stored: NDArray[Any], out: NDArray[Any]) -> None:
        for start in range(0, stored.size, _BLOCK):
            block = stored[start : start + _BLOCK]
            out[start : start + _BLOCK] = self._quantize(block, out.dtype)

    def _quantize(self, stored: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
        scaled = self.normalize(stored)
        scaled *= np.iinfo(kind).max
        scaled += 0.5
        return np.nan_to_num(scaled, copy=False).astype(kind)


def pipeline_for(
    ds: Dataset, stored: NDArray[Any], frame: int = 0, *, window: WindowChoice = "auto", invert: bool = False
) -> GrayPipeline:
    """The pipeline of a frame whose stored values are given; see `render` for the arguments."""
    modality = modality_transform(ds, frame)
    measured = stored.dtype.kind == "f" or window == "minmax"
    domain = _found_range(ds, stored, modality) if measured else modality_range(ds, modality)
    signed = domain[0] < 0 if stored.dtype.kind == "f" else modality_range(ds, modality)[0] < 0
    return GrayPipeline(modality, choose_voi(ds, frame, window, signed), domain, None, is_inverted(ds) != invert)


def choose_voi(ds: Dataset, frame: int, window: WindowChoice, signed: bool) -> Window | LookupTable | None:
    """What a choice of window stands for in a data set; None for no VOI transformation."""
    if isinstance(window, Window | LookupTable):
        return window
    if isinstance(window, tuple):
        return Window(float(window[0]), float(window[1]))
    if window in ("full", "minmax"):
        return None
    if window == "auto":
        found: tuple[Window | LookupTable, ...] = voi_tables(ds, signed=signed) or windows(ds, frame)
        return found[0] if found else None
    if isinstance(window, int):
        return _numbered(windows(ds, frame), window)
    known: tuple[Window | LookupTable, ...] = (*windows(ds, frame), *voi_tables(ds, signed=signed))
    for each in known:
        if each.explanation == window:
            return each
    raise ValueError("no window or table has that explanation")


def _numbered(found: tuple[Window, ...], index: int) -> Window:
    if not 0 <= index < len(found):
        raise IndexError(f"there are {len(found)} windows")
    return found[index]


def _found_range(ds: Dataset, stored: NDArray[Any], modality: LookupTable | Rescale | None) -> tuple[float, float]:
    """The range of modality values that a frame has, padding apart (PS3.3 C.7.5.1.1.2)."""
    values = stored[~padding_mask(ds, stored)]
    if stored.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    if isinstance(modality, LookupTable):
        values = modality.apply(values)
    ends = np.array([values.min(), values.max()])
    if isinstance(modality, Rescale):
        ends = modality.apply(ends)
    return float(ends.min()), float(ends.max())


def padding_mask(ds: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Which stored values are padding: Pixel Padding Value, to Pixel Padding Range Limit where there is one."""
    value = integer(ds, "PixelPaddingValue") if "PixelPaddingValue" in ds else None
    if value is None or stored.dtype.kind == "f":
        return np.zeros(stored.shape, np.bool_)
    limit = integer(ds, "PixelPaddingRangeLimit") if "PixelPaddingRangeLimit" in ds else None
    ends = [_as_stored(ds, end) for end in (value, value if limit is None else limit)]
    mask: NDArray[np.bool_] = (stored >= min(ends)) & (stored <= max(ends))
    return mask


def _as_stored(ds: Dataset, value: int) -> int:
    """A padding value has the sign of the pixels, whatever its VR was written as."""
    if not -0x8000 <= value <= 0xFFFF:
        raise DecodeError(f"Pixel Padding Value {value} is no number of 16 bits", tag=0x00280120)
    if is_signed(ds):
        return value - 0x10000 if value >= 0x8000 else value
    return value & 0xFFFF
