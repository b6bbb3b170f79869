"""Real world values: stored values mapped to measurements with units (PS3.3 C.7.6.16.2.11)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import tag_for
from pacskit.core.errors import DecodeError
from pacskit.encoding.attributes import array, integer, items, missing, number, text
from pacskit.encoding.functional_groups import functional_groups

__all__ = ["RealWorldMap", "apply_real_world_map", "real_world_maps"]

_SEQUENCE = "RealWorldValueMappingSequence"


@dataclass(frozen=True, slots=True)
class RealWorldMap:
    """How stored values from ``first`` to ``last`` become measurements: a line, or a table with one for each.

    ``units`` is the code value of the units, in UCUM mostly; ``label`` and ``explanation`` tell maps apart.
    """

    first: float
    last: float
    slope: float | None
    intercept: float | None
    data: NDArray[np.float64] | None = field(default=None, repr=False)
    units: str | None = None
    label: str | None = None
    explanation: str | None = None

    def apply(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """The measurements for stored values; NaN for those that the map does not cover."""
        inside = (stored >= self.first) & (stored <= self.last)
        if self.data is None:
            out = stored * np.float64(self.slope or 0.0) + np.float64(self.intercept or 0.0)
        else:
            index = np.where(inside, np.nan_to_num(stored - np.float64(self.first)), 0.0).astype(np.intp)
            out = self.data[index]
        return np.where(inside, out, np.nan)


def _ends(item: Dataset, signed: bool) -> tuple[float, float]:
    ends = []
    for which in ("First", "Last"):
        exact = number(item, f"DoubleFloatRealWorldValue{which}ValueMapped")
        if exact is not None:
            ends.append(exact)
            continue
        whole = integer(item, f"RealWorldValue{which}ValueMapped")
        if whole is None:
            raise missing(f"RealWorldValue{which}ValueMapped")
        ends.append(float(whole - 0x10000 if signed and whole >= 0x8000 else whole))
    if ends[0] > ends[1]:
        raise DecodeError("a real world map begins after its end", tag=tag_for("RealWorldValueFirstValueMapped"))
    return ends[0], ends[1]


def _read(item: Dataset, signed: bool) -> RealWorldMap:
    first, last = _ends(item, signed)
    slope, intercept = number(item, "RealWorldValueSlope"), number(item, "RealWorldValueIntercept")
    data = None
    if "RealWorldValueLUTData" in item:
        data = array(item, "RealWorldValueLUTData").astype(np.float64)
        if data.size != last - first + 1:
            raise DecodeError(
                f"a table of {data.size} real world values from {first:g} to {last:g}",
                tag=tag_for("RealWorldValueLUTData"),
            )
    elif slope is None or intercept is None:
        raise missing("RealWorldValueSlope")
    codes = items(item, "MeasurementUnitsCodeSequence")
    units = text(codes[0], "CodeValue") or text(codes[0], "LongCodeValue") if codes else None
    return RealWorldMap(
        first, last, slope, intercept, data, units, text(item, "LUTLabel"), text(item, "LUTExplanation")
    )


def real_world_maps(ds: Dataset, frame: int = 0) -> tuple[RealWorldMap, ...]:
    """The real world maps of a frame, in their order; none where there are none."""
    signed = integer(ds, "PixelRepresentation") == 1
    found = functional_groups(ds, frame).items(_SEQUENCE) or items(ds, _SEQUENCE)
    return tuple(_read(item, signed) for item in found)


def apply_real_world_map(
    arr: NDArray[Any], ds: Dataset, index: int | str = 0, *, frame: int = 0
) -> NDArray[np.float64]:
    """Turn stored values into measurements by a map of the data set: its number, or its label.

    Raises DecodeError where the data set has none, IndexError or KeyError where it has no such one.
    """
    maps = real_world_maps(ds, frame)
    if not maps:
        raise missing(_SEQUENCE)
    if isinstance(index, str):
        named = [each for each in maps if each.label == index]
        if not named:
            raise KeyError(index)
        return named[0].apply(arr)
    if not 0 <= index < len(maps):
        raise IndexError(f"there are {len(maps)} real world maps")
    return maps[index].apply(arr)
